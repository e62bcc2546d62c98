//! One carrier as messaging sees it: what it says of itself, the bounded room for claimed messages, and how it
//! has been doing.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use routing::{CarrierFacts, Class, SenderRules};
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::carrier::{Carrier, LinkState, OnUnknownOutcome};
use crate::job::Job;

/// Alerts that may be claimed at once in one lane.
const ALERT_ROOM: usize = 256;
/// Other messages that may be claimed at once, whatever the window.
const MOST_ROOM: usize = 4_096;
/// How long a message waits for a place in memory before it goes into the table.
const PATIENCE: Duration = Duration::from_millis(100);
/// Unanswered submits in a row after which a carrier counts as not answering.
const SUSPECT_AFTER: u32 = 3;
/// For how long it then counts so, unless it answers; after that it is tried with one message.
const SUSPECT_FOR: Duration = Duration::from_secs(5);
/// For how long that one message is waited for.
const PROBE_FOR: Duration = Duration::from_secs(15);

/// Where a new message of a side goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// To the dispatcher, as soon as it is on disk.
    Open,
    /// Messages wait in the table: a new one queues behind them.
    Backlog,
    /// The last of them are being claimed: a new one waits for that, so that it neither passes them nor joins them.
    Closing,
}

/// Room, queue and backlog of one sort of messages.
pub(crate) struct Side {
    room: Arc<Semaphore>,
    size: usize,
    jobs: mpsc::UnboundedSender<Job>,
    gate: watch::Sender<Gate>,
    /// Messages on their way into the table for the claimer.
    tabled: AtomicUsize,
}

impl Side {
    fn new(size: usize) -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (jobs, queue) = mpsc::unbounded_channel();
        // Until the first look into the table something may wait there.
        let (gate, tabled) = (watch::Sender::new(Gate::Backlog), AtomicUsize::new(0));
        (Self { room: Arc::new(Semaphore::new(size)), size, jobs, gate, tabled }, queue)
    }

    /// Up to `most` places, in one permit to be split.
    pub(crate) fn reserve(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let free = self.room.available_permits().min(most);
        let free = u32::try_from(free).ok().filter(|free| *free > 0)?;
        Arc::clone(&self.room).try_acquire_many_owned(free).ok()
    }

    /// Hands a job to the dispatcher; gives it back when that has stopped.
    pub(crate) fn push(&self, job: Job) -> Result<(), Box<Job>> {
        self.jobs.send(job).map_err(|refused| Box::new(refused.0))
    }

    /// No more room for anybody, as if the process were gone.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        self.room.close();
    }

    pub(crate) fn has_backlog(&self) -> bool {
        *self.gate.borrow() != Gate::Open
    }

    /// Something waits in the table.
    pub(crate) fn set_backlog(&self) {
        self.turn(Gate::Backlog, |_| true);
    }

    /// Whether nothing is on its way into the table; asked before a look into it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.tabled.load(Ordering::SeqCst) == 0
    }

    /// The claimer found less than it asked for and handed that over. Opens the gate when nothing was on its way into the table
    /// before that look (`quiet`), nor is now. Says whether the claimer shall look again at once; where something is on its way, it
    /// is woken when that is there.
    pub(crate) fn drained(&self, quiet: bool) -> bool {
        if quiet {
            self.turn(Gate::Open, |gate| gate == Gate::Closing && self.is_quiet());
        }
        self.turn(Gate::Closing, |gate| gate == Gate::Backlog);
        quiet && self.has_backlog()
    }

    fn turn(&self, to: Gate, if_so: impl FnOnce(Gate) -> bool) {
        self.gate.send_if_modified(|gate| {
            let turns = *gate != to && if_so(*gate);
            if turns {
                *gate = to;
            }
            turns
        });
    }
}

/// Where a message that is being stored waits for its carrier.
pub(crate) enum Place {
    /// In memory: it is claimed in the insert that stores it.
    Room(OwnedSemaphorePermit),
    /// In the table, for the claimer.
    Table(Option<Tabled>),
}

impl Place {
    pub(crate) const fn is_room(&self) -> bool {
        matches!(self, Self::Room(_))
    }
}

/// A message on its way into the table: until this is dropped, nothing that is newer passes it.
pub(crate) struct Tabled {
    lane: Arc<Lane>,
    class: Class,
}

impl Tabled {
    fn new(lane: &Arc<Lane>, class: Class) -> Self {
        let side = lane.side(class);
        side.tabled.fetch_add(1, Ordering::SeqCst);
        side.set_backlog();
        Self { lane: Arc::clone(lane), class }
    }
}

impl Drop for Tabled {
    fn drop(&mut self) {
        self.lane.side(self.class).tabled.fetch_sub(1, Ordering::SeqCst);
        self.lane.wake.notify_one();
    }
}

