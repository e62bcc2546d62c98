//! The webhooks: who hears of messages, how each is, and what waits for it.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use http::{Answer, HeaderMap, InWorkspace, Response};
use webhooks::{COUNTED, Circuit, Listed};

use crate::Console;
use crate::draw::Draw;
use crate::page::page;
use crate::shell::{Page, Shell};
use crate::zone::{Zone, age};

struct Row {
    href: String,
    name: String,
    place: String,
    knot: Knot,
    state: String,
    reason: String,
    /// Since when it is left alone, and until when.
    alone: Option<String>,
    last: Option<Timestamp>,
    last_words: String,
    waiting: String,
    given_up: String,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    may_write: bool,
    rows: Vec<Row>,
}

/// A count as people read it: where counting ended, there are more.
pub fn counted(count: u64) -> String {
    if count >= COUNTED { format!("{COUNTED} and more") } else { count.to_string() }
}

/// How a webhook is, in words, and why.
pub fn health(listed: &Listed, now: Timestamp) -> (Knot, String, String) {
    let (webhook, health) = (&listed.webhook, &listed.webhook.health);
    if !webhook.enabled {
        return (
            Knot::Skipped,
            "switched off".into(),
            "Nothing is sent; what waits is given up after 72 hours.".into(),
        );
    }
    let reason = health.reason.clone().unwrap_or_default();
    match (health.circuit, health.failing_since, health.last_success) {
        (Circuit::Open, since, _) => {
            let since = since.or(health.since).map(|at| age(now.since(at))).unwrap_or_default();
            (Knot::Failed, format!("left alone, failing for {since}"), reason)
        }
        (Circuit::Closed, Some(since), _) => {
            let error = health.last_error.clone().unwrap_or_default();
            (Knot::Unknown, format!("failing for {}", age(now.since(since))), crate::page::sentence(&error))
        }
        (Circuit::Closed, None, Some(_)) => (Knot::Done, "takes callbacks".into(), String::new()),
        (Circuit::Closed, None, None) => (Knot::Waiting, "waits for its first callback".into(), String::new()),
    }
}

/// Since when a receiver is left alone, and when it is asked again; `None` for one that is not.
pub fn alone(listed: &Listed, zone: &Zone, now: Timestamp) -> Option<String> {
    let health = &listed.webhook.health;
    if health.circuit != Circuit::Open || !listed.webhook.enabled {
        return None;
    }
    let mut words = String::from("Left alone");
    if let Some(since) = health.since {
        words.push_str(" since ");
        words.push_str(&moment(since, zone));
    }
    match health.probe_at {
        Some(at) if at > now => {
            words.push_str("; asked again at ");
            words.push_str(&moment(at, zone));
        }
        _ => words.push_str("; asked again now"),
    }
    words.push_str(". What waits is kept.");
    Some(words)
}

/// A time of the day where it is today's, and with its day where not.
fn moment(at: Timestamp, zone: &Zone) -> String {
    if zone.is_today([at]) { zone.clock_zone(&at) } else { zone.day_clock(&at) }
}

/// Whose it is and where it leads, in a few words.
pub fn place(listed: &Listed) -> String {
    let webhook = &listed.webhook;
    if webhook.own {
        "addresses that messages bring along (dlrCallbackUrl)".to_owned()
    } else if webhook.workspace.is_none() {
        format!("of the whole account: {}", webhook.url)
    } else {
        webhook.url.clone()
    }
}

fn row(slug: &str, listed: &Listed, zone: &Zone, now: Timestamp) -> Row {
    let (knot, state, reason) = health(listed, now);
    let last = listed.webhook.health.last_success;
    Row {
        href: format!("/w/{slug}/webhooks/{}", listed.webhook.id),
        name: listed.webhook.name.clone(),
        place: place(listed),
        knot,
        state,
        reason,
        alone: alone(listed, zone, now),
        last,
        last_words: last.map(|at| age(now.since(at))).unwrap_or_default(),
        waiting: counted(listed.waiting),
        given_up: counted(listed.given_up),
    }
}

fn heading(all: &[Listed]) -> (String, String) {
    let enabled = all.iter().filter(|one| one.webhook.enabled && !one.webhook.own).count();
    let open = all.iter().filter(|one| one.webhook.health.circuit == Circuit::Open).count();
    let sentence = match (all.is_empty(), open, enabled) {
        (true, ..) => "Nobody is told what becomes of messages".to_owned(),
        (_, 1, _) => "One receiver is left alone because it fails".to_owned(),
        (_, 2.., _) => format!("{open} receivers are left alone because they fail"),
        (_, _, 1) => "One webhook hears of messages".to_owned(),
        (_, _, count) => format!("{count} webhooks hear of messages"),
    };
    let standing = "Receipts and inbound texts are signed, sent in order for each message, and tried for 72 hours. Each receiver is apart from the others.";
    (sentence, standing.to_owned())
}

