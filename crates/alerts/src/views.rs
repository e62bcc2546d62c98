//! What pages draw: the chain, the timeline and the texts that came in.

use std::time::Duration;

use base::{AlertId, DeviceId, InboundId, MessageId, NotificationId, RunId, SignalId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The state of one link of the chain, as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Knot {
    /// It happened.
    Done,
    /// It is happening.
    Now,
    /// It is still to come.
    Waiting,
    /// It will not happen, with a reason.
    Skipped,
    /// Nobody can know whether it happened.
    Unknown,
    /// It went wrong.
    Failed,
}

/// A link with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KnotAt {
    /// How it is drawn.
    pub knot: Knot,
    /// When it happened, or is due.
    pub at: Option<Timestamp>,
}

/// The text message of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageKnot {
    /// How it is drawn.
    pub knot: Knot,
    /// When the last part went out.
    pub at: Option<Timestamp>,
    /// Parts handed to a carrier.
    pub sent: u32,
    /// Parts altogether.
    pub total: u32,
    /// Parts that went again because the outcome of the first attempt is unknown.
    pub again: u32,
    /// The carrier that took it.
    pub carrier: Option<String>,
}

/// The answer to a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerKnot {
    /// How it is drawn.
    pub knot: Knot,
    /// When the answer came.
    pub at: Option<Timestamp>,
    /// What it was, in words: “1 K7Q” acknowledge.
    pub words: Option<String>,
}

/// How one step of the escalation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not due yet.
    Planned,
    /// Given to messaging.
    Sent,
    /// Arrived on the phone.
    Delivered,
    /// Could not be delivered.
    Failed,
    /// Answered by this person.
    Answered,
    /// Not done, with a reason.
    Skipped,
}

/// One person in the chain.
#[derive(Clone, Debug, Serialize)]
pub struct ChainRow {
    /// The notification.
    pub notification: NotificationId,
    /// Who.
    pub person: String,
    /// Who, when the login is known.
    pub user: Option<UserId>,
    /// The device.
    pub device: Option<DeviceId>,
    /// The round, from 1.
    pub round: u32,
    /// The step in the round, from 1.
    pub step: u32,
    /// How the step stands.
    pub state: StepState,
    /// The notification: done, waiting (with the time it is due) or skipped.
    pub notified: KnotAt,
    /// The SMS.
    pub message: MessageKnot,
    /// Its receipt.
    pub receipt: KnotAt,
    /// The answer.
    pub answer: AnswerKnot,
    /// The message, for its own page.
    pub message_id: Option<MessageId>,
    /// Why not, when it was skipped or failed: one sentence.
    pub reason: Option<String>,
}

/// The chain of one alert: what the console draws from signal to answer. Details of the signal and the run are read from
/// `signals` and `flows` by whoever draws it.
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// The alert.
    pub alert: AlertId,
    /// The signal that opened it.
    pub signal: Option<SignalId>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// When the alert opened.
    pub opened: Timestamp,
    /// One row a person and step, in order; planned ones at the end.
    pub rows: Vec<ChainRow>,
    /// How long after the opening the first page was handed to messaging.
    pub first_page_after: Option<Duration>,
    /// How long after the opening the first answer came.
    pub first_answer_after: Option<Duration>,
    /// The group's plan in words.
    pub policy: String,
}

/// One line of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its place in the alert's life, from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// How long after the opening.
    pub after: Duration,
    /// What happened, as a stable word such as `page.sent`.
    pub kind: &'static str,
    /// How it is drawn.
    pub knot: Knot,
    /// The sentence, with what matters first.
    pub headline: String,
    /// What else there is to say.
    pub detail: Option<String>,
    /// Steps of the decision behind it, for "why?".
    pub why: Vec<String>,
    /// Whether it needs somebody's eye.
    pub alarming: bool,
}

/// A text that came in from a phone and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Reply {
    /// The inbound message.
    pub inbound: InboundId,
    /// When it came.
    pub at: Timestamp,
    /// The person whose phone sent it, when it is known.
    pub person: Option<String>,
    /// The alert it was bound to.
    pub alert: Option<AlertId>,
    /// What became of it.
    pub outcome: ReplyOutcome,
    /// One sentence; starts with "not bound:" when it did nothing.
    pub reason: String,
}

/// What became of a text that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyOutcome {
    /// It changed an alert.
    Accepted,
    /// It was bound to an alert, but too late or not allowed.
    Refused,
    /// It was bound to nothing.
    NotBound,
}
