//! The callbacks: what was sent to whom, with every try.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{MessageId, Timestamp, WebhookId};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use serde::Deserialize;
use webhooks::{Attempt, Callback, CallbackState, Details, Filter};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, Fact, choices};
use crate::page::{encode, page, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::webhooks_page::alone;
use crate::zone::age;

/// A callback in a list.
pub struct Line {
    /// Its page.
    pub href: String,
    /// When it was made.
    pub at: Timestamp,
    /// How it is drawn.
    pub knot: Knot,
    /// What it tells.
    pub event: String,
    /// To whom.
    pub to: String,
    /// Where it stands, in words.
    pub words: String,
    /// How often it was tried.
    pub tries: u32,
}

/// What an event is called.
fn event_words(event: &str) -> &str {
    match event {
        "outbound_message_status_changed" => "Receipt",
        "inbound_message_received" => "Inbound text",
        "webhook_test" => "Test",
        other => other,
    }
}

/// How a callback is drawn.
pub const fn callback_knot(callback: &Callback) -> Knot {
    match callback.state {
        CallbackState::Delivered => Knot::Done,
        CallbackState::GivenUp => Knot::Failed,
        CallbackState::UnderWay => Knot::Now,
        CallbackState::Behind => Knot::Waiting,
        CallbackState::Waiting => {
            if callback.error.is_some() {
                Knot::Unknown
            } else {
                Knot::Waiting
            }
        }
    }
}

/// Where a callback stands, in words.
pub fn callback_words(callback: &Callback, now: Timestamp) -> String {
    let error = callback.error.as_deref().map(sentence).unwrap_or_default();
    let tries = match callback.attempts {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    };
    match callback.state {
        CallbackState::Delivered => format!("Taken with {}, tried {tries}.", callback.status.unwrap_or_default()),
        CallbackState::GivenUp if callback.attempts == 0 => format!("Given up. {error}"),
        CallbackState::GivenUp => format!("Given up, tried {tries}. {error}"),
        CallbackState::UnderWay => "On its way now.".to_owned(),
        CallbackState::Behind => "Waits for an earlier one of the same message.".to_owned(),
        CallbackState::Waiting if callback.attempts == 0 => "Waits for its first try.".to_owned(),
        CallbackState::Waiting if callback.due_at > now => {
            format!("Tried {tries}, again in {}. {error}", age(callback.due_at.since(now)))
        }
        CallbackState::Waiting => format!("Tried {tries}, again now. {error}"),
    }
}

/// A callback as a line.
pub fn line(slug: &str, callback: &Callback, now: Timestamp) -> Line {
    Line {
        href: format!("/w/{slug}/callbacks/{}", callback.id),
        at: callback.created_at,
        knot: callback_knot(callback),
        event: event_words(&callback.event).to_owned(),
        to: callback.webhook_name.clone(),
        words: callback_words(callback, now),
        tries: callback.attempts,
    }
}

#[derive(Template)]
#[template(path = "callbacks.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    here: String,
    live: bool,
    heading: String,
    standing: String,
    states: Vec<Choice>,
    webhooks: Vec<Choice>,
    /// Receivers that are left alone: their pages, names, and since when.
    alone: Vec<(String, String, String)>,
    subject: String,
    filtered: bool,
    rows: Vec<Line>,
    older: Option<String>,
}

/// Which callbacks are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    state: String,
    webhook: String,
    subject: String,
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Webhooks).await?.listening(&[webhooks::TOPIC]);
    let slug = guard.name().to_owned();
    let webhook: Option<WebhookId> = which.webhook.parse().ok();
    let subject = Some(which.subject.trim().to_owned()).filter(|subject| !subject.is_empty());
    let filter = Filter { webhook, state: CallbackState::parse(&which.state), subject };
    let first = request.after.is_none();
    let (handle, permit) = (console.webhooks.clone(), guard.permit().clone());
    let (found, all) = console
        .db
        .read(move |tx| {
            let found = handle.callbacks(tx, &permit, &filter, &request)?;
            Ok::<_, webhooks::Error>((found, handle.list(tx, &permit)?))
        })
        .await?;
    let here = format!(
        "/w/{slug}/callbacks?state={}&webhook={}&subject={}",
        encode(&which.state),
        encode(&which.webhook),
        encode(which.subject.trim())
    );
    let given_up = found.items.iter().filter(|one| one.state == CallbackState::GivenUp).count();
    let waiting = found.items.iter().filter(|one| one.state != CallbackState::Delivered).count() - given_up;
    page(&ListPage {
        heading: match (found.items.len(), given_up, waiting) {
            (0, ..) => "No callback is listed".to_owned(),
            (_, 0, 0) => "Every callback here was taken".to_owned(),
            (_, 0, count) => format!("{count} of these callbacks wait"),
            (_, count, _) => format!("{count} of these callbacks were given up"),
        },
        standing: "One line for each thing that a receiver is told. What was said is kept sealed and is not shown; it can be sent again for 30 days.".to_owned(),
        states: choices(
            &[
                ("", "All"),
                ("waiting", "Waiting"),
                ("under_way", "On its way"),
                ("behind", "Behind another"),
                ("delivered", "Taken"),
                ("given_up", "Given up"),
            ],
            &which.state,
        ),
        alone: all
            .iter()
            .filter(|one| webhook.is_none_or(|webhook| webhook == one.webhook.id))
            .filter_map(|one| {
                let words = alone(one, &shell.zone, shell.now)?;
                Some((format!("/w/{slug}/webhooks/{}", one.webhook.id), one.webhook.name.clone(), words))
            })
            .collect(),
        webhooks: std::iter::once((String::new(), "All".to_owned()))
            .chain(all.into_iter().map(|one| (one.webhook.id.to_string(), one.webhook.name)))
            .map(|(value, name)| Choice { current: value == which.webhook, value, name, href: String::new() })
            .collect(),
        filtered: !(which.state.is_empty() && which.webhook.is_empty() && which.subject.trim().is_empty()),
        subject: which.subject.trim().to_owned(),
        rows: found.items.iter().map(|one| line(&slug, one, shell.now)).collect(),
        older: found.next.map(|cursor| format!("{here}&cursor={}", encode(&cursor.0))),
        live: first,
        here,
        slug,
        shell,
    })
}

