//! One signal: what it said, the way from it to run and alert, its payload for those who may read it, and taking it again.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, SignalId, Timestamp};
use flows::{RunFilter, RunState};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response, StatusCode};
use serde::Deserialize;
use signals::{Door, SignalDetail, SignalState};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Fact, Piece, pieces};
use crate::mask::{self, Class, Masked};
use crate::page::{Wrong, page_with, see_other};
use crate::runs_page::run_knot;
use crate::shell::{Page, Shell};
use crate::signals_page::{outcome, size};
use crate::zone::length;

struct RunView {
    at: Timestamp,
    knot: Knot,
    title: String,
    href: String,
    words: String,
    alert: Option<String>,
    steps: Vec<Vec<Piece>>,
}

/// One stage of the way from a signal to a page.
struct Stage {
    knot: Knot,
    name: &'static str,
    words: String,
    href: Option<String>,
    later: bool,
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
    said: Option<&'static str>,
    problem: Option<String>,
    stages: Vec<Stage>,
    runs: Vec<RunView>,
    payload: Masked,
    replay: Replay,
    facts: Vec<Fact>,
}

/// Whether it can be taken again, and what stands in the way.
enum Replay {
    Offered(String),
    Closed(String),
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// One signal.
pub async fn show(
    guard: InWorkspace<cap::SignalsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, SignalId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let around = Around { said: said_words(&said.did), ..Around::default() };
    signal_page(&console, guard, &headers, id, around).await
}

fn said_words(did: &str) -> Option<&'static str> {
    match did {
        "test" => Some("The test is sent. It goes the way of any signal; watch it here."),
        "replay" => Some("The recorded signal is taken again. Watch it here."),
        _ => None,
    }
}

fn payload_path(slug: &str, id: SignalId) -> String {
    format!("/w/{slug}/signals/{id}/payload")
}

fn payload_of(slug: &str, detail: &SignalDetail, may: bool) -> Masked {
    let id = detail.activity.id;
    let masked = Masked::new(
        format!("s-{id}-payload"),
        "payload",
        format!("•••••• ({})", size(detail.activity.bytes)),
        Class::Confidential,
    );
    match (detail.payload_kept, detail.activity.state) {
        (true, _) => masked.offered(may, Capability::SignalPayloadRead, payload_path(slug, id)),
        (false, SignalState::Refused) => masked.gone("The payload of a refused request is never kept."),
        (false, _) => masked.gone("No payload is kept: the time of this signal is over."),
    }
}

/// A signal's payload: a POST, because it is written to the audit log.
pub async fn reveal(
    guard: InWorkspace<cap::SignalPayloadRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, SignalId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let read = guard.also::<cap::SignalsRead>().ok_or_else(Refusal::not_found)?;
    let detail = console.signals.get(&read, id).await?.ok_or_else(Refusal::not_found)?;
    let masked = payload_of(guard.name(), &detail, true);
    let shown = match console.signals.payload(guard.permit(), id).await? {
        Some(payload) => masked.shown(pretty(&payload.body), payload_path(guard.name(), id)),
        None => masked.gone("No payload is kept: the time of this signal is over."),
    };
    if mask::wants_part(&headers) {
        return mask::block(shown);
    }
    signal_page(&console, guard, &headers, id, Around { payload: Some(shown), ..Around::default() }).await
}

fn pretty(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| body.to_owned())
}

/// What a replay's form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplayForm {
    reason: String,
}

/// Takes a recorded signal again, and leads to the new one.
pub async fn replay(
    guard: InWorkspace<cap::SignalsSend>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, SignalId)>,
    Form(form): Form<ReplayForm>,
) -> Answer<Response> {
    let reason = Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    match console.signals.replay(guard.permit(), id, reason).await {
        Ok(accepted) => Ok(see_other(&format!("/w/{}/signals/{}?did=replay", guard.name(), accepted.request_id))),
        Err(refused) => {
            let wrong = Wrong::of(vec![refused.problem()]).map_err(|_| Refusal::from(refused))?;
            let problem = wrong.all().next().map(|(_, detail)| detail.to_owned());
            let around = Around { problem, ..Around::default() };
            signal_page(&console, guard, &headers, id, around).await
        }
    }
}

/// What the page shows besides the signal itself.
#[derive(Default)]
struct Around {
    said: Option<&'static str>,
    problem: Option<String>,
    payload: Option<Masked>,
}

