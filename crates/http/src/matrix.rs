//! The matrix of rule 6: each route of an [`App`], with each kind of caller, in their own workspace, in one that is foreign to
//! them and in one that does not exist. What is expected is computed from the table of roles; what happens is found by sending
//! the request through the whole frame and gate in a *rehearsal*: the guard of a guarded handler answers in its place, so
//! that nothing is done. A rehearsal cannot be asked for from outside.

use std::net::{Ipv4Addr, SocketAddr};

use access::{Capabilities, Capability, Role, holders, never_for_api_keys, organisation_only};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, COOKIE, HOST, LOCATION};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use base::{ExposeSecret, Problem, ProblemKind, SecretString};

use crate::app::App;
use crate::cookie::SESSION_COOKIE;
use crate::refusal::Refusal;
use crate::routes::{Door, RouteInfo, Rule, StepUp};

const REHEARSED: &str = "rehearsed";

/// Marks a request whose handler must not run.
#[derive(Clone, Copy, Debug)]
struct Rehearsal {
    /// Whether the proof of the caller counts as fresh.
    fresh: bool,
}

/// In a rehearsal: whether the caller's proof counts as fresh.
pub(crate) fn fresh_in_rehearsal(parts: &Parts) -> Option<bool> {
    parts.extensions.get::<Rehearsal>().map(|rehearsal| rehearsal.fresh)
}

/// Ends a rehearsal that got as far as the handler.
pub(crate) fn rehearse(parts: &Parts) -> Result<(), Refusal> {
    if parts.extensions.get::<Rehearsal>().is_none() {
        return Ok(());
    }
    Err(Refusal::with_status(StatusCode::IM_A_TEAPOT, Problem::new(ProblemKind::Conflict, REHEARSED, "Rehearsed.")))
}

/// What a player shows at the door.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    None,
    /// A browser's session.
    Session {
        /// The value of its cookie.
        token: SecretString,
        /// The token of its forms.
        csrf: SecretString,
    },
    /// An API key.
    Key(SecretString),
}

/// What a player may do, said in the words of the table of roles.
#[derive(Clone, Debug)]
pub enum Rights {
    /// Nothing.
    None,
    /// Roles, each in a workspace (by name) or everywhere.
    Roles(Vec<(Role, Option<String>)>),
    /// Sets that the organisation made itself, each in a workspace (by name) or everywhere.
    Sets(Vec<(Capabilities, Option<String>)>),
    /// The scopes of an API key in its workspace.
    Key {
        /// The key's workspace.
        workspace: String,
        /// What it was given.
        scopes: Vec<Capability>,
    },
}

/// One kind of caller.
#[derive(Clone, Debug)]
pub struct Player {
    /// A name for the findings.
    pub name: String,
    /// What it shows.
    pub credential: Credential,
    /// What it should be able to do.
    pub rights: Rights,
}

/// The workspaces to try, by name.
#[derive(Clone, Debug)]
pub struct Places {
    /// Every workspace that is there.
    pub existing: Vec<String>,
    /// A name that no workspace has.
    pub missing: String,
}

/// What trying everything came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests made.
    pub tried: usize,
    /// How many of them reached their handler.
    pub passed: usize,
    /// What was not as the table wants it; empty when all is well.
    pub findings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Nobody,
    Forbidden,
    NoWorkspace,
    /// A fresh proof is asked for.
    StepUp,
}

/// Tries every guarded route of `app` with every player in every place. Public routes are checked for having a reason.
pub async fn run(app: &App, players: &[Player], places: &Places) -> Report {
    let mut report = Report::default();
    for route in app.routes() {
        // What pages of others may have a browser send acts for no session.
        if route.from_elsewhere.is_some_and(|reason| reason.len() < 10 || !matches!(route.rule, Rule::Public(_))) {
            report.findings.push(format!("{} {}: open to pages of others without a reason", route.method, route.path));
        }
        match route.rule {
            Rule::Public(reason) if reason.trim().len() < 10 => {
                report.findings.push(format!("{} {}: public without a reason", route.method, route.path));
            }
            Rule::Public(_) => {}
            Rule::Workspace(_) | Rule::Organisation(_) | Rule::SignedIn => {
                for player in players {
                    attempt_everywhere(app, route, player, places, &mut report).await;
                }
            }
        }
    }
    report
}

