//! What is different between two bodies, field by field, in a form that people read. Secrets show as
//! `(changed)`, restricted values too.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Json;
use crate::field::{Class, Field, Shape};
use crate::shape::join;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let lines = self.0.iter().map(|line| {
            let mut line = line.clone();
            if line.sensitive {
                (line.old, line.new) = (None, None);
            }
            line
        });
        serde_json::to_value(lines.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
                value_line(field, item, before, after, &join(path, &name), out);
            }
        }
        _ => out.push(line(field, old, new, path)),
    }
}

fn value_line(
    field: &'static Field,
    shape: &'static Shape,
    old: Option<&Json>,
    new: Option<&Json>,
    path: &str,
    out: &mut Vec<Line>,
) {
    value(field, shape, old, new, path, out);
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
            (a, b) => out.push(line_of(field, item, a, b, &here)),
        }
    }
}

fn line_of(field: &'static Field, shape: &'static Shape, old: Option<&Json>, new: Option<&Json>, path: &str) -> Line {
    let mut line = line(field, old, new, path);
    // A whole element of a list is as sensitive as its most sensitive field.
    if worst(shape) >= Class::Confidential {
        line.sensitive = true;
    }
    if worst(shape) == Class::Restricted {
        (line.old, line.new) = (None, None);
    }
    line
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

fn line(field: &'static Field, old: Option<&Json>, new: Option<&Json>, path: &str) -> Line {
    let op = match (old, new) {
        (None, _) => Op::Added,
        (_, None) => Op::Removed,
        _ => Op::Changed,
    };
    let hidden = field.class == Class::Restricted || matches!(field.shape, Shape::Secret { .. });
    let shown = |value: Option<&Json>| if hidden { None } else { value.map(show) };
    Line { op, path: path.to_owned(), sensitive: field.class >= Class::Confidential, old: shown(old), new: shown(new) }
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
