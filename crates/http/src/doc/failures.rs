//! Which failures follow from a route's declaration, and how they look.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::schema::{Schema, reference};
use crate::routes::{Door, RouteInfo, Rule};

/// How failures of a door look: a media type and a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub(crate) media: &'static str,
    pub(crate) schema: Schema,
    pub(crate) example: Value,
}

impl Shape {
    /// A door's own shape.
    pub const fn new(media: &'static str, schema: Schema, example: Value) -> Self {
        Self { media, schema, example }
    }

    /// RFC 9457, as every door has it that does not imitate another product.
    pub fn problem() -> Self {
        let text = |text: &str| json!({"type": "string", "description": text});
        let problem = json!({
            "type": "object",
            "description": "What went wrong, where, and what to do about it (RFC 9457).",
            "required": ["type", "title", "status", "code", "detail", "instance", "requestId"],
            "properties": {
                "type": text("`urn:loudhailer:problem:` and the code."),
                "title": text("The status in words."),
                "status": {"type": "integer", "description": "The status.", "minimum": 400, "maximum": 599},
                "code": text("A stable code in kebab-case, for programs."),
                "detail": text("What is wrong and what to do, in one or two sentences, for people."),
                "instance": text("This very failure: `urn:uuid:` and the request id."),
                "field": text("The field or parameter that is wrong, as `a.b[2].c`, when it is one."),
                "errors": {
                    "type": "array",
                    "description": "Each thing that is wrong with the input.",
                    "items": reference("FieldProblem"),
                },
                "requestId": {"type": "string", "format": "uuid", "description": "The id by which the log knows the request; also in the header X-Request-Id."},
            },
        });
        let field = json!({
            "type": "object",
            "description": "One thing that is wrong with the input.",
            "required": ["code", "detail", "field", "limit", "remedy"],
            "properties": {
                "code": text("A stable code in kebab-case."),
                "detail": text("What is wrong and what to do."),
                "field": {"type": ["string", "null"], "description": "Where."},
                "limit": {"type": ["string", "null"], "description": "What is allowed there."},
                "remedy": {"type": ["string", "null"], "description": "What to do."},
            },
        });
        let named = BTreeMap::from([("Problem".to_owned(), problem), ("FieldProblem".to_owned(), field)]);
        let example = json!({
            "type": "urn:loudhailer:problem:not-found", "title": "Not Found", "status": 404, "code": "not-found",
            "detail": "There is no such alert in this workspace.",
            "instance": "urn:uuid:019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
            "requestId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
        });
        Self { media: "application/problem+json", schema: Schema { json: reference("Problem"), named }, example }
    }
}

/// The failures that follow from what a route declares.
pub(crate) fn of(route: &RouteInfo) -> Vec<(StatusCode, String)> {
    let mut out = Vec::new();
    let mut add = |status: StatusCode, when: &str| out.push((status, when.to_owned()));
    let guarded = !matches!(route.rule, Rule::Public(_));
    let path = route.path.contains('{');
    if !matches!(route.door, Door::Probe) {
        add(
            StatusCode::BAD_REQUEST,
            "Something in the request is wrong; the failure names the field, what is allowed, and the remedy.",
        );
    }
    if guarded {
        add(StatusCode::UNAUTHORIZED, "No valid credential came with the request.");
        add(StatusCode::FORBIDDEN, "The caller is known but may not do this.");
    }
    if path {
        add(StatusCode::NOT_FOUND, "What the path names is not there, or not for this caller to see.");
    }
    if !route.content_types.is_empty() && route.method != axum::http::Method::GET {
        let limit = route.body_limit;
        out.push((StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {limit} bytes.")));
        out.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of a type that is not read here.".to_owned()));
    }
    if route.once_kept() {
        out.push((
            StatusCode::CONFLICT,
            "The state does not allow it now; or a request with the same Idempotency-Key is still under way."
                .to_owned(),
        ));
        out.push((
            StatusCode::UNPROCESSABLE_ENTITY,
            "Well-formed but refused by a rule; or the Idempotency-Key came with another request before.".to_owned(),
        ));
    }
    out.push((
        StatusCode::TOO_MANY_REQUESTS,
        "More requests than allowed; `Retry-After` says when to come again.".to_owned(),
    ));
    out.push((StatusCode::SERVICE_UNAVAILABLE, "Not now; `Retry-After` says when to come again.".to_owned()));
    out
}
