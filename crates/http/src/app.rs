//! Routes and settings put together, and the frame around every request: its id, its checks before routing, and on the way
//! out the rendering of failures, the security headers and the access log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use base::{Context, Problem, ProblemKind, RequestId};
use crypto::tls::ClientCertificate;
use futures_util::FutureExt;
use tower::ServiceExt;
use tracing::Instrument;

use crate::caller::Caller;
use crate::doc::{self, Document, Overview};
use crate::gate::{Gate, HX_REQUEST, wants_html};
use crate::headers;
use crate::health::{Checkup, Findings, Health};
use crate::keeper::{Keeper, Source};
use crate::leftover::{self, Leftover};
use crate::matrix::RefusedAs;
use crate::meters;
use crate::once::Replays;
use crate::origin;
use crate::packed;
use crate::probes::{self, Figures};
use crate::refusal::{self, Failure, ProblemJson, Refusal, Render};
use crate::routes::{Declared, Door, Matched, RouteInfo, Routes};
use crate::server::Ambiguity;
use crate::settings::{Limits, Settings};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Everything that is served, ready to be given to a [`Server`](crate::Server). Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    router: Router,
    routes: Vec<RouteInfo>,
    renders: BTreeMap<Door, Arc<dyn Render>>,
    checkup: Arc<Checkup>,
}

/// Puts an [`App`] together.
pub struct Builder {
    settings: Settings,
    keeper: Arc<dyn Keeper>,
    context: Context,
    routes: Routes,
    renders: BTreeMap<Door, Arc<dyn Render>>,
    parts: Vec<Arc<dyn Health>>,
    figures: Option<Arc<dyn Figures>>,
    replays: Option<Replays>,
    overview: Overview,
}

impl App {
    /// Starts with nothing but the probes and the well-known files.
    pub fn builder(settings: Settings, keeper: Arc<dyn Keeper>, context: Context) -> Builder {
        let renders = BTreeMap::new();
        Builder {
            settings,
            keeper,
            context,
            routes: Routes::new(Door::Public),
            renders,
            parts: Vec::new(),
            figures: None,
            replays: None,
            overview: Overview::default(),
        }
    }

    /// Every route, for the matrix test.
    pub fn routes(&self) -> &[RouteInfo] {
        &self.0.routes
    }

    /// The OpenAPI document of the routes that are not the console's.
    pub fn document(&self) -> &Document {
        self.0.gate.document()
    }

    /// The address under which people and programs know this server.
    pub fn public_url(&self) -> &str {
        self.0.gate.settings.public_url()
    }

    /// How all parts are: for supervisors that are told rather than ask.
    pub async fn health(&self) -> Findings {
        self.0.checkup.look().await
    }

    /// Says from now on that this node is not ready, while it goes on serving: load balancers send the next requests elsewhere
    /// before the door closes.
    pub fn drain(&self) {
        self.0.checkup.drain();
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.gate.settings.limits
    }

    pub(crate) fn trusts(&self, peer: std::net::IpAddr) -> bool {
        self.0.gate.settings.trusts(peer)
    }

    /// Ends live streams: the server is stopping.
    pub(crate) fn close_streams(&self) {
        self.0.gate.closing.cancel();
    }

    /// Work that is due now and then.
    pub(crate) fn tidy(&self) {
        self.0.gate.rates.forget_the_quiet();
    }

    /// Answers one request that came over TLS from `peer`. `ambiguous` says how its head could be read in two ways.
    pub(crate) async fn answer(&self, request: Request, peer: SocketAddr, ambiguous: Option<Ambiguity>) -> Response {
        let id: RequestId = self.0.gate.context.id();
        let began = self.0.gate.context.monotonic();
        let method = request.method().clone();
        let version = request.version();
        let span = tracing::info_span!("request", request.id = %id);
        let (parts, body) = request.into_parts();
        let about = About {
            nearest: self.0.nearest_door(parts.uri.path()),
            wants_html: wants_html(&parts),
            fragment: parts.headers.contains_key(HX_REQUEST),
        };
        let packs = method == Method::GET && packed::accepts_gzip(&parts.headers);
        // Who waits for a 100 sends nothing yet.
        let sends = !parts.headers.contains_key(EXPECT);
        let (body, leftover) = if sends { leftover::lend(body) } else { (body, Leftover::default()) };
        let inner = async {
            let bare = match self.examine(&parts, peer, id, ambiguous) {
                Ok(source) => self.route(Request::from_parts(parts, body), source).await,
                Err(refusal) => refusal.into_response(),
            };
            self.0.finish(bare, id, about)
        };
        let (mut response, route) = inner.instrument(span.clone()).await;
        if ambiguous.is_some() && version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let took = self.0.gate.context.monotonic().saturating_sub(began);
        let door = route.as_ref().map_or(about.nearest, |route| route.door);
        if packs && door == Door::Console {
            response = packed::pack(response).await;
        }
        meters::answered(door, response.status(), took);
        // Whoever is too slow is not waited for again.
        if response.status() != StatusCode::REQUEST_TIMEOUT {
            leftover.read_on().await;
        }
        let path = route.as_ref().map_or("(no route)", |route| route.path.as_str());
        span.in_scope(|| access_line(&method, path, door, &response, took));
        response
    }

