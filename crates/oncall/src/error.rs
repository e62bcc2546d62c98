//! What can go wrong here.

use base::{Explain, Problem};

/// Why on-call data could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// Keys failed.
    #[error("the key ring failed")]
    Vault(#[from] vault::Error),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] audit::Error),
    /// A stored row cannot be read.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Corrupt(_) => Problem::internal(),
        }
    }
}
