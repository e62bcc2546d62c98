//! One message in that API's fields. The number's end and the text are masked, as that API does by default.

use ::messaging::{Details, InboundSummary, State};
use base::{BatchId, MessageId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time::At;

/// One message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsDetails)]
pub(super) struct DetailsView {
    /// Its id.
    #[schema(value_type = Uuid)]
    umid: MessageId,
    /// The workspace's short name.
    sub_account_id: String,
    /// `outbound` or `inbound`.
    direction: &'static str,
    /// The country, where it is known.
    country: Option<String>,
    /// Where it stands.
    status: StatusView,
    /// The number, masked.
    msisdn: String,
    /// The sender.
    source: String,
    /// Always masked.
    body: &'static str,
    /// `GSM7` or `UCS2`; of a text from a handset also `GSM8` (neither of them), and null where nobody noted it.
    encoding: Option<&'static str>,
    /// When it was accepted.
    created_at: At,
    /// How many parts it has.
    sms_count: u32,
    /// The caller's own id.
    client_message_id: Option<String>,
    /// The caller's own id of a batch.
    client_batch_id: Option<String>,
    /// The batch.
    #[schema(value_type = Option<Uuid>)]
    batch_id: Option<BatchId>,
    /// Where the person is for whom it was sent, as the sender said, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<String>,
}

/// Where a message stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsState)]
struct StatusView {
    /// `queued`, `sent`, `delivered`, `undelivered`, `failed` or `unknown`.
    state: &'static str,
    /// More about it.
    detail: Option<&'static str>,
    /// The carrier's error, as a number.
    error_code: Option<u32>,
    /// Why it ended so.
    error_message: Option<String>,
    /// Since when.
    timestamp: At,
}

/// That API's error code of a message that was taken back.
const LOCAL_CANCEL: u32 = 20;

impl DetailsView {
    pub(super) fn of(details: Details, workspace: String) -> Self {
        let message = details.summary;
        let (state, detail) = words(message.state);
        let timestamp = message.done_at.or(message.submitted_at).unwrap_or(message.created_at);
        let status = StatusView {
            state,
            detail,
            error_code: match message.state {
                State::Cancelled => Some(LOCAL_CANCEL),
                _ => message.error.as_deref().and_then(|code| code.parse().ok()),
            },
            error_message: message.reason,
            timestamp: At(timestamp),
        };
        Self {
            umid: message.id,
            sub_account_id: workspace,
            direction: "outbound",
            country: message.country,
            status,
            msisdn: masked(&message.to),
            source: message.sender,
            body: "**MASKED**",
            encoding: Some(message.encoding.label()),
            created_at: At(message.created_at),
            sms_count: message.parts,
            client_message_id: message.client_ref,
            client_batch_id: message.batch.as_ref().and_then(|batch| batch.client_ref.clone()),
            batch_id: message.batch.map(|batch| batch.id),
            client_ip: details.client_ip.map(|shown| hidden(&shown)),
        }
    }
}

/// The same of a message from a handset.
pub(super) fn inbound_details(message: InboundSummary, workspace: String) -> DetailsView {
    let status =
        StatusView { state: "ok", detail: None, error_code: None, error_message: None, timestamp: At(message.at) };
    DetailsView {
        umid: message.id.uuid().into(),
        sub_account_id: workspace,
        direction: "inbound",
        country: message.country,
        status,
        msisdn: masked(&message.from),
        source: message.to,
        body: "**MASKED**",
        encoding: message.coding.map(::sms::Coding::label),
        created_at: At(message.at),
        sms_count: message.parts,
        client_message_id: None,
        client_batch_id: None,
        batch_id: None,
        client_ip: None,
    }
}

/// That API's words for where a message stands.
pub(super) const fn words(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Queued | State::Claimed => ("queued", None),
        State::Sent => ("sent", Some("delivered_to_operator")),
        State::Unknown => ("unknown", None),
        State::Delivered => ("delivered", Some("delivered_to_recipient")),
        State::Undelivered | State::Expired => ("undelivered", Some("undelivered_to_recipient")),
        State::Rejected => ("undelivered", Some("rejected_by_operator")),
        State::Failed | State::Cancelled => ("failed", None),
    }
}

/// `4477xxxxxxxx` of `+44 77•• ••• 117`: what is hidden stays so, and the last four digits are `x` as in that API.
pub(super) fn masked(shown: &str) -> String {
    if shown == ::messaging::ERASED {
        return String::new();
    }
    let digits: Vec<char> = shown.chars().filter(|mark| mark.is_ascii_digit() || *mark == '•').collect();
    let last = digits.len().saturating_sub(4);
    digits.iter().enumerate().map(|(at, mark)| if at < last && mark.is_ascii_digit() { *mark } else { 'x' }).collect()
}

/// `192.0.2.x` of `192.0.2.•`.
fn hidden(shown: &str) -> String {
    if shown == ::messaging::ERASED { String::new() } else { shown.replace('•', "x") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_never_shows_more_than_it_was_given() {
        assert_eq!(masked(&base::mask_phone("+447700900117")), "4477xxxxxxxx");
        assert_eq!(masked("•••"), "xxx");
    }

    #[test]
    fn every_state_has_a_word_of_that_api() {
        let known = ["unknown", "queued", "failed", "sent", "delivered", "undelivered", "read", "ok", "error"];
        assert!(State::ALL.into_iter().all(|state| known.contains(&words(state).0)));
    }
}
