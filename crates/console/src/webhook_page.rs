//! One webhook: how it is, its secret, what was sent to it, and what can be done about that.

use std::time::Duration;

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, PageRequest, SecretString, Timestamp, WebhookId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use serde::Deserialize;
use webhooks::{Circuit, Filter, Listed, Rotation};

use crate::Console;
use crate::callbacks_page::{Line, line};
use crate::change::ground;
use crate::draw::Draw;
use crate::facts::{Choice, Fact, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::webhooks_page::{alone, counted, health, place};
use crate::zone::age;

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage {
    shell: Shell,
    slug: String,
    id: WebhookId,
    name: String,
    sentence: String,
    standing: String,
    said: Option<String>,
    wrong: Wrong,
    /// A signing secret that was drawn by this very request.
    drawn: Option<SecretString>,
    drawn_after: String,
    lines: Vec<Line>,
    given_up: u64,
    given_up_words: String,
    sinces: Vec<Choice>,
    secret: String,
    old_secret: Option<Timestamp>,
    overlaps: Vec<Choice>,
    facts: Vec<Fact>,
    open: bool,
    /// Since when it is left alone, and when it is asked again.
    alone: Option<String>,
    /// Whether it is of this workspace and the reader may change it.
    may_write: bool,
    controlled: bool,
    change: String,
}

/// The choices of an overlap, in hours.
const OVERLAPS: [(&str, &str); 4] = [
    ("24", "The old one signs too for 24 hours"),
    ("168", "The old one signs too for 7 days"),
    ("1", "The old one signs too for an hour"),
    ("0", "The old one ends at once: it leaked"),
];

/// From when on what was given up is sent again, in hours.
const SINCES: [(&str, &str); 4] = [
    ("1", "of the last hour"),
    ("24", "of the last 24 hours"),
    ("168", "of the last 7 days"),
    ("720", "of the last 30 days"),
];

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
    count: u64,
}

fn said_words(said: &Said) -> Option<String> {
    let words = match said.did.as_str() {
        "saved" => "Saved. The next callback goes as it stands here.".to_owned(),
        "asked" => "It is asked now. How it answers shows here.".to_owned(),
        "replayed" => match said.count {
            0 => "Nothing was given up in that time. Nothing is sent again.".to_owned(),
            1 => "One callback is sent again.".to_owned(),
            count => format!("{count} callbacks are sent again, those of one message in order."),
        },
        _ => return None,
    };
    Some(words)
}

/// What the page shows besides the webhook itself.
#[derive(Default)]
pub struct Around {
    /// What was done.
    pub said: Option<String>,
    /// What is wrong with what was sent.
    pub wrong: Wrong,
    /// A secret drawn by this very request.
    pub drawn: Option<SecretString>,
    /// Until when the one before signs too.
    pub old_until: Option<Timestamp>,
    /// The change reference that was typed.
    pub change: String,
}

/// One webhook.
pub async fn show(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, WebhookId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    console.webhook_page(&guard, &headers, id, Around { said: said_words(&said), ..Around::default() }).await
}

/// Sends a test and leads to it, where it can be followed.
pub async fn test(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, WebhookId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (webhooks, permit, name) = (console.webhooks.clone(), guard.permit().clone(), guard.name().to_owned());
    let shape = console.webhook_test;
    let number = console
        .db
        .write(move |tx| {
            let body = shape(&name, tx.now());
            webhooks.test(tx, &permit, id, permit.workspace(), &body)
        })
        .await?;
    Ok(see_other(&format!("/w/{}/callbacks/{number}?did=test", guard.name())))
}

/// Asks a webhook that is left alone.
pub async fn ask(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, WebhookId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let (webhooks, permit) = (console.webhooks.clone(), guard.permit().clone());
    console.db.write(move |tx| webhooks.ask_now(tx, &permit, id)).await?;
    Ok(see_other(&format!("/w/{}/webhooks/{id}?did=asked", guard.name())))
}

/// What the form about replays sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplayForm {
    hours: String,
}