struct Try {
    at: Timestamp,
    knot: Knot,
    headline: String,
    detail: String,
    beginning: Option<String>,
}

fn tried(attempt: &Attempt) -> Try {
    let took = format!("{} ms", attempt.duration_ms);
    let (knot, headline) = match (&attempt.error, attempt.status) {
        (None, Some(status)) => (Knot::Done, format!("Try {}: taken with {status}", attempt.number)),
        (None, None) => (Knot::Done, format!("Try {}: taken", attempt.number)),
        (Some(_), Some(status)) => (Knot::Failed, format!("Try {}: answered {status}", attempt.number)),
        (Some(_), None) => (Knot::Failed, format!("Try {}: no answer", attempt.number)),
    };
    let detail = match &attempt.error {
        None => format!("after {took}."),
        Some(error) => format!("after {took}. {}", sentence(error)),
    };
    Try { at: attempt.at, knot, headline, detail, beginning: attempt.beginning.clone() }
}

#[derive(Template)]
#[template(path = "callback.html")]
struct CallbackPage {
    shell: Shell,
    slug: String,
    id: i64,
    heading: String,
    standing: String,
    said: Option<&'static str>,
    /// Since when its receiver is left alone, while this waits for it.
    alone: Option<String>,
    /// The webhook's page.
    webhook: String,
    tries: Vec<Try>,
    /// Whether they are told with their days.
    dated: bool,
    headers: Vec<(String, String)>,
    facts: Vec<Fact>,
    may_replay: bool,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// One callback.
pub async fn show(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, i64)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Webhooks).await?.listening(&[webhooks::TOPIC]);
    let slug = guard.name().to_owned();
    let (handle, permit) = (console.webhooks.clone(), guard.permit().clone());
    let found: Result<_, webhooks::Error> = console
        .db
        .read(move |tx| {
            let Some(details) = handle.callback(tx, &permit, id)? else { return Ok(None) };
            let webhook = handle.get(tx, &permit, details.callback.webhook)?;
            Ok(Some((details, webhook)))
        })
        .await;
    let (found, webhook) = found?.ok_or_else(Refusal::not_found)?;
    let alone = webhook.and_then(|one| alone(&one, &shell.zone, shell.now));
    let messages = guard.may(Capability::MessagesRead);
    page(&callback_page(shell, slug, found, alone, &said.did, messages, guard.may(Capability::IntegrationsWrite)))
}

fn callback_page(
    shell: Shell,
    slug: String,
    details: Details,
    alone: Option<String>,
    did: &str,
    messages: bool,
    may: bool,
) -> CallbackPage {
    let callback = &details.callback;
    let over = matches!(callback.state, CallbackState::Delivered | CallbackState::GivenUp);
    let about: Option<MessageId> = callback.subject.parse().ok();
    let mut facts = vec![
        Fact::link("Webhook", callback.webhook_name.clone(), format!("/w/{slug}/webhooks/{}", callback.webhook)),
        Fact::mono("webhook-id", callback.uid.clone()),
        Fact::mono("Event", callback.event.clone()),
    ];
    match (callback.event.as_str(), about) {
        ("outbound_message_status_changed", Some(id)) if messages => {
            facts.push(Fact::link("Message", id.to_string(), format!("/w/{slug}/messages/{id}")));
        }
        ("webhook_test", _) => {}
        _ => facts.push(Fact::mono("Message", callback.subject.clone())),
    }
    facts.push(Fact::new("Made", shell.zone.exact(&callback.created_at)));
    if let Some(at) = callback.done_at {
        facts.push(Fact::new("Ended", shell.zone.exact(&at)));
    } else {
        facts.push(Fact::new("Next try", shell.zone.exact(&callback.due_at)));
        facts.push(Fact::new("Given up after", shell.zone.day_clock(&callback.give_up_at)));
    }
    facts.push(Fact::new(
        "Size",
        if details.size == 0 { "erased".to_owned() } else { format!("{} octets", details.size) },
    ));
    CallbackPage {
        id: callback.id,
        heading: format!("{} to “{}”", event_words(&callback.event), callback.webhook_name),
        standing: callback_words(callback, shell.now),
        said: match did {
            "test" => Some("The test is on its way. What comes of it shows here."),
            "replayed" => Some("It is sent again, under the same webhook-id."),
            _ => None,
        },
        alone: alone.filter(|_| !over),
        webhook: format!("/w/{slug}/webhooks/{}", callback.webhook),
        dated: !shell.zone.is_today(details.attempts.iter().map(|attempt| attempt.at)),
        tries: details.attempts.iter().rev().map(tried).collect(),
        headers: details.headers.clone(),
        may_replay: may && over && details.size > 0,
        facts,
        slug,
        shell,
    }
}

