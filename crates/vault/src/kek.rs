//! The versions of the key-encryption key as the database knows them: SQL of `vault_keks` and `vault_nodes`.

use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use store::{Tx, params};

use crate::Error;
use crate::wrap::{Check, Wrapper};

/// A node's word is kept this long without another one.
const FORGOTTEN: std::time::Duration = std::time::Duration::from_hours(24);

/// How a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KekState {
    /// It is announced and wraps nothing yet: some node may not have it in its key file.
    Known,
    /// It wraps everything new. There is one.
    Active,
    /// It opens what is not wrapped anew yet.
    Old,
    /// What it wraps is refused.
    Retired,
}

impl KekState {
    /// The word in the store and on the terminal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Active => "active",
            Self::Old => "old",
            Self::Retired => "retired",
        }
    }

    fn parse(text: &str) -> Self {
        // A word that nobody wrote is refused like a retired one.
        [Self::Known, Self::Active, Self::Old].into_iter().find(|state| state.name() == text).unwrap_or(Self::Retired)
    }
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kek {
    /// Its number in the key file.
    pub version: u32,
    /// How it stands.
    pub state: KekState,
    /// The first digits of its check: equal on two machines when they have the same key.
    pub fingerprint: String,
    /// When the database first heard of it.
    pub known_at: Timestamp,
    /// Since when it wraps, or wrapped.
    pub active_at: Option<Timestamp>,
    /// When a newer one took over.
    pub replaced_at: Option<Timestamp>,
    /// Since when it is refused.
    pub retired_at: Option<Timestamp>,
    check: Vec<u8>,
}

/// Every version, oldest first.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Kek>, Error> {
    select(tx, "")
}

/// The same, held until this transaction ends: nobody activates or retires meanwhile.
pub(crate) fn all_held(tx: &mut Tx<'_>) -> Result<Vec<Kek>, Error> {
    let lock = tx.dialect().for_update();
    select(tx, lock)
}

fn select(tx: &mut Tx<'_>, lock: &str) -> Result<Vec<Kek>, Error> {
    let sql = format!(
        "SELECT version, check_value, state, known_at, active_at, replaced_at, retired_at FROM vault_keks ORDER BY version{lock}"
    );
    Ok(tx.query(&sql, &[], |row| {
        let check: Vec<u8> = row.get("check_value")?;
        Ok(Kek {
            version: row.get("version")?,
            state: KekState::parse(&row.get::<String>("state")?),
            fingerprint: fingerprint(&check),
            known_at: row.get("known_at")?,
            active_at: row.get("active_at")?,
            replaced_at: row.get("replaced_at")?,
            retired_at: row.get("retired_at")?,
            check,
        })
    })?)
}

/// The version that wraps, among those that were read.
pub(crate) fn active_of(keks: &[Kek]) -> Option<&Kek> {
    keks.iter().find(|kek| kek.state == KekState::Active)
}

/// The first 32 bits: enough to tell apart the few keys that one installation ever has.
fn fingerprint(check: &[u8]) -> String {
    check.first_chunk().map_or_else(String::new, |first| format!("{:08x}", u32::from_be_bytes(*first)))
}

/// The version that wraps now, which stays so until this transaction ends.
pub(crate) fn active(tx: &mut Tx<'_>) -> Result<u32, Error> {
    let share = tx.dialect().for_share();
    let sql = format!("SELECT version FROM vault_keks WHERE state = 'active'{share}");
    tx.query_opt(&sql, &[], |row| row.get("version"))?.ok_or(Error::WrongKey)
}

/// Whether the key file fits what the database knows; tells the wrapper what to refuse.
pub(crate) fn fit(keks: &[Kek], wrapper: &Wrapper) -> Result<(), Error> {
    let in_file = wrapper.in_file();
    let other = keks.iter().find(|kek| in_file.get(&kek.version).is_some_and(|check| !same(check, &kek.check)));
    if let Some(other) = other {
        let any_fits = keks.iter().any(|kek| in_file.get(&kek.version).is_some_and(|check| same(check, &kek.check)));
        return Err(if any_fits { Error::OtherVersion(other.version) } else { Error::WrongKey });
    }
    let retired: BTreeSet<u32> =
        keks.iter().filter(|kek| kek.state == KekState::Retired).map(|kek| kek.version).collect();
    wrapper.refuse(&retired);
    Ok(())
}

fn same(left: &Check, right: &[u8]) -> bool {
    crypto::constant_time_eq(left, right)
}

