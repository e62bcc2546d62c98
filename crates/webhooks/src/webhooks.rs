//! The handle.

use std::sync::Arc;

use access::{Authority, cap};
use base::{Page, PageRequest, WebhookId, WorkspaceId};
use outbound::Guarded;
use resources::Resources;
use store::{Db, Tx};
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::acts::{self, Rotated, Rotation};
use crate::kind::{AccountWebhooksKind, WebhooksKind};
use crate::oauth::Tokens;
use crate::queue::Locked;
use crate::shared::Shared;
use crate::types::{Callback, Details, Filter, Listed, New};
use crate::{Error, pump, queue, reads};

/// Callbacks to applications. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tokens: Tokens,
    guarded: Guarded,
}

impl Inner {
    pub(crate) const fn guarded(&self) -> &Guarded {
        &self.guarded
    }
}

/// The kinds of this room, made before the room itself, for the registry.
#[derive(Clone, Debug)]
pub struct Kinds(Arc<Shared>);

impl Kinds {
    /// The kinds over a vault; without one they can check files, and store nothing.
    pub fn new(vault: Option<Vault>) -> Self {
        Self(Shared::new(vault))
    }

    /// The kind of a workspace's webhooks.
    pub fn of_workspaces(&self) -> WebhooksKind {
        WebhooksKind(Arc::clone(&self.0))
    }

    /// The kind of the account's webhooks.
    pub fn of_account(&self) -> AccountWebhooksKind {
        AccountWebhooksKind(Arc::clone(&self.0))
    }
}

/// Callbacks that are written in one transaction.
#[derive(Default)]
pub struct Batch(Locked);

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks(…)")
    }
}

impl Webhooks {
    /// The room over its kinds; callbacks go out through `guarded`. Nothing runs yet.
    pub async fn new(db: Db, vault: Vault, kinds: &Kinds, guarded: Guarded) -> Result<Self, Error> {
        kinds.0.set_guarded(guarded.clone());
        kinds.0.heard(db.read(crate::rows::listening).await?);
        let shared = Arc::clone(&kinds.0);
        Ok(Self(Arc::new(Inner { db, vault, shared, tokens: Tokens::default(), guarded })))
    }

    /// Hands callbacks over until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        pump::run(self.0, stop).await;
    }

    /// Whether a webhook hears of what becomes of this workspace's messages. From memory; at most five seconds behind what
    /// another node changed.
    pub fn listens(&self, workspace: WorkspaceId) -> bool {
        self.0.shared.listens(workspace)
    }

    /// Whether callbacks may go to this address, as far as can be told before its name is looked up.
    pub fn check_url(&self, url: &str) -> Result<(), outbound::Refused> {
        self.0.guarded.check(url).map(drop)
    }

    /// Writes a callback down for everyone who hears of it, in the caller's transaction; how many that are.
    pub fn enqueue(&self, tx: &mut Tx<'_>, batch: &mut Batch, new: &New<'_>) -> Result<usize, Error> {
        let written = queue::enqueue(tx, &self.0.vault, Some(&self.0.guarded), &mut batch.0, new)?;
        self.wake_after(tx);
        Ok(written)
    }

    pub(crate) fn wake_after(&self, tx: &mut Tx<'_>) {
        let shared = Arc::clone(&self.0.shared);
        tx.after_commit(move || shared.wake.notify_one());
    }

    /// Erases what callbacks about a message say, because the message is erased; how many.
    pub fn erase(&self, tx: &mut Tx<'_>, workspace: WorkspaceId, subject: &str) -> Result<u64, Error> {
        acts::erase(tx, workspace, subject)
    }

    /// The webhooks that the permit's workspace has, those of the account that it would use, and the hosts of its messages' own
    /// addresses; for a permit of the organisation those of the account.
    pub fn list(&self, tx: &mut Tx<'_>, permit: &impl Authority<cap::IntegrationsRead>) -> Result<Vec<Listed>, Error> {
        reads::list(tx, permit.scope())
    }

    /// The webhooks that are configured where the permit reaches, for whoever changes them.
    pub fn configured(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsWrite>,
    ) -> Result<Vec<Listed>, Error> {
        let all = reads::list(tx, permit.scope())?;
        Ok(all.into_iter().filter(|one| !one.webhook.own).collect())
    }

    /// One webhook.
    pub fn get(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsRead>,
        id: WebhookId,
    ) -> Result<Option<Listed>, Error> {
        reads::get(tx, permit.scope(), id)
    }

    /// Callbacks of the permit's workspace, newest first, without what they say.
    pub fn callbacks(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsRead>,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Callback>, Error> {
        reads::callbacks(tx, permit.scope(), filter, page)
    }

    /// Callbacks about one message, in order: for the message's own page.
    pub fn about(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::MessagesRead>,
        subject: &str,
    ) -> Result<Vec<Callback>, Error> {
        reads::about(tx, permit.scope(), subject)
    }

    /// One callback with its tries, and the headers it is sent with.
    pub fn callback(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsRead>,
        id: i64,
    ) -> Result<Option<Details>, Error> {
        reads::callback(tx, &self.0.vault, permit.scope(), id)
    }

    /// Sends one callback again, under the same `webhook-id`, for another 72 hours. Audited.
    pub fn replay(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsWrite>,
        id: i64,
    ) -> Result<(), Error> {
        acts::replay(self, tx, permit, id)
    }

    /// Sends every callback again that a webhook gave up and that was written down since; how many. Audited.
    pub async fn replay_given_up<P>(&self, permit: &P, id: WebhookId, since: base::Timestamp) -> Result<u64, Error>
    where
        P: Authority<cap::IntegrationsWrite> + Clone + Send + Sync + 'static,
    {
        acts::replay_given_up(self, permit, id, since).await
    }

    /// Sends a body of the caller's to one webhook, as a test; the callback's number. Audited.
    pub fn test(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsWrite>,
        id: WebhookId,
        workspace: WorkspaceId,
        body: &[u8],
    ) -> Result<i64, Error> {
        acts::test(self, tx, permit, id, workspace, body)
    }

    /// Asks a webhook that is left alone at once. Audited.
    pub fn ask_now(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::IntegrationsWrite>,
        id: WebhookId,
    ) -> Result<(), Error> {
        acts::ask_now(self, tx, permit, id)
    }

    /// Draws a new signing secret; the one before signs too for the overlap. Shown here and never again. Audited.
    pub fn rotate<P: Authority<cap::IntegrationsWrite>>(
        &self,
        tx: &mut Tx<'_>,
        resources: &Resources,
        permit: &P,
        rotation: &Rotation,
    ) -> Result<Rotated, Error> {
        acts::rotate(tx, resources, permit, rotation)
    }
}
