//! What can go wrong on the way to a phone.

use base::{Explain, Problem, ProblemKind};

/// Why a text was not handed over, or an answer not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// Keys failed.
    #[error("the key ring failed")]
    Vault(#[from] vault::Error),
    /// Messaging would not take the text.
    #[error("the text was not accepted")]
    Messaging(#[from] messaging::Error),
    /// People could not be read.
    #[error("people could not be read")]
    OnCall(#[from] oncall::Error),
    /// So many pages wait on this phone that no digits are left.
    #[error("no digits are left on this phone")]
    NoDigitsLeft,
}

impl Error {
    /// Whether the text itself was refused, so that trying again does not help and the next person should be tried.
    /// Anything else is a failure of ours: the transaction is rolled back and tried again.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NoDigitsLeft => true,
            Self::Messaging(error) => {
                matches!(
                    error.problem().kind,
                    ProblemKind::Invalid | ProblemKind::Unprocessable | ProblemKind::Forbidden
                )
            }
            Self::Store(_) | Self::Vault(_) | Self::OnCall(_) => false,
        }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Messaging(error) => error.problem(),
            Self::OnCall(error) => error.problem(),
            Self::NoDigitsLeft => Problem::new(
                ProblemKind::Unprocessable,
                "no-digits-left",
                "So many pages wait for an answer on this phone that no digits are left. Resolve some of them in the console.",
            ),
        }
    }
}
