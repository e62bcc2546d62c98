//! One transaction, as a use-case sees it: statements, and what shall happen once it is on disk.

use base::{Timestamp, WorkspaceId};

use crate::db::Shared;
use crate::postgres::Session;
use crate::sqlite::Statements;
use crate::{Dialect, Error, Row, Value};

/// Something changed that an open page may show. It carries no content: who may see it reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The workspace it belongs to, if any.
    pub workspace: Option<WorkspaceId>,
    /// What sort of thing, such as `alert`.
    pub topic: &'static str,
    /// Which one.
    pub id: String,
}

/// A transaction. It commits when its closure returns `Ok`, and leaves nothing behind when it returns `Err` or panics.
pub struct Tx<'a> {
    pub(crate) driver: Driver<'a>,
    pub(crate) shared: &'a Shared,
    effects: Effects,
    failure: Failure,
}

pub(crate) enum Driver<'a> {
    Sqlite(&'a Statements),
    Postgres(&'a Session),
}

/// Fewer rows than this are sent one by one; more are worth a statement of many rows.
const FEW: usize = 16;

/// What waits for the commit.
#[derive(Default)]
pub(crate) struct Effects {
    hooks: Vec<Box<dyn FnOnce() + Send>>,
    changed: Vec<Changed>,
    wake: bool,
}

impl Effects {
    /// Runs the hooks and tells who listens. Only called once the transaction is on disk.
    pub(crate) fn release(self, shared: &Shared) {
        for hook in self.hooks {
            // A hook must not take the writer thread with it.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook)).is_err() {
                tracing::error!("a hand-over after a commit panicked; the poll will find its work");
            }
        }
        for changed in self.changed {
            shared.changes.tell(changed);
        }
        if self.wake {
            shared.wake.wake();
        }
    }
}