impl Console {
    async fn runs_of<C: access::Cap>(&self, guard: &InWorkspace<C>, id: SignalId) -> Answer<Vec<(RunState, RunView)>> {
        let Some(permit) = guard.also::<cap::RunsRead>() else { return Ok(Vec::new()) };
        let filter = RunFilter { signal: Some(id), ..RunFilter::default() };
        let found = self.flows.runs(&permit, filter, base::PageRequest::default()).await?.items;
        let names = self.alert_names(guard, found.iter().filter_map(|run| run.alert).collect()).await?;
        let mut runs = Vec::with_capacity(found.len());
        for run in found {
            let Some(found) = self.flows.run(&permit, run.id).await? else { continue };
            let steps = found.steps.len();
            let view = RunView {
                at: run.started,
                knot: run_knot(run.state),
                title: format!("{}, v{}", run.flow_name, run.version),
                href: format!("/w/{}/runs/{}", guard.name(), run.id),
                words: run.reason.clone().unwrap_or_else(|| match steps {
                    1 => "ran 1 step.".to_owned(),
                    count => format!("ran {count} steps."),
                }),
                alert: run.alert.and_then(|id| names.get(&id).cloned()),
                steps: found
                    .steps
                    .iter()
                    .map(|step| {
                        let kind = step.kind.replace('_', " ");
                        pieces(&format!("{}. `{}`, {kind}: {}", step.number, step.step, step.record.join(" ")))
                    })
                    .collect(),
            };
            runs.push((run.state, view));
        }
        Ok(runs)
    }
}

/// The way of a signal: taken, read, run, paged.
fn stages(slug: &str, detail: &SignalDetail, runs: &[(RunState, RunView)], may_runs: bool) -> Vec<Stage> {
    let activity = &detail.activity;
    let stage = |knot, name, words: String| Stage { knot, name, words, href: None, later: knot == Knot::Waiting };
    let taken = match activity.state {
        SignalState::Refused => {
            return vec![stage(Knot::Skipped, "Signal", format!("refused with {}", activity.status))];
        }
        _ => stage(Knot::Done, "Signal", format!("{} in {}", activity.status, length(activity.took))),
    };
    let read = match (activity.state, activity.events) {
        (SignalState::Accepted, _) => stage(Knot::Now, "Mapping", "reads it now".into()),
        (SignalState::Failed, 0) => stage(Knot::Failed, "Mapping", "could not read it".into()),
        (_, 0) => stage(Knot::Skipped, "Mapping", "found no event".into()),
        (_, 1) => stage(Knot::Done, "Mapping", "1 event".into()),
        (_, count) => stage(Knot::Done, "Mapping", format!("{count} events")),
    };
    let worst = |state: RunState| match state {
        RunState::Failed => 3,
        RunState::Degraded => 2,
        RunState::Running => 1,
        RunState::Done => 0,
    };
    let over = activity.state != SignalState::Accepted;
    let run = match runs.iter().max_by_key(|(state, _)| worst(*state)) {
        Some((state, view)) => Stage {
            href: Some(view.href.clone()),
            ..stage(
                run_knot(*state),
                "Run",
                match runs.len() {
                    1 => view.title.clone(),
                    count => format!("{count} runs"),
                },
            )
        },
        None if !may_runs => stage(Knot::Skipped, "Run", "your role does not read runs".into()),
        None if over => stage(Knot::Skipped, "Run", "none".into()),
        None => stage(Knot::Waiting, "Run", "waits".into()),
    };
    let running = !over || runs.iter().any(|(state, _)| *state == RunState::Running);
    let alert = match runs.iter().find_map(|(_, view)| view.alert.clone()) {
        Some(alert) => {
            Stage { href: Some(format!("/w/{slug}/alerts/{alert}")), ..stage(Knot::Done, "Alert", alert.clone()) }
        }
        None if running => stage(Knot::Waiting, "Alert", "not yet".into()),
        None => stage(Knot::Skipped, "Alert", "none".into()),
    };
    vec![taken, read, run, alert]
}

