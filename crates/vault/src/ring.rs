//! The key ring: SQL of `vault_keys`.

use base::{Timestamp, WorkspaceId};
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::key_file::KeyBytes;
use crate::wrap::{Place, Wrapper};
use crate::{DataKey, Destroy, Error, IndexKey, Month, Purpose, kek};

/// The purpose of the key that hashes machine secrets.
pub(crate) const TOKENS: &str = "tokens";
/// The purpose of blind index keys.
pub(crate) const INDEX: &str = "index";

/// Seals reserved at a time. A restart loses what was left, which only makes the count too high.
const BLOCK: i64 = 1 << 18;
/// A key is replaced before it has sealed this much: far below 2^32, where random nonces could meet.
const MOST_USES: i64 = 1 << 30;
/// A key that is not daily is replaced after 90 days.
const MOST_AGE: std::time::Duration = std::time::Duration::from_hours(90 * 24);

/// A key found or made.
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) key: KeyBytes,
    uses: i64,
    generation: i64,
    created_at: Timestamp,
}

fn workspace_text(workspace: Option<WorkspaceId>) -> String {
    workspace.map(|id| id.to_string()).unwrap_or_default()
}

/// A row as it is stored.
struct Row {
    id: i64,
    workspace: String,
    purpose: String,
    period: i64,
    generation: i64,
    kek_version: u32,
    wrapped: Option<Zeroizing<Vec<u8>>>,
    uses: i64,
    created_at: Timestamp,
}

const COLUMNS: &str = "id, workspace, purpose, period, generation, kek_version, wrapped, uses, created_at";

fn from_row(row: &store::Row<'_>) -> Result<Row, store::Error> {
    Ok(Row {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        purpose: row.get("purpose")?,
        period: row.get("period")?,
        generation: row.get("generation")?,
        kek_version: row.get("kek_version")?,
        wrapped: row.get::<Option<Vec<u8>>>("wrapped")?.map(Zeroizing::new),
        uses: row.get("uses")?,
        created_at: row.get("created_at")?,
    })
}

impl Row {
    fn place(&self) -> Place<'_> {
        Place {
            id: self.id,
            workspace: &self.workspace,
            purpose: &self.purpose,
            period: self.period,
            generation: self.generation,
        }
    }

    fn unwrap(&self, wrapper: &Wrapper) -> Result<KeyBytes, Error> {
        wrapper.unwrap(self.place(), self.kek_version, self.wrapped.as_ref().ok_or(Error::Destroyed)?)
    }

    fn found(self, wrapper: &Wrapper) -> Result<Found, Error> {
        let key = self.unwrap(wrapper)?;
        Ok(Found { id: self.id, key, uses: self.uses, generation: self.generation, created_at: self.created_at })
    }
}

/// The newest key of a place, if there is one.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    wrapper: &Wrapper,
    workspace: Option<WorkspaceId>,
    purpose: &str,
    period: i64,
) -> Result<Option<Found>, Error> {
    let row = newest(tx, &workspace_text(workspace), purpose, period)?;
    row.map(|row| row.found(wrapper)).transpose()
}

/// The newest key of a place; makes the first when there is none.
pub(crate) fn ensure(
    tx: &mut Tx<'_>,
    wrapper: &Wrapper,
    workspace: Option<WorkspaceId>,
    purpose: &str,
    period: i64,
) -> Result<Found, Error> {
    match find(tx, wrapper, workspace, purpose, period)? {
        Some(found) => Ok(found),
        None => make(tx, wrapper, &workspace_text(workspace), purpose, period, 1),
    }
}

fn newest(tx: &mut Tx<'_>, workspace: &str, purpose: &str, period: i64) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM vault_keys WHERE workspace = $1 AND purpose = $2 AND period = $3
         ORDER BY generation DESC LIMIT 1"
    );
    Ok(tx.query_opt(&sql, &params![workspace, purpose, period], from_row)?)
}

/// Makes the key of a generation. Another node may be making the same one: whichever row is there in the
/// end counts, for both.
fn make(
    tx: &mut Tx<'_>,
    wrapper: &Wrapper,
    workspace: &str,
    purpose: &str,
    period: i64,
    generation: i64,
) -> Result<Found, Error> {
    // Held until the commit, so that nothing is wrapped by a version after another took over.
    let active = kek::active(tx)?;
    let id = tx.next_number("vault_keys")?;
    let now = tx.now();
    let mut key = Zeroizing::new([0; 32]);
    tx.context().chance().fill(&mut *key);
    let wrapped = {
        let place = Place { id, workspace, purpose, period, generation };
        wrapper.wrap(tx.context().chance(), active, place, &key)?
    };
    tx.execute(
        "INSERT INTO vault_keys
           (id, workspace, purpose, period, generation, kek_version, made_under, wrapped, uses, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, 0, $8)
         ON CONFLICT (workspace, purpose, period, generation) DO NOTHING",
        &params![id, workspace, purpose, period, generation, active, wrapped, now],
    )?;
    newest(tx, workspace, purpose, period)?.ok_or(Error::UnknownKey)?.found(wrapper)
}

