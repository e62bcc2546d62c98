//! Who is next at the only writer: what is urgent before bulk, in the order of each queue, and bulk never left out.
//!
//! A group is what shares one commit. It takes in what is urgent until there is no more, and is then committed at once, so
//! that something urgent waits for one transaction of bulk at most and for a commit. A group that held nothing but urgent
//! work is followed by one that begins with a transaction of bulk, when there is one: so bulk has every second commit at
//! least, however much is urgent.

use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Which queue something stood in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Urgent,
    Bulk,
}

/// The receiving ends of both queues, and what the present group has taken from them.
pub(super) struct Turns<T> {
    urgent: mpsc::Receiver<T>,
    bulk: mpsc::Receiver<T>,
    handle: Handle,
    /// What [`Self::wait`] found.
    first: Option<(Sort, T)>,
    /// The last group left bulk out.
    owed: bool,
    group: Group,
    most: usize,
}

/// What the present group has so far.
#[derive(Default)]
struct Group {
    members: usize,
    urgent: bool,
    bulk: bool,
    /// Nobody may join it any more.
    closed: bool,
}

impl<T> Turns<T> {
    /// Groups have `most` members at most.
    pub(super) fn new(urgent: mpsc::Receiver<T>, bulk: mpsc::Receiver<T>, handle: Handle, most: usize) -> Self {
        Self { urgent, bulk, handle, first: None, owed: false, group: Group::default(), most }
    }

    /// Waits for somebody to begin a group with; false when nobody will come any more.
    pub(super) fn wait(&mut self) -> bool {
        let last = std::mem::take(&mut self.group);
        self.owed |= last.urgent && !last.bulk;
        if let Some(found) = self.at_hand() {
            self.first = Some(found);
            return true;
        }
        let (urgent, bulk) = (&mut self.urgent, &mut self.bulk);
        // Only channels: that needs no runtime that still turns.
        self.first = self.handle.block_on(async {
            tokio::select! {
                biased;
                Some(next) = urgent.recv() => Some((Sort::Urgent, next)),
                Some(next) = bulk.recv() => Some((Sort::Bulk, next)),
                else => None,
            }
        });
        self.first.is_some()
    }

    /// Whether the one that a group begins with has nobody beside it. Then nobody joins it later either.
    pub(super) fn is_alone(&mut self) -> bool {
        self.group.closed = self.urgent.is_empty() && self.bulk.is_empty();
        self.group.closed
    }

    /// The next member of the group, until it is to be committed.
    pub(super) fn next(&mut self) -> Option<T> {
        let (sort, next) = match self.first.take() {
            Some(first) => first,
            None if self.group.closed || self.group.members == self.most => return None,
            None => self.at_hand()?,
        };
        self.group.members += 1;
        match sort {
            Sort::Urgent => self.group.urgent = true,
            Sort::Bulk => (self.group.bulk, self.owed) = (true, false),
        }
        Some(next)
    }

    fn at_hand(&mut self) -> Option<(Sort, T)> {
        let bulk = |queue: &mut mpsc::Receiver<T>| queue.try_recv().ok().map(|next| (Sort::Bulk, next));
        if self.owed
            && let Some(next) = bulk(&mut self.bulk)
        {
            return Some(next);
        }
        match self.urgent.try_recv() {
            Ok(next) => Some((Sort::Urgent, next)),
            Err(_) if self.group.urgent => None,
            Err(_) => bulk(&mut self.bulk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct House {
        urgent: mpsc::Sender<u32>,
        bulk: mpsc::Sender<u32>,
        turns: Turns<u32>,
        _runtime: tokio::runtime::Runtime,
    }

    /// Bulk is counted from 1,000 on.
    fn house(most: usize) -> House {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ((urgent, first), (bulk, second)) = (mpsc::channel(10_000), mpsc::channel(10_000));
        let turns = Turns::new(first, second, runtime.handle().clone(), most);
        House { urgent, bulk, turns, _runtime: runtime }
    }

    impl House {
        fn group(&mut self) -> Vec<u32> {
            assert!(self.turns.wait());
            std::iter::from_fn(|| self.turns.next()).collect()
        }

        fn send(&self, numbers: impl IntoIterator<Item = u32>) {
            for number in numbers {
                let queue = if number < 1_000 { &self.urgent } else { &self.bulk };
                queue.try_send(number).unwrap();
            }
        }
    }

    #[test]
    fn what_is_urgent_passes_bulk_and_is_committed_without_it() {
        let mut house = house(100);
        house.send([1_000, 1_001, 1, 2]);
        assert_eq!(house.group(), [1, 2]);
        // Bulk was left out: it begins the next group, and what is urgent waits for that one alone.
        house.send([3]);
        assert_eq!(house.group(), [1_000, 3]);
        assert_eq!(house.group(), [1_001]);
    }

    #[test]
    fn what_is_urgent_joins_a_group_of_bulk_after_the_one_that_runs() {
        let mut house = house(100);
        house.send(1_000..1_010);
        assert!(house.turns.wait());
        assert_eq!((house.turns.next(), house.turns.next()), (Some(1_000), Some(1_001)));
        house.send([1]);
        assert_eq!((house.turns.next(), house.turns.next()), (Some(1), None));
        assert_eq!(house.group(), (1_002..1_010).collect::<Vec<_>>());
    }

    #[test]
    fn who_is_alone_stays_alone_and_the_end_is_when_both_queues_have_ended() {
        let mut house = house(100);
        house.send([1]);
        assert!(house.turns.wait() && house.turns.is_alone());
        house.send([2]);
        assert_eq!((house.turns.next(), house.turns.next()), (Some(1), None));
        assert_eq!(house.group(), [2]);
        house.send([1_000]);
        let House { urgent, bulk, mut turns, _runtime } = house;
        drop(urgent);
        assert!(turns.wait());
        assert_eq!(turns.next(), Some(1_000));
        drop(bulk);
        assert!(!turns.wait());
    }

    proptest! {
        #[test]
        fn urgent_overtakes_bulk_never_starves_and_each_queue_keeps_its_order(
            arrivals in proptest::collection::vec((0_u32..6, 0_u32..6), 1..60),
            most in 2_usize..8,
        ) {
            let mut house = house(most);
            let (mut urgent, mut bulk) = (0, 1_000);
            let (mut seen, mut left_out) = (Vec::new(), 0);
            for (more_urgent, more_bulk) in arrivals {
                house.send(urgent..urgent + more_urgent);
                house.send(bulk..bulk + more_bulk);
                (urgent, bulk) = (urgent + more_urgent, bulk + more_bulk);
                let waits = |mut range: std::ops::Range<u32>| range.any(|one| !seen.contains(&one));
                let (urgent_waits, bulk_waits) = (waits(0..urgent), waits(1_000..bulk));
                if !urgent_waits && !bulk_waits {
                    continue;
                }
                let group = house.group();
                prop_assert!(group.len() <= most);
                // Before what is urgent stands one of bulk at most, and none behind it.
                if urgent_waits {
                    prop_assert!(group.iter().take(2).any(|one| *one < 1_000), "{group:?}");
                    prop_assert!(group.iter().skip(1).all(|one| *one < 1_000), "{group:?}");
                }
                // Bulk that waits is left out once, not twice.
                let without = bulk_waits && group.iter().all(|one| *one < 1_000);
                left_out = if without { left_out + 1 } else { 0 };
                prop_assert!(left_out < 2);
                seen.extend(group);
            }
            for range in [0..1_000, 1_000..u32::MAX] {
                let order: Vec<_> = seen.iter().filter(|one| range.contains(one)).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }
}