/// The webhooks of the workspace.
pub async fn list(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Webhooks).await?.listening(&[webhooks::TOPIC]);
    let slug = guard.name().to_owned();
    let (webhooks, permit) = (console.webhooks.clone(), guard.permit().clone());
    let all = console.db.read(move |tx| webhooks.list(tx, &permit)).await?;
    let (sentence, standing) = heading(&all);
    page(&ListPage {
        sentence,
        standing,
        may_write: guard.may(Capability::IntegrationsWrite),
        rows: all.iter().map(|one| row(&slug, one, &shell.zone, shell.now)).collect(),
        slug,
        shell,
    })
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use webhooks::{Health, Webhook};

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    pub fn listed() -> Listed {
        Listed {
            webhook: Webhook {
                id: uuid::Uuid::from_u128(2).into(),
                workspace: Some(uuid::Uuid::from_u128(1).into()),
                own: false,
                name: HOSTILE.into(),
                url: "https://app.example.com/sms".into(),
                enabled: true,
                events: vec!["receipts".into()],
                has_authorization: true,
                token_url: None,
                client_id: None,
                credentials_in: None,
                scope: None,
                health: Health { last_success: Some(NOW.minus(Duration::from_mins(3))), ..Health::default() },
            },
            waiting: 1_000,
            given_up: 2,
            secret_since: Some(NOW.minus(Duration::from_hours(72))),
            old_secret_until: None,
        }
    }

    #[test]
    fn how_a_webhook_is_is_said_with_its_reason() {
        let said = |change: &dyn Fn(&mut Listed)| {
            let mut one = listed();
            change(&mut one);
            let (_, state, reason) = health(&one, NOW);
            (state, reason)
        };
        assert_eq!(said(&|_| {}).0, "takes callbacks");
        assert_eq!(said(&|one| one.webhook.health = Health::default()).0, "waits for its first callback");
        assert_eq!(said(&|one| one.webhook.enabled = false).0, "switched off");
        let failing = said(&|one| {
            one.webhook.health.failing_since = Some(NOW.minus(Duration::from_mins(5)));
            one.webhook.health.last_error = Some("the receiver answered 500".into());
        });
        assert_eq!(failing, ("failing for 5 min".into(), "The receiver answered 500.".into()));
        let open = said(&|one| {
            one.webhook.health.circuit = Circuit::Open;
            one.webhook.health.failing_since = Some(NOW.minus(Duration::from_hours(2)));
            one.webhook.health.reason = Some("10 failures in a row.".into());
        });
        assert_eq!(open, ("left alone, failing for 2 h".into(), "10 failures in a row.".into()));
    }

    #[test]
    fn a_line_says_who_hears_and_an_empty_page_what_to_do() {
        let page = |all: Vec<Listed>, may_write| {
            let (sentence, standing) = heading(&all);
            let rows = all.iter().map(|one| row("demo", one, &shell().zone, NOW)).collect();
            ListPage {
                shell: shell().listening(&["webhook"]),
                slug: "demo".into(),
                sentence,
                standing,
                may_write,
                rows,
            }
        };
        let html = checked(&page(vec![listed()], true));
        let mut open = listed();
        open.webhook.health.circuit = Circuit::Open;
        open.webhook.health.since = Some(NOW.minus(Duration::from_hours(26)));
        open.webhook.health.probe_at = Some(NOW.plus(Duration::from_mins(4)));
        let said = alone(&open, &shell().zone, NOW).unwrap();
        assert!(said.starts_with("Left alone since ") && said.contains("; asked again at "), "{said}");
        assert!(checked(&page(vec![open.clone()], true)).contains(&said));
        open.webhook.health.probe_at = Some(NOW);
        assert!(alone(&open, &shell().zone, NOW).unwrap().contains("asked again now"));
        open.webhook.enabled = false;
        assert_eq!((alone(&open, &shell().zone, NOW), alone(&listed(), &shell().zone, NOW)), (None, None));
        for words in ["app.example.com", "takes callbacks", "1000 and more", "/webhooks/new", "3 min"] {
            assert!(html.contains(words), "{words} in {html}");
        }
        let html = checked(&page(Vec::new(), false));
        assert!(!html.contains("/webhooks/new") && html.contains("No webhook yet"));
    }
}
