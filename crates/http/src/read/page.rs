//! `?limit=50&cursor=…`: how every list is read.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base::{Cursor, PageRequest, Problem, ProblemKind};

use crate::refusal::Refusal;

/// Which page of a list is asked for. Other query parameters are left to [`Query`](crate::Query), whose type must then
/// name `limit` and `cursor` too or ignore unknown ones.
#[derive(Debug, Clone, Default)]
pub struct PageQuery(pub PageRequest);

/// A cursor is a store's sort key: short.
const CURSOR_LIMIT: usize = 200;

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        page(parts.uri.query().unwrap_or_default()).map(Self).map_err(Refusal::new)
    }
}

fn page(query: &str) -> Result<PageRequest, Problem> {
    let wrong =
        |field: &'static str, detail: String| Problem::new(ProblemKind::Invalid, "invalid-query", detail).at(field);
    let (mut limit, mut cursor) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "limit" => {
                let number = value.parse::<u32>().ok().filter(|limit| (1..=PageRequest::MAX_LIMIT).contains(limit));
                let most = PageRequest::MAX_LIMIT;
                let Some(number) = number else {
                    let limit = format!("a whole number from 1 to {most}");
                    let problem = wrong("limit", format!("The parameter limit must be {limit}."));
                    return Err(problem.remedy(format!("Send {limit}, or leave it out.")).limited(limit));
                };
                limit = Some(number);
            }
            "cursor" if value.len() > CURSOR_LIMIT => {
                let detail = "The cursor is not one of ours. Take it from `next` of the last page.";
                return Err(wrong("cursor", detail.into()).limited("`next` of the last page"));
            }
            "cursor" if !value.is_empty() => cursor = Some(Cursor(value.into_owned())),
            _ => {}
        }
    }
    Ok(PageRequest::new(limit.unwrap_or(PageRequest::DEFAULT_LIMIT), cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_a_size_and_a_start() {
        assert_eq!(page(""), Ok(PageRequest::default()));
        assert_eq!(page("limit=10&cursor=a%2Fb&q=x"), Ok(PageRequest::new(10, Some(Cursor("a/b".into())))));
        for wrong in ["limit=0", "limit=201", "limit=x", "limit=-1"] {
            assert_eq!(page(wrong).unwrap_err().field.as_deref(), Some("limit"), "{wrong}");
        }
        assert_eq!(page(&format!("cursor={}", "a".repeat(201))).unwrap_err().field.as_deref(), Some("cursor"));
    }
}
