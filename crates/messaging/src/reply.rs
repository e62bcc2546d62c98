//! Who hears what became of something, when it is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::Error;

/// Told once what became of a message or a receipt, by the task that wrote it: so what is done here is short and never waits.
/// Dropped without a word it says [`Error::Stopped`]. One that panics harms nobody else: what was written stands, and the task goes on.
pub struct Reply<T>(Option<Hear<T>>);

type Hear<T> = Box<dyn FnOnce(Result<T, Error>) + Send + Sync>;

impl<T: Send + 'static> Reply<T> {
    /// `hear` is called with what became of it.
    pub fn new(hear: impl FnOnce(Result<T, Error>) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(hear)))
    }

    /// One that is waited for.
    pub fn channel() -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (said, heard) = oneshot::channel();
        let reply = Self::new(move |result| {
            // Whoever asked may be gone; what was written stands.
            let _ = said.send(result);
        });
        (reply, heard)
    }

    /// Says what became of it.
    pub fn say(mut self, result: Result<T, Error>) {
        self.tell(result);
    }
}

impl<T> Reply<T> {
    fn tell(&mut self, result: Result<T, Error>) {
        let Some(hear) = self.0.take() else { return };
        // Nothing that is shared is touched here, so nothing is left half done; whoever was to hear it learns by its own timer.
        if catch_unwind(AssertUnwindSafe(|| hear(result))).is_err() {
            tracing::error!("somebody who was told of a message or a receipt broke off");
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.tell(Err(Error::Stopped));
    }
}

impl<T> std::fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_breaks_off_leaves_the_others_and_the_task_alone() {
        let (heard, hears) = Reply::channel();
        let replies = [Reply::new(|_| panic!("broken")), heard];
        let told = tokio::spawn(async move {
            for reply in replies {
                reply.say(Ok(7));
            }
        });
        assert_eq!(hears.await.unwrap().unwrap(), 7);
        told.await.unwrap();
    }

    #[test]
    fn one_that_is_dropped_says_so_and_may_break_off_as_well() {
        drop(Reply::<()>::new(|_| panic!("broken")));
        let (reply, mut hears) = Reply::<()>::channel();
        drop(reply);
        assert!(matches!(hears.try_recv(), Ok(Err(Error::Stopped))));
    }
}
