//! The product's own [`Keeper`]: `identity` proves, the store names workspaces, `audit` hears of refusals.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Denied, Grants, Scope};
use async_trait::async_trait;
use audit::{Refusal as AuditedRefusal, Refusals};
use base::{SecretString, WorkspaceId};
use identity::{Audience, Identity, Session};
use store::Db;

use crate::keeper::{Keeper, LiveSession, Proof, Source, Ways};
use crate::refusal::Refusal;

/// How long a workspace's name holds: an archived one is gone within a second.
const LIFE: Duration = Duration::from_millis(900);

/// Proves callers against the accounts of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Doorkeeper {
    identity: Identity,
    db: Db,
    refusals: Refusals,
    names: Arc<Mutex<HashMap<String, (Duration, WorkspaceId)>>>,
}

impl Doorkeeper {
    /// A doorkeeper; `refusals` writes down who was turned away.
    pub fn new(identity: Identity, db: Db, refusals: Refusals) -> Self {
        Self { identity, db, refusals, names: Arc::default() }
    }

    fn known(&self, folded: &str) -> Option<WorkspaceId> {
        let now = self.db.context().monotonic();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(folded).filter(|(at, _)| now.saturating_sub(*at) < LIFE).map(|(_, id)| *id)
    }
}

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doorkeeper")
    }
}

/// The same source in the words of `identity`.
impl From<&Source> for identity::Caller {
    fn from(source: &Source) -> Self {
        Self {
            source: Some(source.address),
            user_agent: source.user_agent.clone(),
            request: Some(source.request),
            certificate: source.certificate.clone(),
        }
    }
}

impl From<Session> for LiveSession {
    fn from(session: Session) -> Self {
        Self {
            grants: session.grants,
            csrf: session.csrf,
            fresh_until: session.fresh_until,
            idle_until: session.idle_until,
            expires_at: session.expires_at,
        }
    }
}

impl From<Proof> for identity::Proof {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Password(given) => Self::Password(given),
            Proof::Code(given) => Self::Code(given),
            Proof::Passkey(given) => Self::Passkey(given),
        }
    }
}

#[async_trait]
impl Keeper for Doorkeeper {
    async fn session(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        Ok(self.identity.by_session(token, &source.into()).await?.map(LiveSession::from))
    }

    async fn api_key(&self, key: &SecretString, source: &Source) -> Result<Option<Grants>, Refusal> {
        Ok(self.identity.by_bearer(key, Audience::Api, &source.into()).await?)
    }

    async fn certificate(&self, source: &Source) -> Result<Option<Grants>, Refusal> {
        Ok(self.identity.by_certificate(&source.into()).await?)
    }

    async fn session_still(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        Ok(self.identity.session_still(token, &source.into()).await?.map(LiveSession::from))
    }

    async fn ways(&self, token: &SecretString, source: &Source) -> Result<Ways, Refusal> {
        let ways = self.identity.step_up_ways(token, &source.into()).await?;
        Ok(Ways {
            password: ways.password,
            code: ways.app || ways.recovery,
            passkey: ways.passkey,
            elsewhere: ways.elsewhere,
        })
    }

    async fn step_up(&self, token: &SecretString, proof: Proof, source: &Source) -> Result<SecretString, Refusal> {
        Ok(self.identity.step_up(token, proof.into(), &source.into()).await?)
    }

    async fn workspace(&self, name: &str) -> Result<Option<WorkspaceId>, Refusal> {
        // Only names that can be and are there are remembered, so strangers cannot make the map grow.
        let folded = name.to_ascii_lowercase();
        if let Some(id) = self.known(&folded) {
            return Ok(Some(id));
        }
        let slug = folded.clone();
        let found = self.db.read(move |tx| access::workspace_by_slug(tx, &slug)).await?;
        if let Some(workspace) = &found {
            let now = self.db.context().monotonic();
            self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(folded, (now, workspace.id));
        }
        Ok(found.map(|workspace| workspace.id))
    }

    async fn refused(&self, grants: &Grants, denied: Denied) {
        self.refusals.record(AuditedRefusal {
            actor: grants.actor().clone(),
            workspace: match denied.scope {
                Scope::Workspace(workspace) => Some(workspace),
                Scope::Organisation => None,
            },
            action: "access.use",
            target: ("capability", denied.capability.name().to_owned()),
            reason: "the caller does not hold this right there",
        });
    }
}
