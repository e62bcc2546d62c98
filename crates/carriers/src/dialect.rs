//! How a carrier speaks SMPP where carriers differ: the bind, addresses, alphabets, long texts, times, receipts. Plain data; what it
//! does to a PDU is in `translate`.

use serde::{Deserialize, Serialize};
use smpp::{Address, Npi, RegisteredDelivery, Ton};

/// What `data_coding` 0 means at a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// The GSM 7-bit alphabet, one octet for each character.
    #[default]
    Gsm,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How a text of several parts is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongMessages {
    /// In parts, each with a user data header.
    #[default]
    Udh,
    /// In parts, each with `sar_msg_ref_num`, `sar_total_segments` and `sar_segment_seqnum`.
    Sar,
    /// Whole, in `message_payload`; the carrier cuts it.
    Payload,
}

/// How the time after which a message is not to be delivered is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// From now on: `000000000130000R`.
    #[default]
    Relative,
    /// As a time in UTC: `261130031500000+`.
    Absolute,
    /// Not at all; the message still expires here.
    None,
}

/// Which receipts are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    /// One at the end, good or bad.
    #[default]
    Final,
    /// One when it could not be delivered.
    Failures,
    /// None: messages stay sent.
    None,
}

/// The version of SMPP that the bind names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// 3.3.
    #[serde(rename = "3.3")]
    V33,
    /// 3.4.
    #[default]
    #[serde(rename = "3.4")]
    V34,
    /// 5.0.
    #[serde(rename = "5.0")]
    V50,
}

impl Version {
    /// Its octet.
    pub const fn octet(self) -> u8 {
        match self {
            Self::V33 => 0x33,
            Self::V34 => 0x34,
            Self::V50 => 0x50,
        }
    }
}

/// Type of number and numbering plan of one sort of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// Type of number (SMPP 3.4 section 5.2.5).
    pub ton: u8,
    /// Numbering plan (section 5.2.6).
    pub npi: u8,
}

impl Numbering {
    const fn new(ton: Ton, npi: Npi) -> Self {
        Self { ton: ton.0, npi: npi.0 }
    }

    /// The address `text` of this sort.
    pub fn address(self, text: impl Into<smpp::Text>) -> Address {
        Address { ton: Ton(self.ton), npi: Npi(self.npi), text: text.into() }
    }
}

/// The country whose numbers a carrier writes without country code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct National {
    /// Its calling code, such as `44`.
    pub country_code: String,
    /// What stands before a national number, such as `0`; empty for nothing.
    #[serde(default)]
    pub trunk: String,
    /// How such addresses are labelled.
    #[serde(default = "National::label")]
    pub numbering: Numbering,
}

impl National {
    const fn label() -> Numbering {
        Numbering::new(Ton::NATIONAL, Npi::ISDN)
    }
}

/// A carrier's dialect. The default is what most carriers want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialect {
    /// The version that the bind names.
    pub interface_version: Version,
    /// `address_range` of the bind; mostly empty.
    pub address_range: String,
    /// `addr_ton` and `addr_npi` of the bind.
    pub bind_numbering: Numbering,
    /// `service_type` of each submit; mostly empty.
    pub service_type: String,
    /// What `data_coding` 0 means there, in both directions.
    pub default_alphabet: Alphabet,
    /// `data_coding` of a text in the default alphabet.
    pub text_coding: u8,
    /// `data_coding` of a text in UCS-2.
    pub unicode_coding: u8,
    /// How long texts are handed over.
    pub long_messages: LongMessages,
    /// How the validity is written.
    pub validity: Validity,
    /// Which receipts are asked for.
    pub receipts: Receipts,
    /// Whether receipts come without the mark in `esm_class` that says so, and are known by their text.
    pub unmarked_receipts: bool,
    /// International numbers as source.
    pub number: Numbering,
    /// Short codes as source.
    pub short_code: Numbering,
    /// Names as source.
    pub name: Numbering,
    /// International numbers as destination.
    pub destination: Numbering,
    /// Whether international numbers are written with a plus sign.
    pub plus: bool,
    /// The country whose numbers are written without country code; none unless said.
    pub national: Option<National>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            interface_version: Version::default(),
            address_range: String::new(),
            bind_numbering: Numbering::new(Ton::UNKNOWN, Npi::UNKNOWN),
            service_type: String::new(),
            default_alphabet: Alphabet::default(),
            text_coding: 0,
            unicode_coding: 8,
            long_messages: LongMessages::default(),
            validity: Validity::default(),
            receipts: Receipts::default(),
            unmarked_receipts: false,
            number: Numbering::new(Ton::INTERNATIONAL, Npi::ISDN),
            short_code: Numbering::new(Ton::NETWORK, Npi::UNKNOWN),
            name: Numbering::new(Ton::ALPHANUMERIC, Npi::UNKNOWN),
            destination: Numbering::new(Ton::INTERNATIONAL, Npi::ISDN),
            plus: false,
            national: None,
        }
    }
}

