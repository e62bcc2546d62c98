//! Who is asking: the doors' questions, answered by `identity`, `access` and `audit`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{Denied, Grants, Scope};
use async_trait::async_trait;
use base::{SecretString, WorkspaceId};
use http::{Keeper, LiveSession, Refusal, Source};
use identity::{Caller, Identity};
use store::Db;

/// How long the workspaces' names are believed without asking again.
const FRESH: Duration = Duration::from_secs(1);

/// The product's own keeper of the doors.
pub struct Doorkeeper {
    db: Db,
    identity: Identity,
    refusals: audit::Refusals,
    names: Mutex<(Duration, Arc<HashMap<String, WorkspaceId>>)>,
}

impl Doorkeeper {
    /// A keeper over the rooms it asks.
    pub fn new(db: Db, identity: Identity, refusals: audit::Refusals) -> Self {
        Self { db, identity, refusals, names: Mutex::default() }
    }

    async fn names(&self) -> Result<Arc<HashMap<String, WorkspaceId>>, Refusal> {
        let now = self.db.context().monotonic();
        if let Ok(names) = self.names.lock()
            && !names.1.is_empty()
            && now.saturating_sub(names.0) < FRESH
        {
            return Ok(Arc::clone(&names.1));
        }
        let found = self.db.read(|tx| access::workspaces(tx)).await?;
        let found: HashMap<String, WorkspaceId> =
            found.into_iter().map(|workspace| (workspace.slug.to_lowercase(), workspace.id)).collect();
        let found = Arc::new(found);
        if let Ok(mut names) = self.names.lock() {
            *names = (now, Arc::clone(&found));
        }
        Ok(found)
    }
}

/// Where a request comes from, as `identity` says it.
pub fn caller(source: &Source) -> Caller {
    Caller { source: Some(source.address), user_agent: source.user_agent.clone(), request: Some(source.request) }
}

#[async_trait]
impl Keeper for Doorkeeper {
    async fn session(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        let session = self.identity.by_session(token, &caller(source)).await?;
        Ok(session.map(|session| LiveSession { grants: session.grants, csrf: session.csrf }))
    }

    async fn api_key(&self, key: &SecretString, source: &Source) -> Result<Option<Grants>, Refusal> {
        Ok(self.identity.by_api_key(key, &caller(source)).await?)
    }

    async fn session_still(&self, token: &SecretString, source: &Source) -> Result<Option<Grants>, Refusal> {
        Ok(self.identity.session_still(token, &caller(source)).await?.map(|session| session.grants))
    }

    async fn workspace(&self, name: &str) -> Result<Option<WorkspaceId>, Refusal> {
        Ok(self.names().await?.get(&name.to_lowercase()).copied())
    }

    async fn refused(&self, grants: &Grants, denied: Denied) {
        let workspace = match denied.scope {
            Scope::Workspace(id) => Some(id),
            Scope::Organisation => None,
        };
        self.refusals.record(audit::Refusal {
            actor: grants.actor().clone(),
            workspace,
            action: "access.denied",
            target: ("capability", denied.capability.to_string()),
            reason: "the role does not hold the capability",
        });
    }
}
