//! The life of one message, and its text for those who may read it.

use access::{Capability, Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{MessageId, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use messaging::{Details, State as MessageState, Step};
use serde::Deserialize;

use crate::Console;
use crate::callbacks_page::{Line, line};
use crate::draw::Draw;
use crate::facts::Fact;
use crate::mask::{self, Class, Masked};
use crate::message_words::{Names, alphabet, for_whom, state_words};
use crate::page::{page, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::zone::Zone;

struct HistoryView {
    at: Timestamp,
    knot: Knot,
    headline: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "message.html")]
#[expect(clippy::struct_excessive_bools, reason = "what a page shows and offers, each by itself")]
struct MessagePage {
    shell: Shell,
    slug: String,
    id: MessageId,
    to: Masked,
    state: String,
    standing: String,
    history: Vec<HistoryView>,
    /// Whether its steps are told with their days.
    dated: bool,
    /// Where somebody decides what becomes of it, when nobody knows.
    decide: Option<String>,
    /// What applications were told of it.
    callbacks: Vec<Line>,
    text: Masked,
    /// Where the person was for whom it was sent, when that was said.
    address: Option<Masked>,
    /// Whether number and text are erased.
    erased: bool,
    may_cancel: bool,
    may_erase: bool,
    facts: Vec<Fact>,
}

impl MessagePage {
    fn address_is_shown(&self) -> bool {
        self.address.as_ref().is_some_and(Masked::is_shown)
    }
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
fn told(step: &Step, names: &Names, zone: &Zone) -> HistoryView {
    let text = sentence(&zone.said(&names.said(&step.text)));
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

/// Which value of a message is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The number it goes to.
    Number,
    /// What it says.
    #[default]
    Text,
    /// Where the person was for whom it was sent.
    Address,
}

/// The query of a reveal.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    part: Part,
}

/// Where the mask of a message's number, text or address posts to.
fn reveal_path(slug: &str, id: MessageId, part: Part) -> String {
    let part = match part {
        Part::Number => "number",
        Part::Text => "text",
        Part::Address => "address",
    };
    format!("/w/{slug}/messages/{id}/reveal?part={part}")
}

/// The number a message goes to, masked, as lists and the message's own page show it to this reader.
pub fn number_of(slug: &str, id: MessageId, mask: &str, may: bool) -> Masked {
    Masked::new(format!("m-{id}-number"), "number", mask, Class::Confidential).offered(
        may,
        Capability::MessageContentRead,
        reveal_path(slug, id, Part::Number),
    )
}

fn text_of(slug: &str, id: MessageId, may: bool) -> Masked {
    Masked::new(format!("m-{id}-text"), "text", "••••• ••• •••••••", Class::Restricted).offered(
        may,
        Capability::MessageContentRead,
        reveal_path(slug, id, Part::Text),
    )
}

/// Where the person was, masked; what was erased is gone.
fn address_of(slug: &str, id: MessageId, mask: &str, may: bool) -> Masked {
    let masked = Masked::new(format!("m-{id}-address"), "address", mask, Class::Confidential);
    if mask == messaging::ERASED {
        return masked.gone("");
    }
    masked.offered(may, Capability::MessageContentRead, reveal_path(slug, id, Part::Address))
}

/// One message.
pub async fn show(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, MessageId)>,
) -> Answer<Response> {
    let details = console.message(guard.permit().clone(), id).await?;
    message_page(&console, guard, &headers, details, None).await
}

/// Takes it back, when it still waits.
pub async fn cancel(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, MessageId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    console.db.write(move |tx| messaging.cancel(tx, &permit, id)).await?;
    Ok(see_other(&format!("/w/{}/messages/{id}", guard.name())))
}

/// Erases number and text for good.
pub async fn erase(
    guard: InWorkspace<cap::MessagesErase>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, MessageId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    console.db.write(move |tx| messaging.erase(tx, &permit, id.uuid())).await?;
    Ok(see_other(&format!("/w/{}/messages/{id}", guard.name())))
}

/// Number, text or address of a message: a POST, because it is written to the audit log. A script gets the value alone, to stand
/// where its mask was; without script it is the message's page with the value on it.
pub async fn reveal(
    guard: InWorkspace<cap::MessageContentRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, MessageId)>,
    Query(Asked { part }): Query<Asked>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let read = guard.also::<cap::MessagesRead>().ok_or_else(Refusal::not_found)?;
    let details = console.message(read, id).await?;
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    // A write: shown and written down together, or neither.
    let value: Result<Option<String>, Refusal> = console
        .db
        .write(move |tx| {
            Ok(match part {
                Part::Number => messaging.number(tx, &permit, id)?.map(|number| number.to_string()),
                Part::Text => messaging.content(tx, &permit, id)?.map(|content| content.text),
                Part::Address => messaging.client_ip(tx, &permit, id)?.map(|address| address.to_string()),
            })
        })
        .await;
    let masked = match part {
        Part::Number => number_of(guard.name(), id, &details.summary.to, true),
        Part::Text => text_of(guard.name(), id, true),
        Part::Address => address_of(guard.name(), id, details.client_ip.as_deref().unwrap_or_default(), true),
    };
    let masked = match value? {
        Some(value) => masked.shown(value, reveal_path(guard.name(), id, part)),
        None if part == Part::Address && details.client_ip.is_none() => return Err(Refusal::not_found()),
        None => masked.gone("It was erased with its day’s key."),
    };
    match (mask::wants_part(&headers), part) {
        (true, Part::Number | Part::Address) => mask::line(masked),
        (true, Part::Text) => mask::block(masked),
        (false, _) => message_page(&console, guard, &headers, details, Some((part, masked))).await,
    }
}

