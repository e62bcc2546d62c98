//! Webhooks: how they are, what was sent with every try, tests, replays and new secrets. They are configured as resources of the
//! kinds `webhooks` and `account_webhooks`.

use std::time::Duration;

use ::webhooks::{Attempt, Callback, CallbackState, Circuit, Details, Filter, Listed, Rotation};
use access::cap;
use base::{ExposeSecret, WebhookId};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::resources::{explained, ground};
use crate::tag::WEBHOOKS;
use crate::time::At;
use crate::words::{CallbackStateWord, CircuitWord};

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/webhooks", list)
        .doc(
            Doc::new("listWebhooks", WEBHOOKS, "List webhooks with their health")
                .text("Those of the workspace, those of the whole account that it uses when it has none, and the hosts of messages' own addresses (`dlrCallbackUrl`). Without secrets.")
                .lists::<WebhookView>("The webhooks.", false, json!({"items": [example()], "next": null})),
        )
        .get("/api/v1/workspaces/{workspace}/webhooks/{webhook}", get)
        .doc(one(Doc::new("getWebhook", WEBHOOKS, "Read a webhook with its health")).answers::<WebhookView>(
            StatusCode::OK,
            "The webhook.",
            example(),
        ))
        .post("/api/v1/workspaces/{workspace}/webhooks/{webhook}/test", test)
        .doc(
            one(Doc::new("testWebhook", WEBHOOKS, "Send a test"))
                .text("A callback like any other, of the event `webhook_test`. What came of it is read by its number.")
                .answers::<TestedView>(StatusCode::ACCEPTED, "It is on its way.", json!({"callback": 4711})),
        )
        .post("/api/v1/workspaces/{workspace}/webhooks/{webhook}/ask", ask)
        .doc(
            one(Doc::new("askWebhook", WEBHOOKS, "Ask a webhook now that is left alone"))
                .text("While its circuit is open a webhook is asked now and then; this asks at once. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is asked."),
        )
        .post("/api/v1/workspaces/{workspace}/webhooks/{webhook}/rotate", rotate)
        .shows_secret()
        .doc(
            one(Doc::new("rotateWebhookSecret", WEBHOOKS, "Renew the signing secret"))
                .text("Draws a new one, shown once. The old one signs too for the overlap. Audited.")
                .reads::<Rotate>(json!({"overlapHours": 24, "reason": "Quarterly"}))
                .answers::<RotatedView>(
                    StatusCode::OK,
                    "The new secret.",
                    json!({"secret": "whsec_…", "oldUntil": "2026-10-24T01:12:07.214Z"}),
                ),
        )
        .post("/api/v1/workspaces/{workspace}/webhooks/{webhook}/replay", replay_all)
        .doc(
            one(Doc::new("replayWebhook", WEBHOOKS, "Send again what was given up"))
                .text("Every callback that this webhook gave up and that is not older than `since`; 30 days at most. Audited.")
                .reads::<Since>(json!({"since": "2026-10-22T00:00:00Z"}))
                .answers::<ReplayedView>(StatusCode::OK, "How many are sent again.", json!({"replayed": 12})),
        )
        .get("/api/v1/workspaces/{workspace}/callbacks", callbacks)
        .doc(
            Doc::new("listCallbacks", WEBHOOKS, "List callbacks")
                .text("Newest first, without what they say.")
                .query::<Wanted>()
                .lists::<CallbackView>("The callbacks.", true, json!({"items": [callback_example()], "next": "4711"})),
        )
        .get("/api/v1/workspaces/{workspace}/callbacks/{callback}", callback)
        .doc(
            Doc::new("getCallback", WEBHOOKS, "Read a callback with its tries")
                .path("callback", "The callback's number.", "4711")
                .answers::<DetailsView>(StatusCode::OK, "The callback.", details_example()),
        )
        .post("/api/v1/workspaces/{workspace}/callbacks/{callback}/replay", replay)
        .doc(
            Doc::new("replayCallback", WEBHOOKS, "Send a callback again")
                .text("Under the same `webhook-id`, for another 72 hours; up to 30 days after it was made. Audited.")
                .path("callback", "The callback's number.", "4711")
                .answers_nothing(StatusCode::NO_CONTENT, "It is sent again."),
        )
}

