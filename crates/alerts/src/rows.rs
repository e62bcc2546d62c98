//! The rows of `alerts`, read and written. No rule is here, only SQL.

use std::fmt::Write as _;

use base::{AlertId, IntegrationId, NotificationId, RunId, SignalId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::{Row, Tx, Value, params};

use crate::Error;
use crate::state::Life;
use crate::types::{By, Priority, State};

/// What an alert says; sealed as one cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) sms: Option<String>,
    pub(crate) link: Option<String>,
    /// The group's plan in words, as it was when the alert opened.
    pub(crate) policy: String,
}

/// Where the escalation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Counts changes of the plan; a timer of another generation is out of date.
    pub(crate) generation: i64,
    /// The group that is really paged (a fallback, perhaps); `None` when there is none.
    pub(crate) group: Option<String>,
    /// The round, from 1; 0 before the first.
    pub(crate) round: u32,
    /// Rounds altogether.
    pub(crate) rounds: u32,
    /// Seconds between two rounds.
    pub(crate) interval_seconds: u32,
    /// When everybody of this round has had time to answer.
    pub(crate) round_ends: Option<Timestamp>,
    /// When something is due.
    pub(crate) next_at: Option<Timestamp>,
    /// Who is paged then; nobody when the round ends then.
    pub(crate) next_person: Option<String>,
}

/// One alert as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct AlertRow {
    pub(crate) id: AlertId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) number: i64,
    pub(crate) integration: Option<IntegrationId>,
    pub(crate) signal: Option<SignalId>,
    pub(crate) run: Option<RunId>,
    pub(crate) key: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) group: String,
    /// Sealed [`Content`].
    pub(crate) content: String,
    pub(crate) life: Life,
    pub(crate) opened: Timestamp,
    pub(crate) changed: Timestamp,
    /// Sealed.
    pub(crate) note: Option<String>,
    pub(crate) expires: Timestamp,
    pub(crate) joined: i64,
    /// Lines of the timeline so far.
    pub(crate) lines: i64,
    pub(crate) cursor: Cursor,
    pub(crate) unanswered: bool,
}

impl AlertRow {
    pub(crate) const fn state(&self) -> State {
        self.life.state()
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    fn read(row: &Row<'_>) -> Result<Self, store::Error> {
        let acknowledged = json_column::<By>(row, "acknowledged_by")?;
        let closed = json_column::<By>(row, "closed_by")?;
        let state: String = row.get("state")?;
        let wrong =
            |column: &str| store::Error::Decode { column: column.to_owned(), expected: "a state with its facts" };
        let life = match state.as_str() {
            "open" => Life::Open,
            "acknowledged" => Life::Acknowledged {
                at: row.get("acknowledged_at")?,
                by: acknowledged.ok_or_else(|| wrong("acknowledged_by"))?,
            },
            "resolved" => Life::Resolved { at: row.get("closed_at")?, by: closed.ok_or_else(|| wrong("closed_by"))? },
            "expired" => Life::Expired { at: row.get("closed_at")? },
            _ => return Err(wrong("state")),
        };
        Ok(Self {
            id: row.get("id")?,
            workspace: row.get("workspace")?,
            number: row.get("number")?,
            integration: row.get("integration")?,
            signal: row.get("signal")?,
            run: row.get("run")?,
            key: row.get("dedup_key")?,
            priority: row.get::<String>("priority")?.parse().map_err(|_| wrong("priority"))?,
            group: row.get("group_name")?,
            content: row.get("content")?,
            life,
            opened: row.get("opened_at")?,
            changed: row.get("changed_at")?,
            note: row.get("note")?,
            expires: row.get("expires_at")?,
            joined: row.get("joined")?,
            lines: row.get("lines")?,
            cursor: Cursor {
                generation: row.get("generation")?,
                group: row.get("paged_group")?,
                round: row.get("round")?,
                rounds: row.get("rounds")?,
                interval_seconds: row.get("interval_seconds")?,
                round_ends: row.get("round_ends_at")?,
                next_at: row.get("next_at")?,
                next_person: row.get("next_person")?,
            },
            unanswered: row.get("unanswered")?,
        })
    }
}

/// A JSON document in a TEXT column.
pub(crate) fn json_column<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: &str,
) -> Result<Option<T>, store::Error> {
    row.get::<Option<String>>(column)?
        .map(|text| {
            serde_json::from_str(&text)
                .map_err(|_| store::Error::Decode { column: column.to_owned(), expected: "a document of ours" })
        })
        .transpose()
}

/// A document as text. Ours always serialise; an empty one would be found out when it is read.
pub(crate) fn json_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What the life puts into its columns: acknowledged at and by, closed at and by.
type LifeColumns = (Option<Timestamp>, Option<String>, Option<Timestamp>, Option<String>);

