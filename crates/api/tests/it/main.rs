//! The REST doors from outside: a real server over real rooms, on the embedded database.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod alerts;
mod house;
mod keys;
mod matrix;
mod ready;
mod resources;
mod signals;
mod sms;
