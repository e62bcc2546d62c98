//! The parent's side: a few warm workers, a bounded queue before them, and a deadline for each task.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Error;
use crate::meters;
use crate::process::{Outcome, Process, WorkerCommand};
use crate::protocol::{self, Mode, Piece, Rows, Task};

/// What a task may take when the caller says nothing (rule 10 of the house).
pub const DEADLINE: Duration = Duration::from_millis(200);

/// The pool's size and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Warm workers.
    pub workers: usize,
    /// Calls that may wait for one; more get [`Error::Busy`] at once.
    pub queue: usize,
    /// How long a call may wait for one before it gets [`Error::Busy`].
    pub wait: Duration,
    /// Tasks after which a worker is replaced, long before its processor time is used up.
    pub tasks_per_worker: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 2, queue: 256, wait: Duration::from_secs(2), tasks_per_worker: 100_000 }
    }
}

/// Evaluates what customers write, in workers that can do nothing else. Cheap to clone; the workers end with the last clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    source: Source,
    options: Options,
    idle: Mutex<VecDeque<Process>>,
    turns: Semaphore,
    waiting: AtomicUsize,
}

enum Source {
    Workers(WorkerCommand),
    #[cfg(feature = "testing")]
    ThisProcess,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("options", &self.0.options).finish_non_exhaustive()
    }
}

