//! Failures at a directory's door: `{"schemas": […:Error], "status": "409", "scimType": "uniqueness", "detail": …}` (RFC 7644
//! section 3.12).

use base::{Problem, ProblemKind};
use http::{Failure, HeaderValue, Render, Response, StatusCode, header};
use serde_json::json;

/// The media type of the protocol.
pub(crate) const MEDIA: HeaderValue = HeaderValue::from_static("application/scim+json; charset=utf-8");

/// Shows failures of the door for directories; see [`http::Builder::render`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ScimErrors;

impl Render for ScimErrors {
    fn render(&self, failure: &Failure) -> Response {
        said(failure.status, &failure.problem)
    }
}

/// The protocol's word for a problem, where it has one.
fn word(problem: &Problem) -> Option<&'static str> {
    match ::scim::Fault::of_code(&problem.code) {
        Some(fault) => Some(fault.name()),
        // The protocol has no word for it (RFC 7644 table 9).
        None if ["method-not-allowed", "not-implemented"].contains(&problem.code.as_ref()) => None,
        None if problem.kind == ProblemKind::Invalid && problem.code == "invalid-json" => Some("invalidSyntax"),
        None if problem.kind == ProblemKind::Invalid => Some("invalidValue"),
        None => None,
    }
}

/// A problem as the protocol says it.
pub(crate) fn said(status: StatusCode, problem: &Problem) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_u16().to_string(),
        "detail": problem.detail,
    });
    if let Some(word) = word(problem) {
        body["scimType"] = word.into();
    }
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, MEDIA);
    response
}
