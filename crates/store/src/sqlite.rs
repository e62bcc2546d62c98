//! The embedded database: one writer thread with group commit, and reader threads with connections of their own.
//!
//! Everything that queued while the last commit was being synchronised runs in one transaction, a savepoint each, and
//! is answered after the next commit. One synchronisation thus serves hundreds of callers, and under low load each
//! caller has its own. Bulk has a queue of its own and makes way: see [`turns`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::Error;
use crate::db::{Access, Shared};
use crate::error::cause;
use crate::meters;
use crate::options::Options;
use crate::tx::{Driver, Effects, Tx};
use crate::work::Work;

mod file;
mod statements;
mod turns;

pub(crate) use statements::Statements;
use turns::Turns;

/// Transactions in one commit at most: bounds how long the first one waits for the last.
const GROUP: usize = 1024;
/// Statements kept prepared on each connection.
const PREPARED: usize = 256;

/// The threads of one database file.
pub(crate) struct Sqlite {
    queues: Mutex<Option<Queues>>,
    /// Closes when the last thread has ended and the lock is free.
    ended: watch::Receiver<()>,
    patience: Duration,
    path: PathBuf,
}

#[derive(Clone)]
struct Queues {
    /// Absent in a store that only looks.
    writer: Option<Writer>,
    readers: mpsc::Sender<Box<dyn Work>>,
}

/// The queues before the writer.
#[derive(Clone)]
struct Writer {
    urgent: mpsc::Sender<Box<dyn Work>>,
    bulk: mpsc::Sender<Box<dyn Work>>,
}

/// What keeps the file ours; dropped by the last thread.
struct Hold {
    _lock: Option<File>,
    _ended: watch::Sender<()>,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, options: &Options, shared: &Arc<Shared>) -> Result<Self, Error> {
        let lock = if options.shared { None } else { Some(file::lock(path).await?) };
        let (path, options, shared) = (path.to_owned(), options.clone(), shared.clone());
        tokio::task::spawn_blocking(move || Self::start(&path, &options, &shared, lock))
            .await
            .map_err(|error| Error::Unavailable(Arc::new(error)))?
    }

    fn start(path: &Path, options: &Options, shared: &Arc<Shared>, lock: Option<File>) -> Result<Self, Error> {
        let (ended_sender, ended) = watch::channel(());
        let hold = Arc::new(Hold { _lock: lock, _ended: ended_sender });
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let hold = hold.clone();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    body();
                    drop(hold);
                })
                .map_err(|error| Error::Unavailable(Arc::new(error)))
        };
        // The writer's connection comes first: it makes the file and its journal.
        let writer = if options.shared {
            None
        } else {
            let statements = Statements::new(file::open_writer(path)?);
            let ((urgent, first), (bulk, second)) = (mpsc::channel(options.queue), mpsc::channel(options.queue));
            let turns = Turns::new(first, second, Handle::current(), GROUP);
            let shared = shared.clone();
            spawn("store-writer", Box::new(move || write_loop(&statements, &shared, turns)))?;
            Some(Writer { urgent, bulk })
        };
        let (readers, queue) = mpsc::channel(options.queue);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..options.readers {
            let statements = Statements::new(file::open_reader(path)?);
            let (shared, queue) = (shared.clone(), queue.clone());
            spawn("store-reader", Box::new(move || read_loop(&statements, &shared, &queue)))?;
        }
        Ok(Self {
            queues: Mutex::new(Some(Queues { writer, readers })),
            ended,
            patience: options.patience,
            path: path.to_owned(),
        })
    }

    /// The database's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn submit(&self, work: Box<dyn Work>, access: Access) -> Result<(), Error> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)?;
        let queue = match access {
            Access::Read => queues.readers,
            Access::Write | Access::Patient => queues.writer.ok_or(Error::ReadOnly)?.urgent,
            Access::Bulk => queues.writer.ok_or(Error::ReadOnly)?.bulk,
        };
        // The usual case has a place at once and needs no timer.
        match queue.try_send(work) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Closed),
            Err(mpsc::error::TrySendError::Full(work)) => {
                queue.send_timeout(work, self.patience).await.map_err(|error| match error {
                    mpsc::error::SendTimeoutError::Timeout(_) => Error::Overloaded,
                    mpsc::error::SendTimeoutError::Closed(_) => Error::Closed,
                })
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).take();
        // An error is what we wait for: every sender is gone.
        let _ = self.ended.clone().changed().await;
    }
}

