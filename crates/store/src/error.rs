//! What can go wrong in the store, in kinds that a caller can act on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::{Explain, Problem, ProblemKind};

/// The private cause of an error, for the log. Shared, because one failed commit answers many callers.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Which rule of the schema a row broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// A unique key or primary key is taken.
    Unique,
    /// A reference points at nothing, or something still points here.
    ForeignKey,
    /// A column that must have a value has none.
    NotNull,
    /// A CHECK of the table, or a value of the wrong type.
    Check,
}

/// A failure of the store. Cheap to clone; never holds a value of a row.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A row broke a rule of the schema.
    #[error("a {kind:?} rule of the schema was broken ({name})")]
    Constraint {
        /// The rule.
        kind: Constraint,
        /// The constraint or the columns, as the database calls them.
        name: String,
    },
    /// A lease was lost: another owner has the work now, and this transaction must change nothing.
    #[error("the lease was lost, so nothing was changed")]
    LeaseLost,
    /// The commit was sent and its answer lost. It may be in or not: look it up before answering anyone.
    #[error("the answer to a commit was lost")]
    CommitUnknown(#[source] Cause),
    /// The database cannot be reached, or did not answer in time. Nothing was committed.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The queue to the database is full. Nothing was done.
    #[error("the queue to the database is full")]
    Overloaded,
    /// A write on a connection that may only read.
    #[error("this connection may only read")]
    ReadOnly,
    /// `query_one` found nothing.
    #[error("one row was expected, none was found")]
    NoRow,
    /// A column did not hold what was asked for.
    #[error("column {column} does not hold {expected}")]
    Decode {
        /// The column, by name or position.
        column: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// A statement of this transaction had failed, so that the transaction cannot be committed. Statements whose
    /// failure is part of the plan belong into [`Tx::attempt`](crate::Tx::attempt).
    #[error("an earlier statement of this transaction failed, so it was rolled back")]
    Aborted,
    /// The closure panicked; its transaction was rolled back.
    #[error("a transaction panicked and was rolled back: {0}")]
    Panicked(String),
    /// Another process has the database.
    #[error("the database {0} is in use by another process; stop that one, or give this one its own database")]
    Locked(String),
    /// The store was closed.
    #[error("the database was closed")]
    Closed,
    /// A text holds the character NUL, which PostgreSQL cannot keep and SQLite therefore must not.
    #[error("a text holds the character NUL")]
    NulInText,
    /// An option or the database's URL is wrong.
    #[error("{0}")]
    Options(String),
    /// The schema cannot be brought to what this program needs.
    #[error(transparent)]
    Migration(#[from] crate::MigrationError),
    /// Anything else the database refused: a defect of ours, or its disk.
    #[error("the database refused a statement")]
    Database(#[source] Cause),
}

impl Error {
    /// Whether a unique key was already taken.
    pub const fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Constraint { kind: Constraint::Unique, .. })
    }

    /// Whether a reference points at nothing, or something still points at what was to go.
    pub const fn is_foreign_key_violation(&self) -> bool {
        matches!(self, Self::Constraint { kind: Constraint::ForeignKey, .. })
    }

    /// Whether trying the same again later can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded | Self::CommitUnknown(_))
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        let busy = |detail: &'static str| {
            Problem::new(ProblemKind::Unavailable, "database-unavailable", detail).retry_after(Duration::from_secs(2))
        };
        match self {
            Self::Unavailable(_) | Self::Closed => {
                busy("The database does not answer at the moment. Try again shortly.")
            }
            Self::Overloaded => busy("More is waiting for the database than it can take. Try again shortly."),
            Self::CommitUnknown(_) => {
                busy("The connection to the database broke while saving. Look whether it was saved, then try again.")
            }
            Self::Constraint { kind: Constraint::Unique, .. } => Problem::new(
                ProblemKind::Conflict,
                "already-exists",
                "That already exists. Choose another name, or change the existing one.",
            ),
            Self::Constraint { kind: Constraint::ForeignKey, .. } => Problem::new(
                ProblemKind::Conflict,
                "still-referenced",
                "Something refers to this, or this refers to something that is gone. Remove the reference first.",
            ),
            Self::LeaseLost => Problem::new(
                ProblemKind::Conflict,
                "lease-lost",
                "Another node took over this work in the meantime. Nothing was changed here.",
            ),
            Self::Locked(_) => Problem::new(
                ProblemKind::Unavailable,
                "database-locked",
                "Another process uses this database. Stop that one, or give this one its own database.",
            ),
            Self::Migration(error) => error.problem(),
            Self::NulInText => Problem::new(
                ProblemKind::Invalid,
                "nul-in-text",
                "A text holds the character NUL (U+0000), which cannot be stored. Remove it.",
            ),
            Self::Options(text) => Problem::new(ProblemKind::Invalid, "database-options", text.clone()),
            _ => Problem::internal(),
        }
    }
}

/// A database's own error, cut down to its code and message: PostgreSQL's details quote the values of rows.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Refusal {}

/// A cause from a plain text.
pub(crate) fn cause(text: impl Into<String>) -> Cause {
    let boxed: Box<dyn std::error::Error + Send + Sync> = text.into().into();
    Arc::from(boxed)
}
