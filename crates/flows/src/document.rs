//! What a flow says: its steps as people write them, read into types, with every mistake found at once and named by its step.

use std::collections::BTreeMap;

use alerts::Priority;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::check;

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

/// Reads `definition`; on mistakes, all of them.
pub fn read(definition: &Definition) -> Result<Document, Vec<Mistake>> {
    let mut reader = Reader { ids: ids(&definition.steps), mistakes: Vec::new() };
    if definition.steps.len() > STEPS_MAX {
        reader.mistake("steps", "too-many-steps", format!("A flow has at most {STEPS_MAX} steps. Split it in two."));
        return Err(reader.mistakes);
    }
    let steps: Vec<Step> =
        definition.steps.iter().enumerate().filter_map(|(place, step)| reader.step(place, step).ok()).collect();
    if reader.mistakes.is_empty() {
        reader.mistakes = check::graph(&steps);
        if reader.mistakes.is_empty() {
            return Ok(Document {
                name: definition.name.clone(),
                group: definition.group.clone(),
                priority: definition.priority,
                on_error: definition.on_error,
                steps,
            });
        }
    }
    Err(reader.mistakes)
}

/// The ids of the steps, in their places; an empty one where there is none.
fn ids(steps: &[Json]) -> Vec<String> {
    steps.iter().map(|step| step.get("id").and_then(Json::as_str).unwrap_or_default().to_owned()).collect()
}

/// At least one mistake was noted on the way.
struct Noted;

/// Reads steps and collects mistakes.
struct Reader {
    ids: Vec<String>,
    mistakes: Vec<Mistake>,
}

/// One step while it is read.
struct Fields<'a> {
    place: usize,
    id: &'a str,
    given: &'a Map<String, Json>,
}

impl Fields<'_> {
    fn path(&self, field: &str) -> String {
        format!("steps[{}].{field}", self.place)
    }
}

/// The fields that each type of step has, besides `id` and `type`.
const FIELDS: &[(&str, &[&str])] = &[
    ("trigger", &["next"]),
    ("condition", &["if", "then", "else"]),
    ("set", &["values", "next"]),
    ("create_alert", &["title", "text", "sms", "priority", "key", "group", "link", "expires_in", "next"]),
    ("resolve_alert", &["key", "note", "close_critical", "next"]),
];

impl Reader {
    fn mistake(&mut self, path: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.mistakes.push(Mistake { path: path.into(), code, detail: detail.into() });
    }

    fn step(&mut self, place: usize, step: &Json) -> Result<Step, Noted> {
        let here = format!("steps[{place}]");
        let Some(fields) = step.as_object() else {
            self.mistake(here, "step-not-an-object", format!("Step {} must have fields: id, type, …", place + 1));
            return Err(Noted);
        };
        let id = self.ids.get(place).cloned().unwrap_or_default();
        if !check::is_id(&id) {
            let detail = format!(
                "Step {} needs an id of up to 64 lower-case letters, digits, - and _ that starts with a letter, such as `page`; `end` is taken.",
                place + 1
            );
            self.mistake(format!("{here}.id"), "step-id", detail);
            return Err(Noted);
        }
        if self.ids.iter().position(|other| *other == id) != Some(place) {
            let detail = format!("Two steps have the id `{id}`. Give one of them another.");
            self.mistake(format!("{here}.id"), "step-id-twice", detail);
        }
        let kind = fields.get("type").and_then(Json::as_str).unwrap_or_default();
        let Some((_, known)) = FIELDS.iter().find(|(name, _)| *name == kind) else {
            let near = base::nearest(kind, FIELDS.iter().map(|(name, _)| *name));
            let detail = format!("Step `{id}` has no type that exists. Write `type: {near}`.");
            self.mistake(format!("{here}.type"), "step-type", detail);
            return Err(Noted);
        };
        for field in
            fields.keys().filter(|field| !["id", "type"].contains(&field.as_str()) && !known.contains(&field.as_str()))
        {
            let near = base::nearest(field, known.iter().copied());
            let detail = format!("Step `{id}` ({kind}) has no field `{field}`. Did you mean `{near}`?");
            self.mistake(format!("{here}.{field}"), "unknown-field", detail);
        }
        let action = self.action(kind, &Fields { place, id: &id, given: fields })?;
        Ok(Step { id, action })
    }

