//! A message is taken back before it was handed over: by the application that sent it, or by a person.
//!
//! Only what still waits in the table can be: what a dispatcher has claimed may be at the carrier, and nobody could say that it
//! did not arrive. What a room above caused (the page of an alert) is that room's to end.

use access::{Permit, cap};
use base::{MessageId, Timestamp};
use store::{Tx, params};

use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::job::NewNote;
use crate::settle_store::{Touched, note, publish};
use crate::state::Event;
use crate::{Error, State};

/// Why it ended, as people read it.
const REASON: &str = "it was cancelled before it was handed over";

/// Cancels one message; audited, told in its history and to its submitter like any end.
pub(crate) fn cancel(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesSend>,
    id: MessageId,
) -> Result<State, Error> {
    let now = engine.ctx.now();
    let sql = format!(
        "SELECT id, state, parts, origin_kind, tell FROM messages WHERE umid = $1 AND workspace = $2{}",
        tx.dialect().for_update()
    );
    let found = tx.query_opt(&sql, &params![id, permit.workspace()], |row| {
        let numbers = (row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?);
        Ok((numbers, row.get::<Option<String>>(3)?, Tell::from_code(row.get(4)?)))
    })?;
    let ((row, code, parts), origin, tell) = found.ok_or(Error::NotFound)?;
    let state = State::from_code(code).ok_or(Error::Corrupt("state"))?;
    if let Some(kind) = origin {
        return Err(Error::Owned(kind));
    }
    let next = state.after(Event::Cancel).map_err(|_| Error::NotCancellable(state))?;
    if parts > 1 && has_begun(tx, row)? {
        return Err(Error::HalfSent);
    }
    tx.send(
        "UPDATE messages SET state = $2, reason = $3, done_at = $4 WHERE id = $1",
        &params![row, next.code(), REASON, now],
    )?;
    ended(tx, permit, row, id, tell, next, now)?;
    let target = id.to_string();
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action: "message.cancel",
            target: ("message", &target),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: None,
        },
    )?;
    let mut touched = Touched::default();
    touched.message(permit.workspace(), Some(id));
    touched.announce(tx);
    let told = engine.told.clone();
    tx.after_commit(move || told.send_modify(|turn| *turn += 1));
    Ok(next)
}

/// The history and the submitter.
fn ended(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesSend>,
    row: i64,
    id: MessageId,
    tell: Tell,
    state: State,
    now: Timestamp,
) -> Result<(), Error> {
    let text = format!("cancelled by {} before it was handed over", permit.actor().principal.key());
    note(tx, row, now, &NewNote { kind: "cancelled", part: None, text })?;
    publish(tx, id, permit.workspace(), None, tell, state, None, Some(REASON), now)
}

/// Whether a message of several parts was handed over in part.
pub(crate) fn has_begun(tx: &mut Tx<'_>, row: i64) -> Result<bool, Error> {
    let begun =
        tx.query_opt("SELECT 1 FROM message_parts WHERE message = $1 AND state >= 2", &params![row], |_| Ok(()))?;
    Ok(begun.is_some())
}