/// What went wrong so far.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A statement failed: this transaction can no longer be committed.
    pub(crate) aborted: bool,
    /// The database asked for another try of the whole transaction.
    pub(crate) retry: bool,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(driver: Driver<'a>, shared: &'a Shared) -> Self {
        Self { driver, shared, effects: Effects::default(), failure: Failure::default() }
    }

    pub(crate) const fn failure(&self) -> Failure {
        self.failure
    }

    pub(crate) fn into_effects(self) -> Effects {
        self.effects
    }

    /// Runs a statement; how many rows it touched.
    pub fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        storable(params)?;
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.execute(sql, params),
            Driver::Postgres(session) => session.execute(sql, params),
        })
    }

    /// Runs a statement whose count nobody needs. On PostgreSQL it is not waited for: it travels with the next statement that
    /// is, or with the commit, and its failure shows there. So it is for writes that cannot fail but by the database's
    /// fault or ours; what may run into a constraint wants [`Self::execute`].
    pub fn send(&mut self, sql: &str, params: &[Value<'_>]) -> Result<(), Error> {
        storable(params)?;
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.execute(sql, params).map(drop),
            Driver::Postgres(session) => session.send(sql, params),
        })
    }

    /// The same for each row of parameters.
    pub fn send_many(&mut self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<(), Error> {
        if self.dialect() == Dialect::Postgres && rows.len() < FEW {
            return rows.iter().try_for_each(|row| self.send(sql, row));
        }
        self.execute_many(sql, rows).map(drop)
    }

    /// Runs one statement for each row of parameters; how many rows it touched. A prepared loop on SQLite. On
    /// PostgreSQL a plain `INSERT … VALUES ($1, …)` (no quoted text in it, at most `ON CONFLICT … DO NOTHING` behind it)
    /// becomes one statement, and everything else is pipelined; either way rows take effect in order.
    pub fn execute_many(&mut self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        rows.iter().try_for_each(|row| storable(row))?;
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.execute_many(sql, rows),
            Driver::Postgres(session) => session.execute_many(sql, rows),
        })
    }

    /// The same for a plain `UPDATE … WHERE …` or `DELETE FROM … WHERE …` of which no two rows of parameters change the same row of the
    /// table: on PostgreSQL one statement.
    pub fn change_many(&mut self, sql: &str, rows: &[Vec<Value<'_>>]) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        rows.iter().try_for_each(|row| storable(row))?;
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.execute_many(sql, rows),
            Driver::Postgres(session) => session.change_many(sql, rows),
        })
    }

    /// Runs a query, or a statement with `RETURNING`, and turns each row into a `T`.
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        storable(params)?;
        let mut out = Vec::new();
        // The statement runs to its end before a wrong row is reported, so that both databases did the same work.
        let mut wrong = None;
        self.statement(|driver| {
            let mut each = |row: &Row<'_>| match map(row) {
                Ok(item) => out.push(item),
                Err(error) => wrong = wrong.take().or(Some(error)),
            };
            match driver {
                Driver::Sqlite(statements) => statements.query(sql, params, &mut each),
                Driver::Postgres(session) => session.query(sql, params, &mut each),
            }
        })?;
        wrong.map_or(Ok(out), Err)
    }

    /// The first row of a query, if there is one.
    pub fn query_opt<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        Ok(self.query(sql, params, map)?.into_iter().next())
    }

    /// The first row of a query; [`Error::NoRow`] when there is none.
    pub fn query_one<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.query_opt(sql, params, map)?.ok_or(Error::NoRow)
    }

    /// Runs `f` under a savepoint: when it returns `Err`, what it did is undone (its announcements included) and the
    /// transaction goes on. This is how a statement that may fail is tried; anywhere else a failed statement ends the
    /// transaction, on both databases, and so does one that was [sent](Self::send) in here and fails after `f` returned.
    pub fn attempt<T, E: From<Error>>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let marks = (self.effects.hooks.len(), self.effects.changed.len(), self.effects.wake);
        self.control("SAVEPOINT attempt")?;
        let result = f(self);
        if result.is_ok() && !self.failure.aborted {
            return self.control("RELEASE SAVEPOINT attempt").map_err(E::from).and(result);
        }
        let retry = self.failure.retry;
        self.failure = Failure::default();
        let back = "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt";
        let undone = self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.script(back),
            Driver::Postgres(session) => session.back(back),
        });
        if let Err(error) = undone {
            self.failure.retry |= retry;
            return Err(error.into());
        }
        self.effects.hooks.truncate(marks.0);
        self.effects.changed.truncate(marks.1);
        self.effects.wake = marks.2;
        // A serialisation failure is the whole transaction's, whatever the closure makes of it.
        self.failure = Failure { aborted: retry, retry };
        match result {
            Ok(_) => Err(Error::Aborted.into()),
            failed => failed,
        }
    }

    /// Announces a change to [`Db::subscribe`](crate::Db::subscribe), after the commit.
    pub fn touched(&mut self, changed: Changed) {
        self.effects.changed.push(changed);
    }

    /// Runs `f` after the commit, before the caller has its answer. For handing work over in memory: it must be short
    /// and must not block. It never runs when the transaction rolls back, and nothing runs it again after a crash.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.effects.hooks.push(Box::new(f));
    }

    /// The next number of a named counter, from 1. A rolled back number may come again or be left out.
    pub fn next_number(&mut self, sequence: &str) -> Result<i64, Error> {
        self.query_one(
            "INSERT INTO counters (name, value) VALUES ($1, 1)
             ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value",
            &crate::params![sequence],
            |row| row.get(0),
        )
    }

    /// Takes turns with other transactions that lock the same name, until this one ends. For rules over rows that do
    /// not exist yet, such as "one open alert per key": there is no row to lock `FOR UPDATE`.
    pub fn lock(&mut self, name: &str) -> Result<(), Error> {
        match self.dialect() {
            // The only writer has its turn already.
            Dialect::Sqlite => Ok(()),
            Dialect::Postgres => {
                let sql = "SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT)";
                self.query(sql, &crate::params![name], |_| Ok(())).map(drop)
            }
        }
    }

    /// Which database this is.
    pub const fn dialect(&self) -> Dialect {
        match self.driver {
            Driver::Sqlite(_) => Dialect::Sqlite,
            Driver::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Time and chance.
    pub const fn context(&self) -> &base::Context {
        &self.shared.context
    }

    /// Wall time, shorthand.
    pub fn now(&self) -> Timestamp {
        self.shared.context.now()
    }

    /// Workers shall look for work once this is committed.
    pub(crate) const fn wake_workers(&mut self) {
        self.effects.wake = true;
    }

    /// Runs several statements without parameters, for migrations.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.script(sql),
            Driver::Postgres(session) => session.script(sql),
        })
    }

    /// A word of transaction control, which nobody waits for by itself.
    fn control(&mut self, sql: &'static str) -> Result<(), Error> {
        self.statement(|driver| match driver {
            Driver::Sqlite(statements) => statements.script(sql),
            Driver::Postgres(session) => session.control(sql),
        })
    }

    fn statement<T>(&mut self, run: impl FnOnce(&Driver<'_>) -> Result<T, Failed>) -> Result<T, Error> {
        if self.failure.aborted {
            return Err(Error::Aborted);
        }
        run(&self.driver).map_err(|failed| {
            self.failure = Failure { aborted: true, retry: failed.retry };
            failed.error
        })
    }
}

/// Refuses what only one of the databases can keep.
fn storable(params: &[Value<'_>]) -> Result<(), Error> {
    let nul = params.iter().any(|value| matches!(value, Value::Text(text) if text.as_bytes().contains(&0)));
    if nul { Err(Error::NulInText) } else { Ok(()) }
}

/// A failed statement.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The same transaction may succeed when it is run again.
    pub(crate) retry: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, retry: false }
    }
}
