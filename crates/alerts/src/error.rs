//! What can go wrong with an alert, for people and programs.

use base::{Explain, Problem, ProblemKind};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such alert in this workspace.
    #[error("no such alert")]
    NotFound,
    /// What was given to open an alert breaks a rule.
    #[error("{field} is wrong: {detail}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong and what to do.
        detail: &'static str,
    },
    /// The permit is for another workspace.
    #[error("the permit is for another workspace")]
    OtherWorkspace,
    /// Somebody else has the alert.
    #[error("somebody else has it")]
    Taken {
        /// Who.
        by: String,
    },
    /// The alert is over.
    #[error("the alert is over")]
    Over {
        /// How it ended: `resolved` or `expired`.
        how: &'static str,
    },
    /// There is no answer of this person to take back.
    #[error("there is nothing to take back")]
    NothingToUndo,
    /// The answer is older than five minutes.
    #[error("it is too late to take the answer back")]
    TooLateToUndo,
    /// A newer alert with the same key lives.
    #[error("a newer alert has taken over")]
    Replaced {
        /// Its name.
        by: String,
    },
    /// A cursor that we did not make.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// Keys failed.
    #[error("the key ring failed")]
    Vault(#[from] vault::Error),
    /// People could not be read.
    #[error("on-call data could not be read")]
    OnCall(#[from] oncall::Error),
    /// The channel failed.
    #[error("the channel failed")]
    Channel(#[from] channels::Error),
    /// Messaging failed.
    #[error("messaging failed")]
    Messaging(#[from] messaging::Error),
    /// The audit entry could not be written; so nothing was changed.
    #[error("the audit log failed")]
    Audit(#[from] audit::Error),
    /// A stored row cannot be read.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        use ProblemKind::{Conflict, Forbidden, Invalid, NotFound};
        match self {
            Self::NotFound => Problem::new(NotFound, "no-such-alert", "There is no such alert in this workspace."),
            Self::Invalid { field, detail } => Problem::new(Invalid, "alert-invalid", *detail).at(*field),
            Self::OtherWorkspace => {
                Problem::new(Forbidden, "other-workspace", "This needs a right in the alert’s own workspace.")
            }
            Self::Taken { by } => Problem::new(
                Conflict,
                "alert-taken",
                format!("{by} has this alert. Ask {by}, or resolve it when it is over."),
            ),
            Self::Over { how } => {
                Problem::new(Conflict, "alert-over", format!("This alert is {how} already. Nothing was changed."))
            }
            Self::NothingToUndo => {
                Problem::new(Conflict, "nothing-to-undo", "There is no answer of yours to take back on this alert.")
            }
            Self::TooLateToUndo => Problem::new(
                Conflict,
                "too-late-to-undo",
                "An answer can be taken back for five minutes. Pass the alert on instead.",
            ),
            Self::Replaced { by } => Problem::new(
                Conflict,
                "alert-replaced",
                format!("{by} was opened with the same key in the meantime. Answer that one."),
            ),
            Self::Cursor => {
                Problem::new(Invalid, "cursor-invalid", "The cursor is not one of ours; start from the first page.")
                    .at("cursor")
            }
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::OnCall(error) => error.problem(),
            Self::Channel(error) => error.problem(),
            Self::Messaging(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Corrupt(_) => Problem::internal(),
        }
    }
}

impl From<crate::state::Refusal> for Error {
    fn from(refusal: crate::state::Refusal) -> Self {
        use crate::state::Refusal;
        match refusal {
            Refusal::Taken { by, .. } => Self::Taken { by: by.name },
            Refusal::Over { state, .. } => Self::Over { how: state.as_str() },
            Refusal::NothingToUndo => Self::NothingToUndo,
            Refusal::TooLateToUndo => Self::TooLateToUndo,
            Refusal::Replaced { number } => Self::Replaced { by: crate::types::alert_name(number) },
        }
    }
}
