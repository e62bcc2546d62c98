//! Refusals from strangers: written outside their request, and after a few a minute from one source only
//! counted, so that nobody can fill the log or slow the product by being refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::Actor;
use base::WorkspaceId;
use store::Db;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Entry, Outcome, record};

/// Refusals of one source that are written in full in one minute.
const FULL: u32 = 20;
/// How long a source is counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// Sources told apart at once; all others are counted as one.
const SOURCES: usize = 10_000;
/// Refusals that wait to be written. What does not fit is counted.
const QUEUE: usize = 1_024;
/// Refusals written in one transaction.
const BATCH: usize = 100;

/// What was refused to whom.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Who was refused, mostly [`Actor::anonymous`].
    pub actor: Actor,
    /// In which workspace, if that is known.
    pub workspace: Option<WorkspaceId>,
    /// What was tried: `signal.accept`, `session.open`.
    pub action: &'static str,
    /// On what: its kind and its id.
    pub target: (&'static str, String),
    /// Why it was refused, in words.
    pub reason: &'static str,
}

/// Takes refusals. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Refusals {
    counts: Arc<Mutex<Counts>>,
    queue: mpsc::Sender<Refusal>,
    db: Db,
}

/// Writes what [`Refusals`] took.
pub struct RefusalWriter {
    counts: Arc<Mutex<Counts>>,
    queue: mpsc::Receiver<Refusal>,
    db: Db,
}

impl Refusals {
    /// The handle and the writer, which must be [run](RefusalWriter::run).
    pub fn new(db: Db) -> (Self, RefusalWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Arc::<Mutex<Counts>>::default();
        (
            Self { counts: Arc::clone(&counts), queue: sender, db: db.clone() },
            RefusalWriter { counts, queue: receiver, db },
        )
    }

    /// Takes a refusal: to be written in full, or counted when its source had its share of this minute.
    pub fn record(&self, refusal: Refusal) {
        let source = refusal.actor.source.map(|source| source.ip());
        let now = self.db.context().monotonic();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.take(source, now) {
            return;
        }
        drop(counts);
        if self.queue.try_send(refusal).is_err() {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.overflow(source, now);
        }
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusals")
    }
}

impl RefusalWriter {
    /// Writes until `shutdown`, then what is left.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut minute = tokio::time::interval(Duration::from_secs(5));
        minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                read = self.queue.recv_many(&mut batch, BATCH) => {
                    if read == 0 {
                        break;
                    }
                    self.write(std::mem::take(&mut batch), Vec::new()).await;
                }
                _ = minute.tick() => {
                    let now = self.db.context().monotonic();
                    let ended = self.counts.lock().unwrap_or_else(PoisonError::into_inner).ended(now);
                    self.write(Vec::new(), ended).await;
                }
                () = shutdown.cancelled() => break,
            }
        }
        self.queue.close();
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            self.write(std::mem::take(&mut batch), Vec::new()).await;
        }
        let rest = self.counts.lock().unwrap_or_else(PoisonError::into_inner).all();
        self.write(Vec::new(), rest).await;
    }

    async fn write(&self, refusals: Vec<Refusal>, counted: Vec<(Option<IpAddr>, u32)>) {
        if refusals.is_empty() && counted.is_empty() {
            return;
        }
        let lost = refusals.len();
        let written = self
            .db
            .write(move |tx| {
                for refusal in &refusals {
                    record(
                        tx,
                        Entry {
                            actor: &refusal.actor,
                            workspace: refusal.workspace,
                            action: refusal.action,
                            target: (refusal.target.0, &refusal.target.1),
                            outcome: Outcome::Denied,
                            reason: Some(refusal.reason),
                            changes: None,
                        },
                    )?;
                }
                for (source, count) in &counted {
                    let actor = Actor::anonymous(source.map(|ip| (ip, 0).into()));
                    record(
                        tx,
                        Entry {
                            actor: &actor,
                            workspace: None,
                            action: "refusals.counted",
                            target: ("source", ""),
                            outcome: Outcome::Denied,
                            reason: Some("more refusals in a minute than are written one by one"),
                            changes: Some(serde_json::json!({ "count": count })),
                        },
                    )?;
                }
                Ok::<_, crate::Error>(())
            })
            .await;
        if let Err(error) = written {
            tracing::error!(%error, audit.lost = lost, "refusals could not be written to the audit log");
        }
    }
}

