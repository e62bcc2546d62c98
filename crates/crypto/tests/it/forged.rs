//! The corpus of forged tokens (issue 5): every one is refused, and for the reason it should be.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use crypto::jwt::{Algorithm, Expected, KeySet, Refused, verify};
use serde_json::{Value, json};
use testkit::{Signer, base64url};

use super::tokens::{CLIENT, ISSUER, NONCE, NOW, claims, id_token, now, with};

struct Case(&'static str, String, Refused);

/// A token whose header is this, signed by this key over its own text.
fn headed(key: &Signer, header: Value) -> String {
    key.token_of(header.to_string().as_bytes(), claims().to_string().as_bytes())
}

/// A token with this for a signature.
fn signed(header: Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", base64url(header.to_string()), base64url(claims().to_string()), base64url(signature))
}

fn hs256(header: Value, secret: &[u8]) -> String {
    let text = format!("{}.{}", base64url(header.to_string()), base64url(claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", base64url(tag))
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn algorithms(keys: &Keys) -> Vec<Case> {
    let algorithm = |name: &str| Refused::Algorithm(name.to_owned());
    let jwk = keys.rsa.jwk();
    let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let none = json!({ "alg": "none" });
    let mut cases = vec![
        Case("none, with no signature", signed(none.clone(), b""), Refused::Form),
        Case("none, with any signature", signed(none, b"x"), algorithm("none")),
        Case(
            "HS256 with the public key",
            hs256(json!({ "alg": "HS256", "kid": "rsa" }), jwk.to_string().as_bytes()),
            algorithm("HS256"),
        ),
        Case("HS256 with the modulus", hs256(json!({ "alg": "HS256", "kid": "rsa" }), &modulus), algorithm("HS256")),
        Case("HS256 with an empty secret", hs256(json!({ "alg": "HS256" }), b""), algorithm("HS256")),
        Case("no algorithm", headed(&keys.ec, json!({ "kid": "ec" })), Refused::Header("no algorithm")),
        Case(
            "a list of algorithms",
            headed(&keys.ec, json!({ "alg": ["ES256"], "kid": "ec" })),
            Refused::Header("no algorithm"),
        ),
        Case(
            "an algorithm that names another curve",
            headed(&keys.ec, json!({ "alg": "ES384", "kid": "ec" })),
            Refused::UnknownKey(Some("ec".into())),
        ),
        Case(
            "the key of one algorithm for another",
            headed(&keys.ec, json!({ "alg": "RS256", "kid": "ec" })),
            Refused::UnknownKey(Some("ec".into())),
        ),
        Case(
            "PSS said, PKCS #1 made",
            {
                let text =
                    format!("{}.{}", base64url(r#"{"alg":"PS256","kid":"rsa"}"#), base64url(claims().to_string()));
                format!("{text}.{}", base64url(keys.rsa.signature("RS256", text.as_bytes())))
            },
            Refused::Signature,
        ),
    ];
    for name in ["None", "NONE", "nOnE", "es256", "ES256K", "ES256\0", " ES256", "ES256 ", ""] {
        let printed = name.replace('\0', "");
        cases.push(Case(
            "an algorithm that is written in another way",
            headed(&keys.ec, json!({ "alg": name, "kid": "ec" })),
            algorithm(&printed),
        ));
    }
    cases
}

fn headers(keys: &Keys) -> Vec<Case> {
    let stranger = &keys.stranger;
    let unknown = |kid: &str| Refused::UnknownKey(Some(kid.to_owned()));
    let ours = |more: (&str, Value)| {
        let mut header = json!({ "alg": "ES256", "kid": "ec" });
        header[more.0] = more.1;
        headed(&keys.ec, header)
    };
    let theirs = |more: (&str, Value)| {
        let mut header = json!({ "alg": "ES256", "kid": "ec" });
        header[more.0] = more.1;
        headed(stranger, header)
    };
    let mut cases = vec![
        Case(
            "another's key under our name",
            headed(stranger, json!({ "alg": "ES256", "kid": "ec" })),
            Refused::Signature,
        ),
        Case(
            "another's key under its own name",
            headed(stranger, json!({ "alg": "ES256", "kid": "stranger" })),
            unknown("stranger"),
        ),
        Case("the key in the header (jwk)", theirs(("jwk", stranger.jwk())), Refused::Signature),
        Case("keys behind a link (jku)", theirs(("jku", json!("https://evil.example/keys"))), Refused::Signature),
        Case(
            "a certificate behind a link (x5u)",
            theirs(("x5u", json!("https://evil.example/c.pem"))),
            Refused::Signature,
        ),
        Case("a certificate in the header (x5c)", theirs(("x5c", json!(["MIIB"]))), Refused::Signature),
        Case(
            "a key in the header and no name",
            headed(stranger, json!({ "alg": "ES256", "jwk": stranger.jwk() })),
            Refused::Signature,
        ),
        Case("no name where several keys fit", headed(&keys.rsa, json!({ "alg": "RS256" })), Refused::UnknownKey(None)),
        Case(
            "a name that is a path",
            headed(stranger, json!({ "alg": "ES256", "kid": "../../dev/null" })),
            unknown("../../dev/null"),
        ),
        Case(
            "a name that is SQL",
            headed(stranger, json!({ "alg": "ES256", "kid": "x' UNION SELECT 'k" })),
            unknown("x' UNION SELECT 'k"),
        ),
        Case("a name that is nothing", headed(stranger, json!({ "alg": "ES256", "kid": "" })), unknown("")),
        Case(
            "a name that is null",
            headed(&keys.ec, json!({ "alg": "ES256", "kid": null })),
            Refused::Header("an unusable key name"),
        ),
        Case(
            "a name that is a number",
            headed(&keys.ec, json!({ "alg": "ES256", "kid": 0 })),
            Refused::Header("an unusable key name"),
        ),
        Case(
            "a name that is huge",
            headed(&keys.ec, json!({ "alg": "ES256", "kid": "k".repeat(257) })),
            Refused::Header("an unusable key name"),
        ),
        Case("critical: an extension", ours(("crit", json!(["exp"]))), Refused::Header("crit")),
        Case("critical: nothing", ours(("crit", json!([]))), Refused::Header("crit")),
        Case("an unencoded payload (b64)", ours(("b64", json!(false))), Refused::Header("b64")),
        Case("compressed", ours(("zip", json!("DEF"))), Refused::Header("zip")),
        Case("encrypted, as it says", ours(("enc", json!("A256GCM"))), Refused::Header("enc")),
        Case("a token in a token", ours(("cty", json!("JWT"))), Refused::Header("cty")),
        Case("an access token for an identity token", ours(("typ", json!("at+jwt"))), Refused::Type),
        Case("a log-out token for an identity token", ours(("typ", json!("application/logout+jwt"))), Refused::Type),
        Case("a type that is no text", ours(("typ", json!(["JWT"]))), Refused::Type),
    ];
    let twice = br#"{"alg":"none","alg":"ES256","kid":"ec"}"#;
    cases.push(Case(
        "an algorithm twice",
        keys.ec.token_of(twice, claims().to_string().as_bytes()),
        Refused::Json("header"),
    ));
    let twice = br#"{"alg":"ES256","kid":"ec","kid":"stranger"}"#;
    cases.push(Case(
        "a key name twice",
        keys.ec.token_of(twice, claims().to_string().as_bytes()),
        Refused::Json("header"),
    ));
    let list = br#"["ES256"]"#;
    cases.push(Case(
        "a header that is a list",
        keys.ec.token_of(list, claims().to_string().as_bytes()),
        Refused::Json("header"),
    ));
    cases
}

fn of_claims(keys: &Keys) -> Vec<Case> {
    let of = |claims: &Value| keys.ec.token("ES256", claims);
    let mut cases = vec![
        Case("expired", of(&with("exp", json!(NOW - 60))), Refused::Expired),
        Case("expired for ever", of(&with("exp", json!(0))), Refused::Expired),
        Case("no end", of(&without("exp")), Refused::Claim("exp")),
        Case("an end that is a text", of(&with("exp", json!("1796040300"))), Refused::Claim("exp")),
        Case("an end beyond all years", of(&with("exp", json!(1e300))), Refused::Claim("exp")),
        Case("an end before the epoch", of(&with("exp", json!(-1))), Refused::Claim("exp")),
        Case("not yet", of(&with("nbf", json!(NOW + 61))), Refused::NotYet),
        Case("issued tomorrow", of(&with("iat", json!(NOW + 86_400))), Refused::NotYet),
        Case("issued never", of(&without("iat")), Refused::Claim("iat")),
        Case("another issuer", of(&with("iss", json!("https://evil.example"))), Refused::Issuer),
        Case("the issuer with a slash", of(&with("iss", json!(format!("{ISSUER}/")))), Refused::Issuer),
        Case("the issuer in capitals", of(&with("iss", json!("https://LOGIN.example.com"))), Refused::Issuer),
        Case("a list of issuers", of(&with("iss", json!([ISSUER]))), Refused::Claim("iss")),
        Case("no issuer", of(&without("iss")), Refused::Claim("iss")),
        Case("another audience", of(&with("aud", json!("other"))), Refused::Audience),
        Case("an audience that begins like us", of(&with("aud", json!("loudhailer.evil.example"))), Refused::Audience),
        Case("other audiences", of(&with("aud", json!(["a", "b"]))), Refused::Audience),
        Case("no audience", of(&without("aud")), Refused::Claim("aud")),
        Case("an empty list of audiences", of(&with("aud", json!([]))), Refused::Claim("aud")),
        Case("an audience that is an object", of(&with("aud", json!({ CLIENT: true }))), Refused::Claim("aud")),
        Case("several audiences and no party", of(&with("aud", json!([CLIENT, "other"]))), Refused::Party),
        Case("another party", of(&with("azp", json!("other"))), Refused::Party),
        Case("a party that is a list", of(&with("azp", json!([CLIENT]))), Refused::Party),
        Case("another nonce", of(&with("nonce", json!("other"))), Refused::Nonce),
        Case("no nonce", of(&without("nonce")), Refused::Nonce),
        Case("a nonce that is a list", of(&with("nonce", json!([NONCE]))), Refused::Nonce),
        Case("no subject", of(&without("sub")), Refused::Claim("sub")),
        Case("an empty subject", of(&with("sub", json!(""))), Refused::Claim("sub")),
        Case("a subject that is a number", of(&with("sub", json!(1))), Refused::Claim("sub")),
        Case("a subject of 256 characters", of(&with("sub", json!("s".repeat(256)))), Refused::Claim("sub")),
    ];
    let header = br#"{"alg":"ES256","kid":"ec"}"#;
    let text = claims().to_string();
    let raw = |claims: &[u8]| keys.ec.token_of(header, claims);
    let twice = text.replacen('{', r#"{"sub":"admin","#, 1);
    cases.push(Case("a subject twice", raw(twice.as_bytes()), Refused::Json("claims")));
    let escaped = text.replacen('{', r#"{"\u0073ub":"admin","#, 1);
    cases.push(Case("a subject twice, once escaped", raw(escaped.as_bytes()), Refused::Json("claims")));
    let within = text.replacen('{', r#"{"act":{"a":1,"a":2},"#, 1);
    cases.push(Case("a name twice further in", raw(within.as_bytes()), Refused::Json("claims")));
    let deep = text.replacen('{', &format!(r#"{{"x":{}{},"#, "[".repeat(40), "]".repeat(40)), 1);
    cases.push(Case("claims that are deep", raw(deep.as_bytes()), Refused::Json("claims")));
    cases.push(Case("claims with something behind", raw(format!("{text}{{}}").as_bytes()), Refused::Json("claims")));
    cases.push(Case("claims that are a list", raw(format!("[{text}]").as_bytes()), Refused::Json("claims")));
    cases.push(Case("claims that are no UTF-8", raw(b"{\"iss\":\"\xff\"}"), Refused::Json("claims")));
    cases.push(Case("claims of nothing", raw(b"null"), Refused::Json("claims")));
    cases.push(Case("claims with a mark before", raw(format!("\u{feff}{text}").as_bytes()), Refused::Json("claims")));
    let inner = keys.ec.token("ES256", &claims());
    cases.push(Case("a token for claims", raw(inner.as_bytes()), Refused::Json("claims")));
    cases
}

fn forms(keys: &Keys) -> Vec<Case> {
    let good = keys.ec.token("ES256", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = parts.as_slice() else { panic!("three parts") };
    let header_of = json!({ "alg": "ES256", "kid": "ec" });
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let huge = with("x", json!("x".repeat(crypto::jwt::LONGEST)));
    let other = with("sub", json!("admin"));
    // The last character of 64 bytes holds four bits that nobody reads.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let uncanonical = format!("{}{}", &good[..good.len() - 1], &alphabet[at + 1..at + 2]);
    vec![
        Case("nothing", String::new(), Refused::Form),
        Case("two dots", "..".to_owned(), Refused::Form),
        Case("two parts", format!("{header}.{body}"), Refused::Form),
        Case("four parts", format!("{good}.{signature}"), Refused::Form),
        Case("five parts, as encrypted ones have", format!("{header}.{body}.{body}.{body}.{signature}"), Refused::Form),
        Case("truncated in the signature", good[..good.len() - 2].to_owned(), Refused::Signature),
        Case("truncated in the claims", format!("{header}.{}", &body[..body.len() - 4]), Refused::Form),
        Case(
            "other claims under the signature",
            format!("{header}.{}.{signature}", base64url(other.to_string())),
            Refused::Signature,
        ),
        Case(
            "another header over the signature",
            format!("{}.{body}.{signature}", base64url(r#"{"kid":"ec","alg":"ES256"}"#)),
            Refused::Signature,
        ),
        Case("padded", format!("{header}.{body}.{}", URL_SAFE.encode(&bytes)), Refused::Form),
        Case("bits left over", uncanonical, Refused::Form),
        Case("a line break within", format!("{header}.{body}.{signature}\n"), Refused::Form),
        Case("a space before", format!(" {good}"), Refused::Form),
        Case("the other alphabet", format!("{header}.{body}.{}", "+/".repeat(43)), Refused::Form),
        Case("huge", keys.ec.token("ES256", &huge), Refused::TooLong),
        Case(
            "JSON in place of the compact form",
            json!({ "payload": body, "protected": header, "signature": signature }).to_string(),
            Refused::Form,
        ),
        Case("ECDSA of zeros", signed(header_of.clone(), &[0; 64]), Refused::Signature),
        Case("ECDSA with r of zero", signed(header_of.clone(), &[&[0; 32], &bytes[32..]].concat()), Refused::Signature),
        Case("ECDSA with s of zero", signed(header_of.clone(), &[&bytes[..32], &[0; 32]].concat()), Refused::Signature),
        Case("ECDSA of the order", signed(header_of.clone(), &ORDER.repeat(2)), Refused::Signature),
        Case(
            "ECDSA in DER",
            signed(header_of.clone(), &[&[0x30, 0x06, 2, 1, 1, 2, 1, 1][..]].concat()),
            Refused::Signature,
        ),
        Case(
            "ECDSA with a byte more",
            format!("{header}.{body}.{}", base64url([&bytes[..], &[0]].concat())),
            Refused::Signature,
        ),
        Case("RSA of zeros", signed(json!({ "alg": "RS256", "kid": "rsa" }), &[0; 256]), Refused::Signature),
        Case(
            "RSA of one",
            signed(json!({ "alg": "RS256", "kid": "rsa" }), &[&[0; 255][..], &[1]].concat()),
            Refused::Signature,
        ),
        Case(
            "RSA of the modulus' length less one",
            signed(json!({ "alg": "RS256", "kid": "rsa" }), &[1; 255]),
            Refused::Signature,
        ),
        Case("Ed25519 of zeros", signed(json!({ "alg": "EdDSA", "kid": "ed" }), &[0; 64]), Refused::Signature),
    ]
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

struct Keys {
    ec: Signer,
    rsa: Signer,
    second: Signer,
    ed: Signer,
    stranger: Signer,
}

#[test]
fn x_11_every_forged_token_is_refused() {
    let keys = Keys {
        ec: Signer::ec("ec", "P-256"),
        rsa: Signer::rsa("rsa"),
        second: Signer::rsa("second"),
        ed: Signer::ed25519("ed"),
        stranger: Signer::ec("stranger", "P-256"),
    };
    let set = Signer::set(&[&keys.ec, &keys.rsa, &keys.second, &keys.ed]);
    assert!(id_token(&keys.ec.token("ES256", &claims()), &set).is_ok(), "a good one is believed");
    let cases = [algorithms(&keys), headers(&keys), of_claims(&keys), forms(&keys)];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    for Case(name, token, reason) in cases {
        assert_eq!(id_token(&token, &set).err(), Some(reason), "{name}");
    }
}

/// A key that is published for one algorithm answers for no other, and a list is a list.
#[test]
fn x_11_only_listed_algorithms_count() {
    let key = Signer::rsa("rsa");
    let mut jwk = key.jwk();
    jwk["alg"] = json!("PS256");
    let set = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let expected = |list| Expected::id_token(list, ISSUER, &CLIENT, NONCE, now());
    let (rs, ps) = (key.token("RS256", &claims()), key.token("PS256", &claims()));
    assert!(verify(&ps, &set, &expected(&[Algorithm::Ps256])).is_ok());
    assert_eq!(verify(&rs, &set, &expected(&[Algorithm::Rs256])).unwrap_err(), Refused::UnknownKey(Some("rsa".into())));
    assert_eq!(verify(&ps, &set, &expected(&[Algorithm::Es256])).unwrap_err(), Refused::Algorithm("PS256".into()));
    assert_eq!(verify(&ps, &set, &expected(&[])).unwrap_err(), Refused::Algorithm("PS256".into()));
}

/// Tokens for one purpose are none for another.
#[test]
fn x_11_purposes_are_apart() {
    let key = Signer::ec("k", "P-256");
    let set = KeySet::parse(&Signer::set(&[&key])).unwrap();
    let api: &[&str] = &["https://gateway.example.com/api"];
    let token = |typ: &str, claims: &Value| {
        let header = json!({ "alg": "ES256", "kid": "k", "typ": typ });
        key.token_of(header.to_string().as_bytes(), claims.to_string().as_bytes())
    };
    let of_api = with("aud", json!(api[0]));
    let access = Expected::access_token(&[Algorithm::Es256], ISSUER, api, now());
    assert!(verify(&token("at+jwt", &of_api), &set, &access).is_ok());
    assert!(verify(&token("application/AT+JWT", &of_api), &set, &access).is_ok());
    assert_eq!(verify(&token("at+jwt", &claims()), &set, &access).unwrap_err(), Refused::Audience);
    assert_eq!(verify(&token("logout+jwt", &of_api), &set, &access).unwrap_err(), Refused::Type);
    assert_eq!(verify(&token("jwt", &of_api), &set, &access.clone().typed(&["at+jwt"])).unwrap_err(), Refused::Type);
    // An assertion of a client lives for minutes.
    let mut assertion = with("iss", json!(CLIENT));
    assertion["sub"] = json!(CLIENT);
    assertion["aud"] = json!(api[0]);
    let client = Expected::client_assertion(&[Algorithm::Es256], CLIENT, api, now());
    assert!(verify(&token("JWT", &assertion), &set, &client).is_ok());
    let long = Duration::from_mins(11).as_secs().cast_signed();
    assertion["exp"] = json!(NOW + long);
    assert_eq!(verify(&token("JWT", &assertion), &set, &client).unwrap_err(), Refused::LivesLong);
}
