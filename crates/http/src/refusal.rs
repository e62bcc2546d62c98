//! Failures on their way out: the one place where a [`base::Problem`] becomes an HTTP status, and the default shape,
//! `application/problem+json` (RFC 9457). A door can have another shape by its [`Render`].

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{Explain, Problem, ProblemKind, RequestId};
use serde_json::{Map, Value, json};

use crate::doc::Shape;
use crate::routes::Door;
use crate::step_up::Asked;

/// What a handler answers: something, or a refusal. `?` turns every room's error into a [`Refusal`].
pub type Answer<T = Response> = Result<T, Refusal>;

/// A failure that is to become the answer. Rendered only at the end, when the door and the request id are known.
#[derive(Clone)]
pub struct Refusal {
    problem: Box<Problem>,
    status: StatusCode,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    all: Vec<Problem>,
    instead: Option<Instead>,
    asked: Option<Arc<Asked>>,
}

/// An answer to give in place of the handler's, which is no failure.
type Instead = Arc<std::sync::Mutex<Option<Response>>>;

impl Refusal {
    /// A refusal with the status that belongs to the problem's kind.
    pub fn new(problem: Problem) -> Self {
        let status = status(problem.kind);
        Self {
            problem: Box::new(problem),
            status,
            cause: None,
            headers: Vec::new(),
            all: Vec::new(),
            instead: None,
            asked: None,
        }
    }

    /// A refusal with another status than its kind's usual one.
    pub(crate) fn with_status(status: StatusCode, problem: Problem) -> Self {
        Self { status, ..Self::new(problem) }
    }

    /// Ends a request with an answer that was given before.
    pub(crate) fn instead(response: Response) -> Self {
        let instead = Some(Arc::new(std::sync::Mutex::new(Some(response))));
        Self { instead, ..Self::new(Problem::internal()) }
    }

    /// The answer for what is not there, or not for this caller to know: always the same one.
    pub fn not_found() -> Self {
        Self::new(Problem::new(
            ProblemKind::NotFound,
            "not-found",
            "There is nothing here, or nothing that you may see. Check the address, and the workspace in it.",
        ))
    }

    /// The answer for a workspace that is not there or in which the caller has no right at all: the same for both.
    pub fn no_workspace() -> Self {
        Self::new(Problem::new(
            ProblemKind::NotFound,
            "workspace-not-found",
            "There is no such workspace, or none that you may see. Check its name in the address.",
        ))
    }

    /// The answer to somebody who proved nothing; it gives no hint about what was wrong.
    pub fn unauthenticated() -> Self {
        Self::new(Problem::new(
            ProblemKind::Unauthenticated,
            "unauthenticated",
            "This needs a valid credential. Send an API key as 'Authorization: Bearer …', or sign in.",
        ))
    }

    /// The same refusal with its private cause, which goes to the log alone.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// A refusal for several problems at once: the answer lists them all as `errors`.
    #[must_use]
    pub fn listing(mut self, all: Vec<Problem>) -> Self {
        self.all = all;
        self
    }

    /// The same refusal with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same refusal with what its person is asked for, so that the page can go on with what was sent.
    #[must_use]
    pub(crate) fn asking(mut self, asked: Asked) -> Self {
        self.asked = Some(Arc::new(asked));
        self
    }

    pub(crate) fn asked(&self) -> Option<Arc<Asked>> {
        self.asked.clone()
    }

    /// What is wrong, in public words.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(crate) fn all(&self) -> &[Problem] {
        &self.all
    }

    /// The status it will be answered with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn cause(&self) -> Option<&(dyn StdError + Send + Sync)> {
        self.cause.as_deref()
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("code", &self.problem.code)
            .finish_non_exhaustive()
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::new(error.problem()).because(error)
    }
}

