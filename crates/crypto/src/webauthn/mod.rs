//! Passkeys (W3C Web Authentication, level 3): what an authenticator answers, checked step by step as its sections 7.1 and 7.2
//! want it. Two algorithms, ES256 and EdDSA; attestation is not asked for, so that nobody's device is identified.
//!
//! Our own rather than a library: [ADR 11](../../../../docs/adr/0011-own-passkey-verifier.md).

mod cbor;
mod key;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;

use crate::{Error, constant_time_eq, sha256};

pub use key::{Algorithm, PublicKey};

/// Bytes of an answer at most: that of an authenticator without attestation has a few hundred.
const LONGEST: usize = 16 * 1024;
/// Bytes of a credential's id at most (the standard's own limit).
const LONGEST_ID: usize = 1023;

/// Where answers must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The host name that passkeys are bound to.
    pub id: String,
    /// The origin of its pages, `https://host:port`.
    pub origin: String,
}

/// What an answer is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The site.
    pub site: &'a Site,
    /// The challenge that was given.
    pub challenge: &'a [u8],
    /// Whether the authenticator must have verified the person, by a PIN, a finger or a face.
    pub verified: bool,
}

/// A passkey that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its id, chosen by the authenticator.
    pub id: Vec<u8>,
    /// Its public key.
    pub key: PublicKey,
    /// How often it has signed; 0 where the authenticator does not count.
    pub count: u32,
    /// Whether the person was verified.
    pub verified: bool,
    /// Whether it is kept in more than one place, as synchronised passkeys are.
    pub backed_up: bool,
}

/// A use of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// How often it has signed.
    pub count: u32,
    /// Whether the person was verified.
    pub verified: bool,
    /// Whether it is kept in more than one place.
    pub backed_up: bool,
}

/// What a browser sends when a passkey was made: the fields of `AuthenticatorAttestationResponse` in base64url.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    /// What the browser itself says.
    pub client_data: String,
    /// What the authenticator says.
    pub attestation: String,
}

/// What a browser sends when a passkey was used: the fields of `AuthenticatorAssertionResponse` in base64url.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    /// Which passkey.
    pub id: String,
    /// What the browser itself says.
    pub client_data: String,
    /// What the authenticator says.
    pub authenticator_data: String,
    /// Its signature.
    pub signature: String,
    /// Whose passkey it is, as the authenticator remembers it.
    #[serde(default)]
    pub user_handle: Option<String>,
}

impl Assertion {
    /// The id of the passkey, as bytes.
    pub fn credential(&self) -> Result<Vec<u8>, Error> {
        let id = decoded(&self.id)?;
        if id.is_empty() || id.len() > LONGEST_ID { Err(BAD) } else { Ok(id) }
    }
}

const BAD: Error = Error::Refused("passkey");

fn decoded(text: &str) -> Result<Vec<u8>, Error> {
    if text.len() > LONGEST { Err(BAD) } else { BASE64.decode(text).map_err(|_| BAD) }
}

/// The challenge that an answer was given to, before anything is believed of it: by it its record is found.
pub fn challenge_of(client_data: &str) -> Result<Vec<u8>, Error> {
    decoded(&client_of(&decoded(client_data)?)?.challenge)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    #[serde(rename = "type")]
    what: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

fn client_of(json: &[u8]) -> Result<Client, Error> {
    serde_json::from_slice(json).map_err(|_| BAD)
}

/// Checks what the browser says, and hashes it for the signature.
fn client(json: &[u8], what: &str, expected: &Expected<'_>) -> Result<[u8; 32], Error> {
    let client = client_of(json)?;
    let challenge = decoded(&client.challenge)?;
    let fits = client.what == what
        && client.origin == expected.site.origin
        && !client.cross_origin
        && constant_time_eq(&challenge, expected.challenge);
    if fits { Ok(sha256(json)) } else { Err(BAD) }
}

/// The head of an authenticator's data, and what stands behind it.
struct Data<'a> {
    flags: u8,
    count: u32,
    rest: &'a [u8],
}

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const MAY_BE_BACKED_UP: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const NEW_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

impl<'a> Data<'a> {
    fn of(bytes: &'a [u8], expected: &Expected<'_>) -> Result<Self, Error> {
        let (site, rest) = bytes.split_at_checked(32).ok_or(BAD)?;
        let (&flags, rest) = rest.split_first().ok_or(BAD)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(BAD)?;
        let own = sha256(expected.site.id.as_bytes());
        let data = Self { flags, count: u32::from_be_bytes(*count), rest };
        let fits = constant_time_eq(site, &own)
            && data.is(PRESENT)
            && (data.is(VERIFIED) || !expected.verified)
            // The standard: what cannot be backed up is not.
            && (data.is(MAY_BE_BACKED_UP) || !data.is(BACKED_UP));
        if fits { Ok(data) } else { Err(BAD) }
    }

    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether what is left is what the flags announce: extensions or nothing.
    fn ends(&self, rest: &[u8]) -> Result<(), Error> {
        let rest = if self.is(EXTENSIONS) { cbor::first(rest)?.1 } else { rest };
        if rest.is_empty() { Ok(()) } else { Err(BAD) }
    }
}

/// Checks a passkey that was just made (section 7.1). The attestation statement is not looked at: none was asked for.
///
/// # Errors
/// The same for everything that is wrong: whoever forges needs no hints.
pub fn made(answer: &Creation, expected: &Expected<'_>) -> Result<Made, Error> {
    client(&decoded(&answer.client_data)?, "webauthn.create", expected)?;
    let attestation = decoded(&answer.attestation)?;
    let (item, rest) = cbor::first(&attestation)?;
    let bytes = item.named("authData").and_then(cbor::Item::bytes).filter(|_| rest.is_empty()).ok_or(BAD)?;
    let data = Data::of(bytes, expected)?;
    if !data.is(NEW_CREDENTIAL) {
        return Err(BAD);
    }
    // 16 bytes name the model of the authenticator; nobody here asks.
    let (_, rest) = data.rest.split_at_checked(16).ok_or(BAD)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(BAD)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, rest) = rest.split_at_checked(length).ok_or(BAD)?;
    if id.is_empty() || id.len() > LONGEST_ID {
        return Err(BAD);
    }
    let (key, rest) = cbor::first(rest)?;
    let key = PublicKey::of_cose(&key)?;
    data.ends(rest)?;
    Ok(Made { id: id.to_vec(), key, count: data.count, verified: data.is(VERIFIED), backed_up: data.is(BACKED_UP) })
}

/// Checks the use of a passkey whose key is known (section 7.2).
///
/// # Errors
/// The same for everything that is wrong.
pub fn used(answer: &Assertion, key: &PublicKey, expected: &Expected<'_>) -> Result<Used, Error> {
    let hash = client(&decoded(&answer.client_data)?, "webauthn.get", expected)?;
    let bytes = decoded(&answer.authenticator_data)?;
    let data = Data::of(&bytes, expected)?;
    if data.is(NEW_CREDENTIAL) {
        return Err(BAD);
    }
    data.ends(data.rest)?;
    let mut signed = bytes.clone();
    signed.extend_from_slice(&hash);
    key.verify(&signed, &decoded(&answer.signature)?)?;
    Ok(Used { count: data.count, verified: data.is(VERIFIED), backed_up: data.is(BACKED_UP) })
}

#[cfg(test)]
mod tests;