/// The key to seal with. Goes on with `last` while that is still the one and has uses left; otherwise reserves
/// a block of uses for this process.
pub(crate) fn sealing_key(
    tx: &mut Tx<'_>,
    wrapper: &Wrapper,
    workspace: Option<WorkspaceId>,
    purpose: Purpose,
    at: Timestamp,
    last: Option<DataKey>,
) -> Result<DataKey, Error> {
    let period = purpose.period(at);
    let mut found = ensure(tx, wrapper, workspace, purpose.name(), period)?;
    let old = !purpose.is_daily() && at.since(found.created_at) >= MOST_AGE;
    let going_on = last.filter(|last| last.id() == found.id && last.has_budget());
    if !old && let Some(key) = going_on {
        return Ok(key);
    }
    if old || found.uses + BLOCK > MOST_USES {
        let owner = workspace_text(workspace);
        tracing::info!(
            vault.key = found.id,
            vault.purpose = purpose.name(),
            "a data key is worn out and gets a successor"
        );
        found = make(tx, wrapper, &owner, purpose.name(), period, found.generation + 1)?;
    }
    tx.execute("UPDATE vault_keys SET uses = uses + $1 WHERE id = $2", &params![BLOCK, found.id])?;
    let key = DataKey::new(found.id, workspace, &found.key)?;
    key.add_budget(BLOCK);
    Ok(key)
}

/// The data key of an id. Says [`Error::Destroyed`] when only its row is left.
pub(crate) fn opening_key(tx: &mut Tx<'_>, wrapper: &Wrapper, id: i64) -> Result<DataKey, Error> {
    let sql = format!("SELECT {COLUMNS} FROM vault_keys WHERE id = $1");
    let row = tx.query_opt(&sql, &params![id], from_row)?.ok_or(Error::UnknownKey)?;
    if !Purpose::ALL.iter().any(|purpose| purpose.name() == row.purpose) {
        return Err(Error::UnknownKey);
    }
    let workspace = match row.workspace.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Error::UnknownKey)?),
    };
    DataKey::new(id, workspace, &*row.unwrap(wrapper)?)
}

/// Every index key of a workspace that is still kept, newest month first.
pub(crate) fn index_keys(
    tx: &mut Tx<'_>,
    wrapper: &Wrapper,
    workspace: Option<WorkspaceId>,
) -> Result<Vec<(Month, IndexKey)>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM vault_keys
         WHERE workspace = $1 AND purpose = $2 AND wrapped IS NOT NULL ORDER BY period DESC, generation DESC"
    );
    let rows = tx.query(&sql, &params![workspace_text(workspace), INDEX], from_row)?;
    rows.into_iter().map(|row| Ok((Month::from_number(row.period), IndexKey::new(&*row.unwrap(wrapper)?)))).collect()
}

pub(crate) fn destroy(tx: &mut Tx<'_>, workspace: Option<WorkspaceId>, what: Destroy) -> Result<u64, Error> {
    let (purpose, before) = match what {
        Destroy::DaysBefore(purpose, _) if !purpose.is_daily() => return Ok(0),
        Destroy::DaysBefore(purpose, day) => (purpose.name(), day.number()),
        Destroy::IndexBefore(month) => (INDEX, month.number()),
    };
    let now = tx.now();
    Ok(tx.execute(
        "UPDATE vault_keys SET wrapped = NULL, destroyed_at = $1
         WHERE workspace = $2 AND purpose = $3 AND period < $4 AND wrapped IS NOT NULL",
        &params![now, workspace_text(workspace), purpose, before],
    )?)
}

/// Wraps up to `limit` keys anew that `from` still wraps; how many.
pub(crate) fn rewrap(tx: &mut Tx<'_>, wrapper: &Wrapper, from: u32, limit: u32) -> Result<u64, Error> {
    let active = kek::active(tx)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM vault_keys WHERE kek_version = $1 AND wrapped IS NOT NULL ORDER BY id LIMIT $2{}",
        tx.dialect().for_update()
    );
    let rows = tx.query(&sql, &params![from, limit], from_row)?;
    let mut done = 0;
    for row in rows {
        let key = row.unwrap(wrapper)?;
        let wrapped = wrapper.wrap(tx.context().chance(), active, row.place(), &key)?;
        done += tx.execute(
            "UPDATE vault_keys SET wrapped = $1, kek_version = $2 WHERE id = $3 AND wrapped IS NOT NULL",
            &params![wrapped, active, row.id],
        )?;
    }
    Ok(done)
}

