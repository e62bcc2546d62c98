//! How long the reader's session lasts, for the page that warns before it ends. Reading this page counts as use of the session,
//! so it is also how they stay; a script that only wants to know says `HX-Request`, which counts as none.

use axum::extract::State;
use http::{Answer, IntoResponse as _, Refusal, Response, SignedIn, header};

use crate::Console;

/// The time that is left, in milliseconds: unused, and in any case.
pub async fn show(guard: SignedIn, State(console): State<Console>) -> Answer<Response> {
    let (idle, end) = guard.caller().session_ends().ok_or_else(Refusal::unauthenticated)?;
    let now = console.db.context().now();
    let body = serde_json::json!({ "idle": idle.since(now).as_millis(), "end": end.since(now).as_millis() });
    Ok(([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response())
}
