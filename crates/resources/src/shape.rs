//! Checking a body against its fields. Finds every problem at once, names the path of each, and hands back the
//! body in the fields' order, without nulls and with texts in NFC.

use base::{Problem, ProblemKind, nearest};
use serde_json::Map;
use unicode_normalization::UnicodeNormalization;

use crate::Json;
use crate::field::{Field, Shape};

/// Characters of one text at most.
const MAX_TEXT: usize = 65_536;
/// Elements of one list or map at most.
const MAX_ITEMS: usize = 10_000;
/// How deep [`Shape::Any`] goes at most (security.md: JSON depth 32).
const MAX_DEPTH: usize = 32;

/// A reference that a body makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefAt {
    pub path: String,
    pub kind: &'static str,
    pub key: String,
    /// What else could have stood there.
    pub words: &'static [&'static str],
}

/// A checked body.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    pub body: Json,
    pub references: Vec<RefAt>,
    pub problems: Vec<Problem>,
}

/// Checks `body` against `fields`. Secret fields must not be in it: they travel apart.
pub(crate) fn shape(fields: &'static [Field], body: &Json) -> Shaped {
    let mut out = Shaped::default();
    let checked = out.object(fields, body, "");
    out.body = checked;
    out
}

/// The paths of the secret fields, with their fields.
pub(crate) fn secret_fields(fields: &'static [Field]) -> Vec<(String, &'static Field)> {
    fn walk(fields: &'static [Field], path: &str, out: &mut Vec<(String, &'static Field)>) {
        for field in fields {
            let here = join(path, field.name);
            match &field.shape {
                Shape::Secret { .. } => out.push((here, field)),
                Shape::Object(inner) => walk(inner, &here, out),
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    walk(fields, "", &mut out);
    out
}

/// The value at a dotted path.
pub(crate) fn at<'a>(body: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(body, |value, part| value.get(part))
}

/// Puts `value` at a dotted path, making objects on the way.
pub(crate) fn set(body: &mut Json, path: &str, value: Json) {
    let mut here = body;
    for part in path.split('.') {
        if !here.is_object() {
            *here = Json::Object(Map::new());
        }
        let Json::Object(map) = here else { return };
        here = map.entry(part).or_insert(Json::Null);
    }
    *here = value;
}

/// Takes the value at a dotted path out.
pub(crate) fn take(body: &mut Json, path: &str) -> Option<Json> {
    let (parents, last) = path.rsplit_once('.').map_or((None, path), |(parents, last)| (Some(parents), last));
    let mut here = body;
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        here = here.get_mut(part)?;
    }
    here.as_object_mut()?.shift_remove(last)
}

/// The body in the fields' order and without nulls, after a kind filled in its defaults.
pub(crate) fn tidy(fields: &'static [Field], body: &Json) -> Json {
    let Json::Object(map) = body else { return body.clone() };
    let mut out = Map::new();
    for field in fields {
        match map.get(field.name) {
            None | Some(Json::Null) => {}
            Some(value) => {
                out.insert(field.name.to_owned(), tidy_value(&field.shape, value));
            }
        }
    }
    Json::Object(out)
}

fn tidy_value(shape: &'static Shape, value: &Json) -> Json {
    match (shape, value) {
        (Shape::Object(fields), value) => tidy(fields, value),
        (Shape::List(item), Json::Array(values)) => {
            Json::Array(values.iter().map(|value| tidy_value(item, value)).collect())
        }
        (Shape::Map(item), Json::Object(map)) => {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            Json::Object(sorted.into_iter().map(|(name, value)| (name.clone(), tidy_value(item, value))).collect())
        }
        (_, value) => value.clone(),
    }
}

/// A name or value that a user chose, as it may stand in a message: without control characters, which terminals obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect()
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What a value is, in words.
fn sort_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(number) if number.is_f64() => "a number with a fraction",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

impl Shaped {
    fn problem(&mut self, path: &str, code: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) {
        self.problems.push(Problem::new(ProblemKind::Invalid, code, detail).at(path));
    }

