//! The REST doors from outside: a real server over real rooms, on the embedded database.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod alerts;
mod certificates;
mod document;
mod house;
mod keys;
mod matrix;
mod oauth;
mod once;
mod problems;
mod ready;
mod resources;
mod schema;
mod signals;
mod sms;
mod webhooks;
