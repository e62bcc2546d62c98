//! One alert with its live chain, its timeline, and what can be done about it.

use access::{Capability, cap};
use alerts::{Alert, Knot, Priority, State as AlertState};
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use http::{Answer, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::answers::{ActButton, acts, said_words};
use crate::chain::View;
use crate::draw::Draw;
use crate::facts::Fact;
use crate::page::page;
use crate::shell::{Page, Shell};
use crate::zone::{counter, gap, length};

/// One line of the timeline, drawn.
struct Line {
    at: Timestamp,
    offset: String,
    knot: Knot,
    headline: String,
    detail: Option<String>,
    why: Vec<String>,
    /// Where to read on.
    href: Option<String>,
    boxed: bool,
    later: bool,
}

/// What happened before the alert was there: the run, and the signal that began it.
fn before(slug: &str, alert: &Alert, chain: &View) -> Vec<Line> {
    let signal_page = alert.signal.map(|id| format!("/w/{slug}/signals/{id}"));
    let line = |at: Timestamp, headline: String, detail: Option<String>| Line {
        at,
        offset: if at < alert.opened { format!("−{}", length(alert.opened.since(at))) } else { String::new() },
        knot: Knot::Done,
        headline,
        detail,
        why: Vec::new(),
        href: signal_page.clone(),
        boxed: false,
        later: false,
    };
    let run = chain.run.as_ref().and_then(|run| {
        let steps = format!("{} of {} steps.", run.steps.0, run.steps.1);
        Some(line(run.at?, format!("Run of “{}”, version {}.", run.flow, run.version), Some(steps)))
    });
    let signal = chain.signal.as_ref().and_then(|signal| {
        let took = signal.took.map(|took| format!("Checked in {}, answered 202 when it was on disk.", length(took)));
        Some(line(signal.at?, format!("Signal from {}.", signal.integration), took))
    });
    run.into_iter().chain(signal).collect()
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    shell: Shell,
    slug: String,
    alert: Alert,
    severity: &'static str,
    standing: String,
    /// Since when it waits, while it does: this ticks and is not announced.
    since: Option<i64>,
    age: String,
    next_until: Option<i64>,
    next_words: String,
    next_in: String,
    acts: Vec<ActButton>,
    said: Option<String>,
    chain: View,
    legend: [Knot; 6],
    timeline: Vec<Line>,
    facts: Vec<Fact>,
}

/// What the last act did, as said on the page after it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// One alert.
pub async fn show(
    guard: InWorkspace<cap::AlertsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let topics = [alerts::TOPIC, messaging::TOPIC, flows::TOPIC];
    let shell = console.shell(&guard, &headers, Page::Alerts).await?.listening(&topics);
    let slug = guard.name().to_owned();
    let number = alerts::parse_alert_name(&name).ok_or_else(Refusal::not_found)?;
    let alert = console.alerts.by_number(guard.permit().clone(), number).await?.ok_or_else(Refusal::not_found)?;
    let chain = console.chain(&guard, &alert).await?;
    let timeline = console.alerts.timeline(guard.permit().clone(), alert.id).await?;
    let acts = if guard.may(Capability::AlertsAnswer) { acts(&slug, &alert) } else { Vec::new() };
    let standing = standing(&alert, &shell);
    let next = alert.next_page.filter(|_| alert.state == AlertState::Open);
    page(&AlertPage {
        severity: match alert.priority {
            Priority::Critical => "Critical",
            Priority::High => "High",
            Priority::Medium => "Medium",
            Priority::Low => "Low",
            Priority::Info => "For information",
        },
        standing,
        since: (alert.state == AlertState::Open).then(|| alert.opened.as_millis()),
        age: counter(shell.now.since(alert.opened)),
        next_until: next.map(Timestamp::as_millis),
        next_words: format!("{} is next, in", alert.next_person.as_deref().unwrap_or("The next person")),
        next_in: next.map(|at| counter(at.since(shell.now))).unwrap_or_default(),
        acts,
        said: said_words(&said.did),
        legend: [Knot::Done, Knot::Now, Knot::Waiting, Knot::Skipped, Knot::Unknown, Knot::Failed],
        timeline: timeline
            .into_iter()
            .map(|entry| Line {
                at: entry.at,
                offset: if entry.at > shell.now {
                    format!("in {}", counter(entry.at.since(shell.now)))
                } else if entry.after.as_millis() == 0 {
                    "0".into()
                } else {
                    gap(entry.after)
                },
                knot: entry.knot,
                headline: entry.headline,
                detail: entry.detail,
                boxed: entry.knot == Knot::Skipped || entry.alarming,
                later: entry.at > shell.now,
                why: entry.why,
                href: None,
            })
            .chain(before(&slug, &alert, &chain))
            .collect(),
        facts: facts(&slug, &alert, &chain),
        chain,
        slug,
        alert,
        shell,
    })
}

fn facts(slug: &str, alert: &Alert, chain: &View) -> Vec<Fact> {
    let mut facts = vec![Fact::new("From", chain.trunk[0].title.clone()), Fact::new("Pages", alert.group.clone())];
    if let Some(key) = &alert.key {
        facts.push(Fact::mono("Key", key.clone()));
    }
    facts.push(Fact::new(
        "Signals",
        match alert.joined {
            0 => "1".into(),
            joined => format!("{}, of which {joined} joined", joined + 1),
        },
    ));
    if let Some(signal) = alert.signal {
        facts.push(Fact::link("Signal", "Payload and run", format!("/w/{slug}/signals/{signal}")));
    }
    if let Some(link) = &alert.link {
        facts.push(Fact::outside("Read on", link));
    }
    facts
}

/// Where it stands; while it is open, how long follows.
fn standing(alert: &Alert, shell: &Shell) -> String {
    let name = |by: &Option<alerts::By>| by.as_ref().map_or_else(|| "somebody".to_owned(), |by| by.name.clone());
    match alert.state {
        AlertState::Open if alert.unanswered => "Everybody was paged and nobody answered. Open".to_owned(),
        AlertState::Open => "Open and unanswered".to_owned(),
        AlertState::Acknowledged => format!(
            "{} has it since {}.",
            name(&alert.acknowledged_by),
            alert.acknowledged.map(|at| shell.zone.clock_zone(&at)).unwrap_or_default()
        ),
        AlertState::Resolved => format!(
            "Resolved by {} at {}, {} after it opened.",
            name(&alert.closed_by),
            alert.closed.map(|at| shell.zone.day_clock(&at)).unwrap_or_default(),
            alert.closed.map(|at| length(at.since(alert.opened))).unwrap_or_default()
        ),
        AlertState::Expired => {
            "Expired: nobody resolved it in time. A new signal with the same key opens a new alert.".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, after, alert, by, chain, checked, shell, step};

    fn sample(alert: Alert, acts: Vec<ActButton>) -> AlertPage {
        let chain = View::new(&alert, &chain(vec![step()]), None, None, Some("/w/demo"));
        let line = |at, knot, boxed, later| Line {
            at,
            offset: "+28 ms".into(),
            knot,
            headline: crate::testing::HOSTILE.into(),
            detail: Some("Step 1.".into()),
            why: vec!["The group names Cem Sample first.".into()],
            href: Some("/w/demo/signals/1".into()),
            boxed,
            later,
        };
        AlertPage {
            shell: shell().listening(&["alerts", "message"]),
            slug: "demo".into(),
            severity: "Critical",
            standing: standing(&alert, &shell()),
            since: Some(NOW.as_millis()),
            age: "2:51".into(),
            next_until: Some(after(60_000).as_millis()),
            next_words: "Dina Sample is next, in".into(),
            next_in: "1:00".into(),
            acts,
            said: said_words("passed-on"),
            legend: [Knot::Done, Knot::Now, Knot::Waiting, Knot::Skipped, Knot::Unknown, Knot::Failed],
            timeline: vec![line(after(60_000), Knot::Waiting, false, true), line(NOW, Knot::Skipped, true, false)],
            facts: facts("demo", &alert, &chain),
            chain,
            alert,
        }
    }

    #[test]
    fn the_page_has_chain_timeline_and_acts_for_those_who_may() {
        let html = checked(&sample(alert(), acts("demo", &alert())));
        for words in ["Cem Sample", "1 of 1 sent", "Delivered", "No answer yet", "Passed on.", "Pass on to Dina Sample"]
        {
            assert!(html.contains(words), "{words}");
        }
        assert!(html.contains(r#"action="/w/demo/alerts/A-1042/acknowledge""#));
        assert!(html.contains("3, of which 2 joined"));
        assert_eq!(html.matches("<th scope=\"col\"").count(), 6, "always six, in this order");
        let read_only = checked(&sample(alert(), Vec::new()));
        assert!(!read_only.contains("/acknowledge"));
    }

    #[test]
    fn each_state_is_said_in_a_sentence() {
        let said = |alter: fn(&mut Alert)| {
            let mut alert = alert();
            alter(&mut alert);
            standing(&alert, &shell())
        };
        assert_eq!(said(|_| ()), "Open and unanswered");
        assert!(said(|alert| alert.unanswered = true).starts_with("Everybody was paged and nobody answered."));
        let taken = |alert: &mut Alert| {
            (alert.state, alert.acknowledged) = (AlertState::Acknowledged, Some(after(90_000)));
            alert.acknowledged_by = by("Cem Sample");
        };
        assert_eq!(said(taken), "Cem Sample has it since 03:13:37 CEST.");
        let over = |alert: &mut Alert| {
            (alert.state, alert.closed) = (AlertState::Resolved, Some(after(90_000)));
            alert.closed_by = by("Cem Sample");
        };
        assert_eq!(said(over), "Resolved by Cem Sample at Fri 23 Oct 03:13 CEST, 1 min 30 s after it opened.");
        assert!(said(|alert| alert.state = AlertState::Expired).starts_with("Expired"));
    }

    #[test]
    fn what_came_before_the_alert_ends_the_timeline() {
        let signal = crate::chain::SignalFacts {
            id: None,
            integration: "alertmanager".into(),
            at: Some(NOW.minus(std::time::Duration::from_millis(49))),
            took: None,
        };
        let view = View::new(&alert(), &chain(Vec::new()), Some(signal), None, None);
        let lines = before("demo", &alert(), &view);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].headline.as_str(), lines[0].offset.as_str()), ("Signal from alertmanager.", "−49 ms"));
        assert!(lines[0].href.as_deref().is_some_and(|href| href.starts_with("/w/demo/signals/")));
    }
}