    fn wrong(&mut self, path: &str, expected: &str, value: &Json) -> Json {
        let hint = match (expected, value) {
            ("a text", Json::Number(_) | Json::Bool(_)) => "; put it in quotes",
            _ => "",
        };
        self.problem(path, "wrong-type", format!("{expected} is expected here, not {}{hint}", sort_of(value)));
        Json::Null
    }

    fn object(&mut self, fields: &'static [Field], value: &Json, path: &str) -> Json {
        let Json::Object(map) = value else {
            return self.wrong(path, "an object with named fields", value);
        };
        for name in map.keys() {
            if !fields.iter().any(|field| field.name == name) {
                let near = nearest(name, fields.iter().map(|field| field.name));
                self.problem(
                    &join(path, &printable(name)),
                    "unknown-field",
                    format!("unknown field; did you mean {near}?"),
                );
            }
        }
        let mut out = Map::new();
        for field in fields {
            let here = join(path, field.name);
            let value = map.get(field.name).filter(|value| !value.is_null());
            match (&field.shape, value) {
                (Shape::Secret { .. }, None) => {}
                (Shape::Secret { .. }, Some(_)) => self.problem(
                    &here,
                    "secret-in-clear",
                    "a secret is given as {file: PATH} or {env: NAME}, never as the value itself",
                ),
                // An object with secrets alone inside may be absent from the plain body: they travel apart.
                (Shape::Object(inner), None) if field.required && !secret_fields(inner).is_empty() => {
                    let checked = self.object(inner, &Json::Object(Map::new()), &here);
                    out.insert(field.name.to_owned(), checked);
                }
                (_, None) if field.required => {
                    let about = if field.about.is_empty() { String::new() } else { format!(": {}", field.about) };
                    self.problem(&here, "missing-field", format!("is missing{about}"));
                }
                (_, None) => {}
                (shape, Some(value)) => {
                    let checked = self.value(shape, value, &here);
                    out.insert(field.name.to_owned(), checked);
                }
            }
        }
        Json::Object(out)
    }

    fn value(&mut self, shape: &'static Shape, value: &Json, path: &str) -> Json {
        match shape {
            Shape::Text => self.text(value, path).map_or(Json::Null, Json::String),
            Shape::Choice(choices) => match self.text(value, path) {
                Some(text) if choices.contains(&text.as_str()) => Json::String(text),
                Some(text) => {
                    let near = nearest(&text, choices.iter().copied());
                    let all = choices.join(", ");
                    self.problem(path, "no-such-choice", format!("one of {all} is expected; did you mean {near}?"));
                    Json::Null
                }
                None => Json::Null,
            },
            Shape::Integer(low, high) => match value.as_i64() {
                Some(number) if (*low..=*high).contains(&number) => value.clone(),
                Some(_) => {
                    self.problem(path, "out-of-range", format!("a number between {low} and {high} is expected"));
                    Json::Null
                }
                None => self.wrong(path, &format!("a whole number between {low} and {high}"), value),
            },
            Shape::Number if value.is_number() => value.clone(),
            Shape::Number => self.wrong(path, "a number", value),
            Shape::Boolean if value.is_boolean() => value.clone(),
            Shape::Boolean => self.wrong(path, "true or false", value),
            Shape::Reference(kind) => match self.text(value, path) {
                Some(key) => {
                    self.references.push(RefAt { path: path.to_owned(), kind, key: key.clone(), words: &[] });
                    Json::String(key)
                }
                None => Json::Null,
            },
            Shape::ChoiceOr(choices, former, kind) => match self.text(value, path) {
                Some(text) if choices.iter().chain(*former).any(|one| *one == text) => Json::String(text),
                Some(key) => {
                    self.references.push(RefAt { path: path.to_owned(), kind, key: key.clone(), words: choices });
                    Json::String(key)
                }
                None => Json::Null,
            },
            Shape::Secret { .. } => Json::Null,
            Shape::List(item) => {
                let Json::Array(values) = value else { return self.wrong(path, "a list", value) };
                if values.len() > MAX_ITEMS {
                    self.problem(path, "too-many", format!("at most {MAX_ITEMS} elements are allowed"));
                    return Json::Null;
                }
                let checked =
                    values.iter().enumerate().map(|(i, value)| self.value(item, value, &format!("{path}[{i}]")));
                Json::Array(checked.collect())
            }
            Shape::Object(fields) => self.object(fields, value, path),
            Shape::Map(item) => {
                let Json::Object(map) = value else { return self.wrong(path, "an object with names", value) };
                if map.len() > MAX_ITEMS {
                    self.problem(path, "too-many", format!("at most {MAX_ITEMS} names are allowed"));
                    return Json::Null;
                }
                let mut out = Map::new();
                for (name, value) in map {
                    let here = join(path, &printable(name));
                    if let Some(name) = self.text(&Json::String(name.clone()), &here) {
                        let checked = self.value(item, value, &here);
                        out.insert(name, checked);
                    }
                }
                Json::Object(out)
            }
            Shape::Any => self.any(value, path, 0),
        }
    }

