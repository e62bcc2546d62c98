//! Password hashing is the most expensive thing a stranger can ask for: one hash per core at a time, a bounded queue
//! behind, and "busy" beyond that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::Error;

/// Waiters at most (security.md).
const QUEUE: usize = 100;

/// The door to the hash function. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Counts down even when the waiting caller goes away.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    /// A gate with one slot per core.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_slots(cores)
    }

    fn with_slots(slots: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), waiting: Arc::default() }
    }

    /// Runs `work` on a blocking thread when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, crypto::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slot
        } else {
            let before = self.waiting.fetch_add(1, Ordering::AcqRel);
            let _waiting = Waiting(Arc::clone(&self.waiting));
            if before >= QUEUE {
                return Err(Error::Busy);
            }
            Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Error::Lost)?
        };
        let done = tokio::task::spawn_blocking(move || {
            // The slot is held until the work is done, even when nobody waits for it any more.
            let _slot = slot;
            work()
        });
        Ok(done.await.map_err(|_| Error::Lost)??)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A queue of 100, then "busy" (security.md, passwords).
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn beyond_a_hundred_waiters_the_gate_is_busy() {
        let gate = Gate::with_slots(1);
        let (release, held) = mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        let first = {
            let gate = gate.clone();
            tokio::spawn(async move {
                gate.run(move || {
                    let _ = started.send(());
                    let _ = held.recv();
                    Ok(())
                })
                .await
            })
        };
        begun.await.unwrap();
        let waiters: Vec<_> = (0..QUEUE)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.run(|| Ok(())).await })
            })
            .collect();
        while gate.waiting.load(Ordering::Acquire) < QUEUE {
            tokio::task::yield_now().await;
        }
        assert!(matches!(gate.run(|| Ok(())).await, Err(Error::Busy)));
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        for waiter in waiters {
            waiter.await.unwrap().unwrap();
        }
        assert!(gate.run(|| Ok(())).await.is_ok());
    }
}
