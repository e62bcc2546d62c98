//! Who may do what: the one table of roles, and the scopes of API keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Capability};

/// What a person is trusted with, in the organisation or in one workspace: the ready roles. Sets of one's own are
/// [custom roles](crate::CustomRole).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sets up people, keys and everything else.
    Administrator,
    /// Manages people, roles, keys and the audit log; reads no messages and sends none.
    SecurityOfficer,
    /// Everything in one workspace, and nothing outside it.
    WorkspaceAdministrator,
    /// Builds integrations and flows; sees payloads, no message texts; manages no people and no keys.
    Developer,
    /// Runs the service: sees texts and payloads, answers, sends; changes no configuration.
    Operator,
    /// Sends messages and sees what became of them, numbers masked.
    Sender,
    /// A member of the on-call groups: sees alerts and answers them. Called `responder` before.
    #[serde(alias = "responder")]
    OnCall,
    /// Does what an on-call member does, and changes the groups that name them as supervisor.
    Supervisor,
    /// Looks on, with personal values masked. Called `viewer` before.
    #[serde(alias = "viewer")]
    Observer,
    /// Checks what was done and who may do what; changes nothing, reads no content.
    Auditor,
}

impl Role {
    /// Every ready role.
    pub const ALL: [Self; 10] = [
        Self::Administrator,
        Self::SecurityOfficer,
        Self::WorkspaceAdministrator,
        Self::Developer,
        Self::Operator,
        Self::Sender,
        Self::OnCall,
        Self::Supervisor,
        Self::Observer,
        Self::Auditor,
    ];

    /// The names of all of them.
    pub const NAMES: &[&str] = &[
        "administrator",
        "security_officer",
        "workspace_administrator",
        "developer",
        "operator",
        "sender",
        "on_call",
        "supervisor",
        "observer",
        "auditor",
    ];

    /// The names that two had before: they go on being read, and are not offered.
    pub const FORMER: &[&str] = &["responder", "viewer"];

    /// The name in YAML, in the API and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::SecurityOfficer => "security_officer",
            Self::WorkspaceAdministrator => "workspace_administrator",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Sender => "sender",
            Self::OnCall => "on_call",
            Self::Supervisor => "supervisor",
            Self::Observer => "observer",
            Self::Auditor => "auditor",
        }
    }

    /// The name in sentences.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecurityOfficer => "security officer",
            Self::WorkspaceAdministrator => "workspace administrator",
            Self::OnCall => "on-call member",
            Self::Supervisor => "supervisor of a group",
            other => other.name(),
        }
    }

    /// What it is for, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Administrator => "sets up people, keys and everything else",
            Self::SecurityOfficer => "manages people, roles, keys and the audit log; reads no messages",
            Self::WorkspaceAdministrator => "everything in one workspace, nothing outside it",
            Self::Developer => "builds integrations and flows",
            Self::Operator => "runs the service, sees texts, changes no configuration",
            Self::Sender => "sends messages and sees what became of them",
            Self::OnCall => "is on call, answers alerts",
            Self::Supervisor => "answers alerts, changes the groups that name them",
            Self::Observer => "looks on, numbers masked",
            Self::Auditor => "checks what was done, changes nothing",
        }
    }

    /// What the role may do, read off the table in [`holders`].
    pub fn capabilities(self) -> Capabilities {
        Capability::ALL.iter().copied().filter(|capability| holders(*capability).contains(&self)).collect()
    }

    /// Whether the role holds `capability` only for single entries: a supervisor changes their own groups and no others.
    pub const fn is_bounded(self, capability: Capability) -> bool {
        matches!((self, capability), (Self::Supervisor, Capability::GroupsWrite))
    }

    /// Whether the role is one of a single workspace and never given for the organisation.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::WorkspaceAdministrator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such role: administrator, operator, on_call, developer, observer or another ready one is expected")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "responder" => Ok(Self::OnCall),
            "viewer" => Ok(Self::Observer),
            _ => Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole),
        }
    }
}

