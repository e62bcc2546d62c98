//! Tokens that are believed, and the ways of key sets.

use base::Timestamp;
use crypto::jwt::{Algorithm, Claims, Expected, KeySet, Refused, verify};
use serde_json::{Value, json};
use testkit::Signer;

/// 2026-11-30T12:00:00Z, in seconds.
pub const NOW: i64 = 1_796_040_000;
pub const ISSUER: &str = "https://login.example.com";
pub const CLIENT: &str = "loudhailer";
pub const NONCE: &str = "n-0S6_WzA2Mj";

pub fn now() -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000)
}

pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": NOW + 300, "iat": NOW, "nonce": NONCE,
        "groups": ["on-call"],
    })
}

pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

pub fn id_token(token: &str, set: &[u8]) -> Result<Claims, Refused> {
    let expected = Expected::id_token(&Algorithm::ALL, ISSUER, &CLIENT, NONCE, now());
    verify(token, &KeySet::parse(set).unwrap(), &expected)
}

#[test]
fn a_token_of_each_algorithm_is_believed() {
    let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let signers = [
        (Signer::ec("p256", "P-256"), "ES256"),
        (Signer::ec("p384", "P-384"), "ES384"),
        (Signer::ec("p521", "P-521"), "ES512"),
        (Signer::ed25519("ed"), "EdDSA"),
    ];
    let one = Signer::rsa("rsa");
    let all: Vec<&Signer> = signers.iter().map(|(signer, _)| signer).chain([&one]).collect();
    let set = Signer::set(&all);
    for (signer, name) in signers.iter().map(|(signer, name)| (signer, *name)).chain(rsa.map(|name| (&one, name))) {
        let claims = id_token(&signer.token(name, &claims()), &set).unwrap();
        assert_eq!((claims.issuer(), claims.subject()), (ISSUER, "248289761001"), "{name}");
        assert_eq!(claims.texts("groups"), ["on-call"]);
        // And with one bit of its signature turned it is not.
        let token = signer.token(name, &self::claims());
        let (text, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).unwrap();
        bytes[10] ^= 1;
        let turned = format!("{text}.{}", testkit::base64url(bytes));
        assert_eq!(id_token(&turned, &set).unwrap_err(), Refused::Signature, "{name}");
    }
}

#[test]
fn several_audiences_need_a_party_and_fractions_are_times() {
    let key = Signer::ec("k", "P-256");
    let set = Signer::set(&[&key]);
    let mut claims = with("aud", json!([CLIENT, "other"]));
    claims["azp"] = json!(CLIENT);
    claims["exp"] = json!(1_796_040_300.75);
    assert!(id_token(&key.token("ES256", &claims), &set).is_ok());
    // A minute of difference between two clocks is nobody's fault.
    for (name, value) in [("exp", NOW - 59), ("nbf", NOW + 59), ("iat", NOW + 59)] {
        assert!(id_token(&key.token("ES256", &with(name, json!(value))), &set).is_ok(), "{name}");
    }
}

#[test]
fn an_access_token_is_bound_to_its_hash() {
    let key = Signer::ec("k", "P-256");
    let set = Signer::set(&[&key]);
    let half = crypto::sha256(b"the access token");
    let token = key.token("ES256", &with("at_hash", json!(testkit::base64url(&half[..16]))));
    let claims = id_token(&token, &set).unwrap();
    assert_eq!(claims.check_access_token(&[Algorithm::Es256], "the access token"), Ok(()));
    assert_eq!(claims.check_access_token(&[Algorithm::Es256], "another"), Err(Refused::AccessToken));
}

/// A set is read as far as it is for us; what is not, takes nothing else away.
#[test]
fn keys_that_are_not_for_us_are_left_aside() {
    let key = Signer::ec("k", "P-256");
    let good = key.jwk();
    let changed = |name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk
    };
    let rsa = Signer::rsa("r");
    let mut exponent = rsa.jwk();
    exponent["e"] = json!("AQ");
    let mut short = rsa.jwk();
    short["n"] = json!(testkit::base64url([0xff_u8; 128]));
    let aside = [
        changed("use", json!("enc")),
        changed("d", json!("AAAA")),
        changed("kty", json!("XYZ")),
        changed("crv", json!("secp256k1")),
        changed("alg", json!("ES384")),
        changed("alg", json!("HS256")),
        changed("x", json!("AAAA")),
        changed("key_ops", json!(["encrypt"]))
            .as_object()
            .map(|jwk| {
                let mut jwk = jwk.clone();
                jwk.remove("use");
                Value::Object(jwk)
            })
            .unwrap(),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "k" }),
        json!("nonsense"),
        exponent,
        short,
    ];
    for one in &aside {
        let set = KeySet::parse(json!({ "keys": [one] }).to_string().as_bytes()).unwrap();
        assert!(set.is_empty(), "{one}");
    }
    let all = json!({ "keys": aside.iter().chain([&good]).collect::<Vec<_>>() }).to_string();
    assert_eq!(KeySet::parse(all.as_bytes()).unwrap().len(), 1);
    assert!(id_token(&key.token("ES256", &claims()), all.as_bytes()).is_ok());
    for wrong in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "{\"keys\":[]} x"] {
        assert_eq!(KeySet::parse(wrong.as_bytes()).unwrap_err(), Refused::Keys, "{wrong}");
    }
}

#[test]
fn what_a_token_says_of_its_audiences_is_read_without_belief() {
    let key = Signer::ec("k", "P-256");
    let said = |claims: &Value| {
        let token = key.token("ES256", claims);
        crypto::jwt::Unproven::read(&token).unwrap().claimed_audiences()
    };
    assert_eq!(said(&claims()), [CLIENT]);
    assert_eq!(said(&with("aud", json!(["a", 7, "b"]))), ["a", "b"]);
    assert!(said(&with("aud", json!({ "a": 1 }))).is_empty() && said(&with("aud", Value::Null)).is_empty());
    assert!(crypto::jwt::Unproven::read("a.b.c").unwrap().claimed_audiences().is_empty());
}
