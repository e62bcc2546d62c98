//! People and groups that a directory elsewhere keeps here: SCIM 2.0 (RFC 7643, RFC 7644), as Entra ID and Okta speak it.
//!
//! | file | what |
//! |---|---|
//! | `schema` | the attributes that are kept, and how a directory learns of them |
//! | `read`, `patch`, `show` | what comes in and what goes out, pure |
//! | `search` | the body of a search |
//! | `filter` | filters to bound conditions; the grammar is `scim_v2`'s |
//! | `kind` | the kind `provisioning_sources`: a directory, who speaks for it, and what its groups give |
//! | `scim`, `people`, `groups` | the verbs of the door, for a [`Desk`] |
//! | `settle`, `links` | roles that follow from groups, and who people are to the provider |
//! | `report`, `requests` | what administrators see of it, and do about it |
//! | `rows` | the SQL |
//!
//! A directory sees and touches the people of its own source alone. It gives no role by a person's entry, never touches accounts
//! for emergencies nor the last administrator, and links nobody by an address. People are written through the same writer as by
//! hand, so everything that follows from switching somebody off or deleting them is the same.

mod error;
mod filter;
mod groups;
mod kind;
mod links;
mod patch;
mod people;
mod read;
mod report;
mod requests;
mod rows;
mod schema;
mod scim;
mod search;
mod settle;
mod show;

pub use error::{Error, Fault};
pub use filter::{Condition, condition};
pub use kind::{SOURCES, SourcesKind};
pub use people::Gone;
pub use report::{Kept, KeptGroup, Report, Standing};
pub use requests::{Asked, Request, seen, told};
pub use rows::Source;
pub use schema::{ENTERPRISE, GROUP, PAGE, Sort, USER, list, resource_types, schemas, service_provider_config};
pub use scim::{Answered, Desk, Query, Scim, base_address};
pub use search::searched;
pub use show::Shown;

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "scim",
    steps: &[store::Migration { version: 1, name: "scim", sql: include_str!("../migrations/001_scim.sql") }],
};
