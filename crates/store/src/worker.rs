//! Who runs what: handlers of jobs and events, by kind. The machine that runs them is [`engine`](crate::engine).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::db::Db;
use crate::engine::{self, Engine};
use crate::jobs::{self, Job, JobError};

/// A handler with its types forgotten.
pub(crate) type Handler = Arc<dyn Fn(Job) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>> + Send + Sync>;

/// How long a handler may take when nothing else is said.
const DEADLINE: Duration = Duration::from_mins(5);

/// All handlers of a process. Rooms add theirs, the composition spawns it once.
pub struct Worker {
    db: Db,
    lanes: BTreeMap<&'static str, Lane>,
}

/// What runs for one kind.
#[derive(Clone)]
pub(crate) struct Lane {
    /// Handlers at the same time.
    pub(crate) limit: usize,
    /// Failures until a job is given up.
    pub(crate) tries: u32,
    /// How long one run may take.
    pub(crate) deadline: Duration,
    /// For jobs, under no topic; for events, by topic.
    pub(crate) handlers: BTreeMap<Option<&'static str>, Handler>,
    /// One after the other, over all nodes.
    pub(crate) ordered: bool,
}

impl Worker {
    /// A worker without handlers.
    pub const fn new(db: Db) -> Self {
        Self { db, lanes: BTreeMap::new() }
    }

    /// Runs jobs of `kind` by `handler`, at most `concurrency` at the same time on this node. A job whose handler
    /// returns `Ok` without having [finished](Job::finish) it is finished then. A job can run twice (a node may die
    /// at any instant), so a handler's effects belong into the transaction that finishes it.
    #[must_use]
    pub fn handle<H, F>(mut self, kind: &'static str, concurrency: usize, handler: H) -> Self
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let lane = self.lane(kind);
        lane.limit = concurrency.max(1);
        lane.handlers.insert(None, boxed(handler));
        self
    }

    /// Runs events of `topic` by `handler`, one after the other in the order they were published, over all nodes. One
    /// that fails steps aside until its next try, so that the others flow. A listener may listen to several topics.
    #[must_use]
    pub fn listen<H, F>(mut self, topic: &'static str, listener: &'static str, handler: H) -> Self
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.db.listen(topic, listener);
        let lane = self.lane(listener);
        lane.ordered = true;
        lane.handlers.insert(Some(topic), boxed(handler));
        self
    }

    /// Gives jobs of `kind` up after `tries` failures instead of five.
    #[must_use]
    pub fn tries(mut self, kind: &'static str, tries: u32) -> Self {
        self.lane(kind).tries = tries.max(1);
        self
    }

    /// Lets one run of a job of `kind` take `deadline` instead of five minutes.
    #[must_use]
    pub fn deadline(mut self, kind: &'static str, deadline: Duration) -> Self {
        self.lane(kind).deadline = deadline;
        self
    }

    /// The store that this worker works on.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Works until `shutdown`; then lets what is under way finish (for a while) and puts back what had not begun.
    pub fn spawn(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(self.run(shutdown))
    }

    /// The same without a task of its own.
    pub async fn run(self, shutdown: CancellationToken) {
        Engine::new(self.db, self.lanes).run(shutdown).await;
    }

    /// Runs everything that is due now, one after the other, until nothing is: for tests and for tools that must not
    /// leave work behind. How many runs it took.
    pub async fn drain(&self) -> Result<usize, Error> {
        /// A handler that enqueues itself without end is a defect; a test should see it.
        const ENOUGH: usize = 100_000;
        let kinds: Vec<&'static str> = self.lanes.keys().copied().collect();
        let owner = self.db.owner().await?;
        engine::reclaim(&self.db, &owner).await?;
        let mut runs = 0;
        loop {
            let fence = self.db.next_fence();
            let (owner, wanted) = (owner.clone(), kinds.clone());
            let mut due = self
                .db
                .write(move |tx| {
                    let mut due = Vec::new();
                    for kind in &wanted {
                        due.extend(jobs::claim(tx, &owner, fence, kind, 1)?);
                    }
                    Ok::<_, Error>(due)
                })
                .await?;
            if due.is_empty() || runs > ENOUGH {
                return Ok(runs);
            }
            due.sort_by_key(Job::order);
            for job in due {
                let lane = &self.lanes[job.kind()];
                engine::run_job(&self.db, lane, job).await;
                runs += 1;
            }
        }
    }

    fn lane(&mut self, kind: &'static str) -> &mut Lane {
        self.lanes.entry(kind).or_insert_with(|| Lane {
            limit: 1,
            tries: jobs::TRIES,
            deadline: DEADLINE,
            handlers: BTreeMap::new(),
            ordered: false,
        })
    }
}

fn boxed<H, F>(handler: H) -> Handler
where
    H: Fn(Job) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), JobError>> + Send + 'static,
{
    Arc::new(move |job| Box::pin(handler(job)))
}
