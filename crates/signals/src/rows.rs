//! The SQL of this room.

use std::collections::HashMap;
use std::time::Duration;

use base::{FlowId, IntegrationId, Page, PageRequest, RunId, SignalId, Timestamp, WorkspaceId};
use store::{Row, Tx, Value, params};

use crate::error::Error;
use crate::types::{Activity, Auth, Door, Filter, Integration, SignalState, TokenRow};

/// An integration, as the door needs it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub id: IntegrationId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub auth: Vec<Auth>,
    pub mapping: String,
    pub flow: FlowId,
    pub enabled: bool,
    pub rate: u32,
    pub tokens: Vec<Token>,
}

/// A token of an integration.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub hash: [u8; 32],
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
}

fn auth_of(text: &str) -> Vec<Auth> {
    // What cannot be read admits nobody.
    serde_json::from_str(text).unwrap_or_default()
}

/// The integration with its tokens; removed ones only when `removed` says so. Both queries run whether it exists or not,
/// so that the time of an answer tells a stranger nothing.
pub(crate) fn known(tx: &mut Tx<'_>, id: IntegrationId, removed: bool) -> Result<Option<Known>, Error> {
    let sql = "SELECT i.workspace, i.name, i.auth, i.mapping, i.flow, i.enabled, i.rate, t.hash, t.expires, t.last_used
        FROM integrations i LEFT JOIN integration_tokens t ON t.integration = i.id
        WHERE i.id = $1 AND (i.removed = FALSE OR $2) ORDER BY t.created DESC";
    let rows = tx.query(sql, &params![id, removed], |row| {
        let hash: Option<Vec<u8>> = row.get("hash")?;
        let (expires, last_used) = (row.get("expires")?, row.get("last_used")?);
        let token = hash.and_then(|hash| hash.try_into().ok()).map(|hash| Token { hash, expires, last_used });
        let known = Known {
            id,
            workspace: row.get("workspace")?,
            name: row.get("name")?,
            auth: auth_of(&row.get::<String>("auth")?),
            mapping: row.get("mapping")?,
            flow: row.get("flow")?,
            enabled: row.get("enabled")?,
            rate: u32::try_from(row.get::<i64>("rate")?).unwrap_or(1),
            tokens: Vec::new(),
        };
        Ok((known, token))
    })?;
    let (known, tokens): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    Ok(known.into_iter().next().map(|known| Known { tokens: tokens.into_iter().flatten().collect(), ..known }))
}

/// Writes a token's last use down.
pub(crate) fn used(tx: &mut Tx<'_>, id: IntegrationId, hash: [u8; 32], at: Timestamp) -> Result<(), Error> {
    tx.send(
        "UPDATE integration_tokens SET last_used = $3 WHERE integration = $1 AND hash = $2",
        &params![id, hash.to_vec(), at],
    )?;
    Ok(())
}

/// The integrations of a workspace, by name, without their tokens' values.
pub(crate) fn integrations(tx: &mut Tx<'_>, workspace: WorkspaceId, now: Timestamp) -> Result<Vec<Integration>, Error> {
    let sql = "SELECT i.id, i.name, i.auth, i.mapping, i.flow_name, i.enabled, i.rate,
            (SELECT max(s.received) FROM signals s WHERE s.integration = i.id AND s.state <> 'refused') AS last_signal
        FROM integrations i WHERE i.workspace = $1 AND i.removed = FALSE ORDER BY i.name, i.id";
    let mut all = tx.query(sql, &params![workspace], |row| {
        Ok(Integration {
            id: row.get("id")?,
            workspace,
            name: row.get("name")?,
            auth: auth_of(&row.get::<String>("auth")?),
            mapping: row.get("mapping")?,
            flow: row.get("flow_name")?,
            enabled: row.get("enabled")?,
            rate_per_minute: u32::try_from(row.get::<i64>("rate")?).unwrap_or(1),
            tokens: Vec::new(),
            last_signal: row.get("last_signal")?,
        })
    })?;
    for integration in &mut all {
        let sql = "SELECT imported, created, expires, last_used FROM integration_tokens
            WHERE integration = $1 AND (expires IS NULL OR expires > $2) ORDER BY created DESC";
        integration.tokens = tx.query(sql, &params![integration.id, now], |row| {
            let origin = if row.get("imported")? { "imported" } else { "drawn" };
            Ok(TokenRow {
                origin: origin.to_owned(),
                created: row.get("created")?,
                expires: row.get("expires")?,
                last_used: row.get("last_used")?,
            })
        })?;
    }
    Ok(all)
}

