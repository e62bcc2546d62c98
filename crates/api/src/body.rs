//! What several handlers share: optional bodies, and the placeholders for what `PageQuery` reads.

use base::{Page, Problem};
use http::{Answer, Raw, Refusal, parse_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A JSON body that may be left out.
pub(crate) fn optional<T: DeserializeOwned + Default>(Raw(bytes): &Raw) -> Answer<T> {
    if bytes.is_empty() { Ok(T::default()) } else { parse_json(bytes).map_err(Refusal::new) }
}

/// A query parameter that another reader takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TakenElsewhere;

impl<'de> Deserialize<'de> for TakenElsewhere {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    /// The items, in order.
    items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn of<U>(page: Page<U>, view: impl FnMut(U) -> T) -> Self {
        Self { items: page.items.into_iter().map(view).collect(), next: page.next.map(|cursor| cursor.0) }
    }

    pub(crate) const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// What is there, or "not found" in the workspace's words.
pub(crate) fn found<T>(item: Option<T>, what: &'static str) -> Answer<T> {
    item.ok_or_else(|| Refusal::new(crate::time::no_such(what)))
}

/// Several problems with a body as one refusal that lists them.
pub(crate) fn refused(problem: Problem, all: Vec<Problem>) -> Refusal {
    let refusal = Refusal::new(problem);
    if all.len() > 1 { refusal.listing(all) } else { refusal }
}