fn one(doc: Doc) -> Doc {
    doc.path("webhook", "The webhook's id.", ID)
}

fn example() -> Value {
    json!({
        "id": ID, "name": "app", "scope": "workspace", "url": "https://app.example.com/sms", "enabled": true,
        "events": ["receipts", "inbound"], "authorization": "header", "circuit": "closed", "circuitReason": null,
        "circuitSince": null, "nextProbe": null, "failures": 0, "failingSince": null,
        "lastSuccess": "2026-10-23T01:12:07.214Z", "lastFailure": null, "lastError": null, "waiting": 0, "givenUp": 0,
        "secretSince": "2026-09-01T08:00:00.000Z", "oldSecretUntil": null,
    })
}

fn callback_example() -> Value {
    json!({
        "id": 4711, "webhookId": "evt_019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "webhook": ID, "webhookName": "app",
        "event": "outbound_message_status_changed", "subject": ID, "state": "delivered",
        "created": "2026-10-23T01:12:07.214Z", "due": "2026-10-23T01:12:07.214Z", "giveUpAt": "2026-10-26T01:12:07.214Z",
        "done": "2026-10-23T01:12:07.301Z", "attempts": 1, "status": 200, "error": null,
    })
}

fn details_example() -> Value {
    let mut example = callback_example();
    example["size"] = json!(412);
    example["headers"] = json!([{"name": "webhook-id", "value": "evt_019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"}]);
    example["tries"] = json!([{
        "number": 1, "at": "2026-10-23T01:12:07.220Z", "durationMs": 81, "status": 200, "error": null, "beginning": null,
    }]);
    example
}

/// A webhook with its health, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
struct WebhookView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: WebhookId,
    /// Its name; host and port for messages' own addresses.
    name: String,
    /// `workspace`, `account`, or `message` for messages' own addresses.
    scope: &'static str,
    /// Where callbacks go; null for messages' own addresses.
    url: Option<String>,
    /// Whether they are sent.
    enabled: bool,
    /// What it hears of: `receipts`, `inbound`.
    events: Vec<String>,
    /// How we prove ourselves besides the signature: `none`, `header` or `oauth`.
    authorization: &'static str,
    /// Whether callbacks go to it now.
    #[schema(value_type = CircuitWord)]
    circuit: Circuit,
    /// Why the circuit is as it is.
    circuit_reason: Option<String>,
    /// Since when.
    circuit_since: Option<At>,
    /// When it is asked again, while the circuit is open.
    next_probe: Option<At>,
    /// Failures in a row.
    failures: u32,
    /// Since when it fails.
    failing_since: Option<At>,
    /// When it took something last.
    last_success: Option<At>,
    /// When it failed last.
    last_failure: Option<At>,
    /// How it failed last.
    last_error: Option<String>,
    /// Callbacks that wait, counted up to 1000.
    waiting: u64,
    /// Callbacks that were given up in the last 30 days, counted up to 1000.
    given_up: u64,
    /// Since when its signing secret counts.
    secret_since: Option<At>,
    /// Until when the old one signs too.
    old_secret_until: Option<At>,
}

