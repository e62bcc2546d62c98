//! What applications are told, in that API's shape: its envelope, the receipt and the inbound message in it
//! (8x8-sms-api.md section 2).

use ::messaging::{MessageStep, State};
use ::sms::{Coding, Encoding, count};
use ::webhooks::Webhooks;
use base::{InboundId, Problem, ProblemKind, Timestamp};
use http::{Answer, Refusal};
use serde_json::{Value, json};

/// Whether receipts of a message may go to the address that it brought along (`dlrCallbackUrl`).
pub(super) fn check(webhooks: &Webhooks, url: Option<&str>) -> Answer<()> {
    url.map_or(Ok(()), |url| webhooks.check_url(url)).map_err(|refused| {
        let detail = format!("The field dlrCallbackUrl cannot be used: {refused}.");
        Refusal::new(Problem::new(ProblemKind::Invalid, "bad-callback-url", detail).at("dlrCallbackUrl"))
    })
}

/// The event of a receipt.
pub const RECEIPT: &str = "outbound_message_status_changed";
/// The event of an inbound message.
pub const INBOUND: &str = "inbound_message_received";

/// The body of a receipt; `None` for a state that is nobody's business outside.
pub fn receipt(step: &MessageStep, at: Timestamp, workspace: &str) -> Option<Vec<u8>> {
    let (state, detail) = words(step.state)?;
    let mut status = json!({ "state": state });
    if let Some(detail) = detail {
        status["detail"] = detail.into();
    }
    status["timestamp"] = at.rfc3339().into();
    if step.state.is_failure() {
        let code = code(step);
        status["errorCode"] = code.into();
        status["errorMessage"] = step.reason.clone().unwrap_or_else(|| meaning(code).to_owned()).into();
    }
    let payload = json!({
        "umid": step.message.to_string(),
        "batchId": step.batch.map(|batch| batch.to_string()),
        "clientMessageId": step.client_ref,
        "clientBatchId": step.batch_ref,
        "subAccountId": workspace,
        "source": step.sender,
        "destination": step.to.to_string(),
        "status": status,
        "smsCount": step.parts,
    });
    Some(envelope(RECEIPT, &format!("SMS {state}"), without_nulls(payload)))
}

/// The body of an inbound message, in the coding in which it came; of one from before that was noted, the one it needs.
pub fn inbound(
    id: InboundId,
    (from, to): (&str, &str),
    text: &str,
    (parts, coding): (u32, Option<Coding>),
    at: Timestamp,
    workspace: &str,
) -> Vec<u8> {
    let needed = || count(text, ::sms::Choice::Auto).map_or(Encoding::Ucs2, |(encoding, _)| encoding).into();
    let encoding = coding.unwrap_or_else(needed).label();
    let payload = json!({
        "umid": id.to_string(),
        "subAccountId": workspace,
        "timestamp": at.rfc3339(),
        "source": with_plus(from),
        "destination": to,
        "body": text,
        "encoding": encoding,
        "smsCount": parts,
    });
    envelope(INBOUND, "Inbound SMS received", payload)
}

/// The body of a test: an envelope like any other, of an event that no program mistakes for one of a message.
pub fn test(workspace: &str, at: Timestamp) -> Vec<u8> {
    let payload = json!({ "subAccountId": workspace, "timestamp": at.rfc3339() });
    envelope("webhook_test", "A test that somebody sent from the console or the API", payload)
}

fn envelope(event: &str, description: &str, payload: Value) -> Vec<u8> {
    json!({ "namespace": "SMS", "eventType": event, "description": description, "payload": payload })
        .to_string()
        .into_bytes()
}

fn without_nulls(mut payload: Value) -> Value {
    if let Value::Object(map) = &mut payload {
        map.retain(|_, value| !value.is_null());
    }
    payload
}

/// A number with its plus sign; a short code or a name as it is.
fn with_plus(address: &str) -> String {
    if address.len() >= 7 && address.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("+{address}")
    } else {
        address.to_owned()
    }
}

/// That API's words for a state and its detail.
const fn words(state: State) -> Option<(&'static str, Option<&'static str>)> {
    match state {
        State::Queued => Some(("queued", None)),
        State::Sent => Some(("sent", Some("delivered_to_operator"))),
        State::Delivered => Some(("delivered", Some("delivered_to_recipient"))),
        State::Undelivered | State::Expired => Some(("undelivered", Some("undelivered_to_recipient"))),
        State::Rejected => Some(("undelivered", Some("rejected_by_operator"))),
        State::Failed | State::Cancelled => Some(("rejected", None)),
        State::Claimed | State::Unknown => None,
    }
}

