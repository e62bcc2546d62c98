//! The SQL of signals: what accepting and handling write and read. Lists are in `activity`, integrations in `credentials`.

use std::collections::HashMap;
use std::time::Duration;

use base::{IntegrationId, RunId, SignalId, Timestamp, WorkspaceId};
use store::{Tx, Value, params};

use crate::error::Error;
use crate::types::{Auth, Door, SignalState};

/// The names of a workspace's own mappings.
pub(crate) fn mapping_names(tx: &mut Tx<'_>, workspace: Option<WorkspaceId>) -> Result<Vec<String>, store::Error> {
    tx.query("SELECT name FROM mappings WHERE workspace = $1", &params![workspace], |row| row.get("name"))
}

/// The ways in which senders to an integration prove themselves so far; none for one that is not there.
pub(crate) fn methods(tx: &mut Tx<'_>, integration: IntegrationId) -> Result<Vec<Auth>, store::Error> {
    let sql = "SELECT auth FROM integrations WHERE id = $1 AND NOT removed";
    let text: Option<String> = tx.query_opt(sql, &params![integration], |row| row.get("auth"))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// A workspace's own mapping, as stored.
pub(crate) fn mapping(tx: &mut Tx<'_>, workspace: WorkspaceId, name: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT document FROM mappings WHERE workspace = $1 AND name = $2";
    Ok(tx.query_opt(sql, &params![workspace, name], |row| row.get("document"))?)
}

/// One row of activity, before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub id: SignalId,
    pub workspace: Option<WorkspaceId>,
    pub integration: Option<IntegrationId>,
    pub received: Timestamp,
    pub state: SignalState,
    pub status: u16,
    pub door: Door,
    pub method: &'static str,
    pub sender: Option<String>,
    pub source: Option<String>,
    pub user_agent: Option<String>,
    pub content_type: Option<String>,
    pub bytes: usize,
    pub count: i64,
    pub reason: Option<String>,
    pub took: Duration,
    pub replay_of: Option<SignalId>,
}

const INSERT: &str =
    "INSERT INTO signals (id, workspace, integration, received, state, status, door, method, sender, source,
    user_agent, content_type, bytes, count, events, done, reason, took, replay_of)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, $15, $16, $17)";

fn values(line: &Line) -> Vec<Value<'_>> {
    vec![
        line.id.into(),
        line.workspace.into(),
        line.integration.into(),
        line.received.into(),
        line.state.as_str().into(),
        i64::from(line.status).into(),
        line.door.as_str().into(),
        line.method.into(),
        line.sender.as_deref().into(),
        line.source.as_deref().into(),
        line.user_agent.as_deref().into(),
        line.content_type.as_deref().into(),
        i64::try_from(line.bytes).unwrap_or(i64::MAX).into(),
        line.count.into(),
        line.reason.as_deref().into(),
        micros(line.took).into(),
        line.replay_of.into(),
    ]
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// Writes lines of activity.
pub(crate) fn insert(tx: &mut Tx<'_>, lines: &[Line]) -> Result<(), Error> {
    let rows: Vec<Vec<Value<'_>>> = lines.iter().map(values).collect();
    tx.send_many(INSERT, &rows)?;
    Ok(())
}

/// Adds to what a counting line stands for.
pub(crate) fn count(tx: &mut Tx<'_>, id: SignalId, more: i64) -> Result<(), Error> {
    tx.execute("UPDATE signals SET count = count + $2 WHERE id = $1", &params![id, more])?;
    Ok(())
}

/// Whether a signal is on disk.
pub(crate) fn is_there(tx: &mut Tx<'_>, id: SignalId) -> Result<bool, Error> {
    let sql = "SELECT id FROM signals WHERE id = $1";
    Ok(tx.query_opt(sql, &params![id], |row| row.get::<SignalId>("id"))?.is_some())
}

/// Writes down how long answers took.
pub(crate) fn took(tx: &mut Tx<'_>, all: &[(SignalId, Duration)]) -> Result<(), Error> {
    let rows: Vec<Vec<Value<'_>>> = all.iter().map(|(id, took)| vec![(*id).into(), micros(*took).into()]).collect();
    tx.send_many("UPDATE signals SET took = $2 WHERE id = $1", &rows)?;
    Ok(())
}

/// Keeps a sealed body.
pub(crate) fn insert_payload(tx: &mut Tx<'_>, id: SignalId, workspace: WorkspaceId, body: &str) -> Result<(), Error> {
    let sql = "INSERT INTO signal_payloads (signal, workspace, body) VALUES ($1, $2, $3)";
    tx.send(sql, &params![id, workspace, body])?;
    Ok(())
}

