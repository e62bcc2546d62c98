//! The machine under [`Worker`](crate::Worker): claims due jobs for lanes that have room, runs them, and writes down
//! how they ended. A commit wakes it, a poll each second decides, and a timer stands at the next due time.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use base::Timestamp;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, Sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::db::Db;
use crate::jobs::{self, Job, JobError};
use crate::lease::{Held, Lease};
use crate::meters;
use crate::nodes::{self, Owner};
use crate::work::panic_text;
use crate::worker::Lane;
use crate::{Dialect, Error};

/// How often the queue is looked at without being asked.
const POLL: Duration = Duration::from_secs(1);
/// How long handlers may go on after a shutdown began.
const GRACE: Duration = Duration::from_secs(20);
/// Jobs claimed ahead for a lane at least, so that a lane of one does not pay a commit for each.
const AHEAD: usize = 16;

/// Tells this process's workers that something was enqueued.
pub(crate) struct Wake(watch::Sender<()>);

impl Default for Wake {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Wake {
    pub(crate) fn wake(&self) {
        self.0.send_replace(());
    }
}

pub(crate) struct Engine {
    db: Db,
    lanes: Vec<State>,
    /// Claims whose commit is in doubt; what they hold is put back before anything else is claimed.
    doubtful: Vec<(Owner, i64)>,
}

struct State {
    kind: &'static str,
    lane: Lane,
    lease: Option<Turn>,
    waiting: VecDeque<Job>,
    running: usize,
    /// The last look left something due behind.
    more: bool,
}

/// A lane's turn among the nodes.
struct Turn {
    lease: Lease,
    /// When it was last asked for in vain.
    refused: Option<Instant>,
}

impl Turn {
    /// The lease, if this node has it. While another node has it, it is asked for once a poll, not at every wake.
    async fn hold(&mut self) -> Option<Held> {
        if self.refused.is_some_and(|refused| refused.elapsed() < POLL) {
            return None;
        }
        let held = self.lease.hold().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "a lane's lease could not be looked at");
            None
        });
        self.refused = held.is_none().then(Instant::now);
        held
    }
}

impl State {
    /// How many jobs to claim now.
    fn room(&self) -> usize {
        let ahead = self.lane.limit.max(AHEAD);
        if self.waiting.len() > ahead / 2 {
            return 0;
        }
        (self.lane.limit + ahead).saturating_sub(self.running + self.waiting.len())
    }
}

/// What one look at the queue is to bring.
struct Look {
    db: Db,
    /// All kinds, for the next due time.
    kinds: Vec<&'static str>,
    wanted: Vec<Wanted>,
    doubtful: Vec<(Owner, i64)>,
    fence: i64,
}

#[derive(Clone)]
struct Wanted {
    kind: &'static str,
    room: usize,
    held: Option<Held>,
}

