//! What everyone expects to be there: health, readiness, security.txt, robots.txt, and the place for policy reports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{Context, Problem, ProblemKind};
use serde::Deserialize;

use crate::Raw;
use crate::guard::Open;
use crate::headers::CSP_REPORTS;
use crate::read::parse_json;
use crate::refusal::{Answer, Refusal};
use crate::routes::{ContentType, Door, Routes};
use crate::settings::Settings;

/// How long a part may think about whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// RFC 9116 wants less than a year; each answer promises half of it.
const SECURITY_TXT_LIFETIME: Duration = Duration::from_hours(180 * 24);

/// Something without which the product is not ready.
#[async_trait]
pub trait Ready: Send + Sync + 'static {
    /// Whether it answers; the error says what is wrong, in public words.
    async fn ready(&self) -> Result<(), Refusal>;
}

#[derive(Clone)]
struct Known {
    contact: String,
    public_url: String,
    context: Context,
    ready: Arc<[Arc<dyn Ready>]>,
}

/// Whether a path is asked by supervisors, who use an address in place of our name.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

pub(crate) fn routes(settings: &Settings, context: &Context, ready: Vec<Arc<dyn Ready>>) -> Routes {
    let known = Known {
        contact: settings.contact_address().unwrap_or_default().to_owned(),
        public_url: settings.public_url().to_owned(),
        context: context.clone(),
        ready: ready.into(),
    };
    let mut routes = Routes::new(Door::Probe)
        .public(Method::GET, "/healthz", "supervisors ask without a credential and learn one word", healthz)
        .public(Method::GET, "/readyz", "supervisors ask without a credential and learn one word", readyz)
        .door(Door::Public)
        .public(Method::GET, "/robots.txt", "search engines are told to stay away", robots)
        .public(Method::POST, CSP_REPORTS, "browsers report without a credential what the policy stopped", csp_report)
        .accepts(&[ContentType::Json])
        .limit(16 * 1024);
    if !known.contact.is_empty() {
        let reason = "finders of weaknesses must not need an account (RFC 9116)";
        routes = routes.public(Method::GET, "/.well-known/security.txt", reason, security_txt);
    }
    routes.with_state(known)
}

fn text(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn healthz(_: Open) -> Response {
    text("ok\n")
}

async fn readyz(_: Open, State(known): State<Known>) -> Answer {
    for part in known.ready.iter() {
        match tokio::time::timeout(PATIENCE, part.ready()).await {
            Ok(Ok(())) => {}
            outcome => {
                if let Ok(Err(refusal)) = &outcome {
                    tracing::warn!(code = %refusal.problem().code, "not ready");
                }
                let detail =
                    "The server is not ready: its database does not answer, or it is still starting. Try again.";
                return Err(Refusal::new(Problem::new(ProblemKind::Unavailable, "not-ready", detail)));
            }
        }
    }
    Ok(text("ready\n"))
}

///
async fn security_txt(_: Open, State(known): State<Known>) -> Response {
    let expires = known.context.now().plus(SECURITY_TXT_LIFETIME);
    let (contact, url) = (&known.contact, &known.public_url);
    text(format!(
        "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\nCanonical: {url}/.well-known/security.txt\n"
    ))
}

async fn robots(_: Open) -> Response {
    text("User-agent: *\nDisallow: /\n")
}

#[derive(Deserialize)]
struct Report {
    body: Option<ReportBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportBody {
    effective_directive: Option<String>,
}

/// Notes which rule of the policy was broken: the directive alone, for the rest is written by whoever broke it.
async fn csp_report(_: Open, Raw(body): Raw) -> Answer {
    let reports: Vec<Report> = parse_json(&body).map_err(Refusal::new)?;
    for body in reports.into_iter().take(10).filter_map(|report| report.body) {
        let directive = body.effective_directive.unwrap_or_default();
        let known = !directive.is_empty()
            && directive.len() <= 40
            && directive.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if known {
            tracing::warn!(directive, "a browser stopped something by the content security policy");
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
