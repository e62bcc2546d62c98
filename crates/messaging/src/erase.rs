//! Number and text of a message are erased for good, out or in; what happened to it stays readable without them.
//!
//! What still waits or is on its way needs both: it is erased when it has been handed over, by a job that looks again.

use std::time::Duration;

use access::{Actor, Permit, cap};
use base::WorkspaceId;
use serde::{Deserialize, Serialize};
use store::{Job, JobError, NewJob, Tx, params};
use uuid::Uuid;

use crate::engine::Engine;
use crate::job::NewNote;
use crate::messaging::Messaging;
use crate::settle_store::{Touched, note};
use crate::{Error, State, news};

/// The job that erases later.
pub(crate) const JOB: &str = "messaging.erase";
/// How often it looks again.
const AGAIN: Duration = Duration::from_mins(1);

/// Whose, and which.
#[derive(Serialize, Deserialize)]
struct Wanted {
    workspace: WorkspaceId,
    id: Uuid,
}

/// When something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// It is.
    Now,
    /// As soon as it has been handed over.
    Later,
}

/// What a look came to.
enum Found {
    Nothing,
    Waiting,
    Erased,
}

/// Erases, or sees to it that it will be; audited.
pub(crate) fn erase(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesErase>,
    id: Uuid,
) -> Result<Erased, Error> {
    let erased = match blank(tx, engine, permit.workspace(), id)? {
        Found::Nothing => return Err(Error::NotFound),
        Found::Erased => Erased::Now,
        Found::Waiting => {
            later(tx, &Wanted { workspace: permit.workspace(), id })?;
            Erased::Later
        }
    };
    let reason = match erased {
        Erased::Now => "number and text are erased",
        Erased::Later => "number and text will be erased when it has been handed over",
    };
    record(tx, permit.actor(), permit.workspace(), id, reason)?;
    Ok(erased)
}

fn later(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<(), Error> {
    let payload = serde_json::to_value(wanted).map_err(|_| Error::Corrupt("job"))?;
    let (key, run_at) = (wanted.id.to_string(), tx.now().plus(AGAIN));
    Ok(tx.enqueue(NewJob { kind: JOB, key: Some(&key), payload: &payload, run_at })?)
}

fn record(tx: &mut Tx<'_>, actor: &Actor, workspace: WorkspaceId, id: Uuid, reason: &str) -> Result<(), Error> {
    let target = id.to_string();
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: Some(workspace),
            action: "message.erase",
            target: ("message", &target),
            outcome: audit::Outcome::Success,
            reason: Some(reason),
            changes: None,
        },
    )?;
    Ok(())
}

fn blank(tx: &mut Tx<'_>, engine: &Engine, workspace: WorkspaceId, id: Uuid) -> Result<Found, Error> {
    let now = engine.ctx.now();
    let sql = format!("SELECT id, state FROM messages WHERE umid = $1 AND workspace = $2{}", tx.dialect().for_update());
    let message = tx.query_opt(&sql, &params![id, workspace], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))?;
    if let Some((row, code)) = message {
        let state = State::from_code(code).ok_or(Error::Corrupt("state"))?;
        // A held one may be sent again by a person, and then wants both.
        if matches!(state, State::Queued | State::Claimed | State::Unknown) {
            return Ok(Found::Waiting);
        }
        tx.execute(
            "UPDATE messages SET destination = '', body = '', blind = $2 WHERE id = $1",
            &params![row, &[0_u8; 0]],
        )?;
        tx.execute("DELETE FROM message_callbacks WHERE message = $1", &params![row])?;
        tx.execute("UPDATE message_client_ips SET client_ip = '' WHERE message = $1", &params![row])?;
        note(
            tx,
            row,
            now,
            &NewNote { kind: "erased", part: None, text: "number and text were erased for good".into() },
        )?;
        news::erased(tx, row, now)?;
        let mut touched = Touched::default();
        touched.message(workspace, Some(id.into()));
        touched.announce(tx);
        return Ok(Found::Erased);
    }
    let inbound = tx.query_opt(
        "UPDATE inbound_messages SET source = '', body = '', pieces = NULL, blind = $3 WHERE uid = $1 AND workspace = $2
         RETURNING id",
        &params![id, workspace, &[0_u8; 0]],
        |row| row.get::<i64>("id"),
    )?;
    let Some(row) = inbound else { return Ok(Found::Nothing) };
    news::inbound_erased(tx, row, now)?;
    Ok(Found::Erased)
}

/// Looks again at what was still wanted.
pub(crate) async fn work(messaging: Messaging, job: Job) -> Result<(), JobError> {
    let wanted: Wanted = job.parse()?;
    let db = messaging.engine().db.clone();
    db.write(move |tx| {
        let found = blank(tx, messaging.engine(), wanted.workspace, wanted.id)?;
        job.finish(tx)?;
        match found {
            Found::Waiting => later(tx, &wanted)?,
            Found::Erased => {
                let actor = Actor::engine("messaging");
                record(
                    tx,
                    &actor,
                    wanted.workspace,
                    wanted.id,
                    "number and text are erased, as was asked for earlier",
                )?;
            }
            Found::Nothing => {}
        }
        Ok::<_, Error>(())
    })
    .await?;
    Ok(())
}