/// A signal that has events without a run, its body still sealed.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub id: SignalId,
    pub received: Timestamp,
    pub content_type: Option<String>,
    pub done: u32,
    pub body: String,
}

/// The oldest waiting signals of an integration, in the order they came.
pub(crate) fn waiting(tx: &mut Tx<'_>, integration: IntegrationId, limit: usize) -> Result<Vec<Waiting>, Error> {
    let sql = format!(
        "SELECT s.id, s.received, s.content_type, s.done, p.body FROM signals s JOIN signal_payloads p ON p.signal = s.id
         WHERE s.integration = $1 AND s.state = 'accepted' ORDER BY s.received, s.id LIMIT {limit}"
    );
    Ok(tx.query(&sql, &params![integration], |row| {
        Ok(Waiting {
            id: row.get("id")?,
            received: row.get("received")?,
            content_type: row.get("content_type")?,
            done: u32::try_from(row.get::<i64>("done")?).unwrap_or_default(),
            body: row.get("body")?,
        })
    })?)
}

/// How far a signal came.
#[derive(Clone, Debug)]
pub(crate) struct Advance {
    pub id: SignalId,
    /// Events that had their run before.
    pub from: u32,
    /// Events that have it now, with the run (none when it could not be begun).
    pub runs: Vec<Option<RunId>>,
    /// Events altogether.
    pub total: u32,
    /// What to say about it, once.
    pub reason: Option<String>,
    /// Whether an event could not be handled.
    pub failed: bool,
    /// The sealed summary, with the first event.
    pub summary: Option<String>,
}

/// Holds signals until the transaction ends, if each still stands where it was seen: so many events had their run.
pub(crate) fn hold(tx: &mut Tx<'_>, seen: &[(SignalId, u32)]) -> Result<(), Error> {
    let places: Vec<String> = (1..=seen.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT id, done FROM signals WHERE id IN ({}) AND state = 'accepted' ORDER BY id{}",
        places.join(", "),
        tx.dialect().for_update()
    );
    let ids: Vec<Value<'_>> = seen.iter().map(|(id, _)| (*id).into()).collect();
    let held: HashMap<SignalId, u32> =
        tx.query(&sql, &ids, |row| Ok((row.get("id")?, row.get::<u32>("done")?)))?.into_iter().collect();
    let stand = seen.iter().all(|(id, done)| held.get(id) == Some(done));
    if stand { Ok(()) } else { Err(Error::Overtaken) }
}

/// Writes how far a signal came. The caller [holds](hold) it.
pub(crate) fn advance(tx: &mut Tx<'_>, step: &Advance, at: Timestamp) -> Result<(), Error> {
    let to = step.from + u32::try_from(step.runs.len()).unwrap_or_default();
    let over = to >= step.total;
    let state = match (over, step.failed) {
        (false, _) => SignalState::Accepted,
        (true, false) => SignalState::Handled,
        (true, true) => SignalState::Failed,
    };
    tx.send(
        "UPDATE signals SET state = $3, done = $4, events = $5, reason = COALESCE(reason, $6), handled = $7,
             summary = COALESCE(summary, $8)
         WHERE id = $1 AND state = 'accepted' AND done = $2",
        &params![
            step.id,
            step.from,
            state.as_str(),
            to,
            step.total,
            step.reason.as_deref(),
            over.then_some(at),
            step.summary.as_deref()
        ],
    )?;
    let rows: Vec<Vec<Value<'_>>> = (step.from..)
        .zip(&step.runs)
        .map(|(ordinal, run)| vec![step.id.into(), i64::from(ordinal).into(), (*run).into()])
        .collect();
    tx.send_many("INSERT INTO signal_events (signal, ordinal, run) VALUES ($1, $2, $3)", &rows)?;
    Ok(())
}

/// The runs of a signal's events, in their order.
pub(crate) fn runs(tx: &mut Tx<'_>, id: SignalId) -> Result<Vec<RunId>, Error> {
    let sql = "SELECT run FROM signal_events WHERE signal = $1 AND run IS NOT NULL ORDER BY ordinal";
    Ok(tx.query(sql, &params![id], |row| row.get("run"))?)
}

/// A signal's sealed body with its media type and integration.
pub(crate) fn payload(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: SignalId,
) -> Result<Option<(String, Option<String>)>, Error> {
    let sql = "SELECT p.body, s.content_type FROM signal_payloads p JOIN signals s ON s.id = p.signal
        WHERE p.signal = $1 AND p.workspace = $2";
    Ok(tx.query_opt(sql, &params![id, workspace], |row| Ok((row.get("body")?, row.get("content_type")?)))?)
}