impl From<Listed> for WebhookView {
    fn from(listed: Listed) -> Self {
        let (webhook, health) = (listed.webhook.clone(), listed.webhook.health);
        let open = health.circuit == Circuit::Open;
        Self {
            id: webhook.id,
            name: webhook.name,
            scope: if webhook.own {
                "message"
            } else if webhook.workspace.is_none() {
                "account"
            } else {
                "workspace"
            },
            url: Some(webhook.url).filter(|url| !url.is_empty()),
            enabled: webhook.enabled,
            events: webhook.events,
            authorization: if webhook.has_authorization {
                "header"
            } else if webhook.token_url.is_some() {
                "oauth"
            } else {
                "none"
            },
            circuit: health.circuit,
            circuit_reason: health.reason,
            circuit_since: health.since.map(At),
            next_probe: health.probe_at.filter(|_| open).map(At),
            failures: health.failures,
            failing_since: health.failing_since.map(At),
            last_success: health.last_success.map(At),
            last_failure: health.last_failure.map(At),
            last_error: health.last_error,
            waiting: listed.waiting,
            given_up: listed.given_up,
            secret_since: listed.secret_since.map(At),
            old_secret_until: listed.old_secret_until.map(At),
        }
    }
}

/// A callback, without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Callback)]
struct CallbackView {
    /// Its number.
    id: i64,
    /// Its `webhook-id`: the same over all tries.
    webhook_id: String,
    /// The webhook it goes to.
    #[schema(value_type = Uuid)]
    webhook: WebhookId,
    /// What that is called.
    webhook_name: String,
    /// The event.
    event: String,
    /// The id of the message it is about.
    subject: String,
    /// Where it stands.
    #[schema(value_type = CallbackStateWord)]
    state: CallbackState,
    /// When it was made.
    created: At,
    /// When it is or was tried next.
    due: At,
    /// Until when it is tried.
    give_up_at: At,
    /// When it came to its end.
    done: Option<At>,
    /// How often it was tried.
    attempts: u32,
    /// What the receiver answered last.
    status: Option<u16>,
    /// Why the last try failed.
    error: Option<String>,
}

impl From<Callback> for CallbackView {
    fn from(one: Callback) -> Self {
        Self {
            id: one.id,
            webhook_id: one.uid,
            webhook: one.webhook,
            webhook_name: one.webhook_name,
            event: one.event,
            subject: one.subject,
            state: one.state,
            created: At(one.created_at),
            due: At(one.due_at),
            give_up_at: At(one.give_up_at),
            done: one.done_at.map(At),
            attempts: one.attempts,
            status: one.status,
            error: one.error,
        }
    }
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallbackTry)]
struct TryView {
    /// From 1.
    number: u32,
    /// When.
    at: At,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// What the receiver answered.
    status: Option<u16>,
    /// Why it failed.
    error: Option<String>,
    /// The beginning of the answer of one that failed, masked.
    beginning: Option<String>,
}

impl From<Attempt> for TryView {
    fn from(one: Attempt) -> Self {
        Self {
            number: one.number,
            at: At(one.at),
            duration_ms: one.duration_ms,
            status: one.status,
            error: one.error,
            beginning: one.beginning,
        }
    }
}

/// A header as it was sent, without secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallbackHeader)]
struct HeaderView {
    /// Its name.
    name: String,
    /// Its value; `•••` in place of a secret.
    value: String,
}

/// A callback with its tries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallbackDetails)]
struct DetailsView {
    /// The callback.
    #[serde(flatten)]
    callback: CallbackView,
    /// How many octets its body has.
    size: u64,
    /// The headers it is sent with.
    headers: Vec<HeaderView>,
    /// Its tries, in order.
    tries: Vec<TryView>,
}

