//! The `webhook-id`s that were accepted: a signed message counts once, however often it is sent (control X-22, replay).

use std::time::Duration;

use base::{IntegrationId, SignalId, Timestamp};
use store::{Tx, params};

use crate::error::Error;

/// How long an id is remembered. A signature could be used again for 10 minutes (5 before and 5 after our time); a sender
/// that missed our answer tries for up to three days, with the same id.
pub(crate) const REMEMBERED: Duration = Duration::from_hours(72);

/// Remembers an id in the transaction that accepts its signal; [`Error::Replayed`] when it is remembered already.
pub(crate) fn remember(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    webhook_id: &str,
    signal: SignalId,
    now: Timestamp,
) -> Result<(), Error> {
    // An id whose time is over counts as forgotten, whether it was swept yet or not.
    let taken = tx.execute(
        "INSERT INTO signal_ids (integration, webhook_id, signal, expires) VALUES ($1, $2, $3, $4)
         ON CONFLICT (integration, webhook_id) DO UPDATE SET signal = excluded.signal, expires = excluded.expires
             WHERE signal_ids.expires <= $5",
        &params![integration, webhook_id, signal, now.plus(REMEMBERED), now],
    )?;
    if taken > 0 {
        return Ok(());
    }
    let sql = "SELECT signal FROM signal_ids WHERE integration = $1 AND webhook_id = $2";
    Err(Error::Replayed(tx.query_one(sql, &params![integration, webhook_id], |row| row.get("signal"))?))
}

/// Forgets up to `limit` ids whose time is over; how many.
pub(crate) fn forget(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = format!(
        "DELETE FROM signal_ids WHERE (integration, webhook_id) IN
             (SELECT integration, webhook_id FROM signal_ids WHERE expires <= $1 ORDER BY expires LIMIT {limit})"
    );
    Ok(tx.execute(&sql, &params![now])?)
}
