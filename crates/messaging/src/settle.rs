//! One task that writes what became of messages: outcomes of attempts and receipts, in batches, in their order.
//!
//! It alone knows the map of outstanding carrier ids, so no lock is taken for it. A receipt whose id is unknown
//! waits a second for the answer to its submit; then the table is searched (late receipts, other nodes'); then it is
//! kept as a stray, and taken up if its message turns up after all. Whoever brought a receipt hears only after
//! the commit.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Timestamp;
use store::Tx;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::carrier::Receipt;
use crate::engine::{Engine, write_minutes};
use crate::inbox;
use crate::job::Outcome;
use crate::outstanding::{Early, Hashed, Map, Outstanding, Strays};
use crate::probe::{self, Found};
use crate::reply::Reply;
use crate::settle_receipts as receipts;
use crate::settle_store::{self as rows, Applied, Touched};

/// Items written in one transaction at most: an outcome and a receipt for each message that one of the intake's holds, and room to
/// catch up, or what was accepted would wait in the table for nothing.
const BATCH: usize = 2_048;
/// Counts for charts are written this often.
const MINUTES: Duration = Duration::from_secs(1);
/// Waits between tries while the database does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// What the settler takes.
pub(crate) enum Settle {
    /// An attempt is over.
    Outcome(Box<Outcome>),
    /// A carrier brought a receipt.
    Receipt(Waiting),
    /// The table was searched for receipts.
    Probed(Vec<(Waiting, Option<Found>)>),
    /// Parts that wait for receipts, found in the table at start.
    Rebuilt(Vec<(Found, String, String)>),
}

/// A receipt and who waits for it to be on disk.
pub(crate) struct Waiting {
    pub(crate) receipt: Receipt,
    pub(crate) at: Timestamp,
    pub(crate) ack: Reply<()>,
}

/// A receipt with the row it belongs to.
pub(crate) struct Matched {
    pub(crate) receipt: Receipt,
    pub(crate) at: Timestamp,
    pub(crate) to: Outstanding,
    pub(crate) workspace: Option<base::WorkspaceId>,
    key: u64,
}

/// What one transaction writes.
#[derive(Default)]
pub(crate) struct Batch {
    /// Shared, because they are kept until they are written.
    outcomes: Arc<Vec<Outcome>>,
    /// Which of them.
    range: Range<usize>,
    /// Final receipts of plain messages, each message once.
    pub(crate) plain: Vec<Matched>,
    /// All others.
    pub(crate) careful: Vec<Matched>,
    /// Receipts that belong to nothing.
    pub(crate) strays: Vec<(Receipt, Timestamp)>,
    /// Messages whose receipts were kept as strays: carrier, its id, row.
    pub(crate) found_strays: Vec<(String, String, Outstanding)>,
    pub(crate) minutes: Vec<(base::WorkspaceId, i64, [i64; 3])>,
}

impl Batch {
    /// The outcomes to be written.
    fn outcomes(&self) -> &[Outcome] {
        self.outcomes.get(self.range.clone()).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.range.is_empty()
            && self.plain.is_empty()
            && self.careful.is_empty()
            && self.strays.is_empty()
            && self.minutes.is_empty()
    }
}

struct Settler {
    engine: Arc<Engine>,
    map: Map,
    early: Early<Waiting>,
    strays: Strays,
    probes: mpsc::UnboundedSender<Vec<Waiting>>,
    minutes_due: Duration,
}

/// Runs until `stop` and then until everything that was sent before is written.
pub(crate) async fn run(
    engine: Arc<Engine>,
    mut items: mpsc::UnboundedReceiver<Settle>,
    recent_strays: Vec<(String, String)>,
    stop: CancellationToken,
) {
    let (probes, probing) = mpsc::unbounded_channel();
    let prober = tokio::spawn(probe::run(Arc::clone(&engine), probing));
    let mut strays = Strays::default();
    for (carrier, carrier_ref) in recent_strays {
        strays.insert(engine.refs.of(&[&carrier, &carrier_ref]));
    }
    let mut settler =
        Settler { engine, map: Map::default(), early: Early::default(), strays, probes, minutes_due: Duration::ZERO };
    let mut taken = Vec::with_capacity(BATCH);
    loop {
        let now = settler.engine.ctx.monotonic();
        let idle = settler.early.next().map_or(MINUTES, |until| until.saturating_sub(now)).min(MINUTES);
        tokio::select! {
            biased;
            _ = items.recv_many(&mut taken, BATCH) => {}
            () = stop.cancelled() => break,
            () = tokio::time::sleep(idle) => {}
        }
        settler.turn(&mut taken, false).await;
    }
    // Whatever was in doubt before is decided now, as far as the table knows.
    items.close();
    while let Ok(item) = items.try_recv() {
        taken.push(item);
        if taken.len() == BATCH {
            settler.turn(&mut taken, false).await;
        }
    }
    settler.turn(&mut taken, true).await;
    drop(settler);
    let _ = prober.await;
}

