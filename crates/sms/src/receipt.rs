//! Delivery receipts: the states of SMPP 3.4 section 5.2.28 and the text of appendix B.

use std::fmt;

/// What a carrier says has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptState {
    /// Waiting for its time (SMPP 5.0).
    Scheduled,
    /// On its way.
    Enroute,
    /// On the handset.
    Delivered,
    /// Its validity ran out.
    Expired,
    /// Deleted at the carrier.
    Deleted,
    /// Cannot be delivered.
    Undeliverable,
    /// Taken by the carrier or read on the recipient's behalf.
    Accepted,
    /// The carrier does not know.
    Unknown,
    /// Refused.
    Rejected,
    /// Left out (SMPP 5.0).
    Skipped,
}

/// State, SMPP `message_state`, `stat` text, and other spellings seen.
const STATES: [(ReceiptState, u8, &str, &[&str]); 10] = [
    (ReceiptState::Scheduled, 0, "SCHEDLD", &["SCHEDUL", "SCHEDULED"]),
    (ReceiptState::Enroute, 1, "ENROUTE", &["EN_ROUT", "BUFFRED", "BUFFERED"]),
    (ReceiptState::Delivered, 2, "DELIVRD", &["DELIVERED", "DELIVERD", "DELIVER"]),
    (ReceiptState::Expired, 3, "EXPIRED", &["EXPIRD"]),
    (ReceiptState::Deleted, 4, "DELETED", &["CANCELD", "CANCELED"]),
    (ReceiptState::Undeliverable, 5, "UNDELIV", &["UNDELIVERABLE", "UNDELVD", "UNDELIVERED", "FAILED"]),
    (ReceiptState::Accepted, 6, "ACCEPTD", &["ACCEPTED", "ACKED"]),
    (ReceiptState::Unknown, 7, "UNKNOWN", &["UNKNOWM"]),
    (ReceiptState::Rejected, 8, "REJECTD", &["REJECTED", "REJCTD"]),
    (ReceiptState::Skipped, 9, "SKIPPED", &[]),
];

impl ReceiptState {
    fn row(self) -> &'static (Self, u8, &'static str, &'static [&'static str]) {
        STATES.iter().find(|row| row.0 == self).unwrap_or(&STATES[7])
    }

    /// The value of the TLV `message_state`.
    pub fn message_state(self) -> u8 {
        self.row().1
    }

    /// The state a TLV `message_state` means; a value without a meaning is [`Self::Unknown`].
    pub fn from_message_state(value: u8) -> Self {
        STATES.iter().find(|row| row.1 == value).map_or(Self::Unknown, |row| row.0)
    }

    /// The seven letters of a receipt text.
    pub fn stat(self) -> &'static str {
        self.row().2
    }

    /// The state a receipt text means, in whichever case and with the spellings seen in the field.
    pub fn from_stat(text: &str) -> Option<Self> {
        STATES
            .iter()
            .find(|row| row.2.eq_ignore_ascii_case(text) || row.3.iter().any(|other| other.eq_ignore_ascii_case(text)))
            .map(|row| row.0)
    }

    /// Whether nothing follows it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Enroute | Self::Accepted | Self::Unknown)
    }
}

/// The text of a delivery receipt, `id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptText {
    /// The carrier's id as it stands in the text (decimal or hexadecimal: the peer's business).
    pub id: String,
    /// The state.
    pub state: ReceiptState,
    /// `err`, trimmed: mostly three digits, some peers use more or letters.
    pub error: Option<String>,
    /// When it was submitted, as the carrier's clock had it: `YYMMDDhhmm` or with seconds.
    pub submit_date: Option<ReceiptDate>,
    /// When it reached this state.
    pub done_date: Option<ReceiptDate>,
    /// `sub`: parts submitted.
    pub submitted: Option<u16>,
    /// `dlvrd`: parts delivered.
    pub delivered: Option<u16>,
    /// The first characters of the message, as far as the carrier repeats them. Personal; never store or log it.
    pub text: Option<String>,
}

/// A date of a receipt text: no zone is said, so it is the carrier's local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptDate {
    /// 2000–2099.
    pub year: u16,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
    /// 0–59 when the peer writes seconds.
    pub second: Option<u8>,
}

