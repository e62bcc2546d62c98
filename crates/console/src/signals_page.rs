//! What machines sent, and what became of each request.

use std::collections::HashMap;

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{IntegrationId, SignalId, Timestamp};
use flows::{RunFilter, RunState};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use serde::Deserialize;
use signals::{Activity, Filter, SignalState};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, Fact, Payload, choices};
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::zone::{age, length};

struct Row {
    href: Option<String>,
    at: Timestamp,
    integration: String,
    knot: Knot,
    outcome: String,
    method: String,
    size: String,
    took: String,
    became: String,
}

/// Where a sender posts to.
pub struct IntegrationRow {
    /// Its name.
    pub name: String,
    /// Its URL, without a token.
    pub url: String,
    /// How senders prove themselves, and which flow runs.
    pub words: String,
}

#[derive(Template)]
#[template(path = "signals.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    here: String,
    sentence: String,
    standing: String,
    outcomes: Vec<Choice>,
    integrations: Vec<IntegrationRow>,
    rows: Vec<Row>,
    older: Option<String>,
}

/// Which signals are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    outcome: String,
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::SignalsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Signals).await?.listening(&[signals::TOPIC]);
    let slug = guard.name().to_owned();
    let state = match which.outcome.as_str() {
        "handled" => Some(SignalState::Handled),
        "failed" => Some(SignalState::Failed),
        "refused" => Some(SignalState::Refused),
        _ => None,
    };
    let integrations = match guard.also::<cap::IntegrationsRead>() {
        Some(permit) => console.integrations(permit).await?,
        None => Vec::new(),
    };
    let filter = Filter { integration: None, state };
    let found = console.signals.list(guard.permit(), filter, request).await?;
    let newest = found.items.first();
    page(&ListPage {
        here: format!("/w/{slug}/signals?outcome={}", encode(&which.outcome)),
        sentence: match newest {
            None => "No signal yet".into(),
            Some(last) => format!(
                "The last signal came {} ago from {}",
                age(shell.now.since(last.at)),
                last.integration_name.as_deref().unwrap_or("an unknown sender")
            ),
        },
        standing: "Each request to an integration is listed, whether it was accepted or refused. Nothing is answered 202 before it is on disk.".into(),
        outcomes: choices(&[("", "All"), ("handled", "Handled"), ("failed", "Failed"), ("refused", "Refused")], &which.outcome),
        integrations,
        rows: found.items.iter().map(|activity| row(&slug, activity)).collect(),
        older: found.next.map(|cursor| format!("/w/{slug}/signals?outcome={}&cursor={}", encode(&which.outcome), encode(&cursor.0))),
        slug,
        shell,
    })
}

fn row(slug: &str, activity: &Activity) -> Row {
    let (knot, mut outcome) = outcome(activity);
    if activity.count > 1 {
        outcome = format!("{} requests: {outcome}", activity.count);
    }
    let refused = activity.state == SignalState::Refused;
    Row {
        href: (!refused).then(|| format!("/w/{slug}/signals/{}", activity.id)),
        at: activity.at,
        integration: activity.integration_name.clone().unwrap_or_else(|| "unknown".into()),
        knot,
        outcome,
        method: activity.method.replace('_', " "),
        size: size(activity.bytes),
        took: if refused { String::new() } else { length(activity.took) },
        became: match activity.events {
            0 => String::new(),
            1 => "1 event".into(),
            count => format!("{count} events"),
        },
    }
}

fn outcome(activity: &Activity) -> (Knot, String) {
    let reason = activity.reason.as_deref().unwrap_or_default();
    match activity.state {
        SignalState::Accepted => (Knot::Now, "Accepted, waits for its flow".into()),
        SignalState::Handled => {
            (Knot::Done, if reason.is_empty() { "Handled".into() } else { format!("Handled. {reason}") })
        }
        SignalState::Failed => (Knot::Failed, format!("Failed. {reason}")),
        SignalState::Refused => (Knot::Skipped, format!("Refused with {}. {reason}", activity.status)),
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1_000 { format!("{bytes} B") } else { format!("{}.{} KB", bytes / 1_000, (bytes % 1_000) / 100) }
}

struct RunView {
    at: Timestamp,
    knot: Knot,
    title: String,
    words: String,
    alert: Option<String>,
    steps: Vec<Vec<Piece>>,
}

/// A stretch of a sentence; code stands between backticks in a record.
struct Piece {
    text: String,
    code: bool,
}

fn pieces(sentence: &str) -> Vec<Piece> {
    let parts = sentence.split('`').enumerate();
    parts
        .map(|(at, text)| Piece { text: text.to_owned(), code: at % 2 == 1 })
        .filter(|one| !one.text.is_empty())
        .collect()
}

#[derive(Template)]
#[template(path = "signal.html")]
struct SignalPage {
    shell: Shell,
    slug: String,
    id: SignalId,
    integration: String,
    sentence: String,
    standing: String,
    runs: Vec<RunView>,
    payload: Payload,
    facts: Vec<Fact>,
}

/// One signal.
pub async fn show(
    guard: InWorkspace<cap::SignalsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, SignalId)>,
) -> Answer<Response> {
    let payload = if guard.may(Capability::SignalPayloadRead) { Payload::Offered } else { Payload::Closed };
    signal_page(&console, guard, &headers, id, payload).await
}

