//! The caller of a request: what was proven about it, once, before the handler runs.

use std::fmt;
use std::sync::Arc;

use access::{Actor, Grants};
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::request::Parts;
use base::{Context, ExposeSecret, SecretString, Timestamp};

use crate::cookie;
use crate::gate::{Gate, HX_REQUEST};
use crate::keeper::{LiveSession, Source};
use crate::packed;
use crate::refusal::Refusal;
use crate::routes::Door;

/// What the caller proved itself with. `Debug` shows neither secret.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    None,
    /// `shown` is the form's token under a mask of this request's own.
    Session {
        token: SecretString,
        csrf: SecretString,
        shown: SecretString,
        times: Times,
    },
    Key {
        key: SecretString,
    },
    /// The certificate of the connection.
    Certificate,
}

/// The times of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    fresh_until: Timestamp,
    idle_until: Timestamp,
    expires_at: Timestamp,
}

/// Who calls, and from where. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    grants: Grants,
    credential: Credential,
    source: Source,
}

/// The live session that a request's cookie opens.
async fn live(
    parts: &Parts,
    token: &SecretString,
    gate: &Gate,
    source: &Source,
) -> Result<Option<LiveSession>, Refusal> {
    // A part of a page that renews itself is no sign that somebody is there, nor is a page that listens.
    let listens = parts.headers.get(ACCEPT).is_some_and(|wanted| wanted == "text/event-stream");
    if parts.method == Method::GET && (listens || parts.headers.contains_key(HX_REQUEST)) {
        gate.keeper().session_still(token, source).await
    } else {
        gate.keeper().session(token, source).await
    }
}

impl Caller {
    fn new(grants: Grants, credential: Credential, source: Source) -> Self {
        Self(Arc::new(Inner { grants, credential, source }))
    }

    /// Proves the caller by what its door looks at. A credential that is there but not valid makes nobody of the
    /// caller; whether that is a refusal is for the route's rule to say.
    pub(crate) async fn prove(parts: &Parts, door: Door, gate: &Gate, source: Source) -> Result<Self, Refusal> {
        if door.reads_key()
            && let Some(key) = bearer(parts)
        {
            // A key was shown, so a cookie beside it is ignored: one request, one identity.
            if let Some(grants) = gate.keeper().api_key(&key, &source).await? {
                return Ok(Self::new(grants, Credential::Key { key }, source));
            }
        } else if door.reads_cookie()
            && let Some(token) = cookie::session_token(&parts.headers)
            && let Some(live) = live(parts, &token, gate, &source).await?
        {
            return Ok(Self::of_session(live, token, source, &gate.context));
        } else if door.reads_key()
            && source.certificate.is_some()
            && let Some(grants) = gate.keeper().certificate(&source).await?
        {
            return Ok(Self::new(grants, Credential::Certificate, source));
        }
        let mut nobody = Actor::anonymous(Some(source.address));
        nobody.user_agent.clone_from(&source.user_agent);
        nobody.request = Some(source.request);
        Ok(Self::new(Grants::none(nobody), Credential::None, source))
    }

    /// The person of a session.
    pub(crate) fn of_session(live: LiveSession, token: SecretString, source: Source, context: &Context) -> Self {
        let shown = packed::mask(live.csrf.expose_secret(), context).into();
        let times = Times { fresh_until: live.fresh_until, idle_until: live.idle_until, expires_at: live.expires_at };
        Self::new(live.grants, Credential::Session { token, csrf: live.csrf, shown, times }, source)
    }

    /// Until when the last proof of a session's person is fresh; none for programs, who prove themselves with every request.
    pub(crate) fn fresh_until(&self) -> Option<Timestamp> {
        match &self.0.credential {
            Credential::Session { times, .. } => Some(times.fresh_until),
            Credential::None | Credential::Key { .. } | Credential::Certificate => None,
        }
    }

    /// When the session ends if it is not used, and when in any case.
    pub fn session_ends(&self) -> Option<(Timestamp, Timestamp)> {
        match &self.0.credential {
            Credential::Session { times, .. } => Some((times.idle_until, times.expires_at)),
            Credential::None | Credential::Key { .. } | Credential::Certificate => None,
        }
    }

    /// Whether the caller proved nothing.
    pub fn is_nobody(&self) -> bool {
        matches!(self.0.credential, Credential::None)
    }

    /// Whether the caller is a browser in a session.
    pub fn in_session(&self) -> bool {
        matches!(self.0.credential, Credential::Session { .. })
    }

    /// What the caller may do.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// Who acts, for use-cases that want no permit.
    pub fn actor(&self) -> &Actor {
        self.0.grants.actor()
    }

    /// Where the request comes from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// The token that every form of this session carries in its field `csrf`; empty when there is no session. It is masked
    /// anew for each request, so that packed pages tell nothing about it.
    pub fn csrf(&self) -> &str {
        match &self.0.credential {
            Credential::Session { shown, .. } => shown.expose_secret(),
            Credential::None | Credential::Key { .. } | Credential::Certificate => "",
        }
    }

    /// The token of the session itself, to compare with.
    pub(crate) fn own_csrf(&self) -> &str {
        match &self.0.credential {
            Credential::Session { csrf, .. } => csrf.expose_secret(),
            Credential::None | Credential::Key { .. } | Credential::Certificate => "",
        }
    }

    /// The session's own token, for signing out. `None` when there is no session.
    pub fn session_token(&self) -> Option<&SecretString> {
        match &self.0.credential {
            Credential::Session { token, .. } => Some(token),
            Credential::None | Credential::Key { .. } | Credential::Certificate => None,
        }
    }

    pub(crate) fn credential(&self) -> &Credential {
        &self.0.credential
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("principal", &self.actor().principal).finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::new(base::Problem::internal()))
    }
}

/// Bytes of a bearer at most: tokens of other services are some thousand long.
const LONGEST: usize = 8 * 1024;

fn bearer(parts: &Parts) -> Option<SecretString> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST)
        .then(|| SecretString::from(token))
}
