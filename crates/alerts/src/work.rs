//! What runs by itself: timers, receipts, replies. Each handler does its work and finishes its job in one transaction.

use std::sync::Arc;

use access::{Engine, OrganisationPermit, Permit, cap};
use base::{AlertId, NotificationId, WorkspaceId};
use channels::PAGE_ORIGIN;
use serde::Deserialize;
use store::{Job, JobError, Worker};

use crate::Error;
use crate::alerts::{Alerts, ESCALATE, EXPIRE, Inner, RECEIPTS, REPLIES, WATCH};

/// Timers at the same time on this node.
const AT_ONCE: usize = 8;
/// A timer is not given up: after a bad hour a page is late, never not sent. What retrying cannot help is found by the
/// dead letters of other jobs first.
const PATIENT: u32 = 1_000;

#[derive(Deserialize)]
struct Timer {
    alert: AlertId,
    workspace: WorkspaceId,
    #[serde(default)]
    generation: i64,
}

impl Alerts {
    /// Registers what this room runs: escalation, expiry, the look for lost timers, and the listeners to receipts and
    /// replies.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let escalate = Arc::clone(&self.0);
        let expire = Arc::clone(&self.0);
        let watch = Arc::clone(&self.0);
        let receipts = Arc::clone(&self.0);
        let replies = Arc::clone(&self.0);
        worker
            .handle(ESCALATE, AT_ONCE, move |job| escalation(Arc::clone(&escalate), job))
            .tries(ESCALATE, PATIENT)
            .handle(EXPIRE, 2, move |job| expiry(Arc::clone(&expire), job))
            .tries(EXPIRE, PATIENT)
            .handle(WATCH, 1, move |job| look(Arc::clone(&watch), job))
            .tries(WATCH, u32::MAX)
            .listen(messaging::CHANGED, RECEIPTS, move |job| receipt(Arc::clone(&receipts), job))
            .listen(messaging::INBOUND, REPLIES, move |job| reply(Arc::clone(&replies), job))
    }
}

async fn escalation(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let timer: Timer = job.parse()?;
    let db = inner.db.clone();
    db.write(move |tx| {
        inner.escalate(tx, timer.workspace, timer.alert, timer.generation)?;
        Ok::<_, Error>(job.finish(tx)?)
    })
    .await?;
    Ok(())
}

async fn expiry(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let timer: Timer = job.parse()?;
    let db = inner.db.clone();
    db.write(move |tx| {
        inner.expire(tx, timer.workspace, timer.alert)?;
        Ok::<_, Error>(job.finish(tx)?)
    })
    .await?;
    Ok(())
}

/// Looks for timers that were lost, each in a transaction of its own, so that one that fails stops no other.
async fn look(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let db = inner.db.clone();
    let overdue = db.read(Inner::overdue).await?;
    for (workspace, alert, generation) in overdue {
        let inner = Arc::clone(&inner);
        let done = db
            .write(move |tx| match generation {
                Some(generation) => inner.escalate(tx, workspace, alert, generation),
                None => inner.expire(tx, workspace, alert),
            })
            .await;
        match done {
            Ok(()) => tracing::warn!(alert = %alert, "a timer of an alert was lost; its work was done now"),
            Err(error) => {
                tracing::error!(alert = %alert, error = %error, "a timer of an alert was lost, and its work failed");
            }
        }
    }
    db.write(move |tx| {
        // While nothing lives nobody looks: the next alert sets it going again.
        if Inner::anything_lives(tx)? {
            let next = Inner::next_look(tx.now());
            Inner::look_again(tx, next)?;
        }
        Ok::<_, Error>(job.finish(tx)?)
    })
    .await?;
    Ok(())
}

/// A message of ours changed: the step of its page follows.
async fn receipt(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let changed: messaging::Changed = job.parse()?;
    if changed.origin_kind != PAGE_ORIGIN {
        return Ok(());
    }
    let db = inner.db.clone();
    db.write(move |tx| {
        let permit = Permit::<cap::MessagesRead>::engine(Engine("alerts"), changed.workspace);
        if let Some(message) = inner.messaging.get(tx, &permit, changed.message)? {
            inner.follow(tx, NotificationId::from(changed.origin_id), &message)?;
        }
        Ok::<_, Error>(job.finish(tx)?)
    })
    .await?;
    Ok(())
}

/// A text came in: perhaps an answer.
async fn reply(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let arrived: messaging::InboundArrived = job.parse()?;
    let db = inner.db.clone();
    db.write(move |tx| {
        // Of the organisation, because a reply may come from a phone that no workspace has written to.
        let permit = OrganisationPermit::<cap::MessageContentRead>::engine(Engine("alerts"));
        if let Some(message) = inner.messaging.inbound(tx, &permit, arrived.inbound)? {
            inner.receive(tx, &arrived, &message)?;
        }
        Ok::<_, Error>(job.finish(tx)?)
    })
    .await?;
    Ok(())
}
