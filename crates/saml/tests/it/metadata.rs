//! Metadata, both ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::{Binding, Ours, certificate, facts, ours};

use crate::forge::{ACS, DS, IDP, ISSUER, OURS, SAMLP, SLO, STRANGER, US, at, now, written};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

fn descriptor(inside: &str) -> String {
    format!(
        "<EntityDescriptor xmlns=\"{MD}\" entityID=\"{ISSUER}\" validUntil=\"{}\"><!-- by hand --><IDPSSODescriptor \
         protocolSupportEnumeration=\"urn:x {SAMLP}\">{inside}</IDPSSODescriptor></EntityDescriptor>",
        written(at(3_600))
    )
}

fn key(purpose: &str, der: &[u8]) -> String {
    format!(
        "<KeyDescriptor{purpose}><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data><ds:X509Certificate>\n{}\n</ds:X509Certificate>\
         </ds:X509Data></ds:KeyInfo></KeyDescriptor>",
        STANDARD.encode(der)
    )
}

fn service(name: &str, binding: &str, url: &str) -> String {
    format!("<{name} Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:{binding}\" Location=\"{url}\"/>")
}

fn whole() -> String {
    descriptor(
        &[
            key(" use=\"signing\"", IDP.own.certificate()),
            key(" use=\"encryption\"", OURS.own.certificate()),
            key("", STRANGER.own.certificate()),
            service("SingleLogoutService", "SOAP", "http://inside.example/soap"),
            service("SingleLogoutService", "HTTP-POST", "https://idp.example.com/slo"),
            service("SingleSignOnService", "HTTP-POST", "https://idp.example.com/post"),
            service("SingleSignOnService", "HTTP-Redirect", "https://idp.example.com/redirect"),
        ]
        .concat(),
    )
}

#[test]
fn a_providers_metadata_says_where_and_by_which_keys() {
    let text = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<?xml-stylesheet href=\"x\"?>{}", whole());
    for entity in [None, Some(ISSUER)] {
        let read = facts(text.as_bytes(), entity, now()).unwrap();
        assert_eq!(read.entity_id, ISSUER);
        assert_eq!(read.sign_in[0].binding, Binding::Redirect);
        assert_eq!((read.sign_in.len(), read.sign_out.len(), read.keys().len()), (2, 1, 2));
        assert_eq!(read.keys()[0], IDP.public());
    }
    let many = format!(
        "<EntitiesDescriptor xmlns=\"{MD}\">{}{}</EntitiesDescriptor>",
        whole(),
        whole().replace(ISSUER, "urn:other")
    );
    assert_eq!(facts(many.as_bytes(), Some("urn:other"), now()).unwrap().entity_id, "urn:other");
    let refused = facts(many.as_bytes(), None, now()).unwrap_err().to_string();
    assert!(refused.contains("several"), "{refused}");
}

#[test]
fn metadata_that_cannot_be_used_says_why() {
    let of = |from: &str, to: &str| whole().replace(from, to);
    let cases = [
        (of(SAMLP, "urn:y"), "no identity provider that speaks"),
        (of("IDPSSODescriptor", "SPSSODescriptor"), "holds no identity provider"),
        (of("SingleSignOnService", "Other"), "no place for sign-ons"),
        (of("https://idp.example.com/redirect", "http://idp.example.com/"), "no https:// address"),
        (of("https://idp.example.com/redirect", "javascript:alert(1)"), "no https:// address"),
        (of("X509Certificate>", "Other>"), "no certificate"),
        (of(&written(at(3_600)), &written(at(-120))), "ran out"),
        (format!("<!DOCTYPE x>{}", whole()), "DOCTYPE"),
        ("<a/>".into(), "no metadata"),
        ("nonsense".into(), "well-formed"),
    ];
    for (text, because) in cases {
        let refused = facts(text.as_bytes(), None, now()).unwrap_err().to_string();
        assert!(refused.contains(because), "{because}: {refused}");
    }
    assert!(facts(whole().as_bytes(), Some("urn:absent"), now()).is_err());
    assert_eq!(facts(&vec![b' '; 1_100_000], None, now()).unwrap_err().name(), "TooLarge");
}

#[test]
fn x_22_our_metadata_names_two_keys_while_they_change() {
    let text = ours(&Ours {
        entity_id: US,
        acs: ACS,
        slo: SLO,
        certificates: &[OURS.own.certificate(), STRANGER.own.certificate()],
    });
    assert_eq!(text.matches("use=\"signing\"").count(), 2);
    assert_eq!(text.matches("use=\"encryption\"").count(), 2);
    for part in ["AuthnRequestsSigned=\"true\"", "WantAssertionsSigned=\"true\"", US, ACS, SLO] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn certificates_are_read_as_people_paste_them() {
    let inside = STANDARD.encode(IDP.own.certificate());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
    assert_eq!(certificate(&pem).as_deref(), Some(inside.as_str()));
    assert_eq!(certificate(&inside).as_deref(), Some(inside.as_str()));
    for bad in ["", "x", &pem[..60], &format!("{pem}{pem}")] {
        assert_eq!(certificate(bad), None);
    }
}
