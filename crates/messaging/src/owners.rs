//! Which processes claim messages. What a process that is gone had claimed has an unknown outcome.
//!
//! Each start draws an epoch. On SQLite this process is the only one, so every other epoch is gone at once; on
//! PostgreSQL an epoch is gone when its counter has not moved for ten seconds of the observer's own monotonic clock,
//! and an older one of the same node at once. A process that finds itself declared gone takes a new epoch, and its old
//! claims answer to nobody: each write names the epoch it stands on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::{Dialect, Tx, params};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::engine::Engine;

const BEAT: Duration = Duration::from_secs(2);
const STALE: Duration = Duration::from_secs(10);

/// Enters this process; its epoch.
pub(crate) fn register(tx: &mut Tx<'_>, node: &str) -> Result<i64, Error> {
    match tx.dialect() {
        Dialect::Sqlite => tx.execute("DELETE FROM messaging_owners", &params![])?,
        Dialect::Postgres => tx.execute("DELETE FROM messaging_owners WHERE node = $1", &params![node])?,
    };
    let epoch = tx.next_number("messaging.epochs")?;
    tx.execute("INSERT INTO messaging_owners (epoch, node, counter) VALUES ($1, $2, 0)", &params![epoch, node])?;
    Ok(epoch)
}

/// Leaves, so that others need not wait.
pub(crate) async fn leave(engine: &Engine) {
    let epoch = engine.epoch();
    let left = engine.db.write(move |tx| {
        // What is still claimed stays in doubt, and is found by whoever starts next.
        tx.execute("DELETE FROM messaging_owners WHERE epoch = $1", &params![epoch])
    });
    if let Err(error) = left.await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the owner's row stays until others see it standing still"
        );
    }
}

/// Moves this process's counter and watches the others', until `stop`. Nothing to do on SQLite.
pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    if engine.db.dialect() == Dialect::Sqlite {
        return;
    }
    let mut seen: HashMap<i64, (i64, Duration)> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
        if let Err(error) = beat(&engine, &mut seen).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the counter of this process could not be moved");
        }
    }
}

async fn beat(engine: &Engine, seen: &mut HashMap<i64, (i64, Duration)>) -> Result<(), Error> {
    let (epoch, node) = (engine.epoch(), engine.db.node().to_owned());
    let (now_is, owners) = engine
        .db
        .write(move |tx| {
            let moved =
                tx.execute("UPDATE messaging_owners SET counter = counter + 1 WHERE epoch = $1", &params![epoch])?;
            let epoch = if moved == 0 { register(tx, &node)? } else { epoch };
            let owners =
                tx.query("SELECT epoch, counter FROM messaging_owners WHERE epoch <> $1", &params![epoch], |row| {
                    Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
                })?;
            Ok::<_, Error>((epoch, owners))
        })
        .await?;
    if now_is != epoch {
        tracing::warn!("this process was taken for gone; what it had claimed is in doubt");
        engine.set_epoch(now_is);
    }
    let now = engine.ctx.monotonic();
    seen.retain(|known, _| owners.iter().any(|(epoch, _)| epoch == known));
    let mut gone = Vec::new();
    for (epoch, counter) in owners {
        let (before, since) = *seen.entry(epoch).or_insert((counter, now));
        if before != counter {
            seen.insert(epoch, (counter, now));
        } else if now.saturating_sub(since) >= STALE {
            gone.push((epoch, counter));
        }
    }
    if !gone.is_empty() {
        engine
            .db
            .write(move |tx| {
                for (epoch, counter) in &gone {
                    tx.execute(
                        "DELETE FROM messaging_owners WHERE epoch = $1 AND counter = $2",
                        &params![*epoch, *counter],
                    )?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(())
}