impl Settler {
    /// Takes `items` and what has waited long enough, and writes it.
    async fn turn(&mut self, items: &mut Vec<Settle>, last: bool) {
        let now = self.engine.ctx.monotonic();
        let (mut batch, mut acks, mut outcomes) = (Batch::default(), Vec::new(), Vec::new());
        // A second receipt of one message in one batch goes the careful way.
        let mut seen = Seen::default();
        let mut ask = Vec::new();
        for item in items.drain(..) {
            match item {
                Settle::Outcome(outcome) => {
                    self.outcome(&outcome, &mut batch, &mut seen, &mut acks);
                    outcomes.push(*outcome);
                }
                Settle::Receipt(waiting) => {
                    let key = self.key(&waiting.receipt);
                    match self.map.get(key) {
                        Some(to) => self.matched(waiting, to, key, &mut batch, &mut seen, &mut acks),
                        None => ask.extend(self.early.push(now, key, waiting)),
                    }
                }
                Settle::Probed(answers) => {
                    for (waiting, found) in answers {
                        let key = self.key(&waiting.receipt);
                        let to = self.map.get(key).or_else(|| found.map(|found| self.entry(&found, false)));
                        self.placed(waiting, to, key, &mut batch, &mut seen, &mut acks);
                    }
                }
                Settle::Rebuilt(found) => {
                    for (found, carrier, carrier_ref) in found {
                        let entry = self.entry(&found, found.plain);
                        self.map.insert_older(self.engine.refs.of(&[&carrier, &carrier_ref]), entry);
                    }
                }
            }
        }
        ask.extend(self.early.expired(now, last));
        if last {
            for (waiting, found) in probe::search(&self.engine, ask).await {
                let key = self.key(&waiting.receipt);
                let to = found.map(|found| self.entry(&found, false));
                self.placed(waiting, to, key, &mut batch, &mut seen, &mut acks);
            }
        } else if !ask.is_empty() {
            // The prober lives as long as this task.
            let _ = self.probes.send(ask);
        }
        if now >= self.minutes_due || last {
            self.minutes_due = now + MINUTES;
            batch.minutes = self.engine.minutes.take();
        }
        // Their places are given back when they are written, not before: so what waits for the disk stays bounded.
        let rooms: Vec<_> = outcomes.iter_mut().map(|outcome| outcome.room.take()).collect();
        batch.range = 0..outcomes.len();
        batch.outcomes = Arc::new(outcomes);
        if !batch.is_empty() {
            self.write(batch, rooms, acks, last).await;
        }
    }

    fn key(&self, receipt: &Receipt) -> u64 {
        self.engine.refs.of(&[&receipt.carrier, &receipt.carrier_ref])
    }

    fn entry(&mut self, found: &Found, plain: bool) -> Outstanding {
        Outstanding {
            row: found.row,
            part: found.part,
            plain,
            tell: found.tell,
            telling: None,
            workspace: self.map.number(found.workspace),
        }
    }

    fn outcome(&mut self, outcome: &Outcome, batch: &mut Batch, seen: &mut Seen, acks: &mut Vec<Ack>) {
        let plain = outcome.key.parts == 1 && outcome.key.origin.is_none();
        let workspace = self.map.number(outcome.key.workspace);
        for part in &outcome.parts {
            let Some(carrier_ref) = &part.carrier_ref else { continue };
            let key = self.engine.refs.of(&[&outcome.carrier, carrier_ref]);
            let to = Outstanding {
                row: outcome.key.row,
                part: u8::try_from(part.part).unwrap_or(u8::MAX),
                plain,
                tell: outcome.key.tell,
                telling: outcome.key.telling.clone().filter(|_| plain),
                workspace,
            };
            self.map.insert(key, to.clone());
            for waiting in self.early.take(key) {
                self.matched(waiting, to.clone(), key, batch, seen, acks);
            }
            if self.strays.contains(key) {
                batch.found_strays.push((outcome.carrier.clone(), carrier_ref.clone(), to));
            }
        }
    }

    fn placed(
        &mut self,
        waiting: Waiting,
        to: Option<Outstanding>,
        key: u64,
        batch: &mut Batch,
        seen: &mut Seen,
        acks: &mut Vec<Ack>,
    ) {
        if let Some(to) = to {
            return self.matched(waiting, to, key, batch, seen, acks);
        }
        self.strays.insert(key);
        self.engine.strays.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(carrier = %waiting.receipt.carrier, "a receipt belongs to no message we know and is kept");
        batch.strays.push((waiting.receipt, waiting.at));
        acks.push(waiting.ack);
    }