fn life_columns(life: &Life) -> LifeColumns {
    match life {
        Life::Open => (None, None, None, None),
        Life::Acknowledged { at, by } => (Some(*at), Some(json_text(by)), None, None),
        Life::Resolved { at, by } => (None, None, Some(*at), Some(json_text(by))),
        Life::Expired { at } => (None, None, Some(*at), None),
    }
}

/// The integration a key is scoped to, as the unique index has it.
pub(crate) fn key_scope(integration: Option<IntegrationId>) -> String {
    integration.map_or_else(String::new, |id| id.to_string())
}

/// Inserts a new alert; `false` when a live one has its key (another transaction was quicker).
pub(crate) fn insert(tx: &mut Tx<'_>, alert: &AlertRow) -> Result<bool, Error> {
    let (acknowledged_at, acknowledged_by, closed_at, closed_by) = life_columns(&alert.life);
    let inserted = tx.execute(
        "INSERT INTO alerts (id, workspace, number, integration, signal, run, key_scope, dedup_key, priority, group_name, content,
             state, opened_at, changed_at, acknowledged_at, acknowledged_by, closed_at, closed_by, note, expires_at, joined, lines,
             generation, paged_group, round, rounds, interval_seconds, round_ends_at, next_at, next_person, unanswered)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
             $25, $26, $27, $28, $29, $30, $31)
         ON CONFLICT DO NOTHING",
        &params![
            alert.id,
            alert.workspace,
            alert.number,
            alert.integration,
            alert.signal,
            alert.run,
            key_scope(alert.integration),
            alert.key.as_deref(),
            alert.priority.as_str(),
            &alert.group,
            &alert.content,
            alert.state().as_str(),
            alert.opened,
            alert.changed,
            acknowledged_at,
            acknowledged_by,
            closed_at,
            closed_by,
            alert.note.as_deref(),
            alert.expires,
            alert.joined,
            alert.lines,
            alert.cursor.generation,
            alert.cursor.group.as_deref(),
            alert.cursor.round,
            alert.cursor.rounds,
            alert.cursor.interval_seconds,
            alert.cursor.round_ends,
            alert.cursor.next_at,
            alert.cursor.next_person.as_deref(),
            alert.unanswered,
        ],
    )?;
    Ok(inserted == 1)
}

/// Writes back what can change. The caller holds the row by [`lock`].
pub(crate) fn save(tx: &mut Tx<'_>, alert: &AlertRow) -> Result<(), Error> {
    let (acknowledged_at, acknowledged_by, closed_at, closed_by) = life_columns(&alert.life);
    tx.send(
        "UPDATE alerts SET state = $3, changed_at = $4, acknowledged_at = $5, acknowledged_by = $6, closed_at = $7,
             closed_by = $8, note = $9, joined = $10, lines = $11, generation = $12, paged_group = $13, round = $14, rounds = $15,
             interval_seconds = $16, round_ends_at = $17, next_at = $18, next_person = $19, unanswered = $20
         WHERE workspace = $1 AND id = $2",
        &params![
            alert.workspace,
            alert.id,
            alert.state().as_str(),
            alert.changed,
            acknowledged_at,
            acknowledged_by,
            closed_at,
            closed_by,
            alert.note.as_deref(),
            alert.joined,
            alert.lines,
            alert.cursor.generation,
            alert.cursor.group.as_deref(),
            alert.cursor.round,
            alert.cursor.rounds,
            alert.cursor.interval_seconds,
            alert.cursor.round_ends,
            alert.cursor.next_at,
            alert.cursor.next_person.as_deref(),
            alert.unanswered,
        ],
    )?;
    Ok(())
}

