//! The doors from outside: a real server on a random port, real TLS, real clients.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod certificates;
mod encodings;
mod floods;
mod frames;
mod headers;
mod limits;
mod matrix;
mod probes;
mod reading;
mod sessions;
mod slow;
mod stage;
mod step_up;
mod streams;
