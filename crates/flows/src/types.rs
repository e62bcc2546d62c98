//! The nouns that callers see: what starts a run and what pages and programs read back.

use base::{AlertId, FlowId, IntegrationId, RunId, SignalId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Whether the trouble an event tells of is there or over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// There is trouble.
    #[default]
    Firing,
    /// It is over.
    Resolved,
}

impl Status {
    /// The word in stored records and in templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One thing that a signal says happened, as its mapping understood it. Templates see it as `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What tells this trouble from others of the same integration: the alert's deduplication key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// There, or over.
    #[serde(default)]
    pub status: Status,
    /// One line.
    pub title: String,
    /// What is known; may be empty.
    #[serde(default)]
    pub text: String,
    /// How urgent: `critical`, `high`, `medium`, `low` or `info`.
    pub priority: String,
    /// The group the sender wants paged, when it names one; the flow decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Everything else the mapping kept.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Json>,
}

/// What starts a run.
#[derive(Clone, Debug)]
pub struct Start {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The flow to run; its newest version when the run is prepared.
    pub flow: FlowId,
    /// The integration whose signal it is; deduplication keys are scoped to it.
    pub integration: Option<IntegrationId>,
    /// Its name, which templates see as `integration.name`.
    pub integration_name: String,
    /// The signal.
    pub signal: Option<SignalId>,
    /// The event's place in its signal, from 0.
    pub ordinal: u32,
    /// When the signal came in; templates see it as `signal.received` (RFC 3339).
    pub received: Timestamp,
    /// The event.
    pub event: Event,
    /// What the mapping had to guess or leave out, for the run's record.
    pub notes: Vec<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Has steps to go.
    Running,
    /// Came to its end.
    Done,
    /// Came to its end, and something in it went wrong: the record says what was done instead.
    Degraded,
    /// Stopped, with a reason.
    Failed,
}

impl RunState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word {
            "done" => Self::Done,
            "degraded" => Self::Degraded,
            "failed" => Self::Failed,
            _ => Self::Running,
        }
    }
}

/// How one step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// As written.
    Done,
    /// Done, with a fixed text in place of one that could not be made.
    Replaced,
    /// Not done, with a reason.
    Failed,
}

impl StepState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word {
            "done" => Self::Done,
            "replaced" => Self::Replaced,
            _ => Self::Failed,
        }
    }
}

/// One execution of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The flow.
    pub flow: FlowId,
    /// Its name.
    pub flow_name: String,
    /// The version that ran, to the end.
    pub version: i64,
    /// The integration whose signal started it.
    pub integration: Option<IntegrationId>,
    /// The signal that started it.
    pub signal: Option<SignalId>,
    /// The event's place in its signal, from 0.
    pub ordinal: u32,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed or what was done instead; a whole sentence.
    pub reason: Option<String>,
    /// The alert it opened or joined last.
    pub alert: Option<AlertId>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// One step of a run, as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRecord {
    /// Its place in the run, from 1.
    pub number: u32,
    /// The step's id in the flow.
    pub step: String,
    /// Its type: `trigger`, `condition`, `set`, `create_alert`, `resolve_alert`.
    pub kind: String,
    /// How it ended.
    pub state: StepState,
    /// What it did and why, in sentences. Names the flow's own words, never values of the signal.
    pub record: Vec<String>,
    /// The step that came next; `None` at the end.
    pub next: Option<String>,
    /// When it was written.
    pub at: Timestamp,
}

/// A run with its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
}

/// Which runs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only those of this flow.
    pub flow: Option<FlowId>,
    /// Only those that this signal started.
    pub signal: Option<SignalId>,
    /// Only those of this integration.
    pub integration: Option<IntegrationId>,
    /// Only those whose last alert (opened or joined) is this one.
    pub alert: Option<AlertId>,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Only those started at or after this.
    pub since: Option<Timestamp>,
    /// Only those started before this.
    pub until: Option<Timestamp>,
}

/// One flow, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowRow {
    /// Its id.
    pub id: FlowId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its newest version.
    pub version: i64,
    /// How many steps it has.
    pub steps: usize,
    /// When it was last changed.
    pub changed: Timestamp,
}