    /// What is checked before anybody looks at the path. Gives where the request comes from.
    fn examine(
        &self,
        parts: &Parts,
        peer: SocketAddr,
        id: RequestId,
        ambiguous: Option<Ambiguity>,
    ) -> Result<Source, Refusal> {
        let limits = self.limits();
        if let Some(how) = ambiguous {
            return Err(how.refusal());
        }
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > limits.url) {
            let detail = format!("The address is longer than {} bytes. Send long values in the body.", limits.url);
            let problem = Problem::new(ProblemKind::TooLarge, "url-too-long", detail);
            return Err(Refusal::with_status(StatusCode::URI_TOO_LONG, problem));
        }
        let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > limits.headers || parts.headers.len() > limits.header_fields {
            let (bytes, fields) = (limits.headers, limits.header_fields);
            let detail = format!("The header fields are more than {bytes} bytes or more than {fields}. Send fewer.");
            let problem = Problem::new(ProblemKind::TooLarge, "headers-too-large", detail);
            return Err(Refusal::with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, problem));
        }
        // Supervisors ask by address, not by name, and learn nothing but "ready".
        if !probes::is_probe(parts.uri.path()) {
            origin::check_host(&parts.uri, &parts.headers, self.0.gate.hosts())?;
        }
        let address = self.client(&parts.headers, peer);
        self.0.gate.rates.address(address.ip())?;
        let user_agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let user_agent =
            user_agent.map(|agent| agent.chars().filter(|letter| !letter.is_control()).take(200).collect());
        // A browser shows it by itself, also to pages of others: there it proves no program, at no door.
        let certificate = parts.extensions.get::<Arc<ClientCertificate>>().cloned();
        let certificate = certificate.filter(|_| !origin::by_browser(&parts.headers));
        Ok(Source { address, user_agent, request: id, certificate })
    }

    /// Who the client is: the peer, or, when the peer is a proxy of ours, the nearest address in its list that is not.
    fn client(&self, headers: &HeaderMap, peer: SocketAddr) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        let hops: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            let Ok(address) = hop.trim().parse() else { break };
            client = SocketAddr::new(address, 0);
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    async fn route(&self, mut request: Request, source: Source) -> Response {
        request.extensions_mut().insert(source);
        let answer = AssertUnwindSafe(self.0.router.clone().oneshot(request)).catch_unwind();
        match tokio::time::timeout(self.limits().answer, answer).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => {
                tracing::error!("a handler panicked");
                Refusal::new(Problem::internal()).into_response()
            }
            Err(_) => {
                let detail = "The answer took too long and was given up. Try again later.";
                Refusal::new(Problem::new(ProblemKind::Unavailable, "too-slow", detail)).into_response()
            }
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("routes", &self.0.routes.len()).finish_non_exhaustive()
    }
}

/// What is remembered of a request until its answer is finished.
#[derive(Clone, Copy)]
struct About {
    nearest: Door,
    wants_html: bool,
    fragment: bool,
}

impl Inner {
    fn finish(&self, mut bare: Response, id: RequestId, about: About) -> (Response, Option<Matched>) {
        let route = bare.extensions_mut().remove::<Matched>();
        let door = route.as_ref().map_or(about.nearest, |route| route.door);
        let refusal = bare.extensions_mut().remove::<Refusal>();
        let mut response = match refusal {
            Some(refusal) if refusal.status().is_redirection() => {
                let mut response = bare;
                refusal::add_headers(&refusal, &mut response);
                response
            }
            Some(refusal) => {
                log(&refusal, id);
                let failure = Failure {
                    status: refusal.status(),
                    problem: refusal.problem().clone(),
                    errors: refusal.all().to_vec(),
                    request: id,
                    at: self.gate.context.now(),
                    door,
                    wants_html: about.wants_html,
                    fragment: about.fragment,
                    asked: refusal.asked(),
                    signed_in: bare.extensions().get::<Caller>().is_some_and(|caller| !caller.is_nobody()),
                };
                let render = self.renders.get(&door).map_or(&ProblemJson as &dyn Render, |render| &**render);
                let mut response = refusal::finish(&refusal, &failure, render, bare);
                response.extensions_mut().insert(RefusedAs(failure.problem.code.into_owned()));
                response
            }
            None => bare,
        };
        headers::secure(&mut response, door, id);
        (response, route)
    }

