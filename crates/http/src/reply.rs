//! Answers that handlers give and that may be kept: what is given again of them.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::Problem;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Headers of an answer that are the handler's own and are given again.
const OWN_HEADERS: [HeaderName; 2] = [HeaderName::from_static("x-ignored-fields"), HeaderName::from_static("location")];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An answer that a handler gives and that may be kept.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Result<Vec<u8>, String>,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, headers: Vec::new(), body: serde_json::to_vec(body).map_err(|error| error.to_string()) }
    }

    /// An answer without a body.
    pub const fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Ok(Vec::new()) }
    }

    /// The same with one more header. Kept are `Location` and `X-Ignored-Fields`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let Ok(body) = self.body else { return Refusal::new(Problem::internal()).into_response() };
        let mut response = Response::new(Body::from(Bytes::from(body)));
        *response.status_mut() = self.status;
        finish(&mut response, self.headers);
        response
    }

    pub(crate) fn kept(&self) -> Result<Kept, Refusal> {
        let body = self.body.as_ref().map_err(|_| Refusal::new(Problem::internal()))?;
        Ok(Kept {
            status: self.status.as_u16(),
            headers: own(self.headers.iter().map(|(name, value)| (name, value))),
            body: String::from_utf8_lossy(body).into_owned(),
        })
    }
}

pub(crate) fn finish(response: &mut Response, headers: Vec<(HeaderName, HeaderValue)>) {
    let problem = response.status().is_client_error();
    let empty = response.status() == StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    out.remove(CONTENT_LENGTH);
    if !empty {
        let media = if problem { "application/problem+json" } else { "application/json" };
        out.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    out.extend(headers);
}

pub(crate) fn own<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> Vec<(String, String)> {
    let own = headers.filter(|(name, _)| OWN_HEADERS.contains(name));
    own.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}