/// That API's number for why a message was not delivered: the network's error where that is one of its numbers (carriers that
/// speak appendix B use the same), else what the carrier's refusal means, else how it ended.
fn code(step: &MessageStep) -> u32 {
    let error = step.error.as_deref().unwrap_or_default().trim();
    if let Ok(number @ 1..) = error.parse::<u32>()
        && ::sms::network_error(error).is_some()
    {
        return number;
    }
    let refusals = [
        ("ESME_RINVDSTADR", 15),
        ("ESME_RINVSRCADR", 19),
        ("ESME_RINVMSGLEN", 17),
        ("ESME_RTHROTTLED", 50),
        ("ESME_RMSGQFUL", 35),
        ("ESME_RSYSERR", 48),
    ];
    if let Some((_, number)) = refusals.into_iter().find(|(name, _)| error.starts_with(name)) {
        return number;
    }
    match (step.state, step.stat.as_deref()) {
        (State::Cancelled, _) => 20,
        (State::Expired, _) | (_, Some("EXPIRED")) => 36,
        (_, Some("DELETED")) => 39,
        (State::Rejected, _) | (_, Some("REJECTD")) => 41,
        (_, Some("UNKNOWN")) => 56,
        (State::Failed, _) => 14,
        _ => 7,
    }
}

/// What a number says, where no sentence is at hand.
const fn meaning(code: u32) -> &'static str {
    match code {
        14 => "internal",
        20 => "cancelled before it was handed over",
        36 => "expired",
        39 => "deleted by the carrier",
        41 => "rejected by the carrier",
        56 => "state unknown",
        _ => "not delivered",
    }
}

#[cfg(test)]
mod tests {
    use ::sms::Number;
    use uuid::Uuid;

    use super::*;

    fn step(state: State) -> MessageStep {
        MessageStep {
            message: Uuid::from_u128(7).into(),
            state,
            client_ref: Some("order-7".to_owned()),
            batch: None,
            batch_ref: None,
            sender: "Sample".to_owned(),
            to: Number::parse("+447700900117", None).unwrap(),
            parts: 2,
            error: None,
            stat: None,
            reason: None,
            callback: None,
        }
    }

    fn body(step: &MessageStep) -> Value {
        serde_json::from_slice(&receipt(step, Timestamp::from_micros(1_700_000_000_000_000), "demo").unwrap()).unwrap()
    }

    #[test]
    fn a_receipt_names_the_batch_of_its_message() {
        let batch = Uuid::from_u128(9);
        let step =
            MessageStep { batch: Some(batch.into()), batch_ref: Some("wave-1".to_owned()), ..step(State::Delivered) };
        let payload = &body(&step)["payload"];
        assert_eq!((&payload["batchId"], &payload["clientBatchId"]), (&json!(batch.to_string()), &json!("wave-1")));
    }

    #[test]
    fn a_receipt_has_that_apis_shape() {
        assert_eq!(
            body(&step(State::Delivered)),
            json!({
                "namespace": "SMS", "eventType": "outbound_message_status_changed", "description": "SMS delivered",
                "payload": {
                    "umid": "00000000-0000-0000-0000-000000000007", "clientMessageId": "order-7", "subAccountId": "demo",
                    "source": "Sample", "destination": "+447700900117",
                    "status": {"state": "delivered", "detail": "delivered_to_recipient", "timestamp": "2023-11-14T22:13:20.000Z"},
                    "smsCount": 2,
                },
            })
        );
    }

    #[test]
    fn every_state_is_told_in_that_apis_words_or_not_at_all() {
        let told = |state| receipt(&step(state), Timestamp::from_micros(0), "demo").is_some();
        assert!(!told(State::Claimed) && !told(State::Unknown));
        let known = ["queued", "rejected", "sent", "delivered", "undelivered"];
        for state in State::ALL.into_iter().filter(|state| told(*state)) {
            assert!(known.contains(&body(&step(state))["payload"]["status"]["state"].as_str().unwrap()), "{state}");
        }
    }

    #[test]
    fn a_failure_has_a_number_and_a_sentence() {
        for (state, error, stat, code) in [
            (State::Undelivered, Some("001"), Some("UNDELIV"), 1),
            (State::Undelivered, Some("999"), Some("UNDELIV"), 7),
            (State::Undelivered, None, Some("DELETED"), 39),
            (State::Expired, Some("000"), Some("EXPIRED"), 36),
            (State::Rejected, Some("ESME_RINVDSTADR (0x00B)"), None, 15),
            (State::Rejected, Some("ESME_RSUBMITFAIL (0x045)"), None, 41),
            (State::Failed, None, None, 14),
            (State::Cancelled, None, None, 20),
        ] {
            let failed = MessageStep { error: error.map(str::to_owned), stat: stat.map(str::to_owned), ..step(state) };
            let status = body(&failed)["payload"]["status"].clone();
            assert_eq!(status["errorCode"], code, "{state} {error:?}");
            assert!(!status["errorMessage"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn an_inbound_message_has_that_apis_shape() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let body = inbound(Uuid::from_u128(9).into(), ("447700900117", "85432"), "Ja ж", (1, None), at, "demo");
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap()["payload"],
            json!({
                "umid": "00000000-0000-0000-0000-000000000009", "subAccountId": "demo",
                "timestamp": "2023-11-14T22:13:20.000Z", "source": "+447700900117", "destination": "85432", "body": "Ja ж",
                "encoding": "UCS2", "smsCount": 1,
            })
        );
    }
}
