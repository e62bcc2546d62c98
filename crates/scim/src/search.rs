//! What a search asks in its body (RFC 7644 section 3.4.3): nothing of it stands in an address then.

use serde_json::Value;

use crate::error::Fault;
use crate::read::{entry, object};
use crate::{Error, Query, Shown};

/// The message that a search is.
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The list that a SearchRequest asks for. Names count in any case (RFC 7643 section 2.1), and null says nothing. Sorting is declared
/// as not done, and is left out here as in addresses.
///
/// # Errors
/// [`Fault::InvalidSyntax`] for what is no SearchRequest, with the name of what does not fit.
pub fn searched(body: &Value) -> Result<Query, Error> {
    let map = object(body)?;
    let said = |name: &str| entry(map, name).filter(|value| !value.is_null());
    let wrong = |name: &str, what: &str| Error::refused(Fault::InvalidSyntax, format!("{name} has to be {what}."));
    let names = |name: &str| -> Result<Vec<&str>, Error> {
        let Some(value) = said(name) else { return Ok(Vec::new()) };
        let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let all: Option<Vec<&str>> = all.iter().map(Value::as_str).collect();
        all.ok_or_else(|| wrong(name, "a list of texts"))
    };
    let number =
        |name: &str| said(name).map(|value| value.as_i64().ok_or_else(|| wrong(name, "a whole number"))).transpose();
    if said("schemas").is_some() && !names("schemas")?.iter().any(|one| one.eq_ignore_ascii_case(SEARCH)) {
        return Err(Error::refused(Fault::InvalidSyntax, format!("schemas of a search has to name {SEARCH}.")));
    }
    let filter = said("filter").map(|value| value.as_str().ok_or_else(|| wrong("filter", "a text"))).transpose()?;
    Ok(Query {
        filter: filter.unwrap_or_default().to_owned(),
        start: number("startIndex")?.unwrap_or(1),
        count: number("count")?,
        shown: Shown::of(&names("attributes")?.join(","), &names("excludedAttributes")?.join(",")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7644 figure 2, as it stands there and with names in another case.
    #[test]
    fn a_search_is_read_by_names_in_any_case() {
        let filter = "displayName sw \"smith\"";
        for body in [
            json!({"schemas": [SEARCH], "attributes": ["displayName", "userName"], "filter": filter, "startIndex": 1, "count": 10}),
            json!({"SCHEMAS": [SEARCH.to_ascii_uppercase()], "Attributes": ["displayName", "userName"], "FILTER": filter,
                "startindex": 1, "Count": 10, "excludedattributes": null, "sortBy": "userName", "another": 1}),
            json!({"attributes": "displayName,userName", "filter": filter, "count": 10}),
        ] {
            let read = searched(&body).unwrap();
            assert_eq!((read.filter.as_str(), read.start, read.count), (filter, 1, Some(10)), "{body}");
            assert_eq!(read.shown, Shown::of("displayName,userName", ""), "{body}");
        }
        let read = searched(&json!({"EXCLUDEDATTRIBUTES": ["emails"]})).unwrap();
        assert_eq!((read.shown, read.start, read.count), (Shown::of("", "emails"), 1, None));
    }

    #[test]
    fn what_is_no_search_is_refused_with_its_name() {
        for (body, words) in [
            (json!([]), "JSON object"),
            (json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}), "schemas of a search"),
            (json!({"schemas": []}), "schemas of a search"),
            (json!({"schemas": [7]}), "schemas has to be a list of texts"),
            (json!({"FILTER": 7}), "filter has to be a text"),
            (json!({"count": "many"}), "count has to be a whole number"),
            (json!({"startindex": 1.5}), "startIndex has to be a whole number"),
            (json!({"attributes": [{}]}), "attributes has to be a list of texts"),
        ] {
            let error = searched(&body).unwrap_err();
            assert!(
                matches!(&error, Error::Refused { fault: Fault::InvalidSyntax, detail } if detail.contains(words)),
                "{error}"
            );
        }
    }
}
