//! What a client's certificate says of its holder: enough to find the program that it belongs to. The TLS library has verified
//! chain, dates and possession of the key before anybody asks here.

use std::fmt;
use std::str::FromStr;

use base::Timestamp;

use super::certificate::{Fingerprint, any, element, fingerprint, not_after, skip};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OID: u8 = 0x06;
/// Attributes of a distinguished name with their short names (RFC 4514 section 3, and what `openssl` prints).
const SHORT: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];
/// Attributes of a name at most; names of more are nobody's.
const MOST: usize = 32;
/// Bytes of a name's text at most.
const LONGEST: usize = 2_048;

/// The certificate that a client showed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 over the whole of it.
    pub fingerprint: Fingerprint,
    /// Whose it is.
    pub subject: DistinguishedName,
    /// Who signed it.
    pub issuer: DistinguishedName,
    /// When it ends.
    pub not_after: Timestamp,
}

impl ClientCertificate {
    /// Reads one in DER; `None` when it cannot be read.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = skip(rest)?;
        }
        // Serial number and signature algorithm come before the issuer, the validity before the subject.
        let (issuer, rest) = element(skip(skip(rest)?)?, SEQUENCE)?;
        let (subject, _) = element(skip(rest)?, SEQUENCE)?;
        Some(Self {
            fingerprint: fingerprint(der),
            subject: DistinguishedName::read(subject)?,
            issuer: DistinguishedName::read(issuer)?,
            not_after: not_after(der)?,
        })
    }
}

impl fmt::Debug for ClientCertificate {
    /// Without the subject: it can be a person's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// A distinguished name: attributes with their values, in the order of the certificate. Written as `CN=app, O=Example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DistinguishedName(Vec<(String, String)>);

/// A text that is no distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name such as CN=app, O=Example is expected: attribute=value, with commas between, as `openssl x509 -subject -nameopt RFC2253` prints it"
)]
pub struct NameError;

impl DistinguishedName {
    /// Whether the two name the same holder. `openssl` prints names in either direction, so both count; everything else is
    /// compared to the letter.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.len() == other.0.len() && self.0.iter().eq(other.0.iter().rev()))
    }

    /// The form in which two names that are the same are equal texts, whatever their direction.
    pub fn canonical(&self) -> String {
        let (one, other) = (self.to_string(), Self(self.0.iter().rev().cloned().collect()).to_string());
        one.min(other)
    }

    fn read(mut sets: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        while !sets.is_empty() {
            let (mut set, rest) = element(sets, SET)?;
            sets = rest;
            while !set.is_empty() {
                let (pair, rest) = element(set, SEQUENCE)?;
                set = rest;
                let (oid, value) = element(pair, OID)?;
                let (tag, bytes, _) = any(value)?;
                if parts.len() >= MOST {
                    return None;
                }
                parts.push((attribute(oid)?, text(tag, bytes)));
            }
        }
        Some(Self(parts))
    }
}

impl FromStr for DistinguishedName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        if given.len() > LONGEST {
            return Err(NameError);
        }
        let mut parts = Vec::new();
        for part in split(given)? {
            let (name, value) = part.split_once('=').ok_or(NameError)?;
            let name = name.trim();
            let dotted = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let known = SHORT.iter().find(|(oid, short)| *oid == name || short.eq_ignore_ascii_case(name));
            let name = match known {
                Some((_, short)) => (*short).to_owned(),
                None if dotted => name.to_owned(),
                // The short name of one attribute has two customs.
                None if name.eq_ignore_ascii_case("E") || name.eq_ignore_ascii_case("email") => {
                    "emailAddress".to_owned()
                }
                None => return Err(NameError),
            };
            parts.push((name, unescape(value)?));
        }
        if parts.is_empty() || parts.len() > MOST { Err(NameError) } else { Ok(Self(parts)) }
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            write!(f, "{name}=")?;
            let last = value.chars().count().saturating_sub(1);
            for (at, letter) in value.chars().enumerate() {
                let edge = (at == 0 && matches!(letter, ' ' | '#')) || (at == last && letter == ' ');
                if edge || matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
                    f.write_str("\\")?;
                }
                if letter.is_control() {
                    let mut bytes = [0; 4];
                    for byte in letter.encode_utf8(&mut bytes).bytes() {
                        write!(f, "\\{byte:02X}")?;
                    }
                } else {
                    write!(f, "{letter}")?;
                }
            }
        }
        Ok(())
    }
}

