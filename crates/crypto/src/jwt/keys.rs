//! What an issuer publishes: a set of public keys (RFC 7517). A set may hold keys that are not for us; they are left aside
//! one by one, so that a new kind of key takes nobody's log-in away.

use aws_lc_rs::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Kind;
use super::{Algorithm, KEY_NAME, Refused, json};

/// Keys of a set at most; more are left aside.
const KEYS: usize = 100;

/// Public keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Key {
    kid: Option<String>,
    /// The one algorithm it is for, if the issuer says so.
    alg: Option<Algorithm>,
    kind: Kind,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point(Vec<u8>),
}

impl KeySet {
    /// Reads a set as published. Left aside are keys of other kinds, keys for encryption, and keys that hold a private or
    /// a shared secret, which nobody may rely on any more.
    pub fn parse(text: &[u8]) -> Result<Self, Refused> {
        let set = json::object(text).ok_or(Refused::Keys)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(Refused::Keys)?;
        Ok(Self(keys.iter().take(KEYS).filter_map(Value::as_object).filter_map(Key::read).collect()))
    }

    /// How many of its keys can be used.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none of its keys can be used.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of its keys, for people who look after them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.kid.as_deref().unwrap_or("(no name)"))
    }

    /// The one key that a token means. Without a name it must be the only one that fits, or any key could be tried.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting =
            self.0.iter().filter(|key| key.fits(algorithm) && (kid.is_none() || key.kid.as_deref() == kid));
        let first = fitting.next()?;
        if fitting.next().is_some() { None } else { Some(first) }
    }
}

impl Key {
    fn read(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if ["d", "k", "p", "q"].iter().any(|secret| key.contains_key(*secret)) {
            return None;
        }
        let for_signatures = match (key.get("use"), key.get("key_ops")) {
            (Some(purpose), _) => purpose == "sig",
            (None, Some(operations)) => operations.as_array()?.iter().any(|operation| operation == "verify"),
            (None, None) => true,
        };
        let kid = match key.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= KEY_NAME)?.to_owned()),
        };
        let alg = match key.get("alg") {
            None => None,
            Some(alg) => Some(Algorithm::parse(alg.as_str()?)?),
        };
        let (kind, material) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (unpadded(bytes("n")?), unpadded(bytes("e")?));
                // Below 2048 bits it is broken soon; an exponent of one makes every text its own signature.
                if n.len() < 256 || n.len() > 1024 || e.len() > 4 || matches!(e.as_slice(), [] | [0..=2]) {
                    return None;
                }
                (Kind::Rsa, Material::Rsa { n, e })
            }
            ("EC", Some("P-256")) => (Kind::P256, Material::Point(point(bytes("x")?, bytes("y")?, 32)?)),
            ("EC", Some("P-384")) => (Kind::P384, Material::Point(point(bytes("x")?, bytes("y")?, 48)?)),
            ("EC", Some("P-521")) => (Kind::P521, Material::Point(point(bytes("x")?, bytes("y")?, 66)?)),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, Material::Point(bytes("x").filter(|x| x.len() == 32)?)),
            _ => return None,
        };
        let fits = alg.is_none_or(|alg| alg.kind() == kind);
        (for_signatures && fits).then_some(Self { kid, alg, kind, material })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind == algorithm.kind() && self.alg.is_none_or(|own| own == algorithm)
    }

    /// Whether `signature` is this key's over `text`.
    pub(super) fn verifies(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match (&self.material, algorithm.rsa(), algorithm.point()) {
            (Material::Rsa { n, e }, Some(parameters), _) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, text, signature).is_ok()
            }
            (Material::Point(point), None, Some(parameters)) => {
                UnparsedPublicKey::new(parameters, point).verify(text, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A number without the zeros that some issuers write before it.
fn unpadded(bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}

/// An uncompressed point; that it lies on the curve is checked with each signature.
fn point(x: Vec<u8>, y: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
}
