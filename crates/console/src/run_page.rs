//! One run: its steps as a timeline with what they left behind, those it did not come by and why, and what it led to.

use std::collections::HashSet;

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{RunId, Timestamp};
use flows::document::{Action, Document, Next};
use flows::{FlowDetail, RunDetail, RunState, RunValue, StepRecord, StepState};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Fact, Piece, pieces};
use crate::mask::{self, Class, Masked};
use crate::page::{encode, page};
use crate::picture::{self, Picture, Trail};
use crate::runs_page::{run_knot, took};
use crate::shell::{Page, Shell};

/// A value at a step: the product's own word, or one of a sender.
enum Shown {
    Own(String),
    Theirs(Masked),
}

struct Value {
    name: String,
    shown: Shown,
}

struct Line {
    at: Option<Timestamp>,
    knot: Knot,
    step: String,
    kind: String,
    words: Vec<Vec<Piece>>,
    values: Vec<Value>,
    /// Why it was not done: then it stands in a frame.
    boxed: bool,
    later: bool,
}

/// What went wrong, and what to do about it.
struct Trouble {
    words: Vec<Piece>,
    remedy: &'static str,
    bad: bool,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    shell: Shell,
    slug: String,
    id: RunId,
    sentence: String,
    standing: String,
    trouble: Option<Trouble>,
    lines: Vec<Line>,
    picture: Option<Picture>,
    facts: Vec<Fact>,
    /// Whether a value is on the page, so that it goes again without script too.
    revealed: bool,
}

fn value_path(slug: &str, run: RunId, name: &str) -> String {
    format!("/w/{slug}/runs/{run}/value?name={}", encode(name))
}

/// The mask of a value, which says how long it is.
fn bullets(characters: usize) -> String {
    match characters {
        1 => "• (1 character)".to_owned(),
        count => format!("{} ({count} characters)", "•".repeat(count.min(8))),
    }
}

fn masked(slug: &str, run: RunId, name: &str, characters: usize, may: bool) -> Masked {
    // A name is a template's path; what is not a letter or digit would not do in a selector.
    let spot: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Masked::new(format!("v-{spot}"), "value", bullets(characters), Class::Confidential).offered(
        may,
        Capability::SignalPayloadRead,
        value_path(slug, run, name),
    )
}

fn step_knot(state: StepState) -> Knot {
    match state {
        StepState::Done => Knot::Done,
        StepState::Replaced => Knot::Unknown,
        StepState::Failed => Knot::Failed,
    }
}

/// Why a step was not done: the nearest reason that the record and the flow give.
fn why_not(document: &Document, at: usize, run: &RunDetail, done: &HashSet<&str>) -> (Knot, String) {
    let leads = |step: &flows::document::Step| step.action.ways().contains(&Next::Step(at));
    let before: Vec<_> = document.steps.iter().filter(|step| leads(step)).collect();
    if run.run.state == RunState::Running {
        return (Knot::Waiting, "Not yet: the run is still on its way.".to_owned());
    }
    if let Some(step) = before.iter().find(|step| done.contains(step.id.as_str())) {
        let record = run.steps.iter().find(|record| record.step == step.id);
        if record.is_some_and(|record| record.state == StepState::Failed) {
            return (Knot::Skipped, format!("Not done: the run stopped at `{}`.", step.id));
        }
        let whereto = record.and_then(|record| record.next.as_deref());
        let whereto = whereto.map_or_else(|| "to the end".to_owned(), |next| format!("on to `{next}`"));
        let said = match &step.action {
            Action::Condition { test, .. } => {
                format!("Not done: at `{}` the run went {whereto}, because of `{test}`.", step.id)
            }
            _ => format!("Not done: from `{}` the run went {whereto}.", step.id),
        };
        return (Knot::Skipped, said);
    }
    let names: Vec<String> = before.iter().map(|step| format!("`{}`", step.id)).collect();
    let said = match names.as_slice() {
        [] => "Not done: nothing leads here.".to_owned(),
        [only] => format!("Not done: only {only} leads here, and that was not done either."),
        [rest @ .., last] => {
            format!("Not done: {} and {last} lead here, and neither was done.", rest.join(", "))
        }
    };
    (Knot::Skipped, said)
}

