//! Requests that change something with a cookie (X-18; ASVS 3.5.1 to 3.5.3): they must come from our own page **and** carry
//! the token of the session, as the form's field `csrf` or the header `X-CSRF-Token`.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method};
use base::{Problem, ProblemKind};

use crate::body;
use crate::caller::Caller;
use crate::origin::{self, Hosts};
use crate::packed;
use crate::refusal::Refusal;
use crate::routes::{ContentType, Door, RouteInfo};

/// The form field that carries the token.
pub const CSRF_FIELD: &str = "csrf";
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// Whether a method only reads.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Refuses what another site made a browser send. The body of a form is read for its token and put back.
pub(crate) async fn check(
    request: Request,
    caller: &Caller,
    route: &RouteInfo,
    hosts: &Hosts,
) -> Result<Request, Refusal> {
    let spared = is_safe(request.method()) || route.from_elsewhere.is_some();
    if spared || !(caller.in_session() || route.door == Door::Console) {
        return Ok(request);
    }
    // Forms before log-in too: else a stranger could log somebody into the stranger's own account.
    if !origin::from_own_page(request.headers(), hosts) {
        return Err(refusal(
            "cross-site",
            "This request did not come from a page of this server. Open the page here and try again.",
        ));
    }
    if !caller.in_session() {
        return Ok(request);
    }
    let stale = || {
        refusal("form-out-of-date", "This page is older than your session. Load it again, then repeat what you did.")
    };
    if let Some(token) = request.headers().get(CSRF_HEADER) {
        return if same(token.as_bytes(), caller) { Ok(request) } else { Err(stale()) };
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !ContentType::Form.matches(content_type) {
        return Err(stale());
    }
    let (parts, form) = request.into_parts();
    let bytes = body::read(form).await?;
    let mut tokens = form_urlencoded::parse(&bytes).filter(|(name, _)| name == CSRF_FIELD);
    let valid = tokens.next().is_some_and(|(_, token)| same(token.as_bytes(), caller)) && tokens.next().is_none();
    if valid { Ok(Request::from_parts(parts, Body::from(bytes))) } else { Err(stale()) }
}

fn same(token: &[u8], caller: &Caller) -> bool {
    let own = caller.own_csrf();
    !own.is_empty() && crypto::constant_time_eq(&packed::unmask(token), own.as_bytes())
}

fn refusal(code: &'static str, detail: &'static str) -> Refusal {
    Refusal::new(Problem::new(ProblemKind::Forbidden, code, detail))
}
