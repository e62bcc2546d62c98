//! Integrations: what they are, commands that send to them, tests, and new credentials.

use std::time::Duration;

use ::signals::{Auth, CredentialRow, Integration, Rotation, Sample, examples};
use access::cap;
use base::{ExposeSecret, IntegrationId};
use http::doc::{Doc, Document};
use http::{Answer, InWorkspace, Json, Path, Raw, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::activity::Sent;
use crate::body::{List, found, optional};
use crate::resources::{explained, ground};
use crate::tag::INTEGRATIONS;
use crate::time::At;
use crate::words::AuthWord;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/integrations", list)
        .doc(
            Doc::new("listIntegrations", INTEGRATIONS, "List integrations")
                .text("By name, without their credentials' values.")
                .lists::<IntegrationView>("The integrations.", false, json!({"items": [example()], "next": null})),
        )
        .get("/api/v1/workspaces/{workspace}/integrations/{integration}", get)
        .doc(
            one(Doc::new("getIntegration", INTEGRATIONS, "Read an integration"))
                .answers::<IntegrationView>(StatusCode::OK, "The integration.", example()),
        )
        .get("/api/v1/workspaces/{workspace}/integrations/{integration}/examples", commands)
        .doc(
            one(Doc::new("listIntegrationExamples", INTEGRATIONS, "Read commands that send to an integration"))
                .text("For each way of proving the sender, in curl, Python and PowerShell, with a placeholder for the secret.")
                .lists::<ExampleView>("The commands.", false, json!({"items": [{
                    "language": "curl", "method": "url_token", "text": "curl …",
                }], "next": null})),
        )
        .post("/api/v1/workspaces/{workspace}/integrations/{integration}/test", test)
        .doc(
            one(Doc::new("testIntegration", INTEGRATIONS, "Send a test signal"))
                .text("A real signal: it is mapped, its flow runs and pages whom it pages. Marked as a test in the activity. Without a body the mapping's own sample is sent.")
                .reads::<Test>(json!({"contentType": "application/json", "body": "{\"title\": \"A test\"}"}))
                .or_nothing()
                .answers::<Sent>(StatusCode::ACCEPTED, "The signal is on disk.", json!({"requestId": ID})),
        )
        .post("/api/v1/workspaces/{workspace}/integrations/{integration}/rotate", rotate)
        .shows_secret()
        .doc(
            one(Doc::new("rotateIntegrationSecret", INTEGRATIONS, "Renew a credential"))
                .text("Draws a new one, shown once. The old one works on for the overlap. Audited.")
                .reads::<Rotate>(json!({"method": "url_token", "overlapHours": 24, "reason": "Quarterly"}))
                .answers::<RotatedView>(StatusCode::OK, "The new credential.", json!({
                    "method": "url_token", "user": null, "secret": "loudhailer_signal_…",
                    "oldUntil": "2026-10-24T01:12:07.214Z",
                })),
        )
        .post("/api/v1/workspaces/{workspace}/integrations/{integration}/retire", retire)
        .doc(
            one(Doc::new("retireIntegrationSecret", INTEGRATIONS, "End the old credential now"))
                .text("Before the overlap's end, as after a leak. Audited.")
                .reads::<Retire>(json!({"method": "url_token", "reason": "It was in a log"}))
                .answers::<RetiredView>(StatusCode::OK, "How many ended.", json!({"ended": 1})),
        )
}

fn one(doc: Doc) -> Doc {
    doc.path("integration", "The integration's id.", ID)
}

fn example() -> Value {
    json!({
        "id": ID, "name": "prometheus", "auth": ["url_token"], "user": null, "mapping": "alertmanager", "flow": "page",
        "enabled": true, "ratePerMinute": 600, "keepDays": 90, "keepRefusedDays": 30,
        "credentials": [{
            "method": "url_token", "origin": "drawn", "created": "2026-09-01T08:00:00.000Z", "expires": null,
            "lastUsed": "2026-10-23T01:12:00.000Z",
        }],
        "lastSignal": "2026-10-23T01:12:07.180Z",
    })
}

/// One integration, never its credentials' values.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Integration)]
struct IntegrationView {
    /// Its id: the last part of its address.
    #[schema(value_type = Uuid)]
    id: IntegrationId,
    /// Its name.
    name: String,
    /// How senders may prove themselves.
    #[schema(value_type = Vec<AuthWord>)]
    auth: Vec<Auth>,
    /// The user name of HTTP Basic, where that is a way.
    user: Option<String>,
    /// The mapping that reads its signals.
    mapping: String,
    /// The flow that its events start.
    flow: String,
    /// Whether it takes signals.
    enabled: bool,
    /// Signals a minute at most.
    rate_per_minute: u32,
    /// Days for which accepted signals are kept.
    keep_days: u32,
    /// Days for which refused requests are kept.
    keep_refused_days: u32,
    /// Its credentials that still count, newest first.
    credentials: Vec<CredentialView>,
    /// When the last signal came in.
    last_signal: Option<At>,
}

