//! What the signal doors count.

use meter::{Counter, CounterFamily, Histogram, Meter};

pub(crate) static ACCEPTED: Counter =
    Counter::new("loudhailer_signals_accepted_total", "Signals that are on disk and were answered 202.");
pub(crate) static REFUSED: CounterFamily = CounterFamily::new(
    "loudhailer_signals_refused_total",
    "Signals that were refused, by the code of the problem that their sender was told.",
    &["reason"],
);
pub(crate) static TOOK: Histogram = Histogram::of_times(
    "loudhailer_signal_accept_duration_seconds",
    "Time from a signal's whole body to its being on disk.",
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&ACCEPTED, &REFUSED, &TOOK];