/// What it brought.
struct Found {
    /// The kinds that were asked about.
    kinds: Vec<&'static str>,
    jobs: Vec<Job>,
    /// The kinds whose room it filled.
    filled: Vec<&'static str>,
    due: Vec<(&'static str, Timestamp)>,
}

type Looking = Pin<Box<dyn Future<Output = Result<Found, (Error, Option<(Owner, i64)>)>> + Send>>;

impl Engine {
    pub(crate) fn new(db: Db, lanes: BTreeMap<&'static str, Lane>) -> Self {
        let lanes = lanes
            .into_iter()
            .map(|(kind, lane)| State {
                kind,
                // On SQLite this process is the only one; there is nobody to take turns with.
                lease: (lane.ordered && db.dialect() == Dialect::Postgres)
                    .then(|| Turn { lease: db.lease(format!("lane.{kind}")), refused: None }),
                lane,
                waiting: VecDeque::new(),
                running: 0,
                more: false,
            })
            .collect();
        Self { db, lanes, doubtful: Vec::new() }
    }

    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut wake = self.db.inner.shared.wake.0.subscribe();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: Option<Pin<Box<Sleep>>> = None;
        let mut looking: Option<Looking> = None;
        let mut tasks = JoinSet::new();
        let mut look = true;
        let keeper = tokio::spawn(shutdown.clone().run_until_cancelled_owned(keep(self.db.clone())));
        loop {
            self.start(&mut tasks);
            if look && looking.is_none() && self.lanes.iter().any(|state| state.room() > 0) {
                look = false;
                looking = Some(Box::pin(self.look().await.run()));
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    // Tasks catch their handlers' panics, so one always says which lane has room again.
                    if let Ok(lane) = done {
                        let state: &mut State = &mut self.lanes[lane];
                        state.running -= 1;
                        look |= state.more && state.room() > 0;
                    }
                }
                found = async { match &mut looking { Some(looking) => looking.await, None => std::future::pending().await } } => {
                    looking = None;
                    match found {
                        Ok(found) => due = self.take(found),
                        Err((Error::Closed, _)) => break,
                        Err((error, doubt)) => {
                            tracing::warn!(%error, "the job queue could not be looked at; trying again within a second");
                            self.doubtful.extend(doubt);
                            due = None;
                        }
                    }
                    look |= self.lanes.iter().any(|state| state.more && state.room() > 0);
                }
                Ok(()) = wake.changed() => look = true,
                () = async { match &mut due { Some(due) => due.await, None => std::future::pending().await } } => {
                    due = None;
                    look = true;
                }
                _ = poll.tick() => look = true,
            }
        }
        let claimed = match looking {
            Some(looking) => looking.await.map(|found| found.jobs).unwrap_or_default(),
            None => Vec::new(),
        };
        keeper.abort();
        self.stop(claimed, tasks).await;
    }

    /// Starts what waits in lanes that have a free place.
    fn start(&mut self, tasks: &mut JoinSet<usize>) {
        for (index, state) in self.lanes.iter_mut().enumerate() {
            while state.running < state.lane.limit
                && let Some(job) = state.waiting.pop_front()
            {
                state.running += 1;
                let (db, lane) = (self.db.clone(), state.lane.clone());
                tasks.spawn(async move {
                    run_job(&db, &lane, job).await;
                    index
                });
            }
        }
    }

    /// Prepares a look at the queue.
    async fn look(&mut self) -> Look {
        let mut wanted = Vec::new();
        for state in &mut self.lanes {
            // A full lane is not asked about, so there may be more for it once it has room.
            state.more = state.room() == 0;
            if state.more {
                continue;
            }
            let held = match &mut state.lease {
                None => None,
                Some(turn) => match turn.hold().await {
                    Some(held) => Some(held),
                    // Another node has this lane.
                    None => continue,
                },
            };
            wanted.push(Wanted { kind: state.kind, room: state.room(), held });
        }
        Look {
            db: self.db.clone(),
            kinds: wanted.iter().map(|wanted| wanted.kind).collect(),
            wanted,
            doubtful: std::mem::take(&mut self.doubtful),
            fence: self.db.next_fence(),
        }
    }

    /// Puts what was found where it runs; the timer for what comes next.
    fn take(&mut self, found: Found) -> Option<Pin<Box<Sleep>>> {
        let now = self.db.context().now();
        let mut next: Option<Timestamp> = None;
        for state in self.lanes.iter_mut().filter(|state| found.kinds.contains(&state.kind)) {
            let due = found.due.iter().find(|(kind, _)| *kind == state.kind).map(|(_, due)| *due);
            // What is due although there was room is another node's: it is locked while that one claims it.
            state.more = found.filled.contains(&state.kind) && due.is_some_and(|due| due <= now);
            if let Some(due) = due.filter(|due| *due > now) {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        for job in found.jobs {
            if let Some(state) = self.lanes.iter_mut().find(|state| state.kind == job.kind()) {
                state.waiting.push_back(job);
            }
        }
        // A microsecond late rather than early: early would find nothing and wait for the poll.
        next.map(|next| next.since(now) + Duration::from_micros(1))
            .filter(|wait| *wait < POLL)
            .map(|wait| Box::pin(tokio::time::sleep(wait)))
    }

    /// Puts back what had not begun, and lets the rest finish.
    async fn stop(mut self, mut jobs: Vec<Job>, mut tasks: JoinSet<usize>) {
        for state in &mut self.lanes {
            jobs.extend(state.waiting.drain(..));
        }
        if !jobs.is_empty() {
            let put_back = self.db.write(move |tx| jobs.iter().try_for_each(|job| jobs::unclaim(tx, job))).await;
            if let Err(error) = put_back {
                tracing::warn!(%error, "claimed jobs were not put back; they are taken over once this process is gone");
            }
        }
        let all_done = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_done).await.is_err() {
            tracing::warn!("handlers were still running at the end of the shutdown; their jobs run again");
        }
        for turn in self.lanes.iter().filter_map(|state| state.lease.as_ref()) {
            // Others take it over anyway; this only spares them the wait.
            let _ = turn.lease.release().await;
        }
    }
}