/// One credential, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntegrationCredential)]
struct CredentialView {
    /// What it is used for.
    #[schema(value_type = AuthWord)]
    method: Auth,
    /// `drawn` by us or `imported`.
    origin: String,
    /// Since when it counts.
    created: At,
    /// Until when, for the old one of a rotation.
    expires: Option<At>,
    /// When it was last used, to the minute.
    last_used: Option<At>,
}

impl From<CredentialRow> for CredentialView {
    fn from(row: CredentialRow) -> Self {
        Self {
            method: row.method,
            origin: row.origin,
            created: At(row.created),
            expires: row.expires.map(At),
            last_used: row.last_used.map(At),
        }
    }
}

impl From<Integration> for IntegrationView {
    fn from(one: Integration) -> Self {
        Self {
            id: one.id,
            name: one.name,
            user: one.auth.contains(&Auth::Basic).then_some(one.user),
            auth: one.auth,
            mapping: one.mapping,
            flow: one.flow,
            enabled: one.enabled,
            rate_per_minute: one.rate_per_minute,
            keep_days: one.keep_days,
            keep_refused_days: one.keep_refused_days,
            credentials: one.credentials.into_iter().map(CredentialView::from).collect(),
            last_signal: one.last_signal.map(At),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    integration: IntegrationId,
}

async fn list(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
) -> Answer<Json<List<IntegrationView>>> {
    let all = api.signals.integrations(guard.permit()).await?;
    Ok(Json(List::whole(all.into_iter().map(IntegrationView::from).collect())))
}

async fn get(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<IntegrationView>> {
    let one = api.signals.integration(guard.permit(), named.integration).await?;
    Ok(Json(found(one, "integration")?.into()))
}

/// A command that sends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntegrationExample)]
struct ExampleView {
    /// `curl`, `Python` or `PowerShell`.
    language: &'static str,
    /// How it proves its sender.
    #[schema(value_type = AuthWord)]
    method: Auth,
    /// The command.
    text: String,
}

async fn commands(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    document: Document,
) -> Answer<Json<List<ExampleView>>> {
    let one = api.signals.integration(guard.permit(), named.integration).await?;
    let all = examples(&found(one, "integration")?, document.public_url(), None);
    let view = |one: ::signals::Example| ExampleView { language: one.language, method: one.method, text: one.text };
    Ok(Json(List::whole(all.into_iter().map(view).collect())))
}

/// What a test sends.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = TestSignal)]
struct Test {
    /// The media type of the body; guessed from it when left out.
    #[serde(default)]
    content_type: Option<String>,
    /// The body; the mapping's own sample when left out.
    #[serde(default)]
    body: Option<String>,
}

async fn test(
    guard: InWorkspace<cap::SignalsSend>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    body: Raw,
) -> Answer<(StatusCode, Json<Sent>)> {
    let Test { content_type, body } = optional(&body)?;
    let sample = body.map(|body| {
        let mut sample = Sample::of(body);
        if let Some(content_type) = content_type {
            sample.content_type = content_type;
        }
        sample
    });
    let accepted = api.signals.test(guard.permit(), named.integration, sample).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { request_id: accepted.request_id })))
}

/// Which credential to renew, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = RotateIntegrationSecret)]
struct Rotate {
    /// Which one.
    #[schema(value_type = AuthWord)]
    method: Auth,
    /// Hours for which the old one works on, 0 to 168; 24 when left out.
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

/// A new credential. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RotatedIntegrationSecret)]
struct RotatedView {
    /// What it is used for.
    #[schema(value_type = AuthWord)]
    method: Auth,
    /// The user name that goes with a password.
    user: Option<String>,
    /// The new value.
    secret: String,
    /// Until when the old one works on; null when it ended at once.
    old_until: Option<At>,
}

async fn rotate(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Json(wanted): Json<Rotate>,
) -> Answer<Json<RotatedView>> {
    let rotation = Rotation {
        integration: named.integration,
        method: wanted.method,
        overlap: wanted.overlap_hours.map_or(Rotation::OVERLAP, |hours| Duration::from_hours(hours.into())),
        ground: ground(wanted.change.as_deref()).map_err(explained)?,
        reason: wanted.reason,
    };
    let rotated = api.signals.rotate(&api.resources, guard.permit(), rotation).await?;
    Ok(Json(RotatedView {
        method: rotated.method,
        user: rotated.user,
        secret: rotated.secret.expose_secret().to_owned(),
        old_until: rotated.old_until.map(At),
    }))
}

/// Which old credential to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetireIntegrationSecret)]
struct Retire {
    /// Which one.
    #[schema(value_type = AuthWord)]
    method: Auth,
    /// Why, for the audit log.
    #[serde(default)]
    reason: Option<String>,
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetiredIntegrationSecret)]
struct RetiredView {
    /// How many old credentials ended.
    ended: u64,
}

async fn retire(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Json(wanted): Json<Retire>,
) -> Answer<Json<RetiredView>> {
    let ended = api.signals.retire(guard.permit(), named.integration, wanted.method, wanted.reason).await?;
    Ok(Json(RetiredView { ended }))
}
