//! PATCH (RFC 7644 section 3.5.2): operations on a resource in memory. Paths are read by `scim_v2`; what Entra ID sends beside the
//! standard is understood: operations with capitals, keys with dots in a value without a path, members to remove in the value.

use scim_v2::filter::{AttrPath, PatchPath, ValFilter};
use serde_json::Value;

use crate::Error;
use crate::error::Fault;
use crate::filter::{picks, said};
use crate::read::{MEMBERS, entry, is_primary, object, single, value_of};
use crate::schema::{Attribute, Change, Resource, Sort, find};

/// Operations of one request at most.
const OPERATIONS: usize = 100;
/// Bytes of a path at most.
const LONGEST: usize = 1_024;
/// Values of one attribute at most; members have their own limit.
const VALUES: usize = 50;
/// What every resource has and nobody outside says.
const OURS: [&str; 3] = ["id", "meta", "schemas"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// Where an operation works.
struct Target<'a> {
    /// The extension that holds the attribute; the core when there is none.
    within: Option<&'static str>,
    attribute: &'static Attribute,
    filter: Option<&'a ValFilter>,
    part: Option<&'static Attribute>,
}

/// The resource after the operations of a body. What is required is looked at by whoever writes it.
pub(crate) fn apply(sort: Sort, mut resource: Resource, body: &Value) -> Result<Resource, Error> {
    let syntax = |detail: &str| Error::refused(Fault::InvalidSyntax, detail);
    let operations = entry(object(body)?, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| syntax("A list of Operations is expected."))?;
    if operations.is_empty() || operations.len() > OPERATIONS {
        return Err(Error::refused(Fault::TooMany, format!("1 to {OPERATIONS} operations are read at once.")));
    }
    for operation in operations {
        let operation = object(operation)?;
        let op = entry(operation, "op").and_then(Value::as_str).unwrap_or_default();
        let op = match op.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "replace" => Op::Replace,
            "remove" => Op::Remove,
            _ => return Err(syntax("op has to be add, replace or remove.")),
        };
        let path = match entry(operation, "path") {
            None | Some(Value::Null) => "",
            Some(path) => path.as_str().ok_or_else(|| Error::refused(Fault::InvalidPath, "path has to be a text."))?,
        };
        let value = entry(operation, "value").unwrap_or(&Value::Null);
        if path.trim().is_empty() {
            whole(sort, &mut resource, op, value)?;
        } else {
            at(sort, &mut resource, op, path, value)?;
        }
    }
    resource.retain(|_, value| !is_nothing(value));
    Ok(resource)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

/// An operation without a path: its value names the attributes.
fn whole(sort: Sort, resource: &mut Resource, op: Op, value: &Value) -> Result<(), Error> {
    if op == Op::Remove {
        return Err(Error::refused(Fault::NoTarget, "remove wants a path."));
    }
    for (key, value) in object(value)? {
        if OURS.iter().any(|own| own.eq_ignore_ascii_case(key)) {
            continue;
        }
        if let Some(known) = sort.extension().filter(|urn| urn.eq_ignore_ascii_case(key)) {
            for (key, value) in object(value)? {
                if find(sort.of_schema(known).unwrap_or_default(), key).is_some() {
                    at(sort, resource, op, &format!("{known}:{key}"), value)?;
                }
            }
            continue;
        }
        match sort.attribute(key) {
            Some(attribute) if attribute.change == Change::Never => {}
            Some(attribute) => at(sort, resource, op, attribute.name, value)?,
            // Entra ID writes paths as keys: "name.givenName", "urn:…:User:department".
            None if key.contains(['.', ':', '[']) => at(sort, resource, op, key, value)?,
            None => {}
        }
    }
    Ok(())
}

fn read_path(path: &str) -> Result<PatchPath, Error> {
    if path.len() > LONGEST {
        return Err(Error::refused(Fault::InvalidPath, format!("A path has at most {LONGEST} bytes.")));
    }
    path.parse().map_err(|_| {
        Error::refused(
            Fault::InvalidPath,
            "This path cannot be read. One such as emails[type eq \"work\"].value is expected.",
        )
    })
}

