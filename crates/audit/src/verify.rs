//! Verification: walks the chain from its beginning, then the entries that wait for their seal, and names the
//! first one that is not as it was.

use std::collections::HashMap;
use std::fmt;

use access::{Authority, cap};
use base::AuditId;
use store::{Db, Tx, params};

use crate::Error;
use crate::canonical::hex;
use crate::seal::{Head, head};
use crate::stored::{COLUMNS, GENESIS, Stored};

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// What happened to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tampering {
    /// Its content is not what was sealed.
    Altered,
    /// It is gone.
    Removed,
    /// It stands elsewhere than it was sealed.
    Reordered,
    /// It was put in behind the sealer's back.
    Added,
}

/// What verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything is as it was recorded.
    Intact {
        /// Entries in the chain.
        entries: u64,
        /// Entries that wait for their seal, and follow one another without a gap.
        unsealed: u64,
        /// Entries whose personal values were erased. The chain holds without them.
        erased: u64,
        /// The end of the chain: compare it with one you noted elsewhere.
        head: Option<Head>,
    },
    /// Something is not; this is the first such entry.
    Broken(Break),
}

/// The first entry that is not as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Break {
    /// Its number in the chain, if it has or had one.
    pub seq: Option<i64>,
    /// Its id, if it is still there.
    pub id: Option<AuditId>,
    /// What happened to it.
    pub what: Tampering,
    /// The same in words.
    pub detail: String,
}

impl fmt::Display for Verdict {
    /// One clear line, for `audit verify`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intact { entries, unsealed, erased, head } => {
                write!(f, "the audit log is intact: {entries} entries sealed, {unsealed} waiting")?;
                if *erased > 0 {
                    write!(f, ", personal values erased from {erased}")?;
                }
                head.map_or(Ok(()), |head| write!(f, "; it ends at {} with {}", head.seq, hex(&head.hash)))
            }
            Self::Broken(found) => write!(f, "the audit log is BROKEN: {found}"),
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Tampering::Altered => "altered",
            Tampering::Removed => "removed",
            Tampering::Reordered => "reordered",
            Tampering::Added => "added",
        };
        match (self.seq, self.id) {
            (Some(seq), Some(id)) => write!(f, "entry {seq} ({id}) was {what}: {}", self.detail),
            (Some(seq), None) => write!(f, "entry {seq} was {what}: {}", self.detail),
            (None, Some(id)) => write!(f, "the unsealed entry {id} was {what}: {}", self.detail),
            (None, None) => write!(f, "an unsealed entry was {what}: {}", self.detail),
        }
    }
}

/// Verifies everything within one snapshot. For a long log prefer [`verify_all`].
pub fn verify(tx: &mut Tx<'_>, _permit: &impl Authority<cap::AuditVerify>) -> Result<Verdict, Error> {
    let mut walk = Walk::default();
    loop {
        if let Some(verdict) = walk.step(tx)? {
            return Ok(verdict);
        }
    }
}

/// Verifies everything, a page a snapshot: sealed entries never change, so pages of different snapshots fit
/// together, and no read lasts long.
pub async fn verify_all(db: &Db, permit: &impl Authority<cap::AuditVerify>) -> Result<Verdict, Error> {
    verify_told(db, permit, |_| ()).await
}

/// The same, telling after each page how many entries were looked at.
pub(crate) async fn verify_told(
    db: &Db,
    _permit: &impl Authority<cap::AuditVerify>,
    told: impl Fn(u64),
) -> Result<Verdict, Error> {
    let mut walk = Walk::default();
    loop {
        // The closure may run again, so each run starts from a copy.
        let at = walk.clone();
        let (next, verdict) = db
            .read(move |tx| {
                let mut walk = at.clone();
                walk.step(tx).map(|verdict| (walk, verdict))
            })
            .await?;
        walk = next;
        told(u64::try_from(walk.seq).unwrap_or(0));
        if let Some(verdict) = verdict {
            return Ok(verdict);
        }
    }
}

