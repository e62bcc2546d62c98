//! The values that PDUs are made of.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::codec::{Field, Reader, Writer};
use crate::{EncodeError, Malformed};

/// A C-octet string as it came, without its NUL. Peers send other things than ASCII, so it is bytes;
/// cloning it is cheap.
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// No text.
    pub const EMPTY: Self = Self(Bytes::new());

    /// A text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a string; bytes that are no UTF-8 read as Latin-1, which is what such peers mean.
    pub fn to_str(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.0.iter().map(|&octet| char::from(octet)).collect()),
        }
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str(), f)
    }
}

impl Field for Text {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        from.text(name).map(Self)
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        to.text(&self.0, name, limit)
    }
}

/// The password of a bind. It prints as `•••`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Password(Text);

impl Password {
    /// A password for a bind; SMPP 3.4 allows eight octets.
    pub fn new(password: impl Into<Text>) -> Self {
        Self(password.into())
    }

    /// The password itself, for comparing it and nothing else.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl Field for Password {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        Text::read(from, name).map(Self)
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        self.0.write(to, name, limit)
    }
}

/// What a message carries: bytes whose meaning `data_coding` and `esm_class` tell. It prints as its length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message(pub Bytes);

impl Message {
    /// Octets that fit into `short_message`.
    pub const LIMIT: usize = 254;
}

impl<B: Into<Bytes>> From<B> for Message {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} octets)", self.0.len())
    }
}

impl Field for Message {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        let length = from.byte("sm_length")?;
        from.octets(usize::from(length), name).map(Self)
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        to.counted(&self.0, name, limit)
    }
}

macro_rules! octet {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $value:ident = $number:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$vdoc])* pub const $value: Self = Self($number);)*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$value => f.write_str(stringify!($value)),)*
                    #[allow(unreachable_patterns, reason = "some octets have a name for every value")]
                    Self(other) => write!(f, "0x{other:02X}"),
                }
            }
        }

        impl Field for $name {
            fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
                from.byte(name).map(Self)
            }

            fn write(&self, to: &mut Writer<'_>, _name: &'static str, _limit: usize) -> Result<(), EncodeError> {
                to.byte(self.0);
                Ok(())
            }
        }
    };
}

octet! {
    /// Type of number (5.2.5).
    Ton {
        /// Not said.
        UNKNOWN = 0;
        /// With country code.
        INTERNATIONAL = 1;
        /// Without country code.
        NATIONAL = 2;
        /// Of the network: short codes.
        NETWORK = 3;
        /// Of the subscriber.
        SUBSCRIBER = 4;
        /// A name instead of a number.
        ALPHANUMERIC = 5;
        /// Abbreviated.
        ABBREVIATED = 6;
    }
}

octet! {
    /// Numbering plan (5.2.6).
    Npi {
        /// Not said.
        UNKNOWN = 0;
        /// Telephone numbers, E.164.
        ISDN = 1;
        /// Data, X.121.
        DATA = 3;
        /// Telex.
        TELEX = 4;
        /// Mobile, E.212.
        MOBILE = 6;
        /// National.
        NATIONAL = 8;
        /// Private.
        PRIVATE = 9;
        /// ERMES.
        ERMES = 10;
        /// Internet.
        INTERNET = 14;
        /// WAP client id.
        WAP = 18;
    }
}

octet! {
    /// How the bytes of a message are to be read (5.2.19).
    DataCoding {
        /// The carrier's default alphabet: GSM 03.38 on most.
        DEFAULT = 0;
        /// ASCII.
        ASCII = 1;
        /// Bytes.
        BINARY = 2;
        /// ISO 8859-1.
        LATIN1 = 3;
        /// Bytes.
        BINARY_8BIT = 4;
        /// ISO 8859-5.
        CYRILLIC = 6;
        /// ISO 8859-8.
        HEBREW = 7;
        /// UCS-2, big-endian.
        UCS2 = 8;
    }
}