fn target<'a>(
    sort: Sort,
    path: &AttrPath,
    filter: Option<&'a ValFilter>,
    part: Option<&str>,
) -> Result<Target<'a>, Error> {
    let nothing = || Error::refused(Fault::InvalidPath, format!("{} is no attribute that is kept here.", path.name));
    let ours = |name: &str| Error::refused(Fault::Mutability, format!("{name} is not changed from outside."));
    if path.uri.is_none() && OURS.iter().any(|own| own.eq_ignore_ascii_case(&path.name)) {
        return Err(ours(&path.name));
    }
    let (within, attribute) = match &path.uri {
        None => (None, sort.attribute(&path.name)),
        Some(uri) if uri.eq_ignore_ascii_case(sort.core()) => (None, sort.attribute(&path.name)),
        Some(uri) => (sort.extension(), sort.of_schema(uri).and_then(|all| find(all, &path.name))),
    };
    let attribute = attribute.ok_or_else(nothing)?;
    if attribute.change == Change::Never {
        return Err(ours(attribute.name));
    }
    let part = part.or(path.sub_attr.as_deref());
    let part = part.map(|part| find(attribute.parts(), part).ok_or_else(nothing)).transpose()?;
    if let Some(part) = part
        && part.change == Change::Never
    {
        return Err(ours(part.name));
    }
    if filter.is_some() && !attribute.many {
        return Err(Error::refused(
            Fault::InvalidPath,
            format!("{} has one value, and takes no filter.", attribute.name),
        ));
    }
    Ok(Target { within, attribute, filter, part })
}

/// An operation at a path.
fn at(sort: Sort, resource: &mut Resource, op: Op, path: &str, value: &Value) -> Result<(), Error> {
    // A whole extension.
    if let Some(urn) = sort.extension().filter(|urn| urn.eq_ignore_ascii_case(path.trim())) {
        if op == Op::Remove {
            resource.remove(urn);
            return Ok(());
        }
        let said = Resource::from_iter([(urn.to_owned(), value.clone())]);
        return whole(sort, resource, op, &Value::Object(said));
    }
    let path = read_path(path)?;
    let target = match &path {
        PatchPath::Attr(path) => target(sort, path, None, None)?,
        PatchPath::Value(path) => target(sort, &path.attr, Some(&path.filter), path.sub_attr.as_deref())?,
    };
    let place = match target.within {
        None => resource,
        Some(urn) => {
            let place = resource.entry(urn).or_insert_with(|| Value::Object(Resource::new()));
            place
                .as_object_mut()
                .ok_or_else(|| Error::refused(Fault::InvalidPath, "There is nothing of that extension."))?
        }
    };
    let attribute = target.attribute;
    if op == Op::Remove && attribute.required && target.part.is_none() {
        return Err(Error::refused(Fault::Mutability, format!("{} is required.", attribute.name)));
    }
    if attribute.many {
        let mut all = match place.remove(attribute.name) {
            Some(Value::Array(all)) => all,
            _ => Vec::new(),
        };
        many(&mut all, op, &target, value)?;
        let most = if attribute.name == "members" { MEMBERS } else { VALUES };
        if all.len() > most {
            return Err(Error::refused(Fault::TooMany, format!("{} has at most {most} values.", attribute.name)));
        }
        if !all.is_empty() {
            place.insert(attribute.name.to_owned(), Value::Array(all));
        }
        return Ok(());
    }
    one(place, op, &target, value)
}

/// An attribute with one value.
fn one(place: &mut Resource, op: Op, target: &Target<'_>, value: &Value) -> Result<(), Error> {
    let name = target.attribute.name;
    match (target.part, op) {
        (None, Op::Remove) => {
            place.remove(name);
        }
        (None, _) => match (value_of(target.attribute, value)?, place.get_mut(name)) {
            (None, _) => {
                place.remove(name);
            }
            // Parts that are not said stay (RFC 7644 section 3.5.2.3).
            (Some(Value::Object(new)), Some(Value::Object(old))) => old.extend(new),
            (Some(new), _) => {
                place.insert(name.to_owned(), new);
            }
        },
        (Some(part), op) => {
            let new = if op == Op::Remove { None } else { value_of(part, value)? };
            let whole = place.entry(name).or_insert_with(|| Value::Object(Resource::new()));
            let whole = whole.as_object_mut().ok_or_else(|| Error::value(format!("{name} has no parts.")))?;
            match new {
                Some(new) => whole.insert(part.name.to_owned(), new),
                None => whole.remove(part.name),
            };
            if whole.is_empty() {
                place.remove(name);
            }
        }
    }
    Ok(())
}

