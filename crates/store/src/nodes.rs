//! Who is alive.
//!
//! Each node moves a counter in its row. An observer calls an owner stale when that counter has not moved for ten
//! seconds of the observer's own monotonic clock, so a wrong wall clock (its own or another's) steals nothing. An older
//! epoch of a node is stale at once: that process is gone. On SQLite the file's lock makes this process the only one,
//! so every other owner is stale at once and no counter needs to move.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::db::{Db, Inner};
use crate::{Dialect, Error, Tx, params};

/// How often a node moves its counter.
const BEAT: Duration = Duration::from_secs(2);
/// How long a counter stands still until what its owner holds is free.
const STALE: Duration = Duration::from_secs(10);
/// A row that has not moved for this long is removed: nodes with names drawn at random must not pile up.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// A process as an owner: its node's name, and an epoch that no other process ever had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) name: Arc<str>,
    pub(crate) epoch: i64,
}

/// This process's part in the cluster.
pub(crate) struct Node {
    name: Arc<str>,
    registered: tokio::sync::Mutex<Option<Owner>>,
    pulse: Arc<Mutex<Pulse>>,
}

/// What this process knows of its own counter and of the others'.
#[derive(Default)]
pub(crate) struct Pulse {
    /// When our own counter was last known to have moved.
    beaten: Duration,
    observer: Observer,
}

impl Node {
    pub(crate) fn new(name: String) -> Self {
        Self { name: name.into(), registered: tokio::sync::Mutex::new(None), pulse: Arc::default() }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Db {
    /// This node's name.
    pub fn node(&self) -> &str {
        &self.inner.node.name
    }

    /// This process as an owner; enters it into the cluster the first time.
    pub(crate) async fn owner(&self) -> Result<Owner, Error> {
        let node = &self.inner.node;
        let mut registered = node.registered.lock().await;
        if let Some(owner) = &*registered {
            return Ok(owner.clone());
        }
        let (name, started) = (node.name.clone(), self.context().monotonic());
        let owner = self.write(move |tx| register(tx, &name)).await?;
        locked(&node.pulse).beaten = started;
        *registered = Some(owner.clone());
        if self.dialect() == Dialect::Postgres {
            tokio::spawn(beat(Arc::downgrade(&self.inner), owner.clone()));
        }
        Ok(owner)
    }

    /// Whether this process may still count on what it holds: its counter moved recently enough for every observer.
    pub(crate) fn is_alive(&self) -> bool {
        let silence = self.context().monotonic().saturating_sub(locked(&self.inner.node.pulse).beaten);
        self.dialect() == Dialect::Sqlite || silence + BEAT < STALE
    }

    /// The nodes that are alive as far as this process has observed, by name. A node that died without leaving counts for ten
    /// seconds of observation more. On SQLite that is this process alone.
    pub async fn living_nodes(&self) -> Result<Vec<String>, Error> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(vec![self.node().to_owned()]);
        }
        let pulse = self.pulse();
        self.read(move |tx| {
            let rows = tx.query("SELECT name, epoch, counter FROM nodes ORDER BY name", &[], |row| {
                Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?))
            })?;
            let now = tx.context().monotonic();
            let observer = &mut locked(&pulse).observer;
            observer.look(&rows, now);
            let living = rows.into_iter().filter(|(name, epoch, _)| {
                !observer.is_stale(&Owner { name: name.as_str().into(), epoch: *epoch }, now)
            });
            Ok(living.map(|(name, ..)| name).collect())
        })
        .await
    }

    /// What this process observes, for closures that run on the database's threads.
    pub(crate) fn pulse(&self) -> Arc<Mutex<Pulse>> {
        self.inner.node.pulse.clone()
    }

    /// Leaves the cluster, so that others need not wait before they take over.
    pub(crate) async fn leave(&self) {
        let Some(owner) = self.inner.node.registered.lock().await.take() else { return };
        let left = self
            .write(move |tx| {
                tx.execute("DELETE FROM nodes WHERE name = $1 AND epoch = $2", &params![&*owner.name, owner.epoch])
            })
            .await;
        if let Err(error) = left {
            tracing::debug!(%error, "the node's row stays until the others see it stand still");
        }
    }
}

fn register(tx: &mut Tx<'_>, name: &Arc<str>) -> Result<Owner, Error> {
    let epoch = tx.next_number("node.epoch")?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO nodes (name, epoch, counter, started_at, beat_at) VALUES ($1, $2, 0, $3, $3)
         ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, counter = 0,
           started_at = excluded.started_at, beat_at = excluded.beat_at",
        &params![&**name, epoch, now],
    )?;
    Ok(Owner { name: name.clone(), epoch })
}

