//! Ends of messages on their way in memory to applications that are bound here. The row in `deliveries` decides and stays until the
//! application has it; memory only saves reading and opening what was in hand a moment ago. Everything here may be lost: whoever
//! listens looks into the store at the start, when told, and now and then.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base::{MessageId, Timestamp};
use sms::{Network, Number};
use tokio::sync::Notify;

use crate::State;
use crate::deliveries::{BEGINNING, Delivery, Ended, Tell};
use crate::octets::Body;

/// Ends that wait in memory for one application; beyond them they are found in the store.
const MOST: usize = 20_000;

/// What is handed to one application.
#[derive(Default)]
pub(crate) struct Desk {
    waiting: Mutex<VecDeque<Delivery>>,
    /// Something did not fit, and is in the store alone.
    left: AtomicBool,
    closed: AtomicBool,
    wake: Notify,
}

impl Desk {
    fn hand(&self, deliveries: impl Iterator<Item = Delivery>) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in deliveries {
            if waiting.len() >= MOST {
                self.left.store(true, Ordering::Release);
                break;
            }
            waiting.push_back(delivery);
        }
        drop(waiting);
        self.wake.notify_one();
    }
}

/// The desks of this process, by who is told.
#[derive(Default)]
pub(crate) struct Desks(ArcSwap<HashMap<String, Arc<Desk>>>);

impl Desks {
    /// The desk of `recipient`, when it listens here.
    pub(crate) fn of(&self, recipient: &str) -> Option<Arc<Desk>> {
        self.0.load().get(recipient).cloned()
    }

    /// Opens a desk; one that was open for the same recipient is closed.
    pub(crate) fn open(self: &Arc<Self>, recipient: String) -> Inbox {
        let desk = Arc::new(Desk::default());
        self.0.rcu(|desks| {
            let mut desks = HashMap::clone(desks);
            if let Some(old) = desks.insert(recipient.clone(), Arc::clone(&desk)) {
                old.closed.store(true, Ordering::Release);
            }
            desks
        });
        Inbox { desk, recipient, desks: Arc::clone(self) }
    }
}

/// The listening end, for the room that tells the application. Dropping it closes the desk.
pub struct Inbox {
    desk: Arc<Desk>,
    recipient: String,
    desks: Arc<Desks>,
}

impl Inbox {
    /// Up to `most` ends that are on disk and not yet told, in their order.
    pub fn take(&self, most: usize) -> Vec<Delivery> {
        let mut waiting = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(waiting.len());
        waiting.drain(..most).collect()
    }

    /// Whether something is in the store alone, because there was no room; forgets it.
    pub fn left_some(&self) -> bool {
        self.desk.left.swap(false, Ordering::AcqRel)
    }

    /// Waits until something was put here. Safe to cancel.
    pub async fn changed(&self) {
        self.desk.wake.notified().await;
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.desk.closed.store(true, Ordering::Release);
        self.desks.0.rcu(|desks| {
            let mut desks = HashMap::clone(desks);
            if desks.get(&self.recipient).is_some_and(|desk| Arc::ptr_eq(desk, &self.desk)) {
                desks.remove(&self.recipient);
            }
            desks
        });
    }
}

/// What the end of one message is told with, kept from its acceptance on.
pub(crate) struct Telling {
    pub(crate) desk: Arc<Desk>,
    pub(crate) recipient: Arc<str>,
    pub(crate) tell: Tell,
    /// Without its end.
    pub(crate) ended: Ended,
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Telling({})", self.ended.message)
    }
}

impl Telling {
    /// What `recipient` will be told of a message, when it listens here and wants to hear of its end at all.
    #[expect(clippy::too_many_arguments, reason = "the fields of one receipt, from rows of different shapes")]
    pub(crate) fn of(
        desks: &Desks,
        recipient: &str,
        tell: Tell,
        message: MessageId,
        sender: &str,
        to: &Number,
        accepted_at: Timestamp,
        body: &Body,
    ) -> Option<Arc<Self>> {
        if !tell.ends() {
            return None;
        }
        let desk = desks.of(recipient)?;
        let ended = Ended {
            message,
            number: 0,
            sender: sender.to_owned(),
            to: to.clone(),
            state: State::Sent,
            stat: None,
            error: None,
            accepted_at,
            beginning: body.beginning(BEGINNING),
            submission: None,
            network: None,
        };
        Some(Arc::new(Self { desk, recipient: recipient.into(), tell, ended }))
    }
}

/// An end that is to be handed over once it is on disk.
pub(crate) struct Handed {
    pub(crate) telling: Arc<Telling>,
    pub(crate) row: i64,
    pub(crate) state: State,
    pub(crate) stat: &'static str,
    pub(crate) error: Option<String>,
    pub(crate) network: Option<Network>,
    pub(crate) at: Timestamp,
}

impl Handed {
    fn delivery(self) -> Delivery {
        let mut ended = self.telling.ended.clone();
        ended.number = self.row;
        ended.state = self.state;
        ended.stat = Some(self.stat.to_owned());
        ended.error = self.error;
        ended.network = self.network;
        Delivery::end(self.row, self.at, ended)
    }
}

/// Hands over what was committed, each desk's share at once.
pub(crate) fn hand_over(handed: Vec<Handed>) {
    let mut handed = handed.into_iter().peekable();
    while let Some(first) = handed.next() {
        let desk = Arc::clone(&first.telling.desk);
        let mut batch = vec![first.delivery()];
        while let Some(next) = handed.next_if(|next| Arc::ptr_eq(&next.telling.desk, &desk)) {
            batch.push(next.delivery());
        }
        desk.hand(batch.into_iter());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn handed(desk: &Arc<Desk>, row: i64) -> Handed {
        let ended = Ended {
            message: Uuid::nil().into(),
            number: 0,
            sender: "70007".into(),
            to: Number::from_carrier("447700900117").unwrap(),
            state: State::Sent,
            stat: None,
            error: None,
            accepted_at: Timestamp::from_micros(1),
            beginning: "Hello".into(),
            submission: None,
            network: None,
        };
        let telling = Telling { desk: Arc::clone(desk), recipient: "app".into(), tell: Tell::End, ended };
        let at = Timestamp::from_micros(2);
        Handed {
            telling: Arc::new(telling),
            row,
            state: State::Delivered,
            stat: "DELIVRD",
            error: None,
            network: None,
            at,
        }
    }

    /// I7: a desk is bounded, and says when it left something to the store.
    #[test]
    fn i7_a_desk_is_bounded_and_says_so() {
        let desks = Arc::new(Desks::default());
        let inbox = desks.open("app".into());
        let desk = desks.of("app").unwrap();
        hand_over((0..30_000).map(|row| handed(&desk, row)).collect());
        assert!(inbox.left_some() && !inbox.left_some());
        assert_eq!(inbox.take(usize::MAX).len(), MOST);
        drop(inbox);
        assert!(desks.of("app").is_none());
        hand_over(vec![handed(&desk, 1)]);
        assert!(desk.waiting.lock().unwrap().is_empty(), "nobody listens");
    }

    #[test]
    fn a_new_desk_takes_the_place_of_the_old_one() {
        let desks = Arc::new(Desks::default());
        let first = desks.open("app".into());
        let second = desks.open("app".into());
        drop(first);
        hand_over(vec![handed(&desks.of("app").unwrap(), 7)]);
        assert_eq!(second.take(10).len(), 1);
    }
}
