//! One submit, read as the carrier reads it.

use std::time::Duration;

use base::Timestamp;
use smpp::{Address, RegisteredDelivery, SubmitSm, Ton};
use sms::{Coding, ShortMessage};

use crate::TextEncoding;
use crate::ledger::PartOf;

/// A part on its way to a handset.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The carrier's id; drawn when it is taken.
    pub(crate) id: u64,
    pub(crate) submitted: Timestamp,
    pub(crate) system_id: String,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// The handset's number, `+` and digits; what came instead when it is none.
    pub(crate) number: String,
    /// Whether the destination is a number at all.
    pub(crate) is_number: bool,
    pub(crate) coding: Coding,
    pub(crate) payload: Vec<u8>,
    pub(crate) part: Option<PartOf>,
    pub(crate) registered: RegisteredDelivery,
    /// How long it may wait for its handset.
    pub(crate) validity: Duration,
}

/// How long a carrier keeps what nobody said a validity for.
const DEFAULT_VALIDITY: Duration = Duration::from_hours(24);

impl Arrival {
    /// Reads a submit.
    pub(crate) fn read(submit: &SubmitSm, system_id: &str, now: Timestamp) -> Self {
        let destination = submit.destination.text.to_str();
        let number = handset_number(&destination);
        let message = ShortMessage::parse(submit.data_coding.0, submit.esm_class.has_udh(), &submit.message());
        let part = match message.udh.concat() {
            Some(concat) => Some((concat.reference, concat.total, concat.sequence)),
            None => submit.tlvs.sar().map(|(reference, number, total)| (reference, total, number)),
        };
        let part = part
            .filter(|&(_, total, number)| total > 1 && (1..=total).contains(&number))
            .map(|(reference, total, number)| PartOf { reference, total, number });
        Self {
            id: 0,
            submitted: now,
            system_id: system_id.to_owned(),
            source: submit.source.clone(),
            destination: submit.destination.clone(),
            is_number: number.is_some(),
            number: number.unwrap_or_else(|| destination.into_owned()),
            coding: message.coding,
            payload: message.payload,
            part,
            registered: submit.registered_delivery,
            validity: smpp::time::parse_relative(&submit.validity_period).unwrap_or(DEFAULT_VALIDITY),
        }
    }

    /// The words of this part.
    pub(crate) fn text(&self) -> String {
        sms::decode(self.coding, &self.payload)
    }

    pub(crate) const fn encoding(&self) -> TextEncoding {
        encoding_of(self.coding)
    }

    /// The sender as the handset shows it.
    pub(crate) fn peer(&self) -> String {
        shown(&self.source)
    }
}

pub(crate) const fn encoding_of(coding: Coding) -> TextEncoding {
    match coding {
        Coding::Gsm7 => TextEncoding::Gsm7,
        Coding::Latin1 => TextEncoding::Latin1,
        Coding::Ucs2 => TextEncoding::Ucs2,
        Coding::Binary => TextEncoding::Binary,
    }
}

/// An address as people write it.
pub(crate) fn shown(address: &Address) -> String {
    let text = address.text.to_str();
    if address.ton == Ton::INTERNATIONAL && !text.starts_with('+') { format!("+{text}") } else { text.into_owned() }
}

/// `+` and digits, from what an application or a person wrote; `None` when it is no number.
pub(crate) fn handset_number(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| !matches!(character, ' ' | '-' | '(' | ')')).collect();
    let digits = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00")).unwrap_or(&digits);
    let sound = (3..=15).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    sound.then(|| format!("+{digits}"))
}

/// The address that a handset writes to: a number, a short code, or a name.
pub(crate) fn address_of(text: &str) -> Option<Address> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix('+') {
        return handset_number(text).map(|_| Address::international(digits.replace([' ', '-'], "")));
    }
    if text.is_empty() || text.len() > 15 || !text.is_ascii() || text.contains(|c: char| c.is_control()) {
        return None;
    }
    Some(match text.bytes().all(|octet| octet.is_ascii_digit()) {
        true if text.len() >= 9 => Address::international(text),
        true => Address::short_code(text),
        false => Address::alphanumeric(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for text in ["447700900117", "+447700900117", "00447700900117", "+44 7700 900-117"] {
            assert_eq!(handset_number(text).as_deref(), Some("+447700900117"), "{text}");
        }
        for text in ["", "ALERT", "12", "+1234567890123456", "44 7700 9x"] {
            assert_eq!(handset_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_handset_writes_to_numbers_codes_and_names() {
        assert_eq!(address_of("+44 7700 900100"), Some(Address::international("447700900100")));
        assert_eq!(address_of("70007"), Some(Address::short_code("70007")));
        assert_eq!(address_of("ALERT"), Some(Address::alphanumeric("ALERT")));
        assert_eq!(address_of(" "), None);
        assert_eq!(shown(&Address::international("447700900100")), "+447700900100");
        assert_eq!(shown(&Address::short_code("70007")), "70007");
    }
}
