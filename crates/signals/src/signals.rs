//! The handle: what other rooms hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use access::{OrganisationPermit, Permit, cap};
use audit::{Entry, Outcome};
use base::{IntegrationId, Page, PageRequest, SignalId, Timestamp};
use flows::Flows;
use identity::Identity;
use sandbox::Sandbox;
use store::{Db, Job, Worker};
use vault::{Aad, Vault};

use crate::accept::HANDLE_JOB;
use crate::activity;
use crate::credentials;
use crate::error::Error;
use crate::lanes::Lanes;
use crate::rates::Rates;
use crate::refusals::Recorder;
use crate::retention::SWEEP_JOB;
use crate::rows;
use crate::types::{Activity, Filter, Integration, Payload, SignalDetail};

/// Integrations that are handled at the same time on a node.
const CONCURRENCY: usize = 8;
/// Failures until the job of a signal is given up. Many, because it waits for what is broken around it.
const TRIES: u32 = 100;
/// What one sweep may take; the next goes on where it stopped.
const SWEEPING: Duration = Duration::from_mins(10);

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

    /// Registers what runs by itself: mapping what was accepted and starting its runs, and
    /// removing what is old.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let signals = self.clone();
        let worker = worker.handle(HANDLE_JOB, CONCURRENCY, move |job: Job| {
            let signals = signals.clone();
            async move { signals.handle(job).await }
        });
        let signals = self.clone();
        let worker = worker.handle(SWEEP_JOB, 1, move |job: Job| {
            let signals = signals.clone();
            async move { signals.sweep(job).await }
        });
        worker.tries(HANDLE_JOB, TRIES).tries(SWEEP_JOB, TRIES).deadline(SWEEP_JOB, SWEEPING)
    }

    /// The activity of the permit's workspace, newest first (control X-04). A page of a search can be short and still have
    /// a next one: what it searches lies sealed, and it stops after some thousand lines.
    pub async fn list(
        &self,
        permit: &Permit<cap::SignalsRead>,
        filter: Filter,
        page: PageRequest,
    ) -> Result<Page<Activity>, Error> {
        let workspace = permit.workspace();
        let vault = self.0.vault.clone();
        self.0.db.read(move |tx| activity::list(tx, &vault, Some(workspace), &filter, &page)).await
    }

    /// What strangers sent to integrations that do not exist.
    pub async fn strangers(
        &self,
        _permit: &OrganisationPermit<cap::SignalsRead>,
        page: PageRequest,
    ) -> Result<Page<Activity>, Error> {
        let vault = self.0.vault.clone();
        self.0.db.read(move |tx| activity::list(tx, &vault, None, &Filter::default(), &page)).await
    }

    /// One request and what came of it.
    pub async fn get(&self, permit: &Permit<cap::SignalsRead>, id: SignalId) -> Result<Option<SignalDetail>, Error> {
        let (workspace, vault) = (permit.workspace(), self.0.vault.clone());
        self.0
            .db
            .read(move |tx| {
                let Some((activity, content_type)) = activity::one(tx, &vault, workspace, id)? else { return Ok(None) };
                let payload_kept = activity::payload_kept(tx, workspace, id)?;
                let replays = activity::replays(tx, workspace, id)?;
                Ok(Some(SignalDetail { activity, runs: rows::runs(tx, id)?, content_type, payload_kept, replays }))
            })
            .await
    }

    /// What the sender sent, to be read or copied. Wants its own right, and leaves an entry in the audit log in the same transaction.
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
                credentials::integrations(tx, workspace, now)
            })
            .await
    }

    /// One of them.
    pub async fn integration(
        &self,
        permit: &Permit<cap::IntegrationsRead>,
        id: IntegrationId,
    ) -> Result<Option<Integration>, Error> {
        let workspace = permit.workspace();
        self.0
            .db
            .read(move |tx| {
                let now = tx.now();
                credentials::integration(tx, workspace, id, now)
            })
            .await
    }
}
