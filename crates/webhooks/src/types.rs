//! The nouns that other rooms see.

use base::{Timestamp, WebhookId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::circuit::Health;

/// A webhook, without its secrets.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is; `None`: of the whole account.
    pub workspace: Option<WorkspaceId>,
    /// Whether it stands for a host of messages' own addresses (`dlrCallbackUrl`).
    pub own: bool,
    /// What it is called; for messages' own addresses host and port.
    pub name: String,
    /// Where callbacks go; empty for messages' own addresses.
    pub url: String,
    /// Whether they are sent.
    pub enabled: bool,
    /// What it hears of.
    pub events: Vec<String>,
    /// Whether it has a static header Authorization.
    pub has_authorization: bool,
    /// Where its token is fetched, when it has one.
    pub token_url: Option<String>,
    /// Who we are there.
    pub client_id: Option<String>,
    /// Where the credentials are put: `header` or `body`.
    pub credentials_in: Option<String>,
    /// The scope that is asked for.
    pub scope: Option<String>,
    /// How it is.
    pub health: Health,
}

/// A webhook with what waits for it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The webhook.
    pub webhook: Webhook,
    /// Callbacks that wait or are under way; counted up to [`COUNTED`](crate::COUNTED).
    pub waiting: u64,
    /// Callbacks that were given up; counted likewise.
    pub given_up: u64,
    /// When its signing secret was set.
    pub secret_since: Option<Timestamp>,
    /// Until when the secret before signs too.
    pub old_secret_until: Option<Timestamp>,
}

/// Where a callback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    /// It waits for its first or next try.
    Waiting,
    /// It is being sent.
    UnderWay,
    /// It waits for an earlier one of the same message.
    Behind,
    /// The receiver took it.
    Delivered,
    /// It was tried for 72 hours, or its webhook is gone.
    GivenUp,
}

impl CallbackState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::UnderWay, Self::Behind, Self::Delivered, Self::GivenUp];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::UnderWay => "under_way",
            Self::Behind => "behind",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    /// As stored.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::UnderWay => 1,
            Self::Behind => 2,
            Self::Delivered => 3,
            Self::GivenUp => 4,
        }
    }

    pub(crate) fn from_code(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::GivenUp)
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == word)
    }
}

/// A callback, without what it says.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Its number, in order.
    pub id: i64,
    /// Its `webhook-id`: the same over all tries.
    pub uid: String,
    /// The webhook it goes to.
    pub webhook: WebhookId,
    /// What that is called.
    pub webhook_name: String,
    /// The event: `outbound_message_status_changed` and so on.
    pub event: String,
    /// The message it is about.
    pub subject: String,
    /// Where it stands.
    pub state: CallbackState,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Timestamp,
    /// Until when it is tried.
    pub give_up_at: Timestamp,
    /// When it came to its end.
    pub done_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// What the receiver answered last.
    pub status: Option<u16>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
    /// The beginning of the answer of one that failed, with digits and long words masked.
    pub beginning: Option<String>,
}

/// One callback with its tries.
#[derive(Clone, Debug)]
pub struct Details {
    /// The callback.
    pub callback: Callback,
    /// Its tries, in order.
    pub attempts: Vec<Attempt>,
    /// The headers it is sent with, without secrets: name and value.
    pub headers: Vec<(String, String)>,
    /// How many octets it has.
    pub size: u64,
}

/// What a list shows. Empty: everything of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// To this webhook.
    pub webhook: Option<WebhookId>,
    /// In this state.
    pub state: Option<CallbackState>,
    /// About this message.
    pub subject: Option<String>,
}

/// A callback to be sent.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The message it is about: callbacks of one message reach a receiver in order.
    pub subject: &'a str,
    /// What webhooks choose by: `receipts` or `inbound`.
    pub topic: &'a str,
    /// The event, for people.
    pub event: &'a str,
    /// An address of the message's own, in place of the webhooks.
    pub url: Option<&'a str>,
    /// The body, JSON.
    pub body: &'a [u8],
}