/// Sends one again.
pub async fn replay(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, i64)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (handle, permit) = (console.webhooks.clone(), guard.permit().clone());
    console.db.write(move |tx| handle.replay(tx, &permit, id)).await?;
    Ok(see_other(&format!("/w/{}/callbacks/{id}?did=replayed", guard.name())))
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    pub fn callback() -> Callback {
        Callback {
            id: 4711,
            uid: "evt_1".into(),
            webhook: uuid::Uuid::from_u128(2).into(),
            webhook_name: HOSTILE.into(),
            event: "outbound_message_status_changed".into(),
            subject: uuid::Uuid::from_u128(9).to_string(),
            state: CallbackState::Waiting,
            created_at: NOW.minus(Duration::from_mins(3)),
            due_at: NOW.plus(Duration::from_mins(2)),
            give_up_at: NOW.plus(Duration::from_hours(72)),
            done_at: None,
            attempts: 3,
            status: Some(500),
            error: Some("the receiver answered 500".into()),
        }
    }

    #[test]
    fn where_a_callback_stands_is_a_sentence() {
        let said = |state, attempts| callback_words(&Callback { state, attempts, ..callback() }, NOW);
        assert_eq!(said(CallbackState::Waiting, 3), "Tried 3 times, again in 2 min. The receiver answered 500.");
        assert_eq!(said(CallbackState::Waiting, 0), "Waits for its first try.");
        assert_eq!(said(CallbackState::GivenUp, 2), "Given up, tried twice. The receiver answered 500.");
        assert_eq!(said(CallbackState::Delivered, 1), "Taken with 500, tried once.");
        for state in CallbackState::ALL {
            assert!(said(state, 1).ends_with('.'));
        }
    }

    #[test]
    fn a_page_shows_every_try_and_offers_a_replay_when_it_is_over() {
        let attempt = Attempt {
            number: 1,
            at: NOW,
            duration_ms: 81,
            status: Some(500),
            error: Some(HOSTILE.into()),
            beginning: Some(HOSTILE.into()),
        };
        let details = |state| Details {
            callback: Callback { state, ..callback() },
            attempts: vec![attempt.clone()],
            headers: vec![("webhook-signature".into(), "v1,•••".into())],
            size: 412,
        };
        let html = |state, may| {
            checked(&callback_page(
                shell().listening(&["webhook"]),
                "demo".into(),
                details(state),
                Some("Left alone since 11:02.".into()),
                "",
                true,
                may,
            ))
        };
        let over = html(CallbackState::GivenUp, true);
        assert!(over.contains("/callbacks/4711/replay") && over.contains("81 ms") && over.contains("v1,•••"));
        let waiting = html(CallbackState::Waiting, true);
        assert!(!waiting.contains("/replay") && waiting.contains("Left alone since 11:02."), "{waiting}");
        assert!(!over.contains("Left alone"), "what is over waits for nobody");
        assert!(!html(CallbackState::GivenUp, false).contains("/replay"));
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        let page = ListPage {
            shell: shell().listening(&["webhook"]),
            slug: "demo".into(),
            here: "/w/demo/callbacks".into(),
            live: true,
            heading: "No callback is listed".into(),
            standing: String::new(),
            states: choices(&[("", "All")], ""),
            webhooks: Vec::new(),
            alone: vec![("/w/demo/webhooks/2".into(), HOSTILE.into(), "Left alone since 11:02.".into())],
            subject: HOSTILE.into(),
            filtered: false,
            rows: Vec::new(),
            older: None,
        };
        assert!(checked(&page).contains("/w/demo/webhooks"));
        let full = ListPage { rows: vec![line("demo", &callback(), NOW)], filtered: true, ..page };
        let html = checked(&full);
        assert!(html.contains("/callbacks/4711") && html.contains("Left alone since 11:02."));
    }
}
