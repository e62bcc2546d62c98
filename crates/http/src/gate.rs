//! What stands between the router and every handler: who calls, how often, from which page, with what kind of body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Context, Problem, ProblemKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::body::{self, WatchedBody, too_large};
use crate::caller::Caller;
use crate::doc::Document;
use crate::inflate::{Coding, Inflated};
use crate::keeper::{Keeper, Source};
use crate::once::{Attempt, Replays};
use crate::origin::Hosts;
use crate::rates::RateLimits;
use crate::refusal::Refusal;
use crate::routes::{ContentType, Door, Matched, Rule};
use crate::settings::Settings;
use crate::{csrf, step_up};

pub(crate) const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");

/// Bodies above this are large: all of them together may take [`ALL_LARGE`].
const LARGE: usize = 1024 * 1024;
const ALL_LARGE: usize = 64 * 1024 * 1024;
const PAGE: usize = 4096;
/// How long a large body waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where people sign in.
const SIGN_IN: &str = "/sign-in";
/// What stays readable in a query value.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What the gate needs to do its work; every request carries it.
pub(crate) struct Gate {
    keeper: Arc<dyn Keeper>,
    replays: Option<Replays>,
    document: Document,
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    pub(crate) rates: RateLimits,
    pub(crate) streams: Arc<Semaphore>,
    /// Pages of memory for large bodies.
    large: Arc<Semaphore>,
    pub(crate) closing: CancellationToken,
}

impl Gate {
    pub(crate) fn new(
        settings: Settings,
        keeper: Arc<dyn Keeper>,
        context: Context,
        replays: Option<Replays>,
        document: Document,
    ) -> Self {
        Self {
            keeper,
            replays,
            document,
            rates: RateLimits::new(settings.rates, context.clone()),
            large: Arc::new(Semaphore::new(ALL_LARGE / PAGE)),
            streams: Arc::new(Semaphore::new(settings.limits.event_streams)),
            closing: CancellationToken::new(),
            settings,
            context,
        }
    }

    pub(crate) fn keeper(&self) -> &dyn Keeper {
        &*self.keeper
    }

    /// The document of everything that is served.
    pub(crate) const fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) const fn hosts(&self) -> &Hosts {
        self.settings.hosts()
    }

    /// Lets a request through to its handler, or not.
    pub(crate) async fn pass(self: Arc<Self>, route: Matched, request: Request, next: Next) -> Response {
        match self.examine(&route, request).await {
            Ok(request) => {
                let caller = request.extensions().get::<Caller>().cloned();
                let attempt = request.extensions().get::<Attempt>().cloned();
                let renewed = request.extensions().get::<step_up::Renewed>().cloned();
                let mut response = next.run(request).await;
                if let Some(attempt) = attempt {
                    response = attempt.conclude(response).await;
                }
                response = step_up::renew(response, renewed);
                response.extensions_mut().insert(route);
                if let Some(caller) = caller {
                    response.extensions_mut().insert(caller);
                }
                response
            }
            Err(refusal) => {
                let mut response = refusal.into_response();
                response.extensions_mut().insert(route);
                response
            }
        }
    }

    async fn examine(self: &Arc<Self>, route: &Matched, request: Request) -> Result<Request, Refusal> {
        let (mut parts, body) = request.into_parts();
        let source = parts.extensions.get::<Source>().cloned().ok_or_else(|| Refusal::new(Problem::internal()))?;
        let caller = Caller::prove(&parts, route.door, self, source).await?;
        if caller.is_nobody() && !matches!(route.rule, Rule::Public(_)) {
            return Err(sign_in_first(&parts, route.door));
        }
        // The compatible door counts for each of its sub-accounts, by their own settings.
        if !caller.is_nobody() && route.door != Door::Compatible {
            let principal = &caller.actor().principal;
            self.rates.principal(&format!("{}:{}", principal.kind(), principal.id()))?;
        }
        let read = check_body(&parts, &body, route.body_limit, route.content_types)
            .and_then(|()| Coding::of(parts.headers.get(CONTENT_ENCODING), route.door));
        let (body, large) = match read {
            Ok(coding) => {
                let large = self.room_for(&parts, route).await?;
                (self.watched(&mut parts, body, coding, route), large)
            }
            Err(refusal) if route.hears_of_bodies => (body::refused(refusal), None),
            Err(refusal) => return Err(refusal),
        };
        let request = csrf::check(Request::from_parts(parts, body), &caller, route, self.hosts()).await?;
        let (mut request, caller, renewed) = step_up::take(self, route, request, caller).await?;
        if let Some(replays) = self.replays.as_ref().filter(|_| route.once_kept()) {
            request = replays.begin(request, route, self.settings.limits.answer).await?;
        }
        let body;
        (parts, body) = request.into_parts();
        parts.extensions.insert(Arc::clone(self));
        parts.extensions.insert(Arc::clone(route));
        parts.extensions.insert(caller);
        if let Some(renewed) = renewed {
            parts.extensions.insert(renewed);
        }
        if let Some(large) = large {
            parts.extensions.insert(Arc::new(large));
        }
        Ok(Request::from_parts(parts, body))
    }

    /// The body as the handler reads it: watched, and unpacked.
    fn watched(&self, parts: &mut Parts, body: Body, coding: Option<Coding>, route: &Matched) -> Body {
        let body = Body::new(WatchedBody::new(body, route.body_limit, &self.settings.limits));
        let Some(coding) = coding else { return body };
        // What the handler sees is not packed, and of a length that nobody knows yet.
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        Body::new(Inflated::new(body, coding, route.body_limit))
    }

    /// Room in memory for a large body, kept as long as its request lives: those of all requests together stay below a limit.
    async fn room_for(&self, parts: &Parts, route: &Matched) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        if route.body_limit <= LARGE {
            return Ok(None);
        }
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let packed = parts.headers.contains_key(CONTENT_ENCODING);
        let bytes = announced.filter(|_| !packed).unwrap_or(route.body_limit).min(route.body_limit);
        if bytes <= LARGE {
            return Ok(None);
        }
        let pages = u32::try_from(bytes.div_ceil(PAGE)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(PATIENCE, Arc::clone(&self.large).acquire_many_owned(pages)).await;
        match room {
            Ok(Ok(room)) => Ok(Some(room)),
            _ => Err(Refusal::new(
                Problem::new(
                    ProblemKind::Unavailable,
                    "too-many-large-bodies",
                    "Too many large requests are under way. Send this one again in a moment, or in smaller pieces.",
                )
                .retry_after(Duration::from_secs(1)),
            )),
        }
    }
}