impl Look {
    async fn run(self) -> Result<Found, (Error, Option<(Owner, i64)>)> {
        let owner = self.db.owner().await.map_err(|error| (error, None))?;
        let claim = (owner.clone(), self.fence);
        let db = self.db.clone();
        db.write(move |tx| {
            for (owner, fence) in &self.doubtful {
                jobs::unclaim_all(tx, owner, *fence)?;
            }
            let mut due = jobs::next_due(tx, &self.kinds)?;
            let now = tx.now();
            let (mut claimed, mut filled) = (Vec::new(), Vec::new());
            for wanted in &self.wanted {
                if !due.iter().any(|(kind, due)| *kind == wanted.kind && *due <= now) {
                    continue;
                }
                match wanted.held.as_ref().map_or(Ok(()), |held| held.check(tx)) {
                    Ok(()) => {
                        let found = jobs::claim(tx, &owner, self.fence, wanted.kind, wanted.room)?;
                        if found.len() == wanted.room {
                            filled.push(wanted.kind);
                        }
                        claimed.extend(found);
                    }
                    // The next look asks for the lease again.
                    Err(Error::LeaseLost) => {}
                    Err(error) => return Err(error),
                }
            }
            if !claimed.is_empty() {
                due = jobs::next_due(tx, &self.kinds)?;
            }
            Ok(Found { kinds: self.kinds.clone(), jobs: claimed, filled, due })
        })
        .await
        .map_err(|error| (error, Some(claim)))
    }
}

/// Frees what stale owners had claimed, as long as the worker runs.
async fn keep(db: Db) {
    loop {
        let freed = match db.owner().await {
            Ok(owner) => reclaim(&db, &owner).await,
            Err(error) => Err(error),
        };
        match freed {
            Ok(0) => {}
            Ok(freed) => tracing::info!(freed, "jobs of a process that is gone were taken over"),
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "abandoned jobs could not be looked for; trying again within a second");
            }
        }
        tokio::time::sleep(POLL).await;
        if db.dialect() == Dialect::Sqlite {
            // Nobody else can die beside the only process.
            return;
        }
    }
}

/// Frees what stale owners had claimed; how many jobs.
pub(crate) async fn reclaim(db: &Db, me: &Owner) -> Result<u64, Error> {
    let (me, pulse) = (me.clone(), db.pulse());
    db.write(move |tx| {
        let owners = jobs::owners(tx)?;
        let mut freed = 0;
        for owner in nodes::stale(tx, &pulse, &me, owners)? {
            freed += jobs::reclaim(tx, &owner)?;
        }
        nodes::forget(tx, &pulse)?;
        Ok(freed)
    })
    .await
}

/// Runs one job to its end: done, to be tried again, or given up.
pub(crate) async fn run_job(db: &Db, lane: &Lane, job: Job) {
    let span = tracing::info_span!("job.run", kind = job.kind(), id = job.id(), attempt = job.attempt());
    async {
        let result = match lane.handlers.get(&job.topic()) {
            None => Err(JobError::fail("nothing here handles this event any more")),
            Some(handler) => {
                let run = async { tokio::time::timeout(lane.deadline, handler(job.clone())).await };
                match AssertUnwindSafe(run).catch_unwind().await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Err(JobError::retry(format!("it took longer than {} s", lane.deadline.as_secs()))),
                    Err(panic) => Err(JobError::retry(format!("its handler panicked: {}", panic_text(&*panic)))),
                }
            }
        };
        if job.is_finished() {
            meters::RUN.add(&[job.kind(), if result.is_ok() { "done" } else { "failed" }], 1);
            if let Err(JobError::Retry { reason, .. } | JobError::Fail { reason }) = result {
                tracing::warn!(reason, "a handler failed after it had finished its job");
            }
            return;
        }
        settle(db, lane.tries, job, result).await;
    }
    .instrument(span)
    .await;
}

/// Writes down how a job ended. Without this note the job would stay claimed for as long as this process lives, so
/// it is tried until the database takes it.
async fn settle(db: &Db, tries: u32, job: Job, result: Result<(), JobError>) {
    meters::RUN.add(&[job.kind(), if result.is_ok() { "done" } else { "failed" }], 1);
    if let Err(JobError::Retry { reason, .. } | JobError::Fail { reason }) = &result {
        tracing::info!(reason, "a job failed");
    }
    loop {
        let (job, result) = (job.clone(), result.clone());
        let noted = db
            .write(move |tx| match &result {
                Ok(()) => job.finish(tx),
                Err(error) => jobs::failed(tx, &job, error, tries),
            })
            .await;
        match noted {
            Ok(()) | Err(Error::Closed) => return,
            Err(Error::LeaseLost) => {
                // After a lost commit answer this is our own success; else another owner has it.
                tracing::debug!("the job was another's, or already finished");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the end of a job was not written; trying again");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}
