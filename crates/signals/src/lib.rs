//! Signals: what machines send us. Proves the sender, bounds and parses what it sent, puts it on disk, and turns it by a
//! mapping (which is data) into events that start flows. Keeps a line of activity for every request.
//!
//! ```text
//! a door ── Request ─► accept: prove, rate, size, media, parse ─► one commit: row + sealed body + job ─► 202
//!                        │ refused: a line of activity, no body               │
//!                        ▼                                                    ▼
//!                  problem (401 says nothing more)      job signals.handle: map in the sandbox ─► flows, a run an event
//! ```
//!
//! The verbs are on [`Signals`]: [`Signals::accept`] takes a request, [`Signals::work`] registers what handles it later,
//! [`Signals::list`], [`Signals::get`], [`Signals::payload`] and [`Signals::integrations`] read, [`Signals::rotate_token`] renews a
//! credential. [`kinds`] holds the kinds `mappings` and `integrations`.
//!
//! What one integration sends is handled in the order in which it came (by the clock of the node that accepted it), on
//! one node at a time; integrations do not wait for each other.
//!
//! This room does not decide what happens with an event (that is `flows`) and knows no HTTP.

mod accept;
mod body;
mod error;
mod handle;
mod kinds;
mod lanes;
mod mapping;
mod rates;
mod refusals;
mod rows;
mod signals;
mod types;

pub use error::{Error, Refused};
pub use kinds::{IntegrationBody, IntegrationsKind, MappingsKind, kinds};
pub use mapping::{EventTemplates, FieldTemplates, Mapping};
pub use signals::Signals;
pub use types::{
    Accepted, Activity, Auth, Credential, Door, Filter, Integration, Payload, Request, SignalDetail, SignalState,
    TokenRow,
};

/// Bytes of a signal's body at most; a door may stop reading one byte later and hand in what it has.
pub const BODY_LIMIT: usize = 256 * 1024;

/// The topic of live updates; their id is the signal's.
pub const TOPIC: &str = "signal";

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "signals",
    steps: &[store::Migration { version: 1, name: "signals", sql: include_str!("../migrations/001_signals.sql") }],
};
