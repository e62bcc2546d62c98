//! The message log: what went out and what came in.

use access::{Capability, Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{BatchId, InboundId, MessageId, Page as Listed, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use messaging::{Filter, Minute, State as MessageState, Summary};
use routing::Class;
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, choices};
use crate::mask::{self, Class as MaskClass, Masked};
use crate::message_page::number_of;
use crate::message_words::{Names, for_whom, state_words};
use crate::page::{encode, page, see_other};
use crate::shell::{Page, Shell};
use crate::zone::length;

struct Row {
    href: Option<String>,
    at: Timestamp,
    direction: &'static str,
    number: Masked,
    class: &'static str,
    parts: u32,
    carrier: String,
    knot: Knot,
    state: String,
    took: String,
    for_whom: String,
}

struct InboundRow {
    at: Timestamp,
    from: Masked,
    words: Masked,
    to: String,
    carrier: String,
    coding: &'static str,
    became: String,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    /// This page as it was when it was loaded, for live updates.
    again: String,
    /// Whether it is the first page, which updates itself.
    live: bool,
    /// How many messages came since.
    newer: Option<String>,
    here: String,
    sentence: String,
    standing: String,
    query: String,
    states: Vec<Choice>,
    classes: Vec<Choice>,
    batch: String,
    may_send: bool,
    problem: Option<String>,
    /// Whether the reader chose which messages are listed.
    filtered: bool,
    rows: Vec<Row>,
    inbound: Vec<InboundRow>,
    older: Option<String>,
}

/// Which messages are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    q: String,
    state: String,
    class: String,
    /// Only those of this batch.
    batch: String,
    /// The newest message that the page showed when it was loaded, in microseconds: what came later is counted, not
    /// shown, so that rows never jump under the reader's finger.
    top: Option<i64>,
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let permit = guard.permit().clone();
    list_page(&console, guard, permit, &headers, (which, request), None).await
}

/// The list; `shown` is the text from a handset that the reader asked to see.
async fn list_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    permit: Permit<cap::MessagesRead>,
    headers: &HeaderMap,
    (which, request): (Which, PageRequest),
    shown: Option<(InboundId, InboundPart, Masked)>,
) -> Answer<Response> {
    let may = guard.may(Capability::MessageContentRead);
    let slug = guard.name().to_owned();
    let query = which.q.trim();
    if let Ok(id) = query.parse::<MessageId>() {
        return Ok(see_other(&format!("/w/{slug}/messages/{id}")));
    }
    let topics = [messaging::TOPIC, messaging::INBOUND_TOPIC];
    let shell = console.shell(&guard, headers, Page::Messages).await?.listening(&topics);
    // A number with its country code, or else what the sender calls the message.
    let (to, client_ref) = match query {
        "" => (None, None),
        text => match sms::Number::parse(text, None) {
            Ok(number) => (Some(number), None),
            Err(_) => (None, Some(text.to_owned())),
        },
    };
    let problem = (!which.batch.is_empty() && which.batch.parse::<BatchId>().is_err())
        .then(|| "That is no id of a batch.".to_owned());
    let batch: Option<BatchId> = which.batch.parse().ok();
    let filter =
        Filter { states: states(&which.state), class: class(&which.class), to, client_ref, batch, ..Filter::default() };
    let minutes = console.minutes(permit.clone()).await?;
    let first = request.after.is_none();
    let (found, newer) = match &problem {
        None => console.log(permit.clone(), filter, request, which.top).await?,
        Some(_) => (Listed { items: Vec::new(), next: None }, 0),
    };
    let top = which.top.or_else(|| found.items.first().filter(|_| first).map(|newest| newest.created_at.as_micros()));
    let senders = found.items.iter().map(|summary| summary.submitter.as_str());
    let names = console.names(guard.workspace(), senders).await?;
    let inbound = inbound(console, &guard, &permit, shown).await?;
    let (sentence, standing) = last_hour(&minutes);
    let base = format!(
        "/w/{slug}/messages?state={}&class={}&q={}&batch={}",
        encode(&which.state),
        encode(&which.class),
        encode(query),
        encode(&which.batch)
    );
    page(&ListPage {
        again: match top {
            Some(top) => format!("{base}&top={top}"),
            None => base.clone(),
        },
        newer: match newer {
            0 => None,
            1 => Some("1 newer message".into()),
            count => Some(format!("{count} newer messages")),
        },
        live: first,
        older: found.next.as_ref().map(|cursor| format!("{base}&cursor={}", encode(&cursor.0))),
        here: base,
        sentence,
        standing,
        states: choices(
            &[
                ("", "All"),
                ("waiting", "Waiting"),
                ("delivered", "Delivered"),
                ("failed", "Did not arrive"),
                ("cancelled", "Cancelled"),
                ("unknown", "Unknown"),
            ],
            &which.state,
        ),
        classes: choices(
            &[
                ("", "All"),
                ("alert", "alert"),
                ("otp", "otp"),
                ("transactional", "transactional"),
                ("marketing", "marketing"),
            ],
            &which.class,
        ),
        may_send: guard.may(Capability::MessagesSend),
        batch: which.batch.clone(),
        filtered: [&which.state, &which.class, &which.batch].iter().any(|one| !one.is_empty()) || !query.is_empty(),
        rows: found.items.iter().map(|summary| row(&slug, summary, &names, may)).collect(),
        inbound,
        query: query.to_owned(),
        problem,
        slug,
        shell,
    })
}

