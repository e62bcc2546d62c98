//! The activity of integrations: what came in, what came of it, its payload, and taking it again.

use ::signals::{Activity, Door, Filter, Payload, SignalDetail, SignalState};
use access::cap;
use base::{IntegrationId, RunId, SignalId};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Raw, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere, found, optional};
use crate::tag::SIGNALS;
use crate::time::At;
use crate::words::{SignalDoorWord, SignalStateWord};

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/signals", list)
        .doc(list_doc())
        .get("/api/v1/workspaces/{workspace}/signals/{signal}", get)
        .doc(get_doc())
        .get("/api/v1/workspaces/{workspace}/signals/{signal}/payload", payload)
        .doc(payload_doc())
        .post("/api/v1/workspaces/{workspace}/signals/{signal}/replay", replay)
        .doc(replay_doc())
}

fn example() -> Value {
    json!({
        "id": ID, "integration": ID, "integrationName": "prometheus", "at": "2026-10-23T01:12:07.180Z", "state": "handled",
        "status": 202, "door": "signals", "method": "url_token", "sender": null, "source": "192.0.2.7:52110",
        "userAgent": "Alertmanager/0.28", "bytes": 912, "count": 1, "events": 1, "summary": "Disk full on db-1",
        "key": "disk/db-1", "replayOf": null, "reason": null, "tookSeconds": 0.0021, "handled": "2026-10-23T01:12:07.214Z",
    })
}

fn one(doc: Doc) -> Doc {
    doc.path("signal", "The signal's id: the `requestId` of its answer.", ID)
}

fn list_doc() -> Doc {
    Doc::new("listSignals", SIGNALS, "List and search the activity")
        .text("Every request, newest first, also the refused ones; refusals beyond the first twenty a minute are counted.")
        .query::<Wanted>()
        .lists::<ActivityView>("The activity.", true, json!({"items": [example()], "next": null}))
}

fn get_doc() -> Doc {
    let mut signal = example();
    signal["runs"] = json!([ID]);
    signal["contentType"] = "application/json".into();
    signal["payloadKept"] = true.into();
    signal["replays"] = json!([]);
    one(Doc::new("getSignal", SIGNALS, "Read a signal with what came of it")).answers::<DetailView>(
        StatusCode::OK,
        "The signal.",
        signal,
    )
}

fn payload_doc() -> Doc {
    one(Doc::new("getSignalPayload", SIGNALS, "Copy what the sender sent"))
        .text("Audited: who read it is on record before it is shown.")
        .answers::<PayloadView>(
            StatusCode::OK,
            "The payload.",
            json!({"contentType": "application/json", "body": "{\"title\": \"Disk full on db-1\"}"}),
        )
}

fn replay_doc() -> Doc {
    one(Doc::new("replaySignal", SIGNALS, "Take a recorded signal again"))
        .text("A new signal with the same body, handled by the mapping and the flow as they are now. Audited.")
        .reads::<Replay>(json!({"reason": "The flow was mended"}))
        .or_nothing()
        .answers::<Sent>(StatusCode::ACCEPTED, "The new signal is on disk.", json!({"requestId": ID}))
}

/// A line of the activity log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Signal)]
struct ActivityView {
    /// The signal, or the id drawn for the refused request.
    #[schema(value_type = Uuid)]
    id: SignalId,
    /// The integration.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// Its name now.
    integration_name: Option<String>,
    /// When it came in.
    at: At,
    /// Where it stands.
    #[schema(value_type = SignalStateWord)]
    state: SignalState,
    /// The HTTP status that was answered.
    status: u16,
    /// Which door it came through.
    #[schema(value_type = SignalDoorWord)]
    door: Door,
    /// How the sender proved itself.
    method: String,
    /// Who the sender turned out to be, such as the name of the API key.
    sender: Option<String>,
    /// The address it came from.
    source: Option<String>,
    /// The program that sent it, as it said itself.
    user_agent: Option<String>,
    /// Bytes of the body.
    bytes: u64,
    /// How many requests this line stands for.
    count: u64,
    /// How many events the mapping found.
    events: u32,
    /// The title of the first event.
    summary: Option<String>,
    /// The key of the first event.
    key: Option<String>,
    /// The recorded signal whose body this one took again.
    #[schema(value_type = Option<Uuid>)]
    replay_of: Option<SignalId>,
    /// Why it was refused or failed, or what the mapping had to guess.
    reason: Option<String>,
    /// How long the answer took, with the commit.
    took_seconds: f64,
    /// When the last run was started.
    handled: Option<At>,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            id: activity.id,
            integration: activity.integration,
            integration_name: activity.integration_name,
            at: At(activity.at),
            state: activity.state,
            status: activity.status,
            door: activity.door,
            method: activity.method,
            sender: activity.sender,
            source: activity.source,
            user_agent: activity.user_agent,
            bytes: activity.bytes,
            count: activity.count,
            events: activity.events,
            summary: activity.summary,
            key: activity.key,
            replay_of: activity.replay_of,
            reason: activity.reason,
            took_seconds: activity.took.as_secs_f64(),
            handled: activity.handled.map(At),
        }
    }
}