/// One signal with its payload: a POST, because it is written to the audit log.
pub async fn reveal(
    guard: InWorkspace<cap::SignalPayloadRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, SignalId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let payload = console.signals.payload(guard.permit(), id).await?;
    let shown = payload.map_or(Payload::Gone, |payload| Payload::Shown(pretty(&payload.body)));
    signal_page(&console, guard, &headers, id, shown).await
}

fn pretty(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| body.to_owned())
}

async fn signal_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    id: SignalId,
    payload: Payload,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Signals).await?.listening(&[signals::TOPIC, flows::TOPIC]);
    let slug = guard.name().to_owned();
    let permit = guard.also::<cap::SignalsRead>().ok_or_else(Refusal::not_found)?;
    let detail = console.signals.get(&permit, id).await?.ok_or_else(Refusal::not_found)?;
    let mut runs = Vec::new();
    if let Some(permit) = guard.also::<cap::RunsRead>() {
        let filter = RunFilter { signal: Some(id), ..RunFilter::default() };
        for run in console.flows.runs(&permit, filter, base::PageRequest::default()).await?.items {
            let Some(found) = console.flows.run(&permit, run.id).await? else { continue };
            let alert = match (found.run.alert, guard.also::<cap::AlertsRead>()) {
                (Some(alert), Some(read)) => console.alerts.get(read, alert).await?.map(|alert| alert.name()),
                _ => None,
            };
            runs.push(RunView {
                at: found.run.started,
                knot: run_knot(found.run.state),
                title: format!("{}, v{}", found.run.flow_name, found.run.version),
                words: found.run.reason.clone().unwrap_or_else(|| {
                    format!(
                        "ran {}.",
                        match found.steps.len() {
                            1 => "1 step".to_owned(),
                            count => format!("{count} steps"),
                        }
                    )
                }),
                alert,
                steps: found
                    .steps
                    .iter()
                    .map(|step| {
                        let kind = step.kind.replace('_', " ");
                        pieces(&format!("{}. `{}`, {kind}: {}", step.number, step.step, step.record.join(" ")))
                    })
                    .collect(),
            });
        }
    }
    let activity = &detail.activity;
    let integration = activity.integration_name.clone().unwrap_or_default();
    let mut facts = vec![
        Fact::new("Integration", integration.clone()),
        Fact::new("Received", shell.zone.exact(&activity.at)),
        Fact::new("Proven by", activity.method.replace('_', " ")),
        Fact::new("Size", size(activity.bytes)),
        Fact::new("Answered", format!("{} in {}", activity.status, length(activity.took))),
    ];
    facts.extend(activity.sender.clone().map(|sender| Fact::new("Sender", sender)));
    facts.extend(activity.source.clone().map(|source| Fact::mono("From", source)));
    facts.extend(activity.user_agent.clone().map(|agent| Fact::new("Program", agent)));
    facts.extend(detail.content_type.clone().map(|kind| Fact::mono("Type", kind)));
    page(&SignalPage {
        sentence: match (&activity.state, activity.events) {
            (SignalState::Handled, 1) => format!("One event from {integration}"),
            (SignalState::Handled, count) => format!("{count} events from {integration}"),
            _ => format!("A signal from {integration}"),
        },
        standing: outcome(activity).1,
        runs,
        payload,
        facts,
        integration,
        id,
        slug,
        shell,
    })
}

/// How a run is drawn.
pub fn run_knot(state: RunState) -> Knot {
    match state {
        RunState::Running => Knot::Now,
        RunState::Done => Knot::Done,
        RunState::Degraded => Knot::Unknown,
        RunState::Failed => Knot::Failed,
    }
}

/// The names of the integrations that a reader may see.
pub type Names = HashMap<IntegrationId, String>;

impl Console {
    /// What the integrations of the workspace are called, for lists.
    pub async fn integration_names<C: access::Cap>(&self, guard: &InWorkspace<C>) -> Answer<Names> {
        let Some(permit) = guard.also::<cap::IntegrationsRead>() else { return Ok(Names::new()) };
        Ok(self.signals.integrations(&permit).await?.into_iter().map(|one| (one.id, one.name)).collect())
    }

