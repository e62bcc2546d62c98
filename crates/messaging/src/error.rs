//! What can go wrong here, for people and programs.

use base::{Explain, Problem, ProblemKind};
use std::time::Duration;

/// Why messaging did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text cannot be sent as asked.
    #[error(transparent)]
    Text(#[from] sms::SegmentError),
    /// There is no text.
    #[error("the text is empty")]
    EmptyText,
    /// The source address is none.
    #[error(transparent)]
    Sender(#[from] routing::SenderError),
    /// No carrier may take it.
    #[error(transparent)]
    Refused(#[from] routing::Refused),
    /// It would be too late before it could go.
    #[error("the message expires before it could be sent")]
    Expired,
    /// A field is longer than it may be.
    #[error("{field} is longer than {most} characters")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Characters it may have.
        most: usize,
    },
    /// More messages in one call than are taken.
    #[error("more than {most} messages in one call")]
    TooMany {
        /// How many may be.
        most: usize,
    },
    /// There is no such batch, or not in this workspace.
    #[error("no such batch")]
    NoSuchBatch,
    /// Number and text were erased on request.
    #[error("number and text of this message were erased for good")]
    Erased,
    /// Feedback later than it is taken.
    #[error("feedback is taken within 15 minutes after the message")]
    LateFeedback,
    /// There is no such export, or not in this workspace.
    #[error("no such export")]
    NoSuchExport,
    /// An export of no time.
    #[error("the export would begin at or after its end")]
    NoTime,
    /// More exports under way than may be.
    #[error("five exports of this workspace are under way; wait for one, or delete it")]
    TooManyExports,
    /// More than we can take now.
    #[error("more messages are arriving than can be taken now")]
    Busy,
    /// There is no such message, or not in this workspace.
    #[error("no such message")]
    NotFound,
    /// A cursor that we did not make.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// What a carrier brought could not be stored; it should bring it again.
    #[error("it could not be stored")]
    Unwritten,
    /// A message is not in a state for that.
    #[error("the message is {0}, so there is nothing to decide")]
    NothingToDecide(crate::State),
    /// A message that is past the point where it can be taken back.
    #[error("the message is {0}, so it cannot be cancelled: only one that still waits can")]
    NotCancellable(crate::State),
    /// A message whose first parts are at the carrier.
    #[error("parts of the message are at the carrier already, so it cannot be cancelled")]
    HalfSent,
    /// A message that belongs to something in a room above, such as the page of an alert.
    #[error("the message was caused by a {0} of this server and cannot be cancelled alone; end that instead")]
    Owned(String),
    /// A message is past waiting, so it cannot be changed any more.
    #[error("the message is {0} and does not wait any more")]
    NotWaiting(crate::State),
    /// We are stopping.
    #[error("messaging is shutting down")]
    Stopped,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// Keys failed.
    #[error("the key ring failed")]
    Vault(#[from] vault::Error),
    /// The audit log failed, and without it nothing is changed.
    #[error("the audit log failed")]
    Audit(#[from] audit::Error),
    /// A workspace cannot be read.
    #[error("the workspace could not be read")]
    Access(#[from] access::Error),
    /// A stored row cannot be read.
    #[error("a stored message cannot be read: {0}")]
    Corrupt(&'static str),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        use ProblemKind::{Invalid, NotFound, TooMany, Unavailable, Unprocessable};
        let text = self.to_string();
        match self {
            Self::Text(sms::SegmentError::NotGsm { .. }) => Problem::new(Invalid, "text-not-gsm7", text).at("text"),
            Self::Text(sms::SegmentError::TooManyParts { .. }) => {
                Problem::new(Invalid, "text-too-long", text).at("text")
            }
            Self::EmptyText => Problem::new(Invalid, "text-empty", "The text is empty; write one.").at("text"),
            Self::Sender(_) => Problem::new(Invalid, "sender-invalid", text).at("sender"),
            Self::Refused(refused) if refused.wants_sender => {
                Problem::new(Unprocessable, "no-sender", text).at("sender")
            }
            Self::Refused(_) => Problem::new(Unprocessable, "no-route", text),
            Self::Expired => Problem::new(
                Invalid,
                "expired",
                "The message would expire before it could be sent; give a later expiry.",
            )
            .at("expiry"),
            Self::TooLong { field, .. } => Problem::new(Invalid, "too-long", text).at(*field),
            Self::Erased => Problem::new(NotFound, "erased", format!("{}.", upper(&text))),
            Self::LateFeedback => Problem::new(Invalid, "too-late-feedback", format!("{}.", upper(&text))),
            Self::NoSuchExport => {
                Problem::new(NotFound, "no-such-export", "There is no such export in this workspace, or not any more.")
            }
            Self::NoTime => Problem::new(Invalid, "no-time", format!("{}.", upper(&text))).at("from"),
            Self::TooManyExports => Problem::new(TooMany, "too-many-exports", format!("{}.", upper(&text)))
                .retry_after(Duration::from_secs(30)),
            Self::TooMany { .. } => Problem::new(ProblemKind::TooLarge, "too-many-messages", text).at("messages"),
            Self::NoSuchBatch => {
                Problem::new(NotFound, "no-such-batch", "There is no such batch in this workspace.").at("batchId")
            }
            Self::Busy => Problem::new(
                TooMany,
                "busy",
                "More messages are arriving than can be taken now; slow down and try again.",
            )
            .retry_after(Duration::from_secs(1)),
            Self::NotFound => Problem::new(NotFound, "no-such-message", "There is no such message in this workspace."),
            Self::Cursor => {
                Problem::new(Invalid, "cursor-invalid", "The cursor is not one of ours; start from the first page.")
                    .at("cursor")
            }
            Self::Unwritten => {
                Problem::new(Unavailable, "not-stored", "It could not be stored; send it again in a moment.")
                    .retry_after(Duration::from_secs(2))
            }
            Self::NotWaiting(_) => Problem::new(ProblemKind::Conflict, "not-waiting", text),
            Self::NothingToDecide(_) => Problem::new(ProblemKind::Conflict, "nothing-to-decide", text),
            Self::NotCancellable(_) | Self::HalfSent | Self::Owned(_) => {
                Problem::new(ProblemKind::Conflict, "not-cancellable", format!("{}.", upper(&text)))
            }
            Self::Stopped => {
                Problem::new(Unavailable, "stopping", "This server is shutting down; try again in a moment.")
                    .retry_after(Duration::from_secs(5))
            }
            Self::Store(cause) => cause.problem(),
            Self::Vault(cause) => cause.problem(),
            Self::Audit(cause) => cause.problem(),
            Self::Access(cause) => cause.problem(),
            Self::Corrupt(_) => Problem::internal(),
        }
    }
}

/// With a capital letter, to begin a sentence.
fn upper(text: &str) -> String {
    let mut marks = text.chars();
    marks.next().map_or_else(String::new, |first| first.to_uppercase().chain(marks).collect())
}