    /// The door of the route whose literal beginning has most in common with `path`: a mistyped address under `/api/` is
    /// answered as the API would.
    fn nearest_door(&self, path: &str) -> Door {
        let common = |pattern: &str| {
            let pairs = pattern.split('/').skip(1).zip(path.split('/').skip(1));
            pairs
                .take_while(|(own, asked)| own == asked || own.starts_with('{'))
                .filter(|(own, _)| !own.starts_with('{'))
                .count()
        };
        let best = self.routes.iter().map(|route| (common(&route.path), route.door)).filter(|(count, _)| *count > 0);
        best.max_by_key(|(count, _)| *count).map_or(Door::Console, |(_, door)| door)
    }
}

/// The line of the access log. It has the route's pattern, not the path: paths hold numbers and tokens, queries hold keys
/// (ASVS 14.2.1, 16.2.5). Signals have their own record each, and probes come every few seconds: they are for debugging.
fn access_line(method: &Method, route: &str, door: Door, response: &Response, took: Duration) {
    let (status, door_name) = (response.status().as_u16(), meters::name(door));
    let took_ms = took.as_secs_f64() * 1e3;
    // Unknown for streams and for what is made while it is sent.
    let bytes = response.body().size_hint().exact();
    match door {
        Door::Console | Door::Api | Door::Compatible | Door::Scim => {
            tracing::info!(target: "access", %method, route, status, took_ms, bytes, door = door_name, "answered");
        }
        Door::Signal | Door::Public | Door::Probe => {
            tracing::debug!(target: "access", %method, route, status, took_ms, bytes, door = door_name, "answered");
        }
    }
}

/// Failures of ours are logged once, here, with their causes; refusals are the caller's business.
fn log(refusal: &Refusal, id: RequestId) {
    let cause = refusal.cause().map(refusal::chain).unwrap_or_default();
    let code = &*refusal.problem().code;
    match refusal.problem().kind {
        ProblemKind::Internal => tracing::error!(request.id = %id, code, cause, "a request failed"),
        ProblemKind::Unavailable => tracing::warn!(request.id = %id, code, cause, "a request could not be served"),
        _ => tracing::debug!(request.id = %id, code, cause, "a request was refused"),
    }
}

impl Builder {
    /// Adds a room's routes.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Shows the failures of `door` in another shape than problem+json.
    #[must_use]
    pub fn render(mut self, door: Door, render: impl Render) -> Self {
        self.renders.insert(door, Arc::new(render));
        self
    }

    /// Adds a part that `/healthz` and `/readyz` ask.
    #[must_use]
    pub fn health(mut self, part: impl Health) -> Self {
        self.parts.push(Arc::new(part));
        self
    }

    /// What `/metrics` shows.
    #[must_use]
    pub fn figures(mut self, figures: impl Figures) -> Self {
        self.figures = Some(Arc::new(figures));
        self
    }

    /// Keeps the answers to requests with an `Idempotency-Key`. Without it the header is not looked at.
    #[must_use]
    pub fn replays(mut self, replays: Replays) -> Self {
        self.replays = Some(replays);
        self
    }

    /// What the OpenAPI document says about the whole.
    #[must_use]
    pub fn overview(mut self, overview: Overview) -> Self {
        self.overview = overview;
        self
    }

    /// The finished whole.
    ///
    /// # Panics
    /// At start: when two rooms declare the same method and path, or a path that the router cannot read.
    pub fn build(self) -> App {
        let checkup = Arc::new(Checkup::new(self.parts, self.context.clone()));
        let own = probes::routes(&self.settings, &self.context, Arc::clone(&checkup), self.figures);
        let routes = own.merge(doc::routes()).merge(self.routes);
        let list = routes.list();
        let shapes = self.renders.iter().map(|(door, render)| (*door, render.shape())).collect();
        let document = Document::of(&list, &self.overview, self.settings.public_url(), &shapes);
        let gate = Arc::new(Gate::new(self.settings, self.keeper, self.context, self.replays, document));
        let mut router = Router::new();
        for Declared { info, handler } in routes.declared {
            let path = info.path.clone();
            let (gate, route) = (Arc::clone(&gate), Arc::new(info));
            let pass = move |request: Request, next: Next| Arc::clone(&gate).pass(Arc::clone(&route), request, next);
            router = router.route(&path, handler.route_layer(from_fn(pass)));
        }
        let router = router.fallback(missing).method_not_allowed_fallback(not_listed);
        App(Arc::new(Inner { gate, router, routes: list, renders: self.renders, checkup }))
    }
}

async fn missing() -> Refusal {
    Refusal::not_found()
}

/// ASVS 4.1.4, 13.4.4: methods that a path does not list.
async fn not_listed(_: Body) -> Refusal {
    let detail = "This address does not answer that method. The header Allow lists those it does.";
    let problem = Problem::new(ProblemKind::Invalid, "method-not-allowed", detail);
    Refusal::with_status(StatusCode::METHOD_NOT_ALLOWED, problem)
}
