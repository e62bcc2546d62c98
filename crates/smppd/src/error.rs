//! What can go wrong here.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// Messaging failed.
    #[error("messaging failed")]
    Messaging(#[from] messaging::Error),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] audit::Error),
    /// There is no such account or bind in this workspace.
    #[error("no such SMPP account or bind")]
    NotFound,
    /// A listener cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Messaging(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::NotFound => Problem::new(
                ProblemKind::NotFound,
                "no-such-bind",
                "There is no such SMPP account or bind in this workspace, or it is bound to another node.",
            ),
            Self::Listen { .. } => Problem::internal(),
        }
    }
}
