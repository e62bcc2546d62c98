//! What an application says became of a message for it: the code was typed in, or was not.

use std::time::Duration;

use access::{Permit, cap};
use base::{MessageId, Timestamp};
use store::{Tx, params};

use crate::Error;
use crate::engine::Engine;
use crate::job::NewNote;
use crate::settle_store::note;

/// How long after a message its feedback is taken.
pub(crate) const WITHIN: Duration = Duration::from_mins(15);

/// Notes it, in the message's history too; said again, the later word counts.
pub(crate) fn feedback(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesSend>,
    id: MessageId,
    success: bool,
    at: Option<Timestamp>,
) -> Result<(), Error> {
    let now = engine.ctx.now();
    let found = tx.query_opt(
        "SELECT id, due_at FROM messages WHERE umid = $1 AND workspace = $2",
        &params![id, permit.workspace()],
        |row| Ok((row.get::<i64>(0)?, row.get::<Timestamp>(1)?)),
    )?;
    let (row, due) = found.ok_or(Error::NotFound)?;
    if now > due.plus(WITHIN) {
        return Err(Error::LateFeedback);
    }
    let at = at.unwrap_or(now);
    let before = tx
        .query_opt("SELECT outcome FROM message_feedback WHERE message = $1", &params![row], |row| row.get::<i64>(0))?;
    if before == Some(i64::from(success)) {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO message_feedback (message, outcome, at, received_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (message) DO UPDATE SET outcome = excluded.outcome, at = excluded.at, received_at = excluded.received_at",
        &params![row, i64::from(success), at, now],
    )?;
    let text = if success { "the application reports success" } else { "the application reports failure" };
    note(tx, row, now, &NewNote { kind: "feedback", part: None, text: format!("{text} at {at}") })
}