/// Reads an alert of `workspace`.
pub(crate) fn find(tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<Option<AlertRow>, Error> {
    Ok(tx.query_opt(
        "SELECT * FROM alerts WHERE workspace = $1 AND id = $2",
        &params![workspace, id],
        AlertRow::read,
    )?)
}

/// Reads an alert that this transaction is about to change, so that no other changes it meanwhile.
pub(crate) fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<Option<AlertRow>, Error> {
    let sql = format!("SELECT * FROM alerts WHERE workspace = $1 AND id = $2{}", tx.dialect().for_update());
    Ok(tx.query_opt(&sql, &params![workspace, id], AlertRow::read)?)
}

/// The same for the alert that somebody was paged for.
pub(crate) fn lock_paged(tx: &mut Tx<'_>, notification: NotificationId) -> Result<Option<AlertRow>, Error> {
    let sql = format!(
        "SELECT * FROM alerts WHERE id = (SELECT alert FROM alert_notifications WHERE id = $1){}",
        tx.dialect().for_update()
    );
    Ok(tx.query_opt(&sql, &params![notification], AlertRow::read)?)
}

/// The same for the live alert with a key.
pub(crate) fn lock_live(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    integration: Option<IntegrationId>,
    key: &str,
) -> Result<Option<AlertRow>, Error> {
    let sql = format!(
        "SELECT * FROM alerts WHERE workspace = $1 AND key_scope = $2 AND dedup_key = $3
         AND state IN ('open', 'acknowledged'){}",
        tx.dialect().for_update()
    );
    Ok(tx.query_opt(&sql, &params![workspace, key_scope(integration), key], AlertRow::read)?)
}

/// The workspace of an alert: for events, which name an alert alone.
pub(crate) fn by_number(tx: &mut Tx<'_>, workspace: WorkspaceId, number: i64) -> Result<Option<AlertRow>, Error> {
    Ok(tx.query_opt(
        "SELECT * FROM alerts WHERE workspace = $1 AND number = $2",
        &params![workspace, number],
        AlertRow::read,
    )?)
}

/// Notes that a signal joined.
pub(crate) fn insert_join(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    alert: AlertId,
    signal: SignalId,
    at: Timestamp,
) -> Result<(), Error> {
    tx.send(
        "INSERT INTO alert_joins (alert, signal, workspace, joined_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &params![alert, signal, workspace, at],
    )?;
    Ok(())
}

/// Alerts, newest first: up to `limit` of those before `before`.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    filter: &crate::Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AlertRow>, Error> {
    let mut sql = String::from("SELECT * FROM alerts WHERE workspace = $1 AND number < $2");
    let mut params = params![workspace, before.unwrap_or(i64::MAX), limit].to_vec();
    // Writing to a String cannot fail.
    let mut also = |condition: &str, value: Value<'static>| {
        params.push(value);
        let _ = write!(sql, " AND {}", condition.replace('?', &format!("${}", params.len())));
    };
    if let Some(integration) = filter.integration {
        also("integration = ?", integration.into());
    }
    if let Some(signal) = filter.signal {
        also(
            "(signal = ? OR id IN (SELECT alert FROM alert_joins WHERE workspace = $1 AND signal = ?))",
            signal.into(),
        );
    }
    if let Some(group) = &filter.group {
        also("group_name = ?", group.clone().into());
    }
    if let Some(key) = &filter.key {
        also("dedup_key = ?", key.clone().into());
    }
    // Numbers rise with time but for transactions that ran side by side: an index finds about where, the time says exactly.
    if let Some(since) = filter.since {
        also("opened_at >= ?", since.into());
        let number = near(tx, workspace, "opened_at >= $2 ORDER BY opened_at", since)?;
        also("number > ?", number.map_or(i64::MAX, |number| number - SIDE_BY_SIDE).into());
    }
    if let Some(until) = filter.until {
        also("opened_at < ?", until.into());
        let number = near(tx, workspace, "opened_at < $2 ORDER BY opened_at DESC", until)?;
        also("number < ?", number.map_or(0, |number| number + SIDE_BY_SIDE).into());
    }
    if !filter.states.is_empty() {
        let _ = write!(sql, " AND state IN ({})", words(filter.states.iter().map(|state| state.as_str())));
    }
    if !filter.priorities.is_empty() {
        let _ = write!(sql, " AND priority IN ({})", words(filter.priorities.iter().map(|priority| priority.as_str())));
    }
    sql.push_str(" ORDER BY number DESC LIMIT $3");
    Ok(tx.query(&sql, &params, AlertRow::read)?)
}

/// Transactions that may have taken their numbers in another order than their times.
const SIDE_BY_SIDE: i64 = 1_000;

/// The number of the first alert of a stretch of time.
fn near(tx: &mut Tx<'_>, workspace: WorkspaceId, which: &str, at: Timestamp) -> Result<Option<i64>, Error> {
    let sql = format!("SELECT number FROM alerts WHERE workspace = $1 AND {which} LIMIT 1");
    Ok(tx.query_opt(&sql, &params![workspace, at], |row| row.get(0))?)
}

/// Our own words, as a list in SQL.
fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

/// Alerts by what needs somebody.
pub(crate) fn counts(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<crate::Counts, Error> {
    let mut out = crate::Counts::default();
    let rows = tx.query(
        "SELECT state, priority, unanswered, COUNT(*) AS alerts FROM alerts
         WHERE workspace = $1 AND state IN ('open', 'acknowledged') GROUP BY state, priority, unanswered",
        &params![workspace],
        |row| {
            Ok((
                row.get::<String>("state")?,
                row.get::<String>("priority")?,
                row.get::<bool>("unanswered")?,
                row.get::<i64>("alerts")?,
            ))
        },
    )?;
    for (state, priority, unanswered, alerts) in rows {
        if state == State::Acknowledged.as_str() {
            out.acknowledged += alerts;
            continue;
        }
        out.open += alerts;
        if priority == Priority::Critical.as_str() {
            out.open_critical += alerts;
        }
        if unanswered {
            out.unanswered += alerts;
        }
    }
    Ok(out)
}
