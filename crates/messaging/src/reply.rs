//! Who hears what became of something, when it is on disk.

use tokio::sync::oneshot;

use crate::Error;

/// Told once what became of a message or a receipt, by the task that wrote it: so what is done here is short and never waits.
/// Dropped without a word it says [`Error::Stopped`].
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
        if let Some(hear) = self.0.take() {
            hear(result);
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(hear) = self.0.take() {
            hear(Err(Error::Stopped));
        }
    }
}

impl<T> std::fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