fn replay_of<C: access::Cap>(guard: &InWorkspace<C>, detail: &SignalDetail) -> Replay {
    let name = detail.activity.integration_name.as_deref();
    match (detail.activity.state, detail.payload_kept, name) {
        (SignalState::Refused, ..) => {
            Replay::Closed("A refused request is never kept, so it cannot be replayed.".into())
        }
        (_, false, _) => Replay::Closed("Its payload is not kept any more, so it cannot be replayed.".into()),
        (.., None) => Replay::Closed("Its integration was removed, so nothing says how to handle it.".into()),
        (.., Some(_)) if !guard.may(Capability::SignalsSend) => {
            Replay::Closed(format!("Replaying needs the right {}. Ask an administrator.", Capability::SignalsSend))
        }
        (.., Some(name)) => Replay::Offered(format!(
            "A new signal with the same payload goes through {name} as it is set up now, with its flow. If that opens an alert, people are paged. It is written to the audit log."
        )),
    }
}

async fn signal_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    id: SignalId,
    around: Around,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Signals).await?.listening(&[signals::TOPIC, flows::TOPIC]);
    let slug = guard.name().to_owned();
    let permit = guard.also::<cap::SignalsRead>().ok_or_else(Refusal::not_found)?;
    let detail = console.signals.get(&permit, id).await?.ok_or_else(Refusal::not_found)?;
    let runs = console.runs_of(&guard, id).await?;
    let integration = detail.activity.integration_name.clone().unwrap_or_else(|| "a removed integration".to_owned());
    let status = if around.problem.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    let may_open = guard.may(Capability::IntegrationsRead);
    page_with(
        status,
        &SignalPage {
            sentence: sentence(&detail, &integration),
            standing: outcome(&detail.activity).1,
            said: around.said,
            problem: around.problem,
            stages: stages(&slug, &detail, &runs, guard.may(Capability::RunsRead)),
            payload: around
                .payload
                .unwrap_or_else(|| payload_of(&slug, &detail, guard.may(Capability::SignalPayloadRead))),
            replay: replay_of(&guard, &detail),
            facts: facts(&slug, &detail, &integration, &shell, may_open),
            runs: runs.into_iter().map(|(_, view)| view).collect(),
            integration,
            id,
            slug,
            shell,
        },
    )
}

fn sentence(detail: &SignalDetail, integration: &str) -> String {
    let activity = &detail.activity;
    match (&activity.summary, activity.state, activity.events) {
        (Some(summary), _, 0 | 1) => summary.clone(),
        (Some(summary), _, count) => format!("{summary}, and {} more", count - 1),
        (None, SignalState::Refused, _) => format!("A refused request to {integration}"),
        (None, SignalState::Handled, 1) => format!("One event from {integration}"),
        (None, SignalState::Handled, count) => format!("{count} events from {integration}"),
        (None, ..) => format!("A signal from {integration}"),
    }
}

