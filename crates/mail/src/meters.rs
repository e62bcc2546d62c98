//! What this room counts.

use meter::{CounterFamily, Meter};

pub(crate) static LETTERS: CounterFamily = CounterFamily::new(
    "loudhailer_mails_total",
    "Letters by e-mail, by what became of a try: sent, tried (the mail server could not take it now) or failed.",
    &["outcome"],
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&LETTERS];
