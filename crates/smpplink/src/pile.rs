//! A queue from many to one that costs nothing while it is empty. A channel of tokio keeps a block of places for
//! each end, which is much for ten thousand silent binds, and touches three cache lines for each item.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker, ready};

use tokio::task::coop::poll_proceed;

struct State<T> {
    items: VecDeque<T>,
    senders: usize,
    /// Whether somebody still takes.
    taken: bool,
    waits: Option<Waker>,
}

type Shared<T> = Arc<Mutex<State<T>>>;

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts items in.
pub(crate) struct Sender<T>(Shared<T>);

/// Takes them, in their order.
pub(crate) struct Receiver<T>(Shared<T>);

/// How many wait, never what: they are texts and numbers of people.
fn show<T>(name: &str, shared: &Shared<T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name).field("waiting", &lock(shared).items.len()).finish_non_exhaustive()
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("Sender", &self.0, f)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("Receiver", &self.0, f)
    }
}

/// An empty queue.
pub(crate) fn pile<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State { items: VecDeque::new(), senders: 1, taken: true, waits: None }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts one in; gives it back when nobody takes any more.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        self.send_below(usize::MAX, item)
    }

    /// Puts one in if fewer than `most` wait there.
    pub(crate) fn send_below(&self, most: usize, item: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        if !state.taken || state.items.len() >= most {
            return Err(item);
        }
        state.items.push_back(item);
        let waits = state.waits.take();
        drop(state);
        if let Some(waits) = waits {
            waits.wake();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.0).senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.senders -= 1;
        let waits = if state.senders == 0 { state.waits.take() } else { None };
        drop(state);
        if let Some(waits) = waits {
            waits.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Appends up to `limit` items to `batch`, waiting for the first; 0 once every sender is gone. Safe to cancel. A queue that
    /// never ends lets its taker yield now and then, as tokio's own do.
    pub(crate) async fn recv_many(&mut self, batch: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|context| {
            let turn = ready!(poll_proceed(context));
            let mut state = lock(&self.0);
            let count = state.items.len().min(limit);
            if count > 0 {
                batch.extend(state.items.drain(..count));
            } else if state.senders > 0 {
                state.waits = Some(context.waker().clone());
                return Poll::Pending;
            }
            turn.made_progress();
            Poll::Ready(count)
        })
        .await
    }

    /// The next item; `None` once every sender is gone. Safe to cancel.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        let mut one = Vec::with_capacity(1);
        self.recv_many(&mut one, 1).await;
        one.pop()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.taken = false;
        let left = std::mem::take(&mut state.items);
        drop(state);
        // Their own ends may speak to this queue.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_come_in_their_order_and_in_batches() {
        let (sender, mut receiver) = pile();
        for item in 0..5 {
            sender.send(item).unwrap();
        }
        let mut batch = Vec::new();
        assert_eq!(receiver.recv_many(&mut batch, 3).await, 3);
        assert_eq!(receiver.recv().await, Some(3));
        assert_eq!(receiver.recv_many(&mut batch, 3).await, 1);
        assert_eq!(batch, [0, 1, 2, 4]);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_an_item_and_by_the_last_sender() {
        let (sender, mut receiver) = pile();
        let waiting = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        sender.send(1).unwrap();
        let other = sender.clone();
        drop(sender);
        tokio::task::yield_now().await;
        drop(other);
        assert_eq!(waiting.await.unwrap(), (Some(1), None));
    }

    #[tokio::test]
    async fn a_queue_that_never_ends_lets_others_run() {
        let (sender, mut receiver) = pile();
        sender.send(()).unwrap();
        let other = tokio::spawn(async {});
        let mut turns = 0;
        while !other.is_finished() {
            receiver.recv().await.unwrap();
            sender.send(()).unwrap();
            turns += 1;
            assert!(turns < 100_000, "nobody else ran");
        }
    }

    #[test]
    fn what_waits_is_never_printed() {
        let (sender, receiver) = pile();
        sender.send("+447700900117").unwrap();
        let shown = format!("{sender:?} {receiver:?}");
        assert!(shown.contains("waiting: 1") && !shown.contains("447700"), "{shown}");
    }

    #[test]
    fn a_full_or_left_queue_gives_the_item_back() {
        let (sender, receiver) = pile();
        assert_eq!(sender.send_below(1, 1), Ok(()));
        assert_eq!(sender.send_below(1, 2), Err(2));
        drop(receiver);
        assert_eq!(sender.send(3), Err(3));
    }
}
