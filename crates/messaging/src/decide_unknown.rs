//! A person decides about a message that is held because nobody knows whether it arrived.

use std::sync::Arc;

use access::{Permit, cap};
use audit::{Entry, Outcome};
use base::MessageId;
use store::{Tx, params};
use uuid::Uuid;

use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::job::{NewNote, StoredOrigin};
use crate::settle_store::{Touched, note, publish};
use crate::state::Event;
use crate::{Error, State};

/// Sends it again, or gives it up; audited, and told in its history.
pub(crate) fn decide_unknown(
    tx: &mut Tx<'_>,
    engine: &Arc<Engine>,
    permit: &Permit<cap::MessagesSend>,
    id: MessageId,
    send_again: bool,
) -> Result<State, Error> {
    let now = engine.ctx.now();
    let sql = format!(
        "SELECT id, state, carrier, origin_kind, origin_id, tell FROM messages WHERE umid = $1 AND workspace = $2{}",
        tx.dialect().for_update()
    );
    let found = tx.query_opt(&sql, &params![id, permit.workspace()], |row| {
        let origin = row.get::<Option<String>>("origin_kind")?.zip(row.get::<Option<Uuid>>("origin_id")?);
        let origin = origin.map(|(kind, id)| StoredOrigin { kind, id });
        let tell = Tell::from_code(row.get("tell")?);
        Ok((row.get::<i64>("id")?, row.get::<i64>("state")?, row.get::<String>("carrier")?, origin, tell))
    })?;
    let (row, code, carrier, origin, tell) = found.ok_or(Error::NotFound)?;
    let state = State::from_code(code).ok_or(Error::Corrupt("state"))?;
    // Only an unknown one is anybody's to decide; a claimed one is the dispatcher's.
    if state != State::Unknown {
        return Err(Error::NothingToDecide(state));
    }
    let event = if send_again { Event::SendAgain } else { Event::GaveUp };
    let next = state.after(event).map_err(|_| Error::NothingToDecide(state))?;
    let text = if send_again { "somebody decided to send it again" } else { "somebody decided not to send it again" };
    tx.execute(
        "UPDATE messages SET state = $2, due_at = CASE WHEN $3 THEN $4 ELSE due_at END, reason = $5, done_at = $6,
         carrier_ref = CASE WHEN $3 THEN NULL ELSE carrier_ref END, receipt = CASE WHEN $3 THEN NULL ELSE receipt END,
         receipt_at = CASE WHEN $3 THEN NULL ELSE receipt_at END WHERE id = $1",
        &params![row, next.code(), send_again, now, text, next.is_terminal().then_some(now)],
    )?;
    note(tx, row, now, &NewNote { kind: "decided", part: None, text: text.to_owned() })?;
    publish(tx, id, permit.workspace(), origin.as_ref(), tell, next, None, Some(text), now)?;
    let target = id.to_string();
    audit::record(
        tx,
        Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action: "message.decide",
            target: ("message", &target),
            outcome: Outcome::Success,
            reason: Some(text),
            changes: None,
        },
    )?;
    let mut touched = Touched::default();
    touched.message(permit.workspace(), Some(id));
    touched.announce(tx);
    let engine = Arc::clone(engine);
    tx.after_commit(move || match engine.lane(&carrier) {
        Some(lane) if send_again => {
            for side in [&lane.alerts, &lane.others] {
                side.set_backlog(true);
            }
            lane.wake.notify_one();
        }
        _ => engine.reroute.notify_one(),
    });
    Ok(next)
}
