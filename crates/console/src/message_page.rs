//! The life of one message, and its text for those who may read it.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{MessageId, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Refusal, Response};
use messaging::{Content, Step};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Fact, Payload};
use crate::messages_page::{alphabet, for_whom, state_words};
use crate::page::{page, sentence};
use crate::shell::{Page, Shell};

struct HistoryView {
    at: Timestamp,
    knot: Knot,
    headline: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    shell: Shell,
    slug: String,
    id: MessageId,
    to: String,
    state: String,
    standing: String,
    history: Vec<HistoryView>,
    text: Payload,
    revealed: bool,
    facts: Vec<Fact>,
}

fn knot_of(kind: &str) -> Knot {
    match kind {
        "unknown" | "unknown_outcome" | "resent" | "moved" | "throttled" => Knot::Unknown,
        "refused" | "failed" | "rejected" | "undelivered" | "expired" => Knot::Failed,
        "queued" | "scheduled" | "waiting" => Knot::Waiting,
        _ => Knot::Done,
    }
}

/// A step of the history: what matters first, in bold, and the rest.
fn told(step: &Step) -> HistoryView {
    let text = sentence(&step.text);
    // The first colon, comma or full stop that ends a clause.
    let end = text.match_indices([':', ',', '.']).map(|(at, _)| at + 1).find(|end| text[*end..].starts_with(' '));
    let (headline, detail) = text.split_at(end.unwrap_or(text.len()));
    HistoryView {
        at: step.at,
        knot: knot_of(&step.kind),
        headline: headline.to_owned(),
        detail: detail.trim_start().to_owned(),
    }
}

/// One message.
pub async fn show(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, MessageId)>,
) -> Answer<Response> {
    let text = if guard.may(Capability::MessageContentRead) { Payload::Offered } else { Payload::Closed };
    message_page(&console, guard, &headers, id, text, None).await
}

/// One message with its text and number: a POST, because it is written to the audit log.
pub async fn reveal(
    guard: InWorkspace<cap::MessageContentRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, MessageId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    // A write: shown and written down together, or neither.
    let content: Result<Option<Content>, Refusal> =
        console.db.write(move |tx| messaging.content(tx, &permit, id).map_err(Refusal::from)).await;
    let (text, number) = match content? {
        Some(content) => (Payload::Shown(content.text), Some(content.to.to_string())),
        None => (Payload::Gone, None),
    };
    message_page(&console, guard, &headers, id, text, number).await
}

async fn message_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    id: MessageId,
    text: Payload,
    number: Option<String>,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Messages).await?.listening(&[messaging::TOPIC]);
    let slug = guard.name().to_owned();
    let permit = guard.also::<cap::MessagesRead>().ok_or_else(Refusal::not_found)?;
    let messaging = console.messaging.clone();
    let details = console.db.read(move |tx| messaging.get(tx, &permit, id)).await?.ok_or_else(Refusal::not_found)?;
    let summary = &details.summary;
    let (_, state) = state_words(summary);
    let mut facts = vec![
        Fact::mono("Sender", summary.sender.clone()),
        Fact::new("Carrier", summary.carrier.clone()),
        Fact::new("Class", summary.class.name()),
        Fact::new("Attempts", summary.attempts.to_string()),
        Fact::new("For", for_whom(summary)),
    ];
    facts.extend(summary.client_ref.clone().map(|reference| Fact::mono("Own reference", reference)));
    facts.extend(summary.error.clone().map(|error| Fact::mono("Network error", error)));
    for part in &details.parts {
        if let Some(reference) = &part.carrier_ref {
            facts.push(Fact::mono("Carrier’s id", reference.clone()));
        }
    }
    page(&MessagePage {
        to: number.unwrap_or_else(|| summary.to.clone()),
        state: state.to_lowercase(),
        standing: format!(
            "{}, {}. Accepted {}.",
            if summary.parts == 1 { "1 part".to_owned() } else { format!("{} parts", summary.parts) },
            alphabet(summary.encoding),
            shell.zone.exact(&summary.created_at)
        ),
        history: details.history.iter().rev().map(told).collect(),
        revealed: matches!(text, Payload::Shown(_)),
        text,
        facts,
        id,
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn a_step_says_first_what_matters() {
        let said = |kind: &str, text: &str| {
            let view = told(&Step { at: NOW, kind: kind.into(), text: text.into() });
            (view.knot, view.headline, view.detail)
        };
        let words = |knot, headline: &str, detail: &str| (knot, headline.to_owned(), detail.to_owned());
        let cases = [
            ("receipt", "receipt from sim-1: DELIVRD", words(Knot::Done, "Receipt from sim-1:", "DELIVRD.")),
            ("sent", "taken by sim-1 as 1f.2", words(Knot::Done, "Taken by sim-1 as 1f.2.", "")),
            (
                "accepted",
                "accepted as one part of GSM7 from 85432, class alert",
                words(Knot::Done, "Accepted as one part of GSM7 from 85432,", "class alert."),
            ),
            ("undelivered", "undelivered: absent", words(Knot::Failed, "Undelivered:", "absent.")),
            ("unknown_outcome", "The link broke", words(Knot::Unknown, "The link broke.", "")),
            ("scheduled", "waits until 09:00:00", words(Knot::Waiting, "Waits until 09:00:00.", "")),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(said(kind, text), expected);
        }
    }

    fn sample(text: Payload, revealed: bool) -> MessagePage {
        MessagePage {
            shell: shell().listening(&["message"]),
            slug: "demo".into(),
            id: uuid::Uuid::from_u128(9).into(),
            to: "+44 77•• ••• 117".into(),
            state: "delivered".into(),
            standing: "2 parts, UCS-2.".into(),
            history: vec![told(&Step { at: NOW, kind: "sent".into(), text: HOSTILE.into() })],
            text,
            revealed,
            facts: vec![Fact::mono("Sender", "447700900000")],
        }
    }

    /// E-34: a text is shown only to the request that asked for it, and that page does not ask again by itself.
    #[test]
    fn e_34_a_text_is_shown_where_it_was_asked_for() {
        let shown = checked(&sample(Payload::Shown(HOSTILE.into()), true));
        assert!(shown.contains("class=\"text\"") && !shown.contains("hx-get"));
        let offered = checked(&sample(Payload::Offered, false));
        assert!(offered.contains("/reveal\"") && offered.contains("written to the audit log"));
        let closed = checked(&sample(Payload::Closed, false));
        assert!(closed.contains("Your role does not read texts") && !closed.contains("/reveal\""));
        assert!(checked(&sample(Payload::Gone, false)).contains("erased"));
    }
}
