//! The job queue's rows: enqueued with the data that needs them, claimed with a lease and a fencing token, finished in
//! the handler's own transaction, retried with back-off, and kept as dead letters when that did not help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::nodes::Owner;
use crate::{Db, Error, Tx, Value, dead, params};

/// A job is given up after this many of its handler's failures.
pub(crate) const TRIES: u32 = 5;
/// A job that was under way each time its process died is given up after this many: it may be what kills them. Far
/// more than a job's tries, because a process can die many times for reasons that are not the job's.
const INTERRUPTIONS: u32 = 20;

/// A job to be enqueued.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Which handler; a fixed string.
    pub kind: &'static str,
    /// When given, a second job of this kind and key is not enqueued while the first one has not been started.
    pub key: Option<&'a str>,
    /// What the handler needs to know. Ids rather than content: the queue is not sealed.
    pub payload: &'a Json,
    /// Not before.
    pub run_at: Timestamp,
}

/// Why a handler did not do its job. Any error turns into a retry by `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// It may work later.
    Retry {
        /// When to try again; a growing, jittered time when absent.
        after: Option<Duration>,
        /// Why, for people.
        reason: String,
    },
    /// It will never work: a dead letter at once.
    Fail {
        /// Why, for people.
        reason: String,
    },
}

impl JobError {
    /// Try again after the usual growing time.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }

    /// Try again after `after`.
    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Self::Retry { after: Some(after), reason: reason.into() }
    }

    /// Give up.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail { reason: reason.into() }
    }
}

impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::retry(reason)
    }
}

/// A claimed job. Cheap to clone, so that a handler's transaction can have it.
#[derive(Clone, Debug)]
pub struct Job(Arc<Claimed>);

#[derive(Debug)]
struct Claimed {
    id: i64,
    kind: &'static str,
    topic: Option<String>,
    key: Option<String>,
    payload: Json,
    attempts: u32,
    created_at: Timestamp,
    run_at: Timestamp,
    owner: Owner,
    fence: i64,
    finished: AtomicBool,
}

impl Job {
    /// Its number, for the log.
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// Its kind; for an event, the listener.
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// For an event, its topic.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// Its key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// What it was enqueued with.
    pub fn payload(&self) -> &Json {
        &self.0.payload
    }

    /// The payload as a `T`. A payload that does not fit will never fit, so that is a dead letter.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        T::deserialize(&self.0.payload)
            .map_err(|error| JobError::fail(format!("the payload of this job is not understood: {error}")))
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempts + 1
    }

    /// When it was enqueued.
    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Finishes the job in the handler's own transaction: the work and its end commit together. Fails the transaction
    /// with [`Error::LeaseLost`] when another owner has the job now.
    pub fn finish(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let deleted = tx.execute(&format!("DELETE FROM jobs{MINE}"), &self.mine())?;
        if deleted == 0 {
            return Err(Error::LeaseLost);
        }
        let done = self.clone();
        tx.after_commit(move || done.0.finished.store(true, Ordering::Release));
        Ok(())
    }

    /// Whether [`Self::finish`] is on disk.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }

    /// Where it stands in its lane's order.
    pub(crate) fn order(&self) -> (Timestamp, i64) {
        (self.0.run_at, self.0.id)
    }

    fn mine(&self) -> [Value<'_>; 4] {
        params![self.0.id, &*self.0.owner.name, self.0.owner.epoch, self.0.fence]
    }
}

/// This job, while this claim of it stands.
const MINE: &str = " WHERE id = $1 AND state = 1 AND owner = $2 AND epoch = $3 AND fence = $4";

impl Tx<'_> {
    /// Enqueues a job; it commits with the data that needs it, and wakes this process's workers then.
    pub fn enqueue(&mut self, job: NewJob<'_>) -> Result<(), Error> {
        insert(self, job.kind, None, job.key, job.payload, job.run_at)
    }

    /// Removes the jobs of this kind and key that no handler has now; how many.
    pub fn cancel_jobs(&mut self, kind: &'static str, key: &str) -> Result<u64, Error> {
        self.execute("DELETE FROM jobs WHERE kind = $1 AND job_key = $2 AND state = 0", &params![kind, key])
    }
}

