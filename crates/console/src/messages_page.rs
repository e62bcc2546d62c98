//! The message log: what went out, what came in, and the life of one message.

use access::{Capability, Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{MessageId, Page as Listed, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use messaging::{Content, Filter, Minute, State as MessageState, Step, Summary};
use routing::Class;
use sms::Encoding;
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, Fact, Payload, choices};
use crate::page::{encode, page, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::zone::length;

struct Row {
    href: Option<String>,
    at: Timestamp,
    direction: &'static str,
    number: String,
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
    from: String,
    to: String,
    carrier: String,
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
    problem: Option<String>,
    empty: &'static str,
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
    let slug = guard.name().to_owned();
    let query = which.q.trim();
    if let Ok(id) = query.parse::<MessageId>() {
        return Ok(see_other(&format!("/w/{slug}/messages/{id}")));
    }
    let topics = [messaging::TOPIC, messaging::INBOUND_TOPIC];
    let shell = console.shell(&guard, &headers, Page::Messages).await?.listening(&topics);
    let (to, problem) = match query {
        "" => (None, None),
        text => match sms::Number::parse(text, None) {
            Ok(number) => (Some(number), None),
            Err(_) => (None, Some("That is no number with its country code, such as +447700900117, and no message id.".to_owned())),
        },
    };
    let filter = Filter { states: states(&which.state), class: class(&which.class), to, ..Filter::default() };
    let minutes = console.minutes(guard.permit().clone()).await?;
    let first = request.after.is_none();
    let (found, newer) = match &problem {
        None => console.log(guard.permit().clone(), filter, request, which.top).await?,
        Some(_) => (Listed { items: Vec::new(), next: None }, 0),
    };
    let top = which.top.or_else(|| found.items.first().filter(|_| first).map(|newest| newest.created_at.as_micros()));
    let inbound = inbound(&console, &guard).await?;
    let (sentence, standing) = last_hour(&minutes);
    let base = format!(
        "/w/{slug}/messages?state={}&class={}&q={}",
        encode(&which.state),
        encode(&which.class),
        encode(query)
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
            &[("", "All"), ("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Did not arrive"), ("unknown", "Unknown")],
            &which.state,
        ),
        classes: choices(&[("", "All"), ("alert", "alert"), ("normal", "normal"), ("bulk", "bulk")], &which.class),
        empty: if which.state.is_empty() && query.is_empty() { "No text was sent yet." } else { "No message fits." },
        rows: found.items.iter().map(|summary| row(&slug, summary)).collect(),
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
                let newer = messaging.list(tx, &permit, &since, &PageRequest::new(PageRequest::MAX_LIMIT, None))?.items.len();
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
        "failed" => vec![MessageState::Undelivered, MessageState::Expired, MessageState::Rejected, MessageState::Failed],
        "unknown" => vec![MessageState::Unknown],
        _ => Vec::new(),
    }
}

fn class(word: &str) -> Option<Class> {
    word.parse().ok()
}

async fn inbound(console: &Console, guard: &InWorkspace<cap::MessagesRead>) -> Answer<Vec<InboundRow>> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let found =
        console.db.read(move |tx| messaging.inbound_list(tx, &permit, &PageRequest::new(20, None))).await?;
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
            from: text.from,
            to: text.to,
            carrier: text.carrier,
        })
        .collect())
}

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
    }
}

/// Who wanted it sent.
fn for_whom(summary: &Summary) -> String {
    match (summary.origin.as_ref().map(|origin| origin.kind.as_str()), summary.submitter.split(':').next()) {
        (Some("notification"), _) => "an alert".to_owned(),
        (Some(kind), _) => kind.replace('_', " "),
        (None, Some("engine")) => "Loudhailer".to_owned(),
        (None, Some("api_key")) => "an API key".to_owned(),
        (None, Some("user")) => "a person".to_owned(),
        (None, who) => who.unwrap_or_default().to_owned(),
    }
}

/// The alphabet as people write it.
fn alphabet(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Gsm7 => "GSM-7",
        Encoding::Ucs2 => "UCS-2",
    }
}

fn row(slug: &str, summary: &Summary) -> Row {
    let (knot, state) = state_words(summary);
    Row {
        href: Some(format!("/w/{slug}/messages/{}", summary.id)),
        at: summary.created_at,
        direction: "out",
        number: summary.to.clone(),
        class: summary.class.name(),
        parts: summary.parts,
        carrier: summary.carrier.clone(),
        knot,
        state,
        took: summary.done_at.map(|done| length(done.since(summary.created_at))).unwrap_or_default(),
        for_whom: for_whom(summary),
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
    Form(_): Form<crate::alerts::ActForm>,
) -> Answer<Response> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    // A write: shown and written down together, or neither.
    let content: Result<Option<Content>, Refusal> = console
        .db
        .write(move |tx| messaging.content(tx, &permit, id).map_err(Refusal::from))
        .await;
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
    let details =
        console.db.read(move |tx| messaging.get(tx, &permit, id)).await?.ok_or_else(Refusal::not_found)?;
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
        history: details
            .history
            .iter()
            .rev()
            .map(told)
            .collect(),
        revealed: matches!(text, Payload::Shown(_)),
        text,
        facts,
        id,
        slug,
        shell,
    })
}