/// Tries every route that somebody may use, with a proof of theirs that is old: those that want a fresh one ask for it, and no
/// other does.
pub async fn run_stale(app: &App, player: &Player, place: &str) -> Report {
    let mut report = Report::default();
    for route in app.routes().iter().filter(|route| !matches!(route.rule, Rule::Public(_)) && route.door.reads_cookie())
    {
        let places = Places { existing: vec![place.to_owned()], missing: String::new() };
        if expected(route, player, Some(place), &places) != Outcome::Passed {
            continue;
        }
        let (outcome, _) = attempt_with(app, route, player, Some(place), false).await;
        report.tried += 1;
        report.passed += usize::from(outcome == Ok(Outcome::StepUp));
        let wanted = if route.step_up == StepUp::Needed { Outcome::StepUp } else { Outcome::Passed };
        if outcome != Ok(wanted) {
            report.findings.push(format!("{} {}: expected {wanted:?}, got {outcome:?}", route.method, route.path));
        }
    }
    report
}

async fn attempt_everywhere(app: &App, route: &RouteInfo, player: &Player, places: &Places, report: &mut Report) {
    let everywhere: Vec<Option<&str>> = if route.path.contains("{workspace}") {
        places.existing.iter().map(String::as_str).chain([places.missing.as_str()]).map(Some).collect()
    } else {
        vec![None]
    };
    let mut hidden: Option<String> = None;
    for place in everywhere {
        let expected = expected(route, player, place, places);
        let (outcome, body) = attempt(app, route, player, place).await;
        report.tried += 1;
        report.passed += usize::from(outcome == Ok(Outcome::Passed));
        let name =
            format!("{} {} as {} in {}", route.method, route.path, player.name, place.unwrap_or("the organisation"));
        match outcome {
            Ok(outcome) if outcome == expected => {}
            Ok(outcome) => report.findings.push(format!("{name}: expected {expected:?}, got {outcome:?}")),
            Err(status) => report.findings.push(format!("{name}: expected {expected:?}, got an odd {status}")),
        }
        // A foreign workspace and none at all must not be told apart.
        if expected == Outcome::NoWorkspace {
            match &hidden {
                Some(other) if *other != body => {
                    report.findings.push(format!("{name}: its 404 differs from another one"));
                }
                Some(_) => {}
                None => hidden = Some(body),
            }
        }
    }
}

/// A page as somebody with this session gets it; what a refusal says when they do not.
pub async fn page(app: &App, path: &str, session: &str) -> String {
    let host = app.public_url().trim_start_matches("https://");
    let request = Request::builder()
        .uri(path)
        .header(HOST, host)
        .header(ACCEPT, "text/html")
        .header(COOKIE, format!("{SESSION_COOKIE}={session}"))
        .body(Body::empty())
        .unwrap_or_default();
    let response = app.answer(request, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), None).await;
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

fn expected(route: &RouteInfo, player: &Player, place: Option<&str>, places: &Places) -> Outcome {
    let known = match player.credential {
        Credential::None => false,
        Credential::Session { .. } => route.door.reads_cookie(),
        Credential::Key(_) => route.door.reads_key(),
    };
    if !known || matches!(player.rights, Rights::None) {
        return Outcome::Nobody;
    }
    if route.session_only && matches!(player.credential, Credential::Key(_)) {
        return Outcome::Forbidden;
    }
    let granted =
        |capability, place| if player.holds(capability, place) { Outcome::Passed } else { Outcome::Forbidden };
    match route.rule {
        Rule::Workspace(capability) => {
            let exists = place.is_some_and(|place| places.existing.iter().any(|name| name == place));
            if exists && player.sees(place) { granted(capability, place) } else { Outcome::NoWorkspace }
        }
        Rule::Organisation(capability) => granted(capability, None),
        Rule::SignedIn | Rule::Public(_) => Outcome::Passed,
    }
}

impl Player {
    fn holds(&self, capability: Capability, place: Option<&str>) -> bool {
        match &self.rights {
            Rights::None => false,
            Rights::Roles(roles) => roles
                .iter()
                .any(|(role, scope)| holders(capability).contains(role) && there(capability, scope.as_deref(), place)),
            Rights::Sets(sets) => {
                sets.iter().any(|(set, scope)| set.contains(capability) && there(capability, scope.as_deref(), place))
            }
            Rights::Key { workspace, scopes } => {
                // What a directory's key may do is of the organisation, and of no workspace.
                let here =
                    if organisation_only().contains(capability) { place.is_none() } else { place == Some(workspace) };
                here && scopes.contains(&capability) && !never_for_api_keys().contains(capability)
            }
        }
    }

