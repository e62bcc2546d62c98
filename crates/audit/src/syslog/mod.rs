//! The log as a stream to a collector: syslog (RFC 5424) over TLS (RFC 5425), in the order of the chain, from a cursor that is
//! stored. No act waits for it: it reads what is sealed.
//!
//! Syslog has no acknowledgements, so the cursor follows what was sent at a distance: an entry counts as delivered when its
//! connection lived for [`CONFIRMED`] after it was sent, which is longer than the kernel keeps a connection whose peer does not
//! acknowledge ([`UNACKNOWLEDGED`]). After a break everything behind the cursor is sent again: at least once, and with the
//! same sequence number.

mod connection;
mod frame;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use access::{Authority, cap};
use base::Timestamp;
use store::{Db, Held, Lease, Tx, params};
use tokio_util::sync::CancellationToken;

use connection::Connection;
pub use connection::{Target, TargetError};

use crate::read::{Recorded, after_seq};
use crate::{Error, Format};

/// How long a connection must have lived after an entry was sent for the entry to count as delivered.
pub const CONFIRMED: Duration = Duration::from_secs(15);
/// How long the kernel waits for the peer to acknowledge data before it breaks the connection.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// How often new entries are looked for.
const POLL: Duration = Duration::from_millis(500);
/// Entries read at once.
const BATCH: u32 = 200;
/// How long is waited after failures, doubling.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The one stream there is.
const NAME: &str = "syslog";

/// How far the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streaming {
    /// Where it goes: `collector.example.com:6514`.
    pub target: String,
    /// The number of the last entry that counts as delivered.
    pub delivered: i64,
    /// Entries that are sealed and not delivered.
    pub behind: u64,
    /// When the oldest of those was written.
    pub oldest: Option<Timestamp>,
    /// Why the last try failed and when, unless a later one went well.
    pub failure: Option<(String, Timestamp)>,
}

/// How far the stream is; nothing when there never was one. For those who read the log.
pub fn streaming(tx: &mut Tx<'_>, _permit: &impl Authority<cap::AuditRead>) -> Result<Option<Streaming>, Error> {
    state(tx)
}

/// The same for figures.
pub fn streaming_figures(tx: &mut Tx<'_>, _: &impl Authority<cap::MetricsRead>) -> Result<Option<Streaming>, Error> {
    state(tx)
}

fn state(tx: &mut Tx<'_>) -> Result<Option<Streaming>, Error> {
    let sql = "SELECT target, delivered, failure, failed_at FROM audit_streams WHERE name = $1 AND target <> ''";
    let found = tx.query_opt(sql, &params![NAME], |row| {
        let failure = row.get::<Option<String>>("failure")?.zip(row.get::<Option<Timestamp>>("failed_at")?);
        Ok((row.get::<String>("target")?, row.get::<i64>("delivered")?, failure))
    })?;
    let Some((target, delivered, failure)) = found else { return Ok(None) };
    // By number, not by counting: a log of years may wait, and this is asked every few seconds.
    let end = crate::seal::head(tx, "")?.map_or(0, |head| head.seq);
    let oldest = tx.query_opt(
        "SELECT time FROM audit_entries WHERE seq > $1 ORDER BY seq LIMIT 1",
        &params![delivered],
        |row| row.get::<Timestamp>("time"),
    )?;
    let behind = u64::try_from(end - delivered).unwrap_or(0);
    Ok(Some(Streaming { target, delivered, behind, oldest, failure }))
}

/// Forgets where the stream goes when none is configured any more; its cursor stays, so that it goes on from there.
pub fn forget_target(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.execute(
        "UPDATE audit_streams SET target = '', failure = NULL, failed_at = NULL WHERE name = $1",
        &params![NAME],
    )?;
    Ok(())
}

/// Sends as long as it runs. Every node runs one; a lease keeps all but one of them idle.
pub struct Shipper {
    db: Db,
    target: Arc<Target>,
    format: Format,
}

