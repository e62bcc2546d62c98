//! The life of a message as sentences, made from what its row, parts and notes say. Pure.

use base::Timestamp;

use crate::State;
use crate::model::{Note, PartDetails, Step, Summary};

/// Tells it in order.
pub(crate) fn tell(summary: &Summary, routed: Option<&str>, parts: &[PartDetails], notes: &[Note]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |at: Timestamp, kind: &str, text: String| steps.push(Step { at, kind: kind.to_owned(), text });
    let count = match summary.parts {
        1 => "one part".to_owned(),
        parts => format!("{parts} parts"),
    };
    let accepted =
        format!("accepted as {count} of {} from {}, class {}", summary.encoding.words(), summary.sender, summary.class);
    step(summary.created_at, "accepted", accepted);
    if let Some(routed) = routed {
        step(summary.created_at, "routed", routed.to_owned());
    }
    if summary.due_at > summary.created_at && summary.attempts == 0 && summary.state == State::Queued {
        step(summary.created_at, "scheduled", format!("waits until {}", summary.due_at));
    }
    for part in parts {
        let which = if summary.parts > 1 { format!("part {} ", part.part) } else { String::new() };
        if let Some(at) = part.submitted_at {
            let id = part.carrier_ref.as_deref().map_or_else(String::new, |id| format!(" as {id}"));
            step(at, "sent", format!("{which}taken by {}{id}", part.carrier));
        }
        if let Some(receipt) = &part.receipt {
            let error = receipt.error.as_deref().filter(|error| !error.trim_start_matches('0').is_empty());
            let error = error.map_or_else(String::new, |error| format!(", error {error}"));
            step(receipt.at, "receipt", format!("{which}receipt from {}: {}{error}", part.carrier, receipt.stat));
        }
    }
    for note in notes {
        step(note.at, &note.kind, note.text.clone());
    }
    if summary.throttled > 0 {
        let times = if summary.throttled == 1 { "once".to_owned() } else { format!("{} times", summary.throttled) };
        let at = summary.submitted_at.unwrap_or(summary.due_at);
        step(at, "throttled", format!("the carrier asked to slow down {times}; it was sent again each time"));
    }
    match (summary.done_at, &summary.reason) {
        (Some(at), Some(reason)) => step(at, summary.state.name(), format!("{}: {reason}", summary.state)),
        (Some(at), None) => step(at, summary.state.name(), summary.state.to_string()),
        (None, Some(reason)) if summary.state != State::Sent => {
            step(
                summary.submitted_at.unwrap_or(summary.created_at).max(summary.created_at),
                summary.state.name(),
                format!("{}: {reason}", summary.state),
            );
        }
        (None, _) => {}
    }
    // Stable: what happened in one instant stays in the order of its telling.
    steps.sort_by_key(|step| step.at);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReceiptDetails;
    use base::MessageId;
    use routing::Class;
    use sms::Encoding;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_message_tells_its_life_in_order() {
        let summary = Summary {
            id: MessageId::from(Uuid::nil()),
            workspace: Uuid::nil().into(),
            state: State::Delivered,
            class: Class::Alert,
            carrier: "b".into(),
            sender: "85432".into(),
            to: "+44 77•• ••• 117".into(),
            country: None,
            parts: 1,
            encoding: Encoding::Gsm7,
            created_at: at(1),
            due_at: at(1),
            expires_at: None,
            submitted_at: Some(at(5)),
            done_at: Some(at(7)),
            reason: None,
            error: Some("000".into()),
            attempts: 2,
            throttled: 2,
            unknown_outcomes: 1,
            origin: None,
            client_ref: None,
            submitter: "engine:alerts".into(),
            batch: None,
        };
        let parts = [PartDetails {
            part: 1,
            state: State::Delivered,
            carrier: "b".into(),
            carrier_ref: Some("1f".into()),
            submitted_at: Some(at(5)),
            receipt: Some(ReceiptDetails {
                stat: "DELIVRD".into(),
                error: Some("000".into()),
                at: at(7),
                carrier_time: None,
            }),
            unknown_outcome: true,
        }];
        let notes = [Note {
            at: at(3),
            kind: "unknown_outcome".into(),
            part: Some(1),
            text: "The message was handed to a …".into(),
        }];
        let told: Vec<String> =
            tell(&summary, Some("the route matches"), &parts, &notes).into_iter().map(|step| step.text).collect();
        assert_eq!(
            told,
            [
                "accepted as one part of GSM-7 from 85432, class alert",
                "the route matches",
                "The message was handed to a …",
                "taken by b as 1f",
                "the carrier asked to slow down 2 times; it was sent again each time",
                "receipt from b: DELIVRD",
                "delivered",
            ]
        );
    }
}
