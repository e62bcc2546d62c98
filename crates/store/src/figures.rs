//! How much is waiting, for figures: read when somebody asks, not counted on the way.

use base::Timestamp;

use crate::db::Db;
use crate::{Error, Tx, params};

/// One kind of work in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFigures {
    /// The kind; for an event, its listener.
    pub kind: String,
    /// Jobs that nobody has claimed, due or not.
    pub waiting: u64,
    /// Jobs that are being run.
    pub claimed: u64,
    /// Jobs that were given up.
    pub dead: u64,
    /// When the one that has been due for longest was due.
    pub oldest_due: Option<Timestamp>,
}

impl Tx<'_> {
    /// How much of each kind waits, runs and is dead.
    pub fn job_figures(&mut self) -> Result<Vec<JobFigures>, Error> {
        let now = self.now();
        self.query(
            "SELECT kind, CAST(SUM(waiting) AS BIGINT) AS waiting, CAST(SUM(claimed) AS BIGINT) AS claimed,
               CAST(SUM(dead) AS BIGINT) AS dead, MIN(due) AS due FROM (
               SELECT kind, COUNT(*) AS waiting, 0 AS claimed, 0 AS dead, MIN(run_at) AS due
               FROM jobs WHERE state = 0 GROUP BY kind
               UNION ALL
               SELECT kind, 0, COUNT(*), 0, CAST(NULL AS BIGINT) FROM jobs WHERE state = 1 GROUP BY kind
               UNION ALL
               SELECT kind, 0, 0, COUNT(*), CAST(NULL AS BIGINT) FROM dead_jobs GROUP BY kind
             ) AS each GROUP BY kind ORDER BY kind",
            &params![],
            |row| {
                let count = |value: i64| u64::try_from(value).unwrap_or(0);
                let due: Option<Timestamp> = row.get("due")?;
                Ok(JobFigures {
                    kind: row.get("kind")?,
                    waiting: count(row.get("waiting")?),
                    claimed: count(row.get("claimed")?),
                    dead: count(row.get("dead")?),
                    oldest_due: due.filter(|due| *due <= now),
                })
            },
        )
    }
}

impl Db {
    /// Bytes of the journal that is not yet in the database's file; `None` on PostgreSQL, which keeps its own figures.
    pub fn journal_bytes(&self) -> Option<u64> {
        let path = self.file()?;
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        Some(std::fs::metadata(name).map_or(0, |file| file.len()))
    }

    /// Bytes of the database's file; `None` on PostgreSQL.
    pub fn file_bytes(&self) -> Option<u64> {
        Some(std::fs::metadata(self.file()?).map_or(0, |file| file.len()))
    }
}
