//! The caller of a request: what was proven about it, once, before the handler runs.

use std::fmt;
use std::sync::Arc;

use access::{Actor, Grants};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base::{ExposeSecret, SecretString};

use crate::cookie;
use crate::gate::Gate;
use crate::keeper::Source;
use crate::origin;
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
    },
    Key {
        key: SecretString,
    },
    /// The certificate of the connection.
    Certificate,
}

/// Who calls, and from where. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    grants: Grants,
    credential: Credential,
    source: Source,
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
            && let Some(live) = gate.keeper().session(&token, &source).await?
        {
            let shown = packed::mask(live.csrf.expose_secret(), &gate.context).into();
            return Ok(Self::new(live.grants, Credential::Session { token, csrf: live.csrf, shown }, source));
        } else if door.reads_key()
            && source.certificate.is_some()
            && !origin::by_browser(&parts.headers)
            && let Some(grants) = gate.keeper().certificate(&source).await?
        {
            return Ok(Self::new(grants, Credential::Certificate, source));
        }
        let mut nobody = Actor::anonymous(Some(source.address));
        nobody.user_agent.clone_from(&source.user_agent);
        nobody.request = Some(source.request);
        Ok(Self::new(Grants::none(nobody), Credential::None, source))
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