impl Console {
    /// The last hour, minute by minute.
    pub async fn minutes(&self, permit: Permit<cap::MessagesRead>) -> Answer<Vec<Minute>> {
        let messaging = self.messaging.clone();
        Ok(self.db.read(move |tx| messaging.last_hour(tx, &permit)).await?)
    }

    /// A page of the log, up to the message that was the newest at `top`, and how many came since.
    async fn log(
        &self,
        permit: Permit<cap::MessagesRead>,
        filter: Filter,
        request: PageRequest,
        top: Option<i64>,
    ) -> Answer<(Listed<Summary>, usize)> {
        let messaging = self.messaging.clone();
        let top = top.filter(|top| *top > 0).map(|top| Timestamp::from_micros(top.saturating_add(1)));
        let found: Result<_, messaging::Error> = self
            .db
            .read(move |tx| {
                let Some(top) = top else { return Ok((messaging.list(tx, &permit, &filter, &request)?, 0)) };
                let since = Filter { since: Some(top), ..filter.clone() };
                let newer =
                    messaging.list(tx, &permit, &since, &PageRequest::new(PageRequest::MAX_LIMIT, None))?.items.len();
                let until = Filter { until: Some(top), ..filter.clone() };
                Ok((messaging.list(tx, &permit, &until, &request)?, newer))
            })
            .await;
        Ok(found?)
    }
}

fn states(word: &str) -> Vec<MessageState> {
    match word {
        "waiting" => vec![MessageState::Queued, MessageState::Claimed, MessageState::Sent],
        "delivered" => vec![MessageState::Delivered],
        "failed" => {
            vec![MessageState::Undelivered, MessageState::Expired, MessageState::Rejected, MessageState::Failed]
        }
        "cancelled" => vec![MessageState::Cancelled],
        "unknown" => vec![MessageState::Unknown],
        _ => Vec::new(),
    }
}

fn class(word: &str) -> Option<Class> {
    word.parse().ok()
}

/// Which value of a text from a handset is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboundPart {
    /// The handset's number.
    Number,
    /// What it says.
    #[default]
    Text,
}

/// The query of a reveal.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    part: InboundPart,
}

fn inbound_path(slug: &str, id: InboundId, part: InboundPart) -> String {
    let part = if part == InboundPart::Number { "number" } else { "text" };
    format!("/w/{slug}/inbound/{id}/reveal?part={part}")
}

