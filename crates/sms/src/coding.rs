//! The SMPP `data_coding` octet, and the body of a short message that came in.

use crate::udh::Udh;
use crate::{Encoding, gsm};

/// How the octets of a short message are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// GSM 7-bit default alphabet, unpacked.
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// Big-endian UTF-16; UCS-2 where the peer is old.
    Ucs2,
    /// Octets with a meaning of their own.
    Binary,
}

impl Coding {
    /// What `data_coding` means: SMPP 3.4 section 5.2.19, with the message class groups of TS 23.038
    /// (`0x10..0x1F`, `0xF0..0xFF`, `0xE0..0xEF`). An unknown value is read as GSM 7-bit, the default alphabet.
    pub const fn from_data_coding(value: u8) -> Self {
        match value {
            0x02 | 0x04 | 0x14..=0x17 | 0xF4..=0xF7 | 0xFC..=0xFF => Self::Binary,
            0x03 => Self::Latin1,
            0x08 | 0x18..=0x1B | 0xE0..=0xEF => Self::Ucs2,
            _ => Self::Gsm7,
        }
    }

    /// The octet that says so.
    pub const fn data_coding(self) -> u8 {
        match self {
            Self::Gsm7 => 0x00,
            Self::Latin1 => 0x03,
            Self::Binary => 0x04,
            Self::Ucs2 => 0x08,
        }
    }

    /// As the compatible doors write it: `GSM7`, `UCS2`, or `GSM8` for what is neither.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM7",
            Self::Ucs2 => "UCS2",
            Self::Latin1 | Self::Binary => "GSM8",
        }
    }

    /// In sentences.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Latin1 => "Latin-1",
            Self::Ucs2 => "UCS-2",
            Self::Binary => "binary",
        }
    }
}

impl From<Encoding> for Coding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gsm7 => Self::Gsm7,
            Encoding::Ucs2 => Self::Ucs2,
        }
    }
}

/// The text of `octets`, tolerantly: nothing fails, what cannot be read becomes U+FFFD, binary shows as
/// hexadecimal digits. Join the parts of a long message before decoding: a careless peer cuts through pairs.
pub fn decode(coding: Coding, octets: &[u8]) -> String {
    match coding {
        Coding::Gsm7 => gsm::decode(octets),
        Coding::Latin1 => octets.iter().map(|&octet| char::from(octet)).collect(),
        Coding::Ucs2 => {
            let units = octets.chunks(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0xFFFD,
            });
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Coding::Binary => {
            use std::fmt::Write;
            octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
                // Writing to a string cannot fail.
                let _ = write!(out, "{octet:02X}");
                out
            })
        }
    }
}

/// `text` in `encoding`, or the first character that it cannot write.
pub fn encode(encoding: Encoding, text: &str) -> Result<Vec<u8>, char> {
    match encoding {
        Encoding::Gsm7 => gsm::encode(text),
        Encoding::Ucs2 => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    }
}

/// The body of a short message that came in, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortMessage {
    /// How to read the payload.
    pub coding: Coding,
    /// The user data header, empty when there was none.
    pub udh: Udh,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl ShortMessage {
    /// Takes `octets` apart. `has_header` is the UDHI bit of `esm_class` (0x40). A header that is not
    /// well-formed is dropped with its announced length, and the rest is read as text.
    pub fn parse(data_coding: u8, has_header: bool, octets: &[u8]) -> Self {
        let coding = Coding::from_data_coding(data_coding);
        if !has_header {
            return Self { coding, udh: Udh::default(), payload: octets.to_vec() };
        }
        let (udh, rest) = Udh::parse(octets);
        Self { coding, udh, payload: rest.to_vec() }
    }

    /// The text of this part alone.
    pub fn text(&self) -> String {
        decode(self.coding, &self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_coding_values_seen_in_the_field() {
        for (value, expected) in [
            (0x00, Coding::Gsm7),
            (0x01, Coding::Gsm7),
            (0x03, Coding::Latin1),
            (0x04, Coding::Binary),
            (0x08, Coding::Ucs2),
            (0x10, Coding::Gsm7),
            (0x18, Coding::Ucs2),
            (0xF0, Coding::Gsm7),
            (0xF5, Coding::Binary),
            (0x99, Coding::Gsm7),
        ] {
            assert_eq!(Coding::from_data_coding(value), expected, "{value:#04x}");
        }
        for coding in [Coding::Gsm7, Coding::Latin1, Coding::Ucs2, Coding::Binary] {
            assert_eq!(Coding::from_data_coding(coding.data_coding()), coding);
        }
    }

    #[test]
    fn ucs2_reads_pairs_lone_halves_and_odd_ends() {
        assert_eq!(decode(Coding::Ucs2, &encode(Encoding::Ucs2, "a😀ğ").unwrap()), "a😀ğ");
        assert_eq!(decode(Coding::Ucs2, &[0xD8, 0x3D]), "\u{FFFD}");
        assert_eq!(decode(Coding::Ucs2, &[0x00, b'a', 0x00]), "a\u{FFFD}");
        assert_eq!(decode(Coding::Latin1, &[0xE9]), "é");
        assert_eq!(decode(Coding::Binary, &[0x00, 0xAF]), "00AF");
    }

    #[test]
    fn a_short_message_with_a_header_is_taken_apart() {
        let whole = ShortMessage::parse(0, true, &[5, 0, 3, 7, 2, 1, b'h', b'i']);
        assert_eq!(whole.text(), "hi");
        assert_eq!(whole.udh.concat().map(|concat| (concat.reference, concat.total, concat.sequence)), Some((7, 2, 1)));
        assert_eq!(ShortMessage::parse(0, false, b"hi").text(), "hi");
    }
}
