//! What a directory says in the address and the body of a request, and what it is about.

use ::scim::{Asked, Error, Query as List, Shown, Sort};
use base::{Explain, ProblemKind};
use http::{HeaderMap, Query, Raw, Refusal, header, parse_json};
use serde::Deserialize;
use serde_json::Value;

/// What a request asks in its address, or why that cannot be read.
pub(crate) type Asks = Result<Query<Wanted>, Refusal>;
/// The body of a request, or why there is none that is read here. The routes [hear of
/// bodies](http::Routes::hears_of_bodies), so that what is wrong with one stands where an administrator looks.
pub(crate) type Sent = Result<Raw, Refusal>;

/// What a request may ask in its address.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Wanted {
    filter: String,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: String,
    excluded_attributes: String,
}

impl Wanted {
    pub(crate) fn shown(&self) -> Shown {
        Shown::of(&self.attributes, &self.excluded_attributes)
    }

    pub(crate) fn list(self) -> List {
        List { shown: self.shown(), start: self.start_index.unwrap_or(1), count: self.count, filter: self.filter }
    }
}

/// What a request wants to be shown.
pub(crate) fn shown(asks: Asks) -> Result<Shown, Refusal> {
    asks.map(|Query(wanted)| wanted.shown())
}

/// The body as JSON.
pub(crate) fn body(sent: Sent) -> Result<Value, Refusal> {
    let Raw(bytes) = sent?;
    parse_json(&bytes).map_err(Refusal::new)
}

/// The version that a change was made on: `If-Match: W/"3"`. One that nobody gave is no version's.
pub(crate) fn version(headers: &HeaderMap) -> Option<i64> {
    let value = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default().trim();
    if value == "*" { None } else { Some(tag(value).unwrap_or(-1)) }
}

/// The number of a version in a header.
pub(crate) fn tag(value: &str) -> Option<i64> {
    value.trim().trim_start_matches("W/").trim_matches('"').parse().ok()
}

/// What a request is about, for the record.
#[derive(Clone)]
pub(crate) struct About {
    method: &'static str,
    target: &'static str,
    id: String,
}

impl About {
    /// One resource; all of the sort when the id is empty.
    pub(crate) fn one(method: &'static str, sort: Sort, id: &str) -> Self {
        Self { method, target: sort.endpoint(), id: id.to_owned() }
    }

    /// People and groups at once.
    pub(crate) const fn everything(method: &'static str) -> Self {
        Self { method, target: "all", id: String::new() }
    }

    /// The record of what was refused.
    pub(crate) fn refused(self, error: &Error) -> Asked {
        self.told(status(error), error.problem().detail.into_owned())
    }

    /// The record of a request with the status of its answer.
    pub(crate) fn told(self, status: u16, reason: String) -> Asked {
        Asked { method: self.method, target: self.target, id: self.id, status, reason }
    }
}

/// A failure of ours, which is no answer to what was asked.
pub(crate) fn is_ours(error: &Error) -> bool {
    matches!(error.problem().kind, ProblemKind::Internal | ProblemKind::Unavailable)
}

/// The status that an error is answered with.
fn status(error: &Error) -> u16 {
    match error {
        Error::OtherVersion => 412,
        other => http::status(other.problem().kind).as_u16(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn versions_are_read_from_the_header() {
        let of =
            |value: &'static str| version(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]));
        assert_eq!(of("W/\"3\""), Some(3));
        assert_eq!(of("\"12\""), Some(12));
        assert_eq!(of("*"), None);
        assert_eq!(of("W/\"other\""), Some(-1), "no version is that one");
        assert_eq!(version(&HeaderMap::new()), None);
    }
}