fn values_of(
    slug: &str,
    run: RunId,
    step: &str,
    values: &[RunValue],
    may: bool,
    shown: Option<&(String, Masked)>,
) -> Vec<Value> {
    let of = values.iter().filter(|value| value.step == step);
    of.map(|value| Value {
        name: value.name.clone(),
        shown: match (&value.value, shown) {
            (Some(own), _) => Shown::Own(own.clone()),
            (None, Some((name, masked))) if *name == value.name => Shown::Theirs(masked.clone()),
            (None, _) => Shown::Theirs(masked(slug, run, &value.name, value.characters, may)),
        },
    })
    .collect()
}

fn done_line(record: &StepRecord, values: Vec<Value>) -> Line {
    Line {
        at: Some(record.at),
        knot: step_knot(record.state),
        step: record.step.clone(),
        kind: record.kind.replace('_', " "),
        words: record.record.iter().map(|words| pieces(words)).collect(),
        values,
        boxed: record.state == StepState::Failed,
        later: false,
    }
}

/// The steps that were done, in their order, and then those that were not.
fn lines(
    slug: &str,
    run: &RunDetail,
    flow: Option<&FlowDetail>,
    values: &[RunValue],
    may: bool,
    shown: Option<&(String, Masked)>,
) -> Vec<Line> {
    let done: HashSet<&str> = run.steps.iter().map(|record| record.step.as_str()).collect();
    let mut lines: Vec<Line> = run
        .steps
        .iter()
        .map(|record| done_line(record, values_of(slug, run.run.id, &record.step, values, may, shown)))
        .collect();
    let Some(flow) = flow else { return lines };
    for (at, step) in flow.document.steps.iter().enumerate() {
        if done.contains(step.id.as_str()) {
            continue;
        }
        let (knot, why) = why_not(&flow.document, at, run, &done);
        lines.push(Line {
            at: None,
            knot,
            step: step.id.clone(),
            kind: step.action.kind().replace('_', " "),
            words: vec![pieces(&why)],
            values: Vec::new(),
            boxed: knot == Knot::Skipped,
            later: true,
        });
    }
    lines
}

fn trouble(run: &RunDetail) -> Option<Trouble> {
    let words = pieces(run.run.reason.as_deref().unwrap_or("Nothing more is known."));
    match run.run.state {
        RunState::Running | RunState::Done => None,
        RunState::Degraded => Some(Trouble {
            words,
            remedy: "The page went out all the same. Put the step right in the flow; runs that begin after that use the new version.",
            bad: false,
        }),
        RunState::Failed => Some(Trouble {
            words,
            remedy: "Put the step right in the flow, then open the signal and replay it: it runs through the new version.",
            bad: true,
        }),
    }
}

fn sentence(run: &RunDetail, alert: Option<&str>) -> String {
    let flow = &run.run.flow_name;
    match (run.run.state, alert) {
        (RunState::Running, _) => format!("“{flow}” is running"),
        (RunState::Failed, Some(alert)) => format!("“{flow}” stopped, and {alert} was opened instead"),
        (RunState::Failed, None) => format!("“{flow}” stopped before its end"),
        (_, Some(alert)) => format!("“{flow}” led to {alert}"),
        (RunState::Degraded, None) => format!("“{flow}” came to its end, otherwise than written"),
        (RunState::Done, None) => format!("“{flow}” came to its end"),
    }
}

fn trail(run: &RunDetail, step: &str) -> Trail {
    match run.steps.iter().find(|record| record.step == step).map(|record| record.state) {
        Some(StepState::Done) => Trail::Done,
        Some(StepState::Replaced) => Trail::Otherwise,
        Some(StepState::Failed) => Trail::Failed,
        None => Trail::Passed,
    }
}

/// One run.
pub async fn show(
    guard: InWorkspace<cap::RunsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, RunId)>,
) -> Answer<Response> {
    run_page(&console, guard, &headers, id, None).await
}

/// Which value of a run is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    name: String,
}

