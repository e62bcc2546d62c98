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
mod held;
mod permit;
mod role;
mod source;
mod workspace;

#[cfg(test)]
mod tests;

pub use actor::{Actor, AuthMethod, Principal};
pub use assignment::{
    anywhere, count_administrators, custom_role, custom_roles, grants_of_user, holders_of, put_custom_role,
    remove_custom_role, role_ref, roles_of, set_roles, set_supervisors, supervisors_of,
};
pub use capability::{Cap, Capabilities, Capability, UnknownCapability, cap};
pub use error::Error;
pub use grants::Grants;
pub use held::{CustomRole, Held, HeldRole, RoleRef};
pub use permit::{Authority, Denied, Engine, OrganisationPermit, Permit, Rights, Scope};
pub use role::{
    KeyScope, Role, ScopeError, UnknownRole, governing, holders, never_for_api_keys, of_smpp_accounts,
    organisation_only,
};
pub use source::{CONFIGURED, forget_roles, roles_by_source, set_roles_from};
pub use workspace::{
    Environment, Organisation, Slug, SlugError, UnknownEnvironment, Workspace, archive_workspace, ensure_organisation,
    organisation, put_workspace, rename_organisation, workspace, workspace_by_slug, workspaces,
};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "access",
    steps: &[
        store::Migration { version: 1, name: "access", sql: include_str!("../migrations/001_access.sql") },
        store::Migration { version: 2, name: "roles", sql: include_str!("../migrations/002_roles.sql") },
        store::Migration { version: 3, name: "role_sources", sql: include_str!("../migrations/003_role_sources.sql") },
    ],
};
