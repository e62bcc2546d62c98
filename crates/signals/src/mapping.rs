//! Mappings: data that says how a payload becomes events. Evaluated in the sandbox, one task a signal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use flows::{Event, Status};
use sandbox::{Mode, Piece, Rows, Syntax, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::words::{PRIORITIES, STATES, WORDS};

/// Characters of a key at most; a longer one is replaced by its hash, which tells troubles apart just as well.
const KEY_LIMIT: usize = 200;
/// Names under `fields` at most.
const FIELDS_MAX: usize = 50;
/// Notes kept of one signal at most.
const NOTES_MAX: usize = 5;

/// The body of the kind `mappings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Its name, unique in the workspace.
    pub name: String,
    /// What sends such signals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The expression that gives the list whose elements are events, each seen as `item`. One event when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Whether `payload` is the inside of an XML document's root element, rather than an object with the root as its only
    /// member: for mappings that do not know how the root is called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwrap: bool,
    /// What an event is made of.
    pub event: EventTemplates,
    /// Further words for the two states and the five priorities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, Vec<String>>,
    /// The priority of an event that says none, or one that nobody knows.
    #[serde(default = "default_priority", skip_serializing_if = "is_default_priority")]
    pub default_priority: String,
    /// What such a sender sends, for the test button: an object, or a text (JSON, XML or a form).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Json>,
}

/// A body that can be sent as a test.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its media type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl fmt::Debug for Sample {
    /// Without the body: it can be a recorded one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sample({}, {} bytes)", self.content_type, self.body.len())
    }
}

impl Sample {
    /// A text with the media type that it looks like.
    pub fn of(body: impl Into<String>) -> Self {
        let body = body.into();
        let content_type = match body.trim_start().bytes().next() {
            Some(b'<') => "application/xml",
            Some(b'{' | b'[' | b'"') | None => "application/json",
            Some(_) => "application/x-www-form-urlencoded",
        };
        Self { content_type: content_type.to_owned(), body }
    }
}

/// Medium wakes the group as any alert does, and claims no more than is known.
fn default_priority() -> String {
    "medium".to_owned()
}

fn is_default_priority(word: &str) -> bool {
    word == "medium"
}

/// Templates over `payload` (and `item`, `index`, `integration.name`). One that is a single `{{ … }}` keeps its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTemplates {
    /// What tells this trouble from others of the integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it is there or over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The group that the sender names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Everything else that flows may want to see: templates by name, or one that gives an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<FieldTemplates>,
}

/// How `fields` is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldTemplates {
    /// One template that gives an object.
    Whole(String),
    /// A template for each name.
    Named(BTreeMap<String, String>),
}

/// Their texts, as they lie in `mappings/`.
const TEXTS: [&str; 12] = [
    include_str!("../mappings/alertmanager.yaml"),
    include_str!("../mappings/datadog.yaml"),
    include_str!("../mappings/generic.yaml"),
    include_str!("../mappings/git.yaml"),
    include_str!("../mappings/github.yaml"),
    include_str!("../mappings/grafana.yaml"),
    include_str!("../mappings/icinga2.yaml"),
    include_str!("../mappings/jira.yaml"),
    include_str!("../mappings/opsgenie.yaml"),
    include_str!("../mappings/pagerduty.yaml"),
    include_str!("../mappings/servicenow.yaml"),
    include_str!("../mappings/zabbix.yaml"),
];

/// The mappings that come with the product; every workspace has them.
static BUILT_IN: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    TEXTS
        .into_iter()
        .filter_map(|text| match serde_saphyr::from_str(text) {
            Ok(mapping) => Some(mapping),
            Err(error) => {
                tracing::error!(%error, "a mapping that comes with the product cannot be read");
                None
            }
        })
        .collect()
});

/// The mapping of that name that comes with the product.
pub(crate) fn built_in(name: &str) -> Option<&'static Mapping> {
    BUILT_IN.iter().find(|mapping| mapping.name == name)
}

/// The names of the mappings that come with the product.
pub(crate) fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|mapping| mapping.name.as_str())
}

/// What a signal came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Understood {
    pub events: Vec<Event>,
    /// What was guessed or left out.
    pub notes: Vec<String>,
}

