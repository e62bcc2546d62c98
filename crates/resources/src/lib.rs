//! Everything that people configure, as versioned **kinds**: one writer that makes version, difference, audit
//! entry, event and projection in one transaction; `apply`, dry run, `export`, history and restore on top.
//!
//! A room defines a [`TypedKind`] and keeps its own typed tables, which are projections of what is stored here.
//! This room knows no business noun except the two that hold the others: workspaces and the organisation's
//! settings. It decides no rights (the caller brings a permit) and never reads a file or the environment: secrets
//! of a file are resolved by whoever read the file, see [`Parsed::resolve`].

mod apply;
mod change;
mod check;
mod clearance;
mod difference;
mod document;
mod edit;
mod error;
mod export;
mod field;
mod kind;
mod own;
mod prepare;
mod read;
mod registry;
mod reseal;
mod rows;
mod secret;
mod shape;

mod write;
mod writer;

pub use change::{
    Applied, ApplyOptions, Change, Drawn, EntryChange, Filter, Outcome, Removal, Stored, VersionEntry, Written,
};
pub use check::Check;
pub use clearance::{ChangeReference, Clearance, Ground};
pub use difference::{Difference, Line, Op};
pub use document::{Document, Parsed, SecretSource, SourceError};
pub use edit::{Edit, Upon};
pub use error::Error;
pub use field::{Class, Draw, Field, Keep, Shape};
pub use kind::{Kind, KindScope, Projection, TypedKind, typed};
pub use own::{Settings, SmsSettings, settings, sms_settings};
pub use registry::{ClassedField, Registry, RegistryError};
pub use rows::named_entries;
pub use secret::{Draft, Given, SecretSlot};
pub use write::TOPIC;
pub use writer::Resources;

/// A body: any JSON object.
pub type Json = serde_json::Value;

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "resources",
    steps: &[store::Migration { version: 1, name: "resources", sql: include_str!("../migrations/001_resources.sql") }],
};

/// A key as it is compared: lower case, so that names are unique without regard to case.
pub(crate) fn fold(key: &str) -> String {
    key.to_lowercase()
}
