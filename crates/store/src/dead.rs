//! Dead letters: jobs that were given up, kept with the reason of their last try until a person retries or discards
//! them.

use base::{Page, PageRequest, Timestamp};
use serde_json::Value as Json;

use crate::{Error, Row, Tx, Value, params};

/// A job that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadJob {
    /// Its number.
    pub id: i64,
    /// Its kind; for an event, the listener.
    pub kind: String,
    /// For an event, its topic.
    pub topic: Option<String>,
    /// Its key, if it had one.
    pub key: Option<String>,
    /// What it was enqueued with.
    pub payload: Json,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was given up.
    pub died_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last try said.
    pub reason: String,
}

impl Tx<'_> {
    /// The dead letters, newest first.
    pub fn dead_jobs(&mut self, page: &PageRequest) -> Result<Page<DeadJob>, Error> {
        let before = page.after.as_ref().and_then(|cursor| cursor.0.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = self.query(
            "SELECT id, kind, topic, job_key, payload, created_at, died_at, attempts, reason FROM dead_jobs
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
            &params![before, i64::from(page.limit()) + 1],
            dead_job,
        )?;
        Ok(Page::from_overread(rows, page, |job| job.id.to_string()))
    }

    /// Enqueues a dead letter again, with all its tries; whether it was there.
    pub fn retry_dead_job(&mut self, id: i64) -> Result<bool, Error> {
        let now = self.now();
        let retried = self.execute(
            "INSERT INTO jobs (id, kind, topic, job_key, payload, run_at, created_at)
             SELECT id, kind, topic, job_key, payload, CAST($2 AS BIGINT), created_at FROM dead_jobs WHERE id = $1",
            &params![id, now],
        )?;
        self.wake_workers();
        Ok(retried == 1 && self.discard_dead_job(id)?)
    }

    /// Removes a dead letter for good; whether it was there.
    pub fn discard_dead_job(&mut self, id: i64) -> Result<bool, Error> {
        Ok(self.execute("DELETE FROM dead_jobs WHERE id = $1", &params![id])? == 1)
    }
}

fn dead_job(row: &Row<'_>) -> Result<DeadJob, Error> {
    Ok(DeadJob {
        id: row.get("id")?,
        kind: row.get("kind")?,
        topic: row.get("topic")?,
        key: row.get("job_key")?,
        payload: row.get("payload")?,
        created_at: row.get("created_at")?,
        died_at: row.get("died_at")?,
        attempts: row.get("attempts")?,
        reason: row.get("reason")?,
    })
}

/// Moves the jobs that `which` finds to the dead letters.
pub(crate) fn bury(
    tx: &mut Tx<'_>,
    which: &str,
    given: &[Value<'_>],
    attempts: u32,
    reason: &str,
) -> Result<u64, Error> {
    let place = given.len();
    let sql = format!(
        "INSERT INTO dead_jobs (id, kind, topic, job_key, payload, created_at, died_at, attempts, reason)
         SELECT id, kind, topic, job_key, payload, created_at,
           CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS TEXT) FROM jobs{which}",
        place + 1,
        place + 2,
        place + 3,
    );
    let now = tx.now();
    let mut all = given.to_vec();
    all.extend(params![now, attempts, reason]);
    let dead = tx.execute(&sql, &all)?;
    if dead > 0 {
        tracing::warn!(dead, reason, "jobs were given up; they can be listed and retried");
        tx.execute(&format!("DELETE FROM jobs{which}"), given)?;
    }
    Ok(dead)
}
