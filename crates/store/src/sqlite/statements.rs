//! A connection with its prepared statements, and SQLite's errors in our kinds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, ffi};

use super::PREPARED;
use crate::dialect::sqlite_placeholders;
use crate::error::cause;
use crate::row::RowKind;
use crate::tx::Failed;
use crate::{Constraint, Error, Row, Value};

/// A connection with its prepared statements.
pub(crate) struct Statements {
    connection: Connection,
    /// Texts as SQLite wants them, found by the text as written.
    translated: RefCell<HashMap<Box<str>, Box<str>>>,
}

impl Statements {
    pub(super) fn new(connection: Connection) -> Self {
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

    /// Whether no transaction is open: SQLite ends one by itself on some errors.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Begins and ends transactions and savepoints.
    pub(super) fn control(&self, sql: &str) -> Result<(), Failed> {
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
pub(super) fn refused(error: rusqlite::Error) -> Error {
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
