//! A directory's JSON read by the schema: names in any case, what is unknown left out, what is ours ignored (RFC 7644 section
//! 3.3), what Microsoft Entra ID sends in its own way understood ("False" for false, a bare value for a list of one).

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::Error;
use crate::error::Fault;
use crate::schema::{Attribute, Change, EXTERNAL_ID, Holds, Resource, Sort, find};

/// Characters of one text at most.
const TEXT: usize = 1_000;
/// Values of one attribute at most; members have their own limit.
const VALUES: usize = 50;
/// Members of a group at most.
pub(crate) const MEMBERS: usize = 10_000;

/// The whole resource that a body says. What is required is looked at by whoever writes it.
pub(crate) fn resource(sort: Sort, body: &Value) -> Result<Resource, Error> {
    let body = object(body)?;
    if let Some(schemas) = entry(body, "schemas") {
        let named = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
        if !named.into_iter().any(|one| one.eq_ignore_ascii_case(sort.core())) {
            return Err(Error::value(format!("schemas has to name {}.", sort.core())));
        }
    }
    let mut out = fields(sort.attributes(), body)?;
    if let Some(value) = entry(body, EXTERNAL_ID.name)
        && let Some(value) = value_of(&EXTERNAL_ID, value)?
    {
        out.insert(EXTERNAL_ID.name.to_owned(), value);
    }
    if let Some((urn, known)) = sort.extension().and_then(|urn| Some((urn, sort.of_schema(urn)?)))
        && let Some(more) = entry(body, urn).filter(|value| !value.is_null())
    {
        let more = fields(known, object(more)?)?;
        if !more.is_empty() {
            out.insert(urn.to_owned(), Value::Object(more));
        }
    }
    Ok(out)
}

pub(crate) fn object(value: &Value) -> Result<&Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::refused(Fault::InvalidSyntax, "A JSON object is expected here."))
}

/// A value by its key, in any case.
pub(crate) fn entry<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn fields(known: &'static [Attribute], body: &Map<String, Value>) -> Result<Resource, Error> {
    let mut out = Resource::new();
    for (key, value) in body {
        let Some(attribute) = find(known, key).filter(|one| one.change != Change::Never) else { continue };
        if let Some(value) = value_of(attribute, value)? {
            out.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(out)
}

/// A value as it is kept; none when it says that there is none (RFC 7643 section 2.5).
pub(crate) fn value_of(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.many {
        return single(attribute, value);
    }
    // A list of one, without its brackets.
    let given = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let most = if attribute.name == "members" { MEMBERS } else { VALUES };
    if given.len() > most {
        return Err(Error::refused(Fault::TooMany, format!("{} has at most {most} values.", attribute.name)));
    }
    let (mut all, mut seen) = (Vec::with_capacity(given.len()), HashSet::with_capacity(given.len()));
    for one in given {
        if let Some(one) = single(attribute, one)?
            && seen.insert(one.to_string())
        {
            all.push(one);
        }
    }
    if all.iter().filter(|one| is_primary(one)).count() > 1 {
        return Err(Error::value(format!("{} has more than one primary value.", attribute.name)));
    }
    Ok((!all.is_empty()).then_some(Value::Array(all)))
}

pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool) == Some(true)
}

/// One value of an attribute.
pub(crate) fn single(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    let wrong = |what: &str| Error::value(format!("{} has to be {what}.", attribute.name));
    match attribute.holds {
        Holds::Text | Holds::Reference(_) => {
            let Some(text) = value.as_str() else { return Err(wrong("a text")) };
            if text.chars().count() > TEXT || text.chars().any(char::is_control) {
                return Err(wrong("a text of at most 1,000 characters without control characters"));
            }
            Ok((!text.is_empty()).then(|| value.clone()))
        }
        Holds::Boolean => match value {
            Value::Bool(_) => Ok(Some(value.clone())),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
            Value::String(text) if text.is_empty() => Ok(None),
            _ => Err(wrong("true or false")),
        },
        Holds::Parts(parts) => {
            let read = match value {
                Value::Object(map) => fields(parts, map)?,
                // Entra ID says a manager, and some say a member, by the bare value.
                Value::String(_) => match find(parts, "value").map(|part| single(part, value)).transpose()?.flatten() {
                    Some(text) => Resource::from_iter([("value".to_owned(), text)]),
                    None => Resource::new(),
                },
                Value::Null => Resource::new(),
                _ => return Err(wrong("an object")),
            };
            Ok((!read.is_empty()).then_some(Value::Object(read)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ENTERPRISE, USER};

    #[test]
    fn a_body_is_read_by_the_schema_and_nothing_else() {
        let read = resource(
            Sort::User,
            &json!({
                "schemas": [USER, ENTERPRISE], "id": "ours", "meta": {"version": "x"}, "USERNAME": "ada@example.com",
                "externalid": "E1", "active": "False", "nickName": "", "title": null, "emails": {"value": "ada@example.com", "type": "work"},
                "groups": [{"value": "ours"}], "favouriteColour": "red", "urn:example:2.0:Other": {"x": 1},
                ENTERPRISE: {"manager": "42", "department": "Night", "MANAGERS": 1},
            }),
        )
        .unwrap();
        assert_eq!(
            Value::Object(read),
            json!({
                "userName": "ada@example.com", "active": false, "emails": [{"value": "ada@example.com", "type": "work"}],
                "externalId": "E1", ENTERPRISE: {"manager": {"value": "42"}, "department": "Night"},
            })
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_name() {
        for (body, words) in [
            (json!([1]), "JSON object"),
            (json!({"schemas": ["urn:other"]}), "schemas has to name"),
            (json!({"userName": 7}), "userName has to be a text"),
            (json!({"userName": "a\u{0}b"}), "control characters"),
            (json!({"active": "perhaps"}), "true or false"),
            (json!({"name": ["x"]}), "name has to be an object"),
            (
                json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}),
                "more than one primary",
            ),
            (
                json!({"emails": (0..=VALUES).map(|n| json!({"value": n.to_string()})).collect::<Vec<_>>()}),
                "at most 50",
            ),
        ] {
            let error = resource(Sort::User, &body).unwrap_err().to_string();
            assert!(error.contains(words), "{body}: {error}");
        }
    }
}
