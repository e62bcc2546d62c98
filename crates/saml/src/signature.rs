//! Whether an element is signed, and by whom (XML Signature, the profile of SAML core section 5.4): a signature directly in the
//! element, over that element and nothing else, with two transforms and no other. Keys come from what was configured; what the
//! message says about keys only serves to explain a refusal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::xmlsec::{Digest, OUR_DIGEST, OURS, OwnKey, PublicKey, Signature};

use crate::Refused;
use crate::c14n::exclusive;
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE};
use crate::xml::{At, Document, Strictness, is_space};

/// Prefixes that are read of `InclusiveNamespaces`.
const PREFIXES: usize = 50;

/// Refuses signatures that stand anywhere but directly in one of `places`.
pub(crate) fn only_in(document: &Document, places: &[usize]) -> Result<(), Refused> {
    let astray = document.elements().filter(|at| at.is(DSIG, "Signature")).any(|at| {
        let parent = at.parent().map(|parent| parent.index);
        !parent.is_some_and(|parent| places.contains(&parent))
    });
    if astray { Err(Refused::SignaturePlace) } else { Ok(()) }
}

/// Whether `of` is signed. A signature that is there holds, or this fails.
pub(crate) fn verify(of: At<'_>, keys: &[PublicKey]) -> Result<bool, Refused> {
    let mut found = of.all(DSIG, "Signature");
    let Some(signature) = found.next() else { return Ok(false) };
    if found.next().is_some() {
        return Err(Refused::SignatureShape("there are two in one element"));
    }
    let (info, value) = parts(signature)?;
    let [canonicalization, method, reference] =
        children(info, ["CanonicalizationMethod", "SignatureMethod", "Reference"])?;
    if algorithm(canonicalization)? != EXCLUSIVE {
        return Err(Refused::Transforms);
    }
    let (digest, expected, inclusive) = referred(of, reference)?;
    if method.children().next().is_some() {
        return Err(Refused::SignatureShape("its method has parameters"));
    }
    let method = believed(algorithm(method)?)?;
    let signed = exclusive(info, None, &inclusive_in(canonicalization)?);
    let value = base64(value.text()?)?;
    if !keys.iter().any(|key| key.verifies(method, signed.as_bytes(), &value)) {
        return Err(if is_stranger(signature, keys) { Refused::Stranger } else { Refused::Signature });
    }
    let content = exclusive(of, Some(signature.index), &inclusive);
    if crypto::constant_time_eq(&digest.of(content.as_bytes()), &expected) { Ok(true) } else { Err(Refused::Digest) }
}

/// `SignedInfo` and `SignatureValue`; besides them only `KeyInfo`, never an `Object`.
fn parts(signature: At<'_>) -> Result<(At<'_>, At<'_>), Refused> {
    let odd = Refused::SignatureShape("it consists of other parts than it should");
    let all: Vec<At<'_>> = signature.children().collect();
    match all.as_slice() {
        [info, value] if info.is(DSIG, "SignedInfo") && value.is(DSIG, "SignatureValue") => Ok((*info, *value)),
        [info, value, key]
            if info.is(DSIG, "SignedInfo") && value.is(DSIG, "SignatureValue") && key.is(DSIG, "KeyInfo") =>
        {
            Ok((*info, *value))
        }
        _ => Err(odd),
    }
}

