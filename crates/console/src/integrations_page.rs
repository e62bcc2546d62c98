//! The integrations: who may send signals, how they prove themselves, and how much comes.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{IntegrationId, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, Response};
use signals::{CredentialRow, Integration, Volume};

use crate::Console;
use crate::draw::Draw;
use crate::page::page;
use crate::shell::{Page, Shell};
use crate::spark::Spark;
use crate::zone::{CalendarDay, Zone, age};

/// Days of the charts.
pub const DAYS: u16 = 14;

struct Row {
    href: String,
    name: String,
    knot: Knot,
    state: &'static str,
    methods: String,
    mapping: String,
    flow: String,
    last: Option<Timestamp>,
    last_words: String,
    spark: Spark,
    secret: String,
    /// Whether the old secret of a rotation is still used.
    care: bool,
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    may_write: bool,
    rows: Vec<Row>,
}

/// The last days in the reader's zone, and the moments between them.
pub fn last_days(zone: &Zone, now: Timestamp) -> (Vec<CalendarDay>, Vec<Timestamp>) {
    let days = zone.days(now, DAYS);
    let borders = days.iter().map(|day| day.start).chain(days.last().map(|day| day.end)).collect();
    (days, borders)
}

/// The credentials of an integration in a few words, and whether somebody should look.
pub fn secret_words(credentials: &[CredentialRow], now: Timestamp) -> (String, bool) {
    let newest = credentials.iter().filter(|one| one.expires.is_none()).map(|one| one.created).min();
    let own = match newest {
        Some(at) => format!("{} old", age(now.since(at))),
        None if credentials.is_empty() => "none of its own".to_owned(),
        None => "ends".to_owned(),
    };
    let old = credentials.iter().filter(|one| one.expires.is_some());
    let used = old.clone().filter_map(|one| one.last_used).max();
    match (old.clone().count(), used) {
        (0, _) => (own, false),
        (_, Some(at)) => (format!("{own}; the one before was used {} ago", age(now.since(at))), true),
        (_, None) => (format!("{own}; the one before is not used any more"), false),
    }
}

fn row(
    slug: &str,
    integration: Integration,
    days: &[CalendarDay],
    volumes: Option<&Vec<Volume>>,
    now: Timestamp,
) -> Row {
    let (secret, care) = secret_words(&integration.credentials, now);
    let (knot, state) = match (integration.enabled, integration.last_signal) {
        (false, _) => (Knot::Skipped, "switched off"),
        (true, None) => (Knot::Waiting, "waits for its first signal"),
        (true, Some(_)) => (Knot::Done, "takes signals"),
    };
    Row {
        href: format!("/w/{slug}/integrations/{}", integration.id),
        knot,
        state,
        methods: integration.auth.iter().map(|auth| auth.label()).collect::<Vec<_>>().join(", "),
        last: integration.last_signal,
        last_words: integration.last_signal.map(|at| age(now.since(at))).unwrap_or_default(),
        spark: Spark::new(days, volumes),
        name: integration.name,
        mapping: integration.mapping,
        flow: integration.flow,
        secret,
        care,
    }
}

/// The integrations of the workspace.
pub async fn list(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Integrations).await?.listening(&[signals::TOPIC]);
    let slug = guard.name().to_owned();
    let found = console.signals.integrations(guard.permit()).await?;
    let (days, borders) = last_days(&shell.zone, shell.now);
    let volumes = console.volumes(&guard, None, borders).await?;
    let rows: Vec<Row> = found
        .into_iter()
        .map(|one| {
            let of = volumes.get(&one.id);
            row(&slug, one, &days, of, shell.now)
        })
        .collect();
    let last = rows.iter().filter_map(|row| row.last).max();
    page(&ListPage {
        sentence: match rows.len() {
            0 => "Nothing can send signals yet".to_owned(),
            1 => "One integration takes signals".to_owned(),
            count => format!("{count} integrations take signals"),
        },
        standing: match last {
            Some(at) => format!(
                "The last signal came {} ago. Each integration proves its senders in its own way and starts its own flow.",
                age(shell.now.since(at))
            ),
            None => "Each integration has a URL of its own, proves its senders, and starts a flow.".to_owned(),
        },
        may_write: guard.may(Capability::IntegrationsWrite),
        rows,
        slug,
        shell,
    })
}

impl Console {
    /// How many signals came day by day, for a reader who may know.
    pub async fn volumes<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        integration: Option<IntegrationId>,
        borders: Vec<Timestamp>,
    ) -> Answer<std::collections::HashMap<IntegrationId, Vec<Volume>>> {
        match guard.also::<cap::SignalsRead>() {
            Some(permit) => Ok(self.signals.volumes(&permit, integration, borders).await?),
            None => Ok(std::collections::HashMap::new()),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use signals::Auth;

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    pub fn credential(method: Auth, expires: Option<Timestamp>, last_used: Option<Timestamp>) -> CredentialRow {
        CredentialRow {
            method,
            origin: "drawn".into(),
            created: NOW.minus(Duration::from_hours(72)),
            expires,
            last_used,
            last_source: Some("192.0.2.7".into()),
            last_agent: Some(HOSTILE.into()),
        }
    }

    pub fn integration() -> Integration {
        Integration {
            id: uuid::Uuid::from_u128(2).into(),
            workspace: uuid::Uuid::from_u128(1).into(),
            name: HOSTILE.into(),
            auth: vec![Auth::UrlToken, Auth::Basic],
            user: "monitoring".into(),
            mapping: "alertmanager".into(),
            flow: "page-on-call".into(),
            enabled: true,
            rate_per_minute: 600,
            rotation_hours: 24,
            keep_days: 90,
            keep_refused_days: 30,
            credentials: vec![credential(Auth::UrlToken, None, Some(NOW))],
            last_signal: Some(NOW.minus(Duration::from_mins(3))),
        }
    }

    #[test]
    fn a_secret_says_its_age_and_who_still_uses_the_old_one() {
        let said = |credentials: &[CredentialRow]| secret_words(credentials, NOW);
        let new = credential(Auth::UrlToken, None, None);
        assert_eq!(said(std::slice::from_ref(&new)), ("3 d old".to_owned(), false));
        let used = credential(
            Auth::UrlToken,
            Some(NOW.plus(Duration::from_hours(1))),
            Some(NOW.minus(Duration::from_mins(3))),
        );
        assert_eq!(said(&[new.clone(), used.clone()]), ("3 d old; the one before was used 3 min ago".to_owned(), true));
        let idle = CredentialRow { last_used: None, ..used };
        assert_eq!(said(&[new, idle]), ("3 d old; the one before is not used any more".to_owned(), false));
        assert_eq!(said(&[]).0, "none of its own");
    }

    #[test]
    fn a_line_says_who_sends_and_how_much() {
        let (days, borders) = last_days(&Zone::first_of(["Europe/Berlin"]), NOW);
        assert_eq!(borders.len(), days.len() + 1);
        let page = |rows| ListPage {
            shell: shell().listening(&["signal"]),
            slug: "demo".into(),
            sentence: "One integration".into(),
            standing: "The last signal came 3 min ago.".into(),
            may_write: true,
            rows,
        };
        let html = checked(&page(vec![row("demo", integration(), &days, None, NOW)]));
        for words in
            ["URL token, HTTP Basic", "alertmanager", "page-on-call", "3 min", "class=\"spark\"", "/integrations/new"]
        {
            assert!(html.contains(words), "{words} in {html}");
        }
        let html = checked(&ListPage { may_write: false, ..page(Vec::new()) });
        assert!(!html.contains("/integrations/new") && html.contains("No integration yet"));
    }
}
