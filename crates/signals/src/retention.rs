//! Removing activity when its time is over: by one node, in small transactions, with an entry in the audit log that says how
//! much. A signal that is still being handled, or whose alert is live, stays whatever its age.

use std::time::Duration;

use access::Actor;
use audit::{Entry, Outcome};
use base::{IntegrationId, SignalId, Timestamp, WorkspaceId};
use serde_json::json;
use store::{Job, JobError, NewJob, Tx, Value, params};

use crate::activity::AROUND;
use crate::error::Error;
use crate::ids;
use crate::signals::Signals;

/// The job that removes what is old.
pub(crate) const SWEEP_JOB: &str = "signals.sweep";
/// How often.
const EVERY: Duration = Duration::from_hours(1);
/// Lines looked at in one transaction: the writer is everybody's.
const BATCH: u32 = 500;
/// Days for which requests to integrations that do not exist are kept.
const STRANGERS_DAYS: u32 = 30;

/// Lines of one sort that are over.
#[derive(Clone, Copy, Debug)]
struct Lot {
    /// None: what came for integrations that do not exist.
    integration: Option<IntegrationId>,
    workspace: Option<WorkspaceId>,
    refused: bool,
    before: Timestamp,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Removed {
    signals: u64,
    refused: u64,
}

impl Signals {
    /// Sees to it that there is a job that removes what is old. Called when the product starts; once is enough, and more
    /// do no harm.
    pub async fn schedule(&self) -> Result<(), Error> {
        self.0.db.write(|tx| Ok(enqueue(tx, Duration::ZERO)?)).await
    }

    /// One handling of the job: everything that is old now. The next job is enqueued before this one ends.
    pub(crate) async fn sweep(&self, job: Job) -> Result<(), JobError> {
        let retry = |error: Error| JobError::retry(error.to_string());
        let lots = self.0.db.read(lots).await.map_err(retry)?;
        let mut totals: Vec<(Option<WorkspaceId>, Removed)> = Vec::new();
        let mut outcome = Ok(());
        for lot in lots {
            let (removed, end) = self.remove(lot).await;
            match totals.iter_mut().find(|(workspace, _)| *workspace == lot.workspace) {
                Some((_, total)) => {
                    total.signals += removed.signals;
                    total.refused += removed.refused;
                }
                None => totals.push((lot.workspace, removed)),
            }
            if end.is_err() {
                outcome = end;
                break;
            }
        }
        // What was removed is told even if the rest failed: the next handling goes on there.
        totals.retain(|(_, removed)| *removed != Removed::default());
        let told = self
            .0
            .db
            .write(move |tx| totals.iter().try_for_each(|(workspace, removed)| tell(tx, *workspace, *removed)));
        told.await.map_err(retry)?;
        outcome.map_err(retry)?;
        self.forget().await.map_err(retry)?;
        self.0
            .db
            .write(move |tx| {
                enqueue(tx, EVERY)?;
                job.finish(tx)
            })
            .await
            .map_err(|error| JobError::retry(error.to_string()))
    }

    /// Removes a lot, in batches; how much of it, and how it ended.
    async fn remove(&self, lot: Lot) -> (Removed, Result<(), Error>) {
        let mut removed = Removed::default();
        let mut after = None;
        loop {
            let (flows, from) = (self.0.flows.clone(), after);
            let batch = self
                .0
                .db
                .write(move |tx| {
                    let old = oldest(tx, &lot, from)?;
                    let last = old.last().copied();
                    // A refused request has started nothing.
                    let held = if lot.refused { Vec::new() } else { flows.holding(tx, &old)? };
                    let gone: Vec<SignalId> = old.into_iter().filter(|id| !held.contains(id)).collect();
                    delete(tx, &gone)?;
                    Ok::<_, Error>((u64::try_from(gone.len()).unwrap_or_default(), last))
                })
                .await;
            match batch {
                Ok((count, last)) => {
                    if lot.refused {
                        removed.refused += count;
                    } else {
                        removed.signals += count;
                    }
                    if last.is_none() {
                        return (removed, Ok(()));
                    }
                    // Behind those that were looked at, so that what must stay is not looked at for ever.
                    after = last;
                }
                Err(error) => return (removed, Err(error)),
            }
        }
    }

