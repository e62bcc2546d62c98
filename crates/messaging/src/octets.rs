//! Messages that an application cut or coded itself (parts with their own header, binary, flash): octets that go to
//! the carrier as they came, as one part.

use sms::{Choice, Coding, Encoding, ShortMessage};

use crate::Error;

/// Octets of one short message at most (SMPP 3.4 section 5.2.22).
const MOST: usize = 254;

/// One short message as octets.
#[derive(Clone, PartialEq, Eq)]
pub struct Octets {
    /// SMPP's `data_coding`, as the application said it.
    pub data_coding: u8,
    /// Whether the octets begin with a user data header (the UDHI bit of `esm_class`).
    pub has_header: bool,
    /// Header and text; 1 to 254 octets.
    pub octets: Vec<u8>,
}

impl std::fmt::Debug for Octets {
    /// Without the octets: they are a text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Octets")
            .field("data_coding", &self.data_coding)
            .field("has_header", &self.has_header)
            .field("length", &self.octets.len())
            .finish_non_exhaustive()
    }
}

impl Octets {
    /// The part as a reader sees it; binary as hexadecimal digits.
    pub fn text(&self) -> String {
        ShortMessage::parse(self.data_coding, self.has_header, &self.octets).text()
    }

    /// The alphabet that comes nearest, for lists.
    const fn encoding(&self) -> Encoding {
        nearest(self.data_coding)
    }
}

const fn nearest(data_coding: u8) -> Encoding {
    match Coding::from_data_coding(data_coding) {
        Coding::Ucs2 => Encoding::Ucs2,
        Coding::Gsm7 | Coding::Latin1 | Coding::Binary => Encoding::Gsm7,
    }
}

/// What a message says, opened.
#[derive(Clone)]
pub(crate) enum Body {
    /// A text, which is cut into parts when it leaves.
    Text(String),
    /// One part as it came.
    Octets(Octets),
}

impl Body {
    /// Checked: the alphabet and the number of parts.
    pub(crate) fn measure(&self, choice: Choice) -> Result<(Encoding, usize), Error> {
        match self {
            Self::Text(text) if text.is_empty() => Err(Error::EmptyText),
            Self::Text(text) => {
                let (encoding, parts) = sms::count(text, choice)?;
                if parts > sms::MAX_PARTS {
                    return Err(sms::SegmentError::TooManyParts { parts }.into());
                }
                Ok((encoding, parts))
            }
            Self::Octets(octets) if octets.octets.is_empty() => Err(Error::EmptyText),
            Self::Octets(octets) if octets.octets.len() > MOST => {
                Err(Error::TooLong { field: "short_message", most: MOST })
            }
            Self::Octets(octets) => Ok((octets.encoding(), 1)),
        }
    }

    /// Its first characters.
    pub(crate) fn beginning(&self, most: usize) -> String {
        match self {
            Self::Text(text) => text.chars().take(most).collect(),
            Self::Octets(octets) => octets.text().chars().take(most).collect(),
        }
    }

    /// What is sealed.
    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Octets(octets) => &octets.octets,
        }
    }

    /// What stands in the column `encoding`: 0 and 1 are texts in GSM 7-bit and UCS-2; from 256 on octets, with their
    /// `data_coding` in the low byte and 512 for a header.
    pub(crate) const fn code(&self, encoding: Encoding) -> i64 {
        match self {
            Self::Text(_) => matches!(encoding, Encoding::Ucs2) as i64,
            Self::Octets(octets) => OCTETS + octets.data_coding as i64 + if octets.has_header { HEADER } else { 0 },
        }
    }

    /// A body as it was sealed; `None` when it is no text although it should be one.
    pub(crate) fn opened(code: i64, plain: Vec<u8>) -> Option<Self> {
        if code < OCTETS {
            return String::from_utf8(plain).ok().map(Self::Text);
        }
        let data_coding = u8::try_from(code & 0xFF).unwrap_or(0);
        Some(Self::Octets(Octets { data_coding, has_header: code & HEADER != 0, octets: plain }))
    }

    /// The part, when it is one as it came.
    pub(crate) fn into_octets(self) -> Option<Octets> {
        match self {
            Self::Text(_) => None,
            Self::Octets(octets) => Some(octets),
        }
    }

    /// What it says, for people.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Octets(octets) => octets.text(),
        }
    }
}

const OCTETS: i64 = 256;
const HEADER: i64 = 512;

/// The alphabet that a stored code means.
pub(crate) fn encoding(code: i64) -> Encoding {
    match code {
        0 => Encoding::Gsm7,
        1 => Encoding::Ucs2,
        octets => nearest(u8::try_from(octets & 0xFF).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_as_it_was_stored() {
        for (data_coding, has_header, octets) in [
            (0, true, &[5, 0, 3, 7, 2, 1, b'h', b'i'][..]),
            (4, false, &[0, 255]),
            (0xF0, false, b"flash"),
            (8, true, &[]),
        ] {
            let before = Octets { data_coding, has_header, octets: octets.to_vec() };
            let body = Body::Octets(before.clone());
            let code = body.code(Encoding::Gsm7);
            let Some(Body::Octets(after)) = Body::opened(code, body.octets().to_vec()) else { panic!("{before:?}") };
            assert_eq!(after, before);
            assert_eq!(encoding(code), before.encoding());
        }
        let text = Body::Text("ğ".into());
        assert_eq!((text.code(Encoding::Ucs2), encoding(1)), (1, Encoding::Ucs2));
        assert!(matches!(Body::opened(1, "ğ".into()), Some(Body::Text(text)) if text == "ğ"));
        assert!(Body::opened(0, vec![0xFF]).is_none());
    }

    #[test]
    fn people_read_the_text_of_a_part() {
        let part = Octets { data_coding: 0, has_header: true, octets: vec![5, 0, 3, 7, 2, 1, b'h', b'i'] };
        assert_eq!(Body::Octets(part.clone()).text(), "hi");
        assert!(!format!("{part:?}").contains("104"), "Debug shows no octets");
        assert_eq!(Octets { data_coding: 4, has_header: false, octets: vec![0, 0xAF] }.text(), "00AF");
    }
}