/// **The table**: which roles hold a capability (E-17, least privilege). A new capability does not compile
/// until it stands here.
///
/// Duties are apart: whoever gives rights ([`SecurityOfficer`](Role::SecurityOfficer)) reads no message, whoever reads
/// and sends ([`Operator`](Role::Operator)) changes nothing, whoever checks ([`Auditor`](Role::Auditor)) does nothing
/// else. A capability of the organisation ([`organisation_only`]) is not held in a single workspace by any role.
#[expect(clippy::match_same_arms, reason = "grouped by meaning, to be read as a table")]
pub fn holders(capability: Capability) -> &'static [Role] {
    use Role::{
        Administrator, Auditor, Developer, Observer, OnCall, Operator, SecurityOfficer, Sender, Supervisor,
        WorkspaceAdministrator,
    };
    match capability {
        Capability::OverviewRead | Capability::WorkspaceRead => &Role::ALL,
        Capability::MessagesRead => {
            &[Administrator, WorkspaceAdministrator, Developer, Operator, Sender, OnCall, Supervisor, Observer, Auditor]
        }
        Capability::AlertsRead | Capability::SignalsRead | Capability::RunsRead | Capability::OnCallRead => {
            &[Administrator, WorkspaceAdministrator, Developer, Operator, OnCall, Supervisor, Observer, Auditor]
        }

        Capability::PeopleRead => {
            &[Administrator, SecurityOfficer, WorkspaceAdministrator, Operator, OnCall, Supervisor, Auditor]
        }
        Capability::AccessRead => &[Administrator, SecurityOfficer, WorkspaceAdministrator, Auditor],
        Capability::CarriersRead | Capability::IntegrationsRead | Capability::FlowsRead => {
            &[Administrator, WorkspaceAdministrator, Developer, Operator, Auditor]
        }
        Capability::ResourcesRead => &[Administrator, SecurityOfficer, WorkspaceAdministrator, Developer, Auditor],
        Capability::MetricsRead => &[Administrator, WorkspaceAdministrator, Developer, Operator],

        // Acts of those who are called at night.
        Capability::AlertsAnswer => &[Administrator, WorkspaceAdministrator, Operator, OnCall, Supervisor],
        Capability::MessagesSend => &[Administrator, WorkspaceAdministrator, Operator, Sender],
        Capability::AlertsOpen | Capability::MessagesAlert => &[Administrator, WorkspaceAdministrator, Operator],
        Capability::SignalsSend | Capability::HandsetsUse => {
            &[Administrator, WorkspaceAdministrator, Developer, Operator]
        }

        // Content: what strangers sent and what people were told.
        Capability::SignalPayloadRead => &[Administrator, WorkspaceAdministrator, Developer, Operator],
        Capability::MessageContentRead | Capability::MessagesErase => {
            &[Administrator, WorkspaceAdministrator, Operator]
        }

        // Configuration. Developers build flows and integrations; they never hold a right that could
        // raise their own rights. A supervisor's groups are their own ones (`Role::is_bounded`).
        Capability::GroupsWrite => &[Administrator, WorkspaceAdministrator, Supervisor],
        Capability::IntegrationsWrite | Capability::FlowsWrite => &[Administrator, WorkspaceAdministrator, Developer],
        Capability::ResourcesApply | Capability::CarriersWrite | Capability::WorkspaceWrite => {
            &[Administrator, WorkspaceAdministrator]
        }

        // Rights that give rights.
        Capability::PeopleWrite | Capability::RolesWrite => &[Administrator, SecurityOfficer],
        // Groups of a provider may give every role, so nobody below gives them.
        Capability::SignInManage => &[Administrator],
        // Held to be given to the key of a directory; at its door no person counts.
        Capability::PeopleProvision => &[Administrator],
        Capability::ApiKeysManage => &[Administrator, SecurityOfficer, WorkspaceAdministrator],

        // Kinds of credentials: of integrations for those who build these, of the rest for those who manage keys.
        Capability::CredentialUrlToken | Capability::CredentialBasic | Capability::CredentialHmac => {
            &[Administrator, WorkspaceAdministrator, Developer]
        }
        Capability::CredentialCertificate => &[Administrator, SecurityOfficer, WorkspaceAdministrator, Developer],
        Capability::CredentialApiKey | Capability::CredentialOauth => {
            &[Administrator, SecurityOfficer, WorkspaceAdministrator]
        }

        Capability::AuditRead | Capability::AuditVerify => {
            &[Administrator, SecurityOfficer, WorkspaceAdministrator, Auditor]
        }
    }
}

/// What is held in the whole organisation or not at all: people and roles belong to no single workspace.
pub fn organisation_only() -> Capabilities {
    [Capability::PeopleWrite, Capability::PeopleProvision, Capability::RolesWrite, Capability::SignInManage]
        .into_iter()
        .collect()
}

/// Rights with which rights are given: to people, to roles, to programs, or by writing any of these as configuration.
/// Nobody gives another person one of them without holding it.
pub fn governing() -> Capabilities {
    [
        Capability::PeopleWrite,
        Capability::PeopleProvision,
        Capability::RolesWrite,
        Capability::SignInManage,
        Capability::ApiKeysManage,
        Capability::ResourcesApply,
        Capability::WorkspaceWrite,
    ]
    .into_iter()
    .collect()
}

/// What no API key may ever do, whatever its scopes say: an API key never creates or changes keys, users
/// or roles, and does not move the borders of a workspace.
pub fn never_for_api_keys() -> Capabilities {
    [
        Capability::ApiKeysManage,
        Capability::PeopleWrite,
        Capability::RolesWrite,
        Capability::SignInManage,
        Capability::WorkspaceWrite,
        Capability::CredentialApiKey,
        Capability::CredentialOauth,
    ]
    .into_iter()
    .collect()
}

