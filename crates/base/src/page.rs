//! Cursor paging: how every list is read, newest first.

use serde::{Deserialize, Serialize};

/// Where the next page starts. Opaque to callers: the store's last sort key, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// What a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Items at most, 1 to 200.
    limit: u32,
    /// Where to go on; from the start when absent.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Items on a page when nothing is said.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// Items on a page at most.
    pub const MAX_LIMIT: u32 = 200;

    /// A request for `limit` items (held between 1 and [`Self::MAX_LIMIT`]) from `after` on.
    pub fn new(limit: u32, after: Option<Cursor>) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), after }
    }

    /// Items at most.
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT, None)
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` items read, so that the last one tells whether more follow.
    pub fn from_overread(mut items: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Self {
        let limit = request.limit() as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|item| Cursor(key(item))) } else { None };
        Self { items, next }
    }

    /// The same page with each item turned into another.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overread_page_knows_whether_more_follow() {
        let request = PageRequest::new(2, None);
        let page = Page::from_overread(vec![9, 8, 7], &request, ToString::to_string);
        assert_eq!((page.items, page.next), (vec![9, 8], Some(Cursor("8".into()))));
        let last = Page::from_overread(vec![7], &request, ToString::to_string);
        assert_eq!(last.next, None);
    }
}
