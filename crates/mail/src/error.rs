//! What can go wrong before a letter is on its way. What happens on the way is told by its row.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mail server is configured.
    #[error("no mail server is configured")]
    Off,
    /// The settings cannot be used.
    #[error("the settings for mail cannot be used")]
    Crypto(#[from] crypto::Error),
    /// A stored value cannot be read.
    #[error("a stored letter cannot be read")]
    Corrupt,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// The vault failed.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] audit::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Off => Problem::new(
                ProblemKind::Conflict,
                "mail-off",
                "This server sends no e-mail: no mail server is configured. Hand the link over by another way, or have the \
                 operator of the machine fill in [mail] in loudhailer.toml.",
            ),
            Self::Store(error) => error.problem(),
            Self::Crypto(_) | Self::Corrupt | Self::Vault(_) | Self::Audit(_) => Problem::internal(),
        }
    }
}
