//! Leases: work that one node at a time does, such as sealing the audit chain.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::Db;
use crate::nodes::{self, Owner, Pulse};
use crate::{Error, Tx, params};

/// A claim to a piece of work by name. It is held for as long as this process is alive.
pub struct Lease {
    db: Db,
    name: Arc<str>,
    held: Mutex<Option<Held>>,
}

/// Proof of holding a lease, with its fencing token. Cheap to clone; every transaction that relies on it calls
/// [`Held::check`].
#[derive(Clone, Debug)]
pub struct Held {
    name: Arc<str>,
    owner: Owner,
    fence: i64,
    lost: Arc<AtomicBool>,
}

impl Db {
    /// A lease by name. Nothing happens until it is [held](Lease::hold).
    pub fn lease(&self, name: impl Into<Arc<str>>) -> Lease {
        Lease { db: self.clone(), name: name.into(), held: Mutex::new(None) }
    }
}

impl Lease {
    /// The lease, if this process has it or can have it now; `None` while another living one has it. Cheap while held.
    pub async fn hold(&self) -> Result<Option<Held>, Error> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let owner = self.db.owner().await?;
        if let Some(held) = held
            && held.owner == owner
            && !held.lost.load(Ordering::Acquire)
            && self.db.is_alive()
        {
            return Ok(Some(held));
        }
        let (name, pulse) = (self.name.clone(), self.db.pulse());
        let held = self.db.write(move |tx| take(tx, &name, &owner, &pulse)).await?;
        held.clone_into(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(held)
    }

    /// Lets another node have it at once.
    pub async fn release(&self) -> Result<(), Error> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(held) = held else { return Ok(()) };
        held.lost.store(true, Ordering::Release);
        self.db
            .write(move |tx| {
                tx.execute(
                    "DELETE FROM leases WHERE name = $1 AND owner = $2 AND epoch = $3 AND fence = $4",
                    &params![&*held.name, &*held.owner.name, held.owner.epoch, held.fence],
                )
            })
            .await
            .map(drop)
    }

    /// Calls `work` every `every` while the lease is held, until `shutdown`; then releases it.
    pub async fn run<F, Fut>(self, every: Duration, shutdown: CancellationToken, mut work: F)
    where
        F: FnMut(Held) -> Fut,
        Fut: Future<Output = ()>,
    {
        while shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            match self.hold().await {
                Ok(Some(held)) => work(held).await,
                Ok(None) => {}
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, lease = %self.name, "a lease could not be looked at; trying again");
                }
            }
        }
        if let Err(error) = self.release().await {
            tracing::debug!(%error, lease = %self.name, "a lease was not released; others see it stand still");
        }
    }
}

impl Held {
    /// The fencing token: greater than that of every earlier holder.
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// Fails this transaction with [`Error::LeaseLost`] when another took the lease, and keeps others from taking it
    /// until this transaction ends.
    pub fn check(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let share = tx.dialect().for_share();
        let sql =
            format!("SELECT fence FROM leases WHERE name = $1 AND owner = $2 AND epoch = $3 AND fence = $4{share}");
        let held =
            tx.query_opt(&sql, &params![&*self.name, &*self.owner.name, self.owner.epoch, self.fence], |row| {
                row.get::<i64>(0)
            })?;
        if held.is_some() {
            return Ok(());
        }
        self.lost.store(true, Ordering::Release);
        Err(Error::LeaseLost)
    }
}

fn take(tx: &mut Tx<'_>, name: &Arc<str>, me: &Owner, pulse: &Mutex<Pulse>) -> Result<Option<Held>, Error> {
    let lock = tx.dialect().for_update();
    let sql = format!("SELECT owner, epoch, fence FROM leases WHERE name = $1{lock}");
    let current = tx.query_opt(&sql, &params![&**name], |row| {
        let owner = Owner { name: row.get::<String>("owner")?.into(), epoch: row.get("epoch")? };
        Ok((owner, row.get::<i64>("fence")?))
    })?;
    let held = |fence| Some(Held { name: name.clone(), owner: me.clone(), fence, lost: Arc::default() });
    let seen = match current {
        Some((owner, fence)) if owner == *me => return Ok(held(fence)),
        Some((owner, _)) if nodes::stale(tx, pulse, me, vec![owner.clone()])?.is_empty() => return Ok(None),
        Some((_, fence)) => Some(fence),
        None => None,
    };
    // The fence comes from a counter, so that it grows even over a released lease.
    let fence = tx.next_number(&format!("lease.{name}"))?;
    let now = tx.now();
    let taken = match seen {
        None => tx.execute(
            "INSERT INTO leases (name, owner, epoch, fence, taken_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &params![&**name, &*me.name, me.epoch, fence, now],
        )?,
        Some(seen) => tx.execute(
            "UPDATE leases SET owner = $2, epoch = $3, fence = $4, taken_at = $5 WHERE name = $1 AND fence = $6",
            &params![&**name, &*me.name, me.epoch, fence, now, seen],
        )?,
    };
    Ok(if taken == 1 { held(fence) } else { None })
}
