//! What everyone expects to be there: health, readiness, figures, security.txt, robots.txt, and the place for policy reports.

use std::sync::Arc;
use std::time::Duration;

use access::Capability;
use async_trait::async_trait;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, FORWARDED, RETRY_AFTER, VIA};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{Context, Problem, ProblemKind};
use serde::Deserialize;
use serde_json::json;

use crate::Raw;
use crate::doc;
use crate::guard::Open;
use crate::headers::CSP_REPORTS;
use crate::health::{Checkup, Findings};
use crate::read::parse_json;
use crate::refusal::{Answer, Refusal};
use crate::routes::{ContentType, Door, Routes};
use crate::settings::Settings;

/// RFC 9116 wants less than a year; each answer promises half of it.
const SECURITY_TXT_LIFETIME: Duration = Duration::from_hours(180 * 24);

/// Headers by which a proxy shows itself. A request that has one did not begin on this machine, wherever it comes from.
const BY_PROXY: [HeaderName; 4] =
    [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// Makes the text behind `/metrics`.
#[async_trait]
pub trait Figures: Send + Sync + 'static {
    /// All figures, in the text format of Prometheus.
    async fn text(&self) -> String;
}

#[derive(Clone)]
struct Known {
    contact: String,
    public_url: String,
    context: Context,
    checkup: Arc<Checkup>,
    figures: Option<Arc<dyn Figures>>,
}

/// Whether a path is asked by supervisors, who use an address in place of our name.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

pub(crate) fn routes(
    settings: &Settings,
    context: &Context,
    checkup: Arc<Checkup>,
    figures: Option<Arc<dyn Figures>>,
) -> Routes {
    let known = Known {
        contact: settings.contact_address().unwrap_or_default().to_owned(),
        public_url: settings.public_url().to_owned(),
        context: context.clone(),
        checkup,
        figures,
    };
    let loopback = "the machine itself asks without a credential; others show a key, and the handler looks at both";
    let mut routes = Routes::new(Door::Probe)
        .public(Method::GET, "/healthz", "supervisors ask without a credential and learn one word", healthz)
        .doc(doc::alive())
        .public(Method::GET, "/readyz", "supervisors ask without a credential and learn one word", readyz)
        .doc(doc::ready())
        .public(Method::GET, "/metrics", loopback, metrics)
        .doc(doc::figures())
        .door(Door::Public)
        .public(Method::GET, "/robots.txt", "search engines are told to stay away", robots)
        .public(Method::POST, CSP_REPORTS, "browsers report without a credential what the policy stopped", csp_report)
        .accepts(&[ContentType::Json])
        .limit(16 * 1024);
    if !known.contact.is_empty() {
        let reason = "finders of weaknesses must not need an account (RFC 9116)";
        routes = routes.public(Method::GET, "/.well-known/security.txt", reason, security_txt).doc(doc::security_txt());
    }
    routes.with_state(known)
}

fn text(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn healthz(open: Open, State(known): State<Known>, headers: HeaderMap) -> Response {
    let findings = known.checkup.look().await;
    // A node that is stopping is alive.
    let alive = findings.alive();
    verdict(&open, &headers, &findings, alive, if alive { "ok\n" } else { "stuck\n" })
}

async fn readyz(open: Open, State(known): State<Known>, headers: HeaderMap) -> Response {
    let findings = known.checkup.look().await;
    let ready = findings.ready();
    verdict(&open, &headers, &findings, ready, if ready { "ready\n" } else { "not ready\n" })
}

/// One word for strangers; for those who may know more and ask for JSON, each part with its condition.
fn verdict(open: &Open, headers: &HeaderMap, findings: &Findings, good: bool, word: &'static str) -> Response {
    let wants_json = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"application/json");
    let mut response = if wants_json && may_look(open, headers) {
        let parts = findings.parts().iter().map(|(name, condition)| {
            json!({"part": name, "alive": condition.alive, "ready": condition.ready, "detail": condition.detail})
        });
        let body = json!({"status": word.trim_end(), "parts": parts.collect::<Vec<_>>()});
        axum::Json(body).into_response()
    } else {
        text(word)
    };
    if !good {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Whether somebody may see figures and details: from the machine itself, or with the right to read metrics anywhere. What a proxy
/// on this machine passes on does not come from the machine itself.
fn may_look(open: &Open, headers: &HeaderMap) -> bool {
    let local = open.source().ip().to_canonical().is_loopback();
    let passed_on = BY_PROXY.iter().any(|name| headers.contains_key(name));
    (local && !passed_on) || open.caller().grants().holds_somewhere(Capability::MetricsRead)
}

async fn metrics(open: Open, State(known): State<Known>, headers: HeaderMap) -> Answer {
    if !may_look(&open, &headers) {
        if open.caller().is_nobody() {
            return Err(Refusal::unauthenticated());
        }
        let detail = "Figures want the right metrics:read. Ask an administrator for a key with that scope.";
        return Err(Refusal::new(Problem::new(ProblemKind::Forbidden, "not-permitted", detail)));
    }
    let Some(figures) = known.figures else { return Err(Refusal::not_found()) };
    let mut response = Response::new(figures.text().await.into());
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
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
