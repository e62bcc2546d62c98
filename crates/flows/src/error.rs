//! What can go wrong when flows are read or run.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The flow is not there, or was removed.
    #[error("there is no such flow")]
    NoFlow,
    /// What is stored cannot be read back: a defect, or a newer version of the product wrote it.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// A cursor that we did not make.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// Somebody else carried the run on in the meantime; nothing was changed.
    #[error("the run was carried on elsewhere")]
    Overtaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Sealing or opening failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The audit entry could not be written, so nothing was shown.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The alert could not be opened or resolved for a reason that is not the flow's.
    #[error(transparent)]
    Alerts(#[from] alerts::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::NoFlow => Problem::new(
                ProblemKind::NotFound,
                "no-such-flow",
                "This flow does not exist any more. Choose another one for the integration.",
            ),
            Self::Overtaken => Problem::new(
                ProblemKind::Conflict,
                "run-overtaken",
                "Another node carried this run on in the meantime.",
            ),
            Self::Cursor => Problem::new(
                ProblemKind::Invalid,
                "cursor-invalid",
                "The cursor is not one of ours; start from the first page.",
            )
            .at("cursor"),
            Self::Corrupt(_) => Problem::internal(),
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Alerts(error) => error.problem(),
        }
    }
}
