//! The alerts of a workspace: the list, one alert with its live chain, and what can be done about it.

use access::{Capability, cap};
use alerts::{Alert, Answer as Act, Filter, Knot, Outcome, Priority, State as AlertState};
use askama::Template;
use axum::extract::State;
use base::{Page as Listed, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::chain::View;
use crate::draw::{Draw, MiniKnot, mini};
use crate::facts::{Choice, Fact};
use crate::page::{encode, page, see_other};
use crate::signals_page::Names;
use crate::shell::{Page, Shell};
use crate::zone::{counter, gap, length};

/// A button that is a form.
#[derive(Clone, Debug)]
pub struct ActButton {
    /// Where it posts to.
    pub action: String,
    /// What it says.
    pub name: String,
    /// Its icon; none when empty.
    pub icon: &'static str,
    /// Its key.
    pub key: &'static str,
    /// Whether it is the one filled button of the view.
    pub chief: bool,
}

/// One alert in a list.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// How urgent.
    pub priority: Priority,
    /// `A-1042`
    pub name: String,
    /// One line.
    pub title: String,
    /// Where it came from and whom it pages.
    pub from: String,
    /// The chain, small.
    pub mini: Vec<MiniKnot>,
    /// What the small chain says.
    pub mini_label: String,
    /// Where it stands.
    pub state: String,
    /// Who has it, or who is next.
    pub who: String,
    /// When it opened.
    pub opened: Timestamp,
    /// How long ago.
    pub age: String,
}

impl AlertRow {
    /// The row of `alert` as seen at `now`.
    pub fn new(alert: &Alert, shell: &Shell, names: &Names) -> Self {
        let by = |who: &Option<alerts::By>| who.as_ref().map(|by| by.name.clone()).unwrap_or_default();
        let (state, who, knots) = match alert.state {
            AlertState::Open if alert.unanswered => {
                ("Unanswered".to_owned(), "everybody was paged".to_owned(), [Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Failed])
            }
            AlertState::Open => {
                let who = alert.next_person.as_ref().map_or_else(String::new, |next| format!("next: {next}"));
                ("Open".to_owned(), who, [Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Now, Knot::Waiting])
            }
            AlertState::Acknowledged => {
                let at = alert.acknowledged.map(|at| shell.zone.clock(&at)).unwrap_or_default();
                ("Acknowledged".to_owned(), format!("{}, {at}", by(&alert.acknowledged_by)), [Knot::Done; 6])
            }
            AlertState::Resolved => ("Resolved".to_owned(), by(&alert.closed_by), [Knot::Done; 6]),
            AlertState::Expired => {
                ("Expired".to_owned(), "nobody resolved it".to_owned(), [Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Skipped])
            }
        };
        Self {
            priority: alert.priority,
            name: alert.name(),
            title: alert.title.clone(),
            from: match alert.integration.and_then(|id| names.get(&id)) {
                Some(name) => format!("{name} · {}", alert.group),
                None => alert.group.clone(),
            },
            mini: mini(knots),
            mini_label: format!("{state}. {who}"),
            state,
            who,
            opened: alert.opened,
            age: length(shell.now.since(alert.opened)),
        }
    }
}

/// Which alerts are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    show: String,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    here: String,
    sentence: String,
    standing: String,
    heading: &'static str,
    empty: &'static str,
    choices: Vec<Choice>,
    rows: Vec<AlertRow>,
    older: Option<String>,
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::AlertsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Alerts).await?.listening(&[alerts::TOPIC]);
    let slug = guard.name().to_owned();
    let counts = console.alerts.counts(guard.permit().clone()).await?;
    let (show, states, heading, empty) = match which.show.as_str() {
        "closed" => ("closed", vec![AlertState::Resolved, AlertState::Expired], "Resolved and expired", "Nothing was closed yet."),
        "all" => ("all", AlertState::ALL.to_vec(), "Every alert", "No alert yet."),
        _ => ("live", vec![AlertState::Open, AlertState::Acknowledged], "Live alerts", "Nothing is open."),
    };
    let filter = Filter { states, ..Filter::default() };
    let found: Listed<Alert> = console.alerts.list(guard.permit().clone(), filter, request).await?;
    let names = console.integration_names(&guard).await?;
    let choices = [("live", "Live"), ("closed", "Closed"), ("all", "All")]
        .into_iter()
        .map(|(value, name)| Choice {
            value: value.into(),
            name: name.into(),
            href: format!("/w/{slug}/alerts?show={value}"),
            current: value == show,
        })
        .collect();
    page(&ListPage {
        here: format!("/w/{slug}/alerts?show={show}"),
        sentence: match (counts.open, counts.open_critical) {
            (0, _) if counts.acknowledged == 0 => "Nothing is open".into(),
            (0, _) => "Nothing waits for an answer".into(),
            (1, 0) => "One alert waits for an answer".into(),
            (1, _) => "One critical alert waits for an answer".into(),
            (open, 0) => format!("{open} alerts wait for an answer"),
            (open, critical) => format!("{open} alerts wait for an answer, {critical} of them critical"),
        },
        standing: match (counts.acknowledged, counts.unanswered) {
            (0, 0) => "People are paged in the order of their group until someone answers.".into(),
            (taken, 0) => format!("{taken} taken by somebody."),
            (taken, nobody) => format!("{taken} taken by somebody; for {nobody} everybody was paged and nobody answered."),
        },
        heading,
        empty,
        choices,
        rows: found.items.iter().map(|alert| AlertRow::new(alert, &shell, &names)).collect(),
        older: found.next.map(|cursor| format!("/w/{slug}/alerts?show={show}&cursor={}", encode(&cursor.0))),
        slug,
        shell,
    })
}

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
    let acts = if guard.may(Capability::AlertsAnswer) { acts(&slug, &alert, &shell) } else { Vec::new() };
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
    facts.push(Fact::new("Signals", match alert.joined {
        0 => "1".into(),
        joined => format!("{}, of which {joined} joined", joined + 1),
    }));
    if let Some(signal) = alert.signal {
        facts.push(Fact::link("Signal", "Payload and run", format!("/w/{slug}/signals/{signal}")));
    }
    if let Some(link) = &alert.link {
        facts.push(Fact::outside("Read on", link));
    }
    facts
}

