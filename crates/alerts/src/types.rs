//! The nouns that callers see: what goes in to open an alert and what pages and programs read back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base::{AlertId, IntegrationId, RunId, SignalId, Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// How urgent an alert is, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody has to act now; its answers by SMS want a code, and SMS does not resolve it.
    Critical,
    /// Somebody has to act soon.
    High,
    /// Somebody should look.
    Medium,
    /// Can wait for the morning.
    Low,
    /// For the record.
    Info,
}

impl Priority {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Reads the product's own words and the ones that monitoring systems use for the same.
    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        match text.trim().to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "emergency" | "page" | "p1" => Ok(Self::Critical),
            "high" | "error" | "major" | "p2" => Ok(Self::High),
            "medium" | "warning" | "warn" | "moderate" | "p3" => Ok(Self::Medium),
            "low" | "minor" | "p4" => Ok(Self::Low),
            "info" | "informational" | "notice" | "none" | "p5" => Ok(Self::Info),
            _ => Err(UnknownPriority),
        }
    }
}

/// A word that is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a priority: critical, high, medium, low or info is expected")]
pub struct UnknownPriority;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has answered; people are being paged.
    Open,
    /// Somebody has it.
    Acknowledged,
    /// Over.
    Resolved,
    /// Nobody resolved it in time.
    Expired,
}

impl State {
    /// Every state, in the order of life.
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Resolved, Self::Expired];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Expired => "expired",
        }
    }

    /// Whether something can still happen to it.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged)
    }
}

/// What a flow gives to open an alert.
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// The workspace it belongs to; must be the permit's.
    pub workspace: WorkspaceId,
    /// The integration whose signal caused it. The key below is scoped to it.
    pub integration: Option<IntegrationId>,
    /// The signal that caused it.
    pub signal: Option<SignalId>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// Deduplication key: while an alert with it lives, another signal joins instead of opening a second one.
    pub key: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// One line, 1 to 500 characters (longer is cut, control characters become spaces).
    pub title: String,
    /// What is known, up to 20,000 characters. May be empty.
    pub text: String,
    /// What the SMS says instead of the title.
    pub sms: Option<String>,
    /// Where to read on (runbook, graph).
    pub link: Option<String>,
    /// The group that is paged, by name.
    pub group: String,
    /// When to give up on it; the setting when absent.
    pub expires_in: Option<Duration>,
}

/// What became of opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// The alert, new or joined.
    pub id: AlertId,
    /// Its number in the workspace: 1042 of `A-1042`.
    pub number: i64,
    /// Whether the signal joined an alert that lived already; then nobody is paged.
    pub joined: bool,
}

/// What a flow gives when a machine says that its trouble is over.
#[derive(Clone, Debug)]
pub struct ResolveKey {
    /// The workspace; must be the permit's.
    pub workspace: WorkspaceId,
    /// The integration that says so. Only what it opened itself is touched.
    pub integration: Option<IntegrationId>,
    /// The key it opened the alert with.
    pub key: String,
    /// What it says about it.
    pub note: Option<String>,
    /// Whether this machine may close a critical alert. Without it a critical alert stays, and its timeline says why.
    pub may_close_critical: bool,
    /// The signal that said so.
    pub signal: Option<SignalId>,
    /// The run that carries it out.
    pub run: Option<RunId>,
}

/// Over which way somebody acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A text message from the person's phone.
    Sms,
    /// The console.
    Console,
    /// The REST API.
    Api,
    /// A flow, on a machine's word.
    Flow,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The person, when it was one.
    pub user: Option<UserId>,
    /// The name to print.
    pub name: String,
    /// The way it came.
    pub via: Via,
}

