//! What can go wrong while somebody proves who they are. Nothing here says more than the person may know.

use std::time::Duration;

use base::{Explain, Problem, ProblemKind};

/// A failed proof or change of credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown name, wrong password or paused account: one answer for all three (control X-12).
    #[error("the log-in was refused")]
    BadLogin,
    /// Too many tries from this address.
    #[error("too many tries from this address")]
    TooManyTries {
        /// When the next one makes sense.
        retry_after: Duration,
    },
    /// More people are logging in than this machine can check passwords for.
    #[error("too many passwords are being checked")]
    Busy,
    /// The link was used, replaced, mistyped or is too old.
    #[error("the link does not work")]
    BadLink,
    /// The password breaks a rule.
    #[error("the password was refused")]
    Password(Box<Problem>),
    /// Some other input is wrong.
    #[error("the input was refused")]
    Invalid(Box<Problem>),
    /// There is no such person.
    #[error("no such person")]
    NoSuchUser,
    /// The right is missing.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// Roles or workspaces could not be read.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A resource could not be written.
    #[error(transparent)]
    Resources(#[from] resources::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A cipher or hash failed.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// The audit entry could not be written.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// A worker thread was lost.
    #[error("a password check was lost")]
    Lost,
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::BadLogin => Problem::new(
                ProblemKind::Unauthenticated,
                "bad-login",
                "Name or password are wrong, or there were too many tries. Check both, wait a minute and try again; \
                 an administrator can send you a new link.",
            ),
            Self::TooManyTries { retry_after } => Problem::new(
                ProblemKind::TooMany,
                "too-many-tries",
                "There were too many tries from your address. Wait a minute, then try again.",
            )
            .retry_after(*retry_after),
            Self::Busy => Problem::new(
                ProblemKind::Unavailable,
                "busy",
                "Many people are signing in just now. Try again in a few seconds.",
            )
            .retry_after(Duration::from_secs(5)),
            Self::BadLink => Problem::new(
                ProblemKind::Forbidden,
                "bad-link",
                "This link was used already, was replaced by a newer one, or is too old. Ask for a new one; on the \
                 machine itself, `loudhailer setup-link` prints one.",
            ),
            Self::Password(problem) | Self::Invalid(problem) => (**problem).clone(),
            Self::NoSuchUser => Problem::new(
                ProblemKind::NotFound,
                "no-such-person",
                "There is no such person. Look at the list of people for the name.",
            ),
            Self::Denied(denied) => denied.problem(),
            Self::Access(error) => error.problem(),
            Self::Resources(error) => error.problem(),
            Self::Store(error) => error.problem(),
            Self::Vault(_) | Self::Crypto(_) | Self::Audit(_) | Self::Lost => Problem::internal(),
        }
    }
}
