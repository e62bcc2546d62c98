//! Which open page an answer belongs to: one pure decision. Whatever does not fit exactly changes nothing.

use std::time::Duration;

use base::Timestamp;

use crate::answer::{Action, Ask, Candidate, Pointer};
use crate::digits::BLOCK;
use crate::slots::{Slot, Way};

/// How long after the page an answer counts.
pub(crate) const ANSWERABLE: Duration = Duration::from_hours(36);

/// An answer that belongs to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The page.
    pub slot: &'a Slot,
    /// What the answer asks for.
    pub action: Action,
}

/// Why a text belongs to no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// It does not read as an answer.
    NotAnAnswer,
    /// No page on this phone waits for an answer.
    NothingOpen,
    /// Pages wait, but none holds this digit.
    NoSuchDigit,
    /// Pages wait, but none has this label.
    NoSuchLabel,
    /// The page went out over another carrier or from another sender.
    OtherWay,
    /// The page is too old.
    TooOld,
    /// The page wants its code, and the text has none.
    CodeMissing,
    /// The code is not the page's.
    CodeWrong,
    /// Words alone, and several pages wait.
    Ambiguous,
}

impl Unbound {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnAnswer => "not_an_answer",
            Self::NothingOpen => "nothing_open",
            Self::NoSuchDigit => "no_such_digit",
            Self::NoSuchLabel => "no_such_label",
            Self::OtherWay => "other_way",
            Self::TooOld => "too_old",
            Self::CodeMissing => "code_missing",
            Self::CodeWrong => "code_wrong",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// The reason in words, for the log of what came in.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotAnAnswer => "not bound: the text does not read as an answer",
            Self::NothingOpen => "not bound: no page on this phone waits for an answer",
            Self::NoSuchDigit => "not bound: no open page on this phone has this digit",
            Self::NoSuchLabel => "not bound: no open page on this phone is about this alert",
            Self::OtherWay => "not bound: the page went out over another carrier or from another sender",
            Self::TooOld => "not bound: the page is older than 36 hours",
            Self::CodeMissing => "not bound: the alert is critical and the text lacks the page's code",
            Self::CodeWrong => "not bound: the code is not the page's",
            Self::Ambiguous => "not bound: several pages wait on this phone, and the text does not say which it means",
        }
    }

    /// Whether it looks like somebody trying: such replies are kept as detections.
    pub const fn is_suspicious(self) -> bool {
        matches!(self, Self::OtherWay | Self::CodeWrong)
    }
}

/// Binds an answer that came in over `way` to one of the pages of that phone. `slots` are all that still hold digits,
/// closed ones too, so that a late answer is told apart from a wrong one.
pub fn bind<'a>(candidate: &Candidate, slots: &'a [Slot], way: &Way, now: Timestamp) -> Result<Bound<'a>, Unbound> {
    if slots.is_empty() {
        return Err(Unbound::NothingOpen);
    }
    match &candidate.ask {
        Ask::Digit(digit) => {
            let slot = holder(slots, *digit).ok_or(Unbound::NoSuchDigit)?;
            let action = match digit - slot.first_digit {
                0 => Action::Acknowledge,
                1 => Action::PassOn,
                _ => Action::Resolve,
            };
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action })
        }
        Ask::Word(action, Some(pointer)) => {
            let slot = match pointer {
                Pointer::Digit(digit) => holder(slots, *digit).ok_or(Unbound::NoSuchDigit)?,
                Pointer::Label(label) => {
                    let found: Vec<&Slot> = slots.iter().filter(|slot| slot.label == *label).collect();
                    // Numbers are per workspace, and one phone can serve several.
                    match found[..] {
                        [] => return Err(Unbound::NoSuchLabel),
                        [slot] => slot,
                        _ => return Err(Unbound::Ambiguous),
                    }
                }
            };
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action: *action })
        }
        Ask::Word(action, None) => by_word(*action, candidate, slots, way, now),
    }
}

