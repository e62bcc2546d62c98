//! What can go wrong with the audit log. No audit, no change: the caller's transaction fails with it.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The right is not there.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// A page was asked for after something that is no entry.
    #[error("the cursor is not one of this list")]
    Cursor,
    /// A stored value that this version cannot read.
    #[error("a stored audit entry cannot be read: {0}")]
    Unreadable(&'static str),
    /// The chain went on elsewhere while this node was sealing.
    #[error("another node sealed in the meantime")]
    Overtaken,
    /// The collector of the stream cannot be reached, or went away.
    #[error("the collector: {0}")]
    Stream(std::io::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Denied(denied) => denied.problem(),
            Self::Cursor => Problem::new(
                ProblemKind::Invalid,
                "bad-cursor",
                "The page cannot be found. Start again from the first page of the list.",
            )
            .at("cursor"),
            Self::Store(error) => error.problem(),
            Self::Unreadable(_) | Self::Overtaken | Self::Stream(_) => Problem::internal(),
        }
    }
}
