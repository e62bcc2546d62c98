//! Reading the little we need from a certificate: its fingerprint and its end.

use std::fmt;

use base::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::sha256;

/// SHA-256 over a certificate, shown as `4E:91:…` so that people can compare it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The fingerprint of a certificate in DER.
pub fn fingerprint(der: &[u8]) -> Fingerprint {
    Fingerprint(sha256(der))
}

/// The fingerprint of the first certificate in a PEM text.
pub fn fingerprint_pem(pem: &str) -> Option<Fingerprint> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|der| fingerprint(&der))
}

/// When the first certificate in a PEM text ends.
pub fn not_after_pem(pem: &str) -> Option<Timestamp> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().and_then(|der| not_after(&der))
}

/// When a certificate in DER ends; `None` when it cannot be read.
///
/// Walks `Certificate → TBSCertificate → validity → notAfter` (RFC 5280 section 4.1) and trusts nothing:
/// rustls has the say about whether the certificate is good.
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut to_be_signed, _) = element(certificate, SEQUENCE)?;
    if to_be_signed.first() == Some(&VERSION) {
        to_be_signed = skip(to_be_signed)?;
    }
    // Serial number, signature algorithm, issuer.
    let (validity, _) = element(skip(skip(skip(to_be_signed)?)?)?, SEQUENCE)?;
    time(skip(validity)?)
}

/// The content of the element at the start, if it has this tag, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

pub(crate) fn skip(der: &[u8]) -> Option<&[u8]> {
    any(der).map(|(_, _, rest)| rest)
}

pub(crate) fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let bytes = usize::from(first & 0x7f);
        if !(1..=3).contains(&bytes) || rest.len() < bytes {
            return None;
        }
        let (length, rest) = rest.split_at(bytes);
        (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `UTCTime` (`YYMMDDHHMMSSZ`, years 1950 to 2049) or `GeneralizedTime` (`YYYYMMDDHHMMSSZ`).
fn time(der: &[u8]) -> Option<Timestamp> {
    let (tag, content, _) = any(der)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (0x17, 12) => {
            let short: i16 = text[..2].parse().ok()?;
            (short + if short < 50 { 2000 } else { 1900 }, &text[2..])
        }
        (0x18, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |place: usize| rest[place * 2..place * 2 + 2].parse::<i8>().ok();
    let at = civil::DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    Some(Timestamp::from_jiff(at.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fingerprint_reads_as_people_compare_it() {
        let shown = fingerprint(b"abc").to_string();
        assert!(shown.starts_with("BA:78:16:BF:") && shown.len() == 95, "{shown}");
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let element = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let shown = |der: &[u8]| time(der).map(Timestamp::rfc3339);
        assert_eq!(shown(&element(0x17, "261023011207Z")).as_deref(), Some("2026-10-23T01:12:07.000Z"));
        assert_eq!(shown(&element(0x18, "20520229235959Z")).as_deref(), Some("2052-02-29T23:59:59.000Z"));
        assert_eq!(shown(&element(0x17, "700101000000Z")).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(shown(&element(0x17, "2610230112Z")), None);
        assert_eq!(shown(&element(0x18, "2026102301120éZ")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let _ = not_after(&bytes);
            let _ = time(&bytes);
        }
    }
}