/// One alert, for lists and its own page.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// The workspace it belongs to.
    pub workspace: WorkspaceId,
    /// Its number in the workspace.
    pub number: i64,
    /// The integration that caused it.
    pub integration: Option<IntegrationId>,
    /// The signal that opened it.
    pub signal: Option<SignalId>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// Deduplication key.
    pub key: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// What is known; `None` in lists.
    pub text: Option<String>,
    /// Where to read on.
    pub link: Option<String>,
    /// The group that is paged.
    pub group: String,
    /// Where it stands.
    pub state: State,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// When somebody took it, while it is theirs.
    pub acknowledged: Option<Timestamp>,
    /// Who has it.
    pub acknowledged_by: Option<By>,
    /// When it was resolved or expired.
    pub closed: Option<Timestamp>,
    /// Who resolved it.
    pub closed_by: Option<By>,
    /// What was said when it was resolved.
    pub note: Option<String>,
    /// When it expires if nobody resolves it.
    pub expires: Timestamp,
    /// How many later signals joined it.
    pub joined: i64,
    /// When the next person is paged, while it is open.
    pub next_page: Option<Timestamp>,
    /// Who that is.
    pub next_person: Option<String>,
    /// Whether everybody was paged and nobody answered.
    pub unanswered: bool,
}

impl Alert {
    /// How people call it: `A-1042`.
    pub fn name(&self) -> String {
        alert_name(self.number)
    }
}

/// `A-1042` of 1042.
pub(crate) fn alert_name(number: i64) -> String {
    format!("A-{number}")
}

/// 1042 of `A-1042`, in any case, or of the bare number.
pub fn parse_alert_name(name: &str) -> Option<i64> {
    let digits = name.strip_prefix("A-").or_else(|| name.strip_prefix("a-")).unwrap_or(name);
    digits.parse().ok().filter(|number| *number > 0)
}

/// Which alerts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in one of these states; all when empty.
    pub states: Vec<State>,
    /// Only those caused by this integration.
    pub integration: Option<IntegrationId>,
    /// Only those caused by this signal (opened or joined).
    pub signal: Option<SignalId>,
    /// Only those of one of these priorities; all when empty.
    pub priorities: Vec<Priority>,
    /// Only those that page this group.
    pub group: Option<String>,
    /// Only those with exactly this deduplication key, of whichever integration.
    pub key: Option<String>,
    /// Only those in which each of these words stands, in any case: in the name (`A-1042`), the title, the key or the
    /// group. Up to [`SEARCH_LIMIT`](Self::SEARCH_LIMIT) characters.
    pub search: Option<String>,
    /// Only those opened at or after this.
    pub since: Option<Timestamp>,
    /// Only those opened before this.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Characters of a search at most; what is longer is cut.
    pub const SEARCH_LIMIT: usize = 200;
}

/// How many alerts there are, for the overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Open, and somebody should answer.
    pub open: i64,
    /// Of those, the critical ones.
    pub open_critical: i64,
    /// Of the open ones, those where everybody was paged and nobody answered.
    pub unanswered: i64,
    /// Taken by somebody.
    pub acknowledged: i64,
}

/// What a person does about an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// "I have it."
    Acknowledge,
    /// "Page the next person."
    PassOn,
    /// "It is over."
    Resolve {
        /// What was done about it.
        note: Option<String>,
    },
    /// "Take my last answer back", within five minutes.
    Undo,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The alert.
    pub id: AlertId,
    /// Its number.
    pub number: i64,
    /// Where it stands now.
    pub state: State,
    /// What the answer did.
    pub outcome: Outcome,
}

/// What an answer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The alert is this person's now.
    Acknowledged,
    /// It was this person's already; nothing changed.
    AlreadyYours,
    /// Passed on; `next` is paged at once, nobody when the list is at its end.
    PassedOn {
        /// The person who is paged.
        next: Option<String>,
    },
    /// Over.
    Resolved,
    /// It was over already; nothing changed.
    AlreadyOver,
    /// Taken back: paging goes on.
    Undone {
        /// The person who is next.
        next: Option<String>,
    },
}
