//! An encrypted assertion (XML Encryption): opened with a key of ours, and read where it stood, so that prefixes mean what they
//! meant there.

use crypto::xmlsec::{Content, OwnKey, Transport};

use crate::Refused;
use crate::names::{DSIG, XENC, XENC11};
use crate::signature::base64;
use crate::xml::{At, Document, Strictness};

/// Keys that one message may be encrypted with: one for each who may read it.
const KEYS: usize = 10;

/// The document inside `EncryptedAssertion`. `covered` says whether a signature over the response has proven the encrypted bytes.
pub(crate) fn opened(at: At<'_>, ours: &[OwnKey], covered: bool) -> Result<Document, Refused> {
    let data = at.one(XENC, "EncryptedData")?.ok_or(Refused::Structure("EncryptedData is missing"))?;
    let address = method(data)?;
    let content = Content::parse(address).ok_or(match address {
        _ if address.contains("tripledes") => Refused::Encryption("triple DES"),
        _ => Refused::Encryption("an unknown cipher"),
    })?;
    if !content.is_authenticated() && !covered {
        return Err(Refused::UnsignedCbc);
    }
    let key = session_key(at, data, ours)?;
    let plain = content.open(&key, &cipher(data)?).ok_or(Refused::Undecipherable)?;
    Document::read_within(&plain, crate::MESSAGE_BYTES, Strictness::Message, at.scope())
}

/// The key of the message, out of one of the keys that it is wrapped with: in `KeyInfo`, or beside the data.
fn session_key(at: At<'_>, data: At<'_>, ours: &[OwnKey]) -> Result<zeroize::Zeroizing<Vec<u8>>, Refused> {
    let within = data.one(DSIG, "KeyInfo")?;
    let wrapped = within.into_iter().flat_map(|info| info.all(XENC, "EncryptedKey"));
    let wrapped: Vec<At<'_>> = wrapped.chain(at.all(XENC, "EncryptedKey")).take(KEYS).collect();
    if wrapped.is_empty() {
        return Err(Refused::Encryption("a key that the message does not bring"));
    }
    let mut refusal = Refused::Undecipherable;
    for one in wrapped {
        match transport(one) {
            Ok(transport) => {
                let sealed = cipher(one)?;
                if let Some(key) = ours.iter().find_map(|key| key.unwrap(transport, &sealed)) {
                    return Ok(key);
                }
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn method(of: At<'_>) -> Result<&str, Refused> {
    let method = of.one(XENC, "EncryptionMethod")?.and_then(|method| method.attribute("Algorithm"));
    method.ok_or(Refused::Encryption("a cipher that it does not name"))
}

fn transport(key: At<'_>) -> Result<Transport, Refused> {
    let other = Refused::Encryption("RSA-OAEP of two different digests, or with parameters");
    let method = key.one(XENC, "EncryptionMethod")?.ok_or(other.clone())?;
    if method.one(XENC, "OAEPparams")?.is_some() {
        return Err(other);
    }
    let digest = method.one(DSIG, "DigestMethod")?.and_then(|digest| digest.attribute("Algorithm"));
    let digest = digest.unwrap_or("http://www.w3.org/2000/09/xmldsig#sha1");
    let mask = match method.attribute("Algorithm") {
        Some("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p") => "http://www.w3.org/2009/xmlenc11#mgf1sha1",
        Some("http://www.w3.org/2009/xmlenc11#rsa-oaep") => {
            let mask = method.one(XENC11, "MGF")?.and_then(|mask| mask.attribute("Algorithm"));
            mask.unwrap_or("http://www.w3.org/2009/xmlenc11#mgf1sha1")
        }
        Some("http://www.w3.org/2001/04/xmlenc#rsa-1_5") => return Err(Refused::Encryption("RSA with PKCS #1 v1.5")),
        _ => return Err(Refused::Encryption("an unknown way to wrap its key")),
    };
    match (digest, mask.rsplit('#').next().unwrap_or_default()) {
        ("http://www.w3.org/2000/09/xmldsig#sha1", "mgf1sha1") => Ok(Transport::OaepSha1),
        ("http://www.w3.org/2001/04/xmlenc#sha256", "mgf1sha256") => Ok(Transport::OaepSha256),
        ("http://www.w3.org/2001/04/xmldsig-more#sha384", "mgf1sha384") => Ok(Transport::OaepSha384),
        ("http://www.w3.org/2001/04/xmlenc#sha512", "mgf1sha512") => Ok(Transport::OaepSha512),
        _ => Err(other),
    }
}

fn cipher(of: At<'_>) -> Result<Vec<u8>, Refused> {
    let data = of.one(XENC, "CipherData")?.ok_or(Refused::Structure("CipherData is missing"))?;
    let value = data.one(XENC, "CipherValue")?.ok_or(Refused::Encryption("data that lie elsewhere"))?;
    base64(value.text()?)
}