fn inbound_masked(slug: &str, id: InboundId, part: InboundPart, mask: &str, may: bool) -> Masked {
    let masked = match part {
        InboundPart::Number => Masked::new(format!("i-{id}-number"), "number", mask, MaskClass::Confidential),
        InboundPart::Text => Masked::new(format!("i-{id}-text"), "text", mask, MaskClass::Restricted),
    };
    masked.offered(may, Capability::MessageContentRead, inbound_path(slug, id, part))
}

/// Number or words of a text that came in: a POST, because it is written to the audit log.
pub async fn reveal_inbound(
    guard: InWorkspace<cap::MessageContentRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, InboundId)>,
    Query(Asked { part }): Query<Asked>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let read = guard.also::<cap::MessagesRead>().ok_or_else(Refusal::not_found)?;
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let found = console.db.write(move |tx| messaging.inbound_content(tx, &permit, id)).await?;
    let message = found.ok_or_else(Refusal::not_found)?;
    let (mask, value) = match part {
        InboundPart::Number => (message.summary.from, message.from),
        InboundPart::Text => (WORDS.to_owned(), message.text),
    };
    let shown = inbound_masked(guard.name(), id, part, &mask, true).shown(value, inbound_path(guard.name(), id, part));
    if mask::wants_part(&headers) {
        return mask::line(shown);
    }
    list_page(&console, guard, read, &headers, (Which::default(), PageRequest::default()), Some((id, part, shown)))
        .await
}

/// What stands for the words of a text.
const WORDS: &str = "••••• •••";

async fn inbound<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    permit: &Permit<cap::MessagesRead>,
    shown: Option<(InboundId, InboundPart, Masked)>,
) -> Answer<Vec<InboundRow>> {
    let (slug, may) = (guard.name().to_owned(), guard.may(Capability::MessageContentRead));
    let (messaging, permit) = (console.messaging.clone(), permit.clone());
    let found = console.db.read(move |tx| messaging.inbound_list(tx, &permit, &PageRequest::new(20, None))).await?;
    let replies = match guard.also::<cap::AlertsRead>() {
        Some(permit) => console.alerts.replies(permit, PageRequest::new(100, None)).await?.items,
        None => Vec::new(),
    };
    Ok(found
        .items
        .into_iter()
        .map(|text| InboundRow {
            became: replies
                .iter()
                .find(|reply| reply.inbound == text.id)
                .map_or_else(|| "not bound to anything".to_owned(), |reply| reply.reason.clone()),
            at: text.at,
            from: inbound_value(&slug, text.id, InboundPart::Number, &text.from, may, shown.as_ref()),
            words: inbound_value(&slug, text.id, InboundPart::Text, WORDS, may, shown.as_ref()),
            to: text.to,
            carrier: text.carrier,
            coding: text.coding.map(sms::Coding::words).unwrap_or_default(),
        })
        .collect())
}

fn inbound_value(
    slug: &str,
    id: InboundId,
    part: InboundPart,
    mask: &str,
    may: bool,
    shown: Option<&(InboundId, InboundPart, Masked)>,
) -> Masked {
    match shown {
        Some((of, which, masked)) if *of == id && *which == part => masked.clone(),
        _ => inbound_masked(slug, id, part, mask, may),
    }
}

fn row(slug: &str, summary: &Summary, names: &Names, may: bool) -> Row {
    let (knot, state) = state_words(summary);
    Row {
        href: Some(format!("/w/{slug}/messages/{}", summary.id)),
        at: summary.created_at,
        direction: "out",
        number: number_of(slug, summary.id, &summary.to, may),
        class: summary.class.name(),
        parts: summary.parts,
        carrier: summary.carrier.clone(),
        knot,
        state,
        took: summary.done_at.map(|done| length(done.since(summary.created_at))).unwrap_or_default(),
        for_whom: for_whom(summary, names),
    }
}

