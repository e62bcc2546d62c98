//! What this room counts.

use meter::{CounterFamily, Meter};

pub(crate) static ATTEMPTS: CounterFamily = CounterFamily::new(
    "loudhailer_callback_attempts_total",
    "Tries to hand a callback over, by outcome: delivered, refused (the receiver answered, but not with 2xx), no_answer or given_up.",
    &["outcome"],
);
pub(crate) static QUEUED: CounterFamily = CounterFamily::new(
    "loudhailer_callbacks_total",
    "Callbacks that are on disk and will be handed over, by event.",
    &["event"],
);
pub(crate) static CIRCUITS: CounterFamily = CounterFamily::new(
    "loudhailer_webhook_circuits_total",
    "Times that the circuit breaker of a webhook changed, by its new state: opened or closed.",
    &["state"],
);
/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&ATTEMPTS, &QUEUED, &CIRCUITS];