fn standing(alert: &Alert, shell: &Shell) -> String {
    let name = |by: &Option<alerts::By>| by.as_ref().map_or_else(|| "somebody".to_owned(), |by| by.name.clone());
    match alert.state {
        AlertState::Open if alert.unanswered => {
            format!("Open for {}. Everybody was paged and nobody answered.", length(shell.now.since(alert.opened)))
        }
        AlertState::Open => format!("Open and unanswered for {}.", length(shell.now.since(alert.opened))),
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
        AlertState::Expired => "Expired: nobody resolved it in time. A new signal with the same key opens a new alert.".into(),
    }
}

/// What this reader can do about `alert` now.
pub fn acts(slug: &str, alert: &Alert, _: &Shell) -> Vec<ActButton> {
    let to = |verb: &str| format!("/w/{slug}/alerts/{}/{verb}", alert.name());
    let button = |verb: &str, name: &str, icon, key, chief| ActButton { action: to(verb), name: name.into(), icon, key, chief };
    let pass_on = alert.next_person.as_ref().map_or_else(|| "Pass on".to_owned(), |next| format!("Pass on to {next}"));
    match alert.state {
        AlertState::Open => vec![
            button("acknowledge", "Acknowledge", "check", "a", true),
            button("pass-on", &pass_on, "next", "p", false),
            button("resolve", "Resolve", "", "r", false),
        ],
        AlertState::Acknowledged => vec![
            button("resolve", "Resolve", "check", "r", true),
            button("pass-on", &pass_on, "next", "p", false),
            button("undo", "Undo", "", "u", false),
        ],
        AlertState::Resolved | AlertState::Expired => Vec::new(),
    }
}

/// The form of an act: nothing but the proof that it comes from our page, and for resolving a note.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActForm {
    note: Option<String>,
}

async fn act(guard: InWorkspace<cap::AlertsAnswer>, console: &Console, name: &str, act: Act) -> Answer<Response> {
    let slug = guard.name().to_owned();
    let number = alerts::parse_alert_name(name).ok_or_else(Refusal::not_found)?;
    let read = guard.also::<cap::AlertsRead>().ok_or_else(Refusal::not_found)?;
    let alert = console.alerts.by_number(read, number).await?.ok_or_else(Refusal::not_found)?;
    let done = console.alerts.answer(guard.into_permit(), alert.id, act).await?;
    let did = match done.outcome {
        Outcome::Acknowledged => "acknowledged",
        Outcome::AlreadyYours => "yours",
        Outcome::PassedOn { .. } => "passed-on",
        Outcome::Resolved => "resolved",
        Outcome::AlreadyOver => "over",
        Outcome::Undone { .. } => "undone",
    };
    Ok(see_other(&format!("/w/{slug}/alerts/{}?did={did}", alert.name())))
}

fn said_words(did: &str) -> Option<String> {
    let words = match did {
        "acknowledged" => "It is yours. Nobody else is paged.",
        "yours" => "It was yours already. Nothing changed.",
        "passed-on" => "Passed on. The next person is being paged.",
        "resolved" => "Resolved. Everybody who was paged is told.",
        "over" => "It was over already. Nothing changed.",
        "undone" => "Taken back. Paging goes on.",
        _ => return None,
    };
    Some(words.into())
}

/// "I have it."
pub async fn acknowledge(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Acknowledge).await
}

/// "Page the next person."
pub async fn pass_on(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::PassOn).await
}

/// "It is over."
pub async fn resolve(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Resolve { note: form.note.filter(|note| !note.trim().is_empty()) }).await
}

/// "Take my last answer back."
pub async fn undo(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Undo).await
}