impl ReceiptDate {
    /// Reads `YYMMDDhhmm[ss]`, and the 14 digits `YYYYMMDDhhmmss` that some peers write.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = match text.len() {
            10 | 12 => (2000 + text[..2].parse::<u16>().ok()?, &text[2..]),
            14 => (text[..4].parse().ok()?, &text[4..]),
            _ => return None,
        };
        let two = |from: usize| rest.get(from..from + 2).and_then(|digits| digits.parse::<u8>().ok());
        let date = Self { year, month: two(0)?, day: two(2)?, hour: two(4)?, minute: two(6)?, second: two(8) };
        let sound = (1..=12).contains(&date.month)
            && (1..=31).contains(&date.day)
            && date.hour < 24
            && date.minute < 60
            && date.second.is_none_or(|second| second < 61);
        sound.then_some(date)
    }
}

impl fmt::Display for ReceiptDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, .. } = self;
        write!(f, "{:02}{month:02}{day:02}{hour:02}{minute:02}", year % 100)?;
        self.second.map_or(Ok(()), |second| write!(f, "{second:02}"))
    }
}

/// The names in the text, longest first where one ends another.
const NAMES: [&str; 8] = ["submit date", "done date", "dlvrd", "stat", "text", "sub", "err", "id"];

impl ReceiptText {
    /// A receipt with what must be there.
    pub fn new(id: impl Into<String>, state: ReceiptState) -> Self {
        Self {
            id: id.into(),
            state,
            error: None,
            submit_date: None,
            done_date: None,
            submitted: None,
            delivered: None,
            text: None,
        }
    }

    /// Reads a receipt text, tolerantly: names in any order and case, `submit date` with a space, underscore or
    /// nothing between, values missing. `None` when there is no id or no state: then it is no receipt, or one
    /// whose facts stand in TLVs alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut id, mut state, mut receipt) = (None, None, Self::new("", ReceiptState::Unknown));
        for (name, value) in fields(text) {
            match name {
                "id" if !value.is_empty() => id = Some(value.to_owned()),
                "stat" => state = Some(ReceiptState::from_stat(value).unwrap_or(ReceiptState::Unknown)),
                "err" if !value.is_empty() => receipt.error = Some(value.chars().take(8).collect()),
                "submit date" => receipt.submit_date = ReceiptDate::parse(value),
                "done date" => receipt.done_date = ReceiptDate::parse(value),
                "sub" => receipt.submitted = value.parse().ok(),
                "dlvrd" => receipt.delivered = value.parse().ok(),
                "text" if !value.is_empty() => receipt.text = Some(value.chars().take(160).collect()),
                _ => {}
            }
        }
        receipt.id = id?;
        receipt.state = state?;
        Some(receipt)
    }
}

