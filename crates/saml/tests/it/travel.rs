//! How messages travel: what we send is what providers read, and what is packed does not explode.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateEncoder;
use saml::{Binding, Posted, Sent, Signed, Way, ask};

use crate::forge::{ACS, OURS, US, now};

const TO: &str = "https://idp.example.com/sso?tenant=1";

fn packed(text: &[u8]) -> String {
    let mut out = Vec::new();
    DeflateEncoder::new(text, Compression::best()).read_to_end(&mut out).unwrap();
    form_urlencoded::byte_serialize(STANDARD.encode(out).as_bytes()).collect()
}

#[test]
fn x_11_requests_are_signed_by_either_way() {
    let text = ask("_asked", US, ACS, TO, true, now());
    for part in ["ForceAuthn=\"true\"", "AssertionConsumerServiceURL", "<saml:Issuer>https://gateway", "ID=\"_asked\""]
    {
        assert!(text.contains(part), "{part}");
    }
    let keys = [OURS.public()];
    let sent = Sent::new(Binding::Redirect, Way::Request, TO, &text, "_asked", Some("a b&c"), &OURS.own).unwrap();
    let Sent::Redirect(address) = sent else { panic!("a redirect") };
    let query = address.strip_prefix(&format!("{TO}&")).unwrap();
    let read = Posted::query(query, &keys).unwrap();
    assert_eq!((read.way, read.signed, read.relay.as_deref()), (Way::Request, Signed::Around, Some("a b&c")));
    assert_eq!(read.message, text.as_bytes());
    assert!(!format!("{read:?}").contains("gateway"));
    let sent = Sent::new(Binding::Post, Way::Request, TO, &text, "_asked", None, &OURS.own).unwrap();
    let Sent::Post { to, fields } = sent else { panic!("a form") };
    let message = String::from_utf8(STANDARD.decode(&fields[0].1).unwrap()).unwrap();
    assert_eq!((to.as_str(), fields.len(), fields[0].0), (TO, 1, "SAMLRequest"));
    assert!(message.contains("</saml:Issuer><ds:Signature "));
}

#[test]
fn x_11_addresses_that_were_touched_are_refused() {
    let keys = [OURS.public()];
    let text = ask("_asked", US, ACS, TO, false, now());
    let Sent::Redirect(address) =
        Sent::new(Binding::Redirect, Way::Request, "https://a.example/", &text, "_asked", Some("x"), &OURS.own)
            .unwrap()
    else {
        panic!("a redirect")
    };
    let query = address.split_once('?').unwrap().1;
    let other = packed(text.replace("_asked", "_other").as_bytes());
    let part = |name: &str| query.split('&').find(|one| one.starts_with(name)).unwrap().to_owned();
    let cases = [
        ("another message", query.replace(&part("SAMLRequest="), &format!("SAMLRequest={other}")), "Signature"),
        ("another place to go on", query.replace("RelayState=x", "RelayState=y"), "Signature"),
        ("no place to go on", query.replace("&RelayState=x", ""), "Signature"),
        ("another algorithm", query.replace("rsa-sha256", "rsa-sha512"), "Signature"),
        ("SHA-1", query.replace(&part("SigAlg="), "SigAlg=http://www.w3.org/2000/09/xmldsig#rsa-sha1"), "Algorithm"),
        (
            "HMAC",
            query.replace(&part("SigAlg="), "SigAlg=http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
            "Algorithm",
        ),
        ("an algorithm without a signature", query.replace(&format!("&{}", part("Signature=")), ""), "SignatureShape"),
        ("two messages", format!("{query}&SAMLRequest={other}"), "NoMessage"),
        ("an answer beside it", format!("{query}&SAMLResponse={other}"), "NoMessage"),
        ("two signatures", format!("{query}&{}", part("Signature=")), "NoMessage"),
        ("nothing", String::new(), "NoMessage"),
        ("no base64", "SAMLRequest=%21".to_owned(), "Base64"),
        (
            "not packed",
            format!("SAMLRequest={}", STANDARD.encode("<<<<samlp:AuthnRequest/>").replace('+', "%2B")),
            "Unpacking",
        ),
    ];
    for (name, query, because) in cases {
        assert_eq!(Posted::query(&query, &keys).unwrap_err().name(), because, "{name}");
    }
    let unsigned = Posted::query(&part("SAMLRequest="), &keys).unwrap();
    assert_eq!(unsigned.signed, Signed::Nowhere);
}

/// A few bytes that unpack to a lot.
#[test]
fn x_11_bombs_do_not_explode() {
    for size in [200_000, 1_000_000, 50_000_000] {
        let bomb = packed(&vec![b' '; size]);
        let refused = Posted::query(&format!("SAMLResponse={bomb}"), &[]).unwrap_err();
        assert_eq!(refused.name(), "Unpacking", "{size}");
    }
}
