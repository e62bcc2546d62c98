//! What is due later: answers that take their time, receipts, texts that expire. One heap, one task.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smpp::{Address, Status, Text};
use smpplink::Responder;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::courier::Parcel;

/// Receipts that may be due at a time; beyond it the carrier forgets, as a real one would.
const MOST: usize = 2_000_000;

/// Something to do at its time.
#[derive(Debug)]
pub(crate) enum Due {
    /// An answer to a submit: its status, and its id when it was accepted.
    Answer(Responder, Status, Option<Text>),
    /// A receipt.
    Receipt(Box<ReceiptDue>),
    /// A second try at the application's door.
    Retry(Box<Parcel>),
    /// A part that must not wait for its handset any longer.
    Expire {
        /// The handset.
        number: String,
        /// The carrier's id of the part.
        id: u64,
    },
}

/// A receipt that is due.
#[derive(Debug)]
pub(crate) struct ReceiptDue {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) number: String,
    /// The application's address.
    pub(crate) source: Address,
    /// The handset's.
    pub(crate) destination: Address,
    pub(crate) submitted: base::Timestamp,
    pub(crate) state: sms::ReceiptState,
    /// The first words of the message.
    pub(crate) words: String,
    pub(crate) twice: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Later {
    heap: Mutex<Heap>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Heap {
    entries: BinaryHeap<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    /// Keeps what is due at the same moment in order.
    number: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, because the heap gives the greatest first.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl Later {
    fn heap(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does these things after their times from now. False for what does not fit any more.
    pub(crate) fn push_all(&self, things: impl IntoIterator<Item = (Duration, Due)>) -> bool {
        let now = Instant::now();
        let mut fits = true;
        let earlier = {
            let mut heap = self.heap();
            let before = heap.entries.peek().map(|entry| entry.at);
            for (after, due) in things {
                if heap.entries.len() >= MOST {
                    fits = false;
                    break;
                }
                let number = heap.next;
                heap.next += 1;
                heap.entries.push(Entry { at: now + after, number, due });
            }
            let first = heap.entries.peek().map(|entry| entry.at);
            first.is_some() && (before.is_none() || first < before)
        };
        if earlier {
            self.wake.notify_one();
        }
        fits
    }

    pub(crate) fn push(&self, after: Duration, due: Due) -> bool {
        self.push_all([(after, due)])
    }

    /// Waits for what is due and takes up to a few hundred of it, in order.
    pub(crate) async fn next(&self, batch: &mut Vec<Due>) {
        loop {
            let next = {
                let mut heap = self.heap();
                let now = Instant::now();
                while batch.len() < 256 && heap.entries.peek().is_some_and(|entry| entry.at <= now) {
                    batch.extend(heap.entries.pop().map(|entry| entry.due));
                }
                heap.entries.peek().map(|entry| entry.at)
            };
            if !batch.is_empty() {
                return;
            }
            match next {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.wake.notified() => {}
                },
                None => self.wake.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expire(id: u64) -> Due {
        Due::Expire { number: String::new(), id }
    }

    #[tokio::test(start_paused = true)]
    async fn things_come_in_order_of_their_times() {
        let later = Later::default();
        later.push_all([(3, 3), (1, 1), (2, 2), (1, 11)].map(|(after, id)| (Duration::from_secs(after), expire(id))));
        let mut order = Vec::new();
        while order.len() < 4 {
            let mut batch = Vec::new();
            later.next(&mut batch).await;
            order.extend(batch.into_iter().map(|due| match due {
                Due::Expire { id, .. } => id,
                other => panic!("{other:?}"),
            }));
        }
        assert_eq!(order, [1, 11, 2, 3]);
    }
}
