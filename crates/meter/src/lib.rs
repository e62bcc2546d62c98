//! What a room counts and measures, and how Prometheus reads it.
//!
//! A meter is a `static` beside the code that moves it; moving one is an addition to an atomic, so the busiest path
//! pays nothing that can be measured. A room lists its meters in a constant, and the binary writes all lists out as the
//! text that Prometheus reads (version 0.0.4):
//!
//! ```
//! use meter::{Counter, Meter};
//!
//! static ACCEPTED: Counter = Counter::new("loudhailer_notes_accepted_total", "Notes that are on disk.");
//! /// What this room counts.
//! const METERS: &[&dyn Meter] = &[&ACCEPTED];
//!
//! ACCEPTED.add(1);
//! assert!(meter::exposition(METERS).contains("loudhailer_notes_accepted_total 1\n"));
//! ```
//!
//! Labels are bounded: a family that is asked for more series than it may have counts the rest under `other`. Numbers,
//! names of people and workspaces are never labels.
//!
//! It knows no noun of the business, keeps no history, and opens no socket. Why this is our own: `docs/adr/`.

mod counter;
mod family;
mod histogram;
mod text;

pub use counter::{Counter, Gauge};
pub use family::{CounterFamily, GaugeFamily, HistogramFamily};
pub use histogram::{Histogram, SECONDS, SIZES};
pub use text::{About, Kind, Meter, exposition};