impl From<Details> for DetailsView {
    fn from(details: Details) -> Self {
        Self {
            callback: details.callback.into(),
            size: details.size,
            headers: details.headers.into_iter().map(|(name, value)| HeaderView { name, value }).collect(),
            tries: details.attempts.into_iter().map(TryView::from).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    webhook: WebhookId,
}

async fn list(guard: InWorkspace<cap::IntegrationsRead>, State(api): State<Api>) -> Answer<Json<List<WebhookView>>> {
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    let all = api.db.read(move |tx| webhooks.list(tx, &permit)).await?;
    Ok(Json(List::whole(all.into_iter().map(WebhookView::from).collect())))
}

async fn get(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<WebhookView>> {
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    let one = api.db.read(move |tx| webhooks.get(tx, &permit, named.webhook)).await?;
    Ok(Json(found(one, "webhook")?.into()))
}

/// A test that is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestedWebhook)]
struct TestedView {
    /// The number of its callback.
    callback: i64,
}

async fn test(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<(StatusCode, Json<TestedView>)> {
    let (webhooks, name, permit) = (api.webhooks.clone(), guard.name().to_owned(), guard.into_permit());
    let callback = api
        .db
        .write(move |tx| {
            let body = crate::callbacks::test(&name, tx.now());
            webhooks.test(tx, &permit, named.webhook, permit.workspace(), &body)
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(TestedView { callback })))
}

async fn ask(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<StatusCode> {
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    api.db.write(move |tx| webhooks.ask_now(tx, &permit, named.webhook)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How to renew the secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = RotateWebhookSecret)]
struct Rotate {
    /// Hours for which the old one signs too, 0 to 168; 24 when left out.
    #[serde(default)]
    #[schema(maximum = 168)]
    overlap_hours: Option<u32>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// What the change stands on, in a controlled workspace.
    #[serde(default)]
    change: Option<String>,
}

/// A new secret. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RotatedWebhookSecret)]
struct RotatedView {
    /// The secret.
    secret: String,
    /// Until when the old one signs too; null when it ended at once.
    old_until: Option<At>,
}

async fn rotate(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Json(wanted): Json<Rotate>,
) -> Answer<Json<RotatedView>> {
    let rotation = Rotation {
        webhook: named.webhook,
        overlap: wanted.overlap_hours.map_or(Rotation::OVERLAP, |hours| Duration::from_hours(hours.into())),
        ground: ground(wanted.change.as_deref()).map_err(explained)?,
        reason: wanted.reason,
    };
    let (webhooks, resources, permit) = (api.webhooks.clone(), api.resources.clone(), guard.into_permit());
    let rotated = api.db.write(move |tx| webhooks.rotate(tx, &resources, &permit, &rotation)).await?;
    Ok(Json(RotatedView { secret: rotated.secret.expose_secret().to_owned(), old_until: rotated.old_until.map(At) }))
}

/// From when on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReplayWebhook)]
struct Since {
    /// Callbacks that were made at or after this.
    since: At,
}

/// How many are sent again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedWebhook)]
struct ReplayedView {
    /// How many.
    replayed: u64,
}

async fn replay_all(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Json(Since { since: At(since) }): Json<Since>,
) -> Answer<Json<ReplayedView>> {
    let replayed = api.webhooks.replay_given_up(guard.permit(), named.webhook, since).await?;
    Ok(Json(ReplayedView { replayed }))
}

/// Which callbacks are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CallbackQuery)]
struct Wanted {
    /// Only those to this webhook.
    #[schema(value_type = Option<Uuid>)]
    webhook: Option<WebhookId>,
    /// Only those in this state.
    #[schema(value_type = Option<CallbackStateWord>)]
    state: Option<CallbackState>,
    /// Only those about this message.
    subject: Option<String>,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
    _cursor: TakenElsewhere,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
}

async fn callbacks(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<CallbackView>>> {
    let filter = Filter { webhook: wanted.webhook, state: wanted.state, subject: wanted.subject };
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    let page = api.db.read(move |tx| webhooks.callbacks(tx, &permit, &filter, &page)).await?;
    Ok(Json(List::of(page, CallbackView::from)))
}

#[derive(Debug, Deserialize)]
struct Numbered {
    callback: i64,
}

async fn callback(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
    Path(named): Path<Numbered>,
) -> Answer<Json<DetailsView>> {
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    let details = api.db.read(move |tx| webhooks.callback(tx, &permit, named.callback)).await?;
    Ok(Json(found(details, "callback")?.into()))
}

async fn replay(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Numbered>,
) -> Answer<StatusCode> {
    let (webhooks, permit) = (api.webhooks.clone(), guard.into_permit());
    api.db.write(move |tx| webhooks.replay(tx, &permit, named.callback)).await?;
    Ok(StatusCode::NO_CONTENT)
}
