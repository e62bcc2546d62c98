//! PostgreSQL: a pool of connections, each transaction on a blocking thread that waits for one answer at a time: what
//! nobody waits for is [sent ahead](ahead) of the next statement that somebody does. Statements are prepared once per
//! connection; a serialisation failure or a deadlock runs the closure again.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base::SecretString;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use futures_util::future::try_join_all;
use futures_util::poll;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::db::{Access, Shared};
use crate::error::{Cause, Refusal, cause};
use crate::meters;
use crate::options::Options;
use crate::row::RowKind;
use crate::tx::{Driver, Failed, Tx};
use crate::work::Work;
use crate::{Constraint, Error, Row, Value};

mod ahead;
mod batch;
mod connect;
mod scratch;
mod types;

use ahead::{Ahead, together};
use batch::{Column, Many};
pub use scratch::Scratch;
use types::Bound;
pub(crate) use types::PostgresValue;

/// Tries of one transaction when the database asks for another.
const TRIES: u32 = 10;
/// Rows that may be under way on one connection without an answer.
const PIPELINE: usize = 1024;
/// Statements kept prepared on each connection.
const PREPARED: usize = 1024;
/// What each new connection is told: fail rather than wait without end, and no just-in-time compilation, which costs
/// more than any of our statements.
const GREETING: &str = "SET jit = off; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s'; \
                        SET client_min_messages = warning";

/// Connections to one PostgreSQL database.
pub(crate) struct Postgres {
    pool: Pool,
    /// Connections that bulk may have at once; the others are kept for what is urgent.
    bulk: Arc<Semaphore>,
    shared: Arc<Shared>,
    patience: Duration,
}

impl Postgres {
    pub(crate) async fn open(url: &SecretString, options: &Options, shared: &Arc<Shared>) -> Result<Self, Error> {
        let (config, tls) = connect::settings(url, options)?;
        let manager = Manager::from_config(
            config,
            MakeRustlsConnect::new(tls),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let greet = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(GREETING).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(options.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.patience))
            .create_timeout(Some(options.patience))
            .recycle_timeout(Some(options.patience))
            .post_create(greet)
            .build()
            .map_err(|error| Error::Options(error.to_string()))?;
        let kept = (options.connections / 8).max(1);
        let bulk = Arc::new(Semaphore::new(options.connections.saturating_sub(kept).max(1)));
        let postgres = Self { pool, bulk, shared: shared.clone(), patience: options.patience };
        // A wrong address or password shows at start, not at the first signal.
        postgres.greet().await?;
        Ok(postgres)
    }

    /// Makes sure that the server is one that we know how to work with.
    async fn greet(&self) -> Result<(), Error> {
        let client = self.pool.get().await.map_err(unreachable)?;
        let sql = "SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_encoding')";
        let row = client.query_one(sql, &[]).await.map_err(|error| NoAnswer::Error(error).into_failed().error)?;
        let (version, encoding): (i64, String) = (row.get(0), row.get(1));
        if version < 150_000 {
            return Err(Error::Options(format!("PostgreSQL 15 or newer is needed, this one is {}", version / 10_000)));
        }
        if encoding != "UTF8" {
            return Err(Error::Options(format!("the database must be encoded in UTF8, this one is in {encoding}")));
        }
        Ok(())
    }

    pub(crate) async fn submit(&self, work: Box<dyn Work>, access: Access) -> Result<(), Error> {
        let turn = if access == Access::Bulk { Some(self.turn().await?) } else { None };
        let client = self.pool.get().await.map_err(unreachable)?;
        let (pool, shared, handle) = (self.pool.clone(), self.shared.clone(), Handle::current());
        let patience = if access == Access::Patient { Duration::MAX } else { self.patience };
        tokio::task::spawn_blocking(move || {
            serve(Session::new(client, handle, patience), work, access, &pool, &shared);
            drop(turn);
        });
        Ok(())
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.bulk).acquire_owned()).await;
        turn.map_err(|_| Error::Overloaded)?.map_err(|_| Error::Closed)
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// One connection while a transaction has it.
pub(crate) struct Session {
    client: Object,
    handle: Handle,
    patience: Duration,
    health: Cell<Health>,
    /// What goes ahead of the next statement that is waited for.
    ahead: RefCell<Vec<Ahead>>,
    /// How far the server has taken up the present transaction.
    begun: Cell<Begun>,
}