/// The page that an answer is aimed at, whether or not it may be bound: for saying where somebody tried.
pub(crate) fn aimed<'a>(candidate: &Candidate, slots: &'a [Slot]) -> Option<&'a Slot> {
    let only = |mut found: Vec<&'a Slot>| if found.len() == 1 { found.pop() } else { None };
    match &candidate.ask {
        Ask::Digit(digit) | Ask::Word(_, Some(Pointer::Digit(digit))) => holder(slots, *digit),
        Ask::Word(_, Some(Pointer::Label(label))) => only(slots.iter().filter(|slot| slot.label == *label).collect()),
        Ask::Word(_, None) => only(slots.iter().filter(|slot| slot.closed.is_none()).collect()),
    }
}

/// A word without digit or label: a code tells which page is meant, otherwise only one may wait. Undo looks at closed
/// pages too, since resolving closes the page.
fn by_word<'a>(
    action: Action,
    candidate: &Candidate,
    slots: &'a [Slot],
    way: &Way,
    now: Timestamp,
) -> Result<Bound<'a>, Unbound> {
    let waiting: Vec<&Slot> = slots
        .iter()
        .filter(|slot| slot.closed.is_none() || action == Action::Undo)
        .filter(|slot| now.since(slot.paged) <= ANSWERABLE)
        .collect();
    if waiting.is_empty() {
        return Err(Unbound::NothingOpen);
    }
    let meant: Vec<&Slot> = match &candidate.code {
        Some(_) => waiting.iter().copied().filter(|slot| slot.code == candidate.code).collect(),
        None => waiting.clone(),
    };
    match (meant.as_slice(), &candidate.code) {
        ([], _) => Err(Unbound::CodeWrong),
        ([slot], _) => {
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action })
        }
        (_, _) => Err(Unbound::Ambiguous),
    }
}

fn holder(slots: &[Slot], digit: u32) -> Option<&Slot> {
    slots.iter().find(|slot| (slot.first_digit..slot.first_digit + BLOCK).contains(&digit))
}

fn check(slot: &Slot, candidate: &Candidate, way: &Way, now: Timestamp) -> Result<(), Unbound> {
    // First the way: over a wrong one, nothing is told about codes.
    if !slot.ways.contains(way) {
        return Err(Unbound::OtherWay);
    }
    if now.since(slot.paged) > ANSWERABLE {
        return Err(Unbound::TooOld);
    }
    match (&slot.code, &candidate.code) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Unbound::CodeMissing),
        (Some(wanted), Some(given)) if crypto::constant_time_eq(wanted.as_bytes(), given.as_bytes()) => Ok(()),
        // A code on a page that has none was meant for another page.
        (_, Some(_)) => Err(Unbound::CodeWrong),
    }
}

#[cfg(test)]
mod tests {
    use base::NotificationId;
    use uuid::Uuid;

    use super::*;
    use crate::answer::parse;

    const NOW: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

    fn way() -> Way {
        Way::new("carrier-a", "+447700900199")
    }

    fn slot(label: &str, first_digit: u32, code: Option<&str>) -> Slot {
        Slot {
            id: Uuid::from_u128(u128::from(first_digit)),
            workspace: Uuid::from_u128(1).into(),
            subject: Uuid::from_u128(100 + u128::from(first_digit)),
            label: label.into(),
            notification: NotificationId::from(Uuid::from_u128(200 + u128::from(first_digit))),
            first_digit,
            code: code.map(str::to_owned),
            ways: vec![way()],
            paged: NOW,
            closed: None,
        }
    }

    /// Three pages on one phone: a critical one, one of a lower priority, and a critical one of another workspace.
    fn three() -> Vec<Slot> {
        let mut other = slot("A-7", 7, Some("M4P"));
        other.workspace = Uuid::from_u128(2).into();
        vec![slot("A-1042", 1, Some("K7Q")), slot("A-1043", 4, None), other]
    }

    fn seen(text: &str, slots: &[Slot], way: &Way, now: Timestamp) -> String {
        let Some(candidate) = parse(text) else { return "nothing".into() };
        match bind(&candidate, slots, way, now) {
            Ok(Bound { slot, action }) => format!("{} {action}", slot.label),
            Err(why) => why.as_str().to_owned(),
        }
    }