/// The parts between commas (or plus signs, or semicolons of old) that no backslash precedes.
fn split(text: &str) -> Result<Vec<String>, NameError> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let here = parts.last_mut().ok_or(NameError)?;
        match letter {
            '\\' => {
                here.push('\\');
                here.push(letters.next().ok_or(NameError)?);
            }
            ',' | '+' | ';' => parts.push(String::new()),
            '"' | '<' | '>' => return Err(NameError),
            _ => here.push(letter),
        }
    }
    Ok(parts)
}

fn unescape(text: &str) -> Result<String, NameError> {
    let text = text.trim_start();
    // Spaces at the end are no part of the value, unless one is escaped.
    let kept = text.trim_end().len();
    let escaped = text[..kept].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    let text = if escaped { text.get(..=kept).unwrap_or(text) } else { &text[..kept] };
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let next = bytes.next().ok_or(NameError)?;
        if next.is_ascii_hexdigit() {
            let low = bytes.next().ok_or(NameError)?;
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(NameError);
            out.push(u8::try_from(digit(next)? * 16 + digit(low)?).map_err(|_| NameError)?);
        } else {
            out.push(next);
        }
    }
    let value = String::from_utf8(out).map_err(|_| NameError)?;
    if value.is_empty() { Err(NameError) } else { Ok(value) }
}

/// The attribute's short name, or its object identifier in dots.
fn attribute(oid: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = number.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    let dotted = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    let short = SHORT.iter().find(|(oid, _)| *oid == dotted).map(|(_, short)| (*short).to_owned());
    (!dotted.is_empty()).then(|| short.unwrap_or(dotted))
}

/// A value's text; one that is no text as `#` and hexadecimal digits, which no text form gives.
fn text(tag: u8, bytes: &[u8]) -> String {
    let read = match tag {
        // UTF8String, PrintableString, IA5String, NumericString, VisibleString; TeletexString as long as it is ASCII.
        0x0c | 0x13 | 0x16 | 0x12 | 0x1a => std::str::from_utf8(bytes).ok().map(str::to_owned),
        0x14 if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(str::to_owned),
        0x1e if bytes.len().is_multiple_of(2) => {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    };
    read.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("#{tag:02x}{}", base::hex(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DistinguishedName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_in_the_ways_that_openssl_prints_them() {
        let expected = name("CN=app, O=Example");
        for text in ["CN=app,O=Example", "O = Example, CN = app", "o=Example,cn=app", "2.5.4.3=app,O=Example"] {
            assert!(expected.is(&name(text)), "{text}");
            assert_eq!(expected.canonical(), name(text).canonical(), "{text}");
        }
        for other in ["CN=App, O=Example", "CN=app", "CN=app, O=Example, OU=x", "O=app, CN=Example"] {
            assert!(!expected.is(&name(other)), "{other}");
        }
    }

    #[test]
    fn escapes_keep_a_value_in_one_piece() {
        let escaped = name(r"CN=Smith\, Jane\20, O=A\+B \C3\A4");
        assert_eq!(escaped.0, [("CN".into(), "Smith, Jane ".into()), ("O".to_owned(), "A+B ä".to_owned())]);
        assert_eq!(name(&escaped.to_string()), escaped);
        assert_eq!(name(r"CN=end\ ").0[0].1, "end ");
        for wrong in ["", "app", "CN=", "CN=a,,O=b", "XX=a", "CN=\"a\"", r"CN=a\"] {
            assert_eq!(wrong.parse::<DistinguishedName>(), Err(NameError), "{wrong}");
        }
    }

    #[test]
    fn object_identifiers_and_odd_values_are_written_out() {
        assert_eq!(attribute(&[0x55, 4, 3]).as_deref(), Some("CN"));
        assert_eq!(attribute(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2]).as_deref(), Some("1.2.840.113549.1.9.2"));
        assert_eq!((text(0x1e, &[0, b'a', 0, 0xe4]).as_str(), text(0x03, &[1, 2]).as_str()), ("aä", "#030102"));
    }

    proptest! {
        /// What is shown reads back as the same name.
        #[test]
        fn every_name_reads_back(values in proptest::collection::vec("\\PC{1,12}", 1..4)) {
            let all = DistinguishedName(values.into_iter().map(|value| ("CN".to_owned(), value)).collect());
            prop_assume!(all.0.iter().all(|(_, value)| value.trim() == value || !value.trim().is_empty()));
            let shown = all.to_string();
            prop_assume!(!all.0.iter().any(|(_, value)| value.chars().any(|c| c.is_whitespace() && c != ' ')));
            prop_assert_eq!(shown.parse::<DistinguishedName>(), Ok(all));
        }

        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>, text in "\\PC{0,40}") {
            let _ = ClientCertificate::read(&bytes);
            let _ = text.parse::<DistinguishedName>();
        }
    }
}
