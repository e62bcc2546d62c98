//! The doors for machines, and the activity they left.

use ::signals::{
    Accepted, Activity, BODY_LIMIT, Credential, Door, Filter, Payload, Request, SignalDetail, SignalState,
};
use access::cap;
use base::{IntegrationId, RunId, SecretString, SignalId};
use http::{
    Answer, ContentType, HeaderMap, InWorkspace, Json, Method, Open, PageQuery, Path, Query, Raw, Routes, State,
    StatusCode, Uri, header,
};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::time::At;

/// Why nobody signs in at these doors.
const REASON: &str = "machines prove themselves with the integration's own token, which the room of signals checks";

pub(crate) fn doors(routes: Routes<Api>) -> Routes<Api> {
    // `signals` itself says which media types it reads, so that a refusal is in the integration's activity.
    const TYPES: &[ContentType] = &[ContentType::Any];
    routes
        .public(Method::POST, "/signals/{integration}", REASON, signal)
        .limit(BODY_LIMIT)
        .accepts(TYPES)
        .public(Method::POST, "/api/integration/1/functions/{integration}/triggers", REASON, trigger)
        .limit(BODY_LIMIT)
        .accepts(TYPES)
}

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/signals", list)
        .get("/api/v1/workspaces/{workspace}/signals/{signal}", get)
        .get("/api/v1/workspaces/{workspace}/signals/{signal}/payload", payload)
}

/// How the sender proves itself: a token in the URL, as a bearer, or in `X-API-Key`. Two that differ prove nothing.
fn credential(uri: &Uri, headers: &HeaderMap) -> Credential {
    let query = http::form_pairs(uri.query().unwrap_or_default());
    let mut in_url =
        query.filter(|(name, _)| name == "apiKey" || name == "token").map(|(_, value)| SecretString::from(value));
    if let Some(token) = in_url.next() {
        return if in_url.next().is_none() { Credential::UrlToken(token) } else { Credential::None };
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let key = bearer.or_else(|| text(header::HeaderName::from_static("x-api-key")));
    key.filter(|key| !key.is_empty()).map_or(Credential::None, |key| Credential::Bearer(SecretString::from(key)))
}

async fn accept(
    api: Api,
    open: Open,
    integration: String,
    door: Door,
    arrived: Arrived,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let source = open.source();
    let content_type = arrived.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let request = Request {
        integration,
        credential: credential(&arrived.uri, &arrived.headers),
        content_type: content_type.map(str::to_owned),
        body: arrived.body.into(),
        source: Some(source.address),
        user_agent: source.user_agent.clone(),
        request: Some(source.request),
        door,
    };
    Ok((StatusCode::ACCEPTED, Json(api.signals.accept(request).await?)))
}

/// What came over the wire.
struct Arrived {
    uri: Uri,
    headers: HeaderMap,
    body: bytes::Bytes,
}

async fn signal(
    open: Open,
    State(api): State<Api>,
    Path(integration): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<(StatusCode, Json<Accepted>)> {
    accept(api, open, integration, Door::Signals, Arrived { uri, headers, body }).await
}

async fn trigger(
    open: Open,
    State(api): State<Api>,
    Path(integration): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<(StatusCode, Json<Accepted>)> {
    accept(api, open, integration, Door::Xmatters, Arrived { uri, headers, body }).await
}

/// A line of the activity log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivityView {
    id: SignalId,
    integration: Option<IntegrationId>,
    integration_name: Option<String>,
    at: At,
    state: SignalState,
    status: u16,
    door: Door,
    method: String,
    sender: Option<String>,
    source: Option<String>,
    user_agent: Option<String>,
    bytes: u64,
    count: u64,
    events: u32,
    reason: Option<String>,
    took_seconds: f64,
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
            reason: activity.reason,
            took_seconds: activity.took.as_secs_f64(),
            handled: activity.handled.map(At),
        }
    }
}

/// A signal with the runs it started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailView {
    #[serde(flatten)]
    activity: ActivityView,
    runs: Vec<RunId>,
    content_type: Option<String>,
}

impl From<SignalDetail> for DetailView {
    fn from(detail: SignalDetail) -> Self {
        Self { activity: detail.activity.into(), runs: detail.runs, content_type: detail.content_type }
    }
}

/// What the sender sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadView {
    content_type: Option<String>,
    body: String,
}

impl From<Payload> for PayloadView {
    fn from(payload: Payload) -> Self {
        Self { content_type: payload.content_type, body: payload.body }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<SignalState>,
    integration: Option<IntegrationId>,
    #[serde(default, rename = "limit")]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
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
    let filter = Filter { integration: wanted.integration, state: wanted.state };
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

#[cfg(test)]
mod tests {
    use base::ExposeSecret;

    use super::*;

    fn found(uri: &'static str, headers: &[(&'static str, &'static str)]) -> String {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)))
            .collect();
        match credential(&Uri::from_static(uri), &headers) {
            Credential::UrlToken(token) => format!("url {}", token.expose_secret()),
            Credential::Bearer(token) => format!("bearer {}", token.expose_secret()),
            Credential::None => "none".to_owned(),
        }
    }

    #[test]
    fn a_sender_shows_its_token_where_its_product_puts_it() {
        assert_eq!(found("/signals/x?apiKey=a%2Bb", &[]), "url a+b");
        assert_eq!(found("/signals/x?v=1&token=t", &[("authorization", "Bearer other")]), "url t");
        assert_eq!(found("/signals/x", &[("authorization", "bearer  b ")]), "bearer b");
        assert_eq!(found("/signals/x", &[("x-api-key", "k")]), "bearer k");
        assert_eq!(found("/signals/x", &[("authorization", "Basic YTpi")]), "none");
        assert_eq!(found("/signals/x", &[("authorization", "Bearer ")]), "none");
        assert_eq!(found("/signals/x?apiKey=a&apiKey=b", &[]), "none");
    }
}
