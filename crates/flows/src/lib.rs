//! Flows: what a workspace wants done with the events of its signals, as stored, versioned steps, and the interpreter
//! that runs them durably.
//!
//! ```text
//! signals ── Start{flow, event} ─► prepare (sandbox, no transaction) ─► begin (in the caller's transaction)
//!                                                                          │ first effect + records + cursor
//!                                          job flows.run ◄── steps to go ──┘
//! ```
//!
//! The verbs are on [`Flows`]: [`Flows::prepare`] and [`Flows::begin`] start runs, [`Flows::work`] registers what carries them on,
//! [`Flows::list`], [`Flows::get`], [`Flows::runs`], [`Flows::run`] and [`Flows::values`] read, [`Flows::value`] opens
//! what a sender sent, on record. [`kinds`] holds the kind `flows`; a flow's document
//! and its mistakes are in [`document`].
//!
//! A run keeps the version it began with. Each of its transactions does one effect at most, checks the one before, and
//! writes effect, records and cursor together: killed at any point it goes on, and no alert is opened twice.
//!
//! This room opens no socket, knows no payload (that is `signals`) and pages nobody (that is `alerts`).

mod check;
mod detail;
pub mod document;
mod error;
mod flows;
mod holding;
mod interpreter;
mod kind;
mod memory;
mod pages;
mod pieces;
mod reader;
mod rows;
mod segment;
mod types;
mod values;

pub use detail::{FlowDetail, FlowVersion};
pub use error::Error;
pub use flows::{Flows, Prepared};
pub use kind::{FlowsKind, kinds};
pub use pages::Pages;
pub use segment::TOPIC;
pub use types::{Event, FlowRow, Run, RunDetail, RunFilter, RunState, Start, Status, StepRecord, StepState};
pub use values::{RunValue, VALUES_MAX};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "flows",
    steps: &[
        store::Migration { version: 1, name: "flows", sql: include_str!("../migrations/001_flows.sql") },
        store::Migration { version: 2, name: "run lists", sql: include_str!("../migrations/002_run_lists.sql") },
    ],
};
