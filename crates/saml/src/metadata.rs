//! Metadata: what a provider publishes about itself, and what we publish about us. A provider's is believed because somebody entered
//! it, or because of the TLS connection over which it came; a signature in it is not looked at.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::xmlsec::PublicKey;
use serde::{Deserialize, Serialize};

use crate::c14n::escaped;
use crate::names::{DSIG, METADATA, POST, PROTOCOL, REDIRECT};
use crate::signature::base64;
use crate::xml::{At, Document, Strictness};
use crate::{Binding, METADATA_BYTES, Refused, time};

/// Certificates of a provider at most.
const CERTIFICATES: usize = 10;
/// Endpoints of a sort at most.
const ENDPOINTS: usize = 10;

/// Where a provider takes messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// How.
    pub binding: Binding,
    /// Where.
    pub url: String,
    /// Where answers go, when elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
}

/// What is known of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who it is.
    pub entity_id: String,
    /// Where it takes requests for a sign-on; redirect first.
    pub sign_in: Vec<Endpoint>,
    /// Where it takes log-outs; redirect first.
    pub sign_out: Vec<Endpoint>,
    /// The certificates (DER in base64) of the keys that it signs with.
    pub certificates: Vec<String>,
}

impl Facts {
    /// The keys that it signs with.
    pub fn keys(&self) -> Vec<PublicKey> {
        let read = |text: &String| PublicKey::of_certificate(&STANDARD.decode(text).ok()?);
        self.certificates.iter().filter_map(read).collect()
    }
}

/// Reads a provider's metadata. `entity_id` says which of several is meant; without it there must be one.
pub fn facts(text: &[u8], entity_id: Option<&str>, now: Timestamp) -> Result<Facts, Refused> {
    let document = Document::read(text, METADATA_BYTES, Strictness::Metadata)?;
    let root = document.root();
    if !root.is(METADATA, "EntityDescriptor") && !root.is(METADATA, "EntitiesDescriptor") {
        return Err(Refused::Metadata("it is no metadata of SAML 2.0"));
    }
    let provides = |at: &At<'_>| at.all(METADATA, "IDPSSODescriptor").next().is_some();
    let mut meant = document
        .elements()
        .filter(|at| at.is(METADATA, "EntityDescriptor"))
        .filter(|at| entity_id.map_or(provides(at), |id| at.attribute("entityID") == Some(id)));
    let at = meant.next().ok_or(Refused::Metadata(match entity_id {
        Some(_) => "it holds no entity with the entity id that is entered here",
        None => "it holds no identity provider",
    }))?;
    if meant.next().is_some() {
        return Err(Refused::Metadata(
            "it holds several identity providers; enter the entity id of the one that is meant",
        ));
    }
    read(at, now)
}

fn read(at: At<'_>, now: Timestamp) -> Result<Facts, Refused> {
    let entity_id = at.attribute("entityID").filter(|id| (1..=1_024).contains(&id.len()));
    let entity_id = entity_id.ok_or(Refused::Metadata("the entity id is missing"))?.to_owned();
    let speaks = |role: &At<'_>| {
        role.attribute("protocolSupportEnumeration")
            .is_some_and(|all| all.split_ascii_whitespace().any(|one| one == PROTOCOL))
    };
    let role = at.all(METADATA, "IDPSSODescriptor").find(speaks);
    let role = role.ok_or(Refused::Metadata("it describes no identity provider that speaks SAML 2.0"))?;
    let mut up = Some(role);
    while let Some(here) = up {
        if let Some(until) = here.attribute("validUntil") {
            time::lasts(time::read(until)?, now).map_err(|_| Refused::Metadata("it ran out (validUntil)"))?;
        }
        up = here.parent();
    }
    let sign_in = endpoints(role, "SingleSignOnService")?;
    if sign_in.is_empty() {
        return Err(Refused::Metadata("it names no place for sign-ons by redirect or POST"));
    }
    let certificates = certificates(role)?;
    if certificates.is_empty() {
        return Err(Refused::Metadata(
            "it has no certificate for signatures with an RSA key of 2048 bits or more, or an ECDSA key",
        ));
    }
    Ok(Facts { entity_id, sign_in, sign_out: endpoints(role, "SingleLogoutService")?, certificates })
}

/// Whether something is an address that browsers are sent to: of https, without a name in it.
pub fn is_address(text: &str) -> bool {
    text.len() <= 1_000
        && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte))
        && !text.contains(['#', '@'])
}

