//! A carrier's message id as one text, although carriers write it in hexadecimal here and in decimal there.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// How a carrier writes its message ids in answers to submits and in receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageIds {
    /// Found out from the first receipts.
    #[default]
    Auto,
    /// The same in both.
    Same,
    /// Hexadecimal in the answer, decimal in the receipt.
    HexThenDecimal,
    /// Decimal in the answer, hexadecimal in the receipt.
    DecimalThenHex,
}

/// Turns both ways of writing into one. Memory is bounded; it is needed only until the carrier's way is known.
#[derive(Debug)]
pub struct References {
    ids: MessageIds,
    learning: Mutex<Learning>,
    /// Whether `learning` has come to an end: then nothing has to be remembered.
    learned: AtomicBool,
}

/// A receipt's id that fits nothing that was sent, as it is stored when nothing better turns up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet(pub String);

#[derive(Debug, Default)]
struct Learning {
    recent: Recent,
    /// What the latest receipts that fit only one way agreed on, and how many did.
    way: MessageIds,
    agreed: u32,
}

#[derive(Debug, Default)]
struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

/// Ids remembered while the carrier's way is not known.
const REMEMBERED: usize = 20_000;
/// The ways there are.
const WAYS: [MessageIds; 3] = [MessageIds::Same, MessageIds::HexThenDecimal, MessageIds::DecimalThenHex];
/// Receipts that must agree before their way counts as the carrier's.
const ENOUGH: u32 = 5;

impl References {
    /// For a carrier that writes its ids as `ids` says.
    pub fn new(ids: MessageIds) -> Self {
        Self { ids, learning: Mutex::default(), learned: AtomicBool::new(ids != MessageIds::Auto) }
    }

    /// The id of an answer to a submit, as it is stored: always the answer's own, so that what was stored stays
    /// right when the carrier's way is learned, or said, later.
    pub fn of_answer(&self, text: &str) -> String {
        let plain = plain(text);
        if !self.learned.load(Ordering::Relaxed)
            && let Ok(mut learning) = self.learning.lock()
        {
            learning.recent.remember(plain.clone());
        }
        plain
    }

    /// The id of a receipt, as [`Self::of_answer`] stored it. An error while it is not known how to read it, which may pass:
    /// its answer may still be on its way, or be read by another task at this moment.
    pub fn of_receipt(&self, text: &str) -> Result<String, NotYet> {
        let plain = plain(text);
        match self.ids {
            MessageIds::Auto => self.guess(plain),
            way => Ok(as_answered(way, &plain).unwrap_or(plain)),
        }
    }

    /// Until the carrier's way is known, an id counts as written in the one way in which it names a message that was
    /// sent; a few receipts that fit only one way, one after the other, settle it. Digits alone can fit several:
    /// then what was learned so far decides, and they teach nothing.
    fn guess(&self, plain: String) -> Result<String, NotYet> {
        let Ok(mut learning) = self.learning.lock() else { return Ok(plain) };
        if self.learned.load(Ordering::Relaxed) {
            return Ok(as_answered(learning.way, &plain).unwrap_or(plain));
        }
        let mut fitting: Vec<(MessageIds, String)> = WAYS
            .into_iter()
            .filter_map(|way| as_answered(way, &plain).map(|id| (way, id)))
            .filter(|(_, id)| learning.recent.known.contains(id))
            .collect();
        // A single digit is written the same in every way.
        fitting.dedup_by(|one, other| one.1 == other.1 && one.0 != learning.way);
        if let [(way, id)] = fitting.as_slice() {
            let telling = WAYS.iter().filter(|other| as_answered(**other, &plain).as_deref() == Some(id)).count() == 1;
            if telling {
                learning.agreed = if learning.way == *way { learning.agreed + 1 } else { 1 };
                learning.way = *way;
                if learning.agreed >= ENOUGH {
                    tracing::info!(message_ids = ?way, "how this carrier writes message ids is known; setting message_ids saves finding out again");
                    learning.recent = Recent::default();
                    self.learned.store(true, Ordering::Relaxed);
                }
            }
        }
        let learned = learning.way;
        let place = fitting.iter().position(|(way, _)| *way == learned).unwrap_or(0);
        fitting.into_iter().nth(place).map(|(_, id)| id).ok_or(NotYet(plain))
    }
}

