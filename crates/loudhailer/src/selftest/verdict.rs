//! The comparison: what was accepted against what the carrier's ledger and the product's own lists show. Pure, so that a wrong
//! comparison is found by its own tests rather than believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names of a fault that are shown.
const SHOWN: usize = 5;

/// What one run left behind, from every side.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Messages that the API answered 200 for.
    pub messages: BTreeSet<String>,
    /// Signals that were answered 202.
    pub signals: BTreeSet<String>,
    /// How often each name stands in a text that the carrier took.
    pub at_carrier: BTreeMap<String, u64>,
    /// The product's list of messages.
    pub shown: Vec<Shown>,
    /// The names in the titles of the product's alerts, an entry for each alert.
    pub alerts: Vec<String>,
    /// What `audit verify` says, when it finds the chain broken.
    pub audit_broken: Option<String>,
}

/// A message as the product lists it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Its name, when an application gave it one; pages have none.
    pub name: Option<String>,
    /// Its state.
    pub state: String,
    /// Whether a submit of it was cut off unanswered.
    pub unknown_outcome: bool,
}

impl Shown {
    /// Whether its sender can see that it did not simply go: it was cut off, or it ended without reaching a handset.
    fn is_accounted_for(&self) -> bool {
        self.unknown_outcome
            || ["unknown", "undelivered", "expired", "rejected", "failed"].contains(&self.state.as_str())
    }

