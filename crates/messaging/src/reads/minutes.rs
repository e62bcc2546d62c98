//! Messages minute by minute, for charts.

use access::{Permit, cap};
use base::Timestamp;
use store::{Tx, params};

use crate::Error;
use crate::model::Minute;

/// The last hour, minute by minute, the oldest first, with zeros where nothing happened.
pub(crate) fn last_hour(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    now: Timestamp,
) -> Result<Vec<Minute>, Error> {
    const MINUTE: i64 = 60_000_000;
    let last = now.as_micros().div_euclid(MINUTE);
    let first = last - 59;
    let mut minutes: Vec<Minute> = (first..=last)
        .map(|minute| Minute { at: Timestamp::from_micros(minute * MINUTE), ..Minute::default() })
        .collect();
    let counted = tx.query(
        "SELECT minute, accepted, delivered, failed FROM message_minutes WHERE workspace = $1 AND minute >= $2 AND minute <= $3",
        &params![permit.workspace(), first, last],
        |row| Ok((row.get::<i64>(0)?, row.get::<u32>(1)?, row.get::<u32>(2)?, row.get::<u32>(3)?)),
    )?;
    for (minute, accepted, delivered, failed) in counted {
        if let Some(place) = usize::try_from(minute - first).ok().and_then(|place| minutes.get_mut(place)) {
            (place.accepted, place.delivered, place.failed) = (accepted, delivered, failed);
        }
    }
    Ok(minutes)
}
