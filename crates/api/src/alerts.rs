//! Alerts: list, one, its timeline, and the answers.

use ::alerts::{
    Alert, Answer as Given, Answered, By, Entry, Filter, Outcome, Priority, State as AlertState, parse_alert_name,
};
use access::{Permit, cap};
use base::{AlertId, IntegrationId, RunId, SignalId};
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Raw, Refusal, Routes, State};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::body::{List, TakenElsewhere, found, optional};
use crate::time::{At, no_such};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/alerts", list)
        .get("/api/v1/workspaces/{workspace}/alerts/{alert}", get)
        .get("/api/v1/workspaces/{workspace}/alerts/{alert}/timeline", timeline)
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/acknowledge", acknowledge)
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/pass-on", pass_on)
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/resolve", resolve)
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/undo", undo)
}

/// Who did something.
#[derive(Debug, Serialize)]
struct ByView {
    name: String,
    via: ::alerts::Via,
}

impl From<By> for ByView {
    fn from(by: By) -> Self {
        Self { name: by.name, via: by.via }
    }
}

/// An alert as callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertView {
    id: AlertId,
    /// `A-1042`.
    name: String,
    number: i64,
    state: AlertState,
    priority: Priority,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    link: Option<String>,
    group: String,
    key: Option<String>,
    integration: Option<IntegrationId>,
    signal: Option<SignalId>,
    run: Option<RunId>,
    opened: At,
    changed: At,
    acknowledged: Option<At>,
    acknowledged_by: Option<ByView>,
    closed: Option<At>,
    closed_by: Option<ByView>,
    note: Option<String>,
    expires: At,
    joined: i64,
    next_page: Option<At>,
    next_person: Option<String>,
    unanswered: bool,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            name: alert.name(),
            id: alert.id,
            number: alert.number,
            state: alert.state,
            priority: alert.priority,
            title: alert.title,
            text: alert.text,
            link: alert.link,
            group: alert.group,
            key: alert.key,
            integration: alert.integration,
            signal: alert.signal,
            run: alert.run,
            opened: At(alert.opened),
            changed: At(alert.changed),
            acknowledged: alert.acknowledged.map(At),
            acknowledged_by: alert.acknowledged_by.map(ByView::from),
            closed: alert.closed.map(At),
            closed_by: alert.closed_by.map(ByView::from),
            note: alert.note,
            expires: At(alert.expires),
            joined: alert.joined,
            next_page: alert.next_page.map(At),
            next_person: alert.next_person,
            unanswered: alert.unanswered,
        }
    }
}

/// A line of the timeline.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    number: i64,
    at: At,
    after_seconds: f64,
    kind: &'static str,
    knot: ::alerts::Knot,
    headline: String,
    detail: Option<String>,
    why: Vec<String>,
    alarming: bool,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            number: entry.number,
            at: At(entry.at),
            after_seconds: entry.after.as_secs_f64(),
            kind: entry.kind,
            knot: entry.knot,
            headline: entry.headline,
            detail: entry.detail,
            why: entry.why,
            alarming: entry.alarming,
        }
    }
}

/// What an answer did.
#[derive(Debug, Serialize)]
struct AnsweredView {
    id: AlertId,
    name: String,
    number: i64,
    state: AlertState,
    outcome: &'static str,
    /// Who is paged next, when the answer makes somebody be paged.
    next: Option<String>,
}

impl From<Answered> for AnsweredView {
    fn from(answered: Answered) -> Self {
        let (outcome, next) = match answered.outcome {
            Outcome::Acknowledged => ("acknowledged", None),
            Outcome::AlreadyYours => ("already_yours", None),
            Outcome::PassedOn { next } => ("passed_on", next),
            Outcome::Resolved => ("resolved", None),
            Outcome::AlreadyOver => ("already_over", None),
            Outcome::Undone { next } => ("undone", next),
        };
        let name = format!("A-{}", answered.number);
        Self { id: answered.id, name, number: answered.number, state: answered.state, outcome, next }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    state: Vec<AlertState>,
    integration: Option<IntegrationId>,
    signal: Option<SignalId>,
    #[serde(default, rename = "limit")]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    _cursor: TakenElsewhere,
}

#[derive(Debug, Deserialize)]
struct Named {
    alert: String,
}

impl Named {
    /// The id, whether the path gave it or the number.
    async fn id(&self, api: &Api, permit: Permit<cap::AlertsRead>) -> Answer<AlertId> {
        match parse_alert_name(&self.alert) {
            Some(number) => Ok(found(api.alerts.by_number(permit, number).await?, "alert")?.id),
            None => self.alert.parse().map_err(|_| Refusal::new(no_such("alert"))),
        }
    }
}

async fn list(
    guard: InWorkspace<cap::AlertsRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<AlertView>>> {
    let filter =
        Filter { states: wanted.state, integration: wanted.integration, signal: wanted.signal, ..Filter::default() };
    let page = api.alerts.list(guard.into_permit(), filter, page).await?;
    Ok(Json(List::of(page, AlertView::from)))
}

async fn get(
    guard: InWorkspace<cap::AlertsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<AlertView>> {
    let id = named.id(&api, guard.permit().clone()).await?;
    let alert = api.alerts.get(guard.into_permit(), id).await?;
    Ok(Json(found(alert, "alert")?.into()))
}

async fn timeline(
    guard: InWorkspace<cap::AlertsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<List<EntryView>>> {
    let id = named.id(&api, guard.permit().clone()).await?;
    let entries = api.alerts.timeline(guard.into_permit(), id).await?;
    Ok(Json(List::whole(entries.into_iter().map(EntryView::from).collect())))
}

async fn answer(
    api: &Api,
    guard: InWorkspace<cap::AlertsAnswer>,
    named: &Named,
    given: Given,
) -> Answer<Json<AnsweredView>> {
    let id = named.id(api, guard.permit().also()?).await?;
    Ok(Json(api.alerts.answer(guard.into_permit(), id, given).await?.into()))
}

async fn acknowledge(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<AnsweredView>> {
    answer(&api, guard, &named, Given::Acknowledge).await
}

async fn pass_on(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<AnsweredView>> {
    answer(&api, guard, &named, Given::PassOn).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolution {
    #[serde(default)]
    note: Option<String>,
}

async fn resolve(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    body: Raw,
) -> Answer<Json<AnsweredView>> {
    let Resolution { note } = optional(&body)?;
    answer(&api, guard, &named, Given::Resolve { note }).await
}

async fn undo(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<AnsweredView>> {
    answer(&api, guard, &named, Given::Undo).await
}