/// One value of a run, whatever a sender put into it: a POST, because it is written to the audit log.
pub async fn reveal(
    guard: InWorkspace<cap::SignalPayloadRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, RunId)>,
    Query(Asked { name }): Query<Asked>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let value = console.flows.value(guard.permit(), id, &name).await?.ok_or_else(Refusal::not_found)?;
    let shown =
        masked(guard.name(), id, &name, value.chars().count(), true).shown(value, value_path(guard.name(), id, &name));
    if mask::wants_part(&headers) {
        return mask::line(shown);
    }
    run_page(&console, guard, &headers, id, Some((name, shown))).await
}

async fn run_page<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    id: RunId,
    shown: Option<(String, Masked)>,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Runs).await?.listening(&[flows::TOPIC]);
    let slug = guard.name().to_owned();
    let permit = guard.also::<cap::RunsRead>().ok_or_else(Refusal::not_found)?;
    let run = console.flows.run(&permit, id).await?.ok_or_else(Refusal::not_found)?;
    let values = console.flows.values(&permit, id).await?.unwrap_or_default();
    let flow = match guard.also::<cap::FlowsRead>() {
        Some(permit) => console.flows.get(&permit, run.run.flow, Some(run.run.version)).await?,
        None => None,
    };
    let alert = match run.run.alert {
        Some(id) => console.alert_names(&guard, vec![id]).await?.remove(&id),
        None => None,
    };
    let names = console.integration_names(&guard).await?;
    let from = run.run.integration.and_then(|id| names.get(&id).cloned());
    let may = guard.may(Capability::SignalPayloadRead);
    page(&RunPage {
        sentence: sentence(&run, alert.as_deref()),
        standing: standing(&run, &shell),
        trouble: trouble(&run),
        lines: lines(&slug, &run, flow.as_ref(), &values, may, shown.as_ref()),
        picture: flow
            .as_ref()
            .map(|flow| picture::draw(&flow.row.name, &flow.document, |step| Some(trail(&run, step)))),
        facts: facts(&slug, &run, &shell, &guard, alert, from),
        revealed: shown.is_some(),
        id,
        slug,
        shell,
    })
}

fn standing(run: &RunDetail, shell: &Shell) -> String {
    let steps = match run.steps.len() {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    };
    let word = run_knot(run.run.state).word().to_lowercase();
    match run.run.finished {
        Some(_) => format!("{steps} in {}, on {}.", took(&run.run), shell.zone.day_clock(&run.run.started)),
        None => format!("{steps} done, {word}. It goes on by itself, also after a restart."),
    }
}

