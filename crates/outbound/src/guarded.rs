//! The client for addresses that others choose: it goes nowhere but to the open internet, unless the operator of this
//! machine allowed the target.
//!
//! A name is looked up once, all of its addresses are checked, and the connection goes to a checked one while TLS verifies
//! the name: what the name says a moment later does not matter (DNS rebinding). Each target has its own pool, so a slow one
//! holds up nobody else.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use crypto::tls::Roots;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;

use crate::operator::innermost;
use crate::target::{HostPort, Refused, Rules, Target};

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may take in all.
const TOTAL: Duration = Duration::from_secs(15);
/// How much of a reply is read.
const REPLY_BYTES: usize = 64 * 1024;
/// For how long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(30);
/// Targets whose connections are kept at most.
const TARGETS: usize = 512;

/// Looks names up. Ours in tests; the machine's otherwise.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own way of looking names up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A POST to somebody else.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// The authority (PEM) that vouches for it, in place of the machine's.
    pub authority: Option<&'a str>,
    /// Headers, besides those that HTTP needs. Values that are secret are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A GET of something that somebody else publishes.
#[derive(Debug)]
pub struct Get<'a> {
    /// Where from.
    pub url: &'a str,
    /// The authority (PEM) that vouches for it, in place of the machine's.
    pub authority: Option<&'a str>,
    /// Headers, besides those that HTTP needs. Values that are secret are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// What it says about when to come again: seconds, or a date (RFC 9110 section 10.2.3).
    pub retry_after: Option<String>,
    /// The beginning of the body, at most 64 KiB.
    pub body: Vec<u8>,
    /// Whether there was more than that, or it did not end in time.
    pub cut: bool,
}

/// Why nothing came back. No text of it holds a path or a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outcome {
    /// The request was not made.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The name could not be looked up.
    #[error("the name {0} could not be looked up: {1}")]
    NoName(String, String),
    /// No connection, or no answer, in time.
    #[error("{0} gave no answer within {1} seconds")]
    TooSlow(HostPort, u64),
    /// No connection, or it broke.
    #[error("no answer from {0}: {1}")]
    Broken(HostPort, String),
    /// The authority that vouches for it is not usable.
    #[error("the certificate authority is not usable: {0}")]
    Authority(String),
}

/// The guarded client. Cheap to clone.
#[derive(Clone)]
pub struct Guarded(Arc<Inner>);

struct Inner {
    rules: Arc<Rules>,
    lookup: Arc<dyn Lookup>,
    clients: Mutex<HashMap<Key, reqwest::Client>>,
}

/// Which pool: a target, as one authority vouches for it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key(HostPort, Option<String>);

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}

impl Guarded {
    /// A client under these rules, with the machine's look-up.
    pub fn new(rules: Rules) -> Self {
        Self::with_lookup(rules, Arc::new(SystemLookup))
    }

    /// The same with another look-up.
    pub fn with_lookup(rules: Rules, lookup: Arc<dyn Lookup>) -> Self {
        Self(Arc::new(Inner { rules: Arc::new(rules), lookup, clients: Mutex::default() }))
    }

    /// Checks a URL as far as can be told before its name is looked up: for whoever writes one down.
    pub fn check(&self, url: &str) -> Result<Target, Refused> {
        Target::parse(url, &self.0.rules)
    }

    /// Sends, and reads the beginning of the reply. Any status is a reply, redirects too: they are not followed.
    pub async fn post(&self, post: Post<'_>) -> Result<Reply, Outcome> {
        let target = self.check(post.url)?;
        let client = self.client(&target, post.authority)?;
        let headers: HeaderMap = post.headers.into_iter().collect();
        reply_to(target.at.clone(), client.post(target.url).headers(headers).body(post.body), REPLY_BYTES).await
    }

    /// Fetches, under the same rules.
    pub async fn get(&self, get: Get<'_>) -> Result<Reply, Outcome> {
        self.get_long(get, REPLY_BYTES).await
    }

    /// Fetches what may be longer than most: `most` bytes of it.
    pub async fn get_long(&self, get: Get<'_>, most: usize) -> Result<Reply, Outcome> {
        let target = self.check(get.url)?;
        let client = self.client(&target, get.authority)?;
        let headers: HeaderMap = get.headers.into_iter().collect();
        reply_to(target.at.clone(), client.get(target.url).headers(headers), most).await
    }

    fn client(&self, target: &Target, authority: Option<&str>) -> Result<reqwest::Client, Outcome> {
        let own = self.0.rules.authority.as_deref().filter(|_| target.allowed);
        let authority = authority.or(own).map(str::to_owned);
        let key = Key(target.at.clone(), authority);
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let roots = key.1.clone().map_or(Roots::System, Roots::Pem);
        let tls = crypto::tls::client_config(&roots, &[b"h2", b"http/1.1"])
            .map_err(|error| Outcome::Authority(error.to_string()))?;
        let resolver =
            Checked { target: target.clone(), rules: Arc::clone(&self.0.rules), lookup: Arc::clone(&self.0.lookup) };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(8)
            .user_agent(concat!("Loudhailer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Outcome::Authority(error.to_string()))?;
        if clients.len() >= TARGETS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// Sends, bounded here too, so that no part of it is forgotten by a library.
async fn reply_to(at: HostPort, request: reqwest::RequestBuilder, most: usize) -> Result<Reply, Outcome> {
    let response = match tokio::time::timeout(TOTAL, request.send()).await {
        Err(_) => return Err(Outcome::TooSlow(at, TOTAL.as_secs())),
        Ok(Err(error)) => return Err(failure(at, error)),
        Ok(Ok(response)) => response,
    };
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let (body, cut) = beginning(response, most).await;
    Ok(Reply { status, retry_after, body, cut })
}

/// The beginning of a body, and whether there was more.
async fn beginning(mut response: reqwest::Response, most: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = most - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return (body, true);
                }
            }
            Ok(None) => return (body, false),
            // The status is known; a body that drips or breaks off changes nothing about it.
            Err(_) => return (body, true),
        }
    }
}

fn failure(at: HostPort, error: reqwest::Error) -> Outcome {
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = source {
        if let Some(known) = cause.downcast_ref::<Outcome>() {
            return known.clone();
        }
        source = cause.source();
    }
    if error.is_timeout() {
        let limit = if error.is_connect() { CONNECT } else { TOTAL };
        return Outcome::TooSlow(at, limit.as_secs());
    }
    Outcome::Broken(at, innermost(error))
}

/// Looks up the one name of a target and lets nothing through that was not checked.
struct Checked {
    target: Target,
    rules: Arc<Rules>,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (target, rules, lookup) = (self.target.clone(), Arc::clone(&self.rules), Arc::clone(&self.lookup));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = lookup.addresses(&host).await.map_err(|error| boxed(no_name(&host, &error.to_string())))?;
            if found.is_empty() {
                return Err(boxed(no_name(&host, "it has no address")));
            }
            // One bad address spoils the name: it is either a mistake or an attempt.
            for address in &found {
                target.admits(*address, &rules).map_err(|refused| boxed(refused.into()))?;
            }
            let checked = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(checked.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

fn no_name(host: &str, reason: &str) -> Outcome {
    Outcome::NoName(host.to_owned(), reason.to_owned())
}

fn boxed(outcome: Outcome) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(outcome)
}
