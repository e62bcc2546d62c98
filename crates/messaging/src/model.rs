//! The nouns that other rooms see.

use std::net::IpAddr;

use base::{BatchId, InboundId, MessageId, Timestamp, WorkspaceId};
use routing::{Class, Sender};
use serde::Serialize;
use sms::{Choice, Coding, Encoding, Number};
use uuid::Uuid;

use crate::State;
use crate::deliveries::Tell;
use crate::octets::Octets;

/// What caused a message: the kind and id of a row in a room above. Changes of such a message are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The kind, such as `notification`.
    pub kind: &'static str,
    /// Its id.
    pub id: Uuid,
}

/// A message to be sent.
#[derive(Clone)]
pub struct New {
    /// Who it is for.
    pub to: Number,
    /// What it says. At most ten parts. Empty when `octets` say it.
    pub text: String,
    /// One part as an application made it, in place of a text.
    pub octets: Option<Octets>,
    /// Who it is from; the route's sender when absent.
    pub sender: Option<Sender>,
    /// How urgent it is.
    pub class: Class,
    /// What caused it.
    pub origin: Option<Origin>,
    /// The submitter's own id for it, at most 350 characters.
    pub client_ref: Option<String>,
    /// Which alphabet.
    pub encoding: Choice,
    /// Not before this.
    pub scheduled: Option<Timestamp>,
    /// Not after this.
    pub expires_at: Option<Timestamp>,
    /// What the submitter wants to be told; see [`Messaging::waiting`](crate::Messaging::waiting) and
    /// [`Messaging::news`](crate::Messaging::news).
    pub tell: Tell,
    /// Where its steps are told, in place of where its workspace says; kept sealed. Counts with [`Tell::Each`] alone.
    pub callback: Option<String>,
    /// Whether it also wants to be told that the carrier took it.
    pub passing: bool,
    /// Where the person is for whom it is sent, when the submitter knows; kept sealed.
    pub client_ip: Option<IpAddr>,
    /// SMPP's `data_coding` of the text as it came, for [`Messaging::replace`](crate::Messaging::replace).
    pub data_coding: u8,
    /// Whether it is submitted together with others, as one of several destinations.
    pub together: bool,
    /// The [number](Accepted::number) of the first message that was submitted together with this one: the submitter
    /// knows all of them by that.
    pub submission: Option<i64>,
}

impl New {
    /// A message of class transactional, at once, to whom and with what; set the other fields as needed.
    pub fn text(to: Number, text: impl Into<String>) -> Self {
        Self {
            to,
            text: text.into(),
            octets: None,
            sender: None,
            class: Class::Transactional,
            origin: None,
            client_ref: None,
            encoding: Choice::Auto,
            scheduled: None,
            expires_at: None,
            tell: Tell::Nothing,
            callback: None,
            client_ip: None,
            passing: false,
            data_coding: 0,
            together: false,
            submission: None,
        }
    }
}

impl std::fmt::Debug for New {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("New")
            .field("to", &self.to)
            .field("class", &self.class)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// A message that is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Its number in order, from 1; another name for it, where an id must be short.
    pub number: i64,
    /// How many parts it has.
    pub parts: usize,
    /// In which alphabet.
    pub encoding: Encoding,
    /// By which carrier it will go.
    pub carrier: String,
    /// Its source address: who a handset would answer.
    pub sender: Sender,
    /// Why it goes another way than usual, or waits; `None` when nothing is unusual.
    pub note: Option<String>,
}

/// A message in a list. The number is masked and the text absent, so that no permit for content is needed.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Where it stands.
    pub state: State,
    /// How urgent it is.
    pub class: Class,
    /// The carrier.
    pub carrier: String,
    /// The source address.
    pub sender: String,
    /// The destination, masked; [`ERASED`](crate::ERASED) when it was erased.
    pub to: String,
    /// The country of the destination, in two letters.
    pub country: Option<String>,
    /// How many parts.
    pub parts: u32,
    /// In which alphabet.
    pub encoding: Encoding,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is or was due.
    pub due_at: Timestamp,
    /// Not after this.
    pub expires_at: Option<Timestamp>,
    /// When the carrier took it.
    pub submitted_at: Option<Timestamp>,
    /// When it came to its end.
    pub done_at: Option<Timestamp>,
    /// Why it is where it is, when that needs a reason.
    pub reason: Option<String>,
    /// The network's error code.
    pub error: Option<String>,
    /// How often it was handed over.
    pub attempts: u32,
    /// How often the carrier asked to slow down for it.
    pub throttled: u32,
    /// How often a submit of it was cut off unanswered (rule 3: shown, never hidden).
    pub unknown_outcomes: u32,
    /// What caused it.
    pub origin: Option<OriginRef>,
    /// The submitter's own id for it.
    pub client_ref: Option<String>,
    /// Who submitted it, as kind and id.
    pub submitter: String,
    /// The request of many that it came in.
    pub batch: Option<BatchRef>,
}

