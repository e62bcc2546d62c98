//! What people configure of a provider that speaks SAML.

use base::Timestamp;
use resources::{Check, Class, Error, Field, Shape};
use saml::{Binding, Endpoint, Facts};
use serde::{Deserialize, Serialize};

use super::{SAML, state};
use crate::kind::ProviderBody;
use crate::{links, rows};

/// Bytes of metadata at most that are entered as a text.
const PASTED: usize = 512 * 1024;

/// The fields below `saml`.
pub(crate) const FIELDS: &[Field] = &[
    Field::new("metadata", Class::Internal, Shape::Text)
        .about("the provider's metadata (XML). Or metadata_url; or sign_in_url and certificates"),
    Field::new("metadata_url", Class::Internal, Shape::Text)
        .about("where the provider publishes its metadata: fetched anew every six hours, and when a certificate is not known"),
    Field::new("sign_in_url", Class::Internal, Shape::Text).about("where people are sent to sign in (HTTP-Redirect)"),
    Field::new("sign_out_url", Class::Internal, Shape::Text)
        .about("where people are sent to sign out (HTTP-Redirect); none when left out"),
    Field::new("certificates", Class::Internal, Shape::List(&Shape::Text))
        .about("certificates (PEM) of the keys that the provider signs with; several while it changes them"),
    Field::new("subject_attribute", Class::Internal, Shape::Text)
        .about("the attribute that says who somebody is, for ever and alone; the NameID when left out"),
    Field::new("mail_attribute", Class::Internal, Shape::Text)
        .about("the attribute with a person's e-mail address; the usual names are tried when left out"),
    Field::new("name_attribute", Class::Internal, Shape::Text)
        .about("the attribute with a person's name; the usual names are tried when left out"),
    Field::new("want_encrypted", Class::Internal, Shape::Boolean)
        .about("whether assertions that are not encrypted are refused; false when left out"),
    Field::new("allow_unsolicited", Class::Internal, Shape::Boolean).about(
        "whether the provider may begin sign-ons by itself; false when left out. Then a stranger can sign a person in as somebody \
         else without their noticing, by an answer of the stranger's own",
    ),
];

/// What is configured below `saml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamlBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sign_in_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sign_out_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) certificates: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject_attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mail_attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_attribute: Option<String>,
    pub(crate) want_encrypted: bool,
    pub(crate) allow_unsolicited: bool,
}

impl SamlBody {
    /// What is known of the provider without asking it: by what was entered. `None` where it is fetched.
    pub(crate) fn facts(&self, issuer: &str, now: Timestamp) -> Option<Result<Facts, saml::Refused>> {
        if self.metadata_url.is_some() {
            return None;
        }
        if let Some(metadata) = &self.metadata {
            return Some(saml::facts(metadata.as_bytes(), Some(issuer), now));
        }
        let endpoint = |url: &String| Endpoint { binding: Binding::Redirect, url: url.clone(), answers: None };
        Some(Ok(Facts {
            entity_id: issuer.to_owned(),
            sign_in: self.sign_in_url.iter().map(endpoint).collect(),
            sign_out: self.sign_out_url.iter().map(endpoint).collect(),
            certificates: self.certificates.iter().filter_map(|text| saml::certificate(text)).collect(),
        }))
    }

    /// By what it is believed: who changes this could be anybody whom the provider knows.
    fn trust(&self) -> (&Option<String>, &Option<String>, &Vec<String>, &Option<String>) {
        (&self.metadata, &self.metadata_url, &self.certificates, &self.subject_attribute)
    }
}

/// Whether what a provider is believed by is what is stored.
pub(crate) fn same(tx: &mut store::Tx<'_>, id: base::ResourceId, body: &ProviderBody) -> Result<bool, store::Error> {
    let stored = state::settings(tx, id)?;
    Ok(match (&stored, &body.saml) {
        (None, None) => true,
        (Some(stored), Some(new)) => stored.trust() == new.trust(),
        _ => false,
    })
}

/// Whether the metadata that stands in `body` was entered before, for the same issuer. It was good then; that its time is over
/// since is no reason against other changes, least of all against switching the provider off.
pub(crate) fn entered(tx: &mut store::Tx<'_>, id: base::ResourceId, body: &ProviderBody) -> Result<bool, store::Error> {
    let stored =
        state::known(tx, id)?.filter(|known| known.facts.as_ref().is_some_and(|facts| facts.entity_id == body.issuer));
    let now = body.saml.as_ref().and_then(|of| of.metadata.as_ref());
    Ok(now.is_some() && stored.is_some_and(|known| known.settings.metadata.as_ref() == now))
}

