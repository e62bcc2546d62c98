//! The vault: the key ring in the store, wrapped by the keys of a file. It hands out keys that seal fields
//! (bound to table, column, row, workspace and key), keys of the blind index, and the hash of machine secrets.
//!
//! What to seal is for the room that owns the field. This room knows no message and no person, and the keys
//! of the file never leave it.

mod cache;
mod data_key;
mod error;
mod index_key;
mod kek;
mod key_file;
mod purpose;
mod reseal;
mod ring;
mod rotation;
mod wrap;

#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Timestamp, WorkspaceId};
use crypto::HmacKey;
use store::{Db, Tx};
use zeroize::Zeroizing;

use cache::Cache;
use ring::{INDEX, TOKENS};
use wrap::Wrapper;

pub use data_key::{Aad, DataKey};
pub use error::Error;
pub use index_key::{BlindIndex, IndexKey};
pub use kek::{Kek, KekState};
pub use key_file::KeyFile;
pub use purpose::{Month, Purpose};
pub use reseal::{Pass, SealedColumn};
pub use rotation::{Around, KeyEvent, OVERLAP, Progress, Status};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "vault",
    steps: &[
        store::Migration { version: 1, name: "vault_keys", sql: include_str!("../migrations/001_vault_keys.sql") },
        store::Migration { version: 2, name: "key_versions", sql: include_str!("../migrations/002_key_versions.sql") },
    ],
};

/// What keys there are to destroy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destroy {
    /// The data keys of a daily purpose for every day before this one.
    DaysBefore(Purpose, base::Day),
    /// The blind index keys of every month before this one.
    IndexBefore(Month),
}

/// The vault of one database. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    db: Db,
    wrapper: Arc<Wrapper>,
    tokens: HmacKey,
    cache: Arc<Cache>,
    /// Not before this monotonic time is a value tried again that did not open.
    stuck_until: Mutex<Duration>,
}

impl Vault {
    /// Unlocks the vault of `db` with the keys of the file, and tells the other nodes which versions this one has. The first time
    /// this draws the key that hashes machine secrets; from then on that key is the proof that file and database belong together,
    /// and another file is refused with [`Error::WrongKey`]. A file without the version that wraps is refused with
    /// [`Error::MissingVersion`].
    pub async fn unlock(db: Db, keys: KeyFile) -> Result<Self, Error> {
        let wrapper = Arc::new(Wrapper::new(&keys)?);
        let found = match proof(&db, &wrapper).await? {
            (Some(found), true) => found,
            (found, _) => {
                let (maker, node) = (Arc::clone(&wrapper), db.node().to_owned());
                db.write(move |tx| kek::announce(tx, &maker, &node)).await?;
                let maker = Arc::clone(&wrapper);
                match found {
                    Some(found) => found,
                    None => db.write(move |tx| ring::ensure(tx, &maker, None, TOKENS, 0)).await.map_err(wrong_key)?,
                }
            }
        };
        Ok(Self::over(db, wrapper, &found))
    }

    /// The same on a database that is open for looking only: it announces nothing and makes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] when no server has used this database yet.
    pub async fn look(db: Db, keys: KeyFile) -> Result<Self, Error> {
        let wrapper = Arc::new(Wrapper::new(&keys)?);
        let found = proof(&db, &wrapper).await?.0.ok_or(Error::UnknownKey)?;
        Ok(Self::over(db, wrapper, &found))
    }

    fn over(db: Db, wrapper: Arc<Wrapper>, found: &ring::Found) -> Self {
        let tokens = HmacKey::new(&*found.key);
        Self(Arc::new(Inner { db, wrapper, tokens, cache: Arc::default(), stuck_until: Mutex::default() }))
    }

