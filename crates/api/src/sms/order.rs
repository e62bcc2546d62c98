//! A message as that API asks for it, in the words of `messaging`. Pure.

use std::net::IpAddr;
use std::time::Duration;

use ::messaging::{Class, New, Tell};
use ::sms::{Choice, Number, fit, region};
use base::{Explain, Problem, ProblemKind, Timestamp};

use super::fields::{Field, INVALID, Item, wrong};

/// How far ahead a message may be scheduled.
const SCHEDULE: Duration = Duration::from_hours(7 * 24);
/// Characters of a number as callers write it.
pub(super) const DESTINATION: usize = 20;
/// Characters of the caller's own id of a message.
const CLIENT_ID: usize = 350;

/// What decides about an order besides the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// When it came in.
    pub(super) now: Timestamp,
    /// Whether a text of more than ten parts is cut.
    pub(super) truncate: bool,
    /// Whether the caller may send alerts.
    pub(super) may_alert: bool,
}

/// A message as asked for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) message: New,
    /// The destination as the answer repeats it.
    pub(super) destination: String,
    /// Whether the text was longer than ten parts, and was cut.
    pub(super) cut: bool,
    pub(super) ignored: Vec<String>,
}

impl Order {
    /// Reads one message.
    pub(super) fn of(mut item: Item<'_>, rules: Rules) -> Result<Self, Problem> {
        let to = destination(std::mem::take(&mut item.destination), std::mem::take(&mut item.country))?;
        let choice = encoding(item.encoding)?;
        let text = item.text.text("text", usize::MAX, INVALID)?.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| wrong("text", "The field text is missing or empty."))?.into_owned();
        let (text, cut) = if rules.truncate {
            fit(text, choice).map_err(|error| ::messaging::Error::Text(error).problem())?
        } else {
            (text, false)
        };
        let mut message = New::text(to, text);
        message.encoding = choice;
        message.class = class(item.class, rules.may_alert)?;
        message.sender = match item.source.text("source", 17, "source-too-long")?.filter(|source| !source.is_empty()) {
            Some(source) => Some(source.parse().map_err(|_| {
                wrong("source", "The field source must be at most 11 letters, digits and spaces, or a number.")
            })?),
            None => None,
        };
        let own = item.client_message_id.text("clientMessageId", CLIENT_ID, "client-message-id-too-long")?;
        message.client_ref = own.filter(|id| !id.is_empty()).map(std::borrow::Cow::into_owned);
        message.scheduled = item.scheduled.time("scheduled")?;
        if message.scheduled.is_some_and(|at| at > rules.now.plus(SCHEDULE)) {
            return Err(wrong("scheduled", "The field scheduled must be at most 7 days ahead."));
        }
        message.expires_at = item.expiry.time("expiry")?;
        message.client_ip = client_ip(item.client_ip)?;
        match item.track.text("track", 10, INVALID)?.as_deref() {
            // Feedback is taken for every message.
            None | Some("" | "None" | "Outcome") => {}
            Some(_) => return Err(wrong("track", "The field track must be None or Outcome, or be left out.")),
        }
        message.callback = callback(item.callback)?;
        // Kept only where somebody listens: this address, or the workspace's webhook.
        message.tell = Tell::Each;
        let destination = format!("{:#}", message.to);
        Ok(Self { message, destination, cut, ignored: item.ignored })
    }
}

/// The number: international with or without a plus sign, or national with the country, also with its trunk zero.
pub(super) fn destination(to: Field<'_>, country: Field<'_>) -> Result<Number, Problem> {
    let text = to.text("destination", DESTINATION, INVALID)?;
    let text = text.ok_or_else(|| wrong("destination", "The field destination is missing."))?;
    let region = match country.text("country", 2, INVALID)?.filter(|country| !country.is_empty()) {
        None => None,
        Some(country) => {
            let detail = "The field country must be a country's two letters (ISO 3166-1 alpha-2), such as GB.";
            Some(region(&country).ok_or_else(|| wrong("country", detail))?)
        }
    };
    // That API's own pattern: an optional plus sign and 7 to 15 digits, the first of them not zero. A national number may be
    // shorter and begin with zero.
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let least = if region.is_some() { 3 } else { 7 };
    let zero = digits.starts_with('0') && (region.is_none() || text.starts_with('+'));
    let shaped = (least..=15).contains(&digits.len()) && !zero && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = if shaped { Number::parse(&text, region).ok() } else { None };
    number.ok_or_else(|| {
        let detail = if region.is_some() {
            "The field destination must be a phone number of that country, or one in international form, such as +447700900117."
        } else {
            "The field destination must be a phone number in international form, such as +447700900117, or a national one with country."
        };
        wrong("destination", detail)
    })
}

/// Where the person is for whom a message is sent. It is kept and shown; nothing is limited by it.
pub(super) fn client_ip(field: Field<'_>) -> Result<Option<IpAddr>, Problem> {
    let text = field.text("clientIp", 45, INVALID)?.filter(|text| !text.is_empty());
    let wrong = |_| wrong("clientIp", "The field clientIp must be an IP address.");
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

pub(super) fn encoding(field: Field<'_>) -> Result<Choice, Problem> {
    match field.text("encoding", 10, INVALID)?.as_deref() {
        None | Some("" | "AUTO") => Ok(Choice::Auto),
        Some("GSM7") => Ok(Choice::Gsm7),
        Some("UCS2") => Ok(Choice::Ucs2),
        Some(_) => Err(wrong("encoding", "The field encoding must be AUTO, GSM7 or UCS2.")),
    }
}

/// Where the message's own receipts go. Whether that may be reached is looked at when something goes there.
fn callback(field: Field<'_>) -> Result<Option<String>, Problem> {
    let Some(text) = field.text("dlrCallbackUrl", 2000, CALLBACK)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound =
        |rest: &str| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|byte| byte.is_ascii_graphic());
    if rest.is_some_and(sound) {
        return Ok(Some(text.into_owned()));
    }
    let detail = "The field dlrCallbackUrl must be an address that begins with https://.";
    Err(Problem::new(ProblemKind::Invalid, CALLBACK, detail).at("dlrCallbackUrl"))
}

