//! What can go wrong with carriers.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// The vault failed.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// What is stored cannot be read.
    #[error("a stored carrier cannot be read")]
    Stored(#[from] serde_json::Error),
    /// There is no carrier of that name.
    #[error("no such carrier")]
    NoSuchCarrier,
    /// The right is missing.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] audit::Error),
    /// Messaging did not take the carrier.
    #[error("messaging did not take the carrier")]
    Messaging(#[from] messaging::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Messaging(error) => error.problem(),
            Self::Denied(denied) => denied.problem(),
            Self::Audit(error) => error.problem(),
            Self::NoSuchCarrier => Problem::new(
                ProblemKind::NotFound,
                "no-such-carrier",
                "There is no carrier of this name. The list of carriers has those there are.",
            ),
            Self::Vault(_) | Self::Stored(_) => Problem::internal(),
        }
    }
}
