//! Sending one message: the body in that API's fields, and its answer.

use std::net::IpAddr;
use std::time::Duration;

use ::messaging::{Accepted, Error, New};
use ::sms::{Choice, MAX_PARTS, Number, Region, count};
use base::{Context, Explain, MessageId, Problem, ProblemKind, Timestamp};
use http::HeaderValue;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::time;

/// How far ahead a message may be scheduled.
const SCHEDULE: Duration = Duration::from_hours(7 * 24);
/// Characters that cannot fit into ten parts in any alphabet.
const NEVER_FITS: usize = 10 * 153;

/// A message as asked for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) message: New,
    /// The destination as the answer repeats it.
    destination: String,
    client_message_id: Option<String>,
    /// Whether the text was longer than ten parts.
    cut: bool,
    ignored: Vec<String>,
}

/// The fields of a body, taken out one by one; what is left was not asked for.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &'static str, most: usize) -> Result<Option<String>, Problem> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= most => Ok(Some(text)),
            Some(Value::String(_)) => Err(wrong(name, format!("The field {name} is longer than {most} characters."))),
            Some(_) => Err(wrong(name, format!("The field {name} must be a text."))),
        }
    }

    fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name, 40)? else { return Ok(None) };
        let detail = || format!("The field {name} must be a time with its offset, such as 2026-10-23T01:12:07Z.");
        time::read(&text).map(Some).ok_or_else(|| wrong(name, detail()))
    }
}

fn wrong(field: &'static str, detail: String) -> Problem {
    Problem::new(ProblemKind::Invalid, "invalid-parameter", detail).at(field)
}

impl Order {
    /// Reads the body of a request that came in at `now`.
    pub(super) fn read(body: Map<String, Value>, now: Timestamp) -> Result<Self, Problem> {
        let mut fields = Fields(body);
        let to = destination(&mut fields)?;
        let choice = encoding(&mut fields)?;
        let text = fields.text("text", usize::MAX)?.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| wrong("text", "The field text is missing or empty.".into()))?;
        let (text, cut) = fit(text, choice)?;
        let mut message = New::text(to, text);
        message.encoding = choice;
        message.sender = match fields.text("source", 16)?.filter(|source| !source.is_empty()) {
            Some(source) => Some(source.parse().map_err(|_| {
                let detail = "The field source must be at most 11 letters, digits and spaces, or a number.";
                wrong("source", detail.into())
            })?),
            None => None,
        };
        message.client_ref = fields.text("clientMessageId", 350)?.filter(|id| !id.is_empty());
        message.scheduled = fields.time("scheduled")?;
        if message.scheduled.is_some_and(|at| at > now.plus(SCHEDULE)) {
            return Err(wrong("scheduled", "The field scheduled must be at most 7 days ahead.".into()));
        }
        message.expires_at = fields.time("expiry")?;
        if let Some(text) = fields.text("clientIp", 45)?
            && text.parse::<IpAddr>().is_err()
        {
            return Err(wrong("clientIp", "The field clientIp must be an IP address.".into()));
        }
        // Told step by step to whoever listens: the workspace's webhooks, or this address.
        message.tell = ::messaging::Tell::Each;
        message.callback = fields.text("dlrCallbackUrl", 2000)?.filter(|url| !url.is_empty());
        // Read for its shape, not acted on yet; the answer says so.
        let mut ignored = Vec::new();
        if fields.text("track", 2000)?.is_some() {
            ignored.push("track".to_owned());
        }
        ignored.extend(fields.0.into_iter().map(|(name, _)| name));
        let destination = format!("{:#}", message.to);
        Ok(Self { destination, client_message_id: message.client_ref.clone(), message, cut, ignored })
    }

    pub(super) fn ignored_header(&self) -> Option<HeaderValue> {
        super::names_header(&self.ignored)
    }
}

fn destination(fields: &mut Fields) -> Result<Number, Problem> {
    let text = fields.text("destination", 16)?;
    let text = text.ok_or_else(|| wrong("destination", "The field destination is missing.".into()))?;
    let region = match fields.text("country", 2)?.filter(|country| !country.is_empty()) {
        None => None,
        Some(country) => {
            let known: Option<Region> = country.to_ascii_uppercase().parse().ok();
            let detail = "The field country must be a country's two letters (ISO 3166-1 alpha-2), such as GB.";
            Some(known.ok_or_else(|| wrong("country", detail.into()))?)
        }
    };
    // That API's own pattern: an optional plus sign and 7 to 15 digits, the first of them not zero.
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let shaped =
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|d| d.is_ascii_digit());
    let number = if shaped { Number::parse(&text, region).ok() } else { None };
    number.ok_or_else(|| {
        let detail = "The field destination must be a phone number in international form, such as +447700900117.";
        wrong("destination", detail.into())
    })
}

fn encoding(fields: &mut Fields) -> Result<Choice, Problem> {
    match fields.text("encoding", 10)?.as_deref() {
        None | Some("" | "AUTO") => Ok(Choice::Auto),
        Some("GSM7") => Ok(Choice::Gsm7),
        Some("UCS2") => Ok(Choice::Ucs2),
        Some(_) => Err(wrong("encoding", "The field encoding must be AUTO, GSM7 or UCS2.".into())),
    }
}

