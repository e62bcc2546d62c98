//! The part of a carrier's form about how it speaks SMPP and which senders it takes. Everything is text here, as the form sends it.

use resources::Json;
use serde::Deserialize;

use crate::editing::{number, shown, text};
use crate::facts::{Choice, choices};

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DialectForm {
    pub allowed: String,
    pub numeric_only: String,
    pub instead: String,
    pub interface_version: String,
    pub address_range: String,
    pub bind_numbering: String,
    pub service_type: String,
    pub default_alphabet: String,
    pub text_coding: String,
    pub unicode_coding: String,
    pub long_messages: String,
    pub validity: String,
    pub receipts: String,
    pub unmarked_receipts: String,
    pub number: String,
    pub short_code: String,
    pub sender_name: String,
    pub destination: String,
    pub plus: String,
    pub country_code: String,
    pub trunk: String,
    pub national_numbering: String,
}

/// The choices of its selects.
pub struct DialectChoices {
    pub versions: Vec<Choice>,
    pub alphabets: Vec<Choice>,
    pub long: Vec<Choice>,
    pub validities: Vec<Choice>,
    pub receipts: Vec<Choice>,
}

/// A list as lines of a text field.
pub fn lines(body: &Json, path: &str) -> String {
    let list = path.split('.').try_fold(body, |value, part| value.get(part)).and_then(Json::as_array);
    let texts = list.into_iter().flatten().filter_map(Json::as_str);
    texts.collect::<Vec<_>>().join("\n")
}

