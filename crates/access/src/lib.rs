//! Access: organisation, workspaces with their environment, principals, capabilities and roles. A proven
//! right is a value, [`Permit`], that every use-case takes as an argument.
//!
//! This room decides what a principal may do. It does not know how a principal logs in (that is
//! `identity`), and it audits nothing (that is the use-case's duty).

mod actor;
mod capability;
mod grants;
mod permit;
mod role;

pub use actor::{Actor, AuthMethod, Principal};
pub use capability::{Cap, Capabilities, Capability, UnknownCapability, cap};
pub use grants::Grants;
pub use permit::{Authority, Denied, Engine, OrganisationPermit, Permit, Scope};
pub use role::{KeyScope, Role, ScopeError, UnknownRole, holders, never_for_api_keys};