impl Dialect {
    /// The address of an international number, given as digits, as this carrier writes it.
    pub fn number_as(&self, numbering: Numbering, digits: &str) -> Address {
        if let Some(national) = &self.national
            && let Some(rest) = digits.strip_prefix(national.country_code.as_str())
        {
            return national.numbering.address(format!("{}{rest}", national.trunk));
        }
        if self.plus { numbering.address(format!("+{digits}")) } else { numbering.address(digits) }
    }

    /// An address as the carrier wrote it, as the house writes it: international where it is a number.
    pub fn read(&self, address: &Address) -> String {
        let text = address.text.to_str();
        let text = text.trim();
        let digits = |text: &str| text.len() >= 7 && text.bytes().all(|octet| octet.is_ascii_digit());
        if let Some(national) = &self.national
            && digits(text)
            && (address.ton == Ton::NATIONAL || (!national.trunk.is_empty() && text.starts_with(&national.trunk)))
        {
            let rest = text.strip_prefix(national.trunk.as_str()).unwrap_or(text);
            return format!("{}{rest}", national.country_code);
        }
        match text.strip_prefix("00").filter(|rest| digits(rest)) {
            Some(rest) => rest.to_owned(),
            None => text.to_owned(),
        }
    }

    /// `registered_delivery` of each submit.
    pub const fn registered_delivery(&self) -> RegisteredDelivery {
        match self.receipts {
            Receipts::Final => RegisteredDelivery::FINAL,
            Receipts::Failures => RegisteredDelivery(2),
            Receipts::None => RegisteredDelivery(0),
        }
    }

    /// What is wrong with it: field and remedy.
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if self.address_range.len() > 40 {
            found.push(("dialect.address_range", "an address_range is at most 40 characters (SMPP 3.4 section 4.1.1)"));
        }
        if self.service_type.len() > 5 {
            found.push(("dialect.service_type", "a service_type is at most 5 characters (SMPP 3.4 section 4.4.1)"));
        }
        if let Some(national) = &self.national {
            let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
            if !(1..=3).contains(&national.country_code.len()) || !digits(&national.country_code) {
                found.push(("dialect.national.country_code", "a calling code is 1 to 3 digits, such as 44"));
            }
            if national.trunk.len() > 3 || !digits(&national.trunk) {
                found.push((
                    "dialect.national.trunk",
                    "what stands before a national number is at most 3 digits, such as 0",
                ));
            }
        }
        if self.text_coding == self.unicode_coding {
            found.push(("dialect.unicode_coding", "one data_coding cannot mean both alphabets"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_numbers_go_out_and_come_back() {
        let national = National { country_code: "44".into(), trunk: "0".into(), numbering: National::label() };
        let dialect = Dialect { national: Some(national), plus: true, ..Dialect::default() };
        let home = dialect.number_as(dialect.destination, "447700900117");
        assert_eq!((home.ton, home.text.to_str().as_ref()), (Ton::NATIONAL, "07700900117"));
        assert_eq!(dialect.read(&home), "447700900117");
        let abroad = dialect.number_as(dialect.destination, "4915112345678");
        assert_eq!((abroad.ton, abroad.text.to_str().as_ref()), (Ton::INTERNATIONAL, "+4915112345678"));
        assert_eq!(Dialect::default().read(&Address::international("004915112345678")), "4915112345678");
        assert_eq!(Dialect::default().read(&Address::short_code("70007")), "70007");
        assert_eq!(dialect.read(&Address::alphanumeric("0 Acme")), "0 Acme");
    }

    #[test]
    fn what_cannot_be_written_names_its_field() {
        let wrong = Dialect {
            address_range: "1".repeat(41),
            service_type: "toolong".into(),
            text_coding: 8,
            national: Some(National { country_code: "+44".into(), trunk: "00x".into(), numbering: National::label() }),
            ..Dialect::default()
        };
        let fields: Vec<_> = wrong.problems().into_iter().map(|(field, _)| field).collect();
        assert_eq!(
            fields,
            [
                "dialect.address_range",
                "dialect.service_type",
                "dialect.national.country_code",
                "dialect.national.trunk",
                "dialect.unicode_coding"
            ]
        );
        assert!(Dialect::default().problems().is_empty());
    }
}
