//! What machines sent, and what became of each request.

use std::collections::HashMap;
use std::time::Duration;

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{IntegrationId, PageRequest, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, PageQuery, Query, Response};
use serde::Deserialize;
use signals::{Activity, Door, Filter, Integration, SignalState};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, choices};
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::zone::{age, length};

struct Row {
    href: Option<String>,
    at: Timestamp,
    integration: String,
    /// Where the integration is, for those who may open it.
    of: Option<String>,
    /// `test` or `replay`, when nobody outside sent it.
    tag: &'static str,
    /// What its first event said.
    summary: String,
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
    /// This page as it was when it was loaded, for live updates.
    again: String,
    /// Whether it is the first page, which updates itself.
    live: bool,
    /// How many requests came since.
    newer: Option<String>,
    sentence: String,
    standing: String,
    query: String,
    outcomes: Vec<Choice>,
    senders: Vec<Choice>,
    times: Vec<Choice>,
    filtered: bool,
    integrations: Vec<IntegrationRow>,
    rows: Vec<Row>,
    older: Option<String>,
}

/// Which signals are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    q: String,
    outcome: String,
    integration: String,
    time: String,
    /// The newest request that the page showed when it was loaded, in microseconds: what came later is counted, not shown,
    /// so that rows never jump under the reader's finger.
    top: Option<i64>,
}

/// The choices of a time, with their hours.
const TIMES: [(&str, &str, u64); 4] =
    [("1", "Last hour", 1), ("24", "Last 24 hours", 24), ("168", "Last 7 days", 168), ("720", "Last 30 days", 720)];

impl Which {
    fn filter(&self, now: Timestamp) -> Filter {
        let state = match self.outcome.as_str() {
            "accepted" => Some(SignalState::Accepted),
            "handled" => Some(SignalState::Handled),
            "failed" => Some(SignalState::Failed),
            "refused" => Some(SignalState::Refused),
            _ => None,
        };
        let door = match self.outcome.as_str() {
            "test" => Some(Door::Test),
            "replay" => Some(Door::Replay),
            _ => None,
        };
        let hours = TIMES.iter().find(|(value, ..)| *value == self.time).map(|(_, _, hours)| *hours);
        Filter {
            integration: self.integration.parse().ok(),
            state,
            door,
            since: hours.map(|hours| now.minus(Duration::from_hours(hours))),
            until: None,
            search: Some(self.q.trim().to_owned()).filter(|words| !words.is_empty()),
        }
    }

    fn is_filtered(&self) -> bool {
        [&self.q, &self.outcome, &self.integration, &self.time].iter().any(|part| !part.trim().is_empty())
    }

    fn here(&self, slug: &str) -> String {
        let (q, outcome) = (encode(self.q.trim()), encode(&self.outcome));
        let (integration, time) = (encode(&self.integration), encode(&self.time));
        format!("/w/{slug}/signals?q={q}&outcome={outcome}&integration={integration}&time={time}")
    }
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
    let integrations = match guard.also::<cap::IntegrationsRead>() {
        Some(permit) => console.signals.integrations(&permit).await?,
        None => Vec::new(),
    };
    let filter = which.filter(shell.now);
    let first = request.after.is_none();
    let top = which.top.filter(|top| *top > 0 && first).map(|top| Timestamp::from_micros(top.saturating_add(1)));
    let shown = Filter { until: top, ..filter.clone() };
    let found = console.signals.list(guard.permit(), shown, request).await?;
    let newer = match top {
        Some(since) => {
            let later = Filter { since: Some(since), ..filter };
            let most = PageRequest::new(PageRequest::MAX_LIMIT, None);
            console.signals.list(guard.permit(), later, most).await?.items.len()
        }
        None => 0,
    };
    let here = which.here(&slug);
    let newest = which.top.or_else(|| found.items.first().map(|one| one.at.as_micros()));
    page(&ListPage {
        again: newest.map_or_else(|| here.clone(), |top| format!("{here}&top={top}")),
        live: first,
        newer: match newer {
            0 => None,
            1 => Some("1 newer request".into()),
            count => Some(format!("{count} newer requests")),
        },
        older: found.next.as_ref().map(|cursor| format!("{here}&cursor={}", encode(&cursor.0))),
        here,
        sentence: match found.items.first() {
            None if which.is_filtered() => "No signal fits".into(),
            None => "No signal yet".into(),
            Some(last) => format!(
                "The last signal came {} ago from {}",
                age(shell.now.since(last.at)),
                last.integration_name.as_deref().unwrap_or("an unknown sender")
            ),
        },
        standing: "Each request to an integration is listed, whether it was accepted or refused. Nothing is answered 202 before it is on disk.".into(),
        outcomes: choices(
            &[
                ("", "All"),
                ("accepted", "Waiting"),
                ("handled", "Handled"),
                ("failed", "Failed"),
                ("refused", "Refused"),
                ("test", "Tests"),
                ("replay", "Replays"),
            ],
            &which.outcome,
        ),
        senders: std::iter::once((String::new(), "All".to_owned()))
            .chain(integrations.iter().map(|one| (one.id.to_string(), one.name.clone())))
            .map(|(value, name)| Choice { current: value == which.integration, value, name, href: String::new() })
            .collect(),
        times: std::iter::once(("", "Any time", 0))
            .chain(TIMES)
            .map(|(value, name, _)| Choice {
                value: value.to_owned(),
                name: name.to_owned(),
                href: String::new(),
                current: value == which.time,
            })
            .collect(),
        filtered: which.is_filtered(),
        rows: found.items.iter().map(|activity| row(&slug, activity, !integrations.is_empty())).collect(),
        integrations: integrations.into_iter().map(|one| console.integration_row(one)).collect(),
        query: which.q,
        slug,
        shell,
    })
}