/// Counts a waiting call for as long as it waits, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Sandbox {
    /// A sandbox whose workers are started by `command`, on first use or by [`Self::warm`].
    pub fn new(command: WorkerCommand) -> Self {
        Self::with(command, Options::default())
    }

    /// The same with other bounds.
    pub fn with(command: WorkerCommand, options: Options) -> Self {
        Self::from(Source::Workers(command), options)
    }

    /// A sandbox that evaluates in this process, with the limits of the engine but no others: for the tests of rooms
    /// above, which have no worker binary. Does not exist in a release.
    #[cfg(feature = "testing")]
    pub fn in_this_process() -> Self {
        Self::from(Source::ThisProcess, Options::default())
    }

    fn from(source: Source, options: Options) -> Self {
        let options = Options { workers: options.workers.max(1), ..options };
        Self(Arc::new(Inner {
            source,
            options,
            idle: Mutex::new(VecDeque::new()),
            turns: Semaphore::new(options.workers),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// Starts the workers now, so that the first page does not wait for them, and says whether the machine lets them lock
    /// themselves down.
    pub async fn warm(&self) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        if matches!(self.0.source, Source::ThisProcess) {
            return Ok(());
        }
        let missing = self.0.options.workers.saturating_sub(self.0.idle().len());
        for _ in 0..missing {
            let process = self.0.start().await?;
            self.0.idle().push_back(process);
        }
        Ok(())
    }

    /// Evaluates `tasks` in order, each within `deadline`, in one worker while it lives. A task that overruns or crashes
    /// costs its worker, not its neighbours.
    pub async fn run(&self, tasks: &[Task], deadline: Duration) -> Vec<Result<Rows, Error>> {
        let mut out = Vec::with_capacity(tasks.len());
        let turn = match self.0.turn().await {
            Ok(turn) => turn,
            Err(error) => {
                let out: Vec<Result<Rows, Error>> = tasks.iter().map(|_| Err(error.clone())).collect();
                out.iter().for_each(meters::ended);
                return out;
            }
        };
        let mut process = self.0.idle().pop_front();
        for task in tasks {
            let outcome = self.0.one(&mut process, task, deadline).await;
            meters::ended(&outcome);
            out.push(outcome);
        }
        self.0.give_back(process);
        drop(turn);
        out
    }

    /// Evaluates one task within `deadline`.
    pub async fn task(&self, task: Task, deadline: Duration) -> Result<Rows, Error> {
        self.run(&[task], deadline).await.pop().unwrap_or(Err(Error::Crashed))
    }

    async fn single(&self, mode: Mode, source: &str, context: &Json) -> Result<Json, Error> {
        let task = Task::new(context.clone(), vec![Piece::new(mode, source)]);
        let mut rows = self.task(task, DEADLINE).await?.rows;
        let piece = rows.pop().and_then(|mut row| row.pop()).ok_or(Error::Crashed)?;
        piece.map_err(Error::from)
    }

    /// Renders one template over `context`, an object.
    pub async fn render(&self, template: &str, context: &Json) -> Result<String, Error> {
        match self.single(Mode::Template, template, context).await? {
            Json::String(text) => Ok(text),
            _ => Err(Error::Crashed),
        }
    }

    /// Evaluates one expression over `context`, an object.
    pub async fn evaluate(&self, expression: &str, context: &Json) -> Result<Json, Error> {
        self.single(Mode::Expression, expression, context).await
    }
}

impl Inner {
    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        if waiting >= self.options.queue {
            return Err(Error::Busy);
        }
        match timeout(self.options.wait, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }

    async fn start(&self) -> Result<Process, Error> {
        match &self.source {
            Source::Workers(command) => Process::start(command).await,
            #[cfg(feature = "testing")]
            Source::ThisProcess => Err(Error::Unavailable("there are no workers in this test".to_owned())),
        }
    }

    /// One task, in `process` or a fresh one. The evaluation is pure, so a worker that died is tried again once: it may
    /// have been at the end of its own life, or killed by somebody else.
    async fn one(&self, process: &mut Option<Process>, task: &Task, deadline: Duration) -> Result<Rows, Error> {
        let frame = protocol::frame(task).map_err(|_| Error::OutputTooLarge)?;
        #[cfg(feature = "testing")]
        if matches!(self.source, Source::ThisProcess) {
            return answer_here(frame, deadline).await;
        }
        for _ in 0..2 {
            let mut worker = match process.take() {
                Some(worker) => worker,
                None => self.start().await.inspect_err(|error| tracing::error!(%error, "no sandbox worker"))?,
            };
            match worker.answer(&frame, deadline).await {
                Outcome::Answered(answer) => {
                    *process = Some(worker);
                    return answer.map_err(Error::from);
                }
                Outcome::TimedOut => {
                    worker.kill().await;
                    tracing::warn!("a sandbox worker was killed: its task took too long");
                    return Err(Error::TimedOut);
                }
                Outcome::Died => worker.kill().await,
            }
        }
        tracing::warn!("a task ended two sandbox workers");
        Err(Error::Crashed)
    }

    /// Puts a worker back, or sees to a fresh one when it was lost or has served long enough.
    fn give_back(self: &Arc<Self>, process: Option<Process>) {
        match process {
            Some(process) if process.answered < self.options.tasks_per_worker => self.idle().push_back(process),
            lost => {
                drop(lost);
                #[cfg(feature = "testing")]
                if matches!(self.source, Source::ThisProcess) {
                    return;
                }
                let pool = Arc::downgrade(self);
                tokio::spawn(async move {
                    let Some(pool) = pool.upgrade() else { return };
                    match pool.start().await {
                        Ok(process) if pool.idle().len() < pool.options.workers => pool.idle().push_back(process),
                        Ok(surplus) => drop(surplus),
                        Err(error) => tracing::error!(%error, "no sandbox worker"),
                    }
                });
            }
        }
    }
}

#[cfg(feature = "testing")]
async fn answer_here(frame: Vec<u8>, deadline: Duration) -> Result<Rows, Error> {
    let work = tokio::task::spawn_blocking(move || crate::engine::answer(frame.get(4..).unwrap_or_default()));
    match timeout(deadline.max(Duration::from_secs(5)), work).await {
        Ok(Ok(Ok(frame))) => serde_json::from_slice::<protocol::Answer>(frame.get(4..).unwrap_or_default())
            .map_err(|_| Error::Crashed)?
            .map_err(Error::from),
        Ok(_) => Err(Error::Crashed),
        Err(_) => Err(Error::TimedOut),
    }
}