/// The batch of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchRef {
    /// Its id.
    pub id: BatchId,
    /// The caller's own id of it.
    pub client_ref: Option<String>,
}

/// What caused a message, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginRef {
    /// The kind.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartDetails {
    /// From 1.
    pub part: u32,
    /// Where it stands.
    pub state: State,
    /// The carrier that has it.
    pub carrier: String,
    /// Its id there.
    pub carrier_ref: Option<String>,
    /// When the carrier took it.
    pub submitted_at: Option<Timestamp>,
    /// Its receipt.
    pub receipt: Option<ReceiptDetails>,
    /// Whether a submit of it was cut off unanswered.
    pub unknown_outcome: bool,
}

/// What the carrier said about a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptDetails {
    /// `DELIVRD` and so on.
    pub stat: String,
    /// The network's error.
    pub error: Option<String>,
    /// When it came in.
    pub at: Timestamp,
    /// When the carrier says it happened, by its own clock.
    pub carrier_time: Option<Timestamp>,
}

/// Something unusual in the life of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What, as a word: `routed`, `unknown_outcome`, `resent`, `receipt`, `moved`, `refused`, `decided`.
    pub kind: String,
    /// Which part, when it is about one.
    pub part: Option<u32>,
    /// The whole sentence.
    pub text: String,
}

/// A step in the readable history: made from columns, parts, receipts and notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, as a word.
    pub kind: String,
    /// The whole sentence.
    pub text: String,
}

/// One message with everything but its content.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: Summary,
    /// The parts that went out or were tried, in order.
    pub parts: Vec<PartDetails>,
    /// What was unusual.
    pub notes: Vec<Note>,
    /// The history as sentences, in order.
    pub history: Vec<Step>,
    /// Where the person was for whom it was sent, masked; [`ERASED`](crate::ERASED) when that was erased.
    pub client_ip: Option<String>,
}

/// What only those with `MessageContentRead` see.
#[derive(Clone)]
pub struct Content {
    /// The number.
    pub to: Number,
    /// The text.
    pub text: String,
    /// Where the person was for whom it was sent, when the submitter said so.
    pub client_ip: Option<IpAddr>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("to", &self.to).finish_non_exhaustive()
    }
}

/// What a list shows. Empty: everything of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In one of these states; in any when empty.
    pub states: Vec<State>,
    /// Of this class.
    pub class: Option<Class>,
    /// By this carrier.
    pub carrier: Option<String>,
    /// To this number: found by the blind index.
    pub to: Option<Number>,
    /// With this id of the sender's own.
    pub client_ref: Option<String>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Caused by this.
    pub origin: Option<OriginRef>,
    /// Accepted at or after this.
    pub since: Option<Timestamp>,
    /// Accepted before this.
    pub until: Option<Timestamp>,
}

/// Messages of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Minute {
    /// Its start.
    pub at: Timestamp,
    /// Accepted in it.
    pub accepted: u32,
    /// Of these, delivered by now.
    pub delivered: u32,
    /// Of these, ended without delivery by now.
    pub failed: u32,
}

/// A message that came in from a handset, in a list.
#[derive(Clone, Debug, Serialize)]
pub struct InboundSummary {
    /// Its id.
    pub id: InboundId,
    /// Whose it is; `None` when nobody's message went to that handset.
    pub workspace: Option<WorkspaceId>,
    /// The carrier that brought it.
    pub carrier: String,
    /// The handset, masked; [`ERASED`](crate::ERASED) when it was erased.
    pub from: String,
    /// The country of the handset, in two letters.
    pub country: Option<String>,
    /// Our address.
    pub to: String,
    /// How many parts it came in.
    pub parts: u32,
    /// Parts that never came.
    pub missing_parts: u32,
    /// In what coding it came; of one from before that was kept, nobody knows.
    #[serde(serialize_with = "coding")]
    pub coding: Option<Coding>,
    /// When it came in.
    pub at: Timestamp,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn coding<S: serde::Serializer>(coding: &Option<Coding>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(coding.map_or("", Coding::words))
}

/// A message that came in, opened: for the rooms that act on it.
#[derive(Clone)]
pub struct InboundMessage {
    /// What the list shows.
    pub summary: InboundSummary,
    /// The handset, as the carrier wrote it.
    pub from: String,
    /// What it says.
    pub text: String,
}

impl std::fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundMessage").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// What became of a message, as the event `message.changed` says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Changed {
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The kind of what caused it.
    pub origin_kind: String,
    /// The id of what caused it.
    pub origin_id: Uuid,
    /// The message's state now.
    pub state: State,
    /// The part it is about, when it is about one.
    pub part: Option<u32>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

/// A message that came in, as the event `message.inbound` says it. Read it with
/// `Messaging::inbound`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct InboundArrived {
    /// Its id.
    pub inbound: InboundId,
    /// Whose it is.
    pub workspace: Option<WorkspaceId>,
    /// The carrier that brought it.
    pub carrier: String,
    /// Our address.
    pub to: String,
    /// When it came in.
    pub at: Timestamp,
}
