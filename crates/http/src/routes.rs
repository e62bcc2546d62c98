//! What a room offers over HTTP: each route with its method, path, door and capability.
//!
//! The capability is not written beside the handler but **read from the handler's own first argument**, a
//! [`Guard`]: [`InWorkspace<C>`](crate::InWorkspace), [`InOrganisation<C>`](crate::InOrganisation),
//! [`SignedIn`](crate::SignedIn) or [`Open`](crate::Open). So a handler of a guarded route cannot be written
//! without receiving the proof of the right, and what [`Routes::list`] says is what is checked.
//!
//! ```
//! use access::cap;
//! use http::{Answer, Door, InWorkspace, Open, Routes};
//!
//! #[derive(Clone)]
//! struct Pages;
//!
//! async fn list(guard: InWorkspace<cap::AlertsRead>) -> Answer<String> {
//!     let permit = guard.permit(); // &access::Permit<cap::AlertsRead>, for the workspace in the path
//!     Ok(format!("alerts of {}", permit.workspace()))
//! }
//!
//! async fn sign_in(_: Open) -> Answer<&'static str> {
//!     Ok("who are you?")
//! }
//!
//! let routes = Routes::<Pages>::new(Door::Console)
//!     .get("/w/{workspace}/alerts", list)
//!     .public(http::Method::GET, "/sign-in", "the page on which people prove who they are", sign_in)
//!     .with_state(Pages);
//! assert_eq!(routes.list().len(), 2);
//! ```

use std::fmt;
use std::sync::Arc;

use access::Capability;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::doc::{Doc, is_unsafe};
use crate::guard::Guard;
use crate::once::Keeping;

/// Which kind of client a route is made for. It decides how the caller proves itself, how errors look and
/// which headers the answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// Pages for people: session cookie, HTML errors, the console's content security policy.
    Console,
    /// Our own JSON API: API key or session, problem+json.
    Api,
    /// Doors in the shape of other products: API key only, their own error envelope.
    Compatible,
    /// People and groups kept by a directory elsewhere (SCIM): API key or token only, that protocol's error messages.
    Scim,
    /// Inbound signals: proven inside `signals` by the integration's own credential.
    Signal,
    /// For everybody: well-known files, hashed assets.
    Public,
    /// For supervisors: is it alive, is it ready.
    Probe,
}

impl Door {
    /// Bytes of body at most, unless a route says otherwise (security.md, input limits).
    pub const fn body_limit(self) -> usize {
        match self {
            Self::Console => 64 * 1024,
            Self::Api | Self::Compatible | Self::Scim => 1024 * 1024,
            Self::Signal => 256 * 1024,
            Self::Public | Self::Probe => 1024,
        }
    }

    /// Media types read, unless a route says otherwise.
    pub const fn content_types(self) -> &'static [ContentType] {
        match self {
            Self::Console => &[ContentType::Form],
            Self::Api | Self::Compatible | Self::Scim => &[ContentType::Json],
            Self::Signal => &[ContentType::Json, ContentType::Form],
            Self::Public | Self::Probe => &[],
        }
    }

    /// Whether the session cookie is looked at. At every other door a cookie means nothing, so that no
    /// other site can make a browser act there (X-18), and nothing there makes a session (X-06).
    pub const fn reads_cookie(self) -> bool {
        matches!(self, Self::Console | Self::Api)
    }

    /// Whether an API key is looked at.
    pub const fn reads_key(self) -> bool {
        matches!(self, Self::Api | Self::Compatible | Self::Scim | Self::Probe)
    }
}

/// A media type of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`, with or without `charset=utf-8`; also `application/*+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/yaml`.
    Yaml,
    /// `text/plain`.
    Text,
    /// Anything, also nothing: the handler looks for itself.
    Any,
}

impl ContentType {
    /// Whether a `Content-Type` header's value is of this type. Parameters are ignored: the one character set
    /// read anywhere is UTF-8, and each parser refuses bytes that are not.
    pub fn matches(self, value: &str) -> bool {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self {
            Self::Json => {
                essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
            }
            Self::Form => essence == "application/x-www-form-urlencoded",
            Self::Yaml => matches!(essence.as_str(), "application/yaml" | "application/x-yaml" | "text/yaml"),
            Self::Text => essence == "text/plain",
            Self::Any => true,
        }
    }
}

/// What a caller must have proven before the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// This capability in the workspace of the path.
    Workspace(Capability),
    /// This capability in the organisation.
    Organisation(Capability),
    /// Being somebody: a live session or key, with no particular right.
    SignedIn,
    /// Nothing, for the reason given.
    Public(&'static str),
}

