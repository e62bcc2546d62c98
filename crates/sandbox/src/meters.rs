//! What the sandbox counts.

use meter::{CounterFamily, Meter};

use crate::Error;

static TASKS: CounterFamily = CounterFamily::new(
    "loudhailer_sandbox_tasks_total",
    "Templates and conditions that were evaluated, by outcome: done, failed (its author's mistake), or what kept it from running.",
    &["outcome"],
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&TASKS];

/// Counts one task.
pub(crate) fn ended<T>(outcome: &Result<T, Error>) {
    let word = match outcome {
        Ok(_) => "done",
        Err(Error::Template(_)) => "failed",
        Err(Error::Busy) => "busy",
        Err(Error::Crashed) => "crashed",
        Err(_) => "stopped",
    };
    TASKS.add(&[word], 1);
}
