//! The sealer: chains new entries, one node at a time, within a second.

use std::time::Duration;

use store::{Db, Lease, Tx, params};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::stored::{COLUMNS, GENESIS, Stored};
use crate::{Error, TOPIC};

/// Entries sealed in one transaction.
const BATCH: u32 = 500;
/// How long an entry waits at most, when the announcement of its commit got lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long news are gathered, so that a flood of entries costs few commits.
const GATHER: Duration = Duration::from_millis(250);

/// The end of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The number of the last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

pub(crate) fn head(tx: &mut Tx<'_>, lock: &str) -> Result<Option<Head>, Error> {
    let sql = format!("SELECT seq, hash FROM audit_head WHERE only_row = 1{lock}");
    Ok(tx.query_opt(&sql, &[], |row| Ok(Head { seq: row.get("seq")?, hash: row.get("hash")? }))?)
}

/// Chains entries that are not yet; how many, at most a batch. Two nodes that try at once cannot fork the
/// chain: the head's row lets one of them through.
pub fn seal(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let lock = tx.dialect().for_update();
    let before = head(tx, lock)?;
    // By lane and counter, so that each lane is chained in its own order whatever the clocks said.
    let sql = format!("SELECT {COLUMNS} FROM audit_entries WHERE seq IS NULL ORDER BY lane, counter LIMIT $1");
    let entries = tx.query(&sql, &params![BATCH], Stored::from_row)?;
    let Some(count) = u64::try_from(entries.len()).ok().filter(|count| *count > 0) else { return Ok(0) };

    let mut end = before.unwrap_or(Head { seq: 0, hash: GENESIS });
    let mut rows = Vec::with_capacity(entries.len());
    for entry in &entries {
        let hash = entry.chain_hash(&end.hash);
        rows.push(params![end.seq + 1, end.hash, hash, entry.id].to_vec());
        end = Head { seq: end.seq + 1, hash };
    }
    let sealed = tx.execute_many(
        "UPDATE audit_entries SET seq = $1, prev_hash = $2, hash = $3 WHERE id = $4 AND seq IS NULL",
        &rows,
    )?;
    let moved = match before {
        None => tx.execute(
            "INSERT INTO audit_head (only_row, seq, hash) VALUES (1, $1, $2) ON CONFLICT (only_row) DO NOTHING",
            &params![end.seq, end.hash],
        )?,
        Some(before) => tx.execute(
            "UPDATE audit_head SET seq = $1, hash = $2 WHERE only_row = 1 AND seq = $3",
            &params![end.seq, end.hash, before.seq],
        )?,
    };
    if sealed == count && moved == 1 { Ok(count) } else { Err(Error::Overtaken) }
}

/// Seals as long as it runs. Every node runs one; a lease keeps all but one of them idle.
pub struct Sealer {
    db: Db,
}

impl Sealer {
    /// A sealer of this database.
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Seals until `shutdown`, and once more what came in before it.
    pub async fn run(self, shutdown: CancellationToken) {
        let lease = self.db.lease("audit.sealer");
        let mut changes = self.db.subscribe();
        loop {
            // Looked at before draining, so that what was committed before the shutdown is sealed.
            let last = shutdown.is_cancelled();
            self.drain(&lease).await;
            if last {
                break;
            }
            let news = async {
                loop {
                    match changes.recv().await {
                        Ok(changed) if changed.topic != TOPIC => {}
                        // A closed channel leaves it to the poll.
                        Err(RecvError::Closed) => std::future::pending().await,
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                    }
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = news => drop(shutdown.run_until_cancelled(tokio::time::sleep(GATHER)).await),
                () = tokio::time::sleep(PATIENCE) => {}
            }
        }
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the sealer's lease was not released; other nodes see it stand still");
        }
    }

    /// Seals batch after batch while this node holds the lease.
    async fn drain(&self, lease: &Lease) {
        loop {
            let sealed = match lease.hold().await {
                Ok(None) => return,
                Ok(Some(held)) => {
                    self.db
                        .write(move |tx| {
                            held.check(tx)?;
                            seal(tx)
                        })
                        .await
                }
                Err(error) => Err(error.into()),
            };
            match sealed {
                Ok(0) | Err(Error::Store(store::Error::LeaseLost | store::Error::Closed)) => return,
                Ok(_) => {}
                Err(error) => {
                    // Entries stay in their table and are sealed later; verification shows how many wait.
                    tracing::error!(%error, cause = ?std::error::Error::source(&error), "audit entries were not sealed; trying again");
                    return;
                }
            }
        }
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}
