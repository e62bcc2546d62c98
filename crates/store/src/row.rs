//! One row of a result, whichever database it came from.

use std::borrow::Cow;
use std::fmt;

use rusqlite::types::ValueRef;

use crate::postgres::PostgresValue;
use crate::{Error, FromValue, Value};

/// A row while it is being read. Columns are named as in the statement (`AS` names included) or counted from 0.
pub struct Row<'a>(pub(crate) RowKind<'a>);

pub enum RowKind<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

/// A column by name or by position.
pub trait Column: fmt::Display + Copy + private::Find {}
impl Column for &str {}
impl Column for usize {}

mod private {
    use super::RowKind;

    pub trait Find {
        fn find(&self, row: &RowKind<'_>) -> Option<usize>;
    }

    impl Find for usize {
        fn find(&self, row: &RowKind<'_>) -> Option<usize> {
            let columns = match row {
                RowKind::Sqlite(row) => row.as_ref().column_count(),
                RowKind::Postgres(row) => row.len(),
            };
            (*self < columns).then_some(*self)
        }
    }

    impl Find for &str {
        fn find(&self, row: &RowKind<'_>) -> Option<usize> {
            match row {
                RowKind::Sqlite(row) => row.as_ref().column_index(self).ok(),
                RowKind::Postgres(row) => row.columns().iter().position(|column| column.name() == *self),
            }
        }
    }
}

impl Row<'_> {
    /// The column as a `T`. An error when there is no such column or it holds something else; `NULL` is
    /// something else unless `T` is an `Option`.
    pub fn get<T: FromValue>(&self, column: impl Column) -> Result<T, Error> {
        let wrong = || Error::Decode { column: column.to_string(), expected: T::EXPECTED };
        let index =
            column.find(&self.0).ok_or_else(|| Error::Decode { column: column.to_string(), expected: "a column" })?;
        let value = match &self.0 {
            RowKind::Sqlite(row) => match row.get_ref(index).map_err(|_| wrong())? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Int(value),
                ValueRef::Real(value) => Value::Real(value),
                ValueRef::Text(text) => Value::Text(Cow::Borrowed(std::str::from_utf8(text).map_err(|_| wrong())?)),
                ValueRef::Blob(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            },
            RowKind::Postgres(row) => row.try_get::<_, PostgresValue<'_>>(index).map_err(|_| wrong())?.0,
        };
        T::from_value(value).ok_or_else(wrong)
    }
}
