//! Why a request was refused, and what can go wrong behind the doors.

use std::time::Duration;

use base::{Explain, Problem, ProblemKind};

use crate::body::BodyError;

/// Why a signal was not accepted. What it says to a sender who proved nothing is the same for every cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The integration does not exist, or the credential is not its own: 401, without a hint which.
    #[error("no such integration, or not its credential")]
    Unproven,
    /// The integration is switched off: 403.
    #[error("the integration is switched off")]
    SwitchedOff,
    /// The body is larger than 256 KiB: 413.
    #[error("the body is too large")]
    TooLarge,
    /// The media type is not read here: 415.
    #[error("the media type is not read here")]
    Media,
    /// More signals than the integration may send: 429.
    #[error("too many signals")]
    TooMany {
        /// When the next one has a place.
        after: Duration,
    },
    /// The body is not acceptable: 400.
    #[error("the body is not acceptable")]
    Body {
        /// What is wrong, with line and column.
        detail: String,
        /// The path in the document.
        path: String,
    },
    /// It could not be put on disk, so it is not accepted: 503 or 500.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        Self::Body { detail: error.detail, path: error.path }
    }
}

impl Explain for Refused {
    fn problem(&self) -> Problem {
        match self {
            Self::Unproven => Problem::new(
                ProblemKind::Unauthenticated,
                "signal-unproven",
                "There is no such integration, or this is not its credential. Compare the URL and token with the integration's page.",
            ),
            Self::SwitchedOff => Problem::new(
                ProblemKind::Forbidden,
                "integration-switched-off",
                "This integration is switched off. Ask its owner to switch it on.",
            ),
            Self::TooLarge => {
                Problem::new(ProblemKind::TooLarge, "signal-too-large", "A signal has at most 256 KiB. Send less, or in parts.")
            }
            Self::Media => Problem::new(
                ProblemKind::UnsupportedMedia,
                "signal-media-type",
                "A signal is application/json or application/x-www-form-urlencoded, in UTF-8. Set Content-Type and send it so.",
            ),
            Self::TooMany { after } => Problem::new(
                ProblemKind::TooMany,
                "signal-rate",
                "This integration sends more signals than it may. Wait as long as Retry-After says; nothing of this one was kept.",
            )
            .retry_after(*after),
            Self::Body { detail, path } => {
                let problem = Problem::new(ProblemKind::Invalid, "signal-body", detail.clone());
                if path.is_empty() { problem } else { problem.at(path.clone()) }
            }
            Self::Failed(error) => error.problem(),
        }
    }
}

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is stored cannot be read back: a defect, or a newer version of the product wrote it.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// There is no such integration in the workspace.
    #[error("no such integration")]
    NoIntegration,
    /// Somebody else handled the signals in the meantime; nothing was changed.
    #[error("handled elsewhere")]
    Overtaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Sealing or opening failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The key could not be looked up.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// A run could not be begun.
    #[error(transparent)]
    Flows(#[from] flows::Error),
    /// The audit entry could not be written, so nothing was shown.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The integration could not be changed.
    #[error(transparent)]
    Resources(#[from] resources::Error),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Corrupt(_) | Self::Overtaken | Self::Audit(_) => Problem::internal(),
            Self::NoIntegration => Problem::new(
                ProblemKind::NotFound,
                "no-such-integration",
                "There is no such integration in this workspace.",
            ),
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Identity(error) => error.problem(),
            Self::Flows(error) => error.problem(),
            Self::Resources(_) => Problem::new(
                ProblemKind::Unprocessable,
                "integration-unchanged",
                "The integration could not be changed. Look at it under its resources, and try again.",
            ),
        }
    }
}
