//! What the tests stand on: a server, routes of every kind, a few people and keys, and clients that trust its certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use access::{Actor, AuthMethod, Capability, Denied, Grants, KeyScope, Principal, Role, Scope, cap};
use async_trait::async_trait;
use base::{ApiKeyId, Context, ExposeSecret, SecretString, SystemClock, UserId, WorkspaceId};
use crypto::tls::{CertResolver, Roots, SelfSigned, client_config, server_config};
use futures_util::stream;
use http::{
    Answer, App, ContentType, Door, Event, Form, InOrganisation, InWorkspace, IntoResponse, Json, Keeper, LiveSession,
    Method, Open, PageQuery, Proof, Raw, Refusal, Response, Routes, Server, Settings, SignedIn, Source, Ways,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance))
}

pub fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::from(Uuid::from_u128(name.bytes().fold(1, |sum, byte| sum * 31 + u128::from(byte))))
}

/// Sessions are `s-<name>` with the form token `csrf-<name>`, keys are `k-<name>`.
#[derive(Default)]
pub struct Accounts {
    pub ended: AtomicBool,
    /// Requests that counted as use of a session.
    pub used: AtomicUsize,
}

pub const WORKSPACES: [&str; 2] = ["demo", "other"];

impl Accounts {
    fn roles(name: &str) -> Option<(Role, Scope)> {
        let (role, place) = name.split_once('@').unwrap_or((name, ""));
        let role = role.parse().ok()?;
        Some((role, if place.is_empty() { Scope::Organisation } else { Scope::Workspace(workspace(place)) }))
    }

    fn person(name: &str, source: &Source) -> Option<Grants> {
        let principal = Principal::User { id: UserId::from(Uuid::nil()), name: "Ada Sample".into() };
        let mut actor = Actor::new(principal, AuthMethod::Password);
        actor.source = Some(source.address);
        Some(Grants::of_roles(actor, &[Self::roles(name)?]))
    }
}

#[async_trait]
impl Keeper for Accounts {
    async fn session(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        self.used.fetch_add(1, Ordering::SeqCst);
        self.session_still(token, source).await
    }

    async fn session_still(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        let name = token.expose_secret().strip_prefix("s-");
        if self.ended.load(Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(name.and_then(|name| {
            let now = context().now();
            // `s-old-…` has not proven itself for an hour; `s-new-…` is what it becomes by a proof.
            let (name, fresh_until) = match name.strip_prefix("old-") {
                Some(name) => (name, now.minus(Duration::from_hours(1))),
                None => (name.strip_prefix("new-").unwrap_or(name), now.plus(Duration::from_mins(5))),
            };
            let csrf = SecretString::from(format!("csrf-{name}"));
            let (idle_until, expires_at) = (now.plus(Duration::from_mins(30)), now.plus(Duration::from_hours(12)));
            Some(LiveSession { grants: Self::person(name, source)?, csrf, fresh_until, idle_until, expires_at })
        }))
    }

    async fn api_key(&self, key: &SecretString, _: &Source) -> Result<Option<Grants>, Refusal> {
        let Some(place) = key.expose_secret().strip_prefix("k-") else { return Ok(None) };
        if place == "metrics" {
            let actor = Actor::new(
                Principal::ApiKey { id: ApiKeyId::from(Uuid::nil()), name: "scraper".into() },
                AuthMethod::ApiKey,
            );
            return Ok(Some(Grants::of_api_key(actor, workspace("demo"), &["metrics:read".parse().unwrap()])));
        }
        let actor =
            Actor::new(Principal::ApiKey { id: ApiKeyId::from(Uuid::nil()), name: "ci".into() }, AuthMethod::ApiKey);
        let scopes: Vec<KeyScope> = key_scopes().iter().filter_map(|scope| scope.name().parse().ok()).collect();
        Ok(Some(Grants::of_api_key(actor, workspace(place), &scopes)))
    }

    async fn ways(&self, _: &SecretString, _: &Source) -> Result<Ways, Refusal> {
        Ok(Ways { password: true, ..Ways::default() })
    }

    async fn step_up(&self, token: &SecretString, proof: Proof, _: &Source) -> Result<SecretString, Refusal> {
        match proof {
            Proof::Password(given) if given.expose_secret() == "right" => {
                Ok(SecretString::from(token.expose_secret().replace("s-old-", "s-new-")))
            }
            _ => Err(Refusal::new(base::Problem::new(base::ProblemKind::Unauthenticated, "bad-factor", "Wrong."))),
        }
    }

    async fn workspace(&self, name: &str) -> Result<Option<WorkspaceId>, Refusal> {
        Ok(WORKSPACES.contains(&name).then(|| workspace(name)))
    }

    async fn refused(&self, _: &Grants, _: Denied) {}
}

pub fn key_scopes() -> Vec<Capability> {
    vec![Capability::AlertsRead, Capability::MessagesSend]
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub text: String,
    #[serde(default)]
    pub tags: Vec<String>,
}

async fn page(guard: InWorkspace<cap::AlertsRead>) -> Response {
    let html = format!("<p>{} as {:?}</p>", guard.name(), guard.caller().actor().principal);
    ([("content-type", "text/html; charset=utf-8")], html).into_response()
}

async fn act(guard: InWorkspace<cap::AlertsAnswer>, Form(note): Form<Note>) -> Answer<String> {
    Ok(format!("{}: {}", guard.name(), note.text))
}

async fn risky(guard: InWorkspace<cap::AlertsAnswer>, Form(note): Form<Note>) -> Answer<String> {
    Ok(format!("{} risked: {}, {:?}", guard.name(), note.text, note.tags))
}

async fn create(_: InWorkspace<cap::MessagesSend>, Json(note): Json<Note>) -> Json<Note> {
    Json(note)
}

async fn list(_: InWorkspace<cap::AlertsRead>, PageQuery(page): PageQuery) -> String {
    page.limit().to_string()
}

async fn audit(_: InOrganisation<cap::AuditRead>) -> &'static str {
    "audit"
}

