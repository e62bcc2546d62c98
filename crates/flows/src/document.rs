//! What a flow says, in types. As people write it:
//!
//! ```yaml
//! flows:
//!   - workspace: demo
//!     name: checkout
//!     group: ops                    # pages when a step cannot say whom, or cannot be carried out
//!     steps:
//!       - {id: start, type: trigger, next: firing}
//!       - {id: firing, type: condition, if: event.status == "firing", then: page, else: clear}
//!       - id: page
//!         type: create_alert
//!         title: "{{ event.fields.labels.host }}: {{ event.title }}"
//!         text: "{{ event.text }}"    # absent: the event's own; so for priority, key and link
//!         sms: "{{ event.title | truncate(100) }}"
//!         priority: "{{ event.priority }}"
//!         group: "{{ event.group or 'ops' }}"
//!         expires_in: 240             # minutes
//!         next: end
//!       - {id: clear, type: resolve_alert, key: "{{ event.key }}", close_critical: true, next: end}
//! ```
//!
//! Templates see `event` (key, status, title, text, priority, group, link, fields), `integration.name`, `signal.id`,
//! `signal.received`, `flow.name`, `run.id`, `vars.NAME` of steps of the type `set`, and `steps.ID.alert` (id, number, name,
//! joined) or `steps.ID.resolved` of steps before. Each way through the steps ends at `end`.

use std::collections::BTreeMap;

use alerts::Priority;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use crate::reader::read;

/// Steps of one flow at most.
pub const STEPS_MAX: usize = 100;
/// Minutes after which an alert can expire at most: 30 days.
pub const EXPIRES_MAX: u64 = 30 * 24 * 60;
/// The word that ends a run.
pub const END: &str = "end";

/// The body of the kind `flows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name, unique in the workspace.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The group that is paged when a step cannot say which, or cannot be carried out.
    pub group: String,
    /// How urgent an alert is when neither its step nor its event says so understandably.
    #[serde(default = "default_priority")]
    pub priority: Priority,
    /// What happens when a step cannot be carried out.
    #[serde(default)]
    pub on_error: OnError,
    /// The steps, as written.
    pub steps: Vec<Json>,
}

fn default_priority() -> Priority {
    Priority::High
}

/// What happens when a step cannot be carried out. Losing a page is worse than one too many, so the default pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Open an alert with a fixed text for the flow's group, unless the event says that the trouble is over.
    #[default]
    Alert,
    /// Only stop, visibly.
    Fail,
}

/// A flow that was read and found right.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// The group for what goes wrong.
    pub group: String,
    /// The priority when none is said.
    pub priority: Priority,
    /// What happens when a step cannot be carried out.
    pub on_error: OnError,
    /// The steps; the trigger is the first.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its id, unique in the flow.
    pub id: String,
    /// What it does.
    pub action: Action,
}

/// Where a run goes on: the place of a step, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The run is over.
    End,
    /// The step at this place.
    Step(usize),
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Where a run starts.
    Trigger {
        /// Where it goes on.
        next: Next,
    },
    /// Goes one way or the other.
    Condition {
        /// The expression.
        test: String,
        /// The way when it holds.
        then: Next,
        /// The way when it does not.
        otherwise: Next,
    },
    /// Keeps values under names, for later steps to see as `vars.NAME`.
    Set {
        /// Templates by name.
        values: BTreeMap<String, String>,
        /// Where the run goes on.
        next: Next,
    },
    /// Opens an alert, or joins the one that lives under its key.
    CreateAlert(Box<CreateAlert>),
    /// Resolves the alerts that this integration opened under a key.
    ResolveAlert {
        /// A template.
        key: String,
        /// A template for what is written in the alert's timeline.
        note: Option<String>,
        /// Whether a machine may close a critical alert here.
        close_critical: bool,
        /// Where the run goes on.
        next: Next,
    },
}

/// What an alert is made of: templates all. What is absent comes from the event.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAlert {
    /// One line.
    pub title: String,
    /// What is known.
    pub text: Option<String>,
    /// What the SMS says instead of the title.
    pub sms: Option<String>,
    /// How urgent.
    pub priority: Option<String>,
    /// Deduplication key.
    pub key: Option<String>,
    /// The group to page.
    pub group: Option<String>,
    /// Where to read on.
    pub link: Option<String>,
    /// Minutes until it expires.
    pub expires_in: Option<String>,
    /// Where the run goes on.
    pub next: Next,
}

impl Action {
    /// The word for it in a flow's `type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trigger { .. } => "trigger",
            Self::Condition { .. } => "condition",
            Self::Set { .. } => "set",
            Self::CreateAlert(_) => "create_alert",
            Self::ResolveAlert { .. } => "resolve_alert",
        }
    }

    /// Where a run can go on from here.
    pub fn ways(&self) -> Vec<Next> {
        match self {
            Self::Trigger { next } | Self::Set { next, .. } | Self::ResolveAlert { next, .. } => vec![*next],
            Self::Condition { then, otherwise, .. } => vec![*then, *otherwise],
            Self::CreateAlert(create) => vec![create.next],
        }
    }
}

/// A mistake in a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where: `steps[2].title`.
    pub path: String,
    /// A stable code in kebab-case.
    pub code: &'static str,
    /// What is wrong and what to do; names the step by its id.
    pub detail: String,
}
