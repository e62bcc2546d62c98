//! A message in words, as the log and its own page say it: where it stands, for whom it is, how it is written.

use alerts::Knot;
use messaging::{State as MessageState, Summary};
use sms::Encoding;

/// The state of a message as a knot and words.
pub fn state_words(summary: &Summary) -> (Knot, String) {
    let reason = summary.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let again = match summary.unknown_outcomes {
        0 => "",
        _ => ", sent again after an unknown outcome",
    };
    match summary.state {
        MessageState::Queued => (Knot::Waiting, format!("Waiting{reason}")),
        MessageState::Claimed => (Knot::Now, "Sending".into()),
        MessageState::Sent => (Knot::Now, format!("Taken by the carrier{again}")),
        MessageState::Unknown => (Knot::Unknown, format!("Unknown{reason}")),
        MessageState::Delivered => (Knot::Done, format!("Delivered{again}")),
        MessageState::Undelivered => (Knot::Failed, format!("Not delivered{reason}")),
        MessageState::Expired => (Knot::Failed, format!("Expired{reason}")),
        MessageState::Rejected => (Knot::Failed, format!("Rejected{reason}")),
        MessageState::Failed => (Knot::Failed, format!("Failed{reason}")),
        MessageState::Cancelled => (Knot::Skipped, "Cancelled".into()),
    }
}

/// Who wanted it sent.
pub fn for_whom(summary: &Summary) -> String {
    match (summary.origin.as_ref().map(|origin| origin.kind.as_str()), summary.submitter.split(':').next()) {
        (Some("notification" | "note"), _) => "an alert".to_owned(),
        (Some(kind), _) => kind.replace('_', " "),
        (None, Some("engine")) => "Loudhailer".to_owned(),
        (None, Some("api_key")) => "an API key".to_owned(),
        (None, Some("user")) => "a person".to_owned(),
        (None, who) => who.unwrap_or_default().to_owned(),
    }
}

/// The alphabet as people write it.
pub fn alphabet(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Gsm7 => "GSM-7",
        Encoding::Ucs2 => "UCS-2",
    }
}

#[cfg(test)]
pub mod tests {
    use base::WorkspaceId;
    use messaging::OriginRef;
    use routing::Class;

    use super::*;
    use crate::testing::{NOW, after};

    pub fn summary() -> Summary {
        Summary {
            id: uuid::Uuid::from_u128(9).into(),
            workspace: WorkspaceId::from(uuid::Uuid::from_u128(1)),
            state: MessageState::Delivered,
            class: Class::Alert,
            carrier: "sim-1".into(),
            sender: "447700900000".into(),
            to: "+44 77•• ••• 117".into(),
            country: Some("GB".into()),
            parts: 2,
            encoding: Encoding::Ucs2,
            created_at: NOW,
            due_at: NOW,
            expires_at: None,
            submitted_at: Some(after(67)),
            done_at: Some(after(3_100)),
            reason: None,
            error: None,
            attempts: 1,
            throttled: 0,
            unknown_outcomes: 0,
            origin: None,
            client_ref: None,
            submitter: "api_key:7".into(),
            batch: None,
        }
    }

    #[test]
    fn every_state_has_a_knot_and_words() {
        let said = |state, reason: Option<&str>, unknown_outcomes| {
            let (knot, words) =
                state_words(&Summary { state, reason: reason.map(str::to_owned), unknown_outcomes, ..summary() });
            (knot, words)
        };
        let cases = [
            (said(MessageState::Queued, None, 0), Knot::Waiting, "Waiting"),
            (said(MessageState::Claimed, None, 0), Knot::Now, "Sending"),
            (said(MessageState::Sent, None, 1), Knot::Now, "Taken by the carrier, sent again after an unknown outcome"),
            (said(MessageState::Unknown, Some("held"), 1), Knot::Unknown, "Unknown: held"),
            (said(MessageState::Delivered, None, 0), Knot::Done, "Delivered"),
            (said(MessageState::Undelivered, Some("absent"), 0), Knot::Failed, "Not delivered: absent"),
            (said(MessageState::Expired, None, 0), Knot::Failed, "Expired"),
            (said(MessageState::Rejected, Some("0x45"), 0), Knot::Failed, "Rejected: 0x45"),
            (said(MessageState::Failed, None, 0), Knot::Failed, "Failed"),
            (said(MessageState::Cancelled, Some("by a person"), 0), Knot::Skipped, "Cancelled"),
        ];
        for ((knot, words), expected, text) in cases {
            assert_eq!((knot, words.as_str()), (expected, text));
        }
    }

    #[test]
    fn a_message_says_for_whom_it_is() {
        let notification = OriginRef { kind: "notification".into(), id: uuid::Uuid::nil() };
        assert_eq!(for_whom(&Summary { origin: Some(notification), ..summary() }), "an alert");
        for (submitter, expected) in
            [("api_key:7", "an API key"), ("user:7", "a person"), ("engine:alerts", "Loudhailer")]
        {
            assert_eq!(for_whom(&Summary { submitter: submitter.into(), ..summary() }), expected);
        }
    }
}
