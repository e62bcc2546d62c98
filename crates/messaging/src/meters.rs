//! What messaging counts.

use meter::{CounterFamily, Meter};

pub(crate) static ACCEPTED: CounterFamily = CounterFamily::new(
    "loudhailer_messages_accepted_total",
    "Messages that are on disk and will be sent, by class and the carrier that was decided on.",
    &["class", "carrier"],
);
pub(crate) static ENDED: CounterFamily = CounterFamily::new(
    "loudhailer_messages_ended_total",
    "Messages about which nothing more is expected, by outcome: delivered or failed.",
    &["outcome"],
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&ACCEPTED, &ENDED];