    fn sees(&self, place: Option<&str>) -> bool {
        match &self.rights {
            Rights::None => false,
            Rights::Roles(roles) => {
                roles.iter().any(|(_, scope)| scope.as_deref().is_none_or(|scope| Some(scope) == place))
            }
            Rights::Sets(sets) => {
                sets.iter().any(|(_, scope)| scope.as_deref().is_none_or(|scope| Some(scope) == place))
            }
            // A directory's program knows people, and no workspace by that.
            Rights::Key { workspace, scopes } => {
                place == Some(workspace) && scopes.iter().any(|scope| !organisation_only().contains(*scope))
            }
        }
    }
}

/// Whether what was given in `scope` holds in `place`; what belongs to the organisation is held in no single workspace.
fn there(capability: Capability, scope: Option<&str>, place: Option<&str>) -> bool {
    match scope {
        None => true,
        Some(scope) => Some(scope) == place && !organisation_only().contains(capability),
    }
}

/// Sends one request through frame and gate. The body comes back without its request id and without digits, since it may
/// hold the time.
async fn attempt(
    app: &App,
    route: &RouteInfo,
    player: &Player,
    place: Option<&str>,
) -> (Result<Outcome, StatusCode>, String) {
    attempt_with(app, route, player, place, true).await
}

async fn attempt_with(
    app: &App,
    route: &RouteInfo,
    player: &Player,
    place: Option<&str>,
    fresh: bool,
) -> (Result<Outcome, StatusCode>, String) {
    let mut request = request(app, route, player, place);
    request.extensions_mut().insert(Rehearsal { fresh });
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let response = app.answer(request, peer, None).await;
    let id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let status = response.status();
    let to_sign_in = response.headers().get(LOCATION).is_some_and(|to| to.as_bytes().starts_with(b"/sign-in"));
    let code = response.extensions().get::<RefusedAs>().map(|refused| refused.0.clone()).unwrap_or_default();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).replace(&id, "").replace(place.unwrap_or("\0"), "");
    let body: String = body.chars().filter(|letter| !letter.is_ascii_hexdigit()).collect();
    let outcome = match (status, &*code) {
        (StatusCode::IM_A_TEAPOT, REHEARSED) => Ok(Outcome::Passed),
        (StatusCode::UNAUTHORIZED, _) => Ok(Outcome::Nobody),
        (StatusCode::SEE_OTHER, _) if to_sign_in && route.door == Door::Console => Ok(Outcome::Nobody),
        (StatusCode::FORBIDDEN, "not-permitted" | "people-only") => Ok(Outcome::Forbidden),
        (StatusCode::FORBIDDEN, "step-up-needed") => Ok(Outcome::StepUp),
        (StatusCode::NOT_FOUND, "workspace-not-found") => Ok(Outcome::NoWorkspace),
        _ => Err(status),
    };
    (outcome, body)
}

fn request(app: &App, route: &RouteInfo, player: &Player, place: Option<&str>) -> Request {
    let fill = |segment: &str| match segment {
        "{workspace}" => place.unwrap_or("none").to_owned(),
        name if name.starts_with('{') => "0".to_owned(),
        literal => literal.to_owned(),
    };
    let path = route.path.split('/').map(fill).collect::<Vec<_>>().join("/");
    let host = app.public_url().trim_start_matches("https://");
    let mut builder = Request::builder().method(route.method.clone()).uri(path).header(HOST, host);
    if route.door == Door::Console {
        builder = builder.header(ACCEPT, "text/html");
    }
    if route.method != Method::GET {
        builder = builder.header("sec-fetch-site", "same-origin");
    }
    match &player.credential {
        Credential::None => {}
        Credential::Session { token, csrf } => {
            builder = builder
                .header(COOKIE, format!("{SESSION_COOKIE}={}", token.expose_secret()))
                .header("x-csrf-token", csrf.expose_secret());
        }
        Credential::Key(key) => builder = builder.header(AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
    }
    builder.body(Body::empty()).unwrap_or_default()
}

/// Under which code a request was refused: left on the answer for the matrix to read.
#[derive(Clone, Debug)]
pub(crate) struct RefusedAs(pub(crate) String);