impl std::fmt::Debug for Shipper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shipper").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Shipper {
    /// A shipper to `target` in lines of `format`.
    pub fn new(db: Db, target: Target, format: Format) -> Self {
        Self { db, target: Arc::new(target), format }
    }

    /// Sends until `shutdown`. What was sent and does not count as delivered yet is sent again after the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        let lease = self.db.lease("audit.syslog");
        let mut wait = FIRST_WAIT;
        loop {
            let pause = match lease.hold().await {
                Ok(None) => FIRST_WAIT,
                Ok(Some(held)) => match shutdown.run_until_cancelled(self.ship(&lease, &held, &mut wait)).await {
                    None | Some(Err(Error::Store(store::Error::Closed))) => break,
                    Some(Ok(()) | Err(Error::Store(store::Error::LeaseLost))) => FIRST_WAIT,
                    Some(Err(error)) => {
                        let said = error.to_string();
                        tracing::warn!(%error, "the audit log could not be streamed; trying again");
                        self.failed(held, said).await;
                        let pause = wait;
                        wait = (wait * 2).min(LONGEST_WAIT);
                        pause
                    }
                },
                Err(store::Error::Closed) => break,
                Err(error) => {
                    tracing::warn!(%error, "the lease of the audit stream could not be looked at; trying again");
                    wait
                }
            };
            if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease of the audit stream was not released; other nodes see it stand still");
        }
    }

    /// One connection, for as long as it and the lease last.
    async fn ship(&self, lease: &Lease, held: &Held, wait: &mut Duration) -> Result<(), Error> {
        let mut sent = self.begin(held.clone()).await?;
        let mut connection = Connection::open(&self.target).await.map_err(Error::Stream)?;
        // What was sent and when, by the clock that nobody sets.
        let mut unconfirmed: VecDeque<(i64, Duration)> = VecDeque::new();
        let (mut delivered, mut clear) = (sent, false);
        loop {
            if lease.hold().await?.is_none() {
                return Ok(());
            }
            let entries = self.db.read(move |tx| after_seq(tx, sent, BATCH)).await?;
            for entry in &entries {
                connection
                    .write(&frame::framed(entry, self.format, self.target.here()))
                    .await
                    .map_err(Error::Stream)?;
                sent = entry.seq.unwrap_or(sent);
            }
            connection.flush().await.map_err(Error::Stream)?;
            // Only now it is with the kernel: a batch may wait long for a slow collector.
            let now = self.db.context().monotonic();
            if !entries.is_empty() {
                unconfirmed.push_back((sent, now));
            }
            let mut confirmed = delivered;
            while let Some((seq, _)) = unconfirmed.front().filter(|(_, at)| now.saturating_sub(*at) >= CONFIRMED) {
                confirmed = *seq;
                unconfirmed.pop_front();
            }
            if confirmed > delivered || !clear {
                self.delivered(held.clone(), confirmed).await?;
                (delivered, clear, *wait) = (confirmed, true, FIRST_WAIT);
            }
            if entries.len() < BATCH as usize {
                connection.rest(POLL).await.map_err(Error::Stream)?;
            }
        }
    }

    async fn begin(&self, held: Held) -> Result<i64, Error> {
        let target = self.target.to_string();
        self.db
            .write(move |tx| {
                held.check(tx)?;
                tx.execute(
                    "INSERT INTO audit_streams (name, target, delivered) VALUES ($1, $2, 0) \
                     ON CONFLICT (name) DO UPDATE SET target = excluded.target",
                    &params![NAME, target.as_str()],
                )?;
                let sql = "SELECT delivered FROM audit_streams WHERE name = $1";
                Ok(tx.query_one(sql, &params![NAME], |row| row.get("delivered"))?)
            })
            .await
    }

    async fn delivered(&self, held: Held, seq: i64) -> Result<(), Error> {
        self.db
            .write(move |tx| {
                held.check(tx)?;
                tx.execute(
                    "UPDATE audit_streams SET delivered = $2, failure = NULL, failed_at = NULL WHERE name = $1",
                    &params![NAME, seq],
                )?;
                Ok(())
            })
            .await
    }

    async fn failed(&self, held: Held, said: String) {
        let noted: Result<(), Error> = self
            .db
            .write(move |tx| {
                held.check(tx)?;
                let now = tx.now();
                tx.execute(
                    "UPDATE audit_streams SET failure = $2, failed_at = $3 WHERE name = $1",
                    &params![NAME, said.as_str(), now],
                )?;
                Ok(())
            })
            .await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the failure of the audit stream was not written down");
        }
    }
}

/// An entry as it stands in a frame: a difference that would make it longer than collectors read is named by its hash.
fn short(entry: &Recorded) -> Recorded {
    let text = entry.changes.as_ref().map(crate::canonical::to_text).unwrap_or_default();
    let hash = crate::canonical::hex(&crypto::sha256(text.as_bytes()));
    let changes = serde_json::json!({ "omitted": "too long for syslog; see the log itself", "sha256": hash });
    Recorded { changes: Some(changes), ..entry.clone() }
}
