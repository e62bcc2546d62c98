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
//! The verbs are on [`Signals`]: [`Signals::accept`] takes a request, [`Signals::test`] and [`Signals::replay`] send one by hand,
//! [`Signals::work`] registers what handles them later and what removes them when their time is over; [`Signals::list`],
//! [`Signals::get`], [`Signals::payload`] and [`Signals::integrations`] read; [`Signals::rotate`] and [`Signals::retire`] renew
//! credentials. [`examples`] writes commands that send, [`kinds`] holds the kinds `mappings` and `integrations`.
//!
//! What one integration sends is handled in the order in which it came (by the clock of the node that accepted it), on
//! one node at a time; integrations do not wait for each other.
//!
//! This room does not decide what happens with an event (that is `flows`) and knows no HTTP.

mod accept;
mod activity;
mod again;
#[doc(hidden)]
pub mod bare;
mod body;
mod credentials;
mod error;
mod examples;
mod handle;
mod ids;
mod integrations_kind;
mod kinds;
mod lanes;
mod mapping;
mod mappings_kind;
mod meters;
mod proof;
mod rates;
mod refusals;
mod retention;
mod rotate;
mod rows;
mod signals;
mod summary;
mod text;
mod types;
mod volume;
mod words;
mod xml;
mod xml_lexis;

pub use error::{Error, Refused};
pub use examples::{Example, examples};
pub use kinds::{IntegrationBody, IntegrationsKind, MappingsKind, kind_of, kinds};
pub use mapping::{EventTemplates, FieldTemplates, Mapping, Sample};
pub use meters::METERS;
pub use rotate::{Rotated, Rotation};
pub use signals::Signals;
pub use types::{
    Accepted, Activity, Auth, Credential, CredentialRow, Door, Filter, Integration, Payload, Request, SignalDetail,
    SignalState, Signature,
};
pub use volume::Volume;

/// Bytes of a signal's body at most, but for XML.
pub const BODY_LIMIT: usize = 256 * 1024;

/// Bytes of an XML body at most.
pub const XML_LIMIT: usize = xml::BYTES;

/// Bytes that a door reads at most: the largest of the limits, so that it is this room which refuses, and tells it.
pub const DOOR_LIMIT: usize = XML_LIMIT;

/// The topic of live updates; their id is the signal's.
pub const TOPIC: &str = "signal";

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "signals",
    steps: &[
        store::Migration { version: 1, name: "signals", sql: include_str!("../migrations/001_signals.sql") },
        store::Migration { version: 2, name: "credentials", sql: include_str!("../migrations/002_credentials.sql") },
    ],
};