/// The last hour in words.
pub fn last_hour(minutes: &[Minute]) -> (String, String) {
    let sum = |of: fn(&Minute) -> u32| minutes.iter().map(|minute| u64::from(of(minute))).sum::<u64>();
    let (accepted, delivered, failed) = (sum(|m| m.accepted), sum(|m| m.delivered), sum(|m| m.failed));
    let ended = delivered + failed;
    let sentence = match accepted {
        0 => "No message in the last hour".to_owned(),
        1 => "One message in the last hour".to_owned(),
        count => format!("{count} messages in the last hour"),
    };
    let standing = match (ended, failed) {
        (0, _) => "What an application or an alert sends appears here at once.".to_owned(),
        (_, 0) => "Every one that came to its end was delivered.".to_owned(),
        (ended, failed) => {
            let tenths = delivered * 1_000 / ended;
            format!("{}.{} % delivered; {failed} did not arrive.", tenths / 10, tenths % 10)
        }
    };
    (sentence, standing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_words::tests::summary;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn a_filter_covers_every_state_once() {
        let all: Vec<MessageState> =
            ["waiting", "delivered", "failed", "cancelled", "unknown"].into_iter().flat_map(states).collect();
        for state in MessageState::ALL {
            assert_eq!(all.iter().filter(|one| **one == state).count(), 1, "{state:?}");
        }
        assert!(states("").is_empty() && states("<script>").is_empty());
        assert_eq!((class("alert"), class("flash")), (Some(Class::Alert), None));
    }

    #[test]
    fn the_last_hour_is_said_in_two_sentences() {
        let minute = |accepted, delivered, failed| Minute { at: NOW, accepted, delivered, failed };
        let said = |minutes: &[Minute]| last_hour(minutes);
        assert_eq!(said(&[]).0, "No message in the last hour");
        assert_eq!(said(&[minute(1, 1, 0)]).1, "Every one that came to its end was delivered.");
        let (sentence, standing) = said(&[minute(200, 150, 1), minute(100, 49, 0)]);
        assert_eq!(sentence, "300 messages in the last hour");
        assert_eq!(standing, "99.5 % delivered; 1 did not arrive.");
    }

    fn sample() -> ListPage {
        ListPage {
            shell: shell().listening(&["message"]),
            slug: "demo".into(),
            again: "/w/demo/messages?q=&top=1".into(),
            live: true,
            newer: Some("14 newer messages".into()),
            here: "/w/demo/messages?q=".into(),
            sentence: "3 messages in the last hour".into(),
            standing: "All delivered.".into(),
            query: HOSTILE.into(),
            states: choices(&[("", "All")], ""),
            classes: choices(&[("", "All")], ""),
            batch: String::new(),
            may_send: true,
            problem: Some("That is no id of a batch.".into()),
            filtered: true,
            rows: vec![row("demo", &summary(), &Names::default(), true)],
            inbound: vec![InboundRow {
                at: NOW,
                from: inbound_masked(
                    "demo",
                    uuid::Uuid::from_u128(5).into(),
                    InboundPart::Number,
                    "+44 77•• ••• 118",
                    false,
                ),
                words: inbound_masked("demo", uuid::Uuid::from_u128(5).into(), InboundPart::Text, WORDS, true),
                to: "447700900000".into(),
                coding: "UCS-2",
                carrier: "sim-1".into(),
                became: HOSTILE.into(),
            }],
            older: None,
        }
    }

    #[test]
    fn newer_messages_wait_to_be_asked_for() {
        let html = checked(&sample());
        assert!(
            html.contains("14 newer messages") && html.contains("hx-get=\"/w/demo/messages?q=&#38;top=1\""),
            "{html}"
        );
        assert!(html.contains("+44 77•• ••• 117") && html.contains("an API key"));
        let older = checked(&ListPage { live: false, newer: None, ..sample() });
        assert!(!older.contains("hx-get"), "an older page stands still");
        let none = checked(&ListPage { rows: Vec::new(), ..sample() });
        assert!(none.contains("No message fits") && none.contains("Show all messages"), "the next step: {none}");
        let first = checked(&ListPage { rows: Vec::new(), filtered: false, ..sample() });
        assert!(first.contains("No text was sent yet") && first.contains("loudhailer send"));
    }
}