impl IntoResponse for Refusal {
    /// An empty answer that carries the refusal; the frame fills in the body.
    fn into_response(self) -> Response {
        let instead = self.instead.as_ref();
        let given = instead.and_then(|given| given.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        if let Some(response) = given {
            return response;
        }
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The status for each kind of problem.
pub const fn status(kind: ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Invalid => StatusCode::BAD_REQUEST,
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemKind::Forbidden => StatusCode::FORBIDDEN,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::Conflict => StatusCode::CONFLICT,
        ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemKind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ProblemKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Everything a [`Render`] may know about a failed request.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong and what to do.
    pub problem: Problem,
    /// All that is wrong, when it is more than one thing.
    pub errors: Vec<Problem>,
    /// The id under which the log knows the request.
    pub request: RequestId,
    /// When it failed.
    pub at: base::Timestamp,
    /// The door of the route, or of the nearest one.
    pub door: Door,
    /// Whether the client reads HTML (its `Accept` says so).
    pub wants_html: bool,
    /// Whether only a part of a page was asked for (`HX-Request`).
    pub fragment: bool,
    /// Whether the caller is signed in.
    pub signed_in: bool,
    /// A fresh proof that the caller is asked for, with what they had sent.
    pub asked: Option<Arc<Asked>>,
}

/// How a door shows its failures: the console as a page, a compatible door in its own envelope.
pub trait Render: Send + Sync + 'static {
    /// The answer; status, security headers and `Retry-After` are set afterwards by the frame.
    fn render(&self, failure: &Failure) -> Response;

    /// How it looks, for the document.
    fn shape(&self) -> Shape {
        Shape::problem()
    }
}

impl<F: Fn(&Failure) -> Response + Send + Sync + 'static> Render for F {
    fn render(&self, failure: &Failure) -> Response {
        self(failure)
    }
}

/// The default shape (RFC 9457).
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemJson;

impl Render for ProblemJson {
    fn render(&self, failure: &Failure) -> Response {
        let problem = &failure.problem;
        let mut body = Map::new();
        body.insert("type".into(), json!(format!("urn:loudhailer:problem:{}", problem.code)));
        body.insert("title".into(), json!(failure.status.canonical_reason().unwrap_or("Error")));
        body.insert("status".into(), json!(failure.status.as_u16()));
        body.insert("code".into(), json!(problem.code));
        body.insert("detail".into(), json!(problem.detail));
        if let Some(field) = &problem.field {
            body.insert("field".into(), json!(field));
        }
        body.insert("instance".into(), json!(format!("urn:uuid:{}", failure.request)));
        // Input that is wrong in one place is a list of one, so that programs need only look there.
        let all = if failure.errors.is_empty() { std::slice::from_ref(problem) } else { &failure.errors };
        if all.iter().any(|one| one.field.is_some()) {
            body.insert("errors".into(), all.iter().map(field_problem).collect());
        }
        body.insert("requestId".into(), json!(failure.request));
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

fn field_problem(one: &Problem) -> Value {
    json!({"code": one.code, "detail": one.detail, "field": one.field, "limit": one.allowed(), "remedy": one.what_to_do()})
}

/// How programs prove themselves (RFC 9110 section 11.6.1).
const CHALLENGE: &str = "Bearer realm=\"loudhailer\"";
/// How sources of signals do.
const SIGNAL_CHALLENGE: &str = "Bearer realm=\"loudhailer\", Basic realm=\"loudhailer\", charset=\"UTF-8\"";

/// Fills the answer of a refused request: the renderer's body, and the headers that every shape shares.
pub(crate) fn finish(refusal: &Refusal, failure: &Failure, render: &dyn Render, bare: Response) -> Response {
    let mut response = render.render(failure);
    *response.status_mut() = failure.status;
    // What the handler or the router had said already (`Allow` of a 405, `WWW-Authenticate`) stays.
    for name in [ALLOW, WWW_AUTHENTICATE] {
        if let Some(value) = bare.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    add_headers(refusal, &mut response);
    if failure.status == StatusCode::UNAUTHORIZED && failure.door != Door::Console {
        // Some clients (.NET with a credential) send a password only after they were asked for one.
        let ways = if failure.door == Door::Signal { SIGNAL_CHALLENGE } else { CHALLENGE };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(ways));
    }
    if matches!(failure.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let seconds = failure.problem.retry_after.map_or(1, |after| after.as_millis().div_ceil(1000).max(1));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
    }
    response
}

pub(crate) fn add_headers(refusal: &Refusal, response: &mut Response) {
    for (name, value) in &refusal.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
}

/// The whole chain of causes, for the log.
pub(crate) fn chain(error: &(dyn StdError + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
