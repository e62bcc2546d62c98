//! How far sealing is behind, for figures.

use access::{Authority, cap};
use base::Timestamp;
use store::{Tx, params};

use crate::Error;

/// Entries that are written and not yet chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// How many.
    pub entries: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
}

/// How far sealing is behind.
pub fn unsealed(tx: &mut Tx<'_>, _permit: &impl Authority<cap::MetricsRead>) -> Result<Unsealed, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS entries, MIN(time) AS oldest FROM audit_entries WHERE seq IS NULL",
        &params![],
        |row| {
            let entries = u64::try_from(row.get::<i64>("entries")?).unwrap_or(0);
            Ok(Unsealed { entries, oldest: row.get("oldest")? })
        },
    )?)
}
