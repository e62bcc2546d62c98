//! The end that nobody made, and the look each minute for timers that were lost.

use access::Actor;
use base::{AlertId, Timestamp, WorkspaceId};
use serde_json::json;
use store::{NewJob, Tx, params};

use crate::Error;
use crate::alerts::{Inner, WATCH};
use crate::happening::{Happening, Told};
use crate::rows;
use crate::state::{Life, Moved};
use crate::timeline::{Deed, audit, save};
use crate::types::{By, Via};

/// How long after its time a timer counts as lost. Long enough for a worker that is only busy.
const LOST_AFTER: std::time::Duration = std::time::Duration::from_mins(2);
/// How often we look.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_mins(1);
/// Alerts looked at in one transaction.
const AT_ONCE: i64 = 100;

impl Inner {
    /// Ends an alert whose time is up; does nothing when it ended before.
    pub(crate) fn expire(&self, tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<(), Error> {
        let Some(mut alert) = rows::lock(tx, workspace, id)? else { return Ok(()) };
        let now = tx.now();
        if now < alert.expires {
            return Ok(());
        }
        let owner = match &alert.life {
            Life::Acknowledged { by, .. } => Some(by.clone()),
            _ => None,
        };
        let Moved::To(life) = alert.life.clone().expire(now) else { return Ok(()) };
        self.close(tx, &mut alert, life)?;
        let after_seconds = now.since(alert.opened).as_secs();
        let happening = Happening::Expired { after_seconds, owner: owner.as_ref().map(|by| by.name.clone()) };
        self.record(tx, &mut alert, &happening)?;
        let nobody = By { user: None, name: "the clock".to_owned(), via: Via::Flow };
        self.tell_others(tx, &mut alert, &nobody, Told::Expired)?;
        let actor = Actor::engine("alerts");
        audit(tx, &actor, &alert, Deed::done("alert.expire", json!({ "number": alert.number })))?;
        save(tx, &mut alert)
    }

    /// The timer of an alert: pages whoever is due, if the plan has not changed since it was set.
    pub(crate) fn escalate(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        id: AlertId,
        generation: i64,
    ) -> Result<(), Error> {
        let Some(mut alert) = rows::lock(tx, workspace, id)? else { return Ok(()) };
        if alert.cursor.generation != generation || !alert.is_open() {
            return Ok(());
        }
        self.advance(tx, &mut alert, None)?;
        save(tx, &mut alert)
    }

    /// Alerts whose timer should have fired and did not (its job was given up, or a backup was restored), and those that
    /// should have expired.
    pub(crate) fn overdue(tx: &mut Tx<'_>) -> Result<Vec<(WorkspaceId, AlertId, Option<i64>)>, Error> {
        let late = tx.now().minus(LOST_AFTER);
        let mut out = tx.query(
            "SELECT workspace, id, generation FROM alerts
             WHERE state = 'open' AND next_at IS NOT NULL AND next_at < $1 ORDER BY next_at LIMIT $2",
            &params![late, AT_ONCE],
            |row| Ok((row.get("workspace")?, row.get("id")?, Some(row.get("generation")?))),
        )?;
        out.extend(tx.query(
            "SELECT workspace, id FROM alerts WHERE state IN ('open', 'acknowledged') AND expires_at < $1
             ORDER BY expires_at LIMIT $2",
            &params![late, AT_ONCE],
            |row| Ok((row.get("workspace")?, row.get("id")?, None)),
        )?);
        Ok(out)
    }

    /// Whether anything lives that a timer could be lost for.
    pub(crate) fn anything_lives(tx: &mut Tx<'_>) -> Result<bool, Error> {
        let one = tx.query_opt(
            "SELECT 1 AS one FROM alerts WHERE state IN ('open', 'acknowledged') LIMIT 1",
            &params![],
            |row| row.get::<i64>("one"),
        )?;
        Ok(one.is_some())
    }

    /// Sets the next look, if none is set.
    pub(crate) fn look_again(tx: &mut Tx<'_>, at: Timestamp) -> Result<(), Error> {
        Ok(tx.enqueue(NewJob {
            kind: WATCH,
            key: Some("every minute"),
            payload: &json!({ "version": 1 }),
            run_at: at,
        })?)
    }

    /// When the next look is due.
    pub(crate) fn next_look(now: Timestamp) -> Timestamp {
        now.plus(LOOK_EVERY)
    }
}
