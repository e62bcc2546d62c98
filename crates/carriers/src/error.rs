//! What can go wrong with carriers.

use base::{Explain, Problem};

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
    /// Messaging did not take the carrier.
    #[error("messaging did not take the carrier")]
    Messaging(#[from] messaging::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Messaging(error) => error.problem(),
            Self::Vault(_) | Self::Stored(_) => Problem::internal(),
        }
    }
}