/// Sends again what was given up.
pub async fn replay(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, WebhookId)>,
    Form(form): Form<ReplayForm>,
) -> Answer<Response> {
    let hours = SINCES.iter().find(|(value, _)| *value == form.hours).and_then(|(value, _)| value.parse().ok());
    let since = console.db.context().now().minus(Duration::from_hours(hours.unwrap_or(24)));
    let count = console.webhooks.replay_given_up(guard.permit(), id, since).await?;
    Ok(see_other(&format!("/w/{}/webhooks/{id}?did=replayed&count={count}", guard.name())))
}

/// What the form about the secret sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretForm {
    hours: String,
    reason: String,
    change: String,
}

/// Draws a new signing secret. The answer to this very request is the only page that ever shows it.
pub async fn rotate(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, WebhookId)>,
    Form(form): Form<SecretForm>,
) -> Answer<Response> {
    let hours = OVERLAPS.iter().find(|(value, _)| *value == form.hours).and_then(|(value, _)| value.parse().ok());
    let ground = match ground(&form.change) {
        Ok(ground) => ground,
        Err(error) => {
            let around = Around { wrong: crate::editing::mistakes(error)?, change: form.change, ..Around::default() };
            return console.webhook_page(&guard, &headers, id, around).await;
        }
    };
    let rotation = Rotation {
        webhook: id,
        overlap: hours.map_or(Rotation::OVERLAP, Duration::from_hours),
        ground,
        reason: Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty()),
    };
    let (webhooks, resources, permit) = (console.webhooks.clone(), console.resources.clone(), guard.permit().clone());
    let rotated = console.db.write(move |tx| webhooks.rotate(tx, &resources, &permit, &rotation)).await;
    let around = match rotated {
        Ok(rotated) => Around { drawn: Some(rotated.secret), old_until: rotated.old_until, ..Around::default() },
        Err(error) => Around {
            wrong: Wrong::of(vec![error.problem()]).map_err(|_| Refusal::from(error))?,
            change: form.change,
            ..Around::default()
        },
    };
    console.webhook_page(&guard, &headers, id, around).await
}

impl Console {
    /// The page of one webhook.
    pub async fn webhook_page<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        headers: &HeaderMap,
        id: WebhookId,
        around: Around,
    ) -> Answer<Response> {
        let shell = self.shell(guard, headers, Page::Webhooks).await?.listening(&[webhooks::TOPIC]);
        let slug = guard.name().to_owned();
        let permit = guard.also::<cap::IntegrationsRead>().ok_or_else(Refusal::not_found)?;
        let webhooks = self.webhooks.clone();
        let found = self
            .db
            .read(move |tx| {
                let Some(listed) = webhooks.get(tx, &permit, id)? else { return Ok(None) };
                let filter = Filter { webhook: Some(id), ..Filter::default() };
                let recent = webhooks.callbacks(tx, &permit, &filter, &PageRequest::new(10, None))?;
                Ok::<_, webhooks::Error>(Some((listed, recent.items)))
            })
            .await?;
        let (listed, recent) = found.ok_or_else(Refusal::not_found)?;
        let here = listed.webhook.workspace == Some(guard.workspace()) && !listed.webhook.own;
        let status = around.wrong.status();
        page_with(
            status,
            &WebhookPage {
                sentence: heading(&listed, shell.now),
                standing: standing(&listed, shell.now),
                said: around.said,
                wrong: around.wrong,
                drawn_after: match around.old_until {
                    Some(until) => format!("The old one signs too until {}.", shell.zone.day_clock(&until)),
                    None => "No other secret signs.".to_owned(),
                },
                drawn: around.drawn,
                lines: recent.iter().map(|callback| line(&slug, callback, shell.now)).collect(),
                given_up: listed.given_up,
                given_up_words: counted(listed.given_up),
                sinces: choices(&SINCES, "24"),
                secret: listed.secret_since.map(|at| age(shell.now.since(at))).unwrap_or_default(),
                old_secret: listed.old_secret_until,
                overlaps: choices(&OVERLAPS, "24"),
                facts: facts(&listed, &shell),
                open: listed.webhook.health.circuit == Circuit::Open,
                alone: alone(&listed, &shell.zone, shell.now),
                may_write: here && guard.may(Capability::IntegrationsWrite),
                controlled: self.is_controlled(guard.workspace()).await?,
                change: around.change,
                name: listed.webhook.name,
                id,
                slug,
                shell,
            },
        )
    }
}