    /// Whether nothing more is expected of it.
    pub fn is_over(&self) -> bool {
        self.is_accounted_for() || self.state == "delivered"
    }
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Accepted messages that neither reached the carrier nor are shown as anything else.
    LostMessages(Vec<String>),
    /// Accepted signals that no alert shows.
    NoAlert(Vec<String>),
    /// Accepted signals whose page never reached the carrier.
    NoPage(Vec<String>),
    /// Signals that made more than one alert.
    SeveralAlerts(Vec<String>),
    /// More texts went twice than are shown as unknown outcome.
    TwiceInSilence {
        /// Texts that the carrier took more than once.
        twice: u64,
        /// Messages that are shown as unknown outcome.
        unknown: u64,
    },
    /// Messages that the carrier took and whose receipt never arrived.
    NoReceipt(u64),
    /// The audit chain does not verify.
    Audit(String),
}

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Messages and signals that were accepted.
    pub accepted: u64,
    /// Of those, the ones that the carrier took.
    pub at_carrier: u64,
    /// Messages with their receipt.
    pub delivered: u64,
    /// Texts that went more than once.
    pub twice: u64,
    /// Messages that are shown as unknown outcome.
    pub unknown: u64,
    /// What must not be; empty when all is well.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// Compares.
    pub fn of(books: &Books) -> Self {
        let reached = |name: &&String| books.at_carrier.contains_key(*name);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let unknown = count(books.shown.iter().filter(|one| one.unknown_outcome).count());
        let twice = count(books.at_carrier.values().filter(|times| **times > 1).count());
        let mut verdict = Self {
            accepted: count(books.messages.len() + books.signals.len()),
            at_carrier: count(books.messages.iter().chain(&books.signals).filter(reached).count()),
            delivered: count(books.shown.iter().filter(|one| one.state == "delivered").count()),
            twice,
            unknown,
            faults: Vec::new(),
        };
        let mut fault = |names: Vec<String>, kind: fn(Vec<String>) -> Fault| {
            if !names.is_empty() {
                verdict.faults.push(kind(names));
            }
        };
        fault(books.missing_messages(), Fault::LostMessages);
        let mut alerts: BTreeMap<&String, u64> = BTreeMap::new();
        for name in &books.alerts {
            *alerts.entry(name).or_default() += 1;
        }
        let without = |name: &&String| !alerts.contains_key(*name);
        fault(books.signals.iter().filter(without).cloned().collect(), Fault::NoAlert);
        fault(books.missing_pages(), Fault::NoPage);
        let several = alerts.iter().filter(|(_, times)| **times > 1).map(|(name, _)| (*name).clone());
        fault(several.collect(), Fault::SeveralAlerts);
        if twice > unknown {
            verdict.faults.push(Fault::TwiceInSilence { twice, unknown });
        }
        let waiting = count(books.shown.iter().filter(|one| !one.is_over()).count());
        if waiting > 0 {
            verdict.faults.push(Fault::NoReceipt(waiting));
        }
        if let Some(words) = &books.audit_broken {
            verdict.faults.push(Fault::Audit(words.clone()));
        }
        verdict
    }

    /// Whether nothing was found that must not be.
    pub const fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Books {
    /// Accepted messages that the carrier has not got, and that nothing else is said of.
    pub fn missing_messages(&self) -> Vec<String> {
        let said: BTreeSet<&String> =
            self.shown.iter().filter(|one| one.is_accounted_for()).filter_map(|one| one.name.as_ref()).collect();
        let missing = |name: &&String| !self.at_carrier.contains_key(*name) && !said.contains(name);
        self.messages.iter().filter(missing).cloned().collect()
    }

    /// Accepted signals whose page the carrier has not got. Nothing excuses that: alerts are sent again.
    pub fn missing_pages(&self) -> Vec<String> {
        self.signals.iter().filter(|name| !self.at_carrier.contains_key(*name)).cloned().collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| {
            let more = names.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
        };
        match self {
            Self::LostMessages(lost) => write!(f, "accepted messages are lost: {}", names(lost)),
            Self::NoAlert(lost) => write!(f, "accepted signals have no alert: {}", names(lost)),
            Self::NoPage(lost) => write!(f, "accepted signals were never paged: {}", names(lost)),
            Self::SeveralAlerts(doubled) => write!(f, "signals made several alerts: {}", names(doubled)),
            Self::TwiceInSilence { twice, unknown } => {
                write!(f, "{twice} texts went twice, but only {unknown} messages are shown as unknown outcome")
            }
            Self::NoReceipt(count) => write!(f, "{count} messages never got their receipt"),
            Self::Audit(words) => write!(f, "the audit chain does not verify: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    fn shown(name: &str, state: &str, unknown_outcome: bool) -> Shown {
        let name = name.starts_with('M').then(|| name.to_owned());
        Shown { name, state: state.to_owned(), unknown_outcome }
    }

    /// Two messages and two signals, all well.
    fn sound() -> Books {
        Books {
            messages: names(&["M-1", "M-2"]),
            signals: names(&["S-1", "S-2"]),
            at_carrier: ["M-1", "M-2", "S-1", "S-2"].into_iter().map(|name| (name.to_owned(), 1)).collect(),
            shown: ["M-1", "M-2", "S-1", "S-2"].into_iter().map(|name| shown(name, "delivered", false)).collect(),
            alerts: vec!["S-1".into(), "S-2".into()],
            audit_broken: None,
        }
    }

    fn faults(change: impl FnOnce(&mut Books)) -> Vec<Fault> {
        let mut books = sound();
        change(&mut books);
        Verdict::of(&books).faults
    }

    fn without(books: &mut Books, name: &str) {
        books.at_carrier.remove(name);
    }

    #[test]
    fn a_sound_run_is_good_and_counted() {
        let verdict = Verdict::of(&sound());
        assert!(verdict.is_good());
        assert_eq!((verdict.accepted, verdict.at_carrier, verdict.delivered, verdict.twice), (4, 4, 4, 0));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(faults(|books| without(books, "M-2")), [Fault::LostMessages(vec!["M-2".into()])]);
        assert_eq!(faults(|books| without(books, "S-1")), [Fault::NoPage(vec!["S-1".into()])]);
        assert_eq!(faults(|books| drop(books.alerts.pop())), [Fault::NoAlert(vec!["S-2".into()])]);
        let words = faults(|books| books.at_carrier.clear())[0].to_string();
        assert_eq!(words, "accepted messages are lost: M-1, M-2");
    }

    #[test]
    fn a_message_that_is_shown_as_cut_off_is_not_lost_and_a_page_that_is_still_is() {
        let cut = |books: &mut Books, at: usize, name: &str| {
            books.at_carrier.remove(name);
            books.shown[at] = shown(name, "unknown", true);
        };
        assert_eq!(faults(|books| cut(books, 1, "M-2")), []);
        assert_eq!(faults(|books| cut(books, 2, "S-1")), [Fault::NoPage(vec!["S-1".into()])]);
    }

    #[test]
    fn what_is_doubled_is_found_unless_it_is_shown() {
        let twice = |books: &mut Books| {
            books.at_carrier.insert("M-1".into(), 2);
        };
        assert_eq!(faults(twice), [Fault::TwiceInSilence { twice: 1, unknown: 0 }]);
        let shown_twice = |books: &mut Books| {
            twice(books);
            books.shown[0].unknown_outcome = true;
        };
        assert_eq!(faults(shown_twice), []);
        assert_eq!(faults(|books| books.alerts.push("S-1".into())), [Fault::SeveralAlerts(vec!["S-1".into()])]);
    }

    #[test]
    fn a_missing_receipt_and_a_broken_chain_are_found() {
        assert_eq!(faults(|books| books.shown[3].state = "sent".into()), [Fault::NoReceipt(1)]);
        let broken = |books: &mut Books| books.audit_broken = Some("entry 7 was altered".into());
        assert_eq!(faults(broken), [Fault::Audit("entry 7 was altered".into())]);
    }
}