/// The code of a problem with an address.
const CALLBACK: &str = "bad-callback-url";

fn class(field: Field<'_>, may_alert: bool) -> Result<Class, Problem> {
    let class = match field.text("class", 20, INVALID)?.as_deref() {
        None | Some("") => Class::Transactional,
        Some(word) => word.parse().map_err(|_| {
            wrong("class", "The field class must be transactional (as without it), otp, marketing or alert.")
        })?,
    };
    if class == Class::Alert && !may_alert {
        let detail =
            "Messages of class alert go ahead of everything else: that wants a key with the scope messages:alert.";
        return Err(Problem::new(ProblemKind::Forbidden, "class-alert-forbidden", detail).at("class"));
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::time;

    fn rules() -> Rules {
        Rules { now: time::read("2026-10-23T01:00:00Z").unwrap(), truncate: false, may_alert: false }
    }

    fn read_by(body: &Value, rules: Rules) -> Result<Order, String> {
        let text = body.to_string();
        Order::of(serde_json::from_str(&text).unwrap(), rules).map_err(|problem| problem.field.unwrap_or_default())
    }

    fn read(body: Value) -> Result<Order, String> {
        read_by(&body, rules())
    }

    #[test]
    fn a_whole_order_is_understood() {
        let order = read(json!({
            "destination": "447700900117", "country": "GB", "source": "Sample", "clientMessageId": "a-1", "text": "Hi",
            "encoding": "UCS2", "scheduled": "2026-10-24T03:00:00+02:00", "expiry": "2026-10-25T00:00:00Z", "track": null,
            "class": "otp", "dlrCallbackUrl": "https://app.example.com/dlr", "clientIp": "192.0.2.7", "colour": "red"
        }))
        .unwrap();
        assert_eq!(order.message.to.to_string(), "+447700900117");
        assert_eq!(order.destination, "447700900117");
        assert_eq!((order.message.encoding, order.message.class), (Choice::Ucs2, Class::Otp));
        assert_eq!(order.message.scheduled.unwrap().rfc3339(), "2026-10-24T01:00:00.000Z");
        assert_eq!(order.ignored, ["colour"]);
        assert_eq!(order.message.client_ip, "192.0.2.7".parse().ok());
        assert_eq!(order.message.callback.as_deref(), Some("https://app.example.com/dlr"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let base = || json!({"destination": "+447700900117", "text": "Hi"});
        assert!(read(base()).is_ok());
        for (field, value) in [
            ("destination", json!(null)),
            ("destination", json!("07700900117")),
            ("destination", json!("12")),
            ("destination", json!(447_700_900_117_u64)),
            ("text", json!("")),
            ("text", json!(7)),
            ("encoding", json!("utf-8")),
            ("source", json!("More than eleven")),
            ("source", json!("+12")),
            ("source", json!("x".repeat(18))),
            ("country", json!("Ω")),
            ("country", json!("XX")),
            ("scheduled", json!("2026-10-31T01:00:00Z")),
            ("scheduled", json!("tomorrow")),
            ("expiry", json!("2026-10-23T01:00:00")),
            ("clientIp", json!("here")),
            ("clientMessageId", json!("x".repeat(351))),
            ("track", json!("Everything")),
            ("dlrCallbackUrl", json!("ftp://app.example.com")),
            ("class", json!("flash")),
            ("class", json!("alert")),
        ] {
            let mut body = base();
            body[field] = value.clone();
            assert_eq!(read(body).unwrap_err(), field, "{value}");
        }
        let alert = json!({"destination": "+447700900117", "text": "Hi", "class": "alert"});
        assert_eq!(read_by(&alert, Rules { may_alert: true, ..rules() }).unwrap().message.class, Class::Alert);
    }

    /// Better than the API that ours is compatible with, which refuses a leading zero.
    #[test]
    fn a_national_number_needs_its_country_and_may_have_its_trunk_zero() {
        for national in ["7700900117", "07700900117", "447700900117", "+447700900117"] {
            let order = read(json!({"destination": national, "country": "gb", "text": "Hi"}));
            assert_eq!(order.map(|order| order.destination), Ok("447700900117".to_owned()), "{national}");
        }
        assert_eq!(read(json!({"destination": "07700900117", "text": "Hi"})).unwrap_err(), "destination");
        assert_eq!(
            read(json!({"destination": "91234567", "country": "SG", "text": "Hi"})).unwrap().destination,
            "6591234567"
        );
    }

    #[test]
    fn a_long_text_is_cut_only_where_the_workspace_says_so() {
        let body = json!({"destination": "+447700900117", "text": "a".repeat(1531)});
        let whole = read_by(&body, rules()).unwrap();
        assert!(!whole.cut && whole.message.text.len() == 1531, "messaging refuses it, with the count");
        let cut = read_by(&body, Rules { truncate: true, ..rules() }).unwrap();
        assert!(cut.cut && cut.message.text.len() == 1530);
    }
}
