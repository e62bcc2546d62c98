//! Text messages as a channel: pages with digits, notes without, and answers.

use std::time::Duration;

use ::sms::Number;
use access::{Engine, Permit, cap};
use base::{InboundId, MessageId, NotificationId, Timestamp, WorkspaceId};
use messaging::{Messaging, New, Origin};
use oncall::Handset;
use routing::Class;
use store::Tx;
use uuid::Uuid;
use vault::Vault;

use crate::Error;
use crate::answer::{Action, Ask, Candidate, Pointer, parse};
use crate::bind::{Unbound, aimed, bind};
use crate::slots::{self, NewSlot, Slot, Way};
use crate::text::{Urgency, answer_line, fit, page_text};

/// After this a page is of no use any more: the next person has long been called.
const PAGE_LIVES: Duration = Duration::from_hours(2);
/// The kind of origin of a page; `message.changed` brings it back.
pub const PAGE_ORIGIN: &str = "notification";
/// The kind of origin of a note.
pub const NOTE_ORIGIN: &str = "note";

/// Reaching phones by text message. Cheap to clone.
#[derive(Clone)]
pub struct Sms {
    messaging: Messaging,
    vault: Vault,
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// Its number.
    pub number: Number,
    /// What its number looks like in our tables.
    pub handset: Handset,
}

/// What a page is about.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What it is about: an alert's id. Pages about the same subject on one phone share their digits.
    pub subject: Uuid,
    /// How people call that: `A-1042`.
    pub label: &'a str,
    /// The notification, as origin of the message.
    pub notification: NotificationId,
    /// The word the text starts with; `None` for a critical page, whose answers want a code.
    pub word: Option<&'static str>,
    /// What happened, in one line.
    pub what: &'a str,
}

/// A page that was handed to messaging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged {
    /// The message.
    pub message: MessageId,
    /// Its parts.
    pub parts: u32,
    /// The carrier that will take it.
    pub carrier: String,
    /// The first of its digits.
    pub first_digit: u32,
    /// Whether its sender can be answered at all.
    pub can_be_answered: bool,
}

/// A text that came in, as far as this room needs it.
#[derive(Clone)]
pub struct Inbound {
    /// Its id.
    pub id: InboundId,
    /// The carrier that brought it.
    pub carrier: String,
    /// Our address it was sent to.
    pub to: String,
    /// The phone.
    pub handset: Handset,
    /// What it says.
    pub text: String,
    /// When it came.
    pub at: Timestamp,
}

/// What a text that came in is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An answer to this page.
    Bound {
        /// The page.
        slot: Slot,
        /// What is asked for.
        action: Action,
        /// The answer as it was understood: `1 K7Q`.
        words: String,
    },
    /// No answer that could be acted on.
    Unbound {
        /// Why.
        why: Unbound,
        /// The answer as it was understood, if it reads as one.
        words: Option<String>,
        /// The page it was aimed at, when that can be told.
        aimed: Option<Slot>,
        /// Pages that wait on this phone, for a helpful text.
        waiting: Vec<Slot>,
    },
}

impl Sms {
    /// The channel over `messaging`, with the vault that seals codes.
    pub fn new(messaging: Messaging, vault: Vault) -> Self {
        Self { messaging, vault }
    }

    /// Pages a phone: gives digits, composes the text, hands it over, all in the caller's transaction.
    pub fn page(&self, tx: &mut Tx<'_>, phone: &Phone, page: &Page<'_>) -> Result<Paged, Error> {
        let slot = slots::take(
            tx,
            &self.vault,
            &NewSlot {
                workspace: page.workspace,
                handset: &phone.handset,
                subject: page.subject,
                label: page.label,
                notification: page.notification,
                wants_code: page.word.is_none(),
            },
        )?;
        let text = page_text(&urgency(slot.code.as_deref(), page.word), page.what, slot.first_digit);
        let now = tx.now();
        let accepted = self.messaging.accept(
            tx,
            &permit(page.workspace),
            New {
                class: Class::Alert,
                origin: Some(Origin { kind: PAGE_ORIGIN, id: page.notification.uuid() }),
                expires_at: Some(now.plus(PAGE_LIVES)),
                ..New::text(phone.number.clone(), text)
            },
        )?;
        slots::add_way(tx, slot.id, &Way::new(&accepted.carrier, accepted.sender.as_str()))?;
        Ok(Paged {
            message: accepted.id,
            parts: u32::try_from(accepted.parts).unwrap_or(u32::MAX),
            carrier: accepted.carrier,
            first_digit: slot.first_digit,
            can_be_answered: accepted.sender.can_be_answered(),
        })
    }