impl Console {
    async fn message(&self, permit: Permit<cap::MessagesRead>, id: MessageId) -> Answer<Details> {
        let messaging = self.messaging.clone();
        let found = self.db.read(move |tx| messaging.get(tx, &permit, id)).await?;
        found.ok_or_else(Refusal::not_found)
    }
}

impl Console {
    /// What applications were told of a message, in order; nothing for readers who may not see webhooks.
    async fn callbacks_about<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        id: MessageId,
    ) -> Answer<Vec<webhooks::Callback>> {
        let (Some(permit), true) = (guard.also::<cap::MessagesRead>(), guard.may(Capability::IntegrationsRead)) else {
            return Ok(Vec::new());
        };
        let webhooks = self.webhooks.clone();
        Ok(self.db.read(move |tx| webhooks.about(tx, &permit, &id.to_string())).await?)
    }
}

async fn message_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    details: Details,
    shown: Option<(Part, Masked)>,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Messages).await?.listening(&[messaging::TOPIC, webhooks::TOPIC]);
    let slug = guard.name().to_owned();
    let callbacks = console.callbacks_about(&guard, details.summary.id).await?;
    let (id, may) = (details.summary.id, guard.may(Capability::MessageContentRead));
    let (mut to, mut text) = (number_of(&slug, id, &details.summary.to, may), text_of(&slug, id, may));
    let mut address = details.client_ip.as_deref().map(|mask| address_of(&slug, id, mask, may));
    match shown {
        Some((Part::Number, masked)) => to = masked,
        Some((Part::Text, masked)) => text = masked,
        Some((Part::Address, masked)) => address = Some(masked),
        None => {}
    }
    let summary = &details.summary;
    let state = if summary.state == MessageState::Unknown {
        // The reason stands among what happened.
        "nobody knows whether it arrived".to_owned()
    } else {
        let (_, words) = state_words(summary);
        words.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c }).collect()
    };
    let words = details.history.iter().flat_map(|step| step.text.split(' '));
    let names = console.names(guard.workspace(), words.chain([summary.submitter.as_str()])).await?;
    let mut facts = vec![
        Fact::mono("Sender", summary.sender.clone()),
        Fact::new("Carrier", summary.carrier.clone()),
        Fact::new("Class", summary.class.name()),
        Fact::new("Attempts", summary.attempts.to_string()),
        Fact::new("For", for_whom(summary, &names)),
    ];
    facts.extend(summary.client_ref.clone().map(|reference| Fact::mono("Own reference", reference)));
    facts.extend(summary.country.clone().map(|country| Fact::new("Country", country)));
    facts.extend(summary.batch.as_ref().map(|batch| {
        let name = batch.client_ref.clone().unwrap_or_else(|| batch.id.to_string());
        Fact::link("Batch", name, format!("/w/{slug}/batches/{}", batch.id))
    }));
    facts.extend(summary.error.clone().map(|error| Fact::mono("Network error", error)));
    for part in &details.parts {
        if let Some(reference) = &part.carrier_ref {
            facts.push(Fact::mono("Carrier’s id", reference.clone()));
        }
    }
    page(&MessagePage {
        to,
        state,
        decide: (summary.state == MessageState::Unknown).then(|| format!("/w/{slug}/unknown")),
        standing: format!(
            "{}, {}. Accepted {}.",
            if summary.parts == 1 { "1 part".to_owned() } else { format!("{} parts", summary.parts) },
            alphabet(summary.encoding),
            shell.zone.exact(&summary.created_at)
        ),
        dated: !shell.zone.is_today(details.history.iter().map(|step| step.at)),
        history: details.history.iter().rev().map(|step| told(step, &names, &shell.zone)).collect(),
        callbacks: callbacks.iter().map(|callback| line(&slug, callback, shell.now)).collect(),
        text,
        address,
        erased: summary.to == messaging::ERASED,
        may_cancel: summary.state == MessageState::Queued
            && summary.origin.is_none()
            && guard.may(Capability::MessagesSend),
        may_erase: summary.to != messaging::ERASED && guard.may(Capability::MessagesErase),
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
            let view = told(&Step { at: NOW, kind: kind.into(), text: text.into() }, &Names::default(), &shell().zone);
            (view.knot, view.headline, view.detail)
        };
        let words = |knot, headline: &str, detail: &str| (knot, headline.to_owned(), detail.to_owned());
        let cases = [
            ("receipt", "receipt from sim-1: DELIVRD", words(Knot::Done, "Receipt from sim-1:", "DELIVRD.")),
            ("sent", "taken by sim-1 as 1f.2", words(Knot::Done, "Taken by sim-1 as 1f.2.", "")),
            (
                "accepted",
                "accepted as one part of GSM-7 from 85432, class alert",
                words(Knot::Done, "Accepted as one part of GSM-7 from 85432,", "class alert."),
            ),
            ("undelivered", "undelivered: absent", words(Knot::Failed, "Undelivered:", "absent.")),
            ("unknown_outcome", "The link broke", words(Knot::Unknown, "The link broke.", "")),
            (
                "scheduled",
                "waits until 2026-10-23T06:00:00.000Z",
                words(Knot::Waiting, "Waits until Fri 23 Oct 08:00 CEST.", ""),
            ),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(said(kind, text), expected);
        }
    }

    fn sample(may: bool) -> MessagePage {
        let id = uuid::Uuid::from_u128(9).into();
        MessagePage {
            shell: shell().listening(&["message"]),
            slug: "demo".into(),
            id,
            to: number_of("demo", id, "+44 77•• ••• 117", may),
            state: "delivered".into(),
            standing: "2 parts, UCS-2.".into(),
            history: vec![told(
                &Step { at: NOW, kind: "sent".into(), text: HOSTILE.into() },
                &Names::default(),
                &shell().zone,
            )],
            dated: !may,
            decide: may.then(|| "/w/demo/unknown".into()),
            callbacks: vec![line("demo", &crate::callbacks_page::tests::callback(), NOW)],
            text: text_of("demo", id, may),
            address: Some(address_of("demo", id, "192.0.2.•", may)),
            erased: false,
            may_cancel: may,
            may_erase: may,
            facts: vec![Fact::mono("Sender", "447700900000")],
        }
    }

    /// E-34: a text is shown only to the request that asked for it.
    #[test]
    fn e_34_a_text_is_shown_where_it_was_asked_for() {
        let offered = checked(&sample(true));
        assert!(offered.contains("/reveal?part=text\"") && offered.contains("/reveal?part=number\""));
        assert!(offered.contains("/reveal?part=address\"") && offered.contains("192.0.2.•"));
        assert!(offered.contains("written to the audit log") && offered.contains("/w/demo/unknown\""));
        let text = text_of("demo", uuid::Uuid::from_u128(9).into(), true).shown(HOSTILE, "/again");
        let shown = checked(&MessagePage { text, ..sample(true) });
        assert!(shown.contains("data-shown=\"60\"") && shown.contains("http-equiv=\"refresh\""));
        let closed = checked(&sample(false));
        assert!(closed.contains("messages:content") && !closed.contains("/reveal"));
        let address =
            Some(address_of("demo", uuid::Uuid::from_u128(9).into(), "192.0.2.•", true).shown("192.0.2.7", "/again"));
        assert!(checked(&MessagePage { address, ..sample(true) }).contains("192.0.2.7"));
        let address = Some(address_of("demo", uuid::Uuid::from_u128(9).into(), messaging::ERASED, true));
        assert!(!checked(&MessagePage { address, ..sample(true) }).contains("part=address"));
        let gone = Masked::new("x", "text", "•••", Class::Restricted).gone("It was erased.");
        assert!(checked(&MessagePage { text: gone, ..sample(true) }).contains("erased"));
    }
}
