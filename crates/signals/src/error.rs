//! Why a request was refused, and what can go wrong behind the doors.

use std::time::Duration;

use base::{Explain, Problem, ProblemKind, SignalId};

use crate::body::BodyError;
use crate::types::Auth;

/// Why a signal was not accepted. What it says to a sender who proved nothing is the same for every cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The integration does not exist, or the credential is not its own: 401, without a hint which.
    #[error("no such integration, or not its credential")]
    Unproven,
    /// The signature is right, but made at another time than ours, or with an id that cannot be remembered: 401.
    #[error("the signature is right, but {0}")]
    Stale(String),
    /// A signed message that was accepted before: 409.
    #[error("the message was accepted before")]
    Replayed {
        /// The signal it became then.
        first: SignalId,
    },
    /// There is no such signal or integration in the workspace (tests and replays): 404.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The body of the recorded signal is not kept (any more): 409.
    #[error("its body is not kept")]
    Gone(&'static str),
    /// The integration is switched off: 403.
    #[error("the integration is switched off")]
    SwitchedOff,
    /// The body is larger than its media type may be: 413.
    #[error("the body is too large")]
    TooLarge {
        /// Bytes that it may have.
        limit: usize,
    },
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
            Self::Stale(why) => Problem::new(
                ProblemKind::Unauthenticated,
                "signal-stale",
                format!("The signature is right, but {why}."),
            ),
            Self::Replayed { first } => Problem::new(
                ProblemKind::Conflict,
                "signal-replayed",
                format!("This webhook-id was accepted before, as signal {first}, and counts once. A sender that only missed our answer need not send it again."),
            ),
            Self::NotFound(what) => {
                Problem::new(ProblemKind::NotFound, "not-found", format!("There is no such {what} in this workspace."))
            }
            Self::Gone(why) => Problem::new(ProblemKind::Conflict, "signal-body-gone", *why),
            Self::TooLarge { limit } => Problem::new(
                ProblemKind::TooLarge,
                "signal-too-large",
                format!("A signal of this media type has at most {} KiB. Send less, or in parts.", limit / 1024),
            ),
            Self::Media => Problem::new(
                ProblemKind::UnsupportedMedia,
                "signal-media-type",
                "A signal is JSON, XML or application/x-www-form-urlencoded, in UTF-8. Set Content-Type and send it so.",
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
    /// A cursor that we did not make.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// There is no such integration in the workspace.
    #[error("no such integration")]
    NoIntegration,
    /// A signed message that was accepted before; nothing was changed.
    #[error("the message was accepted before")]
    Replayed(SignalId),
    /// The method has no credential of the integration's own that could be renewed.
    #[error("nothing to renew")]
    NothingToRenew(Auth),
    /// An overlap longer than a rotation may have.
    #[error("the overlap is too long")]
    Overlap,
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
            Self::Cursor => Problem::new(
                ProblemKind::Invalid,
                "cursor-invalid",
                "The cursor is not one of ours; start from the first page.",
            )
            .at("cursor"),
            Self::NoIntegration => Problem::new(
                ProblemKind::NotFound,
                "no-such-integration",
                "There is no such integration in this workspace.",
            ),
            Self::Replayed(_) => Problem::new(
                ProblemKind::Conflict,
                "signal-replayed",
                "This webhook-id was accepted before and counts once.",
            ),
            Self::NothingToRenew(Auth::ApiKey | Auth::Certificate) => Problem::new(
                ProblemKind::Unprocessable,
                "nothing-to-renew",
                "API keys and certificates are not drawn here. Renew a key under API keys; put the next certificate beside the present one.",
            )
            .at("method"),
            Self::NothingToRenew(way) => Problem::new(
                ProblemKind::Unprocessable,
                "nothing-to-renew",
                format!(
                    "Senders do not prove themselves by `{}` here. Add it to `auth` of the integration first.",
                    way.as_str()
                ),
            )
            .at("method"),
            Self::Overlap => Problem::new(
                ProblemKind::Invalid,
                "overlap-too-long",
                "Old and new credential count together for at most 7 days (168 hours). Choose a shorter overlap.",
            )
            .at("overlap"),
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Identity(error) => error.problem(),
            Self::Flows(error) => error.problem(),
            Self::Resources(error) => error.problem(),
        }
    }
}
