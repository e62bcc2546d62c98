//! What is written to the activity log behind the answer, by a task of its own: refused requests, so that a stranger waits
//! for nothing of ours and costs little, and how long answers took, which is known only once they are given. The first
//! twenty refusals a minute from one source are a line each, the rest are one line with a count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use base::{IntegrationId, SignalId};
use store::{Changed, Db};
use tokio::sync::mpsc;

use crate::rows::{self, Line};

/// Lines a minute and source.
const FULL: u32 = 20;
/// The minute.
const WINDOW: Duration = Duration::from_mins(1);
/// Sources told apart at once; all others are counted as one.
const SOURCES: usize = 10_000;
/// Refusals that may wait to be written; more are counted in the log of the server alone.
const QUEUE: usize = 1_024;
/// Refusals written in one transaction at most.
const BATCH: usize = 256;

/// How long times of answers are gathered before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub line: Line,
    pub source: Option<IpAddr>,
}

/// What the task writes.
enum Note {
    Refused(Box<Refusal>),
    Took(SignalId, Duration),
}

/// Takes notes without waiting.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(mpsc::Sender<Note>);

impl Recorder {
    /// Starts the task that writes. It ends with the last recorder, after writing what is left.
    pub(crate) fn start(db: Db) -> Self {
        let (sender, mut queue) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let mut windows = Windows::default();
            let mut batch = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut batch, BATCH).await > 0 {
                if batch.iter().all(|note| matches!(note, Note::Took(..))) {
                    // Nobody waits for these, and a commit for each would double what a signal costs.
                    tokio::time::sleep(GATHER).await;
                    while batch.len() < BATCH
                        && let Ok(note) = queue.try_recv()
                    {
                        batch.push(note);
                    }
                }
                let now = db.context().monotonic();
                let (mut refusals, mut took) = (Vec::new(), Vec::new());
                for note in batch.drain(..) {
                    match note {
                        Note::Refused(refusal) => refusals.push(*refusal),
                        Note::Took(id, span) => took.push((id, span)),
                    }
                }
                let work = windows.sort(refusals.into_iter(), now, || db.context().id());
                write(&db, Work { took, ..work }).await;
            }
        });
        Self(sender)
    }

    /// Takes a refusal; drops it when too many wait already.
    pub(crate) fn refused(&self, refusal: Refusal) {
        if self.0.try_send(Note::Refused(Box::new(refusal))).is_err() {
            tracing::warn!("refused signals come faster than they can be written down");
        }
    }

    /// Takes how long an answer took. Under a load that leaves no room for it, the time up to the commit stays written.
    pub(crate) fn took(&self, signal: SignalId, took: Duration) {
        let _ = self.0.try_send(Note::Took(signal, took));
    }
}

async fn write(db: &Db, work: Work) {
    let written = db
        .write(move |tx| {
            rows::insert(tx, &work.lines)?;
            rows::took(tx, &work.took)?;
            for (id, more) in &work.counts {
                rows::count(tx, *id, *more)?;
            }
            for line in &work.lines {
                tx.touched(Changed { workspace: line.workspace, topic: crate::TOPIC, id: line.id.to_string() });
            }
            Ok::<_, crate::Error>(())
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, "refused signals could not be written down");
    }
}

/// What a batch comes to.
#[derive(Debug, Default)]
struct Work {
    lines: Vec<Line>,
    counts: Vec<(SignalId, i64)>,
    took: Vec<(SignalId, Duration)>,
}

/// Who is counted together: a source, at one integration.
type Party = (Option<IpAddr>, Option<IntegrationId>);

struct Window {
    since: Duration,
    written: u32,
    /// The line that counts the rest.
    counting: Option<SignalId>,
}

#[derive(Default)]
struct Windows(HashMap<Party, Window>);

impl Windows {
    /// Decides what of each refusal is written.
    fn sort(
        &mut self,
        refusals: impl Iterator<Item = Refusal>,
        now: Duration,
        mut new_id: impl FnMut() -> SignalId,
    ) -> Work {
        self.0.retain(|_, window| now.saturating_sub(window.since) < WINDOW);
        let mut work = Work::default();
        for refusal in refusals {
            let party = (refusal.source.map(network), refusal.line.integration);
            let known = self.0.contains_key(&party) || self.0.len() < SOURCES;
            let window = self.0.entry(if known { party } else { (None, None) }).or_insert(Window {
                since: now,
                written: 0,
                counting: None,
            });
            if window.written < FULL {
                window.written += 1;
                work.lines.push(refusal.line);
                continue;
            }
            if let Some(id) = window.counting {
                match work.counts.iter_mut().find(|(counted, _)| *counted == id) {
                    Some((_, more)) => *more += 1,
                    None => work.counts.push((id, 1)),
                }
            } else {
                let id = new_id();
                window.counting = Some(id);
                let reason = "Further refused requests of this source within a minute; only counted.".to_owned();
                work.lines.push(Line { id, reason: Some(reason), user_agent: None, ..refusal.line });
            }
        }
        work
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
    use std::sync::Arc;

    use base::{Context, ManualClock, SeededChance, Timestamp};

    use super::*;
    use crate::types::{Door, SignalState};

    fn refusal(context: &Context, source: [u8; 4]) -> Refusal {
        let line = Line {
            id: context.id(),
            workspace: None,
            integration: None,
            received: context.now(),
            state: SignalState::Refused,
            status: 401,
            door: Door::Signals,
            method: "none",
            sender: None,
            source: None,
            user_agent: None,
            content_type: None,
            bytes: 0,
            count: 1,
            reason: None,
            took: Duration::ZERO,
            replay_of: None,
        };
        Refusal { line, source: Some(IpAddr::from(source)) }
    }

    #[test]
    fn twenty_lines_a_minute_and_then_a_count() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let context = Context::new(clock, Arc::new(SeededChance::new(1)));
        let mut windows = Windows::default();
        let mut send = |source: [u8; 4], times: usize, now: u64| {
            let refusals: Vec<Refusal> = (0..times).map(|_| refusal(&context, source)).collect();
            windows.sort(refusals.into_iter(), Duration::from_secs(now), || context.id())
        };
        let first = send([192, 0, 2, 1], 50, 100);
        assert_eq!((first.lines.len(), first.counts.len()), (21, 1));
        assert_eq!(first.counts[0], (first.lines[20].id, 29));
        let second = send([192, 0, 2, 1], 5, 130);
        assert_eq!((second.lines.len(), second.counts[0]), (0, (first.lines[20].id, 5)));
        assert_eq!(send([192, 0, 2, 2], 5, 130).lines.len(), 5, "another source has its own lines");
        assert_eq!(send([192, 0, 2, 1], 5, 161).lines.len(), 5, "a new minute, new lines");
    }

    #[test]
    fn any_number_of_sources_takes_bounded_memory() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let context = Context::new(clock, Arc::new(SeededChance::new(1)));
        let mut windows = Windows::default();
        let refusals: Vec<Refusal> = (0..20_000_u32).map(|n| refusal(&context, n.to_be_bytes())).collect();
        windows.sort(refusals.into_iter(), Duration::ZERO, || context.id());
        assert!(windows.0.len() <= SOURCES + 1);
        assert_eq!(network("2001:db8:0:1::7".parse().unwrap()), "2001:db8:0:1::".parse::<IpAddr>().unwrap());
    }
}