impl std::fmt::Debug for RefusalWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefusalWriter")
    }
}

/// How often each source was refused in its present minute.
#[derive(Default)]
struct Counts {
    sources: HashMap<Option<IpAddr>, Count>,
}

struct Count {
    since: Duration,
    full: u32,
    more: u32,
}

impl Counts {
    /// Whether this refusal is written in full.
    fn take(&mut self, source: Option<IpAddr>, now: Duration) -> bool {
        let count = self.count(source, now);
        if count.full < FULL {
            count.full += 1;
            true
        } else {
            count.more = count.more.saturating_add(1);
            false
        }
    }

    /// A refusal that was to be written in full and could not be queued.
    fn overflow(&mut self, source: Option<IpAddr>, now: Duration) {
        let count = self.count(source, now);
        count.more = count.more.saturating_add(1);
    }

    fn count(&mut self, source: Option<IpAddr>, now: Duration) -> &mut Count {
        let source = source.map(network);
        // Sources beyond the limit share one count, so that many addresses cannot fill memory.
        let known = self.sources.contains_key(&source) || self.sources.len() < SOURCES;
        self.sources.entry(if known { source } else { None }).or_insert(Count { since: now, full: 0, more: 0 })
    }

    /// Takes out the sources whose minute is over; those with more than was written, with how much more.
    fn ended(&mut self, now: Duration) -> Vec<(Option<IpAddr>, u32)> {
        let mut out = Vec::new();
        self.sources.retain(|source, count| {
            let over = now.saturating_sub(count.since) >= WINDOW;
            if over && count.more > 0 {
                out.push((*source, count.more));
            }
            !over
        });
        out
    }

    /// Takes out everything.
    fn all(&mut self) -> Vec<(Option<IpAddr>, u32)> {
        self.sources.drain().filter(|(_, count)| count.more > 0).map(|(source, count)| (source, count.more)).collect()
    }
}

/// One subscriber has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            v6.to_ipv4_mapped().map_or_else(|| IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)), IpAddr::V4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a source may be unknown")]
    fn v4(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_first_twenty_a_minute_are_written_and_the_rest_counted() {
        let mut counts = Counts::default();
        let start = Duration::from_secs(1_000);
        let written = (0..100).filter(|_| counts.take(v4(1), start)).count();
        assert_eq!(written, 20);
        assert!(counts.take(v4(2), start), "another source has its own share");
        assert!(counts.ended(start + Duration::from_secs(59)).is_empty());
        assert_eq!(counts.ended(start + WINDOW), [(v4(1), 80)]);
        assert!(counts.take(v4(1), start + WINDOW), "a new minute, a new share");
    }

    #[test]
    fn neighbours_in_ipv6_share_a_count() {
        let mut counts = Counts::default();
        let at = Duration::ZERO;
        for host in 0..30_u16 {
            counts.take(Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host])), at);
        }
        assert_eq!(counts.all(), [(Some("2001:db8:0:1::".parse().unwrap()), 10)]);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn any_number_of_sources_takes_bounded_memory() {
        let mut counts = Counts::default();
        for n in 0..50_000_u32 {
            counts.take(Some(IpAddr::from(n.to_be_bytes())), Duration::ZERO);
        }
        assert!(counts.sources.len() <= SOURCES + 1);
        assert_eq!(counts.all(), [(None, 50_000 - 10_000 - 20)]);
    }
}