fn read_loop(statements: &Statements, shared: &Shared, queue: &Mutex<mpsc::Receiver<Box<dyn Work>>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(mut work) = next else { return };
        let result = statements.control("BEGIN").map_err(|failed| failed.error);
        if result.is_ok() {
            let mut tx = Tx::new(Driver::Sqlite(statements), shared);
            // What was read may be remembered: whoever wrote it has committed it.
            if work.run(&mut tx) {
                tx.into_effects().release(shared);
            }
            if let Err(failed) = statements.control("ROLLBACK") {
                tracing::error!(error = %failed.error, "a read transaction did not end");
            }
        }
        work.answer(result);
    }
}

fn write_loop(statements: &Statements, shared: &Shared, mut turns: Turns<Box<dyn Work>>) {
    while turns.wait() {
        let alone = turns.is_alone();
        commit_group(statements, shared, alone, &mut || turns.next());
    }
    // Statistics for the planner, kept small by SQLite itself.
    let _ = statements.script("PRAGMA optimize");
}

/// Runs a group in one transaction, commits and answers it.
fn commit_group(
    statements: &Statements,
    shared: &Shared,
    alone: bool,
    next: &mut dyn FnMut() -> Option<Box<dyn Work>>,
) {
    let answer_all = |group: Vec<Box<dyn Work>>, result: &Result<(), Error>| {
        for work in group {
            work.answer(result.clone());
        }
    };
    if let Err(failed) = statements.control("BEGIN IMMEDIATE") {
        return answer_all(std::iter::from_fn(next).collect(), &Err(failed.error));
    }
    let mut kept: Vec<(Box<dyn Work>, Effects)> = Vec::new();
    let mut refused: Vec<Box<dyn Work>> = Vec::new();
    while let Some(mut work) = next() {
        match run_one(statements, shared, &mut *work, alone) {
            Ok(Some(effects)) => kept.push((work, effects)),
            Ok(None) => refused.push(work),
            Err(error) => {
                // Some errors (disk full, out of memory) end the whole transaction: nothing before them is kept. Who
                // has not had a turn gets it in the next group.
                let _ = statements.control("ROLLBACK");
                refused.push(work);
                answer_all(kept.into_iter().map(|(work, _)| work).collect(), &Err(error.clone()));
                return answer_all(refused, &Err(error));
            }
        }
    }
    let began = shared.context.monotonic();
    let committed = statements.control(if kept.is_empty() { "ROLLBACK" } else { "COMMIT" });
    if !kept.is_empty() {
        meters::COMMIT.took(shared.context.monotonic().saturating_sub(began));
        meters::GROUP.record(kept.len() as u64);
    }
    answer_all(refused, &committed.as_ref().map_or_else(|failed| Err(failed.error.clone()), |()| Ok(())));
    let Err(failed) = committed else {
        for (work, effects) in kept {
            effects.release(shared);
            work.answer(Ok(()));
        }
        return;
    };
    if !statements.is_idle() {
        let _ = statements.control("ROLLBACK");
    }
    let kept = kept.into_iter().map(|(work, _)| work);
    if kept.len() > 1 && matches!(failed.error, Error::Constraint { .. }) {
        // A deferred constraint of one of them: each alone shows whose.
        for work in kept {
            let mut work = Some(work);
            commit_group(statements, shared, true, &mut || work.take());
        }
        return;
    }
    meters::FAILED.add(&["failed"], 1);
    tracing::error!(error = %failed.error, "a commit failed; its callers were told");
    // The journal was written but not known to be on disk: neither yes nor no is certain.
    let error = match failed.error {
        Error::Unavailable(cause) => Error::CommitUnknown(cause),
        other => other,
    };
    answer_all(kept.collect(), &Err(error));
}

/// Runs one transaction of a group: its effects when it shall be kept, `None` when it was undone, an error when the
/// whole group's transaction is gone.
fn run_one(
    statements: &Statements,
    shared: &Shared,
    work: &mut dyn Work,
    alone: bool,
) -> Result<Option<Effects>, Error> {
    let control = |sql| statements.control(sql).map_err(|failed| failed.error);
    if !alone {
        control("SAVEPOINT one")?;
    }
    let mut tx = Tx::new(Driver::Sqlite(statements), shared);
    let keep = work.run(&mut tx);
    let effects = tx.into_effects();
    if statements.is_idle() {
        return Err(Error::Unavailable(cause("the database ended the transaction by itself")));
    }
    if !alone {
        if !keep {
            control("ROLLBACK TO SAVEPOINT one")?;
        }
        control("RELEASE SAVEPOINT one")?;
    }
    Ok(keep.then_some(effects))
}