/// An attribute with many values.
fn many(all: &mut Vec<Value>, op: Op, target: &Target<'_>, value: &Value) -> Result<(), Error> {
    let attribute = target.attribute;
    if target.filter.is_none() && target.part.is_none() {
        let given = value_of(attribute, value)?;
        let given: Vec<Value> = match given {
            Some(Value::Array(given)) => given,
            _ => Vec::new(),
        };
        match op {
            // Entra ID names the members that go in the value.
            Op::Remove if !given.is_empty() => {
                let gone: std::collections::HashSet<&str> = given.iter().filter_map(key).collect();
                all.retain(|one| key(one).is_none_or(|key| !gone.contains(key)));
            }
            Op::Remove => all.clear(),
            Op::Replace => *all = given,
            Op::Add => {
                let known: std::collections::HashSet<String> = all.iter().map(Value::to_string).collect();
                for new in given.into_iter().filter(|one| !known.contains(&one.to_string())) {
                    if is_primary(&new) {
                        only_primary(all, usize::MAX);
                    }
                    all.push(new);
                }
            }
        }
        return Ok(());
    }
    let mut picked = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let fits = target.filter.map_or(Ok(true), |filter| picks(filter, attribute.parts(), one))?;
        if fits {
            picked.push(at);
        }
    }
    if op == Op::Remove {
        match target.part {
            // What is gone already is gone.
            None => {
                let mut at = 0;
                all.retain(|_| {
                    at += 1;
                    picked.binary_search(&(at - 1)).is_err()
                });
            }
            Some(part) => {
                for at in picked {
                    if let Some(map) = all[at].as_object_mut() {
                        map.remove(part.name);
                    }
                }
                all.retain(|one| !is_nothing(one));
            }
        }
        return Ok(());
    }
    let new = match target.part {
        None => single(attribute, value)?,
        Some(part) => {
            value_of(part, value)?.map(|value| Value::Object(Resource::from_iter([(part.name.to_owned(), value)])))
        }
    };
    let Some(Value::Object(new)) = new else {
        return Err(Error::value(format!("A value for {} is expected.", attribute.name)));
    };
    if picked.is_empty() {
        // A value that the filter describes plainly is made: so Entra ID adds a first work address.
        let Some(said) = target.filter.map_or(Some(Vec::new()), said) else {
            return Err(Error::refused(Fault::NoTarget, "No value fits the filter of the path."));
        };
        let mut made = Resource::new();
        for (name, value) in said {
            if let Some(part) = find(attribute.parts(), &name)
                && let Some(value) = value_of(part, &value)?
            {
                made.insert(part.name.to_owned(), value);
            }
        }
        made.extend(new);
        all.push(Value::Object(made));
        picked.push(all.len() - 1);
    } else {
        for at in &picked {
            let Some(map) = all[*at].as_object_mut() else { continue };
            for (name, value) in &new {
                let once = find(attribute.parts(), name).is_some_and(|part| part.change == Change::Once);
                if once && map.get(name).is_some_and(|old| old != value) {
                    return Err(Error::refused(
                        Fault::Mutability,
                        format!("{name} is said once. Remove the value, and add another."),
                    ));
                }
                map.insert(name.clone(), value.clone());
            }
        }
    }
    if let [at] = picked[..]
        && is_primary(&all[at])
    {
        only_primary(all, at);
    }
    Ok(())
}

/// What tells one value from another.
fn key(value: &Value) -> Option<&str> {
    value.get("value").and_then(Value::as_str)
}