    /// A text in NFC, without NUL (PostgreSQL stores none) and of bearable length.
    fn text(&mut self, value: &Json, path: &str) -> Option<String> {
        let Json::String(text) = value else {
            self.wrong(path, "a text", value);
            return None;
        };
        if text.contains('\0') {
            self.problem(path, "nul-character", "the character U+0000 cannot be stored; remove it");
            return None;
        }
        let text: String = text.nfc().collect();
        if text.len() > MAX_TEXT {
            self.problem(path, "text-too-long", format!("at most {MAX_TEXT} bytes are allowed"));
            return None;
        }
        Some(text)
    }

    fn any(&mut self, value: &Json, path: &str, depth: usize) -> Json {
        if depth > MAX_DEPTH {
            self.problem(path, "too-deep", format!("at most {MAX_DEPTH} levels are allowed"));
            return Json::Null;
        }
        match value {
            Json::String(_) => self.text(value, path).map_or(Json::Null, Json::String),
            Json::Array(values) => Json::Array(
                values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| self.any(value, &format!("{path}[{i}]"), depth + 1))
                    .collect(),
            ),
            Json::Object(map) => {
                let mut out = Map::new();
                for (name, value) in map {
                    let here = join(path, &printable(name));
                    if let Some(name) = self.text(&Json::String(name.clone()), &here) {
                        let checked = self.any(value, &here, depth + 1);
                        out.insert(name, checked);
                    }
                }
                Json::Object(out)
            }
            plain => plain.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::Class;

    const FIELDS: &[Field] = &[
        Field::new("a", Class::Internal, Shape::Text).required(),
        Field::new("b", Class::Internal, Shape::List(&Shape::Integer(0, 9))),
        Field::new("c", Class::Internal, Shape::Map(&Shape::Any)),
        Field::new(
            "d",
            Class::Internal,
            Shape::Object(&[
                Field::new("e", Class::Internal, Shape::Reference("users")),
                Field::new("f", Class::Internal, Shape::SECRET),
            ]),
        ),
    ];

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "\\PC{0,6}".prop_map(Json::from),
            Just(Json::from("nul\0")),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                proptest::collection::btree_map("[a-g]", inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever comes in, the answer is problems or a body that passes again unchanged.
        #[test]
        fn any_input_is_refused_with_reasons_or_passes_twice(body in json()) {
            let first = shape(FIELDS, &body);
            if first.problems.is_empty() {
                let second = shape(FIELDS, &first.body);
                prop_assert!(second.problems.is_empty());
                prop_assert_eq!(&second.body, &first.body);
                prop_assert_eq!(&tidy(FIELDS, &first.body), &tidy(FIELDS, &second.body));
            } else {
                prop_assert!(first.problems.iter().all(|problem| problem.field.is_some()));
            }
        }
    }

    #[test]
    fn paths_lead_into_objects() {
        let mut body = Json::Null;
        set(&mut body, "d.f", Json::from(1));
        assert_eq!(at(&body, "d.f"), Some(&Json::from(1)));
        assert_eq!(take(&mut body, "d.f"), Some(Json::from(1)));
        assert_eq!((take(&mut body, "d.f"), take(&mut body, "x.y")), (None, None));
    }

    #[test]
    fn texts_are_stored_composed() {
        let shaped = shape(FIELDS, &serde_json::json!({ "a": "cafe\u{301}" }));
        assert_eq!(shaped.body["a"], "caf\u{e9}");
    }
}