impl Mapping {
    /// What is wrong with it: path, code, detail.
    pub(crate) fn mistakes(&self) -> Vec<(String, &'static str, String)> {
        let mut out = Vec::new();
        let mut syntax = |path: &str, syntax: Syntax, source: &str| {
            if let Err(failure) = sandbox::check(syntax, source) {
                out.push((path.to_owned(), "template-syntax", format!("`{path}` cannot be read: {failure}.")));
            }
        };
        if let Some(each) = &self.each {
            syntax("each", Syntax::Expression, each);
        }
        for (path, source) in self.templates() {
            syntax(&path, Syntax::Template, source);
        }
        for word in self.words.keys().filter(|word| !WORDS.iter().any(|(known, _)| known == word)) {
            let near = base::nearest(word, WORDS.iter().map(|(known, _)| *known));
            out.push((
                format!("words.{word}"),
                "unknown-word",
                format!("`{word}` is neither a state nor a priority. Did you mean `{near}`?"),
            ));
        }
        if !PRIORITIES.contains(&self.default_priority.as_str()) {
            let detail = "`default_priority` is critical, high, medium, low or info.".to_owned();
            out.push(("default_priority".to_owned(), "unknown-priority", detail));
        }
        if matches!(&self.event.fields, Some(FieldTemplates::Named(fields)) if fields.len() > FIELDS_MAX) {
            let detail = format!("A mapping keeps at most {FIELDS_MAX} fields. Keep an object under one name.");
            out.push(("event.fields".to_owned(), "too-many-fields", detail));
        }
        out
    }

    /// Every template with its path, in the order in which [`Self::understand`] reads their results.
    fn templates(&self) -> Vec<(String, &str)> {
        let event = &self.event;
        let plain = [
            ("key", &event.key),
            ("status", &event.status),
            ("title", &event.title),
            ("text", &event.text),
            ("priority", &event.priority),
            ("group", &event.group),
            ("link", &event.link),
        ];
        let mut out: Vec<(String, &str)> = plain
            .into_iter()
            .filter_map(|(name, template)| Some((format!("event.{name}"), template.as_deref()?)))
            .collect();
        match &event.fields {
            Some(FieldTemplates::Whole(template)) => out.push(("event.fields".to_owned(), template)),
            Some(FieldTemplates::Named(fields)) => {
                out.extend(fields.iter().map(|(name, template)| (format!("event.fields.{name}"), template.as_str())));
            }
            None => {}
        }
        out
    }

    /// What a test sends: the mapping's own sample, or what `generic` reads.
    pub(crate) fn sample(&self) -> Sample {
        let own = self.sample.as_ref().or_else(|| built_in("generic")?.sample.as_ref());
        match own {
            Some(Json::String(text)) => Sample::of(text.as_str()),
            Some(document) => Sample::of(format!("{document:#}")),
            None => Sample::of("{}"),
        }
    }

    /// What the sandbox is asked for a payload. `xml` says that it is the form of an XML document.
    pub(crate) fn task(&self, mut payload: Json, xml: bool, integration: &str) -> Task {
        if self.unwrap
            && xml
            && let Some(root) = payload.as_object_mut().and_then(|whole| whole.values_mut().next())
        {
            payload = root.take();
        }
        let pieces = self.templates().into_iter().map(|(_, template)| Piece::new(Mode::Value, template)).collect();
        let task = Task::new(json!({"payload": payload, "integration": {"name": integration}}), pieces);
        match &self.each {
            Some(each) => task.each(each.clone(), "item"),
            None => task,
        }
    }

    /// Makes events of what the sandbox answered.
    pub(crate) fn understand(&self, outcome: Result<Rows, sandbox::Error>, integration: &str) -> Understood {
        let rows = match outcome {
            Ok(rows) => rows,
            Err(sandbox::Error::Template(failure)) => return self.unreadable(integration, &failure.brief()),
            Err(error) => return self.unreadable(integration, &error.to_string()),
        };
        let paths: Vec<String> = self.templates().into_iter().map(|(path, _)| path).collect();
        let mut notes = Notes::default();
        if rows.total > rows.rows.len() {
            notes.add(format!("It holds {} events; the first {} were taken.", rows.total, rows.rows.len()));
        }
        let several = rows.rows.len() > 1;
        let events = rows
            .rows
            .into_iter()
            .enumerate()
            .map(|(place, row)| {
                let whose = if several { format!("Event {}: ", place + 1) } else { String::new() };
                let mut values: BTreeMap<&str, Json> = BTreeMap::new();
                for (path, outcome) in paths.iter().zip(row) {
                    match outcome {
                        Ok(Json::Null) => {}
                        Ok(value) => {
                            values.insert(path, value);
                        }
                        Err(failure) => notes.add(format!("{whose}`{path}` could not be made ({}).", failure.brief())),
                    }
                }
                self.event(values, integration, &whose, &mut notes)
            })
            .collect();
        Understood { events, notes: notes.done() }
    }