/// The lines of a text field as a list.
pub fn listed(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Type of number and numbering plan as `1/1`.
fn pair(body: &Json, path: &str) -> String {
    let of = |part: &str| shown(body, &format!("{path}.{part}"));
    match (of("ton"), of("npi")) {
        (ton, npi) if ton.is_empty() && npi.is_empty() => String::new(),
        (ton, npi) => format!("{ton}/{npi}"),
    }
}

/// The same as it is stored; what is no pair stays as it was typed, so that the mistake is told.
fn numbering(text: &str) -> Json {
    match text.trim() {
        "" => Json::Null,
        typed => match typed.split_once('/') {
            Some((ton, npi)) => serde_json::json!({ "ton": number(ton), "npi": number(npi) }),
            None => typed.into(),
        },
    }
}

fn yes(body: &Json, path: &str) -> String {
    if shown(body, path) == "true" { "true".to_owned() } else { String::new() }
}

impl DialectForm {
    /// The form of what is stored.
    pub fn of(body: &Json) -> Self {
        let of = |field: &str| shown(body, &format!("dialect.{field}"));
        let or =
            |field: &str, usual: &str| Some(of(field)).filter(|text| !text.is_empty()).unwrap_or_else(|| usual.into());
        let numbering = |field: &str| pair(body, &format!("dialect.{field}"));
        Self {
            allowed: lines(body, "senders.allowed"),
            numeric_only: yes(body, "senders.numeric_only"),
            instead: shown(body, "senders.instead"),
            interface_version: or("interface_version", "3.4"),
            address_range: of("address_range"),
            bind_numbering: numbering("bind_numbering"),
            service_type: of("service_type"),
            default_alphabet: or("default_alphabet", "gsm"),
            text_coding: of("text_coding"),
            unicode_coding: of("unicode_coding"),
            long_messages: or("long_messages", "udh"),
            validity: or("validity", "relative"),
            receipts: or("receipts", "final"),
            unmarked_receipts: yes(body, "dialect.unmarked_receipts"),
            number: numbering("number"),
            short_code: numbering("short_code"),
            sender_name: numbering("name"),
            destination: numbering("destination"),
            plus: yes(body, "dialect.plus"),
            country_code: of("national.country_code"),
            trunk: of("national.trunk"),
            national_numbering: numbering("national.numbering"),
        }
    }

    /// The senders as they are stored.
    pub fn senders(&self) -> Json {
        serde_json::json!({
            "allowed": listed(&self.allowed),
            "numeric_only": self.numeric_only == "true",
            "instead": self.instead.trim(),
        })
    }

    /// The dialect as it is stored: what was left empty is what is usual.
    pub fn dialect(&self) -> Json {
        let national = match self.country_code.trim() {
            "" => Json::Null,
            code => said([
                ("country_code", code.into()),
                ("trunk", text(&self.trunk)),
                ("numbering", numbering(&self.national_numbering)),
            ]),
        };
        said([
            ("interface_version", text(&self.interface_version)),
            ("address_range", text(&self.address_range)),
            ("bind_numbering", numbering(&self.bind_numbering)),
            ("service_type", text(&self.service_type)),
            ("default_alphabet", text(&self.default_alphabet)),
            ("text_coding", number(&self.text_coding)),
            ("unicode_coding", number(&self.unicode_coding)),
            ("long_messages", text(&self.long_messages)),
            ("validity", text(&self.validity)),
            ("receipts", text(&self.receipts)),
            ("unmarked_receipts", (self.unmarked_receipts == "true").into()),
            ("number", numbering(&self.number)),
            ("short_code", numbering(&self.short_code)),
            ("name", numbering(&self.sender_name)),
            ("destination", numbering(&self.destination)),
            ("plus", (self.plus == "true").into()),
            ("national", national),
        ])
    }

    /// The choices of its selects, with those in force marked.
    pub fn choices(&self) -> DialectChoices {
        DialectChoices {
            versions: choices(&[("3.4", "3.4"), ("3.3", "3.3"), ("5.0", "5.0")], &self.interface_version),
            alphabets: choices(
                &[("gsm", "the GSM alphabet"), ("latin1", "Latin-1 (ISO 8859-1)"), ("ascii", "ASCII")],
                &self.default_alphabet,
            ),
            long: choices(
                &[
                    ("udh", "in parts, with a header in each"),
                    ("sar", "in parts, told by sar parameters"),
                    ("payload", "whole, as message_payload"),
                ],
                &self.long_messages,
            ),
            validities: choices(
                &[("relative", "from now on"), ("absolute", "as a time in UTC"), ("none", "not at all")],
                &self.validity,
            ),
            receipts: choices(
                &[("final", "at the end, good or bad"), ("failures", "of failures alone"), ("none", "none")],
                &self.receipts,
            ),
        }
    }
}

/// An object of the fields that say something.
fn said<const N: usize>(fields: [(&'static str, Json); N]) -> Json {
    fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_what_is_stored_are_the_same() {
        let body = serde_json::json!({
            "senders": { "allowed": ["Acme*", "70007"], "numeric_only": false, "instead": "70007" },
            "dialect": {
                "interface_version": "5.0", "address_range": "^44", "bind_numbering": { "ton": 1, "npi": 1 },
                "service_type": "CMT", "default_alphabet": "latin1", "text_coding": 3, "unicode_coding": 24,
                "long_messages": "payload", "validity": "absolute", "receipts": "failures", "unmarked_receipts": true,
                "number": { "ton": 2, "npi": 1 }, "short_code": { "ton": 6, "npi": 0 }, "name": { "ton": 5, "npi": 1 },
                "destination": { "ton": 1, "npi": 1 }, "plus": true,
                "national": { "country_code": "44", "trunk": "0", "numbering": { "ton": 2, "npi": 8 } },
            },
        });
        let form = DialectForm::of(&body);
        assert_eq!((form.senders(), form.dialect()), (body["senders"].clone(), body["dialect"].clone()));
        // What says nothing stays unsaid, and a wrong pair is told where it is checked.
        let bare = DialectForm { number: "one".into(), ..DialectForm::of(&Json::Null) };
        assert_eq!(bare.dialect()["number"], "one");
        assert!(bare.dialect().get("national").is_none() && bare.dialect().get("text_coding").is_none());
    }
}