/// How far verification got.
#[derive(Clone, Default)]
struct Walk {
    seq: i64,
    hash: [u8; 32],
    erased: u64,
    /// The last number seen of each lane.
    lanes: HashMap<String, i64>,
    /// The entry before, for naming it.
    last: Option<AuditId>,
}

impl Walk {
    /// Looks at the next page; a verdict when there is nothing left or something is wrong.
    fn step(&mut self, tx: &mut Tx<'_>) -> Result<Option<Verdict>, Error> {
        debug_assert!(self.seq > 0 || self.hash == GENESIS);
        let sql = format!("SELECT {COLUMNS} FROM audit_entries WHERE seq > $1 ORDER BY seq LIMIT $2");
        let page = tx.query(&sql, &params![self.seq, PAGE], Stored::from_row)?;
        let full = page.len() == PAGE as usize;
        for entry in page {
            if let Some(broken) = self.sealed(tx, &entry)? {
                return Ok(Some(Verdict::Broken(broken)));
            }
        }
        if full {
            return Ok(None);
        }
        // The end of the chain and what waits behind it, in the same snapshot as the last page.
        let head = head(tx, "")?;
        if let Some(broken) = self.end(head) {
            return Ok(Some(Verdict::Broken(broken)));
        }
        let entries = u64::try_from(self.seq).unwrap_or(0);
        Ok(Some(match self.waiting(tx)? {
            Ok(unsealed) => Verdict::Intact { entries, unsealed, erased: self.erased, head },
            Err(broken) => Verdict::Broken(broken),
        }))
    }

    /// One sealed entry, which should follow the one before.
    fn sealed(&mut self, tx: &mut Tx<'_>, entry: &Stored) -> Result<Option<Break>, Error> {
        let expected = self.seq + 1;
        let seq = entry.seq.unwrap_or(0);
        let broken = |what, detail: String| Some(Break { seq: Some(seq), id: Some(entry.id), what, detail });
        if seq != expected {
            return Ok(Some(removed(expected, format!("entry {expected} is missing; the next one is {seq}"))));
        }
        let prev = entry.prev_hash.as_deref().unwrap_or_default();
        if entry.hash.as_deref() != Some(&entry.chain_hash(prev)) {
            return Ok(broken(Tampering::Altered, format!("entry {seq} does not give its hash any more")));
        }
        if !entry.personal_holds() {
            return Ok(broken(
                Tampering::Altered,
                format!("the personal values of entry {seq} are not those it was recorded with"),
            ));
        }
        if prev != self.hash {
            // It is whole, but follows something else. What it follows tells what happened.
            if exists(tx, prev)? || (prev == GENESIS && seq > 1) {
                return Ok(broken(
                    Tampering::Reordered,
                    format!(
                        "entry {seq} was sealed in another place: it follows {}…",
                        &hex(prev)[..hex(prev).len().min(12)]
                    ),
                ));
            }
            return Ok(Some(match self.last {
                // Nothing is missing anywhere, so the entry before is the one that changed.
                Some(last) if !any_missing(tx)? => Break {
                    seq: Some(self.seq),
                    id: Some(last),
                    what: Tampering::Altered,
                    detail: format!(
                        "entry {} was altered and hashed anew; entry {seq} still follows its old hash",
                        self.seq
                    ),
                },
                _ => removed(seq, format!("the entry that entry {seq} follows is gone")),
            }));
        }
        if let Some(missing) = self.lane_gap(&entry.lane, entry.counter) {
            return Ok(Some(removed(seq, missing)));
        }
        self.lanes.insert(entry.lane.clone(), entry.counter);
        if entry.personal.is_none() {
            self.erased += 1;
        }
        self.seq = seq;
        self.hash = entry.chain_hash(prev);
        self.last = Some(entry.id);
        Ok(None)
    }

