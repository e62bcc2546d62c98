//! Who may do what: the one table of roles, and the scopes of API keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Capability};

/// What a person is trusted with, in the organisation or in one workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sets up people, keys and everything else.
    Administrator,
    /// Runs the service: sees texts and payloads, answers, sends; changes no configuration.
    Operator,
    /// Is on call: sees alerts and answers them.
    Responder,
    /// Builds integrations and flows; sees payloads, no message texts; manages no people and no keys.
    Developer,
    /// Checks what was done; changes nothing, reads no content.
    Auditor,
    /// Looks on, with personal values masked.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Administrator, Self::Operator, Self::Responder, Self::Developer, Self::Auditor, Self::Viewer];

    /// The name in YAML, in pages and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Responder => "responder",
            Self::Developer => "developer",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }

    /// What the role may do, read off the table in [`holders`].
    pub fn capabilities(self) -> Capabilities {
        Capability::ALL.iter().copied().filter(|capability| holders(*capability).contains(&self)).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such role: administrator, operator, responder, developer, auditor or viewer is expected")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// **The table**: which roles hold a capability (E-17, least privilege). A new capability does not compile
/// until it stands here.
#[expect(clippy::match_same_arms, reason = "grouped by meaning, to be read as a table")]
pub fn holders(capability: Capability) -> &'static [Role] {
    use Role::{Administrator, Auditor, Developer, Operator, Responder, Viewer};
    match capability {
        Capability::OverviewRead
        | Capability::AlertsRead
        | Capability::SignalsRead
        | Capability::MessagesRead
        | Capability::RunsRead
        | Capability::OnCallRead
        | Capability::WorkspaceRead => &[Administrator, Operator, Responder, Developer, Auditor, Viewer],

        Capability::PeopleRead => &[Administrator, Operator, Responder, Auditor],
        Capability::CarriersRead => &[Administrator, Operator, Developer, Auditor],
        Capability::IntegrationsRead | Capability::FlowsRead => &[Administrator, Operator, Developer, Auditor],
        Capability::ResourcesRead => &[Administrator, Developer, Auditor],
        Capability::MetricsRead => &[Administrator, Operator, Developer],

        // Acts of those who are called at night.
        Capability::AlertsAnswer => &[Administrator, Operator, Responder],
        Capability::AlertsOpen | Capability::MessagesSend | Capability::MessagesAlert => &[Administrator, Operator],
        Capability::SignalsSend | Capability::HandsetsUse => &[Administrator, Operator, Developer],

        // Content: what strangers sent and what people were told.
        Capability::SignalPayloadRead => &[Administrator, Operator, Developer],
        Capability::MessageContentRead | Capability::MessagesErase => &[Administrator, Operator],

        // Configuration. Developers build flows and integrations; they never hold a right that could
        // raise their own rights.
        Capability::IntegrationsWrite | Capability::FlowsWrite => &[Administrator, Developer],
        Capability::ResourcesApply
        | Capability::CarriersWrite
        | Capability::PeopleWrite
        | Capability::ApiKeysManage
        | Capability::WorkspaceWrite => &[Administrator],

        Capability::AuditRead | Capability::AuditVerify => &[Administrator, Auditor],
    }
}

/// What no API key may ever do, whatever its scopes say: an API key never creates or changes keys, users
/// or roles, and does not move the borders of a workspace.
pub fn never_for_api_keys() -> Capabilities {
    [Capability::ApiKeysManage, Capability::PeopleWrite, Capability::WorkspaceWrite].into_iter().collect()
}

/// A scope of an API key: the name of a capability that a program may hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyScope(Capability);

impl KeyScope {
    /// The scope's name, such as `messages:send`.
    pub const fn name(self) -> &'static str {
        self.0.name()
    }

    /// The capability it gives.
    pub const fn capability(self) -> Capability {
        self.0
    }

    /// Every scope an API key may have.
    pub fn all() -> impl Iterator<Item = Self> {
        Capability::ALL.iter().copied().filter(|capability| !never_for_api_keys().contains(*capability)).map(Self)
    }
}

/// Why a text is no scope of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// There is no such capability.
    #[error("no such scope: one such as signals:send, messages:send or alerts:read is expected")]
    Unknown,
    /// There is, but programs cannot hold it.
    #[error("an API key never creates or changes keys, people or workspaces: do that as an administrator")]
    NotForKeys,
}

impl FromStr for KeyScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let capability: Capability = text.parse().map_err(|_| ScopeError::Unknown)?;
        if never_for_api_keys().contains(capability) { Err(ScopeError::NotForKeys) } else { Ok(Self(capability)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_may_everything_and_nobody_else_does() {
        assert_eq!(Role::Administrator.capabilities(), Capabilities::all());
        for role in Role::ALL.into_iter().skip(1) {
            assert_ne!(role.capabilities(), Capabilities::all(), "{role}");
        }
    }

    /// E-17: each role ends where its work ends.
    #[test]
    fn e_17_roles_hold_no_more_than_their_work_needs() {
        let may = |role: Role, capability| role.capabilities().contains(capability);
        assert!(may(Role::Responder, Capability::AlertsAnswer));
        assert!(!may(Role::Responder, Capability::MessagesSend));
        assert!(!may(Role::Responder, Capability::MessageContentRead));
        assert!(!may(Role::Operator, Capability::ResourcesApply));
        assert!(may(Role::Developer, Capability::FlowsWrite));
        assert!(!may(Role::Developer, Capability::MessageContentRead));
        assert!(!may(Role::Viewer, Capability::AlertsAnswer));
        for capability in Capability::ALL.iter().copied() {
            let changes = [":write", ":apply", ":manage", ":send", ":answer", ":open", ":use"]
                .iter()
                .any(|ending| capability.name().ends_with(ending));
            assert!(!(changes && may(Role::Auditor, capability)), "an auditor changes nothing: {capability}");
            assert!(!(changes && may(Role::Viewer, capability)), "a viewer changes nothing: {capability}");
        }
    }

    /// E-08, E-17: rights that could raise rights are the administrator's alone.
    #[test]
    fn e_08_only_administrators_hold_rights_that_raise_rights() {
        for capability in [Capability::ApiKeysManage, Capability::PeopleWrite, Capability::ResourcesApply] {
            assert_eq!(holders(capability), [Role::Administrator]);
        }
    }

    /// E-08: an API key's scopes can never include keys, people or workspaces.
    #[test]
    fn e_08_scopes_of_api_keys_exclude_keys_and_people() {
        assert_eq!("messages:send".parse::<KeyScope>().map(KeyScope::capability), Ok(Capability::MessagesSend));
        assert_eq!("resources:apply".parse::<KeyScope>().map(KeyScope::name), Ok("resources:apply"));
        for refused in ["keys:manage", "people:write", "workspace:write"] {
            assert_eq!(refused.parse::<KeyScope>(), Err(ScopeError::NotForKeys), "{refused}");
        }
        assert_eq!("everything".parse::<KeyScope>(), Err(ScopeError::Unknown));
        assert!(KeyScope::all().all(|scope| !never_for_api_keys().contains(scope.capability())));
    }

    #[test]
    fn role_names_read_back() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    }
}
