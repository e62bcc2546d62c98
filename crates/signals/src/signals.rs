//! The handle: what other rooms hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use access::{OrganisationPermit, Permit, cap};
use audit::{Entry, Outcome};
use base::{IntegrationId, Page, PageRequest, ResourceId, SecretString, SignalId, Timestamp};
use flows::Flows;
use identity::Identity;
use resources::{Change, Clearance, Ground, Resources};
use sandbox::Sandbox;
use store::{Db, Job, Worker};
use vault::{Aad, Vault};

use crate::accept::HANDLE_JOB;
use crate::error::Error;
use crate::kinds::TOKEN;
use crate::lanes::Lanes;
use crate::rates::Rates;
use crate::refusals::Recorder;
use crate::rows;
use crate::types::{Activity, Filter, Integration, Payload, SignalDetail};

/// Integrations that are handled at the same time on a node.
const CONCURRENCY: usize = 8;
/// Failures until the job of a signal is given up. Many, because it waits for what is broken around it.
const TRIES: u32 = 100;

/// Signals of every workspace. Cheap to clone.
#[derive(Clone)]
pub struct Signals(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Db,
    pub vault: Vault,
    pub identity: Identity,
    pub flows: Flows,
    pub sandbox: Sandbox,
    pub rates: Rates,
    pub recorder: Recorder,
    pub lanes: Lanes,
    /// When the last request came in, in microseconds.
    last: AtomicI64,
}

impl Inner {
    /// The present, and always later than the last time: what came in the same microsecond, or while the clock was set
    /// back a little, keeps its order. A clock that was set back by more is believed.
    pub(crate) fn received(&self) -> Timestamp {
        const LITTLE: i64 = 1_000_000;
        let now = self.db.context().now().as_micros();
        let next = |last: i64| if now <= last && last - now < LITTLE { last + 1 } else { now };
        let last = self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        Timestamp::from_micros(next(last.unwrap_or(now)))
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

impl Signals {
    /// Signals over a store: senders are proven with `identity`, bodies mapped in `sandbox`, events handed to `flows`. Must
    /// be called in a run-time: the activity of refused requests is written by a task that ends with the last clone.
    pub fn new(db: Db, vault: Vault, identity: Identity, flows: Flows, sandbox: Sandbox) -> Self {
        let rates = Rates::new(db.context().clone());
        let recorder = Recorder::start(db.clone());
        Self(Arc::new(Inner {
            db,
            vault,
            identity,
            flows,
            sandbox,
            rates,
            recorder,
            lanes: Lanes::default(),
            last: AtomicI64::new(0),
        }))
    }

    /// Registers what runs by itself: mapping what was accepted and starting its runs.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let signals = self.clone();
        let worker = worker.handle(HANDLE_JOB, CONCURRENCY, move |job: Job| {
            let signals = signals.clone();
            async move { signals.handle(job).await }
        });
        worker.tries(HANDLE_JOB, TRIES)
    }

    /// The activity of the permit's workspace, newest first (control X-04).
    pub async fn list(
        &self,
        permit: &Permit<cap::SignalsRead>,
        filter: Filter,
        page: PageRequest,
    ) -> Result<Page<Activity>, Error> {
        let workspace = permit.workspace();
        self.0.db.read(move |tx| rows::activity(tx, Some(workspace), &filter, &page)).await
    }

    /// What strangers sent to integrations that do not exist.
    pub async fn strangers(
        &self,
        _permit: &OrganisationPermit<cap::SignalsRead>,
        page: PageRequest,
    ) -> Result<Page<Activity>, Error> {
        self.0.db.read(move |tx| rows::activity(tx, None, &Filter::default(), &page)).await
    }

    /// One request and what came of it.
    pub async fn get(&self, permit: &Permit<cap::SignalsRead>, id: SignalId) -> Result<Option<SignalDetail>, Error> {
        let workspace = permit.workspace();
        self.0
            .db
            .read(move |tx| {
                let Some((activity, content_type)) = rows::one(tx, workspace, id)? else { return Ok(None) };
                Ok(Some(SignalDetail { activity, runs: rows::runs(tx, id)?, content_type }))
            })
            .await
    }

    /// What the sender sent. Wants its own right, and leaves an entry in the audit log in the same transaction.
    pub async fn payload(
        &self,
        permit: &Permit<cap::SignalPayloadRead>,
        id: SignalId,
    ) -> Result<Option<Payload>, Error> {
        let (workspace, actor, vault) = (permit.workspace(), permit.actor().clone(), self.0.vault.clone());
        self.0
            .db
            .write(move |tx| {
                let Some((sealed, content_type)) = rows::payload(tx, workspace, id)? else { return Ok(None) };
                let row = id.to_string();
                let aad = Aad { table: "signal_payloads", column: "body", row: &row };
                let body = vault.open(tx, Some(workspace), &aad, &sealed)?;
                let entry = Entry {
                    actor: &actor,
                    workspace: Some(workspace),
                    action: "signal.payload.read",
                    target: ("signal", &row),
                    outcome: Outcome::Success,
                    reason: None,
                    changes: None,
                };
                audit::record(tx, entry)?;
                // It was UTF-8 when it was accepted.
                Ok(Some(Payload { content_type, body: String::from_utf8_lossy(&body).into_owned() }))
            })
            .await
    }

    /// The integrations of the permit's workspace, by name, without their credentials.
    pub async fn integrations(&self, permit: &Permit<cap::IntegrationsRead>) -> Result<Vec<Integration>, Error> {
        let workspace = permit.workspace();
        self.0
            .db
            .read(move |tx| {
                let now = tx.now();
                rows::integrations(tx, workspace, now)
            })
            .await
    }

    /// Draws a new token for an integration, as a new version of its resource; shown here and never again. The one before
    /// counts for `rotation_hours` more (control X-22).
    pub async fn rotate_token(
        &self,
        resources: &Resources,
        permit: &Permit<cap::IntegrationsWrite>,
        id: IntegrationId,
        ground: Ground,
        reason: Option<String>,
    ) -> Result<SecretString, Error> {
        let token = crypto::token::mint(crypto::token::Kind::Url, self.0.db.context().chance());
        let (resources, permit, drawn) = (resources.clone(), permit.clone(), token.clone());
        self.0
            .db
            .write(move |tx| {
                let workspace = Some(permit.workspace());
                let stored = resources.by_id(tx, "integrations", ResourceId::from(id.uuid()))?;
                let stored = stored.filter(|stored| stored.workspace == workspace).ok_or(Error::NoIntegration)?;
                let body = resources.draft_of(&stored)?.secret(TOKEN, drawn.clone());
                let clearance = Clearance::check(tx, workspace, &ground, permit.actor())?;
                let change =
                    Change { kind: "integrations", workspace, body, reason: reason.as_deref(), clearance: &clearance };
                resources.put(tx, &permit, change)?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(token)
    }
}