/// The queues of a lane, for its dispatcher.
pub(crate) struct Queues {
    pub(crate) alerts: mpsc::UnboundedReceiver<Job>,
    pub(crate) others: mpsc::UnboundedReceiver<Job>,
}

/// How a lane has been doing since it was attached.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) submitted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) not_sent: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

/// One attached carrier.
pub(crate) struct Lane {
    pub(crate) name: Arc<str>,
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) simulated: bool,
    pub(crate) window: usize,
    pub(crate) policy: OnUnknownOutcome,
    senders: Option<Arc<SenderRules>>,
    /// Submits that may be outstanding as its answers allow now; at most `window`.
    pub(crate) allowed: AtomicUsize,
    pub(crate) alerts: Side,
    pub(crate) others: Side,
    /// The claimer shall look into the table.
    pub(crate) wake: Notify,
    pub(crate) stop: CancellationToken,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) counters: Counters,
    unanswered: AtomicU32,
    suspect_until: AtomicI64,
    down: Mutex<Option<(Duration, String)>>,
    next_due: AtomicI64,
}

/// A lane as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// The carrier.
    pub carrier: String,
    /// Why it takes nothing, if so.
    pub down: Option<String>,
    /// Whether nothing leaves the machine by it.
    pub simulated: bool,
    /// Submits outstanding now.
    pub in_flight: usize,
    /// Submits that may be outstanding.
    pub window: usize,
    /// How many of them may be now: fewer after it asked to slow down or did not answer, until it takes them well again.
    pub allowed: usize,
    /// Claimed messages in memory.
    pub claimed: usize,
    /// Parts it took since it was attached.
    pub submitted: u64,
    /// Parts it refused.
    pub refused: u64,
    /// Times it asked to slow down.
    pub throttled: u64,
    /// Parts that could not be handed over.
    pub not_sent: u64,
    /// Submits that were cut off unanswered.
    pub unknown: u64,
}

impl Lane {
    pub(crate) fn new(carrier: Arc<dyn Carrier>, stop: CancellationToken) -> (Arc<Self>, Queues) {
        let window = carrier.window().max(1);
        // Claimed but not yet handed over is what a crash puts in doubt: keep it near to what the carrier takes soon.
        let fast = carrier.rate().map_or(MOST_ROOM, |rate| usize::try_from(rate.get()).unwrap_or(MOST_ROOM).max(8));
        let (alerts, alert_queue) = Side::new(ALERT_ROOM);
        let (others, other_queue) = Side::new((window * 2).min(fast).clamp(8, MOST_ROOM));
        let lane = Self {
            name: carrier.name().into(),
            simulated: carrier.is_simulated(),
            window,
            policy: carrier.on_unknown_outcome(),
            senders: carrier.senders(),
            allowed: AtomicUsize::new(window),
            alerts,
            others,
            wake: Notify::new(),
            stop,
            in_flight: AtomicUsize::new(0),
            counters: Counters::default(),
            unanswered: AtomicU32::new(0),
            suspect_until: AtomicI64::new(0),
            down: Mutex::default(),
            next_due: AtomicI64::new(i64::MAX),
            carrier,
        };
        (Arc::new(lane), Queues { alerts: alert_queue, others: other_queue })
    }

    /// The side that messages of `class` use.
    pub(crate) const fn side(&self, class: Class) -> &Side {
        match class {
            Class::Alert => &self.alerts,
            Class::Otp | Class::Transactional | Class::Marketing => &self.others,
        }
    }

    /// Where a new message of `class` waits: in memory when the carrier is up, has room, and nothing waits before it; else in the
    /// table.
    pub(crate) fn place(self: &Arc<Self>, class: Class, now: Duration) -> Place {
        self.room(class, now).map_or_else(|| Place::Table(Some(Tabled::new(self, class))), Place::Room)
    }

    /// The same, or nothing when the lane is busy and may be waited for ([`Self::place_soon`]).
    pub(crate) fn place_now(self: &Arc<Self>, class: Class, now: Duration) -> Option<Place> {
        match self.room(class, now) {
            Some(room) => Some(Place::Room(room)),
            None if self.carrier.rate().is_none() => None,
            None => Some(Place::Table(Some(Tabled::new(self, class)))),
        }
    }

    /// The same, but a lane that is busy is waited for a moment, in turn: whoever sends faster than messages leave is slowed down
    /// rather than having each of them written, read and opened once more.
    pub(crate) async fn place_soon(self: &Arc<Self>, class: Class, now: Duration) -> Place {
        if let Some(room) = self.room(class, now) {
            return Place::Room(room);
        }
        if self.carrier.rate().is_none()
            && let Ok(Some(room)) = tokio::time::timeout(PATIENCE, self.room_soon(class, now)).await
        {
            self.admitted(now);
            return Place::Room(room);
        }
        Place::Table(Some(Tabled::new(self, class)))
    }