fn facts<C: access::Cap>(
    slug: &str,
    run: &RunDetail,
    shell: &Shell,
    guard: &InWorkspace<C>,
    alert: Option<String>,
    from: Option<String>,
) -> Vec<Fact> {
    let run = &run.run;
    let flow = format!("{}, version {}", run.flow_name, run.version);
    let mut facts = vec![if guard.may(Capability::FlowsRead) {
        Fact::link("Flow", flow, format!("/w/{slug}/flows/{}?version={}", run.flow, run.version))
    } else {
        Fact::new("Flow", flow)
    }];
    let from =
        from.unwrap_or_else(|| if run.integration.is_some() { "an integration".into() } else { "by hand".into() });
    facts.push(match run.integration.filter(|_| guard.may(Capability::IntegrationsRead)) {
        Some(id) => Fact::link("Integration", from, format!("/w/{slug}/integrations/{id}")),
        None => Fact::new("Integration", from),
    });
    if let Some(signal) = run.signal {
        let name = format!("Event {} of the signal", run.ordinal + 1);
        facts.push(if guard.may(Capability::SignalsRead) {
            Fact::link("Signal", name, format!("/w/{slug}/signals/{signal}"))
        } else {
            Fact::new("Signal", name)
        });
    }
    facts.extend(alert.map(|alert| Fact::link("Alert", alert.clone(), format!("/w/{slug}/alerts/{alert}"))));
    facts.push(Fact::new("Began", shell.zone.exact(&run.started)));
    facts.extend(run.finished.map(|finished| Fact::new("Ended", shell.zone.exact(&finished))));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::document;
    use crate::runs_page::tests::run;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn record(step: &str, next: Option<&str>, state: StepState) -> StepRecord {
        StepRecord {
            number: 1,
            step: step.into(),
            kind: "condition".into(),
            state,
            record: vec![format!("`{step}` went on. {HOSTILE}")],
            next: next.map(str::to_owned),
            at: NOW,
        }
    }

    fn detail(state: RunState, steps: Vec<StepRecord>) -> RunDetail {
        RunDetail { run: flows::Run { state, ..run() }, steps }
    }

    fn reasons(run: &RunDetail) -> Vec<(Knot, String)> {
        let (document, done) = (document(), run.steps.iter().map(|record| record.step.as_str()).collect());
        let missing = |step: &&(usize, String)| !run.steps.iter().any(|record| record.step == step.1);
        let steps: Vec<(usize, String)> = document.steps.iter().map(|step| step.id.clone()).enumerate().collect();
        steps.iter().filter(missing).map(|(at, _)| why_not(&document, *at, run, &done)).collect()
    }

    #[test]
    fn what_was_not_done_has_a_reason() {
        let run = detail(
            RunState::Done,
            vec![
                record("start", Some("firing"), StepState::Done),
                record("firing", Some("clear"), StepState::Done),
                record("clear", None, StepState::Done),
            ],
        );
        let said = reasons(&run);
        assert_eq!(said[0].0, Knot::Skipped);
        assert_eq!(
            said[0].1,
            "Not done: at `firing` the run went on to `clear`, because of `event.status == \"firing\"`."
        );
        assert_eq!(said[1].1, "Not done: only `keep` leads here, and that was not done either.");
        let stopped = detail(RunState::Failed, vec![record("start", None, StepState::Failed)]);
        assert_eq!(reasons(&stopped)[0].1, "Not done: the run stopped at `start`.");
        let running = detail(RunState::Running, vec![record("start", Some("firing"), StepState::Done)]);
        assert_eq!(reasons(&running)[0].0, Knot::Waiting);
    }

    #[test]
    fn the_heading_says_what_it_led_to() {
        let said = |state, alert: Option<&str>| {
            let mut run = detail(state, Vec::new());
            run.run.flow_name = "page".into();
            sentence(&run, alert)
        };
        assert_eq!(said(RunState::Done, Some("A-7")), "“page” led to A-7");
        assert_eq!(said(RunState::Failed, Some("A-7")), "“page” stopped, and A-7 was opened instead");
        assert_eq!(said(RunState::Failed, None), "“page” stopped before its end");
        assert_eq!(said(RunState::Running, None), "“page” is running");
    }

    fn sample(may: bool) -> RunPage {
        let run = detail(RunState::Failed, vec![record("firing", None, StepState::Failed)]);
        let values = [
            RunValue { step: "firing".into(), name: "event.title".into(), value: None, characters: 12 },
            RunValue {
                step: "firing".into(),
                name: "event.status".into(),
                value: Some("firing".into()),
                characters: 6,
            },
        ];
        RunPage {
            shell: shell().listening(&["run"]),
            slug: "demo".into(),
            id: run.run.id,
            sentence: sentence(&run, None),
            standing: "1 step in 12 ms.".into(),
            trouble: trouble(&run),
            lines: lines("demo", &run, None, &values, may, None),
            picture: Some(picture::draw("checkout", &document(), |step| Some(trail(&run, step)))),
            facts: vec![Fact::new("Flow", HOSTILE)],
            revealed: false,
        }
    }

    /// E-11: a sender's value is not on the page before somebody who may asks for it; the product's own words are.
    #[test]
    fn e_11_values_of_senders_are_masked() {
        let html = checked(&sample(true));
        assert!(html.contains("event.title") && html.contains("•••••••• (12 characters)"), "{html}");
        assert!(html.contains("/value?name=event.title\"") && html.contains("<dd>firing</dd>"), "{html}");
        assert!(html.contains("replay it") && html.contains("<code>firing</code>"));
        let closed = checked(&sample(false));
        assert!(closed.contains("signals:payload") && !closed.contains("/value?name"));
    }
}
