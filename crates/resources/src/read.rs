//! Reading YAML and JSON with limits: size, depth, number of nodes, no alias bombs, no duplicate names.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number};

use crate::{Error, Json};

/// Bytes of a file at most (security.md: API 1 MiB).
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Levels at most (security.md: JSON depth 32).
const MAX_DEPTH: usize = 32;
/// Values at most.
const MAX_NODES: usize = 100_000;
/// Events that aliases may repeat at most: enough for some shared lists, not for a bomb.
const MAX_REPEATED: usize = 20_000;

fn too_large() -> Error {
    Error::invalid("", "too-large", "A file of resources has at most 1 MiB. Split it by kind or workspace.")
}

/// Reads YAML.
pub(crate) fn yaml(text: &str) -> Result<Json, Error> {
    if text.len() > MAX_BYTES {
        return Err(too_large());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_total_scalar_bytes: MAX_BYTES,
            max_recorded_anchor_bytes: 2 * MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPEATED,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        // A snippet could show a secret that somebody wrote into the file by mistake.
        with_snippet: false,
        strict_booleans: true,
    };
    let Strict(value) = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!("line {}, column {}: ", at.line(), at.column()));
        let what = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        Error::invalid(
            "",
            "bad-yaml",
            format!("The file is no YAML that is read here: {}{what}", place.unwrap_or_default()),
        )
    })?;
    Ok(value)
}

/// Reads JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<Json, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large());
    }
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        // The error's own text may repeat what was sent.
        Error::invalid(
            "",
            "bad-json",
            format!("The body is no JSON that is read here (duplicate names are refused): {at}."),
        )
    })?;
    if depth(&value) > MAX_DEPTH {
        return Err(Error::invalid("", "too-deep", format!("At most {MAX_DEPTH} levels are allowed.")));
    }
    Ok(value)
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Json::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A JSON value in which no object has a name twice.
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a finite number is expected"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            out.push(value);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut out = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if out.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
        }
        Ok(Json::Object(out))
    }
}
