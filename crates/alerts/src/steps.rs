//! The rows of `alert_notifications`: one for each person and step, planned or past.

use base::{AlertId, DeviceId, MessageId, NotificationId, Timestamp, UserId, WorkspaceId};
use oncall::SkipReason;
use serde::{Deserialize, Serialize};
use store::{Row, Tx, params};

use crate::Error;
use crate::rows::{json_column, json_text};
use crate::views::StepState;

/// Why a step was not carried out, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The plan leaves the person out.
    Plan(SkipReason),
    /// The alert ended before the step was due.
    Ended,
    /// The step was due, and the person could not be found any more.
    Gone,
    /// The person has just passed the alert on.
    PassedOn,
    /// Messaging or the carrier said no.
    Refused(String),
}

impl Why {
    /// One sentence.
    pub(crate) fn words(&self, person: &str) -> String {
        match self {
            Self::Plan(reason) => format!("{person} was not paged: {}.", reason.words()),
            Self::Ended => format!("{person} was not paged: the alert ended before."),
            Self::Gone => format!("{person} was not paged: the phone was removed in the meantime."),
            Self::PassedOn => format!("{person} was not paged again: {person} has just passed it on."),
            Self::Refused(why) => format!("The page did not reach {person}: {why}."),
        }
    }
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct StepRow {
    pub(crate) id: NotificationId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) alert: AlertId,
    pub(crate) round: u32,
    pub(crate) step: u32,
    pub(crate) user: Option<UserId>,
    pub(crate) person: String,
    pub(crate) device: Option<DeviceId>,
    pub(crate) state: StepState,
    pub(crate) why: Option<Why>,
    pub(crate) due: Timestamp,
    pub(crate) paged: Option<Timestamp>,
    pub(crate) message: Option<MessageId>,
    pub(crate) parts: u32,
    pub(crate) parts_sent: u32,
    pub(crate) parts_again: u32,
    pub(crate) carrier: Option<String>,
    pub(crate) sent: Option<Timestamp>,
    pub(crate) delivered: Option<Timestamp>,
    pub(crate) failed: Option<Timestamp>,
    pub(crate) answered: Option<Timestamp>,
    pub(crate) answer: Option<String>,
}

impl StepState {
    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Answered => "answered",
            Self::Skipped => "skipped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Planned, Self::Sent, Self::Delivered, Self::Failed, Self::Answered, Self::Skipped]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl StepRow {
    /// A step that is still to come.
    pub(crate) fn planned(
        id: NotificationId,
        workspace: WorkspaceId,
        alert: AlertId,
        round: u32,
        step: u32,
        person: String,
        due: Timestamp,
    ) -> Self {
        Self {
            id,
            workspace,
            alert,
            round,
            step,
            user: None,
            person,
            device: None,
            state: StepState::Planned,
            why: None,
            due,
            paged: None,
            message: None,
            parts: 0,
            parts_sent: 0,
            parts_again: 0,
            carrier: None,
            sent: None,
            delivered: None,
            failed: None,
            answered: None,
            answer: None,
        }
    }

    fn read(row: &Row<'_>) -> Result<Self, store::Error> {
        let state: String = row.get("state")?;
        Ok(Self {
            id: row.get("id")?,
            workspace: row.get("workspace")?,
            alert: row.get("alert")?,
            round: row.get("round")?,
            step: row.get("step")?,
            user: row.get("user_id")?,
            person: row.get("person")?,
            device: row.get("device")?,
            state: StepState::parse(&state)
                .ok_or_else(|| store::Error::Decode { column: "state".to_owned(), expected: "a step's state" })?,
            why: json_column(row, "reason")?,
            due: row.get("due_at")?,
            paged: row.get("paged_at")?,
            message: row.get("message")?,
            parts: row.get("parts")?,
            parts_sent: row.get("parts_sent")?,
            parts_again: row.get("parts_again")?,
            carrier: row.get("carrier")?,
            sent: row.get("sent_at")?,
            delivered: row.get("delivered_at")?,
            failed: row.get("failed_at")?,
            answered: row.get("answered_at")?,
            answer: row.get("answer")?,
        })
    }
}

/// Writes a new step.
pub(crate) fn insert(tx: &mut Tx<'_>, step: &StepRow) -> Result<(), Error> {
    tx.send(
        "INSERT INTO alert_notifications (id, workspace, alert, round, step, user_id, person, device, state, reason, due_at,
             paged_at, message, parts, parts_sent, parts_again, carrier, sent_at, delivered_at, failed_at, answered_at, answer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        &params![
            step.id,
            step.workspace,
            step.alert,
            step.round,
            step.step,
            step.user,
            &step.person,
            step.device,
            step.state.as_str(),
            step.why.as_ref().map(json_text),
            step.due,
            step.paged,
            step.message,
            step.parts,
            step.parts_sent,
            step.parts_again,
            step.carrier.as_deref(),
            step.sent,
            step.delivered,
            step.failed,
            step.answered,
            step.answer.as_deref(),
        ],
    )?;
    Ok(())
}

/// Writes back what can change. The caller holds the alert's row.
pub(crate) fn save(tx: &mut Tx<'_>, step: &StepRow) -> Result<(), Error> {
    tx.send(
        "UPDATE alert_notifications SET state = $3, reason = $4, due_at = $5, paged_at = $6, message = $7, parts = $8,
             parts_sent = $9, parts_again = $10, carrier = $11, sent_at = $12, delivered_at = $13, failed_at = $14,
             answered_at = $15, answer = $16
         WHERE workspace = $1 AND id = $2",
        &params![
            step.workspace,
            step.id,
            step.state.as_str(),
            step.why.as_ref().map(json_text),
            step.due,
            step.paged,
            step.message,
            step.parts,
            step.parts_sent,
            step.parts_again,
            step.carrier.as_deref(),
            step.sent,
            step.delivered,
            step.failed,
            step.answered,
            step.answer.as_deref(),
        ],
    )?;
    Ok(())
}

/// All steps of an alert, in order.
pub(crate) fn of_alert(tx: &mut Tx<'_>, workspace: WorkspaceId, alert: AlertId) -> Result<Vec<StepRow>, Error> {
    Ok(tx.query(
        "SELECT * FROM alert_notifications WHERE workspace = $1 AND alert = $2 ORDER BY round, step",
        &params![workspace, alert],
        StepRow::read,
    )?)
}

/// One step, by its id alone: for events, which name nothing else.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: NotificationId) -> Result<Option<StepRow>, Error> {
    Ok(tx.query_opt("SELECT * FROM alert_notifications WHERE id = $1", &params![id], StepRow::read)?)
}