/// Another value is the first one now.
fn only_primary(all: &mut [Value], besides: usize) {
    for (at, one) in all.iter_mut().enumerate() {
        if at != besides && is_primary(one) {
            one["primary"] = false.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ENTERPRISE;

    fn user() -> Resource {
        let body = json!({
            "userName": "ada@example.com", "active": true, "name": {"givenName": "Ada", "familyName": "Sample"},
            "emails": [{"value": "ada@example.com", "type": "work", "primary": true}, {"value": "a@home.example", "type": "home"}],
            ENTERPRISE: {"department": "Night", "manager": {"value": "1"}},
        });
        body.as_object().unwrap().clone()
    }

    fn check(operations: Value, expected: impl Fn(&Value) -> bool) {
        let after = apply(Sort::User, user(), &json!({"Operations": operations}));
        let after = Value::Object(after.unwrap_or_else(|error| panic!("{operations}: {error}")));
        assert!(expected(&after), "{operations}: {after}");
    }

    /// The shapes of learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups, and of its list of
    /// known issues.
    #[test]
    fn operations_of_entra_id_do_what_they_mean() {
        check(json!([{"op": "Replace", "path": "active", "value": "False"}]), |user| user["active"] == false);
        check(json!([{"op": "replace", "value": {"active": false}}]), |user| user["active"] == false);
        check(
            json!([
                {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
                {"op": "Replace", "path": "name.familyName", "value": "Other"},
            ]),
            |user| {
                user["emails"][0]["value"] == "new@example.com"
                    && user["name"] == json!({"givenName": "Ada", "familyName": "Other"})
            },
        );
        check(
            json!([{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+447700900117"}]),
            |user| user["phoneNumbers"] == json!([{"type": "mobile", "value": "+447700900117"}]),
        );
        check(
            json!([{"op": "Replace", "value": {
                "displayName": "Ada S.", "name.givenName": "A.", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Day",
            }}]),
            |user| {
                user["displayName"] == "Ada S."
                    && user["name"]["givenName"] == "A."
                    && user[ENTERPRISE]["department"] == "Day"
            },
        );
        let manager = format!("{ENTERPRISE}:manager");
        check(json!([{"op": "Add", "path": manager, "value": "7"}]), |user| {
            user[ENTERPRISE]["manager"]["value"] == "7"
        });
        check(json!([{"op": "Remove", "path": manager}]), |user| user[ENTERPRISE] == json!({"department": "Night"}));
        let group = json!({"displayName": "Night", "members": [{"value": "1"}, {"value": "2"}, {"value": "3"}]});
        let group = group.as_object().unwrap().clone();
        for (operation, left) in [
            (
                json!({"op": "Remove", "path": "members", "value": [{"value": "2"}]}),
                json!([{"value": "1"}, {"value": "3"}]),
            ),
            (json!({"op": "Remove", "path": "members[value eq \"1\"]"}), json!([{"value": "2"}, {"value": "3"}])),
            (
                json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": "2"}, {"value": "4"}]}),
                json!([
                    {"value": "1"}, {"value": "2"}, {"value": "3"}, {"value": "4"},
                ]),
            ),
            (json!({"op": "replace", "path": "members", "value": []}), Value::Null),
        ] {
            let after = apply(Sort::Group, group.clone(), &json!({"Operations": [operation]})).unwrap();
            assert_eq!(after.get("members").cloned().unwrap_or_default(), left, "{operation}");
        }
    }

    #[test]
    fn values_are_added_changed_and_removed() {
        check(
            json!([{"op": "add", "path": "emails", "value": [{"value": "x@example.com", "primary": true}]}]),
            |user| user["emails"][0]["primary"] == false && user["emails"][2]["primary"] == true,
        );
        check(
            json!([{"op": "replace", "path": "emails[value ew \"home.example\"]", "value": {"primary": true}}]),
            |user| user["emails"][1]["primary"] == true && user["emails"][0]["primary"] == false,
        );
        check(json!([{"op": "remove", "path": "emails[type eq \"home\" and not (primary eq true)]"}]), |user| {
            user["emails"].as_array().unwrap().len() == 1
        });
        check(
            json!([{"op": "remove", "path": "emails"}, {"op": "remove", "path": "name"}, {"op": "remove", "path": ENTERPRISE}]),
            |user| user.get("emails").is_none() && user.get("name").is_none() && user.get(ENTERPRISE).is_none(),
        );
        check(
            json!([{"op": "add", "path": "externalId", "value": "E7"}, {"op": "replace", "value": {"id": "x", "groups": []}}]),
            |user| user["externalId"] == "E7" && user.get("id").is_none(),
        );
    }

    #[test]
    fn what_is_not_allowed_is_refused_in_the_protocols_words() {
        for (operations, word) in [
            (json!([{"op": "remove"}]), "noTarget"),
            (json!([{"op": "remove", "path": "userName"}]), "mutability"),
            (json!([{"op": "replace", "path": "id", "value": "x"}]), "mutability"),
            (json!([{"op": "add", "path": "groups", "value": [{"value": "x"}]}]), "mutability"),
            (json!([{"op": "replace", "path": "meta", "value": {}}]), "mutability"),
            (json!([{"op": "replace", "path": "colour", "value": "red"}]), "invalidPath"),
            (json!([{"op": "replace", "path": "emails[", "value": "x"}]), "invalidPath"),
            (json!([{"op": "replace", "path": "name[givenName eq \"x\"]", "value": "x"}]), "invalidPath"),
            (json!([{"op": "replace", "path": "urn:x:y:department", "value": "x"}]), "invalidPath"),
            (json!([{"op": "replace", "path": "x".repeat(2_000), "value": "x"}]), "invalidPath"),
            (json!([{"op": "replace", "path": "emails[value co \"nobody\"].display", "value": "x"}]), "noTarget"),
            (json!([{"op": "replace", "path": "active", "value": "perhaps"}]), "invalidValue"),
            (json!([{"op": "move", "path": "active", "value": true}]), "invalidSyntax"),
            (json!([]), "tooMany"),
        ] {
            let error = apply(Sort::User, user(), &json!({"Operations": operations})).unwrap_err().to_string();
            assert!(error.starts_with(word), "{operations}: {error}");
        }
    }

    proptest::proptest! {
        /// Whatever path a stranger sends is followed or refused, and nothing breaks.
        #[test]
        fn no_path_breaks_an_operation(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "emails", "name", "active", "members", "[", "]", "type eq \"work\"", "value pr", ".", "value", "givenName", " and ", "not (",
                ")", ENTERPRISE, ":", "manager", "\"", "$ref", "é",
            ]), 0..12),
            op in proptest::sample::select(vec!["add", "Replace", "remove"]),
        ) {
            for value in [json!("x"), json!(true), json!({"value": "x", "primary": true}), json!([{"value": "x"}]), json!([[1]]), Value::Null] {
                let body = json!({"Operations": [{"op": op, "path": words.concat(), "value": value}]});
                let _ = apply(Sort::User, user(), &body);
            }
        }
    }
}
