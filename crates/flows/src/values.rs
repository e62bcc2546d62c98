//! The values that a run worked with and left behind. Their names are for whoever reads runs; what a sender sent is
//! confidential, and opened one value at a time, on record.

use access::{Permit, cap};
use audit::{Entry, Outcome};
use base::RunId;
use serde_json::{Map, Value as Json};

use crate::document::{Action, Document};
use crate::error::Error;
use crate::flows::Flows;
use crate::memory::Memory;
use crate::{rows, segment};

/// Values of one run that are listed at most; an event of a mapping has far fewer.
pub const VALUES_MAX: usize = 200;
/// Levels of objects that are opened up; what is deeper is one value.
const DEPTH: usize = 4;

/// One value of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunValue {
    /// The step that brought it: the trigger for what the event said.
    pub step: String,
    /// Its name as templates write it: `event.title`, `vars.host`, `steps.page.alert.number`.
    pub name: String,
    /// The value, where it is the product's own word and not a sender's.
    pub value: Option<String>,
    /// How many characters the value has.
    pub characters: usize,
}

struct Found {
    step: String,
    name: String,
    text: String,
    own: bool,
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Opens objects up into `name.part`; lists stay one value.
fn flatten(out: &mut Vec<Found>, step: &str, name: &str, value: &Json, own: bool, depth: usize) {
    if out.len() >= VALUES_MAX {
        return;
    }
    match value {
        Json::Object(parts) if depth > 0 && !parts.is_empty() => {
            for (part, value) in parts {
                flatten(out, step, &format!("{name}.{part}"), value, own, depth - 1);
            }
        }
        Json::Null => {}
        value => out.push(Found { step: step.to_owned(), name: name.to_owned(), text: text(value), own }),
    }
}

fn values(memory: &Memory, document: &Document) -> Vec<Found> {
    let mut out = Vec::new();
    let trigger = document.steps.first().map(|step| step.id.as_str()).unwrap_or_default();
    let event = &memory.event;
    let mut said = |name: &str, text: Option<&str>, own: bool| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let (step, name) = (trigger.to_owned(), format!("event.{name}"));
            out.push(Found { step, name, text: text.to_owned(), own });
        }
    };
    said("status", Some(event.status.as_str()), true);
    said("priority", Some(&event.priority), true);
    said("key", event.key.as_deref(), false);
    said("title", Some(&event.title), false);
    said("text", Some(&event.text), false);
    said("group", event.group.as_deref(), false);
    said("link", event.link.as_deref(), false);
    flatten(&mut out, trigger, "event.fields", &Json::Object(event.fields.clone()), false, DEPTH);
    out.retain(|found| found.name != "event.fields");
    for step in &document.steps {
        if let Action::Set { values, .. } = &step.action {
            for name in values.keys() {
                if let Some(value) = memory.vars.get(name) {
                    flatten(&mut out, &step.id, &format!("vars.{name}"), value, false, DEPTH);
                }
            }
        }
        let left: Option<&Map<String, Json>> = memory.steps.get(&step.id).and_then(Json::as_object);
        for (name, value) in left.into_iter().flatten() {
            flatten(&mut out, &step.id, &format!("steps.{}.{name}", step.id), value, true, DEPTH);
        }
    }
    out
}

impl Flows {
    async fn found(&self, workspace: base::WorkspaceId, id: RunId) -> Result<Option<(rows::Of, String)>, Error> {
        self.0.db.read(move |tx| rows::of(tx, workspace, id)).await
    }

    /// The values of a run by step, those of a sender without what they are: for whoever reads runs. `None` when there is
    /// no such run here.
    pub async fn values(&self, permit: &Permit<cap::RunsRead>, id: RunId) -> Result<Option<Vec<RunValue>>, Error> {
        let workspace = permit.workspace();
        let Some((of, data)) = self.found(workspace, id).await? else { return Ok(None) };
        let document = self.version(of.flow, of.version).await?;
        let this = self.clone();
        let memory = self.0.db.read(move |tx| segment::open(&this.0, tx, workspace, id, &data)).await?;
        let found = values(&memory, &document).into_iter().map(|found| RunValue {
            characters: found.text.chars().count(),
            value: found.own.then_some(found.text),
            step: found.step,
            name: found.name,
        });
        Ok(Some(found.collect()))
    }

