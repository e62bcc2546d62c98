//! The client with which the operator's own commands (`apply`, `send`, `signal`) talk to a running server. It does not guess:
//! addresses come from the operator.

use std::time::Duration;

use base::{ExposeSecret as _, SecretString};
use crypto::tls::Roots;
use reqwest::{Method, StatusCode, Url, redirect};

/// How long one request may take in all.
const TOTAL: Duration = Duration::from_mins(1);
/// How much of an answer is read.
const ANSWER_BYTES: usize = 20 * 1024 * 1024;

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one that this client opens.
    #[error("{0} is not an https:// address")]
    NotHttps(String),
    /// The certificate authority's file is not usable.
    #[error("the certificate authority file is not usable: {0}")]
    Authority(String),
    /// Nobody answered.
    #[error("no answer from {host}: {reason}")]
    NoAnswer {
        /// Who was asked.
        host: String,
        /// Why, as far as known; holds no path and no query.
        reason: String,
    },
    /// The answer is larger than what is read.
    #[error("the answer of {0} is larger than 20 MiB")]
    TooLarge(String),
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the server did what was asked.
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client for the operator's own server.
#[derive(Debug, Clone)]
pub struct OperatorClient {
    http: reqwest::Client,
    token: Option<SecretString>,
}

impl OperatorClient {
    /// A client that trusts `authority` (PEM), or the system's authorities when there is none, and proves itself with `token`.
    pub fn new(authority: Option<&str>, token: Option<SecretString>) -> Result<Self, Error> {
        let roots = authority.map_or(Roots::System, |pem| Roots::Pem(pem.to_owned()));
        let tls = crypto::tls::client_config(&roots, &[b"h2", b"http/1.1"])
            .map_err(|error| Error::Authority(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .connect_timeout(Duration::from_secs(5))
            .timeout(TOTAL)
            .build()
            .map_err(|error| Error::Authority(error.to_string()))?;
        Ok(Self { http, token })
    }

    /// Sends `body` as JSON (nothing when `None`) and reads the whole answer.
    pub async fn send(&self, method: Method, url: &str, body: Option<&serde_json::Value>) -> Result<Answer, Error> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "https").ok_or_else(|| not_https(url))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| no_answer(&host, error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&host, error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES {
                return Err(Error::TooLarge(host));
            }
        }
        Ok(Answer { status, body })
    }
}

fn not_https(url: &str) -> Error {
    // What stands after the host may be a secret.
    Error::NotHttps(url.split(['?', '#']).next().unwrap_or_default().chars().take(60).collect())
}

fn no_answer(host: &str, error: reqwest::Error) -> Error {
    Error::NoAnswer { host: host.to_owned(), reason: innermost(error) }
}

/// The innermost cause, without the address.
pub(crate) fn innermost(error: reqwest::Error) -> String {
    let mut reason = String::new();
    let error = error.without_url();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    reason
}