/// The answer to somebody who proved nothing: people are led to the sign-in page and back, programs get a 401.
pub(crate) fn sign_in_first(parts: &Parts, door: Door) -> Refusal {
    let refusal = Refusal::unauthenticated();
    if door != Door::Console {
        return refusal;
    }
    let reading = matches!(parts.method, Method::GET | Method::HEAD);
    let fragment = parts.headers.contains_key(HX_REQUEST);
    let page = if reading && !fragment { parts.uri.path_and_query().map(PathAndQuery::as_str) } else { None };
    let target = match page {
        Some("/") | None => SIGN_IN.to_owned(),
        Some(page) => format!("{SIGN_IN}?next={}", utf8_percent_encode(page, QUERY_VALUE)),
    };
    let Ok(target) = HeaderValue::from_str(&target) else { return refusal };
    if fragment {
        return refusal.header(HeaderName::from_static("hx-redirect"), target);
    }
    if !reading && !wants_html(parts) {
        return refusal;
    }
    Refusal::with_status(StatusCode::SEE_OTHER, refusal.problem().clone()).header(LOCATION, target)
}

/// Refuses a body that is announced too long or is of a type that nobody reads here, before reading any of it.
fn check_body(parts: &Parts, body: &Body, limit: usize, types: &[ContentType]) -> Result<(), Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let empty = announced == Some(0)
        || (announced.is_none() && !parts.headers.contains_key(TRANSFER_ENCODING) && body.is_end_stream());
    if empty {
        return Ok(());
    }
    let unsupported = |detail: &'static str| {
        Refusal::new(Problem::new(ProblemKind::UnsupportedMedia, "unsupported-media-type", detail))
    };
    let given = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if types.iter().any(|content_type| content_type.matches(given)) {
        return Ok(());
    }
    Err(unsupported(match types {
        [] => "No body is read here. Send the request without one.",
        [ContentType::Json] => "Send the body as JSON, with Content-Type: application/json.",
        [ContentType::Form] => "Send the body as a form, with Content-Type: application/x-www-form-urlencoded.",
        [ContentType::Yaml, ..] => "Send the body as YAML, with Content-Type: application/yaml.",
        _ => "Bodies of this Content-Type are not read here. Send JSON, with Content-Type: application/json.",
    }))
}

/// Whether the client reads HTML.
pub(crate) fn wants_html(parts: &Parts) -> bool {
    let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