fn endpoints(role: At<'_>, local: &'static str) -> Result<Vec<Endpoint>, Refused> {
    let mut all = Vec::new();
    for at in role.all(METADATA, local) {
        let Some(binding) = at.attribute("Binding").and_then(Binding::parse) else { continue };
        let url = at.attribute("Location").unwrap_or_default();
        let answers = at.attribute("ResponseLocation");
        if !is_address(url) || !answers.is_none_or(is_address) {
            return Err(Refused::Metadata("an address in it is no https:// address"));
        }
        all.push(Endpoint { binding, url: url.to_owned(), answers: answers.map(str::to_owned) });
    }
    all.sort_by_key(|one| one.binding == Binding::Post);
    all.truncate(ENDPOINTS);
    Ok(all)
}

fn certificates(role: At<'_>) -> Result<Vec<String>, Refused> {
    let mut all: Vec<String> = Vec::new();
    for key in role
        .all(METADATA, "KeyDescriptor")
        .filter(|key| key.attribute("use").is_none_or(|purpose| purpose == "signing"))
    {
        let Some(info) = key.one(DSIG, "KeyInfo")? else { continue };
        for data in info.all(DSIG, "X509Data") {
            // The first is the key's; those behind it would be its authorities.
            let Some(at) = data.all(DSIG, "X509Certificate").next() else { continue };
            let der = base64(at.text()?).map_err(|_| Refused::Metadata("a certificate in it is not in base64"))?;
            let text = STANDARD.encode(&der);
            if PublicKey::of_certificate(&der).is_some() && !all.contains(&text) {
                all.push(text);
            }
        }
    }
    all.truncate(CERTIFICATES);
    Ok(all)
}

/// A certificate as people enter it, PEM or its inside alone, as DER in base64; `None` when no key of it can be used.
pub fn certificate(text: &str) -> Option<String> {
    let text = text.trim();
    let inside = match text.strip_prefix("-----BEGIN CERTIFICATE-----") {
        Some(rest) => rest.split_once("-----END CERTIFICATE-----").filter(|(_, after)| after.trim().is_empty())?.0,
        None => text,
    };
    let der = base64(inside).ok()?;
    PublicKey::of_certificate(&der).map(|_| STANDARD.encode(der))
}

/// What we publish about us, for one provider.
#[derive(Debug)]
pub struct Ours<'a> {
    /// Who we are to it.
    pub entity_id: &'a str,
    /// Where answers are posted to.
    pub acs: &'a str,
    /// Where log-outs go.
    pub slo: &'a str,
    /// Certificates (DER) of our keys, the one that signs now first.
    pub certificates: &'a [&'a [u8]],
}

/// Our metadata.
pub fn ours(about: &Ours<'_>) -> String {
    let key = |purpose: &str, methods: &str, der: &&[u8]| {
        format!(
            "<md:KeyDescriptor use=\"{purpose}\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate>\
             </ds:X509Data></ds:KeyInfo>{methods}</md:KeyDescriptor>",
            STANDARD.encode(der)
        )
    };
    let signing = about.certificates.iter().map(|der| key("signing", "", der));
    let keys: String = signing.chain(about.certificates.iter().map(|der| key("encryption", METHODS, der))).collect();
    let slo = [REDIRECT, POST]
        .map(|binding| format!("<md:SingleLogoutService Binding=\"{binding}\" Location=\"{}\"/>", escaped(about.slo)))
        .concat();
    let formats = ["2.0:nameid-format:persistent", "1.1:nameid-format:emailAddress", "1.1:nameid-format:unspecified"]
        .map(|format| format!("<md:NameIDFormat>urn:oasis:names:tc:SAML:{format}</md:NameIDFormat>"))
        .concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" xmlns:ds=\"{DSIG}\" \
         entityID=\"{}\"><md:SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" \
         protocolSupportEnumeration=\"{PROTOCOL}\">{keys}{slo}{formats}<md:AssertionConsumerService Binding=\"{POST}\" \
         Location=\"{}\" index=\"0\" isDefault=\"true\"/></md:SPSSODescriptor></md:EntityDescriptor>\n",
        escaped(about.entity_id),
        escaped(about.acs),
    )
}

/// What may be encrypted to us, the best first.
const METHODS: &str = "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/>\
    <md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/>\
    <md:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_browsers_are_sent_to_are_of_https() {
        for good in ["https://login.example.com/saml", "https://a.example/x?y=z&w=1"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "http://a.example/",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://u@a",
            "https://a b",
            "https://a\"b",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
