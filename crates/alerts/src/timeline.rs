//! Writing an alert's life down: sealed texts, numbered lines, live updates, events, audit.

use access::Actor;
use base::{AlertId, Timestamp, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Changed, Tx, params};
use vault::{Aad, Purpose, Vault};

use crate::Error;
use crate::alerts::{CHANGED, Inner, TOPIC};
use crate::happening::Happening;
use crate::rows::{self, AlertRow, Content, json_text};

const LINE: (&str, &str) = ("alert_lines", "data");
const CONTENT: (&str, &str) = ("alerts", "content");
const NOTE: (&str, &str) = ("alerts", "note");

impl Inner {
    /// Writes a line of the timeline. The row's line count changes: save it afterwards.
    pub(crate) fn record(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, happening: &Happening) -> Result<(), Error> {
        alert.lines += 1;
        let now = tx.now();
        let place = format!("{}/{}", alert.id, alert.lines);
        let data = seal(tx, &self.vault, alert.workspace, now, LINE, &place, happening)?;
        tx.send(
            "INSERT INTO alert_lines (alert, number, workspace, happened_at, kind, data) VALUES ($1, $2, $3, $4, $5, $6)",
            &params![alert.id, alert.lines, alert.workspace, now, happening.kind(), data],
        )?;
        Ok(())
    }

    /// Every line of an alert with its number and time, oldest first. Lines whose key was destroyed are left out.
    pub(crate) fn lines(&self, tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Vec<(i64, Timestamp, Happening)>, Error> {
        let rows = tx.query(
            "SELECT number, happened_at, data FROM alert_lines WHERE workspace = $1 AND alert = $2 ORDER BY number",
            &params![alert.workspace, alert.id],
            |row| Ok((row.get::<i64>("number")?, row.get::<Timestamp>("happened_at")?, row.get::<String>("data")?)),
        )?;
        let mut out = Vec::with_capacity(rows.len());
        for (number, at, sealed) in rows {
            let place = format!("{}/{number}", alert.id);
            if let Some(happening) = open(tx, &self.vault, alert.workspace, LINE, &place, &sealed)? {
                out.push((number, at, happening));
            }
        }
        Ok(out)
    }

    /// Seals what an alert says.
    pub(crate) fn seal_content(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        alert: AlertId,
        content: &Content,
    ) -> Result<String, Error> {
        let now = tx.now();
        seal(tx, &self.vault, workspace, now, CONTENT, &alert.to_string(), content)
    }

    /// What an alert says. Once its key is destroyed, only that it was.
    pub(crate) fn content(&self, tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Content, Error> {
        let content = open(tx, &self.vault, alert.workspace, CONTENT, &alert.id.to_string(), &alert.content)?;
        Ok(content.unwrap_or_else(|| Content {
            title: "Erased when its retention ended".to_owned(),
            text: String::new(),
            sms: None,
            link: None,
            policy: String::new(),
        }))
    }

    /// Seals what was said when it ended.
    pub(crate) fn seal_note(&self, tx: &mut Tx<'_>, alert: &AlertRow, note: &str) -> Result<String, Error> {
        let now = tx.now();
        seal(tx, &self.vault, alert.workspace, now, NOTE, &alert.id.to_string(), &note)
    }

    /// What was said when it ended.
    pub(crate) fn note(&self, tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Option<String>, Error> {
        match &alert.note {
            None => Ok(None),
            Some(sealed) => open(tx, &self.vault, alert.workspace, NOTE, &alert.id.to_string(), sealed),
        }
    }
}

/// Saves the row and tells who watches: open pages at once, rooms above by an event.
pub(crate) fn save(tx: &mut Tx<'_>, alert: &mut AlertRow) -> Result<(), Error> {
    alert.changed = tx.now();
    rows::save(tx, alert)?;
    tx.touched(Changed { workspace: Some(alert.workspace), topic: TOPIC, id: alert.id.to_string() });
    tx.publish(
        CHANGED,
        &serde_json::json!({
            "version": 1,
            "alert": alert.id,
            "workspace": alert.workspace,
            "number": alert.number,
            "state": alert.state().as_str(),
            "priority": alert.priority.as_str(),
        }),
    )?;
    Ok(())
}

/// What the audit log says about something done to an alert.
pub(crate) struct Deed<'a> {
    pub(crate) action: &'static str,
    pub(crate) outcome: audit::Outcome,
    pub(crate) reason: Option<&'a str>,
    pub(crate) changes: Option<serde_json::Value>,
}

impl Deed<'_> {
    /// Something that was done.
    pub(crate) const fn done(action: &'static str, changes: serde_json::Value) -> Self {
        Self { action, outcome: audit::Outcome::Success, reason: None, changes: Some(changes) }
    }
}

impl<'a> Deed<'a> {
    /// Something that was refused.
    pub(crate) const fn denied(action: &'static str, reason: &'a str) -> Self {
        Self { action, outcome: audit::Outcome::Denied, reason: Some(reason), changes: None }
    }
}

/// Writes the audit entry of a deed (no audit, no change). Last in its transaction: the workspace's lane of the log stays
/// locked until the commit, and whoever waits for it must not hold what we still need.
pub(crate) fn audit(tx: &mut Tx<'_>, actor: &Actor, alert: &AlertRow, deed: Deed<'_>) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: Some(alert.workspace),
            action: deed.action,
            target: ("alert", &alert.id.to_string()),
            outcome: deed.outcome,
            reason: deed.reason,
            changes: deed.changes,
        },
    )?;
    Ok(())
}

fn seal<T: Serialize>(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: WorkspaceId,
    at: Timestamp,
    (table, column): (&'static str, &'static str),
    row: &str,
    value: &T,
) -> Result<String, Error> {
    let key = vault.data_key(tx, Some(workspace), Purpose::Alerts, at)?;
    Ok(key.seal(tx.context().chance(), &Aad { table, column, row }, json_text(value).as_bytes()))
}

fn open<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: WorkspaceId,
    (table, column): (&'static str, &'static str),
    row: &str,
    sealed: &str,
) -> Result<Option<T>, Error> {
    let plain = match vault.open(tx, Some(workspace), &Aad { table, column, row }, sealed) {
        Ok(plain) => plain,
        Err(vault::Error::Destroyed) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&plain).map(Some).map_err(|_| Error::Corrupt("alert"))
}
