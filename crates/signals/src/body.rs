//! Bodies: JSON, XML (see [`crate::xml`]) and forms, bounded and without second meanings. A refusal names the place.
//!
//! JSON (RFC 7493): UTF-8, at most 32 levels deep, no name twice in an object, one document. A form becomes an object of
//! texts. A body that is announced as a form but is a JSON object is read as JSON: `curl -d '{…}'` announces forms.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use crate::xml;

/// Levels of arrays and objects at most.
const DEPTH: usize = 32;
/// Fields of a form at most.
const FORM_FIELDS: usize = 1_000;

/// How a body is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Form,
    Xml,
}

impl Media {
    /// Bytes of such a body at most.
    pub(crate) const fn limit(self) -> usize {
        match self {
            Self::Json | Self::Form => crate::BODY_LIMIT,
            Self::Xml => crate::XML_LIMIT,
        }
    }

    /// The media type of a `Content-Type`; JSON when none is sent. `None` for what is not read here.
    pub(crate) fn of(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else { return Some(Self::Json) };
        let mut parts = content_type.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset_fits = parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                matches!(value.trim().trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "us-ascii")
            }
            _ => true,
        });
        match essence.as_str() {
            _ if !charset_fits => None,
            "application/json" | "text/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            other if other.starts_with("application/") && other.ends_with("+json") => Some(Self::Json),
            "application/xml" | "text/xml" => Some(Self::Xml),
            other if other.contains('/') && other.ends_with("+xml") => Some(Self::Xml),
            _ => None,
        }
    }
}

/// What is wrong with a body and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyError {
    /// One sentence, without what the body holds except the names on the way.
    pub detail: String,
    /// The path, such as `alerts[2].labels`; empty at the top.
    pub path: String,
}

/// Reads a body.
pub(crate) fn parse(media: Media, body: &[u8]) -> Result<Json, BodyError> {
    let at_top = |detail: String| BodyError { detail, path: String::new() };
    if media == Media::Xml {
        return xml::read(body);
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| at_top(format!("The body is not UTF-8 from byte {} on.", error.valid_up_to() + 1)))?;
    if media == Media::Form && !text.trim_start().starts_with('{') {
        return form(text).map_err(at_top);
    }
    if text.trim().is_empty() {
        return Err(at_top("The body is empty. Send a JSON document.".to_owned()));
    }
    json(text)
}

fn form(text: &str) -> Result<Json, String> {
    let mut fields = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if count >= FORM_FIELDS {
            return Err(format!("The form has more than {FORM_FIELDS} fields."));
        }
        if fields.insert(name.into_owned(), Json::String(value.into_owned())).is_some() {
            return Err(format!(
                "Field {} of the form has a name that was there before. Send each name once.",
                count + 1
            ));
        }
    }
    Ok(Json::Object(fields))
}

fn json(text: &str) -> Result<Json, BodyError> {
    let path = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0, path: &path }.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        // The library's sentence ends in its place, which is said apart.
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or("not JSON");
        BodyError {
            detail: format!(
                "The body is not acceptable JSON at line {}, column {}: {said}.",
                error.line(),
                error.column()
            ),
            path: path_text(&path.borrow()),
        }
    })
}

enum Part {
    Name(String),
    Place(usize),
}

/// Characters of a path at most; names come from a stranger.
const PATH_LIMIT: usize = 200;

fn path_text(path: &[Part]) -> String {
    let mut out = String::new();
    for part in path {
        match part {
            Part::Name(name) if out.is_empty() => out.push_str(name),
            Part::Name(name) => {
                out.push('.');
                out.push_str(name);
            }
            Part::Place(place) => out = format!("{out}[{place}]"),
        }
    }
    out.chars().filter(|c| !c.is_control()).take(PATH_LIMIT).collect()
}

/// Reads one value. The path stays where reading failed, because only success takes parts off again.
struct Strict<'p> {
    depth: usize,
    path: &'p RefCell<Vec<Part>>,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format_args!("it is nested more than {DEPTH} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, path: self.path })
    }

    fn again(&self) -> Self {
        Self { depth: self.depth, path: self.path }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let inside = self.deeper()?;
        let mut out = Vec::new();
        loop {
            self.path.borrow_mut().push(Part::Place(out.len()));
            let next = list.next_element_seed(inside.again())?;
            self.path.borrow_mut().pop();
            match next {
                Some(value) => out.push(value),
                None => return Ok(Json::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let inside = self.deeper()?;
        let mut out = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            self.path.borrow_mut().push(Part::Name(name.clone()));
            if out.contains_key(&name) {
                return Err(de::Error::custom("the name is there twice in its object"));
            }
            let value = object.next_value_seed(inside.again())?;
            self.path.borrow_mut().pop();
            out.insert(name, value);
        }
        Ok(Json::Object(out))
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