fn heading(listed: &Listed, now: Timestamp) -> String {
    let (_, state, _) = health(listed, now);
    format!(
        "“{}” {}",
        listed.webhook.name,
        if state.starts_with("failing") || state.starts_with("left") || state.starts_with("switched") {
            format!("{} {state}", if state.starts_with("failing") { "has been" } else { "is" })
        } else {
            state
        }
    )
}

fn standing(listed: &Listed, now: Timestamp) -> String {
    let (_, _, reason) = health(listed, now);
    if reason.is_empty() { place(listed) } else { reason }
}

fn facts(listed: &Listed, shell: &Shell) -> Vec<Fact> {
    let (webhook, health) = (&listed.webhook, &listed.webhook.health);
    let mut facts = Vec::new();
    if !webhook.url.is_empty() {
        facts.push(Fact::mono("Address", webhook.url.clone()));
    }
    facts.push(Fact::new("Hears of", webhook.events.join(", ")));
    facts.push(Fact::new(
        "Proves itself by",
        match (webhook.own, webhook.has_authorization, &webhook.token_url) {
            (true, ..) => "the signature of the workspace’s webhook",
            (_, true, _) => "the signature and a fixed header Authorization",
            (_, _, Some(_)) => "the signature and an OAuth token",
            _ => "the signature",
        },
    ));
    if let Some(url) = &webhook.token_url {
        facts.push(Fact::mono("Token from", url.clone()));
    }
    facts.push(Fact::new("Waiting", counted(listed.waiting)));
    facts.push(Fact::new("Given up in 30 days", counted(listed.given_up)));
    let times = [
        ("Last success", health.last_success),
        ("Failing since", health.failing_since),
        ("Last failure", health.last_failure),
        (if health.circuit == Circuit::Open { "Left alone since" } else { "Taken up again" }, health.since),
    ];
    facts.extend(times.into_iter().filter_map(|(name, at)| Some(Fact::new(name, shell.zone.exact(&at?)))));
    if let Some(error) = &health.last_error {
        facts.push(Fact::new("Last error", crate::page::sentence(error)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks_page::tests::callback;
    use crate::testing::{NOW, checked, shell};
    use crate::webhooks_page::tests::listed;

    fn sample() -> WebhookPage {
        let listed = listed();
        let shell = shell().listening(&["webhook"]);
        WebhookPage {
            slug: "demo".into(),
            id: listed.webhook.id,
            name: listed.webhook.name.clone(),
            sentence: heading(&listed, NOW),
            standing: standing(&listed, NOW),
            said: None,
            wrong: Wrong::default(),
            drawn: None,
            drawn_after: String::new(),
            lines: vec![line("demo", &callback(), NOW)],
            given_up: 2,
            given_up_words: "2".into(),
            sinces: choices(&SINCES, "24"),
            secret: "3 d".into(),
            old_secret: Some(NOW),
            overlaps: choices(&OVERLAPS, "24"),
            facts: facts(&listed, &shell),
            open: true,
            alone: Some("Left alone since 11:02.".into()),
            may_write: true,
            controlled: true,
            change: String::new(),
            shell,
        }
    }

    /// acts stand there for those who may do them; a secret only on the page that drew it.
    #[test]
    fn x_08_acts_are_for_those_who_may() {
        let html = checked(&sample());
        for words in ["/test\"", "/rotate\"", "/replay\"", "/ask\"", "/edit\"", "Change reference", "app.example.com"] {
            assert!(html.contains(words), "{words} in {html}");
        }
        assert!(!html.contains("whsec_"));
        let drawn = checked(&WebhookPage { drawn: Some("whsec_abc".into()), ..sample() });
        assert!(drawn.contains("whsec_abc") && drawn.contains("only time"));
        let closed = checked(&WebhookPage { may_write: false, ..sample() });
        for words in ["/test\"", "/rotate\"", "/replay\"", "/ask\"", "/edit\""] {
            assert!(!closed.contains(words), "{words}");
        }
        assert!(closed.contains("integrations:write"));
    }
}
