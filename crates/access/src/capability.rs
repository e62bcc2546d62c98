//! What can be allowed: one [`Capability`] per sort of act, a marker type for each in [`cap`], and the
//! small set they travel in.

use std::fmt;
use std::str::FromStr;

/// A type that stands for one capability, so that a proven right is a type of its own.
pub trait Cap: Copy + fmt::Debug + Send + Sync + 'static {
    /// The capability it stands for.
    const CAPABILITY: Capability;
}

macro_rules! capabilities {
    ($(#[doc = $doc:literal] $name:ident = $text:literal;)*) => {
        /// One sort of act that somebody may or may not do.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Capability {$(
            #[doc = $doc]
            $name,
        )*}

        impl Capability {
            /// Every capability there is, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name people and programs see, such as `alerts:answer`.
            pub const fn name(self) -> &'static str {
                match self {$(Self::$name => $text,)*}
            }

            /// What it is the right to do, as a sentence for people: the same that its documentation says.
            pub const fn about(self) -> &'static str {
                match self {$(Self::$name => $doc.trim_ascii(),)*}
            }
        }

        /// A marker type for each capability: `Permit<cap::AlertsAnswer>` proves that very right.
        pub mod cap {
            use super::{Cap, Capability};
            $(
                #[doc = $doc]
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Cap for $name {
                    const CAPABILITY: Capability = Capability::$name;
                }
            )*
        }
    };
}

capabilities! {
    /// See the overview page.
    OverviewRead = "overview:read";
    /// Read alerts, their timelines and chains.
    AlertsRead = "alerts:read";
    /// Acknowledge, resolve, escalate, annotate.
    AlertsAnswer = "alerts:answer";
    /// Open an alert without a signal, or from a flow.
    AlertsOpen = "alerts:open";
    /// Read the activity of integrations, without payloads.
    SignalsRead = "signals:read";
    /// Read what a signal's sender sent.
    SignalPayloadRead = "signals:payload";
    /// Send a signal to an integration.
    SignalsSend = "signals:send";
    /// Read messages with masked numbers and without their text.
    MessagesRead = "messages:read";
    /// Read texts and full numbers of messages.
    MessageContentRead = "messages:content";
    /// Send messages.
    MessagesSend = "messages:send";
    /// Send messages of class alert, which go ahead of everything else.
    MessagesAlert = "messages:alert";
    /// Erase number and text of a message for good.
    MessagesErase = "messages:erase";
    /// Read the runs of flows.
    RunsRead = "runs:read";
    /// See who is on call.
    OnCallRead = "oncall:read";
    /// See people and their (masked) devices.
    PeopleRead = "people:read";
    /// Create, change and remove people, their devices and roles.
    PeopleWrite = "people:write";
    /// Change on-call groups; a supervisor's right holds for the groups that name them.
    GroupsWrite = "groups:write";
    /// See who may do what: roles, and what people and programs hold.
    AccessRead = "access:read";
    /// Create, change and remove custom roles.
    RolesWrite = "roles:write";
    /// Set up identity providers and how people sign in.
    SignInManage = "sign_in:manage";
    /// See carriers, routes and their health.
    CarriersRead = "carriers:read";
    /// Change carriers and routes.
    CarriersWrite = "carriers:write";
    /// See integrations (never their credentials).
    IntegrationsRead = "integrations:read";
    /// Change integrations and draw their credentials.
    IntegrationsWrite = "integrations:write";
    /// Read flows.
    FlowsRead = "flows:read";
    /// Change flows.
    FlowsWrite = "flows:write";
    /// Read configured resources, their versions and differences.
    ResourcesRead = "resources:read";
    /// Apply, change, delete and restore configured resources.
    ResourcesApply = "resources:apply";
    /// Create and delete API keys and SMPP accounts.
    ApiKeysManage = "keys:manage";
    /// Make tokens in the address of an integration.
    CredentialUrlToken = "credentials:url_token";
    /// Make user names and passwords of integrations.
    CredentialBasic = "credentials:basic";
    /// Make signing secrets of integrations.
    CredentialHmac = "credentials:hmac";
    /// Name client certificates of programs.
    CredentialCertificate = "credentials:certificate";
    /// Make tokens of API keys.
    CredentialApiKey = "credentials:api_key";
    /// Make OAuth clients and their secrets.
    CredentialOauth = "credentials:oauth";
    /// Read the settings of the workspace.
    WorkspaceRead = "workspace:read";
    /// Change the settings of the workspace.
    WorkspaceWrite = "workspace:write";
    /// Read and export the audit log.
    AuditRead = "audit:read";
    /// Have the audit log verified.
    AuditVerify = "audit:verify";
    /// Use the simulated handsets of a demo.
    HandsetsUse = "handsets:use";
    /// Read metrics.
    MetricsRead = "metrics:read";
}

