//! The alerts of a workspace: those that are open, and those that were.

use access::{Cap, cap};
use alerts::{Alert, Chain, Filter, Priority, State as AlertState};
use askama::Template;
use axum::extract::State;
use base::{Page as Listed, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, PageQuery, Query, Response};
use serde::Deserialize;

use crate::Console;
use crate::chain::six;
use crate::draw::{Draw, MiniKnot, mini};
use crate::facts::Choice;
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::signals_page::Names;
use crate::zone::age;

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
    /// The chain, small; nothing where it was not read.
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
    pub fn new(alert: &Alert, shell: &Shell, names: &Names, chain: Option<&Chain>) -> Self {
        let by = |who: &Option<alerts::By>| who.as_ref().map(|by| by.name.clone()).unwrap_or_default();
        let (state, who) = match alert.state {
            AlertState::Open if alert.unanswered => ("Unanswered", "everybody was paged".to_owned()),
            AlertState::Open => {
                ("Open", alert.next_person.as_ref().map_or_else(String::new, |next| format!("next: {next}")))
            }
            AlertState::Acknowledged => {
                let at = alert.acknowledged.map(|at| shell.zone.clock(&at)).unwrap_or_default();
                ("Acknowledged", format!("{}, {at}", by(&alert.acknowledged_by)))
            }
            AlertState::Resolved => ("Resolved", by(&alert.closed_by)),
            AlertState::Expired => ("Expired", "nobody resolved it".to_owned()),
        };
        let state = state.to_owned();
        Self {
            priority: alert.priority,
            name: alert.name(),
            title: alert.title.clone(),
            from: match alert.integration.and_then(|id| names.get(&id)) {
                Some(name) => format!("{name} · {}", alert.group),
                None => alert.group.clone(),
            },
            mini: chain.map(|chain| mini(six(alert, chain))).unwrap_or_default(),
            mini_label: format!("{state}. {who}"),
            state,
            who,
            opened: alert.opened,
            age: age(shell.now.since(alert.opened)),
        }
    }
}

/// Rows of a list that show their chain: the newest, which are those that people look at.
const WITH_CHAIN: usize = 20;

impl Console {
    /// Alerts as rows.
    pub async fn rows<C: Cap>(
        &self,
        guard: &InWorkspace<C>,
        alerts: impl Iterator<Item = &Alert>,
        shell: &Shell,
    ) -> Answer<Vec<AlertRow>> {
        let names = self.integration_names(guard).await?;
        let mut rows = Vec::new();
        for alert in alerts {
            let chain = match guard.also::<cap::AlertsRead>().filter(|_| rows.len() < WITH_CHAIN) {
                Some(permit) => self.alerts.chain(permit, alert.id).await?,
                None => None,
            };
            rows.push(AlertRow::new(alert, shell, &names, chain.as_ref()));
        }
        Ok(rows)
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
        "closed" => (
            "closed",
            vec![AlertState::Resolved, AlertState::Expired],
            "Resolved and expired",
            "Nothing was closed yet.",
        ),
        "all" => ("all", AlertState::ALL.to_vec(), "Every alert", "No alert yet."),
        _ => ("live", vec![AlertState::Open, AlertState::Acknowledged], "Live alerts", "Nothing is open."),
    };
    let filter = Filter { states, ..Filter::default() };
    let found: Listed<Alert> = console.alerts.list(guard.permit().clone(), filter, request).await?;
    let rows = console.rows(&guard, found.items.iter(), &shell).await?;
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
            (taken, nobody) => {
                format!("{taken} taken by somebody; for {nobody} everybody was paged and nobody answered.")
            }
        },
        heading,
        empty,
        choices,
        rows,
        older: found.next.map(|cursor| format!("/w/{slug}/alerts?show={show}&cursor={}", encode(&cursor.0))),
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::facts::choices;
    use crate::testing::{after, alert, by, chain, checked, shell, step};

    #[test]
    fn a_row_says_where_the_alert_stands() {
        let names = HashMap::from([(alert().integration.unwrap(), "alertmanager".to_owned())]);
        let row = |alter: fn(&mut Alert)| {
            let mut alert = alert();
            alter(&mut alert);
            let row = AlertRow::new(&alert, &shell(), &names, None);
            (row.state, row.who)
        };
        let words = |state: &str, who: &str| (state.to_owned(), who.to_owned());
        assert_eq!(row(|_| ()), words("Open", "next: Dina Sample"));
        assert_eq!(row(|alert| alert.unanswered = true), words("Unanswered", "everybody was paged"));
        let taken = |alert: &mut Alert| {
            (alert.state, alert.acknowledged) = (AlertState::Acknowledged, Some(after(0)));
            alert.acknowledged_by = by("Ada Sample");
        };
        assert_eq!(row(taken), words("Acknowledged", "Ada Sample, 03:12:07"));
        let over = |alert: &mut Alert| (alert.state, alert.closed_by) = (AlertState::Resolved, by("Ada Sample"));
        assert_eq!(row(over), words("Resolved", "Ada Sample"));
        assert_eq!(row(|alert| alert.state = AlertState::Expired), words("Expired", "nobody resolved it"));
        assert_eq!(AlertRow::new(&alert(), &shell(), &names, None).from, "alertmanager · Database");
    }

    fn sample(rows: Vec<AlertRow>) -> ListPage {
        ListPage {
            shell: shell().listening(&["alerts"]),
            slug: "demo".into(),
            here: "/w/demo/alerts?show=live".into(),
            sentence: "One alert waits for an answer".into(),
            standing: "People are paged in order.".into(),
            heading: "Live alerts",
            empty: "Nothing is open.",
            choices: choices(&[("live", "Live")], "live"),
            rows,
            older: Some("/w/demo/alerts?show=live&cursor=1".into()),
        }
    }

    /// A stranger writes the title of an alert.
    #[test]
    fn hostile_titles_stay_text_and_the_list_is_live() {
        let html = checked(&sample(vec![AlertRow::new(&alert(), &shell(), &Names::new(), Some(&chain(vec![step()])))]));
        assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
        assert!(html.contains(r#"data-stream="/w/demo/events?topics=alerts""#));
        assert!(html.contains(r#"hx-trigger="sse:alerts""#) && html.contains("/w/demo/alerts/A-1042"));
        assert!(html.contains("Severity critical"), "the shape has a name");
    }

    #[test]
    fn an_empty_list_says_what_that_means() {
        let html = checked(&sample(Vec::new()));
        assert!(html.contains("Nothing is open.") && html.contains("See the signals"));
    }
}
