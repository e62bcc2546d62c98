//! JSON web tokens of others, read strictly (RFC 7515, 7517, 7519, 8725): the compact form with one signature by a key of
//! a set that we fetched ourselves, and by an algorithm that we listed ourselves. We issue none.
//!
//! | file | what |
//! |---|---|
//! | `algorithm` | which algorithms there are: asymmetric ones |
//! | `keys` | [`KeySet`]: what an issuer publishes |
//! | `json` | JSON with one meaning: no name twice, no depth |
//! | `claims` | [`Claims`] of a token, and what is [`Expected`] of them |
//!
//! Nothing that a token says chooses how it is checked: `kid` picks one of the keys at hand, and `jku`, `jwk`, `x5u` and
//! `x5c` are not read. Why this is our own: ADR 10.

mod algorithm;
mod claims;
mod json;
mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use algorithm::Algorithm;
pub use claims::{Claims, Expected};
pub use keys::KeySet;

/// Characters of a token at most: a person of some hundred groups fits.
pub const LONGEST: usize = 32 * 1024;
/// Characters of a key's name at most.
const KEY_NAME: usize = 256;

/// Why a token is not believed. No text of it repeats anything from the token but names of keys and algorithms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is longer than [`LONGEST`].
    #[error("the token is longer than 32 KiB")]
    TooLong,
    /// It is not three parts of base64url.
    #[error("this is no signed token: three parts of base64url without padding are expected")]
    Form,
    /// Header or claims are not a JSON object with one meaning.
    #[error("the token's {0} is no JSON object with one meaning")]
    Json(&'static str),
    /// Its header asks for something that is not understood here.
    #[error("the token's header has {0}, which is not understood here")]
    Header(&'static str),
    /// It is a token for something else.
    #[error("the token's type is not the one that is expected here")]
    Type,
    /// Its algorithm is not on the list.
    #[error("the token is signed with {0}, which is not on the list of algorithms")]
    Algorithm(String),
    /// The issuer publishes no such key, or several and the token names none.
    #[error("{}", unknown_key(.0.as_deref()))]
    UnknownKey(Option<String>),
    /// The signature is not one of this key over this text.
    #[error("the token's signature does not fit")]
    Signature,
    /// A claim is missing or has another form than the standard says.
    #[error("the token's claim {0} is missing or has the wrong form")]
    Claim(&'static str),
    /// It comes from another issuer.
    #[error("the token comes from another issuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token is meant for another audience")]
    Audience,
    /// It was given to another party.
    #[error("the token was given to another party (azp)")]
    Party,
    /// It answers another request.
    #[error("the token answers another request (nonce)")]
    Nonce,
    /// It ran out.
    #[error("the token has expired; compare the clocks of both machines if it is new")]
    Expired,
    /// It does not count yet.
    #[error("the token is not valid yet; compare the clocks of both machines")]
    NotYet,
    /// It lives longer than is believed.
    #[error("the token is valid for longer than is accepted here")]
    LivesLong,
    /// It was made for another access token.
    #[error("the token was made for another access token (at_hash)")]
    AccessToken,
    /// The issuer's keys cannot be read.
    #[error("the key set is no JSON object with a list of keys")]
    Keys,
}

fn unknown_key(kid: Option<&str>) -> String {
    kid.map_or_else(
        || "the token names no key, and not exactly one published key fits".to_owned(),
        |kid| format!("the issuer publishes no key {kid:?} for this algorithm"),
    )
}

/// A token that has the form of one. Nothing of it is proven.
#[derive(Clone, Copy)]
pub struct Unproven<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// What is signed.
    signed: &'a str,
}

impl<'a> Unproven<'a> {
    /// Reads the form alone.
    pub fn read(token: &'a str) -> Result<Self, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Form);
        };
        let signed = token.get(..header.len() + 1 + claims.len()).ok_or(Refused::Form)?;
        // An empty signature is that of "none".
        if header.is_empty() || claims.is_empty() || signature.is_empty() {
            return Err(Refused::Form);
        }
        Ok(Self { header, claims, signature, signed })
    }

    /// Who says to have issued it: to find out whose keys to try, and for nothing else.
    pub fn claimed_issuer(&self) -> Option<String> {
        let claims = json::object(&decode(self.claims).ok()?)?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }

    /// Whom it says to be meant for: to find out whose entry it is for, and for nothing else.
    pub fn claimed_audiences(&self) -> Vec<String> {
        let Some(claims) = decode(self.claims).ok().and_then(|claims| json::object(&claims)) else { return Vec::new() };
        Claims::new(claims).texts("aud").into_iter().map(str::to_owned).collect()
    }

    /// Checks everything: the header, the signature by one of `keys`, and the claims.
    pub fn prove(&self, keys: &KeySet, expected: &Expected<'_>) -> Result<Claims, Refused> {
        let header = json::object(&decode(self.header)?).ok_or(Refused::Json("header"))?;
        for name in ["crit", "b64", "zip", "enc", "cty"] {
            if header.contains_key(name) {
                return Err(Refused::Header(name));
            }
        }
        let named = header.get("alg").and_then(|alg| alg.as_str()).ok_or(Refused::Header("no algorithm"))?;
        let algorithm = Algorithm::parse(named)
            .filter(|algorithm| expected.algorithms.contains(algorithm))
            .ok_or_else(|| Refused::Algorithm(printable(named)))?;
        expected.check_type(header.get("typ"))?;
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => {
                Some(kid.as_str().filter(|kid| kid.len() <= KEY_NAME).ok_or(Refused::Header("an unusable key name"))?)
            }
        };
        let key = keys.find(kid, algorithm).ok_or_else(|| Refused::UnknownKey(kid.map(printable)))?;
        if !key.verifies(algorithm, self.signed.as_bytes(), &decode(self.signature)?) {
            return Err(Refused::Signature);
        }
        let claims = json::object(&decode(self.claims)?).ok_or(Refused::Json("claims"))?;
        let claims = Claims::new(claims);
        expected.check(&claims)?;
        Ok(claims)
    }
}

/// Checks a token whole: its form, its signature by one of `keys`, and its claims.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Claims, Refused> {
    Unproven::read(token)?.prove(keys, expected)
}

/// Base64url as RFC 7515 writes it: no padding, no other alphabet, no bits left over.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Form)
}

/// What a stranger wrote, short and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
