//! One task for each lane: takes claimed messages, obeys window, rate and the carrier's wish to slow down, hands
//! parts over, and says what became of each attempt.
//!
//! Alerts go first and have places of their own, so a full bulk queue never delays a page. Everything that was
//! claimed ends as exactly one [`Outcome`]; what is not yet handed over when the carrier goes down or this process
//! stops is given back to the table, so that only submits that really were out are ever in doubt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use routing::Class;

use crate::carrier::{Carrier, Coded, Remedy, Submission, SubmitError};
use crate::conclude::conclude;
use crate::engine::Engine;
use crate::job::{Job, Outcome, PartOutcome};
use crate::lane::{Lane, Queues};
use crate::octets::{Body, Octets};
use crate::pace::{Congestion, Courtesy, Pace};
use crate::{Error, State};

/// How long submits that are out may take when the lane stops; then they are in doubt.
const DRAIN: Duration = Duration::from_secs(12);
/// Sleeps no longer than this while it waits for a rate or a pause.
const TICK: Duration = Duration::from_millis(500);

const WENT_DOWN: &str = "the carrier went down before it was handed over";

/// How an attempt ended.
pub(crate) enum End {
    /// The carrier has every part.
    Complete,
    /// It refused a part.
    Refused { part: usize, status: String, remedy: Remedy },
    /// It asked to slow down.
    Throttled,
    /// A part surely never left.
    NotSent { reason: String },
    /// A part may have left.
    Unknown { part: usize, reason: String },
    /// Its time ran out before a part left.
    TooLate,
    /// It cannot be cut into parts any more, which would be a defect of ours.
    Unsendable,
}

/// An attempt that is over.
pub(crate) struct Attempt {
    pub(crate) job: Job,
    pub(crate) parts: Vec<PartOutcome>,
    pub(crate) end: End,
    pub(crate) began: Duration,
}

type InFlight = FuturesUnordered<Pin<Box<dyn Future<Output = Attempt> + Send>>>;

struct Dispatcher {
    engine: Arc<Engine>,
    lane: Arc<Lane>,
    queues: Queues,
    out: InFlight,
    others_out: usize,
    pace: Pace,
    congestion: Congestion,
    courtesy: Courtesy,
}

/// Runs a lane until it stops.
pub(crate) async fn run(engine: Arc<Engine>, lane: Arc<Lane>, queues: Queues) {
    let now = engine.ctx.monotonic();
    let (pace, congestion) = (Pace::new(lane.carrier.rate(), now), Congestion::new(lane.window));
    let courtesy = Courtesy::new(lane.window);
    let dispatcher =
        Dispatcher { engine, lane, queues, out: FuturesUnordered::new(), others_out: 0, pace, congestion, courtesy };
    dispatcher.run().await;
}

impl Dispatcher {
    async fn run(mut self) {
        let (lane, stop) = (Arc::clone(&self.lane), self.lane.stop.clone());
        let mut link = lane.carrier.link();
        link.mark_changed();
        loop {
            let now = self.engine.ctx.monotonic();
            let wait = self.pace.wait(now).max(self.congestion.wait(now));
            let down = !link.borrow().is_up();
            let open = wait.is_zero() && !down;
            let window = self.congestion.window();
            // One place in eight, and one at least where there are two, is kept for alerts.
            let kept = (window / 8).max(usize::from(window > 1));
            let bulk = (window - kept).min(self.courtesy.window());
            let (alerts, others) =
                (open && self.out.len() < window, open && self.others_out < bulk && self.out.len() < window);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(attempt) = self.out.next(), if !self.out.is_empty() => self.finished(attempt),
                changed = link.changed() => {
                    if changed.is_err() {
                        // The carrier is gone for good; whoever detached it stops the lane too.
                        stop.cancelled().await;
                        break;
                    }
                    if link.borrow_and_update().is_up() {
                        self.lane.answered();
                        self.lane.wake.notify_one();
                    } else {
                        self.give_back(WENT_DOWN);
                    }
                }
                Some(job) = self.queues.alerts.recv(), if alerts || down => self.take(job, down),
                Some(job) = self.queues.others.recv(), if others || down => self.take(job, down),
                () = tokio::time::sleep(wait.min(TICK)), if !wait.is_zero() => {}
            }
        }
        self.queues.alerts.close();
        self.queues.others.close();
        self.give_back("this server is stopping or the carrier's settings changed");
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(attempt) = self.out.next().await {
                self.finished(attempt);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(carrier = %lane.name, outstanding = lane.in_flight.load(Ordering::Relaxed), "submits are still unanswered and now in doubt");
        }
    }

    /// Starts a job, or gives it back when it was claimed just before the carrier went down.
    fn take(&mut self, job: Job, down: bool) {
        if down {
            self.release(job, WENT_DOWN);
        } else {
            self.start(job);
        }
    }

    fn start(&mut self, job: Job) {
        self.pace.spend(job.parts);
        self.others_out += usize::from(job.class != Class::Alert);
        self.lane.in_flight.fetch_add(1, Ordering::Relaxed);
        self.engine.remember_conversation(&self.lane.name, &job);
        let began = self.engine.ctx.monotonic();
        self.out.push(Box::pin(attempt(Arc::clone(&self.engine), Arc::clone(&self.lane.carrier), job, began)));
    }

    fn finished(&mut self, attempt: Attempt) {
        let now = self.engine.ctx.monotonic();
        let counters = &self.lane.counters;
        self.others_out -= usize::from(attempt.job.class != Class::Alert);
        self.lane.in_flight.fetch_sub(1, Ordering::Relaxed);
        counters.submitted.fetch_add(u64::try_from(attempt.parts.len()).unwrap_or(0), Ordering::Relaxed);
        let mut pause = Duration::ZERO;
        match &attempt.end {
            End::Complete => {
                self.congestion.succeeded(now);
                let asked = self.lane.others.has_backlog() && self.engine.is_alerting(now);
                let parts = u32::try_from(attempt.parts.len().max(1)).unwrap_or(1);
                self.courtesy.answered(now, now.saturating_sub(attempt.began) / parts, asked);
                self.lane.answered();
            }
            End::Refused { .. } => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                self.lane.answered();
            }
            End::Throttled => {
                counters.throttled.fetch_add(1, Ordering::Relaxed);
                self.lane.answered();
                pause = self.congestion.throttled(now);
            }
            End::NotSent { .. } => {
                counters.not_sent.fetch_add(1, Ordering::Relaxed);
            }
            End::Unknown { .. } => {
                counters.unknown.fetch_add(1, Ordering::Relaxed);
                self.congestion.unanswered(now);
                self.lane.did_not_answer(now);
            }
            End::TooLate | End::Unsendable => {}
        }
        self.lane.allowed.store(self.congestion.window(), Ordering::Relaxed);
        let outcome = conclude(&self.engine, &self.lane, attempt, pause);
        self.engine.settle(outcome);
    }

    /// Gives everything back that waits in memory.
    fn give_back(&mut self, reason: &str) {
        while let Ok(job) = self.queues.alerts.try_recv().or_else(|_| self.queues.others.try_recv()) {
            self.release(job, reason);
        }
    }

    fn release(&self, job: Job, reason: &str) {
        let now = self.engine.ctx.now();
        self.lane.side(job.class).set_backlog();
        let mut outcome = Outcome::new(job.key(), self.engine.epoch(), &self.lane.name, State::Queued, now);
        outcome.reason = Some(reason.to_owned());
        outcome.due_at = Some(now);
        outcome.room = Some(job.room);
        self.engine.settle(outcome);
    }
}