async fn keys(_: InWorkspace<cap::AlertsRead>) -> &'static str {
    "keys"
}

async fn me(guard: SignedIn) -> String {
    guard.caller().csrf().to_owned()
}

async fn sign_in(open: Open) -> String {
    format!("sign in from {}", open.source().ip())
}

async fn sign_out(_: SignedIn) -> Response {
    http::end_session("bye".into_response())
}

async fn signal(_: Open, Raw(body): Raw) -> String {
    body.len().to_string()
}

async fn live(guard: InWorkspace<cap::AlertsRead>) -> Answer {
    let events = stream::unfold(0_u32, |number| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Event::default().event("tick").data(number.to_string()), number + 1))
    });
    http::events(guard.watch(), events)
}

async fn quiet(guard: InWorkspace<cap::AlertsRead>) -> Answer {
    http::events(guard.watch(), stream::pending())
}

async fn slow(_: Open) -> &'static str {
    tokio::time::sleep(Duration::from_millis(500)).await;
    "done"
}

async fn big(_: Open) -> Vec<u8> {
    vec![b'x'; 64 * 1024 * 1024]
}

async fn panics(_: Open) -> &'static str {
    panic!("a bug")
}

async fn internal(_: Open) -> Answer<&'static str> {
    let cause = std::io::Error::other("SELECT secret FROM users at /etc/passwd");
    Err(Refusal::new(base::Problem::internal()).because(cause))
}

/// Whether the door sees a certificate.
async fn certificate(open: Open) -> Response {
    if open.source().certificate.is_some() { "shown" } else { "none" }.into_response()
}

