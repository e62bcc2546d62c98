//! The runs of the flows: what was done with each event, newest first.

use std::collections::HashMap;

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{AlertId, FlowId, Page as Listed, PageRequest, Timestamp};
use flows::{Run, RunFilter, RunState};
use http::{Answer, HeaderMap, InWorkspace, PageQuery, Query, Response};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::Choice;
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::signals_page::Names;
use crate::zone::{age, length};

struct Row {
    href: String,
    at: Timestamp,
    flow: String,
    version: i64,
    knot: Knot,
    state: String,
    /// What started it: the integration's name, and its signal for those who may read it.
    from: String,
    signal: Option<String>,
    alert: Option<String>,
    took: String,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    /// This page as it was when it was loaded, for live updates.
    again: String,
    /// Whether it is the first page, which updates itself.
    live: bool,
    /// How many runs began since.
    newer: Option<String>,
    here: String,
    sentence: String,
    standing: String,
    states: Vec<Choice>,
    flows: Vec<Choice>,
    filtered: bool,
    rows: Vec<Row>,
    older: Option<String>,
}

/// Which runs are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    state: String,
    flow: String,
    /// The newest run that the page showed when it was loaded, in microseconds: what began later is counted, not shown, so
    /// that rows never jump under the reader's finger.
    top: Option<i64>,
}

fn state(word: &str) -> Option<RunState> {
    match word {
        "running" => Some(RunState::Running),
        "done" => Some(RunState::Done),
        "degraded" => Some(RunState::Degraded),
        "failed" => Some(RunState::Failed),
        _ => None,
    }
}

/// How a run is drawn.
pub const fn run_knot(state: RunState) -> Knot {
    match state {
        RunState::Running => Knot::Now,
        RunState::Done => Knot::Done,
        RunState::Degraded => Knot::Unknown,
        RunState::Failed => Knot::Failed,
    }
}

/// Where a run stands, in words; the reason is a sentence of its own.
pub fn state_words(run: &Run) -> String {
    let word = match run.state {
        RunState::Running => "Running",
        RunState::Done => "Done",
        RunState::Degraded => "Done, otherwise than written",
        RunState::Failed => "Stopped",
    };
    match &run.reason {
        Some(reason) => format!("{word}. {}", reason.replace('`', "")),
        None => word.to_owned(),
    }
}

/// How long a run took, once it is over.
pub fn took(run: &Run) -> String {
    run.finished.map(|finished| length(finished.since(run.started))).unwrap_or_default()
}

fn row(slug: &str, run: &Run, names: &Names, alerts: &HashMap<AlertId, String>, signals: bool) -> Row {
    Row {
        href: format!("/w/{slug}/runs/{}", run.id),
        at: run.started,
        flow: run.flow_name.clone(),
        version: run.version,
        knot: run_knot(run.state),
        state: state_words(run),
        from: match run.integration {
            Some(id) => names.get(&id).cloned().unwrap_or_else(|| "an integration".to_owned()),
            None => "by hand".to_owned(),
        },
        signal: run.signal.filter(|_| signals).map(|id| format!("/w/{slug}/signals/{id}")),
        alert: run.alert.and_then(|id| alerts.get(&id).cloned()),
        took: took(run),
    }
}

/// What the newest runs say together.
fn heading(items: &[Run], now: Timestamp) -> (String, String) {
    let Some(last) = items.first() else {
        return (
            "No run yet".to_owned(),
            "A run begins when a signal is accepted and its integration names a flow.".to_owned(),
        );
    };
    let bad = items.iter().filter(|run| run.state == RunState::Failed).count();
    let otherwise = items.iter().filter(|run| run.state == RunState::Degraded).count();
    let sentence = format!("“{}” ran last, {} ago", last.flow_name, age(now.since(last.started)));
    let count = |count: usize, one: &str, more: &str| match count {
        0 => String::new(),
        1 => format!(" {one}"),
        count => format!(" {count} {more}"),
    };
    let listed = match items.len() {
        1 => "One run is listed.".to_owned(),
        count => format!("{count} runs are listed."),
    };
    let standing = match (bad, otherwise) {
        (0, 0) => format!("{listed} Each did what its flow says."),
        (bad, otherwise) => format!(
            "{listed}{}{}",
            count(bad, "One stopped before its end.", "stopped before their end."),
            count(
                otherwise,
                "One did something else than its flow says, and why is beside it.",
                "did something else than their flow says, and why is beside them."
            )
        ),
    };
    (sentence, standing)
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::RunsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Runs).await?.listening(&[flows::TOPIC]);
    let slug = guard.name().to_owned();
    let flow: Option<FlowId> = which.flow.parse().ok();
    let filter = RunFilter { flow, state: state(&which.state), ..RunFilter::default() };
    let first = request.after.is_none();
    let top = which.top.filter(|top| *top > 0 && first).map(|top| Timestamp::from_micros(top.saturating_add(1)));
    let shown = RunFilter { until: top, ..filter.clone() };
    let found: Listed<Run> = console.flows.runs(guard.permit(), shown, request).await?;
    let newer = match top {
        Some(since) => {
            let later = RunFilter { since: Some(since), ..filter };
            let most = PageRequest::new(PageRequest::MAX_LIMIT, None);
            console.flows.runs(guard.permit(), later, most).await?.items.len()
        }
        None => 0,
    };
    let names = console.integration_names(&guard).await?;
    let alerts = console.alert_names(&guard, found.items.iter().filter_map(|run| run.alert).collect()).await?;
    let signals = guard.may(access::Capability::SignalsRead);
    let known = match guard.also::<cap::FlowsRead>() {
        Some(permit) => console.flows.list(&permit).await?,
        None => Vec::new(),
    };
    let (sentence, standing) = heading(&found.items, shell.now);
    let here = format!("/w/{slug}/runs?state={}&flow={}", encode(&which.state), encode(&which.flow));
    let newest = which.top.or_else(|| found.items.first().map(|run| run.started.as_micros()));
    page(&ListPage {
        again: newest.map_or_else(|| here.clone(), |top| format!("{here}&top={top}")),
        live: first,
        newer: match newer {
            0 => None,
            1 => Some("1 newer run".into()),
            count => Some(format!("{count} newer runs")),
        },
        older: found.next.map(|cursor| format!("{here}&cursor={}", encode(&cursor.0))),
        sentence,
        standing,
        states: crate::facts::choices(
            &[
                ("", "All"),
                ("running", "Running"),
                ("done", "Done"),
                ("degraded", "Done otherwise"),
                ("failed", "Stopped"),
            ],
            &which.state,
        ),
        flows: std::iter::once((String::new(), "All".to_owned()))
            .chain(known.into_iter().map(|flow| (flow.id.to_string(), flow.name)))
            .map(|(value, name)| Choice { current: value == which.flow, value, name, href: String::new() })
            .collect(),
        filtered: !which.state.is_empty() || flow.is_some(),
        rows: found.items.iter().map(|run| row(&slug, run, &names, &alerts, signals)).collect(),
        here,
        slug,
        shell,
    })
}

