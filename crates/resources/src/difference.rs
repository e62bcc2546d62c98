//! What is different between two bodies, field by field, in a form that people read. Secrets show as
//! `(changed)`, restricted values too.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Json;
use crate::field::{Class, Field, Shape};
use crate::shape::{join, printable};

/// What happened to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another value.
    Changed,
}

/// One field that is different.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    pub op: Op,
    /// Where: `members[0].delay_seconds`.
    pub path: String,
    /// Whether the value is kept out of the audit log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// The value before; absent when it may not be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value after; absent when it may not be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The fields that are different. Never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Difference(pub Vec<Line>);

/// Characters of a value that a difference shows at most.
const SHOWN: usize = 160;
/// Lines of a difference at most; a file of ten thousand steps is not read line by line.
const MAX_LINES: usize = 500;

impl Difference {
    /// What is different between `old` and `new`, which have their secrets as leaves.
    pub(crate) fn between(fields: &'static [Field], old: Option<&Json>, new: Option<&Json>) -> Self {
        let mut lines = Vec::new();
        object(fields, old, new, "", &mut lines);
        lines.truncate(MAX_LINES);
        Self(lines)
    }

    /// The same for the audit log: values of confidential fields are left out (controls E-11, E-34).
    pub(crate) fn redacted(&self) -> Json {
        let mut hidden = self.clone();
        hidden.hide();
        serde_json::to_value(hidden).unwrap_or_default()
    }

    /// Leaves the values of confidential fields out.
    pub(crate) fn hide(&mut self) {
        self.0.iter_mut().for_each(Line::hide);
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Line {
    /// Without sensitive values: `Debug` ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.clone();
        line.hide();
        write!(f, "{line}")
    }
}

impl Line {
    /// Leaves sensitive values out.
    pub(crate) fn hide(&mut self) {
        if self.sensitive {
            (self.old, self.new) = (None, None);
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.op, &self.old, &self.new) {
            (Op::Added, _, Some(new)) => write!(f, "+ {}: {new}", self.path),
            (Op::Added, _, None) => write!(f, "+ {}: (set)", self.path),
            (Op::Removed, Some(old), _) => write!(f, "- {}: {old}", self.path),
            (Op::Removed, None, _) => write!(f, "- {}: (removed)", self.path),
            (Op::Changed, Some(old), Some(new)) => write!(f, "~ {}: {old} -> {new}", self.path),
            (Op::Changed, ..) => write!(f, "~ {}: (changed)", self.path),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{line}")?;
        }
        Ok(())
    }
}

fn object(fields: &'static [Field], old: Option<&Json>, new: Option<&Json>, path: &str, out: &mut Vec<Line>) {
    for field in fields {
        let before = old.and_then(|value| value.get(field.name)).filter(|value| !value.is_null());
        let after = new.and_then(|value| value.get(field.name)).filter(|value| !value.is_null());
        value(field, &field.shape, before, after, &join(path, field.name), out);
    }
}

fn value(
    field: &'static Field,
    shape: &'static Shape,
    old: Option<&Json>,
    new: Option<&Json>,
    path: &str,
    out: &mut Vec<Line>,
) {
    if old == new {
        return;
    }
    match (shape, old, new) {
        (Shape::Object(fields), ..) => object(fields, old, new, path, out),
        (Shape::List(item), _, _) if !matches!(item, Shape::List(_)) => {
            let empty = Vec::new();
            let before = old.and_then(Json::as_array).unwrap_or(&empty);
            let after = new.and_then(Json::as_array).unwrap_or(&empty);
            list(field, item, before, after, path, out);
        }
        (Shape::Map(item), _, _) => {
            let names = |value: Option<&Json>| -> Vec<String> {
                value.and_then(Json::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
            };
            let mut all = names(old);
            all.extend(names(new));
            all.sort();
            all.dedup();
            for name in all {
                let before = old.and_then(|value| value.get(&name));
                let after = new.and_then(|value| value.get(&name));
                value(field, item, before, after, &join(path, &printable(&name)), out);
            }
        }
        _ => out.push(line(field, shape, old, new, path)),
    }
}

/// Lists are compared after what is equal at both ends is set aside, so that one element put in front does not
/// show every other as changed.
fn list(field: &'static Field, item: &'static Shape, old: &[Json], new: &[Json], path: &str, out: &mut Vec<Line>) {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let back = old[front..].iter().rev().zip(new[front..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (&old[front..old.len() - back], &new[front..new.len() - back]);
    for at in 0..before.len().max(after.len()) {
        let here = format!("{path}[{}]", front + at);
        match (before.get(at), after.get(at)) {
            (Some(a), Some(b)) => value(field, item, Some(a), Some(b), &here, out),
            (a, b) => out.push(line(field, item, a, b, &here)),
        }
    }
}

/// A whole value as one line. An element of a list is as sensitive as its most sensitive field.
fn line(field: &'static Field, shape: &'static Shape, old: Option<&Json>, new: Option<&Json>, path: &str) -> Line {
    let op = match (old, new) {
        (None, _) => Op::Added,
        (_, None) => Op::Removed,
        _ => Op::Changed,
    };
    let class = field.class.max(worst(shape));
    let named = |value: Option<&Json>| value.is_some_and(|value| names_a_person(shape, value));
    let sensitive = class >= Class::Confidential || named(old) || named(new);
    let shown = |value: Option<&Json>| if class == Class::Restricted { None } else { value.map(show) };
    Line { op, path: path.to_owned(), sensitive, old: shown(old), new: shown(new) }
}

fn worst(shape: &'static Shape) -> Class {
    match shape {
        Shape::Object(fields) => {
            fields.iter().map(|field| field.class.max(worst(&field.shape))).max().unwrap_or(Class::Public)
        }
        Shape::List(item) | Shape::Map(item) => worst(item),
        Shape::Secret { .. } => Class::Restricted,
        _ => Class::Public,
    }
}

/// Whether a value refers to somebody by an e-mail address: that is a personal value in whichever kind it stands.
fn names_a_person(shape: &'static Shape, value: &Json) -> bool {
    match (shape, value) {
        (Shape::Reference(_), Json::String(key)) => key.contains('@'),
        (Shape::List(item), Json::Array(values)) => values.iter().any(|value| names_a_person(item, value)),
        (Shape::Map(item), Json::Object(map)) => map.values().any(|value| names_a_person(item, value)),
        (Shape::Object(fields), Json::Object(map)) => {
            fields.iter().any(|field| map.get(field.name).is_some_and(|value| names_a_person(&field.shape, value)))
        }
        _ => false,
    }
}

fn show(value: &Json) -> String {
    let text = match value {
        Json::String(text) if !text.is_empty() => text.clone(),
        other => other.to_string(),
    };
    let mut shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