    /// The integrations of a workspace with their URLs.
    pub async fn integrations(&self, permit: access::Permit<cap::IntegrationsRead>) -> Answer<Vec<IntegrationRow>> {
        let found = self.signals.integrations(&permit).await?;
        Ok(found
            .into_iter()
            .map(|integration| IntegrationRow {
                url: format!("{}/signals/{}", self.public_url, integration.id),
                words: {
                    let ways: Vec<&str> = integration
                        .auth
                        .iter()
                        .map(|auth| match auth {
                            signals::Auth::UrlToken => "URL token",
                            signals::Auth::ApiKey => "API key",
                        })
                        .collect();
                    let off = if integration.enabled { "" } else { ", switched off" };
                    format!("{} · mapping {} · flow {}{off}", ways.join(" or "), integration.mapping, integration.flow)
                },
                name: integration.name,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use signals::Door;

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn activity() -> Activity {
        Activity {
            id: uuid::Uuid::from_u128(3).into(),
            integration: None,
            integration_name: Some(HOSTILE.into()),
            at: NOW,
            state: SignalState::Handled,
            status: 202,
            door: Door::Signals,
            method: "url_token".into(),
            sender: None,
            source: Some("192.0.2.7".into()),
            user_agent: Some(HOSTILE.into()),
            bytes: 1_234,
            count: 1,
            events: 1,
            reason: None,
            took: Duration::from_millis(4),
            handled: None,
        }
    }

    #[test]
    fn a_line_says_what_became_of_the_request() {
        let said = |state, reason: Option<&str>, status| {
            outcome(&Activity { state, reason: reason.map(str::to_owned), status, ..activity() })
        };
        let cases = [
            (said(SignalState::Accepted, None, 202), Knot::Now, "Accepted, waits for its flow"),
            (said(SignalState::Handled, None, 202), Knot::Done, "Handled"),
            (said(SignalState::Handled, Some("No severity."), 202), Knot::Done, "Handled. No severity."),
            (said(SignalState::Failed, Some("No flow."), 202), Knot::Failed, "Failed. No flow."),
            (said(SignalState::Refused, Some("Wrong token."), 401), Knot::Skipped, "Refused with 401. Wrong token."),
        ];
        for ((knot, words), expected, text) in cases {
            assert_eq!((knot, words.as_str()), (expected, text));
        }
        let refused = row("demo", &Activity { state: SignalState::Refused, count: 30, ..activity() });
        assert!(refused.href.is_none() && refused.outcome.starts_with("30 requests:"));
        assert_eq!((size(999).as_str(), size(1_234).as_str()), ("999 B", "1.2 KB"));
    }

    #[test]
    fn code_stands_between_backticks() {
        let pieces: Vec<_> =
            pieces("`page`, create alert: `x == 1` is true.").into_iter().map(|one| (one.text, one.code)).collect();
        let own = |text: &str, code| (text.to_owned(), code);
        assert_eq!(
            pieces,
            [own("page", true), own(", create alert: ", false), own("x == 1", true), own(" is true.", false)]
        );
    }

    fn integration() -> IntegrationRow {
        IntegrationRow { name: "generic".into(), url: "https://localhost/signals/1".into(), words: "URL token".into() }
    }

    #[test]
    fn a_first_page_says_where_to_send() {
        let page = |rows| ListPage {
            shell: shell().listening(&["signal"]),
            slug: "demo".into(),
            here: "/w/demo/signals".into(),
            sentence: "No signal yet".into(),
            standing: "Each request is listed.".into(),
            outcomes: choices(&[("", "All")], ""),
            integrations: vec![integration()],
            rows,
            older: None,
        };
        let html = checked(&page(Vec::new()));
        assert!(html.contains("POST https://localhost/signals/1"));
        let html = checked(&page(vec![row("demo", &activity())]));
        assert!(html.contains("1.2 KB") && html.contains("&#60;script&#62;"));
    }

    #[test]
    fn a_signal_shows_its_runs_and_keeps_its_payload_closed() {
        let page = |payload| SignalPage {
            shell: shell(),
            slug: "demo".into(),
            id: uuid::Uuid::from_u128(3).into(),
            integration: HOSTILE.into(),
            sentence: "One event".into(),
            standing: "Handled".into(),
            runs: vec![RunView {
                at: NOW,
                knot: run_knot(RunState::Degraded),
                title: "page-on-call, v1".into(),
                words: "ran 3 steps.".into(),
                alert: Some("A-7".into()),
                steps: vec![pieces("1. `start`, trigger: generic said “firing”.")],
            }],
            payload,
            facts: vec![Fact::new("Program", HOSTILE)],
        };
        let html = checked(&page(Payload::Offered));
        assert!(
            html.contains("<code>start</code>") && html.contains("/w/demo/alerts/A-7") && html.contains("/payload\"")
        );
        assert!(checked(&page(Payload::Shown(HOSTILE.into()))).contains("<pre"));
        assert!(!checked(&page(Payload::Closed)).contains("/payload\""));
    }
}
