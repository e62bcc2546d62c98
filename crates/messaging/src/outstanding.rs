//! Which receipt belongs to which row: the map of outstanding carrier ids, receipts that came too early, and receipts
//! that nobody knew. All of it bounded, and all of it rebuilt from the table when it is gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use base::WorkspaceId;

use crate::deliveries::Tell;
use crate::inbox::Telling;

/// Outstanding ids kept in memory. The oldest leave first; their receipts are found through the segments.
pub(crate) const OUTSTANDING: usize = 500_000;
/// Of those, how many keep with what an application is told; the store has it of all.
const TELLING: usize = 50_000;
/// Receipts that may wait for their submit to be answered.
const EARLY: usize = 10_000;
/// For how long they wait before the table is asked.
const EARLY_FOR: Duration = Duration::from_secs(1);
/// Carrier ids of stray receipts that are remembered, in case their message turns up late.
const STRAYS: usize = 10_000;

/// For keys that are hashes already ([`RefHasher`]): hashing them again would only cost.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Hashes ids under a key of this process, so that nobody outside can make two collide.
#[derive(Default)]
pub(crate) struct RefHasher(RandomState);

impl RefHasher {
    /// The hash of several texts, each with its end.
    pub(crate) fn of(&self, texts: &[&str]) -> u64 {
        let mut hasher = self.0.build_hasher();
        for text in texts {
            text.hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// A part that waits for its receipt.
#[derive(Clone, Debug)]
pub(crate) struct Outstanding {
    pub(crate) row: i64,
    pub(crate) part: u8,
    /// A message of one part without an origin: its receipt is written without reading the row.
    pub(crate) plain: bool,
    /// What its submitter wants to hear.
    pub(crate) tell: Tell,
    /// With what it is told, when its submitter is bound here.
    pub(crate) telling: Option<Arc<Telling>>,
    pub(crate) workspace: WorkspaceNumber,
}

/// A workspace as a small number of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkspaceNumber(u16);

/// The map.
#[derive(Default)]
pub(crate) struct Map {
    entries: HashMap<u64, Outstanding, Hashed>,
    order: VecDeque<u64>,
    workspaces: Vec<WorkspaceId>,
    numbers: HashMap<WorkspaceId, WorkspaceNumber>,
    /// Entries that know with what to tell.
    telling: usize,
}

impl Map {
    /// The number of `workspace`.
    pub(crate) fn number(&mut self, workspace: WorkspaceId) -> WorkspaceNumber {
        if let Some(number) = self.numbers.get(&workspace) {
            return *number;
        }
        let number = WorkspaceNumber(u16::try_from(self.workspaces.len()).unwrap_or(u16::MAX));
        self.workspaces.push(workspace);
        self.numbers.insert(workspace, number);
        number
    }

    /// The workspace of a number.
    pub(crate) fn workspace(&self, number: WorkspaceNumber) -> Option<WorkspaceId> {
        // Beyond 65,535 workspaces the number says nothing any more, which only a live page would notice.
        (number.0 != u16::MAX).then(|| self.workspaces.get(usize::from(number.0)).copied()).flatten()
    }

    pub(crate) fn insert(&mut self, key: u64, mut entry: Outstanding) {
        if self.telling >= TELLING {
            entry.telling = None;
        }
        self.telling += usize::from(entry.telling.is_some());
        match self.entries.insert(key, entry) {
            Some(before) => self.telling -= usize::from(before.telling.is_some()),
            None => self.order.push_back(key),
        }
        while self.order.len() > OUTSTANDING {
            if let Some(oldest) = self.order.pop_front() {
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, key: u64) {
        if let Some(entry) = self.entries.remove(&key) {
            self.telling -= usize::from(entry.telling.is_some());
        }
    }

    /// An entry found in the table at start; one that is known better already stays.
    pub(crate) fn insert_older(&mut self, key: u64, entry: Outstanding) {
        if self.order.len() < OUTSTANDING && !self.entries.contains_key(&key) {
            self.entries.insert(key, entry);
            // Found from the newest on, so each is older than all before.
            self.order.push_front(key);
        }
    }

    pub(crate) fn get(&self, key: u64) -> Option<Outstanding> {
        self.entries.get(&key).cloned()
    }

    pub(crate) fn remove(&mut self, key: u64) {
        self.forget(key);
        // Removed keys leave the order when they are its oldest or when they are most of it.
        while self.order.front().is_some_and(|oldest| !self.entries.contains_key(oldest)) {
            self.order.pop_front();
        }
        if self.order.len() > 1_024 && self.order.len() > 2 * self.entries.len() {
            self.order.retain(|kept| self.entries.contains_key(kept));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.order.len())
    }
}

/// Receipts that came before the answer to their submit.
pub(crate) struct Early<T> {
    waiting: HashMap<u64, Vec<T>, Hashed>,
    order: VecDeque<(Duration, u64)>,
}

impl<T> Default for Early<T> {
    fn default() -> Self {
        Self { waiting: HashMap::default(), order: VecDeque::new() }
    }
}

impl<T> Early<T> {
    /// Lets `item` wait; gives it back when too many wait already.
    pub(crate) fn push(&mut self, now: Duration, key: u64, item: T) -> Option<T> {
        if self.order.len() >= EARLY {
            return Some(item);
        }
        self.waiting.entry(key).or_default().push(item);
        self.order.push_back((now + EARLY_FOR, key));
        None
    }

    /// What waits for this id.
    pub(crate) fn take(&mut self, key: u64) -> Vec<T> {
        self.waiting.remove(&key).unwrap_or_default()
    }

    /// What has waited long enough; everything when `all`.
    pub(crate) fn expired(&mut self, now: Duration, all: bool) -> Vec<T> {
        let mut out = Vec::new();
        while let Some((until, key)) = self.order.front().copied() {
            if until > now && !all {
                break;
            }
            self.order.pop_front();
            out.append(&mut self.take(key));
        }
        out
    }

    /// When the next one has waited long enough.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.front().map(|(until, _)| *until)
    }
}

/// The ids of stray receipts of late.
#[derive(Default)]
pub(crate) struct Strays {
    keys: HashSet<u64, Hashed>,
    order: VecDeque<u64>,
}

impl Strays {
    pub(crate) fn insert(&mut self, key: u64) {
        if self.keys.insert(key) {
            self.order.push_back(key);
        }
        while self.order.len() > STRAYS {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn entry(map: &mut Map, row: i64) -> Outstanding {
        Outstanding {
            row,
            part: 1,
            plain: true,
            tell: Tell::Nothing,
            telling: None,
            workspace: map.number(Uuid::nil().into()),
        }
    }

    /// I7: the map stays bounded, whatever is inserted and removed.
    #[test]
    fn i7_the_map_is_bounded() {
        let mut map = Map::default();
        for key in 0..600_000_u64 {
            let entry = entry(&mut map, 1);
            map.insert(key, entry);
        }
        assert_eq!(map.len(), (OUTSTANDING, OUTSTANDING));
        assert!(map.get(0).is_none());
        for key in (0..600_000_u64).rev() {
            map.remove(key);
        }
        assert_eq!(map.len().0, 0);
        assert!(map.len().1 <= 1_024);
    }

    #[test]
    fn ids_do_not_run_into_each_other() {
        let hasher = RefHasher::default();
        assert_ne!(hasher.of(&["a", "bc"]), hasher.of(&["ab", "c"]));
        assert_eq!(hasher.of(&["a", "b"]), hasher.of(&["a", "b"]));
    }

    #[test]
    fn early_receipts_wait_a_second_and_are_taken_once() {
        let mut early = Early::default();
        assert_eq!(early.push(Duration::ZERO, 1, 'a'), None);
        assert_eq!(early.push(Duration::ZERO, 1, 'b'), None);
        assert_eq!(early.push(Duration::from_millis(500), 2, 'c'), None);
        assert_eq!(early.take(1), vec!['a', 'b']);
        assert!(early.expired(Duration::from_millis(1_200), false).is_empty());
        assert_eq!(early.next(), Some(Duration::from_millis(1_500)));
        assert_eq!(early.expired(Duration::from_millis(1_500), false), vec!['c']);
        for key in 0..EARLY as u64 {
            assert_eq!(early.push(Duration::ZERO, key, 'x'), None);
        }
        assert_eq!(early.push(Duration::ZERO, 7, 'y'), Some('y'));
        assert_eq!(early.expired(Duration::ZERO, true).len(), EARLY);
    }
}