/// The id of an answer that a receipt with `plain` is about, if the carrier writes ids in this way.
fn as_answered(way: MessageIds, plain: &str) -> Option<String> {
    match way {
        MessageIds::Auto | MessageIds::Same => Some(plain.to_owned()),
        MessageIds::HexThenDecimal => plain.parse::<u128>().ok().map(|number| format!("{number:x}")),
        MessageIds::DecimalThenHex => u128::from_str_radix(plain, 16).ok().map(|number| number.to_string()),
    }
}

impl Recent {
    fn remember(&mut self, id: String) {
        if self.known.insert(id.clone()) {
            self.order.push_back(id);
        }
        while self.order.len() > REMEMBERED {
            if let Some(old) = self.order.pop_front() {
                self.known.remove(&old);
            }
        }
    }
}

/// Without blanks, in lower case, without `0x` and leading zeros: what carriers vary without meaning it.
fn plain(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.strip_prefix("0x").unwrap_or(&lower);
    let trimmed = bare.trim_start_matches('0');
    if trimmed.is_empty() && !bare.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: MessageIds, answer: &str, receipt: &str) {
        let references = References::new(ids);
        let stored = references.of_answer(answer);
        assert_eq!(references.of_receipt(receipt), Ok(stored), "{ids:?}: {answer} and {receipt}");
    }

    /// F-15: receipts are matched by the carrier's id, however it is written.
    #[test]
    fn an_id_is_found_again_however_the_carrier_writes_it() {
        check(MessageIds::Same, "0192B6F4-7C1E", "0192b6f4-7c1e");
        check(MessageIds::HexThenDecimal, "5F2A91", "6236817");
        check(MessageIds::HexThenDecimal, "0x5f2a91", "0006236817");
        check(MessageIds::DecimalThenHex, "6236817", "5F2A91");
        check(MessageIds::Auto, "5F2A91", "5f2a91");
        check(MessageIds::Auto, "5F2A91", "6236817");
        check(MessageIds::Auto, "6236817", "005F2A91");
        check(MessageIds::Auto, "12345", "12345");
        check(MessageIds::Auto, "msg-7-x", "MSG-7-X");
    }

    /// F-15: a receipt that overtakes its answer is readable as soon as the answer is there.
    #[test]
    fn a_receipt_before_its_answer_is_not_read_wrongly() {
        let references = References::new(MessageIds::Auto);
        assert_eq!(references.of_receipt("6236817"), Err(NotYet("6236817".into())));
        let stored = references.of_answer("5F2A91");
        assert_eq!(references.of_receipt("6236817"), Ok(stored));
    }

    #[test]
    fn nothing_is_remembered_once_the_carriers_way_is_known() {
        let references = References::new(MessageIds::Auto);
        for id in 0..u128::from(ENOUGH) {
            let id = 0xAB00_0000_0000 + id;
            let stored = references.of_answer(&format!("{id:x}"));
            assert_eq!(references.of_receipt(&id.to_string()), Ok(stored));
        }
        references.of_answer("cd34");
        assert_eq!(references.learning.lock().unwrap().recent.known.len(), 0);
        // From here on no memory is needed, not even of what was sent before a restart.
        assert_eq!(references.of_receipt("43981"), Ok("abcd".into()));
    }

    /// Numbers in sequence fit several ways at once; once the way is known, none goes to the wrong message.
    #[test]
    fn numbers_that_fit_several_ways_go_by_what_was_learned() {
        let references = References::new(MessageIds::Auto);
        for id in 0x1A_u32..0x40 {
            references.of_answer(&format!("{id:x}"));
        }
        // 0x3a to 0x3f: their decimal forms 58 to 63 name nothing else that was sent.
        for id in 0x3A_u32..0x3F {
            assert_eq!(references.of_receipt(&id.to_string()), Ok(format!("{id:x}")));
        }
        // 0x20 is 32 in decimal, and "32" was sent as well.
        assert_eq!(references.of_receipt("32"), Ok("20".into()));
    }

    #[test]
    fn memory_is_bounded_while_it_is_not_known() {
        let references = References::new(MessageIds::Auto);
        for id in 0..REMEMBERED + 100 {
            references.of_answer(&id.to_string());
        }
        assert_eq!(references.learning.lock().unwrap().recent.known.len(), REMEMBERED);
    }
}
