//! Where the document is served.

use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::{Doc, Document, Schema};
use crate::guard::Open;
use crate::routes::{Door, Routes};

/// The document, as programs fetch it.
pub(crate) fn routes() -> Routes {
    let reason = "it says what the product can do, and nothing of this installation but its address";
    let doc = Doc::new("getOpenApi", "Service", "This document")
        .text("The OpenAPI 3.1 document of this server, made from the routes it serves.")
        .given(
            StatusCode::OK,
            "The document.",
            "application/json",
            Schema::object("An OpenAPI 3.1 document."),
            json!({"openapi": "3.1.0", "info": {"title": "Loudhailer", "version": "0.1.0"}, "paths": {}}),
        );
    Routes::new(Door::Api).public(Method::GET, "/api/openapi.json", reason, openapi).doc(doc)
}

/// `/healthz`.
pub(crate) fn alive() -> Doc {
    Doc::new("getHealth", "Service", "Is it alive")
        .text("One word. On the machine itself, or with a key that may read metrics, `Accept: application/json` says more.")
        .answers_with(StatusCode::OK, "It is alive.", "text/plain", "ok\n")
}

/// `/readyz`.
pub(crate) fn ready() -> Doc {
    Doc::new("getReadiness", "Service", "Is it ready")
        .text("One word, for load balancers. A carrier that is down does not make a node unready.")
        .answers_with(StatusCode::OK, "It is ready.", "text/plain", "ready\n")
}

/// `/metrics`.
pub(crate) fn figures() -> Doc {
    Doc::new("getMetrics", "Service", "Read metrics")
        .text("In the text format of Prometheus: on the machine itself, or with a credential that may read metrics.")
        .answers_with(StatusCode::OK, "The figures.", "text/plain", "loudhailer_build_info{version=\"0.1.0\"} 1\n")
        .refuses(StatusCode::UNAUTHORIZED, "No valid credential came with the request.")
        .refuses(StatusCode::FORBIDDEN, "The caller is known but may not do this.")
}

/// `/.well-known/security.txt`.
pub(crate) fn security_txt() -> Doc {
    Doc::new("getSecurityTxt", "Service", "Whom to tell about a weakness").text("RFC 9116.").answers_with(
        StatusCode::OK,
        "The file.",
        "text/plain",
        "Contact: mailto:security@example.com\n",
    )
}

async fn openapi(_: Open, document: Document) -> Response {
    document.response()
}
