//! A message on its way through this process, and what became of one attempt.

use std::sync::Arc;

use base::{MessageId, Timestamp, WorkspaceId};
use routing::{Class, Sender};
use sms::{Encoding, Number};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::State;
use crate::deliveries::Tell;
use crate::inbox::Telling;
use crate::octets::Body;

/// What caused a message, as jobs carry it.
#[derive(Clone, Debug)]
pub(crate) struct StoredOrigin {
    pub(crate) kind: String,
    pub(crate) id: Uuid,
}

/// A claimed message, opened. While it lives, its lane has one place less, so memory stays flat.
pub(crate) struct Job {
    pub(crate) row: i64,
    pub(crate) id: MessageId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) class: Class,
    pub(crate) origin: Option<StoredOrigin>,
    pub(crate) sender: Sender,
    pub(crate) destination: Number,
    pub(crate) body: Body,
    pub(crate) encoding: Encoding,
    pub(crate) parts: usize,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) attempts: u32,
    /// Parts that the carrier has already, as bits from part 1.
    pub(crate) sent: u16,
    /// What its submitter wants to hear.
    pub(crate) tell: Tell,
    /// Whether it also wants to hear that the carrier took it.
    pub(crate) passing: bool,
    /// With what, when it is bound here.
    pub(crate) telling: Option<Arc<Telling>>,
    pub(crate) room: OwnedSemaphorePermit,
}

impl Job {
    pub(crate) const fn has_sent(&self, part: usize) -> bool {
        self.sent & (1 << (part - 1)) != 0
    }

    /// Where it stands in the store, for what is written about it.
    pub(crate) fn key(&self) -> Key {
        Key {
            row: self.row,
            id: self.id,
            workspace: self.workspace,
            class: self.class,
            origin: self.origin.clone(),
            parts: self.parts,
            tell: self.tell,
            passing: self.passing,
            telling: self.telling.clone(),
        }
    }
}

/// Which message something is about.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) row: i64,
    pub(crate) id: MessageId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) class: Class,
    pub(crate) origin: Option<StoredOrigin>,
    pub(crate) parts: usize,
    pub(crate) tell: Tell,
    pub(crate) passing: bool,
    pub(crate) telling: Option<Arc<Telling>>,
}

/// What is known of one part after an attempt.
#[derive(Clone, Debug)]
pub(crate) struct PartOutcome {
    pub(crate) part: usize,
    pub(crate) state: State,
    pub(crate) carrier_ref: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) error: Option<String>,
}

/// A sentence for the message's history.
#[derive(Clone, Debug)]
pub(crate) struct NewNote {
    pub(crate) kind: &'static str,
    pub(crate) part: Option<usize>,
    pub(crate) text: String,
}

/// What an attempt came to, for the settler to write.
pub(crate) struct Outcome {
    pub(crate) key: Key,
    /// Who tried: an outcome counts only while the claim is ours.
    pub(crate) epoch: i64,
    /// Who has it or had it.
    pub(crate) carrier: String,
    /// Where it goes next and from which sender, when not to the same carrier.
    pub(crate) move_to: Option<(String, Sender)>,
    pub(crate) state: State,
    pub(crate) parts: Vec<PartOutcome>,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) throttled: u32,
    pub(crate) unknown_outcomes: u32,
    pub(crate) notes: Vec<NewNote>,
    /// Given back to the lane once this is on disk.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Outcome {
    /// A plain one: nothing counted, nothing said.
    pub(crate) fn new(key: Key, epoch: i64, carrier: &str, state: State, at: Timestamp) -> Self {
        Self {
            key,
            epoch,
            carrier: carrier.to_owned(),
            move_to: None,
            state,
            parts: Vec::new(),
            due_at: None,
            at,
            reason: None,
            error: None,
            attempts: 0,
            throttled: 0,
            unknown_outcomes: 0,
            notes: Vec::new(),
            room: None,
        }
    }

    /// The carrier that has it from here on.
    pub(crate) fn goes_by(&self) -> &str {
        self.move_to.as_ref().map_or(&self.carrier, |(carrier, _)| carrier)
    }

    /// Whether this is the usual case, which one prepared statement writes for many at once: a single part that the
    /// carrier took.
    pub(crate) fn is_plain_success(&self) -> bool {
        self.state == State::Sent && self.key.parts == 1 && self.notes.is_empty() && self.key.origin.is_none()
    }
}
