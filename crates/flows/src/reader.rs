//! Reading a flow: every mistake is found at once and names its step.

use std::collections::BTreeMap;

use alerts::Priority;
use serde_json::{Map, Value as Json};

use crate::check;
use crate::document::{Action, CreateAlert, Definition, Document, END, EXPIRES_MAX, Mistake, Next, STEPS_MAX, Step};

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
