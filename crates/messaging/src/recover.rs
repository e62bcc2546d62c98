//! What a process that is gone had claimed: perhaps handed over, perhaps not (rule 3). Decided by policy, counted and
//! told in each message's history.

use base::Timestamp;
use routing::Class;
use store::{Tx, params};

use crate::carrier::OnUnknownOutcome;
use crate::claim::{COLUMNS, Claimed};
use crate::conclude::unknown_sentence;
use crate::engine::Engine;
use crate::job::NewNote;
use crate::settle_store::{Touched, note, publish};
use crate::state::Event;
use crate::{Error, State, indexes};

/// Decided in one transaction.
const BATCH: i64 = 200;

/// Decides for every message that a gone process had claimed for `carrier`; how many.
pub(crate) async fn recover(engine: &Engine, carrier: &str, policy: OnUnknownOutcome) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let (carrier, now) = (carrier.to_owned(), engine.ctx.now());
        let recovered = engine.db.write_bulk(move |tx| batch(tx, &carrier, policy, now)).await?;
        total += recovered;
        if recovered < BATCH.unsigned_abs() {
            return Ok(total);
        }
    }
}

fn batch(tx: &mut Tx<'_>, carrier: &str, policy: OnUnknownOutcome, now: Timestamp) -> Result<u64, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages WHERE {} AND carrier = $1
         AND claimed_by NOT IN (SELECT epoch FROM messaging_owners) ORDER BY class <> 0, class <> 3, due_at LIMIT {BATCH}{}",
        indexes::claimed(tx.dialect()),
        tx.dialect().skip_locked()
    );
    let rows = tx.query(&sql, &params![carrier], Claimed::read)?;
    let mut touched = Touched::default();
    for row in &rows {
        let key = &row.key;
        let goes_again = key.class == Class::Alert || policy == OnUnknownOutcome::Resend;
        let event = if goes_again { Event::SendAgain } else { Event::Held };
        let state = State::Claimed.after(event).unwrap_or(State::Unknown);
        let what = if key.parts > 1 { "The message, or some of its parts," } else { "The message" };
        let text = unknown_sentence(carrier, key.class, goes_again, what);
        let text = format!("{text} (the server stopped without knowing)");
        tx.execute(
            "UPDATE messages SET state = $2, due_at = $3, claimed_by = NULL, unknown_outcomes = unknown_outcomes + 1, reason = $4
             WHERE id = $1",
            &params![key.row, state.code(), now, &text],
        )?;
        note(tx, key.row, now, &NewNote { kind: "unknown_outcome", part: None, text: text.clone() })?;
        publish(tx, key.id, key.workspace, key.origin.as_ref(), key.tell, state, None, Some(&text), now)?;
        touched.message(key.workspace, Some(key.id));
    }
    touched.announce(tx);
    Ok(rows.len() as u64)
}
