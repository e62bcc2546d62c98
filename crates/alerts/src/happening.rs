//! What can happen in an alert's life, as data. Each is stored once, as it was known then; the sentence is made when it
//! is read (`words`), so that there is one copy of each text and none of a decision.

use base::{InboundId, MessageId, SignalId, Timestamp, UserId};
use oncall::SkipReason;
use serde::{Deserialize, Serialize};

use crate::types::{By, Priority};

/// A person, as timelines name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// The id, when the login is known.
    pub(crate) id: Option<UserId>,
    /// The name, or the login when nobody has it.
    pub(crate) name: String,
}

/// Why somebody is paged at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub(crate) enum Cause {
    /// It was due.
    Due,
    /// Somebody passed the alert on.
    PassedOn {
        /// Who.
        by: String,
    },
    /// The page before could not be delivered.
    Undeliverable {
        /// To whom.
        to: String,
    },
    /// Somebody took an answer back.
    Undone {
        /// Who.
        by: String,
    },
}

/// Why a group pages nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Nobody {
    /// There is no such group.
    NoGroup,
    /// It has no members.
    Empty,
    /// None of its members can be reached.
    Unreachable,
}

/// One thing that happened, or did not, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Happening {
    /// The alert began.
    Opened { number: i64, priority: Priority, group: String, key: Option<String> },
    /// A later signal joined.
    Joined {
        count: i64,
        signal: Option<SignalId>,
        priority: Priority,
        /// Whether later joins are only counted.
        last_shown: bool,
    },
    /// A group cannot be paged.
    NobodyToPage {
        group: String,
        why: Nobody,
        /// The group tried instead.
        instead: Option<String>,
    },
    /// A member is left out.
    Skipped { person: Person, step: u32, round: u32, group: String, reason: SkipReason },
    /// A page was handed to messaging.
    Paged {
        person: Person,
        step: u32,
        round: u32,
        cause: Cause,
        due: Timestamp,
        /// The phone, masked.
        phone: String,
        message: MessageId,
        parts: u32,
        carrier: Option<String>,
        digits: u32,
        /// Whether its sender can be answered.
        answerable: bool,
    },
    /// Messaging would not take it.
    NotPaged { person: Person, why: String },
    /// A carrier took the page.
    Sent { person: Person, parts: u32, carrier: Option<String> },
    /// The outcome of a submit is unknown and it went again.
    Again { person: Person, parts: u32, carrier: Option<String> },
    /// The page arrived.
    Delivered { person: Person, carrier: Option<String> },
    /// The page could not be delivered.
    Undelivered { person: Person, why: Option<String> },
    /// Another round begins.
    Round { round: u32, rounds: u32, group: String },
    /// Everybody was paged and nobody answered.
    Unanswered { group: String, rounds: u32, paged: u32, priority: Priority },
    /// Somebody took it.
    Acknowledged {
        by: By,
        /// What was typed, and the phone it came from, masked.
        reply: Option<Typed>,
    },
    /// Somebody passed it on.
    PassedOn { by: By, next: Option<String>, reply: Option<Typed> },
    /// Somebody or something ended it.
    Resolved { by: By, note: Option<String>, signal: Option<SignalId>, reply: Option<Typed> },
    /// Somebody took an answer back.
    Undone { by: By, next: Option<String>, reply: Option<Typed> },
    /// An answer came too late or was not allowed.
    Refused { person: String, reply: Typed, why: String },
    /// A machine said it is over and may not close critical alerts.
    StaysCritical { by: By, note: Option<String> },
    /// People were told something.
    Told { people: Vec<String>, what: Told },
    /// A note could not be sent.
    NotTold { person: String, why: String },
    /// Nobody resolved it in time.
    Expired { after_seconds: u64, owner: Option<String> },
}

/// What somebody typed on a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Typed {
    /// The answer as it was understood, never the raw text: `1 K7Q`.
    pub(crate) words: String,
    /// The phone, masked.
    pub(crate) phone: String,
    /// The message that came in.
    pub(crate) inbound: InboundId,
}

/// What people were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// Somebody has it now.
    Taken,
    /// It is over.
    Resolved,
    /// It expired.
    Expired,
    /// It is open again.
    Reopened,
}

impl Happening {
    /// The stable word for it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "alert.opened",
            Self::Joined { .. } => "alert.joined",
            Self::NobodyToPage { .. } => "group.nobody",
            Self::Skipped { .. } => "page.skipped",
            Self::Paged { .. } => "page.handed_over",
            Self::NotPaged { .. } => "page.refused",
            Self::Sent { .. } => "page.sent",
            Self::Again { .. } => "page.again",
            Self::Delivered { .. } => "page.delivered",
            Self::Undelivered { .. } => "page.failed",
            Self::Round { .. } => "group.again",
            Self::Unanswered { .. } => "alert.unanswered",
            Self::Acknowledged { .. } => "alert.acknowledged",
            Self::PassedOn { .. } => "alert.passed_on",
            Self::Resolved { .. } => "alert.resolved",
            Self::Undone { .. } => "alert.undone",
            Self::Refused { .. } => "answer.refused",
            Self::StaysCritical { .. } => "alert.stays",
            Self::Told { .. } => "people.told",
            Self::NotTold { .. } => "people.not_told",
            Self::Expired { .. } => "alert.expired",
        }
    }
}
