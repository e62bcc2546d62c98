//! A type per id, so that swapping an alert's id for a user's does not compile. All are UUIDs
//! (RFC 9562, version 7), made by [`Context::id`](crate::Context::id) and never reused (control E-16).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: a UUID such as 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b is expected")]
pub struct IdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError)
            }
        }
    )*};
}

ids! {
    /// The organisation that runs this installation; the `accountId` of the 8x8-compatible API.
    OrganisationId;
    /// A workspace, the unit of separation.
    WorkspaceId;
    /// A person who can log in or be reached.
    UserId;
    /// A way to reach a person: one phone number, one address.
    DeviceId;
    /// A group of people who are on call or told together.
    GroupId;
    /// A set of capabilities that the organisation made itself.
    RoleId;
    /// A source of signals with its credential and flow.
    IntegrationId;
    /// One inbound request; the `requestId` of the answer.
    SignalId;
    /// One execution of a flow.
    RunId;
    /// One alert.
    AlertId;
    /// One attempt to tell one person about one alert.
    NotificationId;
    /// One text message; the `umid` of the 8x8-compatible API.
    MessageId;
    /// Messages that came in one request; the `batchId` of the 8x8-compatible API.
    BatchId;
    /// What messages were written out as one file; the `jobId` of the 8x8-compatible API.
    ExportId;
    /// One message that came in from a handset.
    InboundId;
    /// A southbound connection.
    CarrierId;
    /// A rule that picks a carrier.
    RouteId;
    /// A workflow.
    FlowId;
    /// A key of a program.
    ApiKeyId;
    /// A program that fetches tokens of ours (OAuth 2.1).
    OauthClientId;
    /// Somebody else's service whose tokens count here.
    TokenIssuerId;
    /// An application that binds by SMPP.
    SmppAccountId;
    /// A logged-in browser.
    SessionId;
    /// One thing that somebody configured, of whichever kind.
    ResourceId;
    /// One entry of the audit log.
    AuditId;
    /// A receiver of callbacks.
    WebhookId;
    /// One letter by e-mail.
    MailId;
    /// One HTTP request, for finding it in the log.
    RequestId;
}
