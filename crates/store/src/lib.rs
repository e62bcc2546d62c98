//! The store: transactions on SQLite or PostgreSQL, migrations, the job queue with leases and fencing, events, and
//! signs of life of the nodes.
//!
//! A use-case is a plain function over `&mut Tx`. [`Db::write`] runs it on the only writer thread (SQLite, in a group
//! commit) or on a pooled connection (PostgreSQL), and answers after the commit: `Ok` means on disk (control E-31).
//! What comes in masses goes by [`Db::write_bulk`] and makes way for everything else.
//! One SQL text with `$1` placeholders serves both; the differences that reach SQL are named methods of [`Dialect`].
//!
//! The store never knows a business noun, holds no key and decides no right.
//!
//! ```no_run
//! # async fn example(db: store::Db) -> Result<(), store::Error> {
//! use store::params;
//!
//! let open: i64 = db
//!     .write(|tx| {
//!         tx.execute("INSERT INTO notes (id, text) VALUES ($1, $2)", &params![7, "seven"])?;
//!         tx.query_one("SELECT COUNT(*) AS open FROM notes", &[], |row| row.get("open"))
//!     })
//!     .await?;
//! # let _ = open; Ok(()) }
//! ```

mod answers;
mod changes;
mod db;
mod dead;
mod dialect;
mod engine;
mod error;
mod events;
mod figures;
mod jobs;
mod lease;
mod meters;
mod migrate;
mod nodes;
mod options;
mod postgres;
mod probe;
mod row;
mod sqlite;
mod tx;
mod value;
mod work;
mod worker;

pub use answers::{Asked, Earlier, KEPT_FOR};
pub use changes::Moment;
pub use db::Db;
pub use dead::DeadJob;
pub use dialect::Dialect;
pub use error::{Cause, Constraint, Error};
pub use figures::JobFigures;
pub use jobs::{Job, JobError, NewJob};
pub use lease::{Held, Lease};
pub use meters::METERS;
pub use migrate::{MIGRATIONS, Migration, MigrationError, Migrations, Report};
pub use options::{DatabaseUrl, Options};
pub use postgres::Scratch;
pub use row::{Column, Row};
pub use tx::{Changed, Tx};
pub use value::{FromValue, Value};
pub use worker::Worker;