/// Checks what is configured below `saml`, of a provider whose kind is that.
pub(crate) fn check(body: &ProviderBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
    let missing = SamlBody::default();
    let of = body.saml.as_ref().unwrap_or(&missing);
    let plain = |byte: u8| byte.is_ascii_graphic();
    if !(1..=500).contains(&body.issuer.len()) || !body.issuer.bytes().all(plain) {
        check.problem(
            "issuer",
            "bad-issuer",
            "the provider's entity id is expected, exactly as its metadata writes it",
        );
    }
    sources(of, check);
    let (id, now) = (check.id(), check.now());
    if let Some(metadata) = &of.metadata {
        if metadata.len() > PASTED {
            check.problem(
                "saml.metadata",
                "too-long",
                "metadata of at most 512 KiB is read; longer ones by metadata_url",
            );
        } else if !entered(check.tx(), id, body)?
            && let Some(Err(error)) = of.facts(&body.issuer, now)
        {
            check.problem("saml.metadata", "bad-metadata", format!("{error}."));
        }
    }
    for (path, url) in [
        ("saml.metadata_url", &of.metadata_url),
        ("saml.sign_in_url", &of.sign_in_url),
        ("saml.sign_out_url", &of.sign_out_url),
    ] {
        if url.as_ref().is_some_and(|url| !saml::is_address(url)) {
            check.problem(path, "bad-address", "an https:// address is expected");
        }
    }
    if of.certificates.len() > 10 {
        check.problem("saml.certificates", "too-many", "at most 10 certificates are read");
    }
    for (at, text) in of.certificates.iter().enumerate().take(10) {
        if saml::certificate(text).is_none() {
            check.problem(
                format!("saml.certificates[{at}]"),
                "bad-certificate",
                "a certificate (PEM) with an RSA key of 2048 bits or more, or an ECDSA key of P-256, P-384 or P-521 is expected",
            );
        }
    }
    for (path, name) in [
        ("saml.subject_attribute", &of.subject_attribute),
        ("saml.mail_attribute", &of.mail_attribute),
        ("saml.name_attribute", &of.name_attribute),
    ] {
        if name.as_ref().is_some_and(|name| !(1..=255).contains(&name.len()) || name.chars().any(char::is_control)) {
            check.problem(path, "bad-attribute", "the name of an attribute has 1 to 255 characters");
        }
    }
    Ok(())
}

/// Exactly one way to know the provider.
fn sources(of: &SamlBody, check: &mut Check<'_, '_>) {
    let by_hand = of.sign_in_url.is_some() || of.sign_out_url.is_some() || !of.certificates.is_empty();
    match (of.metadata.is_some(), of.metadata_url.is_some(), by_hand) {
        (true, false, false) | (false, true, false) => {}
        (false, false, true) => {
            if of.sign_in_url.is_none() {
                check.problem(
                    "saml.sign_in_url",
                    "missing",
                    "without metadata, the address for signing in is expected",
                );
            }
            if of.certificates.is_empty() {
                check.problem("saml.certificates", "missing", "without metadata, a certificate is expected");
            }
        }
        (false, false, false) => {
            check.problem(
                "saml.metadata",
                "missing",
                "the provider's metadata is expected: as a text, or the address of it",
            );
        }
        _ => {
            check.problem(
                "saml.metadata",
                "several",
                "metadata, its address, and addresses with certificates say the same thing; leave all but one out",
            );
        }
    }
}

/// Whoever says which certificate is believed, by which authority its addresses are, or which protocol is spoken, can be everybody
/// whom the provider knows here, so they must hold what those hold. Of either protocol: the people stay while the issuer does.
pub(crate) fn impersonation(body: &ProviderBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
    let own = check.id();
    let Some(stored) = rows::by_id(check.tx(), own)?.filter(|stored| stored.issuer == body.issuer) else {
        return Ok(());
    };
    let field = if stored.kind != body.kind {
        "kind"
    } else if stored.authority != body.tls_ca {
        "tls_ca"
    } else if stored.client_id != body.client_id {
        "client_id"
    } else if same(check.tx(), own, body)? {
        return Ok(());
    } else {
        SAML
    };
    for user in links::people(check.tx(), own)? {
        let held = access::roles_of(check.tx(), user)?;
        for one in held {
            let mut given = one.role.capabilities();
            if one.scope != access::Scope::Organisation {
                given = given.without(access::organisation_only());
            }
            if let Some(first) = check.beyond(given).iter().next() {
                let words = format!(
                    "whoever changes what this provider is believed by could sign in as anybody of this provider, and one of \
                     them holds {first}, which you do not hold yourself"
                );
                check.problem(field, "beyond-your-rights", words);
                return Ok(());
            }
        }
    }
    Ok(())
}