/// Whether a route wants a fresh proof of the person in a session (ASVS 7.5.1, 7.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUp {
    /// It does: its capability is [risky](Capability::is_risky) and its method changes something, or it says so itself.
    Needed,
    /// It does not.
    No,
    /// Its capability is risky, but this act is not, for the reason given.
    Spared(&'static str),
}

/// One route as the matrix test sees it (rule 6 of the house).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method; `GET` answers `HEAD` too.
    pub method: Method,
    /// The path pattern, with `{names}`.
    pub path: String,
    /// The kind of client.
    pub door: Door,
    /// What is required.
    pub rule: Rule,
    /// Bytes of body at most.
    pub body_limit: usize,
    /// Media types read.
    pub content_types: &'static [ContentType],
    /// Whether only a session will do, never an API key (E-08).
    pub session_only: bool,
    /// Whether the person of a session must have proven themselves within the last five minutes.
    pub step_up: StepUp,
    /// How the answers to requests with an `Idempotency-Key` are kept.
    pub keeping: Keeping,
    /// Whether the answer holds a secret, which is shown once and never kept.
    pub shows_secret: bool,
    /// Why pages of others may have a browser post here; `None` where they may not.
    pub from_elsewhere: Option<&'static str>,
    /// Whether a body that is too long or of another type is refused by what reads it, and not before the handler.
    pub hears_of_bodies: bool,
    /// What it means, for people and for the OpenAPI document.
    pub doc: Option<Arc<Doc>>,
}

impl RouteInfo {
    /// Whether a request with an `Idempotency-Key` is done once.
    pub const fn once_kept(&self) -> bool {
        !matches!(self.keeping, Keeping::Never)
    }

    /// The required capability; `None` for public routes and those that only want somebody signed in.
    pub const fn capability(&self) -> Option<Capability> {
        match self.rule {
            Rule::Workspace(capability) | Rule::Organisation(capability) => Some(capability),
            Rule::SignedIn | Rule::Public(_) => None,
        }
    }
}

/// A declared route: what it is, and what answers.
pub(crate) struct Declared<S> {
    pub(crate) info: RouteInfo,
    pub(crate) handler: MethodRouter<S>,
}

/// Routes of one room, each declared with all that the door needs to know. `S` is what its handlers get as
/// `axum::extract::State<S>`; [`Routes::with_state`] gives it, and then rooms can be [merged](Routes::merge).
pub struct Routes<S = ()> {
    door: Door,
    pub(crate) declared: Vec<Declared<S>>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet; those declared next belong to `door`.
    pub const fn new(door: Door) -> Self {
        Self { door, declared: Vec::new() }
    }

