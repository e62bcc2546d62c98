//! The nouns that callers see: what a door hands in, and what pages and programs read back.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{IntegrationId, RequestId, RunId, SecretString, SignalId, Timestamp, WorkspaceId};
use crypto::tls::ClientCertificate;
use serde::{Deserialize, Serialize};

/// How a sender proved itself, as the door found it.
#[derive(Clone)]
pub enum Credential {
    /// A token in the URL (`?apiKey=…`, `?token=…`).
    UrlToken(SecretString),
    /// A token in `Authorization: Bearer …` or `X-API-Key`.
    Bearer(SecretString),
    /// `Authorization: Basic …`.
    Basic {
        /// The user name.
        user: SecretString,
        /// The password.
        password: SecretString,
    },
    /// None at all.
    None,
}

impl Credential {
    /// The method, for the activity log; never the value.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::UrlToken(_) => "url_token",
            Self::Bearer(_) => "api_key",
            Self::Basic { .. } => "basic",
            Self::None => "none",
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method())
    }
}

/// The three headers of a signed message (Standard Webhooks), as they were sent.
#[derive(Clone)]
pub struct Signature {
    /// `webhook-id`: names the message, the same in each try to send it.
    pub id: String,
    /// `webhook-timestamp`: when this try was made, in seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: one or several signatures, apart by spaces.
    pub signatures: String,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

/// Which door a signal came through; the rules are the same for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// `POST /signals/{integration}`.
    #[default]
    Signals,
    /// `POST /api/integration/1/functions/{integration}/triggers`.
    Xmatters,
    /// The console's or the command line's test signal.
    Test,
    /// A recorded signal, taken again by a person or a program.
    Replay,
}

impl Door {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Xmatters => "xmatters",
            Self::Test => "test",
            Self::Replay => "replay",
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word {
            "xmatters" => Self::Xmatters,
            "test" => Self::Test,
            "replay" => Self::Replay,
            _ => Self::Signals,
        }
    }
}

/// One inbound request, as a door hands it in.
#[derive(Clone, Debug)]
pub struct Request {
    /// The integration as the path named it; any text.
    pub integration: String,
    /// How the sender proved itself.
    pub credential: Credential,
    /// The signature, when the message has one. An integration that takes signatures goes by it alone.
    pub signature: Option<Signature>,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// The body, whole; a door may stop reading one byte after [`DOOR_LIMIT`](crate::DOOR_LIMIT).
    pub body: Vec<u8>,
    /// Where it came from.
    pub source: Option<SocketAddr>,
    /// The program that sent it, as it said itself.
    pub user_agent: Option<String>,
    /// The HTTP request, for the log and the audit trail.
    pub request: Option<RequestId>,
    /// The certificate that the client showed, verified by the TLS library.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Which door.
    pub door: Door,
}

/// A signal that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The signal; the `requestId` of the answer.
    #[serde(rename = "requestId")]
    pub request_id: SignalId,
}

/// Where a signal or a refused request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    /// On disk, waiting for its mapping and flow.
    Accepted,
    /// Mapped, and every event has its run.
    Handled,
    /// Could not be handled; the reason says what was done instead.
    Failed,
    /// Not accepted.
    Refused,
}

impl SignalState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Handled => "handled",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word {
            "accepted" => Self::Accepted,
            "handled" => Self::Handled,
            "failed" => Self::Failed,
            _ => Self::Refused,
        }
    }
}

/// One request in the activity log of the integrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// The signal, or the id drawn for the refused request.
    pub id: SignalId,
    /// The integration; `None` when the path named none that exists.
    pub integration: Option<IntegrationId>,
    /// Its name now.
    pub integration_name: Option<String>,
    /// When it came in.
    pub at: Timestamp,
    /// Where it stands.
    pub state: SignalState,
    /// The HTTP status that was answered.
    pub status: u16,
    /// Which door.
    pub door: Door,
    /// How the sender proved itself: `url_token`, `api_key`, `basic`, `hmac` or `none`; for a test or a replay, what sort
    /// of principal sent it (`user`, `api_key`).
    pub method: String,
    /// Who the sender turned out to be, such as the name of the API key.
    pub sender: Option<String>,
    /// The address it came from.
    pub source: Option<String>,
    /// The program that sent it.
    pub user_agent: Option<String>,
    /// Bytes of the body.
    pub bytes: u64,
    /// How many requests this line stands for (refusals beyond the first twenty a minute are counted).
    pub count: u64,
    /// How many events the mapping found.
    pub events: u32,
    /// The title of the first event, once the signal was mapped.
    pub summary: Option<String>,
    /// The key of the first event.
    pub key: Option<String>,
    /// The recorded signal whose body this one took again.
    pub replay_of: Option<SignalId>,
    /// Why it was refused or failed, or what the mapping had to guess.
    pub reason: Option<String>,
    /// How long the answer took, with the commit.
    pub took: Duration,
    /// When the last run was started.
    pub handled: Option<Timestamp>,
}

