//! The doors for machines.

use ::signals::{Accepted, Credential, DOOR_LIMIT, Door, Request, Signature};
use base::{SecretString, SignalId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::doc::{Doc, Scheme};
use http::{Answer, ContentType, HeaderMap, Json, Method, Open, Path, Raw, Routes, State, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Api;
use crate::tag::SENDING;

/// Why nobody signs in at these doors.
const REASON: &str = "machines prove themselves with the integration's own token, which the room of signals checks";

pub(crate) fn doors(routes: Routes<Api>) -> Routes<Api> {
    // `signals` itself says which media types it reads, so that a refusal is in the integration's activity.
    const TYPES: &[ContentType] = &[ContentType::Any];
    routes
        .public(Method::POST, "/signals/{integration}", REASON, signal)
        .limit(DOOR_LIMIT)
        .accepts(TYPES)
        .doc(docs("sendSignal", "Send a signal"))
        .public(Method::POST, "/api/integration/1/functions/{integration}/triggers", REASON, trigger)
        .limit(DOOR_LIMIT)
        .accepts(TYPES)
        .doc(docs("triggerIntegration", "Send a signal, as xMatters callers do"))
}

/// How senders prove themselves at these doors.
const PROOFS: [&Scheme; 5] = [
    &Scheme {
        name: "signalUrlToken",
        json: r#"{"type": "apiKey", "in": "query", "name": "token", "description": "The integration's own token in the URL; `apiKey` is understood too."}"#,
    },
    &Scheme {
        name: "signalBearer",
        json: r#"{"type": "http", "scheme": "bearer", "description": "An API key of the workspace with the scope `signals:send`."}"#,
    },
    &Scheme {
        name: "signalApiKey",
        json: r#"{"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in a header of its own."}"#,
    },
    &Scheme {
        name: "signalBasic",
        json: r#"{"type": "http", "scheme": "basic", "description": "The integration's user name and password (RFC 7617)."}"#,
    },
    &Scheme {
        name: "signalSignature",
        json: r#"{"type": "apiKey", "in": "header", "name": "webhook-signature", "description": "A signature over the message (Standard Webhooks), with `webhook-id` and `webhook-timestamp`."}"#,
    },
];

/// Any JSON, form or XML: what a sender's product sends.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SignalBody, value_type = Object)]
#[expect(dead_code, reason = "read by `signals`, whatever it holds")]
struct AnyBody(serde_json::Value);

/// That it is on disk.
#[derive(ToSchema)]
#[schema(as = AcceptedSignal)]
#[expect(dead_code, reason = "the shape of what `signals` answers")]
struct AcceptedView {
    /// The signal's id.
    #[schema(rename = "requestId", value_type = Uuid)]
    request_id: SignalId,
}

fn docs(operation: &'static str, summary: &'static str) -> Doc {
    Doc::new(operation, SENDING, summary)
        .text(
            "Answers once the signal is on disk; what comes of it is in the activity. JSON and forms up to 256 KiB, XML up to \
             1 MiB. The integration's mapping says what the fields mean.",
        )
        .proven_by(&PROOFS)
        .path("integration", "The integration's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .reads_by::<AnyBody>(
            json!({"title": "Disk full on db-1", "key": "disk/db-1", "priority": "high", "text": "97 % used"}),
            |bytes| http::parse_json::<AnyBody>(bytes).map(drop),
        )
        .answers::<AcceptedView>(
            StatusCode::ACCEPTED,
            "It is on disk and will be handled.",
            json!({"requestId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"}),
        )
        .refuses(StatusCode::UNAUTHORIZED, "No such integration, or not its credential; which of the two is not said.")
        .refuses(StatusCode::FORBIDDEN, "The integration is switched off.")
        .refuses(StatusCode::CONFLICT, "A signed message that was accepted before.")
}

/// How the sender proves itself: a token in the URL, as a bearer, or in `X-API-Key`, or a user name and a password. Two that
/// differ prove nothing.
fn credential(uri: &Uri, headers: &HeaderMap) -> Credential {
    let query = http::form_pairs(uri.query().unwrap_or_default());
    let mut in_url =
        query.filter(|(name, _)| name == "apiKey" || name == "token").map(|(_, value)| SecretString::from(value));
    if let Some(token) = in_url.next() {
        return if in_url.next().is_none() { Credential::UrlToken(token) } else { Credential::None };
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let authorization = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    if let Some((_, pair)) = authorization.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) {
        return basic(pair.trim()).unwrap_or(Credential::None);
    }
    let bearer =
        authorization.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let key = bearer.or_else(|| text(header::HeaderName::from_static("x-api-key")));
    key.filter(|key| !key.is_empty()).map_or(Credential::None, |key| Credential::Bearer(SecretString::from(key)))
}

/// The user name and the password of `Authorization: Basic` (RFC 7617).
fn basic(pair: &str) -> Option<Credential> {
    let decoded = Zeroizing::new(STANDARD.decode(pair).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credential::Basic { user: SecretString::from(user), password: SecretString::from(password) })
}

/// The signature of a signed message (Standard Webhooks): all three headers, or none.
fn signature(headers: &HeaderMap) -> Option<Signature> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned());
    Some(Signature {
        id: text("webhook-id")?,
        timestamp: text("webhook-timestamp")?,
        signatures: text("webhook-signature")?,
    })
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
        signature: signature(&arrived.headers),
        content_type: content_type.map(str::to_owned),
        body: arrived.body.into(),
        source: Some(source.address),
        user_agent: source.user_agent.clone(),
        request: Some(source.request),
        certificate: source.certificate.clone(),
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
            Credential::Basic { user, password } => {
                format!("basic {} {}", user.expose_secret(), password.expose_secret())
            }
            Credential::None => "none".to_owned(),
        }
    }

    #[test]
    fn a_sender_shows_its_token_where_its_product_puts_it() {
        assert_eq!(found("/signals/x?apiKey=a%2Bb", &[]), "url a+b");
        assert_eq!(found("/signals/x?v=1&token=t", &[("authorization", "Bearer other")]), "url t");
        assert_eq!(found("/signals/x", &[("authorization", "bearer  b ")]), "bearer b");
        assert_eq!(found("/signals/x", &[("x-api-key", "k")]), "bearer k");
        assert_eq!(found("/signals/x", &[("authorization", "Basic YTpiOmM=")]), "basic a b:c");
        assert_eq!(found("/signals/x", &[("authorization", "Basic YTpi!")]), "none");
        assert_eq!(found("/signals/x", &[("authorization", "Basic YQ==")]), "none");
        assert_eq!(found("/signals/x", &[("authorization", "Bearer ")]), "none");
        assert_eq!(found("/signals/x?apiKey=a&apiKey=b", &[]), "none");
    }
}
