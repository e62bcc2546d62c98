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
    /// Whether receipts were seen to bring the answer's own text: then nothing has to be remembered.
    same: AtomicBool,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

/// Ids remembered while the carrier's way is not known.
const REMEMBERED: usize = 20_000;

impl References {
    /// For a carrier that writes its ids as `ids` says.
    pub fn new(ids: MessageIds) -> Self {
        Self { ids, same: AtomicBool::new(ids == MessageIds::Same), recent: Mutex::default() }
    }

    /// The id of an answer to a submit, as it is stored.
    pub fn of_answer(&self, text: &str) -> String {
        let plain = plain(text);
        match self.ids {
            MessageIds::Same => plain,
            MessageIds::HexThenDecimal => from_hex(&plain).unwrap_or(plain),
            MessageIds::DecimalThenHex => from_decimal(&plain).unwrap_or(plain),
            MessageIds::Auto => {
                if !self.same.load(Ordering::Relaxed)
                    && let Ok(mut recent) = self.recent.lock()
                {
                    recent.remember(plain.clone());
                }
                plain
            }
        }
    }

    /// The id of a receipt, as [`Self::of_answer`] stored it.
    pub fn of_receipt(&self, text: &str) -> String {
        let plain = plain(text);
        match self.ids {
            MessageIds::Same => plain,
            MessageIds::HexThenDecimal => from_decimal(&plain).unwrap_or(plain),
            MessageIds::DecimalThenHex => from_hex(&plain).unwrap_or(plain),
            MessageIds::Auto => self.guess(plain),
        }
    }

    fn guess(&self, plain: String) -> String {
        if self.same.load(Ordering::Relaxed) {
            return plain;
        }
        let Ok(recent) = self.recent.lock() else { return plain };
        // A text of digits alone can be both: only one that hexadecimal could not be read from proves "the same".
        if recent.known.contains(&plain) {
            if from_decimal(&plain).is_none() {
                self.same.store(true, Ordering::Relaxed);
            }
            return plain;
        }
        let written_otherwise = [as_hex(&plain), from_hex(&plain)];
        written_otherwise.into_iter().flatten().find(|other| recent.known.contains(other)).unwrap_or(plain)
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

/// The decimal digits of a hexadecimal number.
fn from_hex(plain: &str) -> Option<String> {
    u128::from_str_radix(plain, 16).ok().map(|number| number.to_string())
}

/// The same digits, if it is a decimal number.
fn from_decimal(plain: &str) -> Option<String> {
    plain.parse::<u128>().ok().map(|number| number.to_string())
}

/// The hexadecimal digits of a decimal number.
fn as_hex(plain: &str) -> Option<String> {
    plain.parse::<u128>().ok().map(|number| format!("{number:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: MessageIds, answer: &str, receipt: &str) {
        let references = References::new(ids);
        let stored = references.of_answer(answer);
        assert_eq!(references.of_receipt(receipt), stored, "{ids:?}: {answer} and {receipt}");
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

    #[test]
    fn nothing_is_remembered_once_the_carriers_way_is_known() {
        let references = References::new(MessageIds::Auto);
        references.of_answer("ab12");
        assert_eq!(references.of_receipt("AB12"), "ab12");
        references.of_answer("cd34");
        assert_eq!(references.recent.lock().unwrap().known.len(), 1);
    }

    #[test]
    fn memory_is_bounded_while_it_is_not_known() {
        let references = References::new(MessageIds::Auto);
        for id in 0..REMEMBERED + 100 {
            references.of_answer(&id.to_string());
        }
        assert_eq!(references.recent.lock().unwrap().known.len(), REMEMBERED);
    }
}