    /// Forgets `webhook-id`s and credentials whose time is over.
    async fn forget(&self) -> Result<(), Error> {
        let expired = "DELETE FROM integration_credentials WHERE expires <= $1";
        self.0
            .db
            .write(move |tx| {
                let now = tx.now();
                tx.execute(expired, &params![now])
            })
            .await
            .map_err(Error::from)?;
        loop {
            let forgotten = self.0.db.write(|tx| {
                let now = tx.now();
                ids::forget(tx, now, BATCH)
            });
            if forgotten.await? < u64::from(BATCH) {
                return Ok(());
            }
        }
    }
}

fn enqueue(tx: &mut Tx<'_>, after: Duration) -> Result<(), store::Error> {
    let run_at = tx.now().plus(after);
    tx.enqueue(NewJob { kind: SWEEP_JOB, key: Some("all"), payload: &json!({}), run_at })
}

/// What is over now, of every integration, removed ones too, and of strangers.
fn lots(tx: &mut Tx<'_>) -> Result<Vec<Lot>, Error> {
    let now = tx.now();
    let before = |days: u32| now.minus(Duration::from_hours(24) * days);
    let sql = "SELECT id, workspace, keep_days, keep_refused_days FROM integrations ORDER BY workspace, id";
    let integrations = tx.query(sql, &[], |row| {
        let days = |name: &str| row.get::<i64>(name).map(|days| u32::try_from(days).unwrap_or(u32::MAX));
        let (integration, workspace) = (row.get("id")?, row.get("workspace")?);
        let lot = |refused, days| Lot { integration: Some(integration), workspace, refused, before: before(days) };
        Ok([lot(false, days("keep_days")?), lot(true, days("keep_refused_days")?)])
    })?;
    let strangers = Lot { integration: None, workspace: None, refused: true, before: before(STRANGERS_DAYS) };
    Ok(integrations.into_iter().flatten().chain([strangers]).collect())
}

/// The oldest lines of a lot behind a line. What is accepted and not handled yet is none of it.
fn oldest(tx: &mut Tx<'_>, lot: &Lot, after: Option<SignalId>) -> Result<Vec<SignalId>, Error> {
    let states = if lot.refused { "state = 'refused'" } else { "state IN ('handled', 'failed')" };
    let mut values: Vec<Value<'_>> = vec![lot.before.into(), lot.before.plus(AROUND).first_id::<SignalId>().into()];
    let whose = match lot.integration {
        Some(integration) => {
            values.push(integration.into());
            "integration = $3"
        }
        None => "workspace IS NULL AND integration IS NULL",
    };
    let behind = after.map_or_else(String::new, |after| {
        values.push(after.into());
        format!("AND id > ${}", values.len())
    });
    let sql = format!(
        "SELECT id FROM signals WHERE {whose} AND {states} AND received < $1 AND id < $2 {behind} ORDER BY id LIMIT {BATCH}"
    );
    Ok(tx.query(&sql, &values, |row| row.get("id"))?)
}

fn delete(tx: &mut Tx<'_>, ids: &[SignalId]) -> Result<(), Error> {
    let rows: Vec<Vec<Value<'_>>> = ids.iter().map(|id| vec![(*id).into()]).collect();
    for sql in [
        "DELETE FROM signal_payloads WHERE signal = $1",
        "DELETE FROM signal_events WHERE signal = $1",
        "DELETE FROM signals WHERE id = $1",
    ] {
        tx.send_many(sql, &rows)?;
    }
    Ok(())
}

fn tell(tx: &mut Tx<'_>, workspace: Option<WorkspaceId>, removed: Removed) -> Result<(), Error> {
    let actor = Actor::engine("signals");
    let entry = Entry {
        actor: &actor,
        workspace,
        action: "signals.expire",
        target: ("signals", "all"),
        outcome: Outcome::Success,
        reason: Some("Kept for as long as their integrations say."),
        changes: Some(json!({ "accepted_removed": removed.signals, "refused_removed": removed.refused })),
    };
    audit::record(tx, entry)?;
    Ok(())
}
