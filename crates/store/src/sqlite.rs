//! The embedded database: one writer thread with group commit, and reader threads with connections of their own.
//!
//! Everything that queued while the last commit was being synchronised runs in one transaction, a savepoint each, and
//! is answered after the next commit. One synchronisation thus serves hundreds of callers, and under low load each
//! caller has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, ffi};
use tokio::sync::{mpsc, watch};

use crate::db::{Access, Shared};
use crate::dialect::sqlite_placeholders;
use crate::error::cause;
use crate::options::Options;
use crate::row::RowKind;
use crate::tx::{Driver, Effects, Failed, Tx};
use crate::work::Work;
use crate::{Constraint, Error, Row, Value};

/// Transactions in one commit at most: bounds how long the first one waits for the last.
const GROUP: usize = 1024;
/// Statements kept prepared on each connection.
const PREPARED: usize = 256;
/// A process that is being replaced gets this long to let go of the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The threads of one database file.
pub(crate) struct Sqlite {
    queues: Mutex<Option<Queues>>,
    /// Closes when the last thread has ended and the lock is free.
    ended: watch::Receiver<()>,
    patience: Duration,
}

#[derive(Clone)]
struct Queues {
    /// Absent in a store that only looks.
    writer: Option<mpsc::Sender<Box<dyn Work>>>,
    readers: mpsc::Sender<Box<dyn Work>>,
}

/// What keeps the file ours; dropped by the last thread.
struct Hold {
    _lock: Option<File>,
    _ended: watch::Sender<()>,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, options: &Options, shared: &Arc<Shared>) -> Result<Self, Error> {
        let lock = if options.shared { None } else { Some(lock(path).await?) };
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
            let statements = Statements::new(open_writer(path)?);
            let (sender, queue) = mpsc::channel(options.queue);
            let shared = shared.clone();
            spawn("store-writer", Box::new(move || write_loop(&statements, &shared, queue)))?;
            Some(sender)
        };
        let (readers, queue) = mpsc::channel(options.queue);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..options.readers {
            let statements = Statements::new(open_reader(path)?);
            let (shared, queue) = (shared.clone(), queue.clone());
            spawn("store-reader", Box::new(move || read_loop(&statements, &shared, &queue)))?;
        }
        Ok(Self { queues: Mutex::new(Some(Queues { writer, readers })), ended, patience: options.patience })
    }

    pub(crate) async fn submit(&self, work: Box<dyn Work>, access: Access) -> Result<(), Error> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)?;
        let queue = if access == Access::Read { queues.readers } else { queues.writer.ok_or(Error::ReadOnly)? };
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

/// Takes the lock that makes this process the only one with the file. The kernel frees it however the process ends.
async fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(PathBuf::from(name))
        .map_err(|error| cannot_open(path, &error))?;
    let step = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    while let Err(error) = file.try_lock() {
        match error {
            std::fs::TryLockError::WouldBlock if waited < LOCK_PATIENCE => tokio::time::sleep(step).await,
            std::fs::TryLockError::WouldBlock => return Err(Error::Locked(path.display().to_string())),
            std::fs::TryLockError::Error(error) => return Err(cannot_open(path, &error)),
        }
        waited += step;
    }
    // For a person who wonders which process it is; nothing reads it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn cannot_open(path: &Path, error: &std::io::Error) -> Error {
    Error::Options(format!(
        "the database file {} cannot be opened ({}); its directory must exist and belong to the server's user",
        path.display(),
        error.kind()
    ))
}

fn open_writer(path: &Path) -> Result<Connection, Error> {
    // Made here rather than by SQLite, so that nobody else could ever read it. Journal files take its mode.
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| cannot_open(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    let pragma = |name: &str, value: &dyn ToSql| connection.pragma_update(None, name, value).map_err(refused);
    connection.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    pragma("journal_mode", &"WAL")?;
    pragma("synchronous", &"FULL")?;
    // Small checkpoints: the same rate as larger ones and a third of the worst wait.
    pragma("wal_autocheckpoint", &4000)?;
    pragma("journal_size_limit", &(64 << 20))?;
    pragma("cache_size", &-16_000)?;
    pragma("cell_size_check", &true)?;
    common(&connection)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| {
        tracing::debug!(%error, "opening for reading failed");
        Error::Options(format!("the database file {} cannot be opened for reading", path.display()))
    })?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    connection.pragma_update(None, "query_only", true).map_err(refused)?;
    connection.pragma_update(None, "cache_size", -4_000).map_err(refused)?;
    common(&connection)?;
    Ok(connection)
}

fn common(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "foreign_keys", true).map_err(refused)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(refused)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(refused)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}

fn read_loop(statements: &Statements, shared: &Shared, queue: &Mutex<mpsc::Receiver<Box<dyn Work>>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(mut work) = next else { return };
        let result = statements.control("BEGIN").map_err(|failed| failed.error);
        if result.is_ok() {
            let mut tx = Tx::new(Driver::Sqlite(statements), shared);
            work.run(&mut tx);
            if let Err(failed) = statements.control("ROLLBACK") {
                tracing::error!(error = %failed.error, "a read transaction did not end");
            }
        }
        work.answer(result);
    }
}

fn write_loop(statements: &Statements, shared: &Shared, mut queue: mpsc::Receiver<Box<dyn Work>>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        while !group.is_empty() {
            group = commit_group(statements, shared, std::mem::take(&mut group));
        }
    }
    // Statistics for the planner, kept small by SQLite itself.
    let _ = statements.script("PRAGMA optimize");
}