fn insert(
    tx: &mut Tx<'_>,
    kind: &str,
    topic: Option<&str>,
    key: Option<&str>,
    payload: &Json,
    run_at: Timestamp,
) -> Result<(), Error> {
    // An update that changes nothing, not "do nothing": it waits for a claim of the same key that is under way and then inserts,
    // or makes that claim skip the row until this transaction's data is there to be seen.
    let sql = "INSERT INTO jobs (kind, topic, job_key, unique_key, payload, run_at, created_at)
       VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO UPDATE SET unique_key = excluded.unique_key";
    let now = tx.now();
    tx.send(sql, &params![kind, topic, key, payload, run_at, now])?;
    tx.wake_workers();
    Ok(())
}

/// An event is due since ever, so that its lane goes by number alone.
pub(crate) fn insert_event(tx: &mut Tx<'_>, topic: &str, listener: &str, payload: &Json) -> Result<(), Error> {
    insert(tx, listener, Some(topic), None, payload, Timestamp::default())
}

/// Claims up to `limit` due jobs of a kind, in order. `fence` must be new in this process.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    owner: &Owner,
    fence: i64,
    kind: &'static str,
    limit: usize,
) -> Result<Vec<Job>, Error> {
    let sql = format!(
        "WITH due AS MATERIALIZED (
           SELECT id FROM jobs WHERE kind = $4 AND state = 0 AND run_at <= $5 ORDER BY run_at, id LIMIT $6{})
         UPDATE jobs SET state = 1, unique_key = NULL, owner = $1, epoch = $2, fence = $3
         WHERE id IN (SELECT id FROM due)
         RETURNING id, topic, job_key, payload, attempts, created_at, run_at",
        tx.dialect().skip_locked(),
    );
    let now = tx.now();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut jobs = tx.query(&sql, &params![&*owner.name, owner.epoch, fence, kind, now, limit], |row| {
        Ok(Job(Arc::new(Claimed {
            id: row.get("id")?,
            kind,
            topic: row.get("topic")?,
            key: row.get("job_key")?,
            payload: row.get("payload")?,
            attempts: row.get("attempts")?,
            created_at: row.get("created_at")?,
            run_at: row.get("run_at")?,
            owner: owner.clone(),
            fence,
            finished: AtomicBool::new(false),
        })))
    })?;
    jobs.sort_by_key(Job::order);
    Ok(jobs)
}

/// When the next waiting job of each kind is due, for kinds that have one.
pub(crate) fn next_due(tx: &mut Tx<'_>, kinds: &[&'static str]) -> Result<Vec<(&'static str, Timestamp)>, Error> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<String> = (1..=kinds.len()).map(|place| format!("(${place})")).collect();
    let sql = format!(
        "WITH wanted (kind) AS (VALUES {})
         SELECT wanted.kind AS kind,
           (SELECT MIN(run_at) FROM jobs WHERE jobs.kind = wanted.kind AND state = 0) AS due FROM wanted",
        values.join(", ")
    );
    let params: Vec<Value<'_>> = kinds.iter().map(|kind| Value::from(*kind)).collect();
    let rows = tx.query(&sql, &params, |row| Ok((row.get::<String>("kind")?, row.get::<Option<Timestamp>>("due")?)))?;
    let known = |name: &str| kinds.iter().copied().find(|kind| *kind == name);
    Ok(rows.into_iter().filter_map(|(kind, due)| Some((known(&kind)?, due?))).collect())
}

/// Puts a claimed job back as if it had never been claimed.
pub(crate) fn unclaim(tx: &mut Tx<'_>, job: &Job) -> Result<(), Error> {
    tx.execute(&format!("UPDATE jobs SET state = 0, owner = NULL, epoch = NULL{MINE}"), &job.mine()).map(drop)
}