/// How many keys a version wraps.
pub(crate) fn wrapped_by(tx: &mut Tx<'_>, version: u32) -> Result<u64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS n FROM vault_keys WHERE kek_version = $1 AND wrapped IS NOT NULL",
        &params![version],
        |row| row.get("n"),
    )?)
}

/// A place whose keys last: its newest key, as far as renewal goes.
struct Lasting {
    workspace: String,
    purpose: String,
    period: i64,
    generation: i64,
    made_under: u32,
    created_at: Timestamp,
}

/// The newest keys of purposes that are not daily.
fn lasting(tx: &mut Tx<'_>) -> Result<Vec<Lasting>, Error> {
    let mut all = Vec::new();
    for purpose in Purpose::ALL.into_iter().filter(|purpose| !purpose.is_daily()) {
        all.extend(tx.query(
            "SELECT workspace, purpose, period, generation, made_under, created_at FROM vault_keys k
             WHERE purpose = $1 AND wrapped IS NOT NULL AND generation =
               (SELECT MAX(generation) FROM vault_keys o
                WHERE o.workspace = k.workspace AND o.purpose = k.purpose AND o.period = k.period)
             ORDER BY id",
            &params![purpose.name()],
            |row| {
                Ok(Lasting {
                    workspace: row.get("workspace")?,
                    purpose: row.get("purpose")?,
                    period: row.get("period")?,
                    generation: row.get("generation")?,
                    made_under: row.get("made_under")?,
                    created_at: row.get("created_at")?,
                })
            },
        )?);
    }
    Ok(all)
}

/// Whether a lasting key wants a successor: it was made under an older version of the key-encryption key, or is 90 days old.
fn is_due(key: &Lasting, active: u32, now: Timestamp) -> bool {
    key.made_under < active || now.since(key.created_at) >= MOST_AGE
}

/// How many lasting keys want a successor.
pub(crate) fn renewals_due(tx: &mut Tx<'_>, active: u32) -> Result<usize, Error> {
    let now = tx.now();
    Ok(lasting(tx)?.iter().filter(|key| is_due(key, active, now)).count())
}

/// Gives every lasting key that wants one a successor; how many.
pub(crate) fn renew(tx: &mut Tx<'_>, wrapper: &Wrapper) -> Result<u64, Error> {
    let (active, now) = (kek::active(tx)?, tx.now());
    let mut made = 0;
    for old in lasting(tx)?.iter().filter(|key| is_due(key, active, now)) {
        make(tx, wrapper, &old.workspace, &old.purpose, old.period, old.generation + 1)?;
        made += 1;
    }
    Ok(made)
}

/// A lasting key that has a successor.
pub(crate) struct Worn {
    pub(crate) id: i64,
    /// When nothing was found sealed under it, if so.
    pub(crate) emptied_at: Option<Timestamp>,
}

/// The lasting keys that have successors and are still there.
pub(crate) fn worn(tx: &mut Tx<'_>) -> Result<Vec<Worn>, Error> {
    let mut all = Vec::new();
    for purpose in Purpose::ALL.into_iter().filter(|purpose| !purpose.is_daily()) {
        all.extend(tx.query(
            "SELECT id, emptied_at FROM vault_keys k WHERE purpose = $1 AND wrapped IS NOT NULL AND EXISTS
               (SELECT 1 FROM vault_keys o WHERE o.workspace = k.workspace AND o.purpose = k.purpose
                AND o.period = k.period AND o.generation > k.generation) ORDER BY id",
            &params![purpose.name()],
            |row| Ok(Worn { id: row.get("id")?, emptied_at: row.get("emptied_at")? }),
        )?);
    }
    Ok(all)
}

/// Notes that nothing is sealed under these keys any more.
pub(crate) fn mark_empty(tx: &mut Tx<'_>, ids: &[i64]) -> Result<(), Error> {
    let now = tx.now();
    for id in ids {
        tx.execute("UPDATE vault_keys SET emptied_at = $2 WHERE id = $1 AND emptied_at IS NULL", &params![*id, now])?;
    }
    Ok(())
}

/// Removes worn keys; only their rows stay.
pub(crate) fn remove(tx: &mut Tx<'_>, ids: &[i64]) -> Result<u64, Error> {
    let now = tx.now();
    let mut gone = 0;
    for id in ids {
        gone += tx.execute(
            "UPDATE vault_keys SET wrapped = NULL, destroyed_at = $2 WHERE id = $1 AND wrapped IS NOT NULL",
            &params![*id, now],
        )?;
    }
    Ok(gone)
}
