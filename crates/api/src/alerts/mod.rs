//! Alerts: list, search, open, one, its timeline, and the answers.

mod docs;
mod views;

use ::alerts::{Answer as Given, Filter, NewAlert, Opened, Priority, State as AlertState, parse_alert_name};
use access::{Permit, cap};
use base::{AlertId, IntegrationId, SignalId};
use http::{
    Answer, Attempt, InWorkspace, Json, PageQuery, Path, Query, Raw, Refusal, Reply, Response, Routes, State,
    StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere, found, optional};
use crate::time::{At, no_such};
use crate::words::{AlertStateWord, PriorityWord};
use views::{AlertView, AnsweredView, EntryView};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/alerts", list)
        .doc(docs::list())
        .post("/api/v1/workspaces/{workspace}/alerts", open)
        .atomic()
        .doc(docs::open())
        .get("/api/v1/workspaces/{workspace}/alerts/{alert}", get)
        .doc(docs::get())
        .get("/api/v1/workspaces/{workspace}/alerts/{alert}/timeline", timeline)
        .doc(docs::timeline())
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/acknowledge", acknowledge)
        .atomic()
        .doc(docs::acknowledge())
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/pass-on", pass_on)
        .atomic()
        .doc(docs::pass_on())
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/resolve", resolve)
        .atomic()
        .doc(docs::resolve())
        .post("/api/v1/workspaces/{workspace}/alerts/{alert}/undo", undo)
        .atomic()
        .doc(docs::undo())
}

/// Which alerts to list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those in this state; may be given several times.
    #[serde(default)]
    #[schema(value_type = Vec<AlertStateWord>, required = false)]
    state: Vec<AlertState>,
    /// Only those of this priority; may be given several times.
    #[serde(default)]
    #[schema(value_type = Vec<PriorityWord>, required = false)]
    priority: Vec<Priority>,
    /// Only those that page this group.
    group: Option<String>,
    /// Only those with exactly this deduplication key.
    key: Option<String>,
    /// Only those caused by this integration.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// Only those that this signal opened or joined.
    #[schema(value_type = Option<Uuid>)]
    signal: Option<SignalId>,
    /// Only those in which each of these words stands, in any case: in the name, the title, the key or the group.
    #[schema(max_length = 200)]
    q: Option<String>,
    /// Only those opened at or after this.
    since: Option<At>,
    /// Only those opened before this.
    until: Option<At>,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
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
    let filter = Filter {
        states: wanted.state,
        integration: wanted.integration,
        signal: wanted.signal,
        priorities: wanted.priority,
        group: wanted.group,
        key: wanted.key,
        search: wanted.q,
        since: wanted.since.map(|At(at)| at),
        until: wanted.until.map(|At(at)| at),
    };
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

/// An alert to be opened by hand or by a program.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAlert)]
struct NewBody {
    /// One line, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    title: String,
    /// What is known, up to 20,000 characters.
    #[serde(default)]
    #[schema(max_length = 20_000)]
    text: String,
    /// How urgent it is.
    #[schema(value_type = PriorityWord)]
    priority: Priority,
    /// The group that is paged, by name.
    group: String,
    /// Deduplication key, of all alerts that are opened without an integration.
    #[serde(default)]
    key: Option<String>,
    /// What the SMS says in place of the title.
    #[serde(default)]
    sms: Option<String>,
    /// Where to read on.
    #[serde(default)]
    link: Option<String>,
}

/// What became of opening.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenedAlert)]
struct OpenedView {
    /// The alert, new or joined.
    #[schema(value_type = Uuid)]
    id: AlertId,
    /// Its name.
    name: String,
    /// Its number.
    number: i64,
    /// Whether it lived already; then nobody is paged.
    joined: bool,
}

impl From<Opened> for OpenedView {
    fn from(opened: Opened) -> Self {
        let name = format!("A-{}", opened.number);
        Self { id: opened.id, name, number: opened.number, joined: opened.joined }
    }
}

async fn open(
    guard: InWorkspace<cap::AlertsOpen>,
    State(api): State<Api>,
    attempt: Attempt,
    Json(new): Json<NewBody>,
) -> Answer<Response> {
    let (alerts, permit) = (api.alerts.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let new = new.clone();
        let new = NewAlert {
            workspace: permit.workspace(),
            integration: None,
            signal: None,
            run: None,
            key: new.key,
            priority: new.priority,
            title: new.title,
            text: new.text,
            sms: new.sms,
            link: new.link,
            group: new.group,
            expires_in: None,
        };
        let opened = alerts.open(tx, &permit, new)?;
        // An alert that opens is in the audit log by `alerts`; signals that join are too many for it, a caller who joins is not.
        if opened.joined {
            audit::record(
                tx,
                audit::Entry {
                    actor: permit.actor(),
                    workspace: Some(permit.workspace()),
                    action: "alert.open",
                    target: ("alert", &opened.id.to_string()),
                    outcome: audit::Outcome::Success,
                    reason: None,
                    changes: Some(serde_json::json!({ "joined": true })),
                },
            )
            .map_err(Failed::Audit)?;
        }
        Ok::<_, Failed>(Reply::json(StatusCode::CREATED, &OpenedView::from(opened)))
    };
    attempt.write(&api.db, Failed::explain, effect).await
}

/// Why an alert could not be opened.
enum Failed {
    Alert(::alerts::Error),
    Audit(audit::Error),
}

impl Failed {
    fn explain(self) -> Refusal {
        match self {
            Self::Alert(error) => error.into(),
            Self::Audit(error) => error.into(),
        }
    }
}

impl From<::alerts::Error> for Failed {
    fn from(error: ::alerts::Error) -> Self {
        Self::Alert(error)
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        Self::Alert(error.into())
    }
}

async fn answer(
    api: &Api,
    guard: InWorkspace<cap::AlertsAnswer>,
    attempt: Attempt,
    named: &Named,
    given: Given,
) -> Answer<Response> {
    let id = named.id(api, guard.permit().also()?).await?;
    let (alerts, permit) = (api.alerts.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let answered = match &given {
            Given::Acknowledge => alerts.acknowledge(tx, &permit, id),
            Given::PassOn => alerts.pass_on(tx, &permit, id),
            Given::Resolve { note } => alerts.resolve(tx, &permit, id, note.as_deref()),
            Given::Undo => alerts.undo(tx, &permit, id),
        };
        Ok::<_, ::alerts::Error>(Reply::json(StatusCode::OK, &AnsweredView::from(answered?)))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn acknowledge(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
) -> Answer<Response> {
    answer(&api, guard, attempt, &named, Given::Acknowledge).await
}

async fn pass_on(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
) -> Answer<Response> {
    answer(&api, guard, attempt, &named, Given::PassOn).await
}

/// What was done about an alert.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Resolution {
    /// What was done about it.
    #[serde(default)]
    note: Option<String>,
}

async fn resolve(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
    body: Raw,
) -> Answer<Response> {
    let Resolution { note } = optional(&body)?;
    answer(&api, guard, attempt, &named, Given::Resolve { note }).await
}

async fn undo(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
) -> Answer<Response> {
    answer(&api, guard, attempt, &named, Given::Undo).await
}
