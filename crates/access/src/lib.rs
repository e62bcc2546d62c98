//! Access: organisation, workspaces with their environment, principals, capabilities and roles. A proven
//! right is a value, [`Permit`], that every use-case takes as an argument.
//!
//! This room decides what a principal may do. It does not know how a principal logs in (that is
//! `identity`), and it audits nothing (that is the use-case's duty).

mod actor;
mod assignment;
mod capability;
mod error;
mod grants;
mod permit;
mod role;
mod workspace;

#[cfg(test)]
mod tests;

pub use actor::{Actor, AuthMethod, Principal};
pub use assignment::{count_administrators, grants_of_user, roles_of, set_roles};
pub use capability::{Cap, Capabilities, Capability, UnknownCapability, cap};
pub use error::Error;
pub use grants::Grants;
pub use permit::{Authority, Denied, Engine, OrganisationPermit, Permit, Scope};
pub use role::{KeyScope, Role, ScopeError, UnknownRole, holders, never_for_api_keys};
pub use workspace::{
    Environment, Organisation, Slug, SlugError, UnknownEnvironment, Workspace, archive_workspace, ensure_organisation,
    organisation, put_workspace, rename_organisation, workspace, workspace_by_slug, workspaces,
};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "access",
    steps: &[store::Migration { version: 1, name: "access", sql: include_str!("../migrations/001_access.sql") }],
};
