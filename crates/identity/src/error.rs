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
    /// The second factor is wrong, was used before, or is not one of the person's.
    #[error("the second factor was refused")]
    BadFactor,
    /// The passkey is unknown here, or its answer does not hold.
    #[error("the passkey was refused")]
    BadPasskey,
    /// The way between password and second factor took too long, or too many tries.
    #[error("the log-in has to begin again")]
    HalfWayOver,
    /// The page on which a factor is set up was drawn too long ago, or another one took its place.
    #[error("the page is too old for what it showed")]
    PageTooOld,
    /// There is one already.
    #[error("this factor is there already")]
    FactorThere,
    /// There is none.
    #[error("there is no such factor")]
    NoFactor,
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
    /// The last factor of somebody who must have one.
    #[error("the last factor must stay")]
    LastFactor,
    /// The link was used, replaced, mistyped or is too old.
    #[error("the link does not work")]
    BadLink,
    /// The password breaks a rule.
    #[error("the password was refused")]
    Password(Box<Problem>),
    /// Some other input is wrong.
    #[error("the input was refused")]
    Invalid(Box<Problem>),
    /// A provider is the only way in, and the account is none for emergencies.
    #[error("passwords open no account but those for emergencies")]
    PasswordsClosed,
    /// There is no such person.
    #[error("no such person")]
    NoSuchUser,
    /// The password was right, and another one has to be chosen before anything else.
    #[error("the password must be changed")]
    MustChange(Box<crate::Link>),
    /// The person has no password that could be set anew.
    #[error("the person has no password")]
    NoPassword,
    /// The person has a password already, and a letter can bring them a link that nobody else sees.
    #[error("the person has a password")]
    HasPassword,
    /// A letter could not be queued.
    #[error(transparent)]
    Mail(#[from] mail::Error),
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
            Self::BadFactor => Problem::new(
                ProblemKind::Unauthenticated,
                "bad-factor",
                "That proof is wrong, or was used before: each code works once. Wait for the next code, and see that the clock of \
                 your phone is right.",
            ),
            Self::BadPasskey => Problem::new(
                ProblemKind::Unauthenticated,
                "bad-passkey",
                "This passkey is not known here, or its answer came too late. Try again, or sign in with your password.",
            ),
            Self::HalfWayOver => Problem::new(
                ProblemKind::Unauthenticated,
                "begin-again",
                "That took too long, or there were too many tries. Begin again with your password.",
            ),
            Self::PageTooOld => Problem::new(
                ProblemKind::Unprocessable,
                "page-too-old",
                "This page was open for too long, or another one took its place: what it showed is no longer good. It is fresh now: \
                 try again.",
            ),
            Self::FactorThere => Problem::new(
                ProblemKind::Conflict,
                "factor-there",
                "This factor is set up already. To replace it, remove it first.",
            ),
            Self::NoFactor => Problem::new(
                ProblemKind::NotFound,
                "no-such-factor",
                "There is no such factor any more. Load the page again to see what there is.",
            ),
            Self::NoSession => Problem::new(
                ProblemKind::NotFound,
                "no-such-session",
                "There is no such session any more: it ended, or is of somebody else.",
            ),
            Self::LastFactor => Problem::new(
                ProblemKind::Conflict,
                "last-factor",
                "One of your roles must have a second factor, and this is your last one. Set up another first.",
            ),
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
                 machine itself, `loudhailer setup-link` prints one for an administrator.",
            ),
            Self::PasswordsClosed => Problem::new(
                ProblemKind::Forbidden,
                "passwords-closed",
                "Passwords open no account here but those for emergencies. Sign in with your identity provider; the sign-in \
                 page leads there.",
            ),
            Self::Password(problem) | Self::Invalid(problem) => (**problem).clone(),
            Self::NoSuchUser => Problem::new(
                ProblemKind::NotFound,
                "no-such-person",
                "There is no such person. Look at the list of people for the name.",
            ),
            Self::MustChange(_) => Problem::new(
                ProblemKind::Forbidden,
                "password-must-change",
                "Your password has to be replaced before you go on. Choose another one; then sign in with it.",
            ),
            Self::NoPassword => Problem::new(
                ProblemKind::Conflict,
                "no-password",
                "They have no password that could be set anew. Invite them: with the invitation they choose their first one.",
            ),
            Self::HasPassword => Problem::new(
                ProblemKind::Conflict,
                "has-password",
                "They have a password. A link that you see would let you in as them: send them one by e-mail instead, which nobody \
                 but them sees.",
            ),
            Self::Mail(error) => error.problem(),
            Self::Denied(denied) => denied.problem(),
            Self::Access(error) => error.problem(),
            Self::Resources(error) => error.problem(),
            Self::Store(error) => error.problem(),
            Self::Vault(_) | Self::Crypto(_) | Self::Audit(_) | Self::Lost => Problem::internal(),
        }
    }
}
