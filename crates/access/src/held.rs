//! What people hold: a ready role or a custom one, where it holds, and of which groups when it is bounded to them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use base::{GroupId, RoleId, WorkspaceId};

use crate::{Actor, Capabilities, Capability, Grants, Role, Scope};

/// A set of capabilities with a name: a role that the organisation made itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomRole {
    /// Its id; also that of the resource.
    pub id: RoleId,
    /// Its name, unique in the organisation and no ready role's.
    pub name: String,
    /// What it holds.
    pub capabilities: Capabilities,
    /// The one workspace it may be given in; anywhere when absent.
    pub workspace: Option<WorkspaceId>,
}

/// A role by what names it in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoleRef {
    /// A ready one.
    Ready(Role),
    /// A custom one.
    Custom(RoleId),
}

impl From<Role> for RoleRef {
    fn from(role: Role) -> Self {
        Self::Ready(role)
    }
}

impl From<RoleId> for RoleRef {
    fn from(id: RoleId) -> Self {
        Self::Custom(id)
    }
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(role) => f.write_str(role.name()),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

/// A role with all that it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeldRole {
    /// A ready one.
    Ready(Role),
    /// A custom one.
    Custom(Arc<CustomRole>),
}

impl HeldRole {
    /// Its name in YAML and in the API.
    pub fn name(&self) -> &str {
        match self {
            Self::Ready(role) => role.name(),
            Self::Custom(role) => &role.name,
        }
    }

    /// Its name in sentences.
    pub fn words(&self) -> &str {
        match self {
            Self::Ready(role) => role.words(),
            Self::Custom(role) => &role.name,
        }
    }

    /// What it holds, wherever it is given.
    pub fn capabilities(&self) -> Capabilities {
        match self {
            Self::Ready(role) => role.capabilities(),
            Self::Custom(role) => role.capabilities,
        }
    }

    /// What names it in the store.
    pub fn reference(&self) -> RoleRef {
        match self {
            Self::Ready(role) => RoleRef::Ready(*role),
            Self::Custom(role) => RoleRef::Custom(role.id),
        }
    }

    /// What of it holds for single entries alone.
    pub(crate) fn bounded(&self) -> Capabilities {
        match self {
            Self::Ready(role) => role.capabilities().iter().filter(|capability| role.is_bounded(*capability)).collect(),
            Self::Custom(_) => Capabilities::NONE,
        }
    }
}

/// One role that somebody holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The role.
    pub role: HeldRole,
    /// Where it was given.
    pub scope: Scope,
    /// The groups that name them as supervisor, for a role that is bounded to these.
    pub groups: Vec<GroupId>,
}

impl Held {
    /// Where it holds: a custom role of one workspace never holds outside it, however it was given. Nowhere when it was given in
    /// another one, as before it became one of this workspace.
    pub fn reach(&self) -> Option<Scope> {
        match (&self.role, self.scope) {
            (HeldRole::Custom(role), given) => match (role.workspace.map(Scope::Workspace), given) {
                (None, given) => Some(given),
                (Some(own), Scope::Organisation) => Some(own),
                (Some(own), given) => (own == given).then_some(own),
            },
            (HeldRole::Ready(_), given) => Some(given),
        }
    }

    /// Whether this role alone gives `capability` there (`None`: in the whole organisation). [`Grants`] decide, here as
    /// everywhere.
    pub fn gives(&self, capability: Capability, workspace: Option<WorkspaceId>) -> bool {
        let grants = Grants::of_roles(Actor::anonymous(None), std::slice::from_ref(self));
        match workspace {
            Some(workspace) => grants.may(capability, workspace),
            None => grants.organisation_capabilities().contains(capability),
        }
    }

    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let key = |held: &Self| (held.role.reference(), held.scope);
        match (&self.role, &other.role) {
            (HeldRole::Custom(one), HeldRole::Custom(two)) => {
                one.name.cmp(&two.name).then_with(|| key(self).cmp(&key(other)))
            }
            _ => key(self).cmp(&key(other)),
        }
    }
}

impl From<(Role, Scope)> for Held {
    fn from((role, scope): (Role, Scope)) -> Self {
        Self { role: HeldRole::Ready(role), scope, groups: Vec::new() }
    }
}