    /// The event that stands for a payload which the mapping cannot read: somebody must look, so it is not dropped.
    fn unreadable(&self, integration: &str, why: &str) -> Understood {
        let note = format!("The mapping `{}` could not read it: {why}.", self.name);
        let event = Event {
            key: Some(format!("unreadable:{}", self.name)),
            status: Status::Firing,
            title: format!("Signal from {integration} could not be read"),
            text: format!("{note} Correct the mapping; the payload is kept with the signal."),
            priority: "high".to_owned(),
            group: None,
            link: None,
            fields: Map::new(),
        };
        Understood { events: vec![event], notes: vec![note] }
    }

    fn event(&self, mut values: BTreeMap<&str, Json>, integration: &str, whose: &str, notes: &mut Notes) -> Event {
        let mut text = |path: &str| values.remove(path).and_then(text_of);
        let key = text("event.key").map(|key| bounded(&key));
        let status = match text("event.status") {
            None => Status::Firing,
            Some(word) => match self.meaning(&word, &STATES) {
                Some("resolved") => Status::Resolved,
                Some(_) => Status::Firing,
                None => {
                    notes.add(format!("{whose}Nobody knows its `status`; it counts as firing."));
                    Status::Firing
                }
            },
        };
        let priority = match text("event.priority") {
            None => self.default_priority.clone(),
            Some(word) => self.meaning(&word, &PRIORITIES).map_or_else(
                || {
                    notes.add(format!("{whose}Nobody knows its `priority`; it counts as {}.", self.default_priority));
                    self.default_priority.clone()
                },
                str::to_owned,
            ),
        };
        let title = text("event.title").unwrap_or_else(|| format!("Signal from {integration}"));
        let (body, group, link) = (text("event.text").unwrap_or_default(), text("event.group"), text("event.link"));
        let fields = match values.remove("event.fields") {
            Some(Json::Object(fields)) => fields,
            Some(other) => Map::from_iter([("value".to_owned(), other)]),
            None => values
                .into_iter()
                .filter_map(|(path, value)| Some((path.strip_prefix("event.fields.")?.to_owned(), value)))
                .collect(),
        };
        Event { key, status, title, text: body, priority, group, link, fields }
    }

    /// Which of `among` a word means. The mapping's own words come first.
    fn meaning<'a>(&self, word: &str, among: &[&'a str]) -> Option<&'a str> {
        let word = word.trim().to_lowercase();
        let own = among.iter().find(|meaning| {
            self.words.get(**meaning).is_some_and(|words| words.iter().any(|own| own.to_lowercase() == word))
        });
        let usual = || {
            among
                .iter()
                .find(|meaning| WORDS.iter().any(|(known, words)| known == *meaning && words.contains(&word.as_str())))
        };
        own.or_else(usual).copied()
    }
}

/// A value as a text; nothing, when it says nothing.
fn text_of(value: Json) -> Option<String> {
    let text = match value {
        Json::String(text) => text,
        Json::Null => return None,
        other => other.to_string(),
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn bounded(key: &str) -> String {
    if key.chars().count() <= KEY_LIMIT {
        return key.to_owned();
    }
    crypto::sha256(key.as_bytes()).iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"))
}

/// Notes, the first few of them.
#[derive(Default)]
struct Notes {
    kept: Vec<String>,
    more: usize,
}

impl Notes {
    fn add(&mut self, note: String) {
        if self.kept.len() < NOTES_MAX {
            self.kept.push(note);
        } else {
            self.more += 1;
        }
    }

    fn done(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("{} more of this sort.", self.more));
        }
        self.kept
    }
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