/// How far the server has taken up a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begun {
    /// It has heard nothing of it.
    No,
    /// It was sent its beginning.
    Sent,
    /// It answered.
    Yes,
}

/// What is known of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// The server ended it, or the network did.
    Dead,
    /// It has a statement whose answer nobody waits for any more.
    Silent,
}

/// How one run of a transaction ended.
enum Ended {
    /// Committed, or undone because the closure said so.
    Decided(Result<(), Error>),
    /// Nothing was done, and the database says that another run may succeed.
    Again(Error),
    /// The connection was dead before the transaction began on it.
    Lost(Error),
}

/// Runs a transaction to its answer.
fn serve(mut session: Session, mut work: Box<dyn Work>, access: Access, pool: &Pool, shared: &Shared) {
    let (mut tries, mut lost) = (0, 0);
    let result = loop {
        session.begin(access);
        match session.run(&mut *work, access, shared) {
            Ended::Decided(result) => break result,
            Ended::Again(error) => {
                tries += 1;
                if tries == TRIES {
                    break Err(error);
                }
                // Two that collided must not collide again: wait a random part of a growing time.
                let limit = 2_u32 << tries.min(8);
                let pause = Duration::from_millis(u64::from(1 + shared.context.chance().below(limit)));
                session.handle.block_on(tokio::time::sleep(pause));
            }
            // Pooled connections may have died while nobody looked (a server that restarted leaves as many as there
            // are); a fresh one tells whether the database has, too.
            Ended::Lost(error) => {
                lost += 1;
                if lost > pool.status().max_size + 1 {
                    break Err(error);
                }
                let (handle, patience) = (session.handle.clone(), session.patience);
                session.give_back();
                match handle.block_on(pool.get()) {
                    Ok(client) => session = Session::new(client, handle, patience),
                    Err(error) => return work.answer(Err(unreachable(error))),
                }
            }
        }
    };
    // The connection first: a caller's next transaction shall find it.
    session.give_back();
    work.answer(result);
}

impl Session {
    const fn new(client: Object, handle: Handle, patience: Duration) -> Self {
        Self {
            client,
            handle,
            patience,
            health: Cell::new(Health::Good),
            ahead: RefCell::new(Vec::new()),
            begun: Cell::new(Begun::No),
        }
    }