/// Hands the parts of one message over, one after the other: so at most one part of a message is ever in doubt, and
/// nothing more is paid for a message whose first part is refused.
async fn attempt(engine: Arc<Engine>, carrier: Arc<dyn Carrier>, job: Job, began: Duration) -> Attempt {
    let mut parts = Vec::new();
    // One that has begun goes on in the way it began.
    let whole = job.parts > 1 && job.sent == 0 && carrier.takes_whole();
    let Ok(pieces) = cut(&job, whole) else { return Attempt { job, parts, end: End::Unsendable, began } };
    let mut end = End::Complete;
    for (index, submission) in pieces.into_iter().enumerate() {
        let number = index + 1;
        if job.has_sent(number) {
            continue;
        }
        if job.expires_at.is_some_and(|at| at <= engine.ctx.now()) {
            end = End::TooLate;
            break;
        }
        // A panic in a carrier is a submit without an answer, not the end of this lane (fault F-27).
        let answer = std::panic::AssertUnwindSafe(carrier.submit(submission)).catch_unwind().await;
        let answer =
            answer.unwrap_or_else(|_| Err(SubmitError::Unknown { reason: "the carrier's code failed".to_owned() }));
        match answer {
            Ok(submitted) => {
                let carrier_ref = Some(submitted.carrier_ref).filter(|text| !text.is_empty());
                let at = engine.ctx.now();
                // What went whole has one id, and one receipt for all of its parts.
                for part in if whole { 1..=job.parts } else { number..=number } {
                    let carrier_ref = carrier_ref.clone();
                    parts.push(PartOutcome { part, state: State::Sent, carrier_ref, at, error: None });
                }
            }
            Err(error) => {
                end = ended(number, error);
                break;
            }
        }
    }
    Attempt { job, parts, end, began }
}

fn ended(part: usize, error: SubmitError) -> End {
    match error {
        SubmitError::Rejected { status, remedy } => End::Refused { part, status, remedy },
        SubmitError::Throttled => End::Throttled,
        SubmitError::NotSent { reason } => End::NotSent { reason },
        SubmitError::Unknown { reason } => End::Unknown { part, reason },
    }
}

/// The parts of a job. The reference is the row's: messages to one handset that are under way together differ in it.
fn cut(job: &Job, whole: bool) -> Result<Vec<Submission>, Error> {
    let submission = |encoding, concat, payload, coded| Submission {
        sender: job.sender.clone(),
        destination: job.destination.clone(),
        encoding,
        concat,
        payload,
        coded,
        expires_at: job.expires_at,
        class: job.class,
    };
    let reference = u16::try_from(job.row & 0xFFFF).unwrap_or(0);
    match &job.body {
        Body::Text(text) if whole => {
            let payload = sms::encode(job.encoding, text).map_err(|_| Error::Corrupt("text"))?;
            Ok(vec![submission(job.encoding, None, payload, None)])
        }
        Body::Text(text) => {
            let choice = match job.encoding {
                sms::Encoding::Gsm7 => sms::Choice::Gsm7,
                sms::Encoding::Ucs2 => sms::Choice::Ucs2,
            };
            let cut = sms::segment(text, choice, reference, false)?;
            Ok(cut.parts.into_iter().map(|part| submission(cut.encoding, part.concat, part.payload, None)).collect())
        }
        Body::Octets(Octets { data_coding, has_header, octets }) => {
            let coded = Coded { data_coding: *data_coding, has_header: *has_header };
            Ok(vec![submission(job.encoding, None, octets.clone(), Some(coded))])
        }
    }
}
