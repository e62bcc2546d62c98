//! What the server counts.

use meter::{CounterFamily, Meter};

pub(crate) static BINDS: CounterFamily = CounterFamily::new(
    "loudhailer_smpp_binds_total",
    "Attempts of applications to bind, by outcome: bound, refused.",
    &["outcome"],
);
pub(crate) static SUBMITS: CounterFamily = CounterFamily::new(
    "loudhailer_smpp_submits_total",
    "Messages that applications submitted by SMPP, by the status they were answered: ROK, RTHROTTLED and so on.",
    &["status"],
);
pub(crate) static DELIVERIES: CounterFamily = CounterFamily::new(
    "loudhailer_smpp_deliveries_total",
    "Receipts and texts that were told to applications, by outcome: taken, refused (for good), again (told again later).",
    &["outcome"],
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&BINDS, &SUBMITS, &DELIVERIES];