/// A signal with what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignalDetail)]
struct DetailView {
    #[serde(flatten)]
    activity: ActivityView,
    /// The runs it started, in the order of its events.
    #[schema(value_type = Vec<Uuid>)]
    runs: Vec<RunId>,
    /// The media type of its body.
    content_type: Option<String>,
    /// Whether its body is kept; only then it can be copied or replayed.
    payload_kept: bool,
    /// The signals that took its body again, newest first, the first twenty.
    #[schema(value_type = Vec<Uuid>)]
    replays: Vec<SignalId>,
}

impl From<SignalDetail> for DetailView {
    fn from(detail: SignalDetail) -> Self {
        Self {
            activity: detail.activity.into(),
            runs: detail.runs,
            content_type: detail.content_type,
            payload_kept: detail.payload_kept,
            replays: detail.replays,
        }
    }
}

/// What the sender sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignalPayload)]
struct PayloadView {
    /// The media type as sent.
    content_type: Option<String>,
    /// The body.
    body: String,
}

impl From<Payload> for PayloadView {
    fn from(payload: Payload) -> Self {
        Self { content_type: payload.content_type, body: payload.body }
    }
}

/// A signal that was sent by hand.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SentSignal)]
pub(crate) struct Sent {
    /// The new signal.
    #[schema(value_type = Uuid)]
    pub(crate) request_id: SignalId,
}

/// Which activity to list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only in this state.
    #[schema(value_type = Option<SignalStateWord>)]
    state: Option<SignalState>,
    /// Only of this integration.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// Only through this door: tests, replays.
    #[schema(value_type = Option<SignalDoorWord>)]
    door: Option<Door>,
    /// Only those in which each of these words stands, in any case: in the summary, the key, the reason or the sender.
    #[schema(max_length = 200)]
    q: Option<String>,
    /// Only those that came in at or after this.
    since: Option<At>,
    /// Only those that came in before this.
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
    signal: SignalId,
}

async fn list(
    guard: InWorkspace<cap::SignalsRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<ActivityView>>> {
    let filter = Filter {
        integration: wanted.integration,
        state: wanted.state,
        door: wanted.door,
        since: wanted.since.map(|At(at)| at),
        until: wanted.until.map(|At(at)| at),
        search: wanted.q,
    };
    let page = api.signals.list(guard.permit(), filter, page).await?;
    Ok(Json(List::of(page, ActivityView::from)))
}

async fn get(
    guard: InWorkspace<cap::SignalsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailView>> {
    let detail = api.signals.get(guard.permit(), named.signal).await?;
    Ok(Json(found(detail, "signal")?.into()))
}

async fn payload(
    guard: InWorkspace<cap::SignalPayloadRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<PayloadView>> {
    let payload = api.signals.payload(guard.permit(), named.signal).await?;
    Ok(Json(found(payload, "payload")?.into()))
}

/// Why a signal is taken again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReplaySignal)]
struct Replay {
    /// Why, for the audit log.
    #[serde(default)]
    reason: Option<String>,
}

async fn replay(
    guard: InWorkspace<cap::SignalsSend>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    body: Raw,
) -> Answer<(StatusCode, Json<Sent>)> {
    let Replay { reason } = optional(&body)?;
    let accepted = api.signals.replay(guard.permit(), named.signal, reason).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { request_id: accepted.request_id })))
}