fn children<'a>(info: At<'a>, names: [&'static str; 3]) -> Result<[At<'a>; 3], Refused> {
    if info.all(DSIG, "Reference").count() != 1 {
        return Err(Refused::References);
    }
    let all: Vec<At<'_>> = info.children().collect();
    let all: [At<'_>; 3] =
        all.try_into().map_err(|_| Refused::SignatureShape("what is signed consists of other parts than it should"))?;
    if all.iter().zip(names).all(|(at, name)| at.is(DSIG, name)) {
        Ok(all)
    } else {
        Err(Refused::SignatureShape("what is signed consists of other parts than it should"))
    }
}

fn algorithm(at: At<'_>) -> Result<&str, Refused> {
    at.attribute("Algorithm").ok_or(Refused::SignatureShape("an algorithm is not named"))
}

/// The reference: it names the element itself, by exactly two transforms.
fn referred(of: At<'_>, reference: At<'_>) -> Result<(Digest, Vec<u8>, Vec<String>), Refused> {
    let own = of.attribute("ID").filter(|id| !id.is_empty()).ok_or(Refused::Reference)?;
    if reference.attribute("URI").and_then(|address| address.strip_prefix('#')) != Some(own) {
        return Err(Refused::Reference);
    }
    let all: Vec<At<'_>> = reference.children().collect();
    let [transforms, method, value] = all.as_slice() else {
        return Err(Refused::Transforms);
    };
    if !(transforms.is(DSIG, "Transforms") && method.is(DSIG, "DigestMethod") && value.is(DSIG, "DigestValue")) {
        return Err(Refused::SignatureShape("its reference consists of other parts than it should"));
    }
    let steps: Vec<At<'_>> = transforms.children().collect();
    let [enveloped, canonical] = steps.as_slice() else { return Err(Refused::Transforms) };
    if !enveloped.is(DSIG, "Transform") || !canonical.is(DSIG, "Transform") || enveloped.children().next().is_some() {
        return Err(Refused::Transforms);
    }
    if algorithm(*enveloped)? != ENVELOPED || algorithm(*canonical)? != EXCLUSIVE {
        return Err(Refused::Transforms);
    }
    if method.children().next().is_some() {
        return Err(Refused::Transforms);
    }
    let digest = Digest::parse(algorithm(*method)?).ok_or(Refused::Algorithm("a weak digest, such as SHA-1"))?;
    Ok((digest, base64(value.text()?)?, inclusive_in(*canonical)?))
}

/// The prefixes of `InclusiveNamespaces`, the one parameter that exclusive canonicalization has, each once. Nothing stands in it:
/// what is signed is written out before anybody knows who wrote it, so it consists of a handful of elements.
fn inclusive_in(at: At<'_>) -> Result<Vec<String>, Refused> {
    let mut all = at.children();
    let Some(parameter) = all.next() else { return Ok(Vec::new()) };
    if !parameter.is(EXCLUSIVE, "InclusiveNamespaces") || parameter.children().next().is_some() || all.next().is_some()
    {
        return Err(Refused::Transforms);
    }
    let mut list: Vec<String> = Vec::new();
    for prefix in parameter.attribute("PrefixList").unwrap_or_default().split_ascii_whitespace() {
        let prefix = if prefix == "#default" { "" } else { prefix };
        if list.len() < PREFIXES && !list.iter().any(|known| known == prefix) {
            list.push(prefix.to_owned());
        }
    }
    Ok(list)
}

/// The algorithm of an address, or which weak one it is.
pub(crate) fn believed(address: &str) -> Result<Signature, Refused> {
    Signature::parse(address).ok_or_else(|| {
        Refused::Algorithm(match address {
            _ if address.contains("hmac") => "a shared secret (HMAC)",
            _ if address.contains("sha1") => "SHA-1",
            _ if address.contains("md5") => "MD5",
            _ => "an unknown algorithm",
        })
    })
}

/// Base64 as XML holds it: with white space in it, and otherwise to the letter.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, Refused> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !is_space(*byte)).collect();
    STANDARD.decode(packed).map_err(|_| Refused::Base64)
}

/// Whether the message names a certificate, and it is none of ours for this provider.
fn is_stranger(signature: At<'_>, keys: &[PublicKey]) -> bool {
    let named = signature.document.elements().find(|at| {
        at.is(DSIG, "X509Certificate") && {
            let mut up = at.parent();
            while let Some(here) = up.filter(|here| here.index != signature.index) {
                up = here.parent();
            }
            up.is_some()
        }
    });
    let certificate = named.and_then(|at| base64(at.text().ok()?).ok());
    certificate.is_some_and(|der| {
        let print = crypto::tls::fingerprint(&der);
        !keys.iter().any(|key| key.fingerprint == print)
    })
}

/// Signs a message of ours: `text` with a signature right after its issuer, over the element with the identifier `id`, which is its
/// root.
pub(crate) fn signed(text: &str, id: &str, key: &OwnKey) -> Result<String, Refused> {
    let document = Document::read(text.as_bytes(), crate::MESSAGE_BYTES, Strictness::Message)?;
    let digest = STANDARD.encode(Digest::Sha256.of(exclusive(document.root(), None, &[]).as_bytes()));
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\"><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{OURS}\"></ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform><ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>\
         </ds:Transforms><ds:DigestMethod Algorithm=\"{OUR_DIGEST}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo>"
    );
    let value = STANDARD.encode(key.sign(info.as_bytes()).map_err(|_| Refused::Ours)?);
    let certificate = STANDARD.encode(key.certificate());
    let signature = format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>\
         <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    );
    let issuer = "</saml:Issuer>";
    let (before, after) = text.split_once(issuer).ok_or(Refused::Ours)?;
    Ok(format!("{before}{issuer}{signature}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_11_a_prefix_counts_once() {
        let list = |prefixes: &str| {
            let text = format!(
                "<a><e:InclusiveNamespaces xmlns:e=\"{EXCLUSIVE}\" PrefixList=\"{prefixes}\"></e:InclusiveNamespaces></a>"
            );
            let document = Document::read(text.as_bytes(), 100_000, Strictness::Message).unwrap();
            inclusive_in(document.root()).unwrap()
        };
        assert_eq!(list(&format!("{}#default x", "saml ".repeat(500))), ["saml", "", "x"]);
        assert_eq!(list(&(0..500).map(|at| format!("n{at}")).collect::<Vec<_>>().join(" ")).len(), PREFIXES);
        assert!(list("").is_empty());
    }
}