    /// Tells a phone something that wants no answer. `origin` is what it is about.
    pub fn say(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        to: &Number,
        text: String,
        origin: Uuid,
    ) -> Result<MessageId, Error> {
        let now = tx.now();
        let accepted = self.messaging.accept(
            tx,
            &permit(workspace),
            New {
                class: Class::Alert,
                origin: Some(Origin { kind: NOTE_ORIGIN, id: origin }),
                expires_at: Some(now.plus(PAGE_LIVES)),
                ..New::text(to.clone(), text)
            },
        )?;
        Ok(accepted.id)
    }

    /// Reads a text that came in: which page it answers, or why none.
    pub fn read(&self, tx: &mut Tx<'_>, inbound: &Inbound) -> Result<Verdict, Error> {
        let slots = slots::of_handset(tx, &self.vault, &inbound.handset)?;
        let candidate = parse(&inbound.text);
        let words = candidate.as_ref().map(understood);
        let aimed = candidate.as_ref().and_then(|candidate| aimed(candidate, &slots)).cloned();
        let way = Way::new(&inbound.carrier, &inbound.to);
        let bound = candidate.ok_or(Unbound::NotAnAnswer).and_then(|candidate| {
            bind(&candidate, &slots, &way, inbound.at).map(|bound| (bound.slot.clone(), bound.action))
        });
        Ok(match (bound, words) {
            (Ok((slot, action)), words) => Verdict::Bound { slot, action, words: words.unwrap_or_default() },
            (Err(why), words) => Verdict::Unbound {
                why,
                words,
                aimed,
                waiting: slots.into_iter().filter(|slot| slot.closed.is_none()).collect(),
            },
        })
    }

    /// The page about `subject` on a phone, if it can still be answered.
    pub fn slot(&self, tx: &mut Tx<'_>, handset: &Handset, subject: Uuid) -> Result<Option<Slot>, Error> {
        slots::of_subject(tx, &self.vault, handset, subject)
    }

    /// A page went by another carrier than planned: answers count over that way too.
    pub fn went(
        &self,
        tx: &mut Tx<'_>,
        subject: Uuid,
        handset: &Handset,
        carrier: &str,
        sender: &str,
    ) -> Result<(), Error> {
        slots::add_way_of(tx, subject, handset, &Way::new(carrier, sender))
    }

    /// The subject ended; its digits rest until nobody can answer an old text by mistake.
    pub fn close(&self, tx: &mut Tx<'_>, subject: Uuid) -> Result<(), Error> {
        let now = tx.now();
        slots::close(tx, subject, now)
    }

    /// The subject goes on after all.
    pub fn reopen(&self, tx: &mut Tx<'_>, subject: Uuid) -> Result<(), Error> {
        slots::reopen(tx, subject)
    }
}

/// A helpful text after one that was not understood: what waits, and how to answer it.
pub fn help_text(waiting: &[Slot]) -> String {
    const SHOWN: usize = 2;
    if waiting.is_empty() {
        return "Not understood. No alert waits for your answer.".to_owned();
    }
    let lines: Vec<String> = waiting
        .iter()
        .rev()
        .take(SHOWN)
        .map(|slot| {
            let urgency = urgency(slot.code.as_deref(), slot.code.is_none().then_some(""));
            format!("{}: answer {}", slot.label, answer_line(&urgency, slot.first_digit))
        })
        .collect();
    let more = waiting.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!(" {more} more wait.") } else { String::new() };
    fit("Not understood. ", "", &format!("{}{tail}", lines.join(" ")))
}

fn urgency(code: Option<&str>, word: Option<&'static str>) -> Urgency {
    match (code, word) {
        (Some(code), _) => Urgency::Critical { code: code.to_owned() },
        (None, word) => Urgency::Other { word: word.unwrap_or("CRITICAL") },
    }
}

fn permit(workspace: WorkspaceId) -> Permit<cap::MessagesSend> {
    Permit::engine(Engine("alerts"), workspace)
}

/// The answer as it was understood, never the raw text: that may hold anything.
fn understood(candidate: &Candidate) -> String {
    let ask = match &candidate.ask {
        Ask::Digit(digit) => digit.to_string(),
        Ask::Word(action, None) => action.to_string(),
        Ask::Word(action, Some(Pointer::Digit(digit))) => format!("{action} {digit}"),
        Ask::Word(action, Some(Pointer::Label(label))) => format!("{action} {label}"),
    };
    match &candidate.code {
        Some(code) => format!("{ask} {code}"),
        None => ask,
    }
}
