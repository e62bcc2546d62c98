//! The control socket: what a test, the console's handset page and an operator say to a running simulator.
//!
//! Newline-delimited JSON over a Unix socket that only its owner may open (0600). One request a line,
//! one reply a line; after `watch` the connection carries changes until it is closed.

mod client;
mod protocol;
mod server;

pub use client::{Control, Watch};
pub use protocol::{
    Bind, Change, Counters, Direction, Handset, Part, PartReceipt, ReceiptNote, Text, TextEncoding, TextState,
};
pub(crate) use server::Server;