/// The text, cut to ten parts when it is longer: that API sends the beginning of a long text rather than refusing it.
fn fit(mut text: String, choice: Choice) -> Result<(String, bool), Problem> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).take(NEVER_FITS + 1).collect();
    let parts = |text: &str| count(text, choice).map(|(_, parts)| parts).map_err(|error| Error::Text(error).problem());
    if starts.len() <= NEVER_FITS && parts(&text)? <= MAX_PARTS {
        return Ok((text, false));
    }
    // Which alphabet is used must not change by cutting off the one character that needs it.
    let (encoding, _) = count(&text, choice).map_err(|error| Error::Text(error).problem())?;
    let choice = if encoding == ::sms::Encoding::Ucs2 { Choice::Ucs2 } else { Choice::Gsm7 };
    let fits = |end: usize| count(&text[..end], choice).is_ok_and(|(_, parts)| parts <= MAX_PARTS);
    let longest = starts.partition_point(|end| fits(*end)).saturating_sub(1);
    let end = starts.get(longest).copied().unwrap_or(0);
    text.truncate(end);
    Ok((text, true))
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsResponse)]
pub(super) struct SentView {
    /// Its id.
    #[schema(value_type = Uuid)]
    umid: MessageId,
    /// The caller's own id.
    client_message_id: Option<String>,
    /// The number, in digits.
    destination: String,
    /// `GSM7` or `UCS2`.
    encoding: &'static str,
    /// Whether it was taken.
    status: StatusView,
}

/// Whether a message was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmsStatus)]
struct StatusView {
    /// `QUEUED` or `REJECTED`.
    code: &'static str,
    /// The same in words.
    description: String,
}

impl SentView {
    /// What is answered: also what we decide against is an answer, since it is not the sender's mistake.
    pub(super) fn of(order: &Order, outcome: Result<Accepted, Error>, context: &Context) -> Result<Self, Error> {
        match outcome {
            Ok(accepted) => Ok(Self::queued(order, &accepted)),
            Err(error @ (Error::Refused(_) | Error::Expired)) => Ok(Self::rejected(order, context.id(), &error)),
            Err(error) => Err(error),
        }
    }

    fn queued(order: &Order, accepted: &Accepted) -> Self {
        let mut description = String::from("SMS is accepted and queued for processing");
        if order.cut {
            description.push_str("; the text was longer than 10 parts and was cut");
        }
        Self::new(order, accepted.id, accepted.encoding.label(), StatusView { code: "QUEUED", description })
    }

    fn rejected(order: &Order, umid: MessageId, error: &Error) -> Self {
        let encoding =
            count(&order.message.text, order.message.encoding).map_or("GSM7", |(encoding, _)| encoding.label());
        Self::new(
            order,
            umid,
            encoding,
            StatusView { code: "REJECTED", description: error.problem().detail.into_owned() },
        )
    }

    fn new(order: &Order, umid: MessageId, encoding: &'static str, status: StatusView) -> Self {
        let (client_message_id, destination) = (order.client_message_id.clone(), order.destination.clone());
        Self { umid, client_message_id, destination, encoding, status }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Order, String> {
        let Value::Object(body) = body else { panic!("an object is expected") };
        let now = time::read("2026-10-23T01:00:00Z").unwrap();
        Order::read(body, now).map_err(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn a_whole_order_is_understood() {
        let order = read(json!({
            "destination": "447700900117", "country": "GB", "source": "Sample", "clientMessageId": "a-1", "text": "Hi",
            "encoding": "UCS2", "scheduled": "2026-10-24T03:00:00+02:00", "expiry": "2026-10-25T00:00:00Z", "track": null,
            "dlrCallbackUrl": "https://app.example.com/dlr", "clientIp": "192.0.2.7", "colour": "red", "b ad": 1
        }))
        .unwrap();
        assert_eq!(order.message.to.to_string(), "+447700900117");
        assert_eq!(order.destination, "447700900117");
        assert_eq!(order.message.encoding, Choice::Ucs2);
        assert_eq!(order.message.scheduled.unwrap().rfc3339(), "2026-10-24T01:00:00.000Z");
        assert_eq!(order.message.callback.as_deref(), Some("https://app.example.com/dlr"));
        assert_eq!(order.ignored_header().unwrap(), "colour");
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
            ("country", json!("Ω")),
            ("scheduled", json!("2026-10-31T01:00:00Z")),
            ("scheduled", json!("tomorrow")),
            ("expiry", json!("2026-10-23T01:00:00")),
            ("clientIp", json!("here")),
            ("clientMessageId", json!("x".repeat(351))),
        ] {
            let mut body = base();
            body[field] = value.clone();
            assert_eq!(read(body).unwrap_err(), field, "{value}");
        }
    }

    #[test]
    fn a_national_number_needs_its_country() {
        assert_eq!(
            read(json!({"destination": "7700900117", "country": "GB", "text": "Hi"})).unwrap().destination,
            "447700900117"
        );
    }

    #[test]
    fn a_long_text_is_cut_to_ten_parts() {
        for (text, longest) in
            [("a".repeat(5000), 1530), ("€".repeat(2000), 760), ("ж".repeat(1000), 670), ("𝄞".repeat(999), 330)]
        {
            let (fitted, cut) = fit(text.clone(), Choice::Auto).unwrap();
            assert!(cut && text.starts_with(&fitted));
            assert_eq!(count(&fitted, Choice::Auto).unwrap().1, 10);
            assert_eq!(fitted.chars().count(), longest, "{}", &text[..4]);
        }
        assert_eq!(fit("a".repeat(1530), Choice::Auto), Ok(("a".repeat(1530), false)));
        // The character that needs UCS-2 is behind the cut: the sender still meant UCS-2.
        let (fitted, _) = fit(format!("{}ж", "a".repeat(2000)), Choice::Auto).unwrap();
        assert_eq!(fitted.len(), 670);
    }
}