/// Moves the counter for as long as the store is open and the row is ours.
async fn beat(inner: Weak<Inner>, owner: Owner) {
    loop {
        tokio::time::sleep(BEAT).await;
        let Some(inner) = inner.upgrade() else { return };
        let db = Db { inner };
        // The counter moves after this instant at the earliest, so counting from here errs on the safe side.
        let before = db.context().monotonic();
        let mine = owner.clone();
        let moved = db
            .write(move |tx| {
                let now = tx.now();
                tx.execute(
                    "UPDATE nodes SET counter = counter + 1, beat_at = $3 WHERE name = $1 AND epoch = $2",
                    &params![&*mine.name, mine.epoch, now],
                )
            })
            .await;
        match moved {
            Ok(1) => locked(&db.inner.node.pulse).beaten = before,
            Ok(_) => {
                let mut registered = db.inner.node.registered.lock().await;
                if registered.as_ref() == Some(&owner) {
                    tracing::error!(
                        node = %owner.name,
                        "another process uses this node's name, or this one was silent for a day; it starts anew. Give each node its own name"
                    );
                    *registered = None;
                }
                return;
            }
            Err(Error::Closed) => return,
            Err(error) => tracing::warn!(%error, "the node's sign of life was not written; trying again"),
        }
    }
}

/// What one process has seen of the others' counters.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: HashMap<Box<str>, Seen>,
}

#[derive(Debug)]
struct Seen {
    epoch: i64,
    counter: i64,
    /// When it was first seen like this.
    since: Duration,
}

impl Observer {
    /// Takes in what the table of nodes shows at `now`.
    fn look(&mut self, rows: &[(String, i64, i64)], now: Duration) {
        self.seen.retain(|name, _| rows.iter().any(|(row, ..)| **row == **name));
        for (name, epoch, counter) in rows {
            match self.seen.get(name.as_str()) {
                Some(seen) if (seen.epoch, seen.counter) == (*epoch, *counter) => {}
                _ => {
                    let seen = Seen { epoch: *epoch, counter: *counter, since: now };
                    self.seen.insert(name.as_str().into(), seen);
                }
            }
        }
    }

    /// Whether what `owner` holds is free. Only right after [`Self::look`] at the same snapshot.
    fn is_stale(&self, owner: &Owner, now: Duration) -> bool {
        match self.seen.get(&*owner.name) {
            // It left, or was forgotten.
            None => true,
            Some(seen) if owner.epoch != seen.epoch => owner.epoch < seen.epoch,
            Some(seen) => now.saturating_sub(seen.since) >= STALE,
        }
    }
}

/// Which of `owners` are stale, as `me` observes it. The owners must come from the snapshot that `tx` sees.
pub(crate) fn stale(
    tx: &mut Tx<'_>,
    pulse: &Mutex<Pulse>,
    me: &Owner,
    owners: Vec<Owner>,
) -> Result<Vec<Owner>, Error> {
    let others = owners.into_iter().filter(|owner| owner != me);
    if tx.dialect() == Dialect::Sqlite {
        return Ok(others.collect());
    }
    let rows = tx.query("SELECT name, epoch, counter FROM nodes", &[], |row| {
        Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?))
    })?;
    let now = tx.context().monotonic();
    let observer = &mut locked(pulse).observer;
    observer.look(&rows, now);
    Ok(others.filter(|owner| observer.is_stale(owner, now)).collect())
}

/// Removes rows of nodes that have been gone for a day.
pub(crate) fn forget(tx: &mut Tx<'_>, pulse: &Mutex<Pulse>) -> Result<(), Error> {
    let now = tx.context().monotonic();
    let gone: Vec<_> = locked(pulse)
        .observer
        .seen
        .iter()
        .filter(|(_, seen)| now.saturating_sub(seen.since) >= FORGOTTEN)
        .map(|(name, seen)| (name.clone(), seen.epoch, seen.counter))
        .collect();
    for (name, epoch, counter) in gone {
        let sql = "DELETE FROM nodes WHERE name = $1 AND epoch = $2 AND counter = $3";
        tx.execute(sql, &params![&*name, epoch, counter])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_owner_is_stale_once_its_counter_stood_still_for_ten_seconds() {
        let mut observer = Observer::default();
        let owner = Owner { name: "a".into(), epoch: 3 };
        let row = |epoch, counter| [("a".to_owned(), epoch, counter)];
        // However long ago it began to stand still: what counts is what this observer saw.
        observer.look(&row(3, 7), at(100));
        assert!(!observer.is_stale(&owner, at(100)));
        observer.look(&row(3, 7), at(109));
        assert!(!observer.is_stale(&owner, at(109)));
        observer.look(&row(3, 8), at(110));
        assert!(!observer.is_stale(&owner, at(110)));
        observer.look(&row(3, 8), at(120));
        assert!(observer.is_stale(&owner, at(120)));
        // A sign of life, and it is alive again.
        observer.look(&row(3, 9), at(121));
        assert!(!observer.is_stale(&owner, at(121)));
    }

    #[test]
    fn an_older_epoch_and_a_node_that_left_are_stale_at_once_and_a_newer_epoch_is_not() {
        let mut observer = Observer::default();
        observer.look(&[("a".to_owned(), 3, 7)], at(1));
        let owner = |epoch| Owner { name: "a".into(), epoch };
        assert!(observer.is_stale(&owner(2), at(1)));
        assert!(!observer.is_stale(&owner(4), at(60)));
        observer.look(&[], at(2));
        assert!(observer.is_stale(&owner(3), at(2)));
    }
}
