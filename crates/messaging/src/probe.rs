//! Searching the table for the row of a receipt that memory does not know: late ones, those of another node's
//! submits, those from before a restart. Led by segment, so each segment costs one look into a few hot pages.

use std::sync::Arc;

use base::WorkspaceId;
use store::{Tx, params};
use tokio::sync::mpsc;

use crate::Error;
use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::numbers::segment;
use crate::settle::{Settle, Waiting};

/// Segments that are searched at most, from the newest: 80 million messages.
const SEGMENTS: i64 = 80_000;
/// Receipts searched for in one read.
const BATCH: usize = 64;

/// A row that a receipt belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) row: i64,
    pub(crate) part: u8,
    pub(crate) plain: bool,
    pub(crate) tell: Tell,
    pub(crate) workspace: WorkspaceId,
}

/// Searches for what it is sent, off the settler's way, until the settler is gone.
pub(crate) async fn run(engine: Arc<Engine>, mut questions: mpsc::UnboundedReceiver<Vec<Waiting>>) {
    while let Some(mut waiting) = questions.recv().await {
        while waiting.len() < BATCH
            && let Ok(mut more) = questions.try_recv()
        {
            waiting.append(&mut more);
        }
        let answers = search(&engine, waiting).await;
        if let Err(refused) = engine.settler.send(Settle::Probed(answers)) {
            // The settler has stopped: the carrier hears nothing and brings the receipt again.
            drop(refused);
        }
    }
}

/// Searches for the rows of `waiting`. Those that could not be searched for are answered with the error.
pub(crate) async fn search(engine: &Engine, waiting: Vec<Waiting>) -> Vec<(Waiting, Option<Found>)> {
    let mut answers = Vec::with_capacity(waiting.len());
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        let batch: Vec<Waiting> = waiting.by_ref().take(BATCH).collect();
        let ids: Vec<_> =
            batch.iter().map(|one| (Arc::clone(&one.receipt.carrier), one.receipt.carrier_ref.clone())).collect();
        let found = engine
            .db
            .read(move |tx| ids.iter().map(|(carrier, id)| find(tx, carrier, id)).collect::<Result<Vec<_>, Error>>())
            .await;
        match found {
            Ok(found) => answers.extend(batch.into_iter().zip(found)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "receipts could not be looked up");
                for one in batch {
                    one.ack.say(Err(Error::Unwritten));
                }
            }
        }
    }
    answers
}

/// The highest row there is; 0 in an empty table.
pub(crate) fn newest_row(tx: &mut Tx<'_>) -> Result<i64, Error> {
    Ok(tx.query_one("SELECT COALESCE(MAX(id), 0) FROM messages", &params![], |row| row.get(0))?)
}

/// The row that `carrier` calls `carrier_ref`.
pub(crate) fn find(tx: &mut Tx<'_>, carrier: &str, carrier_ref: &str) -> Result<Option<Found>, Error> {
    let newest = segment(newest_row(tx)?);
    let oldest = (newest - SEGMENTS).max(0);
    // The join starts from the segments: CROSS JOIN says so to SQLite, and PostgreSQL has no other index for it.
    let single = tx.query_opt(
        "WITH RECURSIVE s(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > $2)
         SELECT m.id, m.workspace, m.parts, m.origin_kind, m.tell FROM s CROSS JOIN messages m
         WHERE m.segment = s.n AND m.carrier_ref = $3 AND m.carrier = $4 LIMIT 1",
        &params![newest, oldest, carrier_ref, carrier],
        |row| {
            let origin: Option<String> = row.get(3)?;
            Ok(Found {
                row: row.get(0)?,
                part: 1,
                plain: origin.is_none() && row.get::<i64>(2)? == 1,
                tell: Tell::from_code(row.get(4)?),
                workspace: row.get(1)?,
            })
        },
    )?;
    if single.is_some() {
        return Ok(single);
    }
    Ok(tx.query_opt(
        "WITH RECURSIVE s(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > $2)
         SELECT p.message, p.part, m.workspace FROM s CROSS JOIN message_parts p JOIN messages m ON m.id = p.message
         WHERE p.segment = s.n AND p.carrier_ref = $3 AND p.carrier = $4 LIMIT 1",
        &params![newest, oldest, carrier_ref, carrier],
        |row| {
            let part = u8::try_from(row.get::<i64>(1)?).unwrap_or(u8::MAX);
            Ok(Found { row: row.get(0)?, part, plain: false, tell: Tell::Nothing, workspace: row.get(2)? })
        },
    )?)
}
