//! What of a resource an answer shows: `attributes` and `excludedAttributes` (RFC 7644 section 3.9).

use serde_json::Value;

use crate::schema::{Resource, Sort};

/// What an answer always shows.
const ALWAYS: [&str; 2] = ["id", "schemas"];
/// Names that are looked at of one list.
const MOST: usize = 60;

/// What is asked to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    only: Vec<String>,
    without: Vec<String>,
}

fn names(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|one| !one.is_empty()).take(MOST);
    names.map(str::to_ascii_lowercase).collect()
}

impl Shown {
    /// What two lists of names, apart by commas, ask for.
    pub fn of(attributes: &str, excluded: &str) -> Self {
        Self { only: names(attributes), without: names(excluded) }
    }

    /// Whether an attribute of the core is left out, so that nobody need read it.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        if self.only.is_empty() {
            return self.without.contains(&name);
        }
        !self.only.iter().any(|one| one.rsplit(':').next().is_some_and(|one| one.split('.').next() == Some(&name)))
    }

    /// The resource as it is shown.
    pub(crate) fn cut(&self, sort: Sort, resource: Resource) -> Value {
        if self.only.is_empty() && self.without.is_empty() {
            return Value::Object(resource);
        }
        let mut out = Resource::new();
        for (key, value) in resource {
            if ALWAYS.contains(&key.as_str()) {
                out.insert(key, value);
                continue;
            }
            let prefix = if key.starts_with("urn:") { "" } else { sort.core() };
            if let Some(value) = self.part(&key, prefix, value) {
                out.insert(key, value);
            }
        }
        Value::Object(out)
    }

    /// What is left of one attribute.
    fn part(&self, key: &str, urn: &str, value: Value) -> Option<Value> {
        let own = key.to_ascii_lowercase();
        let long = format!("{}:{own}", urn.to_ascii_lowercase());
        let named = |list: &[String]| list.iter().any(|one| *one == own || *one == long);
        let below = |list: &[String]| -> Vec<String> {
            // "name.familyName" of name, and "urn:…:User:department" of that extension.
            let joint = if own.starts_with("urn:") { ':' } else { '.' };
            let rest = list.iter().filter_map(|one| {
                one.strip_prefix(&long).or_else(|| one.strip_prefix(&own)).and_then(|rest| rest.strip_prefix(joint))
            });
            rest.map(str::to_owned).collect()
        };
        if self.only.is_empty() {
            if named(&self.without) {
                return None;
            }
            let gone = below(&self.without);
            return if gone.is_empty() {
                Some(value)
            } else {
                Some(Self { only: Vec::new(), without: gone }.inside(value))
            };
        }
        if named(&self.only) {
            return Some(value);
        }
        let kept = below(&self.only);
        if kept.is_empty() { None } else { Some(Self { only: kept, without: Vec::new() }.inside(value)) }
    }

    fn inside(&self, value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let parts = map.into_iter().filter_map(|(key, value)| Some((key.clone(), self.part(&key, "", value)?)));
                Value::Object(parts.collect())
            }
            Value::Array(all) => all.into_iter().map(|one| self.inside(one)).collect(),
            plain => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ENTERPRISE;

    #[test]
    fn attributes_are_shown_and_left_out_by_name() {
        let user = json!({
            "schemas": ["x"], "id": "1", "userName": "ada", "name": {"givenName": "Ada", "familyName": "Sample"},
            "emails": [{"value": "a", "type": "work"}], ENTERPRISE: {"department": "Night", "division": "A"},
        });
        let cut =
            |only: &str, without: &str| Shown::of(only, without).cut(Sort::User, user.as_object().unwrap().clone());
        assert_eq!(cut("", ""), user);
        assert_eq!(cut("USERNAME", ""), json!({"schemas": ["x"], "id": "1", "userName": "ada"}));
        assert_eq!(
            cut("name.familyName,emails.value", ""),
            json!({"schemas": ["x"], "id": "1", "name": {"familyName": "Sample"}, "emails": [{"value": "a"}]})
        );
        assert_eq!(
            cut(&format!("{ENTERPRISE}:department,{}:userName", Sort::User.core()), ""),
            json!({"schemas": ["x"], "id": "1", "userName": "ada", ENTERPRISE: {"department": "Night"}})
        );
        let left = cut("", &format!("id,schemas,userName,emails.type,{ENTERPRISE}"));
        assert_eq!(
            left,
            json!({"schemas": ["x"], "id": "1", "name": {"givenName": "Ada", "familyName": "Sample"}, "emails": [{"value": "a"}]})
        );
        assert!(Shown::of("", "members").leaves_out("members") && Shown::of("displayName", "").leaves_out("members"));
        assert!(!Shown::of("members.value", "").leaves_out("members") && !Shown::default().leaves_out("members"));
    }
}