/// One line of the list; `opens` when the reader may see integrations.
fn row(slug: &str, activity: &Activity, opens: bool) -> Row {
    let (knot, mut outcome) = outcome(activity);
    if activity.count > 1 {
        outcome = format!("{} requests: {outcome}", activity.count);
    }
    let refused = activity.state == SignalState::Refused;
    Row {
        href: (!refused).then(|| format!("/w/{slug}/signals/{}", activity.id)),
        at: activity.at,
        integration: activity.integration_name.clone().unwrap_or_else(|| "unknown".into()),
        of: activity.integration.filter(|_| opens).map(|id| format!("/w/{slug}/integrations/{id}")),
        tag: match activity.door {
            Door::Test => "test",
            Door::Replay => "replay",
            Door::Signals | Door::Xmatters => "",
        },
        summary: activity.summary.clone().unwrap_or_default(),
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

/// What became of a request, as a knot and a sentence.
pub fn outcome(activity: &Activity) -> (Knot, String) {
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

/// `1.2 KB`
pub fn size(bytes: u64) -> String {
    if bytes < 1_000 { format!("{bytes} B") } else { format!("{}.{} KB", bytes / 1_000, (bytes % 1_000) / 100) }
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
        Ok(found.into_iter().map(|one| self.integration_row(one)).collect())
    }

    fn integration_row(&self, integration: Integration) -> IntegrationRow {
        let ways: Vec<&str> = integration.auth.iter().map(|auth| auth.label()).collect();
        let off = if integration.enabled { "" } else { ", switched off" };
        IntegrationRow {
            url: format!("{}/signals/{}", self.public_url, integration.id),
            words: format!("{} · mapping {} · flow {}{off}", ways.join(" or "), integration.mapping, integration.flow),
            name: integration.name,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    pub fn activity() -> Activity {
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
            summary: Some(HOSTILE.into()),
            key: None,
            replay_of: None,
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
        let refused = row("demo", &Activity { state: SignalState::Refused, count: 30, ..activity() }, true);
        assert!(refused.href.is_none() && refused.outcome.starts_with("30 requests:"));
        assert_eq!((size(999).as_str(), size(1_234).as_str()), ("999 B", "1.2 KB"));
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
            again: "/w/demo/signals?top=1".into(),
            live: true,
            newer: Some("2 newer requests".into()),
            sentence: "No signal yet".into(),
            standing: "Each request is listed.".into(),
            query: HOSTILE.into(),
            outcomes: choices(&[("", "All")], ""),
            senders: choices(&[("", "All"), ("1", "generic")], ""),
            times: choices(&[("", "Any time")], ""),
            filtered: false,
            integrations: vec![integration()],
            rows,
            older: None,
        };
        let html = checked(&page(Vec::new()));
        assert!(html.contains("POST https://localhost/signals/1"));
        let html = checked(&page(vec![row("demo", &Activity { door: Door::Test, ..activity() }, true)]));
        assert!(
            html.contains("1.2 KB")
                && html.contains("2 newer requests")
                && html.contains(">test<")
                && html.contains("&#60;script&#62;")
        );
    }

    #[test]
    fn a_filter_is_what_the_form_says() {
        let which =
            |outcome: &str, time: &str| Which { outcome: outcome.into(), time: time.into(), ..Which::default() };
        assert_eq!(which("refused", "").filter(NOW).state, Some(SignalState::Refused));
        assert_eq!(which("test", "").filter(NOW).door, Some(Door::Test));
        let day = which("", "24").filter(NOW);
        assert_eq!((day.state, day.since), (None, Some(NOW.minus(Duration::from_hours(24)))));
        assert_eq!(which("<script>", "nonsense").filter(NOW), Filter::default());
        assert!(!Which::default().is_filtered() && which("", "24").is_filtered());
    }
}
