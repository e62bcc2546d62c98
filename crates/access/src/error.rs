//! What can go wrong with workspaces and roles.

use base::{Explain, Problem, ProblemKind};

use crate::{Denied, Slug};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The right is not there.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Another workspace has or had this slug.
    #[error("the slug {0} belongs to another workspace")]
    SlugTaken(Slug),
    /// A stored value that this version cannot read.
    #[error("a stored value cannot be read: {0}")]
    Unreadable(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Denied(denied) => denied.problem(),
            Self::SlugTaken(slug) => Problem::new(
                ProblemKind::Conflict,
                "slug-taken",
                format!("The slug {slug} belongs to another workspace or to an archived one. Choose another."),
            )
            .at("slug"),
            Self::Store(error) => error.problem(),
            Self::Unreadable(_) => Problem::internal(),
        }
    }
}