impl Console {
    /// What these alerts are called, for a reader who may open them.
    pub async fn alert_names<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        ids: Vec<AlertId>,
    ) -> Answer<HashMap<AlertId, String>> {
        match guard.also::<cap::AlertsRead>() {
            Some(permit) => Ok(self.alerts.names(permit, ids).await?),
            None => Ok(HashMap::new()),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::facts::choices;
    use crate::testing::{HOSTILE, NOW, after, checked, shell};

    pub fn run() -> Run {
        Run {
            id: uuid::Uuid::from_u128(4).into(),
            workspace: uuid::Uuid::from_u128(1).into(),
            flow: uuid::Uuid::from_u128(6).into(),
            flow_name: HOSTILE.into(),
            version: 3,
            integration: Some(uuid::Uuid::from_u128(2).into()),
            signal: Some(uuid::Uuid::from_u128(3).into()),
            ordinal: 0,
            state: RunState::Done,
            reason: None,
            alert: Some(uuid::Uuid::from_u128(7).into()),
            started: NOW,
            finished: Some(after(12)),
        }
    }

    #[test]
    fn a_state_is_said_with_its_reason() {
        let said = |state, reason: Option<&str>| {
            let run = Run { state, reason: reason.map(str::to_owned), ..run() };
            (run_knot(run.state), state_words(&run))
        };
        let cases = [
            (said(RunState::Running, None), Knot::Now, "Running"),
            (said(RunState::Done, None), Knot::Done, "Done"),
            (
                said(RunState::Degraded, Some("Step `page`: no text.")),
                Knot::Unknown,
                "Done, otherwise than written. Step page: no text.",
            ),
            (said(RunState::Failed, Some("No way on.")), Knot::Failed, "Stopped. No way on."),
        ];
        for ((knot, words), expected, text) in cases {
            assert_eq!((knot, words.as_str()), (expected, text));
        }
    }

    #[test]
    fn the_filter_names_every_state() {
        for one in [RunState::Running, RunState::Done, RunState::Degraded, RunState::Failed] {
            assert_eq!(state(one.as_str()), Some(one));
        }
        assert_eq!(state("<script>"), None);
    }

    #[test]
    fn the_heading_says_what_went_otherwise() {
        let of = |state| Run { state, flow_name: "page-on-call".into(), ..run() };
        assert_eq!(heading(&[], NOW).0, "No run yet");
        let (sentence, standing) = heading(&[of(RunState::Done)], after(61_000));
        assert_eq!(sentence, "“page-on-call” ran last, 1 min ago");
        assert_eq!(standing, "One run is listed. Each did what its flow says.");
        let (_, standing) = heading(&[of(RunState::Failed), of(RunState::Degraded), of(RunState::Done)], NOW);
        assert!(
            standing.starts_with("3 runs are listed. One stopped before its end. One did something else"),
            "{standing}"
        );
    }

    #[test]
    fn a_line_leads_to_run_signal_and_alert() {
        let names: Names = [(uuid::Uuid::from_u128(2).into(), HOSTILE.to_owned())].into();
        let alerts = [(uuid::Uuid::from_u128(7).into(), "A-7".to_owned())].into();
        let page = |rows| ListPage {
            shell: shell().listening(&["run"]),
            slug: "demo".into(),
            again: "/w/demo/runs?top=1".into(),
            live: true,
            newer: Some("2 newer runs".into()),
            here: "/w/demo/runs".into(),
            sentence: "It ran.".into(),
            standing: "One run is listed.".into(),
            states: choices(&[("", "All")], ""),
            flows: choices(&[("", "All")], ""),
            filtered: false,
            rows,
            older: None,
        };
        let html = checked(&page(vec![row("demo", &run(), &names, &alerts, true)]));
        for link in ["/w/demo/runs/", "/w/demo/signals/", "/w/demo/alerts/A-7", "2 newer runs", "12 ms"] {
            assert!(html.contains(link), "{link} in {html}");
        }
        let blind = checked(&page(vec![row("demo", &run(), &Names::new(), &HashMap::new(), false)]));
        assert!(!blind.contains("/w/demo/signals/0") && !blind.contains("/w/demo/alerts/A-7"));
        assert!(checked(&page(Vec::new())).contains("No run yet"));
    }
}
