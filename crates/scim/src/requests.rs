//! What directories asked lately: each change, and whatever was refused, with the reason where an administrator looks.

use base::{ResourceId, Timestamp};
use store::{Row, Tx, params};

use crate::{Desk, Error};

/// Requests of a source that are remembered.
const KEPT: i64 = 500;
/// Characters of a reason at most.
const REASON: usize = 500;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// The program's name.
    pub program: String,
    /// The method.
    pub method: String,
    /// What it was about: `Users`, `Groups`.
    pub target: String,
    /// Which one; empty for a list or a new one that was refused.
    pub id: String,
    /// The status of the answer.
    pub status: u16,
    /// Why it was refused, or what was done otherwise than asked; empty when all is well.
    pub reason: String,
}

impl Request {
    /// Whether it was refused.
    pub const fn failed(&self) -> bool {
        self.status >= 400
    }
}

/// What is written down of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: &'static str,
    /// What it was about.
    pub target: &'static str,
    /// Which one.
    pub id: String,
    /// The status of the answer.
    pub status: u16,
    /// Why it was refused, in words without a personal value.
    pub reason: String,
}

/// Writes down that a program asked something.
pub fn told(tx: &mut Tx<'_>, desk: &Desk, asked: &Asked) -> Result<(), Error> {
    let (id, now): (uuid::Uuid, _) = (tx.context().id(), tx.now());
    let reason: String = asked.reason.chars().take(REASON).collect();
    // What stands in a path can be anything.
    let target: String = asked.id.chars().filter(|letter| !letter.is_control()).take(60).collect();
    tx.execute(
        "INSERT INTO provisioning_requests (id, source, at, program, method, target, target_id, status, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &params![
            id,
            desk.source.id,
            now,
            desk.actor().principal.name(),
            asked.method,
            asked.target,
            target,
            asked.status,
            reason
        ],
    )?;
    // The same moment: a later one says that something went well since.
    Ok(heard(tx, desk.source.id, now)?)
}

/// Notes that a source asks still.
pub fn seen(tx: &mut Tx<'_>, source: ResourceId) -> Result<(), Error> {
    let now = tx.now();
    Ok(heard(tx, source, now)?)
}

fn heard(tx: &mut Tx<'_>, source: ResourceId, at: Timestamp) -> Result<(), store::Error> {
    tx.execute("UPDATE provisioning_sources SET last_request_at = $2 WHERE id = $1", &params![source, at]).map(drop)
}

fn read(row: &Row<'_>) -> Result<Request, store::Error> {
    Ok(Request {
        at: row.get("at")?,
        program: row.get("program")?,
        method: row.get("method")?,
        target: row.get("target")?,
        id: row.get("target_id")?,
        status: row.get("status")?,
        reason: row.get("reason")?,
    })
}

/// The last requests of a source, newest first; of those that were refused or done otherwise alone, when `wrong`.
pub(crate) fn last(tx: &mut Tx<'_>, source: ResourceId, wrong: bool, most: u32) -> Result<Vec<Request>, store::Error> {
    let only = if wrong { " AND reason <> ''" } else { "" };
    tx.query(
        &format!(
            "SELECT at, program, method, target, target_id, status, reason FROM provisioning_requests \
             WHERE source = $1{only} ORDER BY at DESC, id DESC LIMIT $2"
        ),
        &params![source, most],
        read,
    )
}

/// Forgets all but the last requests of each source.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, store::Error> {
    let sources = tx.query("SELECT id FROM provisioning_sources", &[], |row| row.get::<ResourceId>("id"))?;
    let mut gone = 0;
    for source in sources {
        gone += tx.execute(
            &format!(
                "DELETE FROM provisioning_requests WHERE source = $1 AND at < (SELECT MIN(at) FROM (SELECT at FROM \
                 provisioning_requests WHERE source = $1 ORDER BY at DESC LIMIT {KEPT}) AS kept)"
            ),
            &params![source],
        )?;
    }
    Ok(gone)
}
