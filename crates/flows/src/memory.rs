//! What a run remembers between two of its transactions, and what its templates can see.

use base::{RunId, SignalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::types::Event;

/// What a run knows. Stored sealed: it holds what the sender sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub run: RunId,
    pub signal: Option<SignalId>,
    pub integration: String,
    pub received: Timestamp,
    pub event: Event,
    /// What the mapping had to guess or leave out.
    #[serde(default)]
    pub notes: Vec<String>,
    #[serde(default)]
    pub vars: Map<String, Json>,
    /// What steps left behind, by their ids.
    #[serde(default)]
    pub steps: Map<String, Json>,
    /// What went otherwise than written, first to last; the run is degraded when there is any.
    #[serde(default)]
    pub troubles: Vec<String>,
}

impl Memory {
    /// What templates see. What the event does not say is the empty text: it prints as nothing and counts as false.
    pub(crate) fn context(&self, flow: &str) -> Json {
        let event = &self.event;
        json!({
            "event": {
                "key": event.key.as_deref().unwrap_or_default(),
                "status": event.status.as_str(),
                "title": event.title,
                "text": event.text,
                "priority": event.priority,
                "group": event.group.as_deref().unwrap_or_default(),
                "link": event.link.as_deref().unwrap_or_default(),
                "fields": event.fields,
            },
            "integration": {"name": self.integration},
            "signal": {
                "id": self.signal.map(|id| id.to_string()).unwrap_or_default(),
                "received": self.received.rfc3339(),
            },
            "flow": {"name": flow},
            "run": {"id": self.run.to_string()},
            "vars": self.vars,
            "steps": self.steps,
        })
    }
}
