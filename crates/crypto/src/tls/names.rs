//! Whose certificate it is and who issued it, in words for people. Nothing is decided by these: rustls verifies.

use super::certificate::{any, element, skip};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OID: u8 = 0x06;
/// The attributes that people know a certificate by, with the short names of RFC 4514: `2.5.4.3`, `.10`, `.11`, `.6`.
const ATTRIBUTES: [(&[u8], &str); 4] =
    [(&[0x55, 4, 3], "CN"), (&[0x55, 4, 10], "O"), (&[0x55, 4, 11], "OU"), (&[0x55, 4, 6], "C")];
/// Characters of a value that are shown at most.
const SHOWN: usize = 120;

/// Subject and issuer of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Whose it is: `CN=smpp.example.com, O=Example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
}

/// Subject and issuer of a certificate in DER; `None` when it cannot be read. A subject that has none of the usual attributes is
/// empty: then the certificate's alternative names, which rustls compares, are all there is.
pub fn names(der: &[u8]) -> Option<Names> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // Serial number and signature algorithm come before the issuer, the validity before the subject.
    let (issuer, rest) = element(skip(skip(rest)?)?, SEQUENCE)?;
    let (subject, _) = element(skip(rest)?, SEQUENCE)?;
    Some(Names { subject: name(subject), issuer: name(issuer) })
}

/// A distinguished name: sets of pairs of an object identifier and a text.
fn name(mut sets: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((set, rest)) = element(sets, SET) {
        sets = rest;
        if let Some((pair, _)) = element(set, SEQUENCE)
            && let Some((oid, value)) = element(pair, OID)
            && let Some((_, known)) = ATTRIBUTES.iter().find(|(known, _)| *known == oid)
            && let Some((_, text, _)) = any(value)
        {
            let text = String::from_utf8_lossy(text);
            // A stranger wrote it: nothing that steers a terminal or turns the reading direction.
            let shown = text.chars().filter(|letter| !letter.is_control() && !is_mark(*letter)).take(SHOWN);
            parts.push(format!("{known}={}", shown.collect::<String>()));
        }
    }
    parts.join(", ")
}

/// Marks that turn or hide text.
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{Context, ManualClock, SeededChance, Timestamp};
    use proptest::prelude::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;
    use crate::tls::SelfSigned;

    #[test]
    fn a_certificate_says_whose_it_is_and_who_signed_it() {
        let clock = ManualClock::new(Timestamp::from_micros(1_792_717_927_000_000));
        let context = Context::new(Arc::new(clock), Arc::new(SeededChance::new(5)));
        let made = SelfSigned::generate(&["smpp.example.com".to_owned()], &context).unwrap();
        let der = CertificateDer::from_pem_slice(made.cert_pem.as_bytes()).unwrap();
        let expected = Names { subject: "CN=smpp.example.com".into(), issuer: "CN=Loudhailer private CA".into() };
        assert_eq!(names(&der), Some(expected));
    }

    #[test]
    fn nothing_in_a_name_steers_who_reads_it() {
        let pair = |text: &str| {
            let text = [&[0x0c, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            let pair = [&[OID, 3, 0x55, 4, 3][..], &text].concat();
            let pair = [&[SEQUENCE, u8::try_from(pair.len()).unwrap()], &pair[..]].concat();
            [&[SET, u8::try_from(pair.len()).unwrap()], &pair[..]].concat()
        };
        assert_eq!(name(&pair("a\u{1b}[2J\u{202e}b")), "CN=a[2Jb");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let _ = names(&bytes);
            let _ = name(&bytes);
        }
    }
}