/// Runs a group in one transaction, commits and answers it. What could not be run is returned for another turn.
fn commit_group(statements: &Statements, shared: &Shared, group: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
    let answer_all = |group: Vec<Box<dyn Work>>, result: &Result<(), Error>| {
        for work in group {
            work.answer(result.clone());
        }
    };
    if let Err(failed) = statements.control("BEGIN IMMEDIATE") {
        answer_all(group, &Err(failed.error));
        return Vec::new();
    }
    let alone = group.len() == 1;
    let mut kept: Vec<(Box<dyn Work>, Effects)> = Vec::with_capacity(group.len());
    let mut refused: Vec<Box<dyn Work>> = Vec::new();
    let mut waiting = group.into_iter();
    for mut work in waiting.by_ref() {
        match run_one(statements, shared, &mut *work, alone) {
            Ok(Some(effects)) => kept.push((work, effects)),
            Ok(None) => refused.push(work),
            Err(error) => {
                // Some errors (disk full, out of memory) end the whole transaction: nothing before them is kept.
                let _ = statements.control("ROLLBACK");
                refused.push(work);
                answer_all(kept.into_iter().map(|(work, _)| work).collect(), &Err(error.clone()));
                answer_all(refused, &Err(error));
                return waiting.collect();
            }
        }
    }
    let committed = statements.control(if kept.is_empty() { "ROLLBACK" } else { "COMMIT" });
    answer_all(refused, &committed.as_ref().map_or_else(|failed| Err(failed.error.clone()), |()| Ok(())));
    let Err(failed) = committed else {
        for (work, effects) in kept {
            effects.release(shared);
            work.answer(Ok(()));
        }
        return Vec::new();
    };
    if !statements.connection.is_autocommit() {
        let _ = statements.control("ROLLBACK");
    }
    let kept = kept.into_iter().map(|(work, _)| work);
    if kept.len() > 1 && matches!(failed.error, Error::Constraint { .. }) {
        // A deferred constraint of one of them: each alone shows whose.
        for work in kept {
            commit_group(statements, shared, vec![work]);
        }
        return Vec::new();
    }
    tracing::error!(error = %failed.error, "a commit failed; its callers were told");
    // The journal was written but not known to be on disk: neither yes nor no is certain.
    let error = match failed.error {
        Error::Unavailable(cause) => Error::CommitUnknown(cause),
        other => other,
    };
    answer_all(kept.collect(), &Err(error));
    Vec::new()
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
    if statements.connection.is_autocommit() {
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

/// A connection with its prepared statements.
pub(crate) struct Statements {
    connection: Connection,
    /// Texts as SQLite wants them, found by the text as written.
    translated: RefCell<HashMap<Box<str>, Box<str>>>,
}

impl Statements {
    fn new(connection: Connection) -> Self {
        Self { connection, translated: RefCell::new(HashMap::new()) }
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, Failed> {
        let mut translated = self.translated.borrow_mut();
        if let Some(text) = translated.get(sql) {
            return self.connection.prepare_cached(text).map_err(failed);
        }
        // Statements that a program builds (lists of parameters) must not grow this without end.
        if translated.len() >= 4 * PREPARED {
            translated.clear();
        }
        let text = sqlite_placeholders(sql).into_boxed_str();
        let statement = self.connection.prepare_cached(&text).map_err(failed)?;
        translated.insert(sql.into(), text);
        Ok(statement)
    }

    pub(crate) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<u64, Failed> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let changed = statement.raw_execute().map_err(failed)?;
        Ok(changed as u64)
    }

    pub(crate) fn execute_many(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Failed> {
        let mut statement = self.prepare(sql)?;
        let mut changed = 0;
        for row in rows {
            bind(&mut statement, row)?;
            changed += statement.raw_execute().map_err(failed)? as u64;
        }
        Ok(changed)
    }

    pub(crate) fn query(&self, sql: &str, params: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>)) -> Result<(), Failed> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            each(&Row(RowKind::Sqlite(row)));
        }
        Ok(())
    }

    pub(crate) fn script(&self, sql: &str) -> Result<(), Failed> {
        self.connection.execute_batch(sql).map_err(failed)
    }

    /// Begins and ends transactions and savepoints.
    fn control(&self, sql: &str) -> Result<(), Failed> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.raw_execute()).map(drop).map_err(failed)
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value<'_>]) -> Result<(), Failed> {
    let wanted = statement.parameter_count();
    if wanted != params.len() {
        let text = format!("the statement has {wanted} parameters, {} were given", params.len());
        return Err(Error::Database(cause(text)).into());
    }
    for (index, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Bound(value)).map_err(failed)?;
    }
    Ok(())
}

struct Bound<'a>(&'a Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn failed(error: rusqlite::Error) -> Failed {
    refused(error).into()
}

/// SQLite's errors in our kinds. Its messages name tables and columns, never values.
fn refused(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(code, message) = &error else {
        return Error::Database(Arc::new(error));
    };
    match code.code {
        ErrorCode::ConstraintViolation => {
            let kind = match code.extended_code {
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                    Constraint::Unique
                }
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
                ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
                _ => Constraint::Check,
            };
            let text = message.as_deref().unwrap_or_default();
            let name = text.split_once("failed: ").map_or(text, |(_, name)| name);
            Error::Constraint { kind, name: name.to_owned() }
        }
        ErrorCode::ReadOnly => Error::ReadOnly,
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory
        | ErrorCode::CannotOpen => Error::Unavailable(Arc::new(error)),
        _ => Error::Database(Arc::new(error)),
    }
}
