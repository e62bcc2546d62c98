//! Failures in that API's words: `{"code": int, "message": str, "errorId": uuid, "timestamp": ISO 8601}`.

use base::{Problem, ProblemKind};
use http::doc::{Schema, Shape};
use http::{Failure, IntoResponse, Json, Render, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Shows failures of the compatible doors; see [`http::Builder::render`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope;

/// A failure in the SMS API's words.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsError)]
struct Body<'a> {
    /// That API's number for what is wrong.
    code: u16,
    /// What is wrong and what to do.
    message: &'a str,
    /// The id by which the log knows the request.
    error_id: String,
    /// When.
    timestamp: String,
}

impl Render for Envelope {
    fn render(&self, failure: &Failure) -> Response {
        let body = Body {
            code: code(&failure.problem),
            message: &failure.problem.detail,
            error_id: failure.request.to_string(),
            timestamp: failure.at.rfc3339(),
        };
        Json(body).into_response()
    }

    fn shape(&self) -> Shape {
        Shape::new(
            "application/json",
            Schema::of::<Body<'_>>(),
            json!({
                "code": 1002, "message": "The field destination is missing.",
                "errorId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "timestamp": "2026-10-23T01:12:07.214Z",
            }),
        )
    }
}

/// That API's number for a problem: by the field that is wrong, else by its kind.
pub(super) fn code(problem: &Problem) -> u16 {
    const INVALID: u16 = 1000;
    match &*problem.code {
        "text-too-long" => return 3006,
        "client-message-id-too-long" => return 3009,
        "source-too-long" => return 3011,
        "messages-missing" => return 3012,
        "too-many-messages" => return 3013,
        "client-batch-id-too-long" => return 3014,
        "bad-callback-url" => return 3020,
        "no-such-export" => return 4018,
        "too-late-feedback" | "no-time" => return 1010,
        "not-cancellable" => return INVALID,
        _ => {}
    }
    match problem.kind {
        ProblemKind::Unauthenticated => 1200,
        ProblemKind::Forbidden => 1201,
        ProblemKind::NotFound | ProblemKind::Invalid if problem.code == "workspace-not-found" => 1001,
        ProblemKind::NotFound => 1300,
        ProblemKind::TooMany => 429,
        ProblemKind::Unavailable | ProblemKind::Internal => 2000,
        ProblemKind::Conflict | ProblemKind::TooLarge | ProblemKind::UnsupportedMedia => INVALID,
        ProblemKind::Invalid | ProblemKind::Unprocessable => match problem.field.as_deref() {
            Some("destination" | "to") => 1002,
            Some("encoding") => 1003,
            Some("text") if problem.code == "text-not-gsm7" => 1003,
            Some("text") => 1004,
            Some("source" | "sender") => 1005,
            Some("expiry") => 1006,
            Some("clientMessageId" | "clientBatchId" | "batchId" | "umid") => 1008,
            Some("country") => 1009,
            Some("scheduled") => 1011,
            Some("clientIp") => 1012,
            Some("dlrCallbackUrl") => 3020,
            _ => INVALID,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_number() {
        let of = |kind, field: Option<&str>| {
            let mut problem = Problem::new(kind, "x", "x");
            problem.field = field.map(str::to_owned);
            code(&problem)
        };
        assert_eq!(of(ProblemKind::Invalid, None), 1000);
        assert_eq!(of(ProblemKind::Invalid, Some("destination")), 1002);
        assert_eq!(of(ProblemKind::Invalid, Some("inner.text")), 1000);
        assert_eq!(of(ProblemKind::Unprocessable, Some("sender")), 1005);
        assert_eq!(of(ProblemKind::Unauthenticated, None), 1200);
        assert_eq!(of(ProblemKind::Forbidden, None), 1201);
        assert_eq!(of(ProblemKind::NotFound, None), 1300);
        assert_eq!(code(&Problem::new(ProblemKind::NotFound, "workspace-not-found", "x")), 1001);
        assert_eq!(of(ProblemKind::TooMany, None), 429);
        assert_eq!(of(ProblemKind::Internal, None), 2000);
    }
}
