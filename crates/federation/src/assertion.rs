//! What a provider says about a person, whichever protocol it speaks. Everything after it is the same for all of them.

use std::fmt;

use base::{ResourceId, SecretString, Timestamp};
use identity::Vouched;

/// Groups that are read at most; a person of more is one whose provider should send fewer.
const GROUPS: usize = 500;

/// A provider's word about a person, proven by the protocol's own means.
#[derive(Clone, Default)]
pub struct Assertion {
    /// Who they are there: unique with the issuer, and never given to somebody else.
    pub subject: String,
    /// What others call them, if the provider says so.
    pub name: Option<String>,
    /// Their address, if the provider says so and does not say that it is unproven.
    pub address: Option<String>,
    /// Their time zone, if the provider says so.
    pub time_zone: Option<String>,
    /// The groups that they are in.
    pub groups: Vec<String>,
    /// When they proved themselves there (`auth_time`, `AuthnInstant`), if the provider says so. Without it their word is fresh
    /// for nothing: what is risky asks anew.
    pub proven_at: Option<Timestamp>,
    /// What the provider calls its session with them (`sid`, `SessionIndex`), if it says so.
    pub session: Option<String>,
    /// What the provider wants to see when they sign out there (`id_token_hint`).
    pub hint: Option<SecretString>,
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("groups", &self.groups.len()).finish_non_exhaustive()
    }
}

impl Assertion {
    /// Reads the claims of an identity token, with those of the user info endpoint where it lacks them.
    pub(crate) fn of_claims(
        subject: &str,
        groups_claim: &str,
        find: impl Fn(&str) -> Option<serde_json::Value>,
    ) -> Self {
        let text = |name: &str| {
            let value = find(name)?;
            let text: String = value.as_str()?.trim().chars().filter(|c| !c.is_control()).take(254).collect();
            (!text.is_empty()).then_some(text)
        };
        let name = text("name").or_else(|| {
            let parts: Vec<String> = ["given_name", "family_name"].into_iter().filter_map(&text).collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        });
        // Some write "false" and some false.
        let unproven = find("email_verified").is_some_and(|value| value == false || value == "false");
        let groups = match find(groups_claim) {
            Some(serde_json::Value::String(one)) => vec![one],
            Some(serde_json::Value::Array(many)) => {
                many.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).take(GROUPS).collect()
            }
            _ => Vec::new(),
        };
        Self {
            subject: subject.to_owned(),
            name: name.map(|name| name.chars().take(120).collect::<String>().trim().to_owned()),
            address: text("email").filter(|_| !unproven),
            time_zone: text("zoneinfo"),
            groups,
            proven_at: None,
            session: None,
            hint: None,
        }
    }

    /// What is kept of it with a session, so that either side can end what the other began.
    pub(crate) fn vouched(&self, provider: ResourceId) -> Vouched {
        Vouched {
            provider,
            subject: self.subject.clone(),
            session: self.session.clone().unwrap_or_default(),
            hint: self.hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(claims: &Value) -> Assertion {
        Assertion::of_claims("s", "groups", |name| claims.get(name).cloned())
    }

    #[test]
    fn claims_are_read_as_providers_write_them() {
        let all = json!({ "name": " Ada Sample ", "email": "ada@example.com", "groups": ["a", 1, "b"], "zoneinfo": "Europe/Zurich" });
        let said = read(&all);
        assert_eq!((said.name.as_deref(), said.address.as_deref()), (Some("Ada Sample"), Some("ada@example.com")));
        assert_eq!(
            (said.groups.as_slice(), said.time_zone.as_deref()),
            (&["a".to_owned(), "b".to_owned()][..], Some("Europe/Zurich"))
        );
        let parts = read(&json!({ "given_name": "Ada", "family_name": "Sample", "groups": "one" }));
        assert_eq!((parts.name.as_deref(), parts.groups.len()), (Some("Ada Sample"), 1));
        for unproven in [json!(false), json!("false")] {
            assert_eq!(read(&json!({ "email": "boss@example.com", "email_verified": unproven })).address, None);
        }
        let odd = read(&json!({ "name": 1, "email": ["a"], "groups": { "a": true } }));
        assert_eq!((odd.name, odd.address, odd.groups.len()), (None, None, 0));
        assert!(!format!("{said:?}").contains("Ada"));
    }
}