    /// One value of a run, whatever a sender put into it. Wants the right to read payloads, and leaves an entry in the audit
    /// log in the same transaction (E-11). `None` when there is no such run here, or no such value in it.
    pub async fn value(
        &self,
        permit: &Permit<cap::SignalPayloadRead>,
        id: RunId,
        name: &str,
    ) -> Result<Option<String>, Error> {
        let workspace = permit.workspace();
        let Some((of, data)) = self.found(workspace, id).await? else { return Ok(None) };
        let document = self.version(of.flow, of.version).await?;
        let (this, permit, name) = (self.clone(), permit.clone(), name.to_owned());
        self.0
            .db
            .write(move |tx| {
                let memory = segment::open(&this.0, tx, workspace, id, &data)?;
                let Some(found) = values(&memory, &document).into_iter().find(|found| found.name == name) else {
                    return Ok(None);
                };
                let (target, why) = (id.to_string(), format!("confidential: {name}"));
                let entry = Entry {
                    actor: permit.actor(),
                    workspace: Some(workspace),
                    action: "run.value.read",
                    target: ("run", &target),
                    outcome: Outcome::Success,
                    reason: Some(&why),
                    changes: None,
                };
                audit::record(tx, entry)?;
                Ok(Some(found.text))
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::document::{Definition, read};
    use crate::types::Event;

    fn memory() -> Memory {
        let event: Event = serde_json::from_value(json!({
            "key": "db", "title": "Disk full", "priority": "high",
            "fields": {"labels": {"host": "db-1", "tags": ["a"]}, "empty": null}
        }))
        .unwrap();
        Memory {
            run: uuid::Uuid::from_u128(1).into(),
            signal: None,
            integration: "generic".into(),
            received: Timestamp::from_micros(0),
            event,
            notes: Vec::new(),
            vars: json!({"host": "db-1"}).as_object().unwrap().clone(),
            steps: json!({"page": {"alert": {"number": 7, "joined": false}}}).as_object().unwrap().clone(),
            troubles: Vec::new(),
        }
    }

    fn document() -> Document {
        let definition: Definition = serde_json::from_value(json!({
            "name": "x", "group": "ops", "steps": [
                {"id": "start", "type": "trigger", "next": "keep"},
                {"id": "keep", "type": "set", "values": {"host": "{{ event.fields.labels.host }}"}, "next": "page"},
                {"id": "page", "type": "create_alert", "title": "{{ event.title }}", "next": "end"}
            ]
        }))
        .unwrap();
        read(&definition).unwrap()
    }

    #[test]
    fn each_value_stands_at_the_step_that_brought_it() {
        let found = values(&memory(), &document());
        let of: BTreeSet<_> = found.iter().map(|one| (one.step.as_str(), one.name.as_str(), one.own)).collect();
        assert_eq!(
            of,
            BTreeSet::from([
                ("start", "event.status", true),
                ("start", "event.priority", true),
                ("start", "event.key", false),
                ("start", "event.title", false),
                ("start", "event.fields.labels.host", false),
                ("start", "event.fields.labels.tags", false),
                ("keep", "vars.host", false),
                ("page", "steps.page.alert.joined", true),
                ("page", "steps.page.alert.number", true),
            ])
        );
    }

    #[test]
    fn an_event_of_a_thousand_fields_is_cut_off() {
        let mut memory = memory();
        memory.event.fields = (0..1_000).map(|n| (format!("f{n}"), json!(n))).collect();
        assert!(values(&memory, &document()).len() <= VALUES_MAX + 3);
    }
}
