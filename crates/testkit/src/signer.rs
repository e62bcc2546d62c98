//! Somebody who signs JSON web tokens, as they should be and as they should not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signing key with its name.
pub struct Signer {
    /// Its name, the `kid`.
    pub kid: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// An RSA key of 2048 bits.
    pub fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        Self { kid: kid.to_owned(), key: Key::Rsa(Box::new(pair)) }
    }

    /// A key on P-256, P-384 or P-521.
    pub fn ec(kid: &str, curve: &'static str) -> Self {
        let algorithm = match curve {
            "P-256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        Self { kid: kid.to_owned(), key: Key::Ec(curve, EcdsaKeyPair::generate(algorithm).expect("a key")) }
    }

    /// An Ed25519 key.
    pub fn ed25519(kid: &str) -> Self {
        Self { kid: kid.to_owned(), key: Key::Ed25519(Ed25519KeyPair::generate().expect("a key")) }
    }

    /// The public key as a set has it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Rsa(pair) => {
                // DER of RFC 8017: nine bytes of headers, the modulus of 256 bytes, two of headers, the exponent.
                let public = pair.public_key().as_ref();
                json!({ "kty": "RSA", "n": base64url(&public[9..265]), "e": base64url(&public[267..]) })
            }
            Key::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
            }
            Key::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A set of these keys.
    pub fn set(signers: &[&Self]) -> Vec<u8> {
        json!({ "keys": signers.iter().map(|one| one.jwk()).collect::<Vec<_>>() }).to_string().into_bytes()
    }

    /// The signature over a text by an algorithm of this name.
    pub fn signature(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(pair) => {
                let encoding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, text, &mut out).expect("a signature");
                out
            }
            Key::Ec(_, pair) => pair.sign(&random, text).expect("a signature").as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
        }
    }

    /// A token of this header and these claims, both as they are.
    pub fn token_of(&self, header: &[u8], claims: &[u8]) -> String {
        let named: Value = serde_json::from_slice(header).unwrap_or_default();
        let signed = format!("{}.{}", base64url(header), base64url(claims));
        let signature = self.signature(named["alg"].as_str().unwrap_or_default(), signed.as_bytes());
        format!("{signed}.{}", base64url(signature))
    }

    /// A token as it should be.
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({ "alg": algorithm, "kid": self.kid, "typ": "JWT" });
        self.token_of(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }
}