/// A signal with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignalDetail {
    /// The line of the activity log.
    pub activity: Activity,
    /// The runs it started, in the order of its events.
    pub runs: Vec<RunId>,
    /// The media type of its body.
    pub content_type: Option<String>,
    /// Whether its body is kept; only then it can be copied or replayed.
    pub payload_kept: bool,
    /// The signals that took its body again, newest first, the first twenty.
    pub replays: Vec<SignalId>,
}

/// What the sender sent. Confidential: reading it wants its own right and is audited.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// The media type as sent.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.body.len())
    }
}

/// Which activity to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this integration.
    pub integration: Option<IntegrationId>,
    /// Only in this state.
    pub state: Option<SignalState>,
    /// Only through this door: tests, replays.
    pub door: Option<Door>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Received before this moment.
    pub until: Option<Timestamp>,
    /// Only those in which each of these words stands, in any case: in the summary, the key, the reason or the sender. Up
    /// to [`SEARCH_LIMIT`](Self::SEARCH_LIMIT) characters.
    pub search: Option<String>,
}

impl Filter {
    /// Characters of a search at most; what is longer is cut.
    pub const SEARCH_LIMIT: usize = 200;
}

/// A way for senders to prove themselves (control X-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A token in the URL that belongs to the integration.
    UrlToken,
    /// An API key of the workspace with the scope `signals:send`, its certificate, or an access token for signals.
    ApiKey,
    /// A user name and a password that belong to the integration (RFC 7617).
    Basic,
    /// A signature over the message (Standard Webhooks): nothing secret travels, and nothing can be sent twice.
    Hmac,
    /// A client certificate of the integration's own: nothing secret travels (RFC 8705).
    Certificate,
}

impl Auth {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::UrlToken, Self::ApiKey, Self::Basic, Self::Hmac, Self::Certificate];

    /// The word in files, in the store and in the activity log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UrlToken => "url_token",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::Hmac => "hmac",
            Self::Certificate => "certificate",
        }
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UrlToken => "URL token",
            Self::ApiKey => "API key or access token",
            Self::Basic => "HTTP Basic",
            Self::Hmac => "HMAC signature",
            Self::Certificate => "Client certificate",
        }
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == word)
    }
}

/// One integration, for lists; never its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Integration {
    /// Its id; the last part of its URL.
    pub id: IntegrationId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// How senders may prove themselves.
    pub auth: Vec<Auth>,
    /// The user name of HTTP Basic.
    pub user: String,
    /// The mapping that reads its signals.
    pub mapping: String,
    /// The flow that its events start.
    pub flow: String,
    /// Whether it takes signals.
    pub enabled: bool,
    /// Signals a minute at most.
    pub rate_per_minute: u32,
    /// Hours for which the credential before works on when a file brings a new one.
    pub rotation_hours: u32,
    /// Days for which accepted signals are kept.
    pub keep_days: u32,
    /// Days for which refused requests are kept.
    pub keep_refused_days: u32,
    /// Its credentials that still count, newest first (control X-22: two of a method in rotation).
    pub credentials: Vec<CredentialRow>,
    /// When the last signal came in.
    pub last_signal: Option<Timestamp>,
}

/// One credential of an integration, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialRow {
    /// What it is used for.
    pub method: Auth,
    /// `drawn` by us or `imported`.
    pub origin: String,
    /// Since when it counts.
    pub created: Timestamp,
    /// Until when, for the old one of a rotation; for ever when absent.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// The address that used it last.
    pub last_source: Option<String>,
    /// The program that used it last, as it said itself.
    pub last_agent: Option<String>,
}