/// The named values of a receipt text, in their order.
fn fields(text: &str) -> Vec<(&'static str, &str)> {
    let mut found: Vec<(&'static str, &str)> = Vec::new();
    let mut rest = text;
    let mut open: Option<(&'static str, &str)> = None;
    let mut consumed = 0;
    while !rest.is_empty() {
        // A name counts only where a word begins, and nothing is read inside the repeated message text.
        let begins = consumed == 0 || text[..consumed].ends_with([' ', ',', ';', '\t', '\n']);
        let named = if begins && open.is_none_or(|(name, _)| name != "text") { name_at(rest) } else { None };
        if let Some((name, length)) = named {
            if let Some((before, start)) = open {
                found.push((before, &start[..start.len() - rest.len()]));
            }
            rest = &rest[length..];
            consumed += length;
            open = Some((name, rest));
        } else {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            rest = &rest[step..];
            consumed += step;
        }
    }
    found.extend(open);
    found.into_iter().map(|(name, value)| (name, value.trim_matches([' ', ',', ';', '\t', '\n', '\0']))).collect()
}

/// The name that stands at the start of `rest` with its colon, and how long both are.
fn name_at(rest: &str) -> Option<(&'static str, usize)> {
    let (head, _) = rest.split_once(':')?;
    if head.len() > 12 {
        return None;
    }
    let squeezed: String = head.chars().filter(|character| !matches!(character, ' ' | '_' | '-')).collect();
    NAMES
        .into_iter()
        .find(|name| {
            let mut letters = name.chars().filter(|&character| character != ' ');
            let mut seen = squeezed.chars();
            loop {
                match (letters.next(), seen.next()) {
                    (None, None) => return true,
                    (Some(letter), Some(other)) if letter.eq_ignore_ascii_case(&other) => {}
                    _ => return false,
                }
            }
        })
        .map(|name| (name, head.len() + 1))
}

/// Prints as appendix B has it; `err` with three digits at least, absent dates as zeros.
impl fmt::Display for ReceiptText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |date: Option<ReceiptDate>| date.map_or_else(|| "0000000000".to_owned(), |date| date.to_string());
        write!(
            f,
            "id:{} sub:{:03} dlvrd:{:03} submit date:{} done date:{} stat:{} err:{:0>3} text:{}",
            self.id,
            self.submitted.unwrap_or(1),
            self.delivered.unwrap_or_else(|| u16::from(self.state == ReceiptState::Delivered)),
            date(self.submit_date),
            date(self.done_date),
            self.state.stat(),
            self.error.as_deref().unwrap_or("0"),
            self.text.as_deref().unwrap_or(""),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_of_the_specification() {
        let text = "id:0123456789 sub:001 dlvrd:001 submit date:2610230112 done date:261023011207 stat:DELIVRD err:000 text:Disk full";
        let receipt = ReceiptText::parse(text).unwrap();
        assert_eq!((receipt.id.as_str(), receipt.state), ("0123456789", ReceiptState::Delivered));
        assert_eq!(receipt.error.as_deref(), Some("000"));
        assert_eq!(receipt.done_date.unwrap().second, Some(7));
        assert_eq!(receipt.submit_date.unwrap().to_string(), "2610230112");
        assert_eq!(receipt.text.as_deref(), Some("Disk full"));
        assert_eq!(receipt.to_string(), text);
    }

    #[test]
    fn texts_seen_in_the_field() {
        for (text, id, state, error) in [
            ("stat:UNDELIV err:27 id:A1", "A1", ReceiptState::Undeliverable, Some("27")),
            (
                "ID:77 SUB:001 DLVRD:000 SUBMIT DATE:2610230112 DONE DATE: STAT:EXPIRED ERR:036",
                "77",
                ReceiptState::Expired,
                Some("036"),
            ),
            ("id:9 submitdate:2610230112 donedate:2610230113 stat:rejected", "9", ReceiptState::Rejected, None),
            ("id: 5 done_date:20261023011300 stat: ACCEPTD err: ", "5", ReceiptState::Accepted, None),
            ("id:1,stat:DELIVRD,err:0", "1", ReceiptState::Delivered, Some("0")),
            ("id:8 stat:WEIRD", "8", ReceiptState::Unknown, None),
            ("id:8 stat:DELIVRD err:000 text:id:9 stat:UNDELIV", "8", ReceiptState::Delivered, Some("000")),
        ] {
            let receipt = ReceiptText::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((receipt.id.as_str(), receipt.state, receipt.error.as_deref()), (id, state, error), "{text}");
        }
        for text in ["", "Hello: I'm late", "id:7", "stat:DELIVRD", "paid:7 stat:DELIVRD", "id: stat:DELIVRD"] {
            assert_eq!(ReceiptText::parse(text), None, "{text}");
        }
    }

    #[test]
    fn impossible_dates_are_absent() {
        for text in ["2613010000", "2600010000", "261001", "26102301AA", "2610232400", ""] {
            assert_eq!(ReceiptDate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn states_have_both_names() {
        for (state, value, stat, _) in STATES {
            assert_eq!((state.message_state(), state.stat()), (value, stat));
            assert_eq!(ReceiptState::from_message_state(value), state);
            assert_eq!(ReceiptState::from_stat(&stat.to_lowercase()), Some(state));
        }
        assert_eq!(ReceiptState::from_message_state(200), ReceiptState::Unknown);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = ReceiptText::parse(&text);
        }

        #[test]
        fn what_is_printed_is_read_again(id in "[0-9A-Za-z-]{1,36}", state in 0_u8..10, error in "[0-9]{3}", text in "[a-z:]{0,20}") {
            let receipt = ReceiptText {
                error: Some(error),
                text: (!text.is_empty()).then_some(text),
                submitted: Some(1),
                delivered: Some(0),
                done_date: ReceiptDate::parse("2610230112"),
                submit_date: ReceiptDate::parse("261023011259"),
                ..ReceiptText::new(id, ReceiptState::from_message_state(state))
            };
            prop_assert_eq!(ReceiptText::parse(&receipt.to_string()), Some(receipt));
        }
    }
}