octet! {
    /// Mode and type of a message (5.2.12).
    EsmClass {
        /// Nothing special.
        DEFAULT = 0;
        /// The message begins with a user data header.
        UDHI = 0x40;
        /// A receipt of the carrier.
        RECEIPT = 0x04;
        /// An intermediate notification.
        INTERMEDIATE = 0x20;
    }
}

impl EsmClass {
    /// Whether the message begins with a user data header.
    pub const fn has_udh(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether the message is a receipt: of the carrier, or an intermediate notification.
    pub const fn is_receipt(self) -> bool {
        matches!(self.0 & 0x3C, 0x04 | 0x20)
    }
}

octet! {
    /// Which receipts are wanted (5.2.17).
    RegisteredDelivery {
        /// None.
        NONE = 0;
        /// The final one.
        FINAL = 1;
        /// The final one when it failed.
        FAILURE = 2;
    }
}

impl RegisteredDelivery {
    /// Whether a receipt about a message with this outcome is wanted.
    pub const fn wants(self, delivered: bool) -> bool {
        match self.0 & 0x03 {
            1 => true,
            2 => !delivered,
            _ => false,
        }
    }
}

/// An address with its type. It prints with its middle hidden.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Address {
    /// Type of number.
    pub ton: Ton,
    /// Numbering plan.
    pub npi: Npi,
    /// The digits or letters.
    pub text: Text,
}

impl Address {
    /// An international number: digits without `+`.
    pub fn international(digits: impl Into<Text>) -> Self {
        Self { ton: Ton::INTERNATIONAL, npi: Npi::ISDN, text: digits.into() }
    }

    /// A name of up to eleven characters.
    pub fn alphanumeric(name: impl Into<Text>) -> Self {
        Self { ton: Ton::ALPHANUMERIC, npi: Npi::UNKNOWN, text: name.into() }
    }

    /// A short code.
    pub fn short_code(digits: impl Into<Text>) -> Self {
        Self { ton: Ton::NETWORK, npi: Npi::UNKNOWN, text: digits.into() }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}/", self.ton, self.npi)?;
        let text = self.text.to_str();
        let length = text.chars().count();
        let shown = if length > 6 { 3 } else { 0 };
        if self.ton == Ton::ALPHANUMERIC {
            return f.write_str(&text);
        }
        write!(f, "{}", "•".repeat(length - shown))?;
        f.write_str(&text.chars().skip(length - shown).collect::<String>())
    }
}

impl Field for Address {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        Ok(Self { ton: Field::read(from, name)?, npi: Field::read(from, name)?, text: Field::read(from, name)? })
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        to.byte(self.ton.0);
        to.byte(self.npi.0);
        self.text.write(to, name, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_or_secret_prints() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Password::new("hunter2"),
            Message::from("Replication lag"),
            Address::international("447700900117"),
            Address::alphanumeric("ALERT"),
        );
        assert_eq!(shown, "••• (15 octets) INTERNATIONAL/ISDN/•••••••••117 ALPHANUMERIC/UNKNOWN/ALERT");
    }

    #[test]
    fn bits_of_esm_class_and_registered_delivery() {
        assert!(EsmClass(0x44).has_udh() && EsmClass(0x44).is_receipt());
        assert!(EsmClass::INTERMEDIATE.is_receipt() && !EsmClass::UDHI.is_receipt());
        assert!(RegisteredDelivery::FINAL.wants(true) && RegisteredDelivery(0x11).wants(false));
        assert!(!RegisteredDelivery::FAILURE.wants(true) && RegisteredDelivery::FAILURE.wants(false));
        assert!(!RegisteredDelivery::NONE.wants(false));
    }

    #[test]
    fn a_text_that_is_no_utf8_reads_as_latin_1() {
        assert_eq!(Text::from(Bytes::from_static(b"Caf\xE9")).to_str(), "Café");
        assert_eq!(Text::from("Café").to_str(), "Café");
    }
}
