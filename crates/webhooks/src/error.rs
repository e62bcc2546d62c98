//! What can go wrong here.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such webhook here.
    #[error("there is no such webhook")]
    NoWebhook,
    /// There is no such callback here.
    #[error("there is no such callback")]
    NoCallback,
    /// The callback is still on its way.
    #[error("the callback is still being tried")]
    StillTried,
    /// What it said cannot be opened any more.
    #[error("what the callback said is erased")]
    Erased,
    /// The cursor is not one of ours.
    #[error("the cursor is not one that this list gave")]
    Cursor,
    /// The overlap is too long.
    #[error("the overlap is too long")]
    Overlap,
    /// A stored value cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// The vault failed.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// A resource could not be read or written.
    #[error("a resource could not be read or written")]
    Resources(#[from] resources::Error),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] audit::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Self::NoWebhook => new(ProblemKind::NotFound, "webhook-not-found", "There is no such webhook here."),
            Self::NoCallback => new(
                ProblemKind::NotFound,
                "callback-not-found",
                "There is no such callback here, or it is older than 30 days.",
            ),
            Self::StillTried => new(
                ProblemKind::Conflict,
                "callback-under-way",
                "This callback is still being tried; it goes again by itself.",
            ),
            Self::Erased => new(
                ProblemKind::Conflict,
                "callback-erased",
                "What this callback said is erased; it cannot be sent again.",
            ),
            Self::Cursor => new(
                ProblemKind::Invalid,
                "invalid-cursor",
                "The cursor is not one that this list gave. Leave it out to begin with the newest.",
            )
            .at("cursor"),
            Self::Overlap => {
                new(ProblemKind::Invalid, "overlap-too-long", "The old secret works on for 168 hours at most.")
                    .at("overlapHours")
            }
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Resources(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Corrupt(_) => Problem::internal(),
        }
    }
}