/// The names of a workspace's own mappings.
pub(crate) fn mapping_names(tx: &mut Tx<'_>, workspace: Option<WorkspaceId>) -> Result<Vec<String>, store::Error> {
    tx.query("SELECT name FROM mappings WHERE workspace = $1", &params![workspace], |row| row.get("name"))
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
}

const INSERT: &str =
    "INSERT INTO signals (id, workspace, integration, received, state, status, door, method, sender, source,
    user_agent, content_type, bytes, count, events, done, reason, took)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, $15, $16)";

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
        "UPDATE signals SET state = $3, done = $4, events = $5, reason = COALESCE(reason, $6), handled = $7
         WHERE id = $1 AND state = 'accepted' AND done = $2",
        &params![step.id, step.from, state.as_str(), to, step.total, step.reason.as_deref(), over.then_some(at)],
    )?;
    let rows: Vec<Vec<Value<'_>>> = (step.from..)
        .zip(&step.runs)
        .map(|(ordinal, run)| vec![step.id.into(), i64::from(ordinal).into(), (*run).into()])
        .collect();
    tx.send_many("INSERT INTO signal_events (signal, ordinal, run) VALUES ($1, $2, $3)", &rows)?;
    Ok(())
}

const ACTIVITY: &str =
    "SELECT s.id, s.integration, i.name AS integration_name, s.received, s.state, s.status, s.door, s.method,
    s.sender, s.source, s.user_agent, s.content_type, s.bytes, s.count, s.events, s.reason, s.took, s.handled
    FROM signals s LEFT JOIN integrations i ON i.id = s.integration";

fn activity_of(row: &Row<'_>) -> Result<Activity, store::Error> {
    let number = |name: &str| row.get::<i64>(name).map(|value| u64::try_from(value).unwrap_or_default());
    Ok(Activity {
        id: row.get("id")?,
        integration: row.get("integration")?,
        integration_name: row.get("integration_name")?,
        at: row.get("received")?,
        state: SignalState::read(&row.get::<String>("state")?),
        status: u16::try_from(number("status")?).unwrap_or_default(),
        door: Door::read(&row.get::<String>("door")?),
        method: row.get("method")?,
        sender: row.get("sender")?,
        source: row.get("source")?,
        user_agent: row.get("user_agent")?,
        bytes: number("bytes")?,
        count: number("count")?,
        events: u32::try_from(number("events")?).unwrap_or_default(),
        reason: row.get("reason")?,
        took: Duration::from_micros(number("took")?),
        handled: row.get("handled")?,
    })
}

/// A page of activity, newest first. Without a workspace: what strangers sent to integrations that do not exist.
pub(crate) fn activity(
    tx: &mut Tx<'_>,
    workspace: Option<WorkspaceId>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Activity>, Error> {
    let mut sql = ACTIVITY.to_owned();
    let mut values: Vec<Value<'_>> = Vec::new();
    match workspace {
        Some(workspace) => {
            values.push(workspace.into());
            sql.push_str(" WHERE s.workspace = $1");
        }
        None => sql.push_str(" WHERE s.workspace IS NULL"),
    }
    let mut also = |condition: &str, value: Value<'static>| {
        values.push(value);
        sql = format!("{sql} AND {condition} ${}", values.len());
    };
    if let Some(integration) = filter.integration {
        also("s.integration =", integration.into());
    }
    if let Some(state) = filter.state {
        also("s.state =", state.as_str().into());
    }
    if let Some(after) = &page.after {
        also("s.id <", after.0.clone().into());
    }
    sql = format!("{sql} ORDER BY s.id DESC LIMIT {}", page.limit() + 1);
    let rows = tx.query(&sql, &values, activity_of)?;
    Ok(Page::from_overread(rows, page, |line| line.id.to_string()))
}

/// One line of activity with the media type of its body.
pub(crate) fn one(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: SignalId,
) -> Result<Option<(Activity, Option<String>)>, Error> {
    let sql = format!("{ACTIVITY} WHERE s.workspace = $1 AND s.id = $2");
    Ok(tx.query_opt(&sql, &params![workspace, id], |row| Ok((activity_of(row)?, row.get("content_type")?)))?)
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