    fn room(&self, class: Class, now: Duration) -> Option<OwnedSemaphorePermit> {
        let side = self.side(class);
        if side.has_backlog() || !self.takes(now) {
            return None;
        }
        let room = Arc::clone(&side.room).try_acquire_owned().ok()?;
        self.admitted(now);
        Some(room)
    }

    async fn room_soon(&self, class: Class, now: Duration) -> Option<OwnedSemaphorePermit> {
        let side = self.side(class);
        let mut gate = side.gate.subscribe();
        loop {
            let open = *gate.wait_for(|gate| *gate != Gate::Closing).await.ok()? == Gate::Open;
            if !open || !self.takes(now) {
                return None;
            }
            let room = Arc::clone(&side.room).acquire_owned().await.ok()?;
            // Meanwhile somebody may have lost patience.
            if !side.has_backlog() {
                return Some(room);
            }
        }
    }

    fn takes(&self, now: Duration) -> bool {
        !self.stop.is_cancelled() && self.admits(now, 1).is_some()
    }

    /// Why the carrier takes nothing now.
    pub(crate) fn why_down(&self, now: Duration) -> Option<String> {
        if let LinkState::Down { reason } = &*self.carrier.link().borrow() {
            return Some(reason.clone());
        }
        (self.suspect_until.load(Ordering::Acquire) > micros(now)).then(|| "it does not answer".to_owned())
    }

    /// How many messages may be claimed now, at most `most`: none while it is down, one when it was mute and nobody
    /// knows yet whether it answers again.
    pub(crate) fn admits(&self, now: Duration, most: usize) -> Option<usize> {
        if self.why_down(now).is_some() {
            return None;
        }
        Some(if self.unanswered.load(Ordering::Acquire) >= SUSPECT_AFTER { most.min(1) } else { most })
    }

    /// Something was claimed: a carrier that was mute gets no second message before it answers the first.
    pub(crate) fn admitted(&self, now: Duration) {
        if self.unanswered.load(Ordering::Acquire) >= SUSPECT_AFTER {
            self.suspect_until.store(micros(now + PROBE_FOR), Ordering::Release);
        }
    }

    /// For how long it has been down without a break, as this process saw it.
    pub(crate) fn down_for(&self, now: Duration) -> Option<(Duration, String)> {
        let reason = self.why_down(now);
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        *down = match (down.take(), reason) {
            (_, None) => None,
            (Some((since, _)), Some(reason)) => Some((since, reason)),
            (None, Some(reason)) => Some((now, reason)),
        };
        down.as_ref().map(|(since, reason)| (now.saturating_sub(*since), reason.clone()))
    }

    /// What routing wants to know.
    pub(crate) fn facts(&self, now: Duration) -> CarrierFacts {
        CarrierFacts { simulated: self.simulated, down: self.why_down(now), senders: self.senders.clone() }
    }

    /// The carrier answered something.
    pub(crate) fn answered(&self) {
        self.unanswered.store(0, Ordering::Release);
        self.suspect_until.store(0, Ordering::Release);
    }

    /// A submit was cut off unanswered.
    pub(crate) fn did_not_answer(&self, now: Duration) {
        if self.unanswered.fetch_add(1, Ordering::AcqRel) + 1 >= SUSPECT_AFTER {
            self.suspect_until.store(micros(now + SUSPECT_FOR), Ordering::Release);
        }
    }

    /// Something will be due at `at` (wall time): the claimer should not sleep longer.
    pub(crate) fn due_at(&self, at: base::Timestamp) {
        self.next_due.fetch_min(at.as_micros(), Ordering::AcqRel);
    }

    /// When something is due that was announced, and forgets it.
    pub(crate) fn take_due(&self) -> Option<base::Timestamp> {
        let at = self.next_due.swap(i64::MAX, Ordering::AcqRel);
        (at != i64::MAX).then(|| base::Timestamp::from_micros(at))
    }

    pub(crate) fn status(&self, now: Duration) -> LaneStatus {
        let free = self.alerts.room.available_permits() + self.others.room.available_permits();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneStatus {
            carrier: self.name.to_string(),
            down: self.why_down(now),
            simulated: self.simulated,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            window: self.window,
            allowed: self.allowed.load(Ordering::Relaxed),
            claimed: (self.alerts.size + self.others.size).saturating_sub(free),
            submitted: count(&self.counters.submitted),
            refused: count(&self.counters.refused),
            throttled: count(&self.counters.throttled),
            not_sent: count(&self.counters.not_sent),
            unknown: count(&self.counters.unknown),
        }
    }
}

fn micros(at: Duration) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}