pub fn routes() -> Routes {
    Routes::<()>::new(Door::Console)
        .get("/w/{workspace}/alerts", page)
        .post("/w/{workspace}/alerts/{alert}/acknowledge", act)
        .post("/w/{workspace}/risky", risky)
        .fresh()
        .get("/w/{workspace}/risky", page)
        .fresh()
        .get("/w/{workspace}/live", live)
        .get("/w/{workspace}/quiet", quiet)
        .get("/me", me)
        .post("/sign-out", sign_out)
        .public(Method::GET, "/sign-in", "people prove themselves here", sign_in)
        .public(Method::POST, "/sign-in", "people prove themselves here", sign_in)
        .public(Method::POST, "/answers", "only for this test", sign_in)
        .from_elsewhere("what is posted proves itself")
        .public(Method::GET, "/panics", "only for this test", panics)
        .door(Door::Api)
        .get("/api/v1/workspaces/{workspace}/alerts", list)
        .post("/api/v1/workspaces/{workspace}/notes", create)
        .get("/api/v1/audit", audit)
        .get("/api/v1/workspaces/{workspace}/keys", keys)
        .session_only()
        .public(Method::GET, "/api/v1/internal", "only for this test", internal)
        .door(Door::Compatible)
        .post("/api/v1/subaccounts/{workspace}/messages", create)
        .door(Door::Signal)
        .public(Method::POST, "/signals/{integration}", "proven by the integration's own token", signal)
        .public(Method::GET, "/certificate", "only for this test", certificate)
        .public(Method::GET, "/slow", "only for this test", slow)
        .public(Method::GET, "/big", "only for this test", big)
        .door(Door::Public)
        .public(Method::POST, "/anything", "only for this test", signal)
        .accepts(&[ContentType::Any])
        .with_state(())
}

/// A running server.
pub struct Stage {
    pub address: SocketAddr,
    pub accounts: Arc<Accounts>,
    pub stop: CancellationToken,
    pub running: tokio::task::JoinHandle<()>,
    pub ca: String,
    pub certificate: Arc<CertResolver>,
    pub app: App,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(|settings| settings).await
    }

    pub async fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        Self::build(change, |builder| builder).await
    }

    pub async fn build(
        change: impl FnOnce(Settings) -> Settings,
        more: impl FnOnce(http::Builder) -> http::Builder,
    ) -> Self {
        Self::asking(crypto::tls::Clients::Unasked, change, more).await
    }

    /// A server that asks its clients for certificates.
    pub async fn asking(
        clients: crypto::tls::Clients<'_>,
        change: impl FnOnce(Settings) -> Settings,
        more: impl FnOnce(http::Builder) -> http::Builder,
    ) -> Self {
        crypto::install_default_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pair = SelfSigned::generate(&["localhost".into(), "127.0.0.1".into()], &context()).unwrap();
        let certificate = Arc::new(CertResolver::from_pem(&pair.cert_pem, pair.key_pem.expose_secret()).unwrap());
        let tls = server_config(Arc::clone(&certificate) as _, clients, &[]).unwrap();
        let accounts = Arc::new(Accounts::default());
        let settings = Settings::new(&format!("https://localhost:{}", address.port())).unwrap();
        let settings = settings.alias(&address.to_string()).unwrap().contact("mailto:security@example.com");
        let builder = App::builder(change(settings), Arc::clone(&accounts) as Arc<dyn Keeper>, context());
        let app = more(builder.routes(routes())).build();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Server::on(listener, tls, app.clone()).run(stop.clone()));
        Self { address, accounts, stop, running, ca: pair.ca_pem, certificate, app }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    pub fn origin(&self) -> String {
        self.url("")
    }

    pub fn client(&self) -> reqwest::Client {
        self.client_speaking(&[b"h2", b"http/1.1"])
    }

    pub fn client_speaking(&self, alpn: &[&[u8]]) -> reqwest::Client {
        let tls = client_config(&Roots::Pem(self.ca.clone()), alpn).unwrap();
        reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .resolve("localhost", self.address)
            .build()
            .unwrap()
    }

    /// A TLS connection on which a test can write what no client library would.
    pub async fn raw(&self) -> TlsStream<TcpStream> {
        self.raw_speaking(&[b"http/1.1"]).await
    }

    pub async fn raw_speaking(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let tls = client_config(&Roots::Pem(self.ca.clone()), alpn).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(tls).connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    /// The same with room for few unread bytes, so that a server soon has to wait.
    pub async fn raw_with_small_window(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let tls = client_config(&Roots::Pem(self.ca.clone()), &[b"http/1.1"]).unwrap();
        TlsConnector::from(tls).connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = self.raw().await;
        let host = format!("localhost:{}", self.address.port());
        stream.write_all(request.replace("HOST", &host).as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

pub async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // The end may be a close without good-bye.
    while let Ok(Ok(count @ 1..)) = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