fn facts(slug: &str, detail: &SignalDetail, integration: &str, shell: &Shell, may_open: bool) -> Vec<Fact> {
    let activity = &detail.activity;
    let mut facts = vec![match activity.integration.filter(|_| may_open) {
        Some(id) => Fact::link("Integration", integration, format!("/w/{slug}/integrations/{id}")),
        None => Fact::new("Integration", integration),
    }];
    match activity.door {
        Door::Test => facts.push(Fact::new("Sent as", "a test, by hand")),
        Door::Replay => facts.extend(
            activity
                .replay_of
                .map(|of| Fact::link("Sent as", "a replay of a recorded signal", format!("/w/{slug}/signals/{of}"))),
        ),
        Door::Xmatters => facts.push(Fact::new("Sent to", "the door of xMatters callers")),
        Door::Signals => {}
    }
    facts.push(Fact::new("Received", shell.zone.exact(&activity.at)));
    facts.push(Fact::new("Proven by", activity.method.replace('_', " ")));
    facts.push(Fact::new("Size", size(activity.bytes)));
    facts.push(Fact::new("Answered", format!("{} in {}", activity.status, length(activity.took))));
    facts.extend(activity.key.clone().map(|key| Fact::mono("Key", key)));
    facts.extend(activity.sender.clone().map(|sender| Fact::new("Sender", sender)));
    facts.extend(activity.source.clone().map(|source| Fact::mono("From", source)));
    facts.extend(activity.user_agent.clone().map(|agent| Fact::new("Program", agent)));
    facts.extend(detail.content_type.clone().map(|kind| Fact::mono("Type", kind)));
    for replay in &detail.replays {
        facts.push(Fact::link("Replayed as", replay.to_string(), format!("/w/{slug}/signals/{replay}")));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals_page::tests::activity;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn detail() -> SignalDetail {
        SignalDetail {
            activity: activity(),
            runs: Vec::new(),
            content_type: None,
            payload_kept: true,
            replays: Vec::new(),
        }
    }

    fn view(alert: Option<&str>) -> RunView {
        RunView {
            at: NOW,
            knot: Knot::Done,
            title: "page-on-call, v1".into(),
            href: "/w/demo/runs/4".into(),
            words: "ran 3 steps.".into(),
            alert: alert.map(str::to_owned),
            steps: vec![pieces("1. `start`, trigger: generic said “firing”.")],
        }
    }

    fn page(payload: Masked, replay: Replay) -> SignalPage {
        SignalPage {
            shell: shell().listening(&["signal"]),
            slug: "demo".into(),
            id: detail().activity.id,
            integration: HOSTILE.into(),
            sentence: sentence(&detail(), HOSTILE),
            standing: "Handled".into(),
            said: said_words("test"),
            problem: Some(HOSTILE.into()),
            stages: stages("demo", &detail(), &[(RunState::Done, view(Some("A-7")))], true),
            runs: vec![view(Some("A-7"))],
            payload,
            replay,
            facts: facts("demo", &detail(), HOSTILE, &shell(), true),
        }
    }

    #[test]
    fn the_way_of_a_signal_is_followed_stage_by_stage() {
        let words = |state, events, runs: &[(RunState, RunView)]| {
            let mut detail = detail();
            (detail.activity.state, detail.activity.events) = (state, events);
            stages("demo", &detail, runs, true).into_iter().map(|stage| (stage.knot, stage.words)).collect::<Vec<_>>()
        };
        let fresh = words(SignalState::Accepted, 0, &[]);
        assert_eq!(
            fresh.iter().map(|one| one.0).collect::<Vec<_>>(),
            [Knot::Done, Knot::Now, Knot::Waiting, Knot::Waiting]
        );
        let running = words(SignalState::Handled, 1, &[(RunState::Running, view(None))]);
        assert_eq!(running[2..].iter().map(|one| one.0).collect::<Vec<_>>(), [Knot::Now, Knot::Waiting]);
        let done = words(SignalState::Handled, 2, &[(RunState::Done, view(Some("A-7"))), (RunState::Done, view(None))]);
        assert_eq!(done[1..].iter().map(|one| one.1.as_str()).collect::<Vec<_>>(), ["2 events", "2 runs", "A-7"]);
        let quiet = words(SignalState::Handled, 0, &[]);
        assert_eq!(quiet[3], (Knot::Skipped, "none".to_owned()));
        assert_eq!(words(SignalState::Refused, 0, &[]).len(), 1);
    }

    /// E-11: a payload is not on the page before somebody who may asks for it.
    #[test]
    fn a_signal_shows_its_runs_and_keeps_its_payload_closed() {
        let offered = checked(&page(payload_of("demo", &detail(), true), Replay::Offered("People are paged.".into())));
        assert!(offered.contains("<code>start</code>") && offered.contains("/w/demo/alerts/A-7"));
        assert!(
            offered.contains("/payload\"") && offered.contains("/replay\"") && offered.contains("People are paged.")
        );
        let shown = payload_of("demo", &detail(), true).shown(HOSTILE, "/again");
        assert!(checked(&page(shown, Replay::Closed("Not kept.".into()))).contains("<pre"));
        let closed = checked(&page(payload_of("demo", &detail(), false), Replay::Closed("Not kept.".into())));
        assert!(closed.contains("signals:payload") && !closed.contains("/payload\"") && !closed.contains("/replay\""));
        let gone = SignalDetail { payload_kept: false, ..detail() };
        assert!(
            checked(&page(payload_of("demo", &gone, true), Replay::Closed("x".into()))).contains("No payload is kept")
        );
    }

    #[test]
    fn the_heading_is_what_the_signal_said() {
        let said = |summary: Option<&str>, events| {
            let mut detail = detail();
            detail.activity.summary = summary.map(str::to_owned);
            detail.activity.events = events;
            sentence(&detail, "generic")
        };
        assert_eq!(said(Some("Disk full"), 1), "Disk full");
        assert_eq!(said(Some("Disk full"), 3), "Disk full, and 2 more");
        assert_eq!(said(None, 2), "2 events from generic");
    }
}
