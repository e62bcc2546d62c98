//! Audit: who did what, when, from where, with which outcome. An entry is written in the transaction of the
//! change it tells of, chained by a sealer within a second, verified, listed and exported.
//!
//! This room keeps no secret, no token, no message text and no full number, and it decides nothing: what is
//! worth an entry is the use-case's to know.

mod canonical;
mod commitment;
mod entry;
mod error;
mod export;
mod figures;
mod read;
mod refusals;
mod seal;
mod siem;
mod stored;
mod syslog;
mod verifier;
mod verify;

#[cfg(test)]
mod tests;

pub use commitment::{Commitment, SALT_BYTES, Salt};
pub use entry::{Entry, Outcome, UnknownOutcome, record, record_with_ticket};
pub use error::Error;
pub use export::{Format, cell as csv_cell, export, export_stream, record_export};
pub use figures::{Unsealed, unsealed};
pub use read::{Filter, Recorded, erase_person, get, list};
pub use refusals::{Refusal, RefusalWriter, Refusals};
pub use seal::{Head, Sealer, seal};
pub use syslog::{Shipper, Streaming, Target, TargetError, forget_target, streaming, streaming_figures};
pub use verifier::{Stage, Verification, Verifier};
pub use verify::{Break, Tampering, Verdict, verify, verify_all};

/// The topic under which new entries are announced to open pages (and to the sealer).
pub const TOPIC: &str = "audit";

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "audit",
    steps: &[
        store::Migration { version: 1, name: "audit", sql: include_str!("../migrations/001_audit.sql") },
        store::Migration { version: 2, name: "streams", sql: include_str!("../migrations/002_streams.sql") },
    ],
};