/// The same for everything that one claim took: its commit was in doubt.
pub(crate) fn unclaim_all(tx: &mut Tx<'_>, owner: &Owner, fence: i64) -> Result<(), Error> {
    tx.execute(
        "UPDATE jobs SET state = 0, owner = NULL, epoch = NULL WHERE state = 1 AND owner = $1 AND epoch = $2 AND fence = $3",
        &params![&*owner.name, owner.epoch, fence],
    )
    .map(drop)
}

/// Writes down a failed try: a later one, or a dead letter. Nothing when the job is another's by now.
pub(crate) fn failed(tx: &mut Tx<'_>, job: &Job, error: &JobError, tries: u32) -> Result<(), Error> {
    let attempt = job.attempt();
    let (reason, after) = match error {
        JobError::Retry { after, reason } if attempt < tries => {
            (reason.as_str(), Some(after.unwrap_or_else(|| backoff(attempt, tx.context()))))
        }
        JobError::Retry { reason, .. } | JobError::Fail { reason } => (reason.as_str(), None),
    };
    let reason = clipped(reason);
    if let Some(after) = after {
        let run_at = tx.now().plus(after);
        let sql = format!(
            "UPDATE jobs SET state = 0, owner = NULL, epoch = NULL, attempts = $5, reason = $6, run_at = $7{MINE}"
        );
        let mut params = job.mine().to_vec();
        params.extend(params![attempt, reason, run_at]);
        tx.execute(&sql, &params)?;
        tx.wake_workers();
        return Ok(());
    }
    dead::bury(tx, MINE, &job.mine(), attempt, &reason).map(drop)
}

/// Frees what a stale owner had claimed; how many jobs.
pub(crate) fn reclaim(tx: &mut Tx<'_>, owner: &Owner) -> Result<u64, Error> {
    let which = " WHERE state = 1 AND owner = $1 AND epoch = $2";
    let given = params![&*owner.name, owner.epoch];
    let freed = tx.execute(&format!("UPDATE jobs SET interrupted = interrupted + 1{which}"), &given)?;
    if freed == 0 {
        return Ok(0);
    }
    dead::bury(
        tx,
        &format!("{which} AND interrupted >= {INTERRUPTIONS}"),
        &given,
        INTERRUPTIONS,
        "it was under way each time that its process ended",
    )?;
    tx.execute(&format!("UPDATE jobs SET state = 0, owner = NULL, epoch = NULL{which}"), &given)?;
    tx.wake_workers();
    Ok(freed)
}

/// Everyone who has claimed jobs now.
pub(crate) fn owners(tx: &mut Tx<'_>) -> Result<Vec<Owner>, Error> {
    tx.query("SELECT DISTINCT owner, epoch FROM jobs WHERE state = 1", &[], |row| {
        Ok(Owner { name: row.get::<String>("owner")?.into(), epoch: row.get("epoch")? })
    })
}

/// How long to wait after the `attempt`th failure: 1, 4, 16, 64 seconds, give or take half, so that what failed
/// together does not come back together.
fn backoff(attempt: u32, context: &base::Context) -> Duration {
    let base = 1_000_u32.saturating_mul(4_u32.saturating_pow(attempt.saturating_sub(1))).min(3_600_000);
    Duration::from_millis(u64::from(base / 2 + context.chance().below(base)))
}

/// A reason as it is kept: bounded, because handlers pass on what others say.
fn clipped(reason: &str) -> String {
    reason.chars().take(1_000).collect()
}

impl Db {
    /// How many jobs of each kind wait or are under way, for the health page.
    pub async fn job_counts(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read(|tx| {
            tx.query("SELECT kind, COUNT(*) AS jobs FROM jobs GROUP BY kind ORDER BY kind", &[], |row| {
                Ok((row.get("kind")?, row.get("jobs")?))
            })
        })
        .await
    }
}
