//! A carrier that is not there: an SMPP server with settable behaviour, a ledger with one line for each
//! submit, and handsets that receive, wait out of reach and answer.
//!
//! It runs inside a test or as its own process and talks to the product over real SMPP alone. Production
//! never needs it, and it knows nothing of workspaces, alerts or the store.

mod behaviour;
mod control;
mod error;

pub use behaviour::{Behaviour, Cut, MessageIds};
pub use control::{
    Bind, Change, Control, Counters, Direction, Handset, Part, PartReceipt, ReceiptNote, Text, TextEncoding, TextState,
    Watch,
};
pub use error::Error;
