//! Rotation (control X-22): the key file says which versions there shall be, the database where the installation stands, and every
//! step between is small, may be done by any node, and can be done again. So a rotation that was interrupted anywhere goes on where
//! it was, and nothing is unreadable meanwhile.
//!
//! The steps: a new version is announced by each node; once every living node has it, it becomes active; every key of the ring is
//! wrapped anew; keys that last get successors; what they sealed is sealed anew; they go; a day later the old version is refused.

use std::error::Error as StdError;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use store::{Dialect, Tx};
use tokio_util::sync::CancellationToken;

use crate::kek::{self, Kek, KekState};
use crate::reseal::Pass;
use crate::{Error, Vault, ring};

/// How often a node looks at its key file and at the versions.
const EVERY: Duration = Duration::from_secs(3);
/// How long an old version still opens after another took over: time to bring a node back that was down.
pub const OVERLAP: Duration = Duration::from_hours(24);
/// Keys, or values, in one transaction.
const BATCH: u32 = 200;
/// A node that announced itself this short ago is waited for, even when nobody has seen it alive yet.
const JUST_STARTED: Duration = Duration::from_secs(30);
/// How long until values that do not open are tried again: nothing mends them but a person.
const STUCK: Duration = Duration::from_mins(10);
/// How long an emptied key stays, so that a transaction that began before can still open what it read. One process has snapshots.
const GRACE: Duration = Duration::from_mins(1);

/// What a rotation asks of the rooms above.
pub trait Around: Send + Sync + 'static {
    /// Records what happened, in the transaction in which it happened.
    ///
    /// # Errors
    /// Then it does not happen.
    fn record(&self, tx: &mut Tx<'_>, event: &KeyEvent) -> Result<(), Box<dyn StdError + Send + Sync>>;

    /// Seals anew what the pass is about, as far as its limit goes. Must keep others from sealing configuration until the
    /// transaction ends.
    ///
    /// # Errors
    /// Then nothing of this transaction stays, and it is tried again.
    fn reseal(&self, tx: &mut Tx<'_>, pass: &mut Pass) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

/// What happened to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// A version took over from another.
    Activated {
        /// The one that wraps now.
        version: u32,
        /// The one before.
        before: u32,
    },
    /// Keys of the ring were wrapped anew.
    Rewrapped {
        /// By which version.
        version: u32,
        /// How many.
        keys: u64,
    },
    /// Keys that last got successors.
    Renewed {
        /// How many.
        keys: u64,
    },
    /// Worn keys are gone.
    Removed {
        /// How many.
        keys: u64,
    },
    /// A version is refused from now on.
    Retired {
        /// Which.
        version: u32,
    },
}

/// What one pass over the steps did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The version that took over.
    pub activated: Option<u32>,
    /// Keys wrapped anew.
    pub rewrapped: u64,
    /// Keys that got successors.
    pub renewed: u64,
    /// Values sealed anew.
    pub resealed: u64,
    /// Worn keys that went.
    pub removed: u64,
    /// Versions refused from now on.
    pub retired: Vec<u32>,
    /// Living nodes whose key files have not got the newest version yet.
    pub waiting_for: Vec<String>,
}

/// Where the keys stand.
#[derive(Clone, Debug)]
pub struct Status {
    /// Every version that the database knows, oldest first, with the number of keys it wraps and whether it stands in the key file
    /// that was read.
    pub versions: Vec<(Kek, u64, bool)>,
    /// The newest version in the key file.
    pub newest_in_file: u32,
    /// Keys that last and want a successor.
    pub renewals_due: usize,
    /// Keys that have a successor and still seal something, or did a minute ago.
    pub worn: usize,
}

impl Status {
    /// The version that wraps.
    pub fn active(&self) -> Option<&Kek> {
        self.versions.iter().map(|(kek, ..)| kek).find(|kek| kek.state == KekState::Active)
    }

    /// Whether the newest version of the key file wraps everything, and nothing is left of older keys but what the grace of a
    /// minute keeps.
    pub fn is_settled(&self) -> bool {
        self.active().is_some_and(|kek| kek.version == self.newest_in_file)
            && self.versions.iter().all(|(kek, keys, _)| kek.state == KekState::Active || *keys == 0)
            && self.renewals_due == 0
    }
}

