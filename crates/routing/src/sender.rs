//! Source addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who a message is from: a number, a short code, or a name of up to eleven letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sender {
    /// A phone number in international form, digits only.
    Number(String),
    /// A short code of 3 to 6 digits.
    ShortCode(String),
    /// A name; handsets cannot answer it.
    Name(String),
}

/// A text that is no source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a sender: a number such as +447700900100, a short code of 3 to 6 digits, or a name of 1 to 11 letters, digits and spaces"
)]
pub struct SenderError;

impl Sender {
    /// The address as it is sent and stored: digits without plus sign, or the name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(text) | Self::ShortCode(text) | Self::Name(text) => text,
        }
    }

    /// Whether a handset can answer it.
    pub const fn can_be_answered(&self) -> bool {
        !matches!(self, Self::Name(_))
    }
}

impl FromStr for Sender {
    type Err = SenderError;

    fn from_str(text: &str) -> Result<Self, SenderError> {
        let text = text.trim();
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return match (digits.len(), text.len() == digits.len()) {
                (3..=6, true) => Ok(Self::ShortCode(digits.to_owned())),
                (7..=15, _) if !digits.starts_with('0') => Ok(Self::Number(digits.to_owned())),
                _ => Err(SenderError),
            };
        }
        // What the carriers' GSM 7-bit address field can hold and filters let through.
        let is_name = (1..=11).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b" .-_&+".contains(&octet))
            && text.bytes().any(|octet| octet.is_ascii_alphabetic());
        if is_name { Ok(Self::Name(text.to_owned())) } else { Err(SenderError) }
    }
}

impl TryFrom<String> for Sender {
    type Error = SenderError;

    fn try_from(text: String) -> Result<Self, SenderError> {
        text.parse()
    }
}

impl From<Sender> for String {
    fn from(sender: Sender) -> Self {
        sender.as_str().to_owned()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::Number(_)) {
            f.write_str("+")?;
        }
        f.write_str(self.as_str())
    }
}

/// Whether `sender` is meant by `pattern`: the same address, letters of either size, plus sign or not; a star at the end stands
/// for any rest.
pub(crate) fn is_like(pattern: &str, sender: &Sender) -> bool {
    let (pattern, address) = (pattern.trim_start_matches('+').as_bytes(), sender.as_str().as_bytes());
    match pattern.strip_suffix(b"*") {
        Some(start) => address.get(..start.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(start)),
        None => address.eq_ignore_ascii_case(pattern),
    }
}

/// Which source addresses a carrier takes, and which it is given instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderRules {
    /// The addresses it takes, each perhaps with a star at its end; empty for all.
    pub allowed: Vec<String>,
    /// Whether it takes no names, numbers and short codes alone.
    pub numeric_only: bool,
    /// What goes in place of one that it does not take.
    pub instead: Option<Sender>,
}

impl SenderRules {
    /// The address that this carrier is given for `sender`; `None` when it takes neither it nor another.
    pub fn given<'a>(&'a self, sender: &'a Sender) -> Option<&'a Sender> {
        let named = self.numeric_only && !sender.can_be_answered();
        let allowed = self.allowed.is_empty() || self.allowed.iter().any(|pattern| is_like(pattern, sender));
        if allowed && !named { Some(sender) } else { self.instead.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_is_given_what_it_takes() {
        let (name, code): (Sender, Sender) = ("Acme".parse().unwrap(), "70007".parse().unwrap());
        let rules = SenderRules { numeric_only: true, instead: Some(code.clone()), ..SenderRules::default() };
        assert_eq!((rules.given(&name), rules.given(&code)), (Some(&code), Some(&code)));
        let listed = SenderRules { allowed: vec!["acm*".into(), "+447700900100".into()], ..SenderRules::default() };
        assert_eq!((listed.given(&name), listed.given(&code)), (Some(&name), None));
        let number: Sender = "447700900100".parse().unwrap();
        assert_eq!(listed.given(&number), Some(&number));
        assert_eq!(SenderRules::default().given(&name), Some(&name));
    }

    #[test]
    fn addresses_are_told_apart() {
        for (text, expected) in [
            ("+447700900100", Ok(Sender::Number("447700900100".into()))),
            ("447700900100", Ok(Sender::Number("447700900100".into()))),
            ("85432", Ok(Sender::ShortCode("85432".into()))),
            ("Loudhailer", Ok(Sender::Name("Loudhailer".into()))),
            ("24/7", Err(SenderError)),
            ("+85432", Err(SenderError)),
            ("12", Err(SenderError)),
            ("", Err(SenderError)),
            ("TwelveLetter", Err(SenderError)),
            ("Ünal", Err(SenderError)),
        ] {
            assert_eq!(text.parse::<Sender>(), expected, "{text}");
        }
        assert_eq!(Sender::Number("447700900100".into()).to_string(), "+447700900100");
    }
}