    /// Whether the chain ends where the sealer left it.
    fn end(&self, head: Option<Head>) -> Option<Break> {
        let left = head.map_or(0, |head| head.seq);
        if left > self.seq {
            let missing = self.seq + 1;
            return Some(removed(missing, format!("entry {missing} is missing; the chain went up to {left}")));
        }
        if left < self.seq {
            return Some(Break {
                seq: Some(self.seq),
                id: self.last,
                what: Tampering::Added,
                detail: format!("the sealer ended at entry {left}, but there is an entry {}", self.seq),
            });
        }
        head.filter(|head| head.hash != self.hash).map(|head| Break {
            seq: Some(head.seq),
            id: self.last,
            what: Tampering::Altered,
            detail: format!("entry {} was altered and hashed anew; the chain ended with another hash", head.seq),
        })
    }

    /// Entries that wait for their seal: how many, or the first that is missing or doctored.
    fn waiting(&mut self, tx: &mut Tx<'_>) -> Result<Result<u64, Break>, Error> {
        let mut count = 0;
        let (mut lane, mut counter) = (String::new(), 0_i64);
        loop {
            // By key, so that a long queue is read in pages as well.
            let sql = format!(
                "SELECT {COLUMNS} FROM audit_entries WHERE seq IS NULL AND (lane > $1 OR (lane = $1 AND counter > $2))
                 ORDER BY lane, counter LIMIT $3"
            );
            let page = tx.query(&sql, &params![&lane, counter, PAGE], Stored::from_row)?;
            let Some(last) = page.last() else { break };
            (lane, counter) = (last.lane.clone(), last.counter);
            for entry in &page {
                if let Some(detail) = self.lane_gap(&entry.lane, entry.counter) {
                    return Ok(Err(Break { seq: None, id: None, what: Tampering::Removed, detail }));
                }
                if !entry.personal_holds() {
                    let detail =
                        format!("the personal values of entry {} are not those it was recorded with", entry.id);
                    return Ok(Err(Break { seq: None, id: Some(entry.id), what: Tampering::Altered, detail }));
                }
                self.lanes.insert(entry.lane.clone(), entry.counter);
                count += 1;
            }
        }
        let lanes = tx.query("SELECT lane, counter FROM audit_lanes ORDER BY lane", &[], |row| {
            Ok((row.get::<String>("lane")?, row.get::<i64>("counter")?))
        })?;
        for (lane, counter) in lanes {
            let seen = self.lanes.get(&lane).copied().unwrap_or(0);
            if seen < counter {
                let detail = format!("entry {} of lane {lane} is missing; it counted up to {counter}", seen + 1);
                return Ok(Err(Break { seq: None, id: None, what: Tampering::Removed, detail }));
            }
        }
        Ok(Ok(count))
    }

    /// What is missing in a lane before `counter`, in words.
    fn lane_gap(&self, lane: &str, counter: i64) -> Option<String> {
        let next = self.lanes.get(lane).copied().unwrap_or(0) + 1;
        (counter != next)
            .then(|| format!("entry {next} of lane {lane} is missing or out of its order; {counter} was found"))
    }
}

fn removed(seq: i64, detail: String) -> Break {
    Break { seq: Some(seq), id: None, what: Tampering::Removed, detail }
}

fn exists(tx: &mut Tx<'_>, hash: &[u8]) -> Result<bool, Error> {
    // Without an index: it runs once, when something is wrong already.
    Ok(tx.query_opt("SELECT seq FROM audit_entries WHERE hash = $1 LIMIT 1", &params![hash], |_| Ok(()))?.is_some())
}

/// Whether any lane holds fewer entries than it counted.
fn any_missing(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let sql = "SELECT lane FROM audit_lanes
         WHERE counter > (SELECT COUNT(*) FROM audit_entries WHERE audit_entries.lane = audit_lanes.lane) LIMIT 1";
    Ok(tx.query_opt(sql, &[], |_| Ok(()))?.is_some())
}