    /// The step's action.
    fn action(&mut self, kind: &str, fields: &Fields<'_>) -> Result<Action, Noted> {
        match kind {
            "trigger" => Ok(Action::Trigger { next: self.next(fields, "next")? }),
            "condition" => {
                let test = self.expression(fields, "if");
                let then = self.next(fields, "then");
                let otherwise = self.next(fields, "else");
                Ok(Action::Condition { test: test?, then: then?, otherwise: otherwise? })
            }
            "set" => {
                let values = self.values(fields);
                let next = self.next(fields, "next");
                Ok(Action::Set { values: values?, next: next? })
            }
            "resolve_alert" => {
                let key = self.template(fields, "key", true);
                let note = self.template(fields, "note", false);
                let close_critical = self.flag(fields, "close_critical");
                let next = self.next(fields, "next");
                Ok(Action::ResolveAlert {
                    key: required(key?)?,
                    note: note?,
                    close_critical: close_critical?,
                    next: next?,
                })
            }
            _ => {
                let title = self.template(fields, "title", true);
                let optional = ["text", "sms", "priority", "key", "group", "link", "expires_in"]
                    .map(|field| self.template(fields, field, false));
                self.constants(fields);
                let next = self.next(fields, "next");
                let [text, sms, priority, key, group, link, expires_in] = optional;
                Ok(Action::CreateAlert(Box::new(CreateAlert {
                    title: required(title?)?,
                    text: text?,
                    sms: sms?,
                    priority: priority?,
                    key: key?,
                    group: group?,
                    link: link?,
                    expires_in: expires_in?,
                    next: next?,
                })))
            }
        }
    }

    /// Where the step goes on.
    fn next(&mut self, fields: &Fields<'_>, field: &str) -> Result<Next, Noted> {
        let id = fields.id;
        let Some(target) = fields.given.get(field).and_then(Json::as_str) else {
            let detail =
                format!("Step `{id}` does not say where the run goes on. Write `{field}: STEP`, or `{field}: end`.");
            self.mistake(fields.path(field), "missing-end", detail);
            return Err(Noted);
        };
        if target == END {
            return Ok(Next::End);
        }
        if let Some(place) = self.ids.iter().position(|other| other == target) {
            return Ok(Next::Step(place));
        }
        let near = base::nearest(target, self.ids.iter().map(String::as_str).chain([END]));
        let detail = format!("Step `{id}` goes on at `{target}`, which does not exist. Did you mean `{near}`?");
        self.mistake(fields.path(field), "unknown-step", detail);
        Err(Noted)
    }

    /// A template: a text, or a number that is meant as one.
    fn template(&mut self, fields: &Fields<'_>, field: &str, required: bool) -> Result<Option<String>, Noted> {
        let source = match fields.given.get(field) {
            None | Some(Json::Null) if required => {
                let detail = format!("Step `{}` needs `{field}`.", fields.id);
                self.mistake(fields.path(field), "missing-field", detail);
                return Err(Noted);
            }
            None | Some(Json::Null) => return Ok(None),
            Some(value) => {
                let Some(text) = text_of(value) else {
                    let detail = format!("`{field}` of step `{}` must be a text.", fields.id);
                    self.mistake(fields.path(field), "not-a-text", detail);
                    return Err(Noted);
                };
                text
            }
        };
        self.syntax(fields, field, sandbox::Syntax::Template, &source)?;
        Ok(Some(source))
    }

