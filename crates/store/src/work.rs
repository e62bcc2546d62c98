//! A closure on its way to the database and its answer on the way back.

use std::any::type_name;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::Error;
use crate::tx::Tx;

/// A transaction that takes longer is named in the log: others wait for it.
const SLOW: Duration = Duration::from_secs(1);

/// One transaction to be run, possibly several times (a commit can ask for another try).
pub(crate) trait Work: Send {
    /// Runs the closure; whether its changes shall stay.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller: with the closure's own result, or with the error that kept it from the disk.
    fn answer(self: Box<Self>, stored: Result<(), Error>);
}

struct Call<F, T, E> {
    f: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Work for Call<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let context = tx.context().clone();
        let began = context.monotonic();
        let result = catch_unwind(AssertUnwindSafe(|| (self.f)(tx))).unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            tracing::error!(closure = type_name::<F>(), text, "a transaction panicked and was rolled back");
            Err(E::from(Error::Panicked(text)))
        });
        let took = context.monotonic().saturating_sub(began);
        if took >= SLOW {
            // Its name says where it is written; its neighbours waited for it.
            tracing::warn!(closure = type_name::<F>(), took_ms = took.as_millis(), "a transaction was slow");
        }
        // An ignored failure must not pass as success: PostgreSQL would answer COMMIT with a silent rollback.
        let result = if tx.failure().aborted && result.is_ok() { Err(E::from(Error::Aborted)) } else { result };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, stored: Result<(), Error>) {
        let result = match (stored, self.result) {
            // The closure's own error stands: it asked for the rollback.
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(Error::Closed.into()),
        };
        // A caller that went away is no error; its transaction stands.
        let _ = self.reply.send(result);
    }
}

/// Packs a closure; its answer comes through the receiver.
pub(crate) fn pack<F, T, E>(f: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, E>>)
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Call { f, result: None, reply }), answer)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}