    /// The key that seals data of `workspace` (or of the organisation) for `purpose` at `at`. Makes one when
    /// there is none yet or the present one is worn out (2^30 uses, or 90 days where keys are not daily), so
    /// `tx` must be a writing one. A daily key costs nothing from the cache. Keys that last are for the writer of resources and
    /// its kinds alone, who hold its lock: a rotation takes the same lock before it removes a key.
    pub fn data_key(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<DataKey, Error> {
        if let Some(key) = self.cached_key(workspace, purpose, at) {
            return Ok(key);
        }
        let now = tx.context().monotonic();
        let last = self.0.cache.last_sealing(workspace, purpose, purpose.period(at));
        let key = ring::sealing_key(tx, &self.0.wrapper, workspace, purpose, at, last)?;
        let (cache, kept) = (Arc::clone(&self.0.cache), key.clone());
        // Only once the row is on disk: a rolled back key must not seal anything.
        tx.after_commit(move || cache.keep_sealing(workspace, purpose, purpose.period(at), kept, now));
        Ok(key)
    }

    /// The same without any I/O, for sealing outside the writer. `None` when the key is not at hand: then
    /// take [`Self::data_key`] once, in a transaction. Never a key that lasts: it may have a successor since, and what was sealed
    /// under the old one would be lost with it.
    pub fn cached_key(&self, workspace: Option<WorkspaceId>, purpose: Purpose, at: Timestamp) -> Option<DataKey> {
        let now = self.0.db.context().monotonic();
        self.0.cache.sealing(workspace, purpose, purpose.period(at), now).filter(|_| purpose.is_daily())
    }

    /// The key of this id, for opening.
    pub fn key_by_id(&self, tx: &mut Tx<'_>, id: i64) -> Result<DataKey, Error> {
        let now = self.0.db.context().monotonic();
        if let Some(key) = self.0.cache.opening(id, now) {
            return Ok(key);
        }
        let key = ring::opening_key(tx, &self.0.wrapper, id)?;
        let (cache, kept) = (Arc::clone(&self.0.cache), key.clone());
        tx.after_commit(move || cache.keep_opening(kept, now));
        Ok(key)
    }

    /// Opens a value of `workspace` that was sealed for this place; finds the key itself.
    pub fn open(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        aad: &Aad<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key = self.key_by_id(tx, data_key::key_of(sealed)?)?;
        // A row that was moved to another workspace whole would open by its own key; it must not.
        if key.workspace() != workspace {
            return Err(Error::Sealed);
        }
        key.open(aad, sealed)
    }

    /// The blind index key of `workspace` for the month of `at`. Makes one when there is none, so `tx` must
    /// be a writing one; see [`Self::index_keys`] for searching.
    pub fn index_key(&self, tx: &mut Tx<'_>, workspace: Option<WorkspaceId>, at: Timestamp) -> Result<IndexKey, Error> {
        if let Some(key) = self.cached_index_key(workspace, at) {
            return Ok(key);
        }
        let now = tx.context().monotonic();
        let month = Month::of(at);
        let found = ring::ensure(tx, &self.0.wrapper, workspace, INDEX, month.number())?;
        let key = IndexKey::new(&found.key);
        let (cache, kept) = (Arc::clone(&self.0.cache), key.clone());
        tx.after_commit(move || cache.keep_index(workspace, month, kept, now));
        Ok(key)
    }

    /// The same without any I/O; `None` when the key is not at hand.
    pub fn cached_index_key(&self, workspace: Option<WorkspaceId>, at: Timestamp) -> Option<IndexKey> {
        self.0.cache.index(workspace, Month::of(at), self.0.db.context().monotonic())
    }

    /// Where a value of `workspace` is filed in the month of `at`: see [`Self::index_key`].
    pub fn blind_index(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        at: Timestamp,
        value: &str,
    ) -> Result<BlindIndex, Error> {
        Ok(self.index_key(tx, workspace, at)?.index(value))
    }

    /// The index keys of every month that is still kept, newest first: a search looks a value up under each.
    pub fn index_keys(&self, tx: &mut Tx<'_>, workspace: Option<WorkspaceId>) -> Result<Vec<(Month, IndexKey)>, Error> {
        ring::index_keys(tx, &self.0.wrapper, workspace)
    }

    /// The hash under which a machine secret is stored and found: HMAC-SHA-256 under a key of this vault, so
    /// that a copy of the table alone lets nobody try tokens out.
    pub fn token_hash(&self, token: &str) -> [u8; 32] {
        self.0.tokens.sign(token.as_bytes())
    }

    /// Destroys keys of `workspace`; how many. What they sealed is unreadable once this is committed, on this
    /// node at once and on others when their cache ends, within a minute ([`Error::Destroyed`]).
    pub fn destroy(&self, tx: &mut Tx<'_>, workspace: Option<WorkspaceId>, what: Destroy) -> Result<u64, Error> {
        let destroyed = ring::destroy(tx, workspace, what)?;
        let cache = Arc::clone(&self.0.cache);
        tx.after_commit(move || cache.clear());
        Ok(destroyed)
    }
}

/// The key that hashes machine secrets, if there is one, and whether the others know what this node has.
async fn proof(db: &Db, wrapper: &Arc<Wrapper>) -> Result<(Option<ring::Found>, bool), Error> {
    let (opener, node) = (Arc::clone(wrapper), db.node().to_owned());
    let looked = db.read(move |tx| {
        let keks = kek::all(tx)?;
        kek::fit(&keks, &opener)?;
        if let Some(active) = kek::active_of(&keks)
            && !opener.holds(active.version)
        {
            return Err(Error::MissingVersion(active.version));
        }
        let told = kek::is_told(tx, &keks, &opener, &node)?;
        Ok((ring::find(tx, &opener, None, TOKENS, 0)?, told))
    });
    looked.await.map_err(wrong_key)
}

/// What does not open at the door is not altered: it is another database's.
fn wrong_key(error: Error) -> Error {
    if matches!(error, Error::Sealed) { Error::WrongKey } else { error }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}