impl Vault {
    /// Where the keys stand, as this transaction sees it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status(&self, tx: &mut Tx<'_>) -> Result<Status, Error> {
        let wrapper = &self.0.wrapper;
        let in_file = wrapper.in_file();
        let keks = kek::all(tx)?;
        let active = kek::active_of(&keks).map_or(0, |kek| kek.version);
        let mut versions = Vec::with_capacity(keks.len());
        for kek in keks {
            let keys = ring::wrapped_by(tx, kek.version)?;
            let here = in_file.contains_key(&kek.version);
            versions.push((kek, keys, here));
        }
        Ok(Status {
            versions,
            newest_in_file: wrapper.newest(),
            renewals_due: ring::renewals_due(tx, active)?,
            worn: ring::worn(tx)?.len(),
        })
    }

    /// Reads key file and versions again and tells the others what this node has.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit the database; what is in memory stays in use.
    pub async fn refresh(&self) -> Result<(), Error> {
        self.0.wrapper.reload()?;
        let wrapper = Arc::clone(&self.0.wrapper);
        let node = self.0.db.node().to_owned();
        let told = self
            .0
            .db
            .read(move |tx| {
                let keks = kek::all(tx)?;
                kek::fit(&keks, &wrapper)?;
                kek::is_told(tx, &keks, &wrapper, &node)
            })
            .await?;
        if told {
            return Ok(());
        }
        let (wrapper, node) = (Arc::clone(&self.0.wrapper), self.0.db.node().to_owned());
        self.0.db.write(move |tx| kek::announce(tx, &wrapper, &node)).await
    }

    /// Takes back what this node told the others, when it ends for good: nobody has to wait for it.
    ///
    /// # Errors
    /// When the store fails; then the others wait half a minute at most.
    pub async fn leave(&self) -> Result<(), Error> {
        let node = self.0.db.node().to_owned();
        self.0.db.write(move |tx| kek::forget_node(tx, &node)).await
    }

    /// Does every step of a rotation that can be done now; nothing when there is none. Any node may, at any time, and again after
    /// an interruption.
    ///
    /// # Errors
    /// When a step failed; the ones before it stay done.
    pub async fn advance(&self, around: &Arc<dyn Around>) -> Result<Progress, Error> {
        let mut progress = Progress::default();
        self.activate(around, &mut progress).await?;
        self.rewrap_all(around, &mut progress).await?;
        self.renew(around, &mut progress).await?;
        self.reseal_all(around, &mut progress).await?;
        self.retire_after(around, OVERLAP, &mut progress).await?;
        Ok(progress)
    }

    async fn activate(&self, around: &Arc<dyn Around>, progress: &mut Progress) -> Result<(), Error> {
        let (living, vault, around) = (self.0.db.living_nodes().await?, self.clone(), Arc::clone(around));
        let activated = self
            .0
            .db
            .write(move |tx| {
                let file = vault.0.wrapper.in_file();
                let keks = kek::all_held(tx)?;
                let before = kek::active_of(&keks).map_or(0, |kek| kek.version);
                let ready = |kek: &&Kek| kek.state == KekState::Known && kek.version > before;
                let Some(next) = keks.iter().rev().find(ready).filter(|kek| file.contains_key(&kek.version)) else {
                    return Ok::<_, Error>((None, Vec::new()));
                };
                let behind = behind(tx, next.version, &living)?;
                if !behind.is_empty() {
                    return Ok((None, behind));
                }
                kek::activate(tx, next.version)?;
                let event = KeyEvent::Activated { version: next.version, before };
                around.record(tx, &event).map_err(Error::Around)?;
                tracing::info!(version = next.version, before, "a new version of the key-encryption key is active");
                Ok((Some(next.version), Vec::new()))
            })
            .await?;
        (progress.activated, progress.waiting_for) = activated;
        Ok(())
    }

    async fn rewrap_all(&self, around: &Arc<dyn Around>, progress: &mut Progress) -> Result<(), Error> {
        loop {
            let keks = self.0.db.read(kek::all).await?;
            let from = keks.into_iter().filter(|kek| kek.state == KekState::Old).map(|kek| kek.version);
            let mut done = 0;
            for from in from {
                let (vault, around) = (self.clone(), Arc::clone(around));
                // Looked at without the writer first: this is asked every few seconds for as long as the house stands.
                if self.0.db.read(move |tx| ring::wrapped_by(tx, from)).await? == 0 {
                    continue;
                }
                done += self
                    .0
                    .db
                    .write(move |tx| {
                        let keys = ring::rewrap(tx, &vault.0.wrapper, from, BATCH)?;
                        if keys > 0 {
                            let version = kek::active(tx)?;
                            let event = KeyEvent::Rewrapped { version, keys };
                            around.record(tx, &event).map_err(Error::Around)?;
                        }
                        Ok::<_, Error>(keys)
                    })
                    .await?;
            }
            progress.rewrapped += done;
            if done == 0 {
                return Ok(());
            }
        }
    }

    async fn renew(&self, around: &Arc<dyn Around>, progress: &mut Progress) -> Result<(), Error> {
        let due = self
            .0
            .db
            .read(|tx| {
                let active = kek::active_of(&kek::all(tx)?).map_or(0, |kek| kek.version);
                ring::renewals_due(tx, active)
            })
            .await?;
        if due == 0 {
            return Ok(());
        }
        let (vault, around) = (self.clone(), Arc::clone(around));
        progress.renewed = self
            .0
            .db
            .write(move |tx| {
                let keys = ring::renew(tx, &vault.0.wrapper)?;
                if keys > 0 {
                    around.record(tx, &KeyEvent::Renewed { keys }).map_err(Error::Around)?;
                }
                let cache = Arc::clone(&vault.0.cache);
                tx.after_commit(move || cache.clear());
                Ok::<_, Error>(keys)
            })
            .await?;
        Ok(())
    }

    async fn reseal_all(&self, around: &Arc<dyn Around>, progress: &mut Progress) -> Result<(), Error> {
        if self.0.db.context().monotonic() < *self.0.stuck_until.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        let grace = if self.0.db.dialect() == Dialect::Sqlite { Duration::ZERO } else { GRACE };
        loop {
            let now = self.0.db.context().now();
            let worn = self.0.db.read(ring::worn).await?;
            // Emptied and within its grace: nothing to do yet.
            let due = |key: &&ring::Worn| key.emptied_at.is_none_or(|emptied| now.since(emptied) >= grace);
            let ids: Vec<i64> = worn.iter().filter(due).map(|key| key.id).collect();
            let emptied = worn.iter().filter(due).all(|key| key.emptied_at.is_some());
            if ids.is_empty() {
                return Ok(());
            }
            let (vault, around) = (self.clone(), Arc::clone(around));
            let (pass, removed) = self
                .0
                .db
                .write(move |tx| {
                    let mut pass = Pass::new(ids.clone(), BATCH);
                    around.reseal(tx, &mut pass).map_err(Error::Around)?;
                    let mut removed = 0;
                    if pass.is_clean() && (emptied || grace.is_zero()) {
                        removed = ring::remove(tx, &ids)?;
                        around.record(tx, &KeyEvent::Removed { keys: removed }).map_err(Error::Around)?;
                        let cache = Arc::clone(&vault.0.cache);
                        tx.after_commit(move || cache.clear());
                    } else if pass.is_clean() {
                        ring::mark_empty(tx, &ids)?;
                    }
                    Ok::<_, Error>((pass, removed))
                })
                .await?;
            progress.resealed += pass.done();
            progress.removed += removed;
            if pass.done() == 0 {
                if !pass.is_clean() {
                    let later = self.0.db.context().monotonic() + STUCK;
                    *self.0.stuck_until.lock().unwrap_or_else(PoisonError::into_inner) = later;
                }
                return Ok(());
            }
        }
    }

    /// Refuses from now on every old version that wraps nothing and was replaced `overlap` ago or longer, or that somebody took out
    /// of the key file.
    ///
    /// # Errors
    /// When the store or the record fails.
    pub async fn retire_after(
        &self,
        around: &Arc<dyn Around>,
        overlap: Duration,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let (now, file) = (self.0.db.context().now(), self.0.wrapper.in_file());
        let keks = self.0.db.read(kek::all).await?;
        let over = |kek: &Kek| {
            let long_ago = kek.replaced_at.is_none_or(|replaced| now.since(replaced) >= overlap);
            kek.state == KekState::Old && (long_ago || (self.0.wrapper.has_file() && !file.contains_key(&kek.version)))
        };
        for version in keks.iter().filter(|kek| over(kek)).map(|kek| kek.version) {
            let around = Arc::clone(around);
            let retired = self
                .0
                .db
                .write(move |tx| {
                    let retired = kek::retire(tx, version)?;
                    if retired {
                        around.record(tx, &KeyEvent::Retired { version }).map_err(Error::Around)?;
                    }
                    Ok::<_, Error>(retired)
                })
                .await?;
            if retired {
                tracing::info!(version, "a version of the key-encryption key is retired and refused from now on");
                progress.retired.push(version);
            }
        }
        if !progress.retired.is_empty() {
            let wrapper = Arc::clone(&self.0.wrapper);
            self.0.db.read(move |tx| kek::fit(&kek::all(tx)?, &wrapper)).await?;
        }
        Ok(())
    }

    /// Follows the key file and does what a rotation needs, until `stop`. A failure is told and tried again.
    pub async fn keep(self, around: Arc<dyn Around>, stop: CancellationToken) {
        let mut said = String::new();
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let done = match self.refresh().await {
                Ok(()) => self.advance(&around).await.map(drop),
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => said.clear(),
                Err(Error::Store(store::Error::Closed)) => return,
                // Once, not every few seconds.
                Err(error) => {
                    let words = error.to_string();
                    if words != said {
                        tracing::warn!(%error, "the keys could not be looked after; trying again");
                        said = words;
                    }
                }
            }
        }
    }
}

/// Living nodes that do not have `version` yet.
fn behind(tx: &mut Tx<'_>, version: u32, living: &[String]) -> Result<Vec<String>, Error> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(Vec::new());
    }
    let (told, now) = (kek::nodes(tx)?, tx.now());
    let mut behind: Vec<String> = told
        .iter()
        .filter(|one| one.newest < version)
        .filter(|one| living.contains(&one.node) || now.since(one.seen_at) < JUST_STARTED)
        .map(|one| one.node.clone())
        .collect();
    // One that never said what it has may have anything.
    behind.extend(living.iter().filter(|name| !told.iter().any(|one| one.node == **name)).cloned());
    Ok(behind)
}