/// What every application holds that is bound by SMPP: it sends, and hears what became of its messages.
pub fn of_smpp_accounts() -> Capabilities {
    [Capability::MessagesSend, Capability::MessagesRead, Capability::MessageContentRead].into_iter().collect()
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

    /// What users read is what is so.
    #[test]
    fn the_documentation_names_every_role_and_every_right_that_gives_rights() {
        let page = include_str!("../../../docs/access.md");
        let all = Role::ALL.into_iter().map(Role::name);
        for name in
            all.chain(governing().iter().map(Capability::name)).chain(organisation_only().iter().map(Capability::name))
        {
            assert!(page.contains(&format!("`{name}`")), "{name} is missing in docs/access.md");
        }
    }

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
        assert!(may(Role::OnCall, Capability::AlertsAnswer));
        assert!(!may(Role::OnCall, Capability::MessagesSend));
        assert!(!may(Role::OnCall, Capability::MessageContentRead));
        assert!(!may(Role::Operator, Capability::ResourcesApply));
        assert!(may(Role::Developer, Capability::FlowsWrite));
        assert!(!may(Role::Developer, Capability::MessageContentRead));
        assert!(may(Role::Sender, Capability::MessagesSend) && !may(Role::Sender, Capability::MessagesAlert));
        assert!(!may(Role::Sender, Capability::MessageContentRead) && !may(Role::Sender, Capability::AlertsRead));
        assert!(!may(Role::Observer, Capability::AlertsAnswer));
        for capability in Capability::ALL.iter().copied() {
            let changes =
                [":write", ":apply", ":manage", ":send", ":answer", ":open", ":use", ":erase", ":alert", ":provision"]
                    .iter()
                    .any(|ending| capability.name().ends_with(ending));
            assert!(!(changes && may(Role::Auditor, capability)), "an auditor changes nothing: {capability}");
            assert!(!(changes && may(Role::Observer, capability)), "an observer changes nothing: {capability}");
        }
    }

    /// E-17: whoever gives rights reads no messages, alerts or payloads, and sends and answers nothing.
    #[test]
    fn e_17_a_security_officer_reads_no_content() {
        let officer = Role::SecurityOfficer.capabilities();
        for capability in officer.iter() {
            let area = capability.name().split(':').next().unwrap_or_default();
            assert!(!["messages", "alerts", "signals", "runs", "handsets", "flows"].contains(&area), "{capability}");
        }
        assert!(governing().without(officer).contains(Capability::ResourcesApply), "and applies no configuration");
    }

    /// E-08, E-17: rights that could raise rights are with those whose work it is, in the organisation where they
    /// belong to it.
    #[test]
    fn e_08_rights_that_raise_rights_have_few_holders() {
        use Role::{Administrator, SecurityOfficer, WorkspaceAdministrator};
        for capability in governing().iter() {
            for holder in holders(capability) {
                assert!([Administrator, SecurityOfficer, WorkspaceAdministrator].contains(holder), "{capability}");
            }
        }
        assert_eq!(holders(Capability::PeopleWrite), [Administrator, SecurityOfficer]);
        assert!(organisation_only().iter().all(|capability| !holders(capability).contains(&WorkspaceAdministrator)));
    }

    /// E-17: a supervisor changes what is theirs and no other role is bounded.
    #[test]
    fn e_17_a_supervisor_is_bounded() {
        for role in Role::ALL {
            for capability in Capability::ALL.iter().copied() {
                let bounded = role == Role::Supervisor && capability == Capability::GroupsWrite;
                assert_eq!(role.is_bounded(capability), bounded, "{role} {capability}");
            }
        }
    }

    /// E-08: an API key's scopes can never include keys, people or workspaces.
    #[test]
    fn e_08_scopes_of_api_keys_exclude_keys_and_people() {
        assert_eq!("messages:send".parse::<KeyScope>().map(KeyScope::capability), Ok(Capability::MessagesSend));
        assert_eq!("resources:apply".parse::<KeyScope>().map(KeyScope::name), Ok("resources:apply"));
        for refused in ["keys:manage", "people:write", "roles:write", "workspace:write"] {
            assert_eq!(refused.parse::<KeyScope>(), Err(ScopeError::NotForKeys), "{refused}");
        }
        assert_eq!("everything".parse::<KeyScope>(), Err(ScopeError::Unknown));
        assert!(KeyScope::all().all(|scope| !never_for_api_keys().contains(scope.capability())));
    }

    #[test]
    fn role_names_read_back_and_so_do_those_of_before() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert!(Role::NAMES.contains(&role.name()));
        }
        assert_eq!(Role::NAMES.len(), Role::ALL.len());
        assert!(Role::FORMER.iter().all(|name| name.parse::<Role>().is_ok() && !Role::NAMES.contains(name)));
        assert_eq!("responder".parse(), Ok(Role::OnCall));
        assert_eq!("viewer".parse(), Ok(Role::Observer));
        assert!(Role::NAMES.iter().all(|name| name.parse::<Role>().is_ok()));
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    }
}
