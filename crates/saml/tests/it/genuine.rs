//! What providers really send is understood.

use saml::{Expected, response};

use crate::forge::{C14N, DS, IDP, Mould, SAML, SAMLP, STRANGER, Seal, assertion, expected, read, signed, wrapped};

#[test]
fn x_11_signed_responses_signed_assertions_both_and_encrypted_are_accepted() {
    let inner = signed(&assertion());
    let cases = [
        ("assertion", wrapped(&inner)),
        ("response", signed(&wrapped(&assertion()))),
        ("both", signed(&wrapped(&inner))),
        ("encrypted, signed inside", wrapped(&Seal::default().seal(&inner))),
        ("encrypted, signed outside", signed(&wrapped(&Seal::default().seal(&assertion())))),
        (
            "encrypted with CBC, signed outside",
            signed(&wrapped(&Seal { cbc: true, ..Seal::default() }.seal(&assertion()))),
        ),
        ("encrypted, signed on both sides", signed(&wrapped(&Seal { cbc: true, ..Seal::default() }.seal(&inner)))),
        ("with a declaration", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", wrapped(&inner))),
    ];
    for (name, message) in cases {
        let said = read(&message).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(said.subject.value, "bea", "{name}");
        assert_eq!(said.values("groups"), ["night", "ops"], "{name}");
        assert_eq!(said.first(&["email", "mail"]), Some("bea@example.com"), "{name}");
        assert_eq!(
            (said.id.as_str(), said.session.as_deref(), said.answers.as_deref()),
            ("_a", Some("_s1"), Some("_asked"))
        );
        assert!(!format!("{:?}", said.subject).contains("bea"));
    }
}

/// A part that is encrypted may use prefixes of what it stood in.
#[test]
fn an_encrypted_part_is_read_where_it_stood() {
    let inner = assertion();
    let bare = inner.replacen(&format!(" xmlns:saml=\"{SAML}\""), "", 1);
    let sealed = Seal::default().seal(&bare);
    assert_eq!(read(signed(&wrapped(&sealed))).unwrap().subject.value, "bea");
    // And signed inside as well: its canonical form has the namespace all the same.
    let inner = signed(&inner).replacen(&format!(" xmlns:saml=\"{SAML}\""), "", 1);
    assert_eq!(read(wrapped(&Seal::default().seal(&inner))).unwrap().subject.value, "bea");
}

/// Namespaces, white space and attribute order as they come; canonical XML makes one of them.
#[test]
fn other_ways_to_write_the_same_are_the_same() {
    let inner = signed(&assertion());
    let outer = wrapped(&inner);
    let other = outer
        .replace("<saml:AuthnContext>", "<saml:AuthnContext\n>")
        .replace("</saml:Subject>", "</saml:Subject  >")
        .replace("<saml:Audience>", "<saml:Audience xmlns:unused='urn:x'>")
        .replace("AuthnInstant=", "   AuthnInstant = ")
        .replace("example.com</saml:AttributeValue>", "example&#46;com</saml:AttributeValue>");
    assert_ne!(other, outer);
    assert_eq!(read(other).unwrap().subject.value, "bea");
    // Prefixes listed as inclusive, as OpenSAML and Okta write them.
    let inner = assertion().replacen(
        &format!(" xmlns:saml=\"{SAML}\""),
        &format!(" xmlns:saml=\"{SAML}\" xmlns:xs=\"urn:xs\""),
        1,
    );
    let canonical = format!(
        "{C14N}\"><ec:InclusiveNamespaces xmlns:ec=\"{C14N}\" PrefixList=\"xs\"></ec:InclusiveNamespaces><x a=\""
    );
    let mould = Mould { transforms: vec![Mould::of("_a").transforms[0].clone(), canonical], ..Mould::of("_a") };
    let cut = |text: &str| text.replace("<x a=\"\"></ds:Transform>", "</ds:Transform>");
    let inner =
        mould.sign_with(&inner, &|text| IDP.own.sign(cut(std::str::from_utf8(text).unwrap()).as_bytes()).unwrap());
    assert_eq!(read(wrapped(&cut(&inner))).unwrap().subject.value, "bea");
}

#[test]
fn a_second_certificate_and_a_second_key_of_ours_count_as_well() {
    let keys = [STRANGER.public(), IDP.public()];
    let sealed = Seal::default().seal(&signed(&assertion()));
    assert!(response(wrapped(&sealed).as_bytes(), &expected(&keys)).is_ok());
}

#[test]
fn a_provider_may_begin_where_that_is_allowed() {
    let keys = [IDP.public()];
    let inner = signed(&assertion().replace(" InResponseTo=\"_asked\"", "").replacen("Data InResponseTo", "Data", 1));
    let message = wrapped(&inner).replacen(" InResponseTo=\"_asked\"", "", 1);
    for request in [None, Some("_another")] {
        let allowed = Expected { unsolicited: true, request, ..expected(&keys) };
        assert_eq!(response(message.as_bytes(), &allowed).unwrap().answers, None);
    }
    assert_eq!(read(&message).unwrap_err().name(), "Unsolicited");
}

#[test]
fn a_minute_of_difference_between_clocks_is_nothing() {
    let keys = [IDP.public()];
    let message = wrapped(&signed(&assertion()));
    for (seconds, expected_name) in [(-61, Some("TooEarly")), (-60, None), (359, None), (360, Some("TooLate"))] {
        let read = response(message.as_bytes(), &Expected { now: crate::forge::at(seconds), ..expected(&keys) });
        assert_eq!(read.err().map(|error| error.name()).as_deref(), expected_name, "{seconds}");
    }
}

#[test]
fn a_provider_that_says_no_is_heard() {
    let message = format!(
        "<samlp:Response xmlns:samlp=\"{SAMLP}\" ID=\"_r\" Version=\"2.0\" IssueInstant=\"x\"><samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\"/></samlp:StatusCode></samlp:Status></samlp:Response>"
    );
    let refused = read(message).unwrap_err();
    assert_eq!(refused.to_string(), "the provider answered AuthnFailed");
    assert!(!refused.public().contains("AuthnFailed"));
    assert!(DS.ends_with('#'));
}
