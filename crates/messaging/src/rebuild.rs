//! At start: the map of outstanding carrier ids, from the newest messages back. Until it is done, and for what is
//! older, receipts are found through the segments.

use std::sync::Arc;
use std::time::Duration;

use store::{Tx, params};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::outstanding::OUTSTANDING;
use crate::probe::{Found, newest_row};
use crate::settle::Settle;

/// Receipts of older messages are rare enough to be looked up.
const OLDEST: Duration = Duration::from_hours(72);
/// Rows read in one transaction.
const STEP: i64 = 4_096;
/// Between two of them.
const BREATH: Duration = Duration::from_millis(2);
/// Rows looked at at most.
const ROWS: i64 = 2_000_000;

/// Reads piece by piece, so that no read transaction is long.
pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let since = engine.ctx.now().minus(OLDEST);
    let Ok(newest) = engine.db.read(newest_row).await else { return };
    let (mut below, mut found) = (newest + 1, 0);
    while below > (newest - ROWS).max(0) && found < OUTSTANDING && !stop.is_cancelled() {
        let from = below - STEP;
        let upper = below;
        match engine.db.read(move |tx| outstanding(tx, from, upper)).await {
            Ok((oldest, rows)) => {
                found += rows.len();
                if engine.settler.send(Settle::Rebuilt(rows)).is_err() || oldest.is_some_and(|oldest| oldest < since) {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "outstanding messages could not be read; receipts are looked up one by one"
                );
                return;
            }
        }
        below = from;
        // The settler takes it meanwhile, so that its queue stays short.
        tokio::time::sleep(BREATH).await;
    }
}

type Rows = Vec<(Found, String, String)>;

fn outstanding(tx: &mut Tx<'_>, from: i64, below: i64) -> Result<(Option<base::Timestamp>, Rows), Error> {
    let oldest = tx.query_one(
        "SELECT MIN(created_at) FROM messages WHERE id >= $1 AND id < $2",
        &params![from, below],
        |row| row.get::<Option<base::Timestamp>>(0),
    )?;
    let mut rows = tx.query(
        "SELECT id, workspace, origin_kind, carrier, carrier_ref, tell FROM messages
         WHERE id >= $1 AND id < $2 AND state IN (2, 3) AND carrier_ref IS NOT NULL ORDER BY id DESC",
        &params![from, below],
        |row| {
            let plain = row.get::<Option<String>>(2)?.is_none();
            let tell = Tell::from_code(row.get(5)?);
            Ok((Found { row: row.get(0)?, part: 1, plain, tell, workspace: row.get(1)? }, row.get(3)?, row.get(4)?))
        },
    )?;
    rows.extend(tx.query(
        "SELECT p.message, p.part, m.workspace, p.carrier, p.carrier_ref FROM message_parts p JOIN messages m ON m.id = p.message
         WHERE p.message >= $1 AND p.message < $2 AND p.state IN (2, 3) AND p.carrier_ref IS NOT NULL ORDER BY p.message DESC",
        &params![from, below],
        |row| {
            let part = u8::try_from(row.get::<i64>(1)?).unwrap_or(u8::MAX);
            Ok((Found { row: row.get(0)?, part, plain: false, tell: Tell::Nothing, workspace: row.get(2)? }, row.get(3)?, row.get(4)?))
        },
    )?);
    Ok((oldest, rows))
}