    fn matched(
        &self,
        waiting: Waiting,
        to: Outstanding,
        key: u64,
        batch: &mut Batch,
        seen: &mut Seen,
        acks: &mut Vec<Ack>,
    ) {
        let first = seen.insert(key);
        let workspace = self.map.workspace(to.workspace);
        let matched = Matched { receipt: waiting.receipt, at: waiting.at, to, workspace, key };
        if matched.to.plain && first && matched.receipt.state.is_final() {
            batch.plain.push(matched);
        } else {
            batch.careful.push(matched);
        }
        acks.push(waiting.ack);
    }

    /// Writes a batch. Outcomes are written sooner or later, whatever happens; receipts are answered with the error,
    /// so that their carrier brings them again.
    async fn write(&mut self, batch: Batch, rooms: Rooms, acks: Vec<Ack>, last: bool) {
        let batch = Arc::new(batch);
        let error = match self.apply(&batch).await {
            Ok(applied) => {
                self.done(&batch, &applied);
                drop(rooms);
                self.wake(&batch, applied);
                for ack in acks {
                    ack.say(Ok(()));
                }
                return;
            }
            Err(error) => error,
        };
        tracing::error!(error = &error as &dyn std::error::Error, "outcomes and receipts could not be written");
        for ack in acks {
            ack.say(Err(Error::Unwritten));
        }
        self.engine.minutes.give_back(&batch.minutes);
        self.insist(&batch.outcomes, last).await;
        drop(rooms);
    }

    /// Writes outcomes after a first try failed: together while the database is away, one by one when it is not, so that
    /// one bad row does not hold up its neighbours.
    async fn insist(&mut self, outcomes: &Arc<Vec<Outcome>>, last: bool) {
        let (mut from, mut tries) = (0, 0_u32);
        let mut size = outcomes.len();
        while from < outcomes.len() {
            tokio::time::sleep(RETRY * 2_u32.pow(tries.min(4))).await;
            let range = from..(from + size).min(outcomes.len());
            let part = Arc::new(Batch { outcomes: Arc::clone(outcomes), range: range.clone(), ..Batch::default() });
            let error = match self.apply(&part).await {
                Ok(applied) => {
                    self.done(&part, &applied);
                    self.wake(&part, applied);
                    (from, tries) = (range.end, 0);
                    continue;
                }
                Err(error) => error,
            };
            tries += 1;
            if is_transient(&error) {
                if last && tries > 10 {
                    tracing::error!(
                        messages = outcomes.len() - from,
                        "outcomes stay unwritten; their messages are in doubt"
                    );
                    return;
                }
            } else if size > 1 {
                size = 1;
            } else {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an outcome cannot be written; its message is in doubt"
                );
                (from, tries) = (range.end, 0);
            }
        }
    }

    async fn apply(&self, batch: &Arc<Batch>) -> Result<Applied, Error> {
        let batch = Arc::clone(batch);
        self.engine.db.write_bulk(move |tx| apply(tx, &batch)).await
    }

    fn done(&mut self, batch: &Batch, applied: &Applied) {
        for matched in &batch.plain {
            self.map.remove(matched.key);
        }
        for (matched, ended) in batch.careful.iter().zip(&applied.ended) {
            if *ended {
                self.map.remove(matched.key);
            }
        }
        applied.count(&self.engine);
    }

    /// Tells the claimers that there is work or room, and whoever tells applications that there is something to tell.
    fn wake(&self, batch: &Batch, applied: Applied) {
        if applied.look {
            self.engine.told.send_modify(|turn| *turn += 1);
        }
        inbox::hand_over(applied.handed);
        let lanes = self.engine.lanes.load();
        for outcome in batch.outcomes() {
            let Some(lane) = lanes.get(outcome.goes_by()) else {
                self.engine.reroute.notify_one();
                continue;
            };
            if let Some(due) = outcome.due_at {
                lane.side(outcome.key.class).set_backlog();
                lane.due_at(due);
            }
            if lane.side(outcome.key.class).has_backlog() {
                lane.wake.notify_one();
            }
        }
    }
}

type Seen = HashSet<u64, Hashed>;
type Ack = Reply<()>;
type Rooms = Vec<Option<OwnedSemaphorePermit>>;

fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Store(cause) if cause.is_transient())
}

/// Writes one batch.
fn apply(tx: &mut Tx<'_>, batch: &Batch) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    let mut touched = Touched::default();
    rows::outcomes(tx, batch.outcomes(), &mut applied, &mut touched)?;
    receipts::plain_receipts(tx, &batch.plain, &mut applied, &mut touched)?;
    for matched in &batch.careful {
        let ended =
            receipts::careful_receipt(tx, &matched.to, &matched.receipt, matched.at, &mut applied, &mut touched)?;
        applied.ended.push(ended);
    }
    for (carrier, carrier_ref, to) in &batch.found_strays {
        receipts::take_strays(tx, carrier, carrier_ref, to, &mut applied, &mut touched)?;
    }
    for (receipt, at) in &batch.strays {
        receipts::keep_stray(tx, receipt, *at)?;
    }
    write_minutes(tx, &batch.minutes)?;
    touched.announce(tx);
    Ok(applied)
}
