//! JSON bodies (RFC 7493, fault F-23): UTF-8, depth 32, no duplicate keys, one meaning everywhere. Whether unknown fields
//! are refused is for the type to say (`deny_unknown_fields` in our own API).

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base::{Problem, ProblemKind};
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::explain;
use crate::body;
use crate::refusal::Refusal;

/// Values inside values at most.
const DEPTH: usize = 32;

/// A JSON body, read strictly; or a JSON answer. As an argument always the last one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = body::read(request.into_body()).await?;
        parse_json(&bytes).map(Self).map_err(Refusal::new)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let mut response = Response::new(bytes.into());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => Refusal::new(Problem::internal()).because(error).into_response(),
        }
    }
}

/// Reads JSON as every door reads it. The problem names the place as `a.b[2].c`.
pub fn parse_json<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(invalid("The body is empty; JSON is expected.".into()));
    }
    let explained = |error: serde_json::Error| {
        let place = place(bytes, error.line(), error.column());
        explain::explain("invalid-json", &error.to_string(), &place)
    };
    let duplicates = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Shape { depth: 0, duplicates: &duplicates }.deserialize(&mut reader).map_err(explained)?;
    reader.end().map_err(explained)?;
    serde_json::from_slice(bytes).map_err(explained)
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemKind::Invalid, "invalid-json", detail)
}

/// Walks a value for its depth and for duplicate keys, keeping nothing.
#[derive(Clone, Copy)]
struct Shape<'a> {
    depth: usize,
    duplicates: &'a Cell<bool>,
}

impl Shape<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format_args!("values are nested deeper than {DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if seen.contains(&key) {
                self.duplicates.set(true);
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            seen.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// One step of the way to a place.
enum Step {
    Key(String),
    Index(usize),
}

/// The path to the value at a line and column (both from 1), by walking the text up to there. It need not be valid.
fn place(bytes: &[u8], line: usize, column: usize) -> String {
    let start = match line {
        0 => return String::new(),
        1 => 0,
        _ => bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
    };
    let end = (start + column).min(bytes.len());
    let mut steps: Vec<Step> = Vec::new();
    let mut expects_key = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'{' => {
                steps.push(Step::Key(String::new()));
                expects_key = true;
            }
            b'[' => {
                steps.push(Step::Index(0));
                expects_key = false;
            }
            b'}' | b']' => {
                // The end of a value that is itself the place (a missing field) keeps its parent's path.
                steps.pop();
                expects_key = false;
            }
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(_)) => expects_key = true,
                None => {}
            },
            b'"' => {
                let close = string_end(bytes, at);
                if expects_key && let Some(Step::Key(key)) = steps.last_mut() {
                    *key = serde_json::from_slice(&bytes[at..(close + 1).min(bytes.len())]).unwrap_or_default();
                    expects_key = false;
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) if path.is_empty() => path = key,
            Step::Key(key) => {
                path.push('.');
                path.push_str(&key);
            }
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
        }
    }
    path
}

/// Where the string that opens at `start` closes.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        count: u8,
    }

    fn fails(text: &str) -> (Option<String>, String) {
        let problem = parse_json::<Outer>(text.as_bytes()).unwrap_err();
        (problem.field, problem.detail.into_owned())
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        let (field, detail) = fails(r#"{"name": "x", "inner": [{"count": 1}, {"count": "two"}]}"#);
        assert_eq!(field.as_deref(), Some("inner[1].count"));
        assert!(detail.starts_with("Invalid type: string \"two\", expected u8"), "{detail}");
        let (field, detail) = fails("{\"name\": \"x\",\n \"inner\": [{\"count\": 1, \"colour\": 2}]}");
        assert_eq!(field.as_deref(), Some("inner[0].colour"));
        assert!(detail.contains("`colour` is not known here. Did you mean `count`?"), "{detail}");
        let (field, detail) = fails(r#"{"inner": [{}]}"#);
        assert_eq!(field.as_deref(), Some("inner[0].count"), "{detail}");
        assert!(detail.contains("`count` is missing"), "{detail}");
    }

    /// F-23: depth, duplicate keys, numbers without a value, lone surrogates, bytes that are no UTF-8.
    #[test]
    fn f_23_what_has_more_than_one_meaning_is_refused() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        let cases: [(&[u8], &str); 8] = [
            (deep.as_bytes(), "deeper than 32"),
            (br#"{"a": {"b": 1, "b": 2}}"#, "twice"),
            (br#"{"a": 1, "\u0061": 2}"#, "twice"),
            (br#"{"a": 1e999}"#, "out of range"),
            (br#"{"a": "\ud800"}"#, "hex escape"),
            (b"{\"a\": \"\xff\"}", "nicode"),
            (b"{} {}", "railing"),
            (b"  ", "empty"),
        ];
        for (bytes, expected) in cases {
            let problem = parse_json::<Value>(bytes).unwrap_err();
            assert!(problem.detail.contains(expected), "{expected}: {}", problem.detail);
        }
        let fine = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(parse_json::<Value>(fine.as_bytes()).is_ok());
    }

    #[test]
    fn a_duplicate_is_named_by_its_path() {
        let problem = parse_json::<Value>(br#"{"a": [{"b": 1, "b": 2}]}"#).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("a[0].b"));
    }
}