    /// The routes declared from here on belong to another door.
    pub const fn door(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// A guarded `GET` (and `HEAD`).
    pub fn get<H, T>(self, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, S>,
        T: Guarded + 'static,
    {
        self.guarded(Method::GET, path, handler)
    }

    /// A guarded `POST`.
    pub fn post<H, T>(self, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, S>,
        T: Guarded + 'static,
    {
        self.guarded(Method::POST, path, handler)
    }

    /// A guarded `DELETE`.
    pub fn delete<H, T>(self, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, S>,
        T: Guarded + 'static,
    {
        self.guarded(Method::DELETE, path, handler)
    }

    /// A guarded route of any method that handlers can answer.
    ///
    /// # Panics
    /// At start, never later: when the method has no routes of its own, or when the guard wants a workspace that
    /// the path does not name.
    pub fn guarded<H, T>(mut self, method: Method, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, S>,
        T: Guarded + 'static,
    {
        let rule = T::rule();
        assert!(
            !matches!(rule, Rule::Workspace(_)) || path.split('/').any(|segment| segment == "{workspace}"),
            "the handler of {path} wants a permit for a workspace, but the path has no {{workspace}}"
        );
        self.declare(method, path, rule, handler);
        self
    }

    /// A route for anybody, with the `reason` why no right is required. The handler's first argument is
    /// [`Open`](crate::Open).
    ///
    /// # Panics
    /// At start: when the method has no routes of its own.
    pub fn public<H, T>(mut self, method: Method, path: &str, reason: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, S>,
        T: Unguarded + 'static,
    {
        self.declare(method, path, Rule::Public(reason), handler);
        self
    }

    /// Sets the body limit of the route declared last.
    pub fn limit(mut self, bytes: usize) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.body_limit = bytes;
        }
        self
    }

    /// Sets the media types that the route declared last reads.
    pub fn accepts(mut self, types: &'static [ContentType]) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.content_types = types;
        }
        self
    }

    /// The route declared last wants a person in a session, never a program with a key (E-08).
    pub fn session_only(mut self) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.session_only = true;
        }
        self
    }

    /// The route declared last wants a proof of its person that is five minutes old at most, although neither its method nor its
    /// capability says so.
    pub fn fresh(mut self) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.step_up = StepUp::Needed;
        }
        self
    }

    /// The route declared last wants no fresh proof, although its capability is risky: the `reason` why its act is not.
    pub fn spared(mut self, reason: &'static str) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.step_up = StepUp::Spared(reason);
        }
        self
    }

    /// What the route declared last means.
    pub fn doc(mut self, doc: Doc) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.doc = Some(Arc::new(doc));
        }
        self
    }

    /// The handler of the route declared last runs its effect by [`Attempt::write`](crate::Attempt::write), so that the
    /// answer to a request with an `Idempotency-Key` commits with the effect.
    pub fn atomic(mut self) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.keeping = Keeping::Inside;
        }
        self
    }

    /// The answer of the route declared last holds a secret: it is shown once, and an `Idempotency-Key` does not show it
    /// again.
    pub fn shows_secret(mut self) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.shows_secret = true;
        }
        self
    }

    /// Pages of others may have a browser post to the route declared last, for the `reason` why that moves nobody to anything: what
    /// is posted proves itself, and the handler acts for no session.
    pub fn from_elsewhere(mut self, reason: &'static str) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.from_elsewhere = Some(reason);
        }
        self
    }

    /// The handler of the route declared last hears of a body that is too long or of a type that is not read: what reads it
    /// ([`Raw`](crate::Raw)) fails with that refusal, which the handler can write down where its user looks.
    pub fn hears_of_bodies(mut self) -> Self {
        if let Some(last) = self.declared.last_mut() {
            last.info.hears_of_bodies = true;
        }
        self
    }

    /// Gives the handlers their state.
    pub fn with_state(self, state: S) -> Routes {
        let give =
            |Declared { info, handler }: Declared<S>| Declared { info, handler: handler.with_state(state.clone()) };
        Routes { door: self.door, declared: self.declared.into_iter().map(give).collect() }
    }

    /// These routes and those of another room.
    pub fn merge(mut self, other: Self) -> Self {
        self.declared.extend(other.declared);
        self
    }

    /// Every route, for the matrix test and for the documents.
    pub fn list(&self) -> Vec<RouteInfo> {
        self.declared.iter().map(|declared| declared.info.clone()).collect()
    }

    fn declare<H, T>(&mut self, method: Method, path: &str, rule: Rule, handler: H)
    where
        H: axum::handler::Handler<T, S>,
        T: 'static,
    {
        let Ok(filter) = MethodFilter::try_from(method.clone()) else { panic!("no route can answer {method} {path}") };
        let keeps = matches!(self.door, Door::Api | Door::Compatible) && is_unsafe(&method);
        let risky = match rule {
            Rule::Workspace(capability) | Rule::Organisation(capability) => capability.is_risky(),
            Rule::SignedIn | Rule::Public(_) => false,
        };
        let info = RouteInfo {
            step_up: if risky && is_unsafe(&method) { StepUp::Needed } else { StepUp::No },
            keeping: if keeps { Keeping::Around } else { Keeping::Never },
            shows_secret: false,
            from_elsewhere: None,
            hears_of_bodies: false,
            doc: None,
            method,
            path: path.to_owned(),
            door: self.door,
            rule,
            body_limit: self.door.body_limit(),
            content_types: self.door.content_types(),
            session_only: false,
        };
        self.declared.push(Declared { info, handler: on(filter, handler) });
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.declared.iter().map(|declared| (&declared.info.method, &declared.info.path)))
            .finish()
    }
}

/// What the gate and the frame know about the route that was matched.
pub(crate) type Matched = Arc<RouteInfo>;

/// Handlers whose first argument is a [`Guard`]. Implemented for the argument lists themselves; there is nothing to
/// implement by hand.
pub trait Guarded: sealed::Sealed {
    /// What the first argument requires.
    fn rule() -> Rule;
}

/// Handlers whose first argument is [`Open`](crate::Open).
pub trait Unguarded: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! argument_lists {
    ($([$($argument:ident)*])*) => {$(
        impl<M, First, $($argument),*> sealed::Sealed for (M, First, $($argument,)*) {}

        impl<M, First: Guard, $($argument),*> Guarded for (M, First, $($argument,)*) {
            fn rule() -> Rule {
                First::rule()
            }
        }

        impl<M, $($argument),*> Unguarded for (M, crate::Open, $($argument,)*) {}
    )*};
}

argument_lists! { [] [A] [A B] [A B C] [A B C D] [A B C D E] [A B C D E F] [A B C D E F G] }
