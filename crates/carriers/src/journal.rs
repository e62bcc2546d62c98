//! What became of a carrier's connections lately, in memory: for whoever asks at night why it was away for a minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base::Timestamp;
use serde::Serialize;

/// Changes that are remembered for each carrier.
const KEPT: usize = 100;

/// A connection came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkChange {
    /// When.
    pub at: Timestamp,
    /// Which connection, from 1; none when it is about the whole carrier.
    pub session: Option<usize>,
    /// Whether it is bound from then on.
    pub bound: bool,
    /// What happened, in words.
    pub words: String,
}

/// The latest changes of one carrier, the newest last. It outlives a change of settings, and ends with the process.
#[derive(Debug, Default)]
pub struct Journal(Mutex<VecDeque<LinkChange>>);

impl Journal {
    /// Remembers a change. The same one again (a connection that fails every 30 s for the same reason) is remembered once.
    pub fn note(&self, change: LinkChange) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.iter().rev().find(|other| other.session == change.session);
        if before.is_some_and(|other| other.bound == change.bound && other.words == change.words && !change.bound) {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(change);
    }

    /// The changes, newest first.
    pub fn latest(&self) -> Vec<LinkChange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: i64, bound: bool, words: &str) -> LinkChange {
        LinkChange { at: Timestamp::from_micros(at), session: Some(1), bound, words: words.into() }
    }

    #[test]
    fn the_same_failure_again_is_remembered_once_and_the_oldest_goes_first() {
        let journal = Journal::default();
        for at in 0..5 {
            journal.note(change(at, false, "connection refused"));
        }
        journal.note(change(5, true, "bound"));
        journal.note(change(6, true, "bound"));
        let seen: Vec<_> = journal.latest().iter().map(|one| (one.at.as_micros(), one.bound)).collect();
        assert_eq!(seen, [(6, true), (5, true), (0, false)]);
        for at in 7..200 {
            journal.note(change(at, true, "bound"));
        }
        assert_eq!((journal.latest().len(), journal.latest()[KEPT - 1].at.as_micros()), (KEPT, 100));
    }
}