    fn expression(&mut self, fields: &Fields<'_>, field: &str) -> Result<String, Noted> {
        let source = match fields.given.get(field) {
            Some(Json::String(source)) if !source.trim().is_empty() => source.trim().to_owned(),
            Some(Json::Bool(constant)) => constant.to_string(),
            _ => {
                let detail = format!(
                    "Step `{}` needs `{field}`, an expression such as `event.status == \"firing\"`.",
                    fields.id
                );
                self.mistake(fields.path(field), "missing-field", detail);
                return Err(Noted);
            }
        };
        if source.starts_with("{{") {
            let detail = format!("`{field}` of step `{}` is an expression. Write it without {{{{ and }}}}.", fields.id);
            self.mistake(fields.path(field), "template-in-expression", detail);
            return Err(Noted);
        }
        self.syntax(fields, field, sandbox::Syntax::Expression, &source)?;
        Ok(source)
    }

    fn syntax(&mut self, fields: &Fields<'_>, field: &str, syntax: sandbox::Syntax, source: &str) -> Result<(), Noted> {
        match sandbox::check(syntax, source) {
            Ok(()) => Ok(()),
            Err(failure) => {
                let detail = format!("`{field}` of step `{}` cannot be read: {failure}.", fields.id);
                self.mistake(fields.path(field), "template-syntax", detail);
                Err(Noted)
            }
        }
    }

    fn flag(&mut self, fields: &Fields<'_>, field: &str) -> Result<bool, Noted> {
        match fields.given.get(field) {
            None | Some(Json::Null) => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => {
                let detail = format!("`{field}` of step `{}` must be true or false.", fields.id);
                self.mistake(fields.path(field), "not-a-flag", detail);
                Err(Noted)
            }
        }
    }

    fn values(&mut self, fields: &Fields<'_>) -> Result<BTreeMap<String, String>, Noted> {
        let given = match fields.given.get("values") {
            Some(Json::Object(values)) if !values.is_empty() => values,
            _ => {
                let detail = format!(
                    "Step `{}` needs `values`, such as `values: {{team: \"{{{{ event.fields.team }}}}\"}}`.",
                    fields.id
                );
                self.mistake(fields.path("values"), "missing-field", detail);
                return Err(Noted);
            }
        };
        let before = self.mistakes.len();
        let mut values = BTreeMap::new();
        for (name, value) in given {
            let field = format!("values.{name}");
            if !check::is_name(name) {
                let detail = format!("`{name}` of step `{}` is no name: letters, digits and _ please.", fields.id);
                self.mistake(fields.path(&field), "value-name", detail);
            } else if let Some(source) = text_of(value) {
                if self.syntax(fields, &field, sandbox::Syntax::Template, &source).is_ok() {
                    values.insert(name.clone(), source);
                }
            } else {
                let detail = format!("`{field}` of step `{}` must be a text, a number, true or false.", fields.id);
                self.mistake(fields.path(&field), "not-a-text", detail);
            }
        }
        if self.mistakes.len() == before { Ok(values) } else { Err(Noted) }
    }

    /// What can be known about a field before it runs, because it holds no template.
    fn constants(&mut self, fields: &Fields<'_>) {
        let constant = |field: &str| {
            fields.given.get(field).and_then(text_of).filter(|text| !text.contains("{{") && !text.contains("{%"))
        };
        if constant("priority").is_some_and(|word| word.parse::<Priority>().is_err()) {
            let detail = format!("`priority` of step `{}` is critical, high, medium, low or info.", fields.id);
            self.mistake(fields.path("priority"), "unknown-priority", detail);
        }
        if constant("expires_in").is_some_and(|minutes| check::minutes(&minutes).is_none()) {
            let detail =
                format!("`expires_in` of step `{}` is a number of minutes from 1 to {EXPIRES_MAX}.", fields.id);
            self.mistake(fields.path("expires_in"), "expires-in", detail);
        }
    }
}

/// A template that was asked for as required is there.
fn required(template: Option<String>) -> Result<String, Noted> {
    template.ok_or(Noted)
}

/// A scalar as the text of a template.
fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        // A constant with its type, since a value that is one expression keeps it.
        Json::Bool(flag) => Some(format!("{{{{ {flag} }}}}")),
        _ => None,
    }
}
