//! The bound on messages of one account that wait for a carrier (`max_waiting`).
//!
//! Counting them all for every submit would cost more than the submit. So they are counted now and then, and what was
//! submitted since counts in full: the estimate is never too low here, and too high only until the next count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use access::{Permit, cap};
use messaging::Messaging;
use tokio::sync::Mutex;

/// Counting may take this share of the time.
const SHARE: u32 = 20;
/// After a count that found the bound reached, the next one waits at least so long.
const FULL: Duration = Duration::from_millis(250);

/// What waits of one account, by estimate.
pub(crate) struct Backlog {
    estimate: AtomicUsize,
    /// Milliseconds of the monotonic clock before which it is not counted again.
    not_before: AtomicU64,
    counting: Mutex<()>,
}

impl Default for Backlog {
    fn default() -> Self {
        // Unknown: so the first submit counts.
        Self { estimate: AtomicUsize::new(usize::MAX), not_before: AtomicU64::new(0), counting: Mutex::default() }
    }
}

impl Backlog {
    /// Whether one more may wait. `clock` is the monotonic time.
    pub(crate) async fn admits(
        &self,
        most: usize,
        messaging: &Messaging,
        permit: &Permit<cap::MessagesSend>,
        clock: impl Fn() -> Duration,
    ) -> bool {
        if self.below(most) {
            return true;
        }
        let counted = self.counting.lock().await;
        if self.below(most) {
            return true;
        }
        let began = clock();
        if millis(began) < self.not_before.load(Ordering::Relaxed) {
            return false;
        }
        let waiting = match messaging.waiting_of(permit, most).await {
            Ok(waiting) => waiting,
            // The store will say so itself when the message gets there.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "waiting messages could not be counted");
                return true;
            }
        };
        self.estimate.store(waiting, Ordering::Relaxed);
        let now = clock();
        let pause = now.saturating_sub(began) * SHARE;
        let pause = if waiting >= most { pause.max(FULL) } else { pause };
        self.not_before.store(millis(now + pause), Ordering::Relaxed);
        drop(counted);
        self.below(most)
    }

    /// Takes a place below `most`, when there is one and nothing has to be counted for it.
    pub(crate) fn below(&self, most: usize) -> bool {
        let taken = self
            .estimate
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |estimate| (estimate < most).then(|| estimate + 1));
        taken.is_ok()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
