//! What the attributes of a provider come to: the same word about a person as any protocol's.

use base::SecretString;
use saml::Refused;
use serde_json::json;

use super::settings::SamlBody;
use crate::{Assertion, Error};

/// The usual names of attributes, as Entra ID, AD FS, Okta, Keycloak and Shibboleth send them.
const MAIL: &[&str] = &[
    "email",
    "mail",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "emailAddress",
];
const NAME: &[&str] = &[
    "displayName",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "cn",
    "urn:oid:2.5.4.3",
    "http://schemas.xmlsoap.org/claims/CommonName",
    "name",
];
const GIVEN: &[&str] =
    &["givenName", "firstName", "urn:oid:2.5.4.42", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"];
const FAMILY: &[&str] =
    &["sn", "surname", "lastName", "urn:oid:2.5.4.4", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"];
const GROUPS: &[&str] =
    &["http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", "http://schemas.xmlsoap.org/claims/Group"];
const MAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// What a provider's word comes to, whichever protocol it speaks.
pub(crate) fn translated(said: &saml::Assertion, settings: &SamlBody, groups_claim: &str) -> Result<Assertion, Error> {
    let subject = match &settings.subject_attribute {
        Some(name) => {
            let values = said.values(name);
            let [value] = values.as_slice() else {
                return Err(Refused::Subject(
                    "the attribute that says who somebody is is missing, or has several values",
                )
                .into());
            };
            if !(1..=255).contains(&value.len()) || value.chars().any(char::is_control) {
                return Err(Refused::Subject("the attribute that says who somebody is has 1 to 255 characters").into());
            }
            (*value).to_owned()
        }
        None if said.subject.is_transient() => {
            return Err(Refused::Subject(
                "its NameID is transient, another one each time; have it send a persistent one",
            )
            .into());
        }
        None => said.subject.value.clone(),
    };
    let named = |own: &Option<String>, usual: &[&str]| match own {
        Some(own) => said.first(&[own.as_str()]).map(str::to_owned),
        None => said.first(usual).map(str::to_owned),
    };
    let mail = named(&settings.mail_attribute, MAIL)
        .or_else(|| (said.subject.format.as_deref() == Some(MAIL_FORMAT)).then(|| said.subject.value.clone()));
    let groups = match said.values(groups_claim) {
        found if found.is_empty() && groups_claim == "groups" => {
            GROUPS.iter().flat_map(|name| said.values(name)).collect()
        }
        found => found,
    };
    let find = |claim: &str| match claim {
        "email" => mail.clone().map(|mail| json!(mail)),
        "name" => named(&settings.name_attribute, NAME).map(|name| json!(name)),
        "given_name" => said.first(GIVEN).map(|name| json!(name)),
        "family_name" => said.first(FAMILY).map(|name| json!(name)),
        "groups" => Some(json!(groups)),
        _ => None,
    };
    let plain = Assertion::of_claims(&subject, "groups", find);
    let hint = serde_json::to_string(&said.subject).ok().map(SecretString::from);
    Ok(Assertion { proven_at: Some(said.authenticated_at), session: said.session.clone(), hint, ..plain })
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use saml::{Attribute, NameId};

    use super::*;

    fn said(format: &str, attributes: &[(&str, &[&str])]) -> saml::Assertion {
        saml::Assertion {
            id: "_a".into(),
            good_until: Timestamp::default(),
            answers: None,
            subject: NameId {
                value: "bea@example.com".into(),
                format: Some(format.into()),
                qualifier: None,
                for_us: None,
            },
            session: Some("_s".into()),
            authenticated_at: Timestamp::default(),
            attributes: attributes
                .iter()
                .map(|(name, values)| Attribute {
                    name: (*name).to_owned(),
                    friendly: None,
                    values: values.iter().map(|&value| value.to_owned()).collect(),
                })
                .collect(),
        }
    }

    #[test]
    fn words_of_every_provider_come_to_the_same() {
        let entra = said(
            "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            &[
                ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", &["bea@example.com"]),
                ("http://schemas.microsoft.com/identity/claims/displayname", &["Bea Sample"]),
                ("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", &["one", "two"]),
            ],
        );
        let okta =
            said(MAIL_FORMAT, &[("firstName", &["Bea"]), ("lastName", &["Sample"]), ("groups", &["one", "two"])]);
        for (name, one) in [("entra", entra), ("okta", okta)] {
            let said = translated(&one, &SamlBody::default(), "groups").unwrap();
            assert_eq!(said.address.as_deref(), Some("bea@example.com"), "{name}");
            assert_eq!(said.name.as_deref(), Some("Bea Sample"), "{name}");
            assert_eq!(
                (said.groups.as_slice(), said.session.as_deref()),
                (&["one".to_owned(), "two".into()][..], Some("_s"))
            );
        }
    }

    #[test]
    fn who_cannot_be_known_again_is_nobody() {
        let transient =
            said("urn:oasis:names:tc:SAML:2.0:nameid-format:transient", &[("uid", &["bea"]), ("two", &["a", "b"])]);
        let of = |attribute: Option<&str>| {
            let settings = SamlBody { subject_attribute: attribute.map(str::to_owned), ..SamlBody::default() };
            translated(&transient, &settings, "groups").map(|said| said.subject)
        };
        assert!(of(None).unwrap_err().to_string().contains("transient"));
        assert_eq!(of(Some("uid")).unwrap(), "bea");
        assert!(of(Some("two")).is_err() && of(Some("absent")).is_err());
    }
}