/// Tells the database which versions this node has. On a database that knows none yet, the one that wraps already becomes active.
pub(crate) fn announce(tx: &mut Tx<'_>, wrapper: &Wrapper, node: &str) -> Result<(), Error> {
    let now = tx.now();
    let known: BTreeMap<u32, KekState> = all_held(tx)?.iter().map(|kek| (kek.version, kek.state)).collect();
    for (version, check) in wrapper.in_file() {
        if !known.contains_key(&version) {
            tx.execute(
                "INSERT INTO vault_keks (version, check_value, state, known_at) VALUES ($1, $2, 'known', $3)
                 ON CONFLICT (version) DO NOTHING",
                &params![version, check.to_vec(), now],
            )?;
        }
    }
    if !known.values().any(|state| *state == KekState::Active) {
        let used: Option<u32> =
            tx.query_one("SELECT MAX(kek_version) AS used FROM vault_keys WHERE wrapped IS NOT NULL", &[], |row| {
                row.get("used")
            })?;
        tx.execute(
            "UPDATE vault_keks SET state = 'active', active_at = $2 WHERE version = $1 AND state = 'known'
             AND NOT EXISTS (SELECT 1 FROM vault_keks WHERE state = 'active')",
            &params![used.unwrap_or(wrapper.newest()), now],
        )?;
    }
    tx.execute(
        "INSERT INTO vault_nodes (node, newest, seen_at) VALUES ($1, $2, $3)
         ON CONFLICT (node) DO UPDATE SET newest = excluded.newest, seen_at = excluded.seen_at",
        &params![node, wrapper.newest(), now],
    )?;
    // Nodes come and go under drawn names; one that is still there announces itself again.
    tx.execute("DELETE FROM vault_nodes WHERE seen_at < $1", &params![now.minus(FORGOTTEN)])?;
    // What another node announced first counts, also for this one.
    let keks = all(tx)?;
    fit(&keks, wrapper)?;
    match active_of(&keks) {
        Some(active) if !wrapper.holds(active.version) => Err(Error::MissingVersion(active.version)),
        Some(_) => Ok(()),
        None => Err(Error::MissingVersion(keks.last().map_or(1, |kek| kek.version))),
    }
}

/// What a node said of its key file.
pub(crate) struct NodeKeys {
    pub node: String,
    pub newest: u32,
    pub seen_at: Timestamp,
}

pub(crate) fn nodes(tx: &mut Tx<'_>) -> Result<Vec<NodeKeys>, Error> {
    Ok(tx.query("SELECT node, newest, seen_at FROM vault_nodes ORDER BY node", &[], |row| {
        Ok(NodeKeys { node: row.get("node")?, newest: row.get("newest")?, seen_at: row.get("seen_at")? })
    })?)
}

/// Makes `version` the one that wraps.
pub(crate) fn activate(tx: &mut Tx<'_>, version: u32) -> Result<(), Error> {
    let now = tx.now();
    tx.execute("UPDATE vault_keks SET state = 'old', replaced_at = $1 WHERE state = 'active'", &params![now])?;
    tx.execute("UPDATE vault_keks SET state = 'active', active_at = $2 WHERE version = $1", &params![version, now])?;
    // One that was passed over wraps nothing and never will.
    tx.execute(
        "UPDATE vault_keks SET state = 'retired', retired_at = $2 WHERE state = 'known' AND version < $1",
        &params![version, now],
    )?;
    Ok(())
}

/// Refuses `version` from now on, unless something is still wrapped by it; whether it is refused now.
pub(crate) fn retire(tx: &mut Tx<'_>, version: u32) -> Result<bool, Error> {
    let now = tx.now();
    let retired = tx.execute(
        "UPDATE vault_keks SET state = 'retired', retired_at = $2 WHERE version = $1 AND state = 'old'
         AND NOT EXISTS (SELECT 1 FROM vault_keys WHERE kek_version = $1 AND wrapped IS NOT NULL)",
        &params![version, now],
    )?;
    Ok(retired == 1)
}

/// Whether the others know what this node has in its key file.
pub(crate) fn is_told(tx: &mut Tx<'_>, keks: &[Kek], wrapper: &Wrapper, node: &str) -> Result<bool, Error> {
    let newest = wrapper.newest();
    let known = keks.iter().any(|kek| kek.version == newest);
    Ok(known && nodes(tx)?.iter().any(|one| one.node == node && one.newest == newest))
}

/// Takes back what a node said.
pub(crate) fn forget_node(tx: &mut Tx<'_>, node: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM vault_nodes WHERE node = $1", &params![node])?;
    Ok(())
}