impl Capability {
    /// **The table** of what is risky: people, their rights and credentials, keys, carriers, configuration, and what cannot be
    /// undone. Whoever changes any of it in a session proves themselves once more when their proof is older than five minutes
    /// (ASVS 7.5.1). A new capability does not compile until it stands here.
    pub const fn is_risky(self) -> bool {
        match self {
            // Configuration is written under the right to read it: which kind wants which right is asked inside.
            Self::ResourcesRead
            | Self::ResourcesApply
            | Self::PeopleWrite
            | Self::RolesWrite
            | Self::SignInManage
            | Self::CarriersWrite
            | Self::IntegrationsWrite
            | Self::ApiKeysManage
            | Self::WorkspaceWrite
            | Self::MessagesErase
            | Self::CredentialUrlToken
            | Self::CredentialBasic
            | Self::CredentialHmac
            | Self::CredentialCertificate
            | Self::CredentialApiKey
            | Self::CredentialOauth => true,
            Self::OverviewRead
            | Self::AlertsRead
            | Self::AlertsAnswer
            | Self::AlertsOpen
            | Self::SignalsRead
            | Self::SignalPayloadRead
            | Self::SignalsSend
            | Self::MessagesRead
            | Self::MessageContentRead
            | Self::MessagesSend
            | Self::MessagesAlert
            | Self::RunsRead
            | Self::OnCallRead
            | Self::PeopleRead
            | Self::GroupsWrite
            | Self::AccessRead
            | Self::CarriersRead
            | Self::IntegrationsRead
            | Self::FlowsRead
            | Self::FlowsWrite
            | Self::WorkspaceRead
            | Self::AuditRead
            | Self::AuditVerify
            | Self::HandsetsUse
            | Self::MetricsRead => false,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such capability")]
pub struct UnknownCapability;

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        Self::ALL.iter().copied().find(|capability| capability.name() == text).ok_or(UnknownCapability)
    }
}

/// A set of capabilities, cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The set of everything.
    pub fn all() -> Self {
        Capability::ALL.iter().copied().collect()
    }

    /// The kinds of credentials of programs: a role says which of them its holders may make (control X-08). They count beside the
    /// right to write what has the credential.
    pub fn credentials() -> Self {
        use Capability::{
            CredentialApiKey, CredentialBasic, CredentialCertificate, CredentialHmac, CredentialOauth,
            CredentialUrlToken,
        };
        [CredentialUrlToken, CredentialBasic, CredentialHmac, CredentialCertificate, CredentialApiKey, CredentialOauth]
            .into_iter()
            .collect()
    }

    /// Whether `capability` is in the set.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members, in the order of the declaration.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.contains(*capability))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<T: IntoIterator<Item = Capability>>(members: T) -> Self {
        members.into_iter().fold(Self::NONE, |set, capability| Self(set.0 | 1 << capability as u8))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Capability::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<_> = Capability::ALL.iter().map(|capability| capability.name()).collect();
        assert_eq!(names.len(), Capability::ALL.len());
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(*capability));
        }
        assert_eq!("alerts:everything".parse::<Capability>(), Err(UnknownCapability));
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        assert!(Capability::ALL.len() <= 64, "the set is a 64-bit word");
        let set: Capabilities = [Capability::AlertsRead, Capability::MetricsRead].into_iter().collect();
        assert!(set.contains(Capability::AlertsRead) && !set.contains(Capability::AlertsAnswer));
        assert_eq!(set.iter().count(), 2);
        assert_eq!(Capabilities::all().iter().count(), Capability::ALL.len());
        assert!(set.without(Capabilities::all()).is_empty());
    }
}