    /// The transaction begins together with its first statement.
    fn begin(&self, access: Access) {
        self.begun.set(Begun::No);
        self.ahead.replace(vec![Ahead::Control(match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write | Access::Bulk | Access::Patient => "BEGIN ISOLATION LEVEL READ COMMITTED",
        })]);
    }

    fn run(&self, work: &mut dyn Work, access: Access, shared: &Shared) -> Ended {
        let mut tx = Tx::new(Driver::Postgres(self), shared);
        let keep = work.run(&mut tx);
        let failure = tx.failure();
        if !keep {
            if self.is_lost() {
                return Ended::Lost(Error::Unavailable(cause("the connection was closed")));
            }
            self.roll_back();
            if failure.retry && self.is_good() {
                return Ended::Again(Error::Unavailable(cause("the database kept asking for another try")));
            }
            return Ended::Decided(Ok(()));
        }
        // Only its beginning waits: nothing was asked for.
        let empty = self.begun.get() == Begun::No && self.ahead.borrow().len() == 1;
        if !empty && (access == Access::Read || self.begun.get() < Begun::Yes) {
            // A commit must not be the first that a connection hears of a transaction: if that one is dead, nobody could
            // tell whether it heard.
            if !self.ahead.borrow().is_empty()
                && let Err(failed) = self.script("")
            {
                if self.is_lost() {
                    return Ended::Lost(failed.error);
                }
                self.roll_back();
                return if failed.retry { Ended::Again(failed.error) } else { Ended::Decided(Err(failed.error)) };
            }
        }
        if empty || access == Access::Read {
            self.let_go();
            tx.into_effects().release(shared);
            return Ended::Decided(Ok(()));
        }
        self.commit(tx, shared)
    }

    /// Commits, together with what is still to be sent. If that fails, the server makes a rollback of the commit.
    fn commit(&self, tx: Tx<'_>, shared: &Shared) -> Ended {
        let (ahead, asked) = (self.ahead.take(), Cell::new(false));
        let commit = async |client: &deadpool_postgres::ClientWrapper| {
            asked.set(true);
            client.batch_execute("COMMIT").await
        };
        let began = shared.context.monotonic();
        match self.wait(together(&self.client, &ahead, false, commit)) {
            Ok(()) => {
                meters::COMMIT.took(shared.context.monotonic().saturating_sub(began));
                tx.into_effects().release(shared);
                Ended::Decided(Ok(()))
            }
            Err(refusal) if !asked.get() || refusal.is_decided() => {
                if !asked.get() {
                    self.roll_back();
                }
                let failed = refusal.into_failed();
                if failed.retry { Ended::Again(failed.error) } else { Ended::Decided(Err(failed.error)) }
            }
            Err(refusal) => {
                meters::FAILED.add(&["unknown"], 1);
                tracing::warn!("the answer to a commit was lost; its caller looks it up");
                Ended::Decided(Err(Error::CommitUnknown(refusal.into_cause())))
            }
        }
    }

    /// Ends the transaction without its changes.
    fn roll_back(&self) {
        self.ahead.take();
        if self.begun.get() > Begun::No && self.is_good() && self.script("ROLLBACK").is_err() {
            self.health.set(Health::Dead);
        }
    }

    /// The same for a transaction that changed nothing: nobody waits for that.
    fn let_go(&self) {
        if self.begun.get() > Begun::No && self.is_good() {
            // The first poll sends; whoever has the connection next is behind it.
            let _ = self.handle.block_on(async { poll!(pin!(self.client.batch_execute("ROLLBACK"))) });
        }
    }

    /// Whether the connection turned out dead before the server had taken up anything.
    fn is_lost(&self) -> bool {
        self.health.get() == Health::Dead && self.begun.get() < Begun::Yes
    }

    /// Returns the connection to the pool, or drops it: then the server undoes what was not committed.
    fn give_back(self) {
        // Statements that a program builds (lists of parameters) must not pile up prepared.
        if self.client.statement_cache.size() > PREPARED {
            self.client.statement_cache.clear();
        }
        if !self.is_good() {
            drop(Object::take(self.client));
        }
    }

    fn is_good(&self) -> bool {
        self.health.get() == Health::Good
    }

    /// Waits for an answer, but not without end.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, NoAnswer> {
        match self.handle.block_on(tokio::time::timeout(self.patience, answer)) {
            Ok(Ok(value)) => {
                self.begun.set(Begun::Yes);
                Ok(value)
            }
            Ok(Err(error)) => {
                if error.is_closed() || error.as_db_error().is_some_and(|error| ends_session(error.code())) {
                    self.health.set(Health::Dead);
                } else {
                    self.begun.set(Begun::Yes);
                }
                Err(NoAnswer::Error(error))
            }
            Err(_) => {
                self.health.set(Health::Silent);
                Err(NoAnswer::Silence)
            }
        }
    }

    pub(crate) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<u64, Failed> {
        self.statement(async |client| {
            let statement = client.prepare_cached(sql).await?;
            client.execute_raw(&statement, params.iter().map(Bound)).await
        })
    }

    pub(crate) fn execute_many(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Failed> {
        match Many::insert(sql) {
            Some(many) if rows.len() > 1 => self.many(sql, &many, rows),
            _ => self.one_by_one(sql, rows),
        }
    }

    /// Rows that change nothing twice: in one statement when it is a plain one.
    pub(crate) fn change_many(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Failed> {
        match Many::change(sql) {
            Some(many) if rows.len() > 1 => {
                // Each batch is planned for its own size and the table's present one: a plan made on an empty table would read
                // all of a full one.
                self.push(Ahead::Control("SET LOCAL plan_cache_mode = force_custom_plan"))?;
                let changed = self.many(sql, &many, rows)?;
                self.push(Ahead::Control("SET LOCAL plan_cache_mode = auto"))?;
                Ok(changed)
            }
            _ => self.one_by_one(sql, rows),
        }
    }

    fn many(&self, sql: &str, many: &Many<'_>, rows: &[Vec<Value<'_>>]) -> Result<u64, Failed> {
        let mut changed = 0;
        for rows in rows.chunks(PIPELINE) {
            changed += self.statement(async |client| {
                let types = client.prepare_cached(sql).await?.params().to_vec();
                let statement = client.prepare_cached(&many.text(&types)).await?;
                client.execute_raw(&statement, (0..types.len()).map(|at| Column { rows, at })).await
            })?;
        }
        Ok(changed)
    }

    fn one_by_one(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Failed> {
        let mut changed = 0;
        for rows in rows.chunks(PIPELINE) {
            // Each chunk has the whole patience.
            changed += self.statement(async |client| {
                let statement = client.prepare_cached(sql).await?;
                // All are sent, in order, before the first answer is waited for.
                let answers = rows.iter().map(async |row| client.execute_raw(&statement, row.iter().map(Bound)).await);
                Ok(try_join_all(answers).await?.into_iter().sum::<u64>())
            })?;
        }
        Ok(changed)
    }

    pub(crate) fn query(&self, sql: &str, params: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>)) -> Result<(), Failed> {
        let rows = self.statement(async |client| {
            let statement = client.prepare_cached(sql).await?;
            let bound: Vec<Bound<'_>> = params.iter().map(Bound).collect();
            let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            client.query(&statement, &bound).await
        })?;
        for row in &rows {
            each(&Row(RowKind::Postgres(row)));
        }
        Ok(())
    }

    pub(crate) fn script(&self, sql: &str) -> Result<(), Failed> {
        // Nothing to say of its own: what is ahead is sent, and its last answer is waited for.
        self.statement(async |client| if sql.is_empty() { Ok(()) } else { client.batch_execute(sql).await })
    }

    /// A statement whose result nobody needs now: it goes ahead of the next one that somebody waits for, and its failure
    /// shows there.
    pub(crate) fn send(&self, sql: &str, params: &[Value<'_>]) -> Result<(), Failed> {
        let params = params.iter().cloned().map(Value::into_owned).collect();
        self.push(Ahead::Statement { sql: sql.to_owned(), params })
    }

    /// The same for a word of transaction control.
    pub(crate) fn control(&self, sql: &'static str) -> Result<(), Failed> {
        self.push(Ahead::Control(sql))
    }

    fn push(&self, sent: Ahead) -> Result<(), Failed> {
        let waiting = {
            let mut ahead = self.ahead.borrow_mut();
            ahead.push(sent);
            ahead.len()
        };
        if waiting < PIPELINE { Ok(()) } else { self.script("") }
    }

    /// Goes back to a savepoint. It may be among what is still to be sent, and so may what fails.
    pub(crate) fn back(&self, sql: &str) -> Result<(), Failed> {
        let ahead = self.ahead.take();
        self.begun.set(self.begun.get().max(Begun::Sent));
        self.wait(together(&self.client, &ahead, true, async |client| client.batch_execute(sql).await))
            .map_err(NoAnswer::into_failed)
    }

    fn statement<T>(
        &self,
        run: impl AsyncFnOnce(&deadpool_postgres::ClientWrapper) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failed> {
        let client: &deadpool_postgres::ClientWrapper = &self.client;
        let ahead = self.ahead.take();
        self.begun.set(self.begun.get().max(Begun::Sent));
        self.wait(together(client, &ahead, false, run)).map_err(|refusal| {
            if refusal.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) {
                // A migration changed the columns under a prepared statement: forget it and run again.
                client.statement_cache.clear();
            }
            refusal.into_failed()
        })
    }
}

/// Why a statement has no result.
enum NoAnswer {
    Error(tokio_postgres::Error),
    Silence,
}

impl NoAnswer {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Error(error) => error.code(),
            Self::Silence => None,
        }
    }

    /// Whether the server said that a commit did not happen. Silence, a broken connection and a server that is
    /// stopping leave it open.
    fn is_decided(&self) -> bool {
        self.code().is_some_and(|code| !ends_session(code) && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN)
    }

    fn into_cause(self) -> Cause {
        match self {
            Self::Error(error) => safe_cause(error),
            Self::Silence => cause("no answer in time"),
        }
    }

    fn into_failed(self) -> Failed {
        let Self::Error(error) = self else {
            return Error::Unavailable(self.into_cause()).into();
        };
        let Some(refusal) = error.as_db_error() else {
            // Our side could not turn a value into the column's type; otherwise the connection broke.
            let ours = !error.is_closed()
                && std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<types::Misfit>);
            return if ours { Error::Database(Arc::new(error)) } else { Error::Unavailable(Arc::new(error)) }.into();
        };
        let code = refusal.code().clone();
        let retry = code == SqlState::T_R_SERIALIZATION_FAILURE
            || code == SqlState::T_R_DEADLOCK_DETECTED
            || (code == SqlState::FEATURE_NOT_SUPPORTED && refusal.message().contains("cached plan"));
        let broken = |kind| {
            let name = refusal.constraint().or(refusal.column()).unwrap_or_default();
            Error::Constraint { kind, name: name.to_owned() }
        };
        let error = match &code {
            c if *c == SqlState::UNIQUE_VIOLATION => broken(Constraint::Unique),
            c if *c == SqlState::FOREIGN_KEY_VIOLATION => broken(Constraint::ForeignKey),
            c if *c == SqlState::NOT_NULL_VIOLATION => broken(Constraint::NotNull),
            c if *c == SqlState::CHECK_VIOLATION => broken(Constraint::Check),
            c if *c == SqlState::READ_ONLY_SQL_TRANSACTION => Error::ReadOnly,
            // Broken connections (08), resources (53), locks (55P03), operators and shutdowns (57), disks (58).
            c if ["08", "53", "55", "57", "58"].iter().any(|class| c.code().starts_with(class)) || retry => {
                Error::Unavailable(safe_cause(error))
            }
            _ => Error::Database(safe_cause(error)),
        };
        Failed { error, retry }
    }
}

/// Whether the server ended the connection with this error.
fn ends_session(code: &SqlState) -> bool {
    ["08", "57P"].iter().any(|class| code.code().starts_with(class))
}

/// The cause without the server's details, which quote values of rows.
fn safe_cause(error: tokio_postgres::Error) -> Cause {
    match error.as_db_error() {
        Some(refusal) => {
            Arc::new(Refusal { code: refusal.code().code().to_owned(), message: refusal.message().to_owned() })
        }
        None => Arc::new(error),
    }
}

fn unreachable(error: PoolError) -> Error {
    match error {
        PoolError::Closed => Error::Closed,
        // Every connection is busy: the database may be well.
        PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            Error::Unavailable(safe_cause(error))
        }
        other => Error::Unavailable(Arc::new(other)),
    }
}
