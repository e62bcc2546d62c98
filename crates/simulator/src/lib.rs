//! A carrier that is not there: an SMPP server with settable behaviour, a ledger with one line for each
//! submit, and handsets that receive, wait out of reach and answer.
//!
//! It runs inside a test or as its own process and talks to the product over real SMPP alone. Production
//! never needs it, and it knows nothing of workspaces, alerts or the store.

mod arrival;
mod behaviour;
mod control;
mod courier;
mod error;
mod fate;
mod hub;
mod later;
pub mod ledger;
mod options;
mod phones;
mod server;
mod session;

pub use behaviour::{Behaviour, Cut, MessageIds};
pub use control::{
    Bind, Change, Control, Counters, Direction, Handset, Part, PartReceipt, ReceiptNote, Text, TextEncoding, TextState,
    Watch,
};
pub use error::Error;
pub use options::{Account, Options, Phone, Scenario, Security};
pub use server::{Simulator, run};