    /// E-20: several alerts open on one phone, over all workspaces, and each text finds its own or none.
    #[test]
    fn e_20_each_text_finds_its_page_or_none() {
        for (text, meaning) in [
            ("1 K7Q", "A-1042 acknowledge"),
            ("2k7q", "A-1042 pass on"),
            ("3 K7Q", "A-1042 resolve"),
            ("1", "code_missing"),
            ("1 M4P", "code_wrong"),
            ("1 KKK", "code_wrong"),
            ("4", "A-1043 acknowledge"),
            ("5", "A-1043 pass on"),
            ("6", "A-1043 resolve"),
            ("4 K7Q", "code_wrong"),
            ("7 M4P", "A-7 acknowledge"),
            ("10", "no_such_digit"),
            ("ack", "ambiguous"),
            ("ack K7Q", "A-1042 acknowledge"),
            ("pass on M4P", "A-7 pass on"),
            ("ack C33", "code_wrong"),
            ("ack 4", "A-1043 acknowledge"),
            ("resolve a-1043", "A-1043 resolve"),
            ("ack A-1042", "code_missing"),
            ("ack A-1042 K7Q", "A-1042 acknowledge"),
            ("ack A-9", "no_such_label"),
            ("undo K7Q", "A-1042 undo"),
            ("undo 4", "A-1043 undo"),
        ] {
            assert_eq!(seen(text, &three(), &way(), NOW), meaning, "{text}");
        }
    }

    /// E-20: a reply counts only over the carrier and to the sender that carried the page.
    #[test]
    fn e_20_another_carrier_or_sender_binds_nothing() {
        for other in [Way::new("carrier-b", "447700900199"), Way::new("carrier-a", "447700900198")] {
            for text in ["1 K7Q", "1 KKK", "4", "ack K7Q", "undo 4"] {
                assert_eq!(seen(text, &three(), &other, NOW), "other_way", "{text}");
            }
        }
        let resent = Slot { ways: vec![way(), Way::new("carrier-b", "447700900199")], ..slot("A-1", 1, None) };
        assert_eq!(seen("1", &[resent], &Way::new("carrier-b", "+447700900199"), NOW), "A-1 acknowledge");
    }

    /// E-20: an old page is not answered any more, and a closed one binds only to be told that it is late.
    #[test]
    fn e_20_old_and_closed_pages() {
        let later = |hours| NOW.plus(Duration::from_hours(hours));
        assert_eq!(seen("4", &three(), &way(), later(36)), "A-1043 acknowledge");
        assert_eq!(seen("4", &three(), &way(), later(37)), "too_old");
        assert_eq!(seen("ack K7Q", &three(), &way(), later(37)), "nothing_open");
        let closed = [Slot { closed: Some(NOW), ..slot("A-1", 1, None) }, slot("A-2", 4, None)];
        assert_eq!(seen("1", &closed, &way(), NOW), "A-1 acknowledge", "bound, so that the alert can say it is over");
        assert_eq!(seen("ack", &closed, &way(), NOW), "A-2 acknowledge", "words alone mean the page that waits");
        assert_eq!(seen("undo", &closed[..1], &way(), NOW), "A-1 undo", "resolving closed it");
        assert_eq!(seen("ack", &closed[..1], &way(), NOW), "nothing_open");
        assert_eq!(seen("1", &[], &way(), NOW), "nothing_open");
    }

    #[test]
    fn the_same_label_in_two_workspaces_is_ambiguous() {
        let mut other = slot("A-1", 4, None);
        other.workspace = Uuid::from_u128(2).into();
        assert_eq!(seen("ack A-1", &[slot("A-1", 1, None), other], &way(), NOW), "ambiguous");
    }

    proptest::proptest! {
        /// E-20: whatever a stranger types, a critical page is never answered without its own code over its own way.
        #[test]
        fn e_20_no_text_without_the_code_answers_a_critical_page(text in "\\PC{0,20}", digits in "[0-9]{1,2} ?[A-Za-z0-9]{0,3}", over in 0_u8..2) {
            for text in [text, digits] {
                let way = if over == 0 { way() } else { Way::new("carrier-b", "447700900199") };
                let slots = three();
                if let Some(candidate) = parse(&text) && let Ok(bound) = bind(&candidate, &slots, &way, NOW) {
                    proptest::prop_assert!(over == 0);
                    proptest::prop_assert_eq!(bound.slot.code.clone(), candidate.code);
                }
            }
        }
    }
}
