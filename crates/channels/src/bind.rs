//! Which open page an answer belongs to: one pure decision. Whatever does not fit exactly changes nothing.

use std::time::Duration;

use base::Timestamp;

use crate::answer::{Action, Ask, Candidate, Pointer};
use crate::digits::BLOCK;
use crate::slots::{Slot, Way};

/// How long after the page an answer counts.
pub(crate) const ANSWERABLE: Duration = Duration::from_hours(36);

/// An answer that belongs to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The page.
    pub slot: &'a Slot,
    /// What the answer asks for.
    pub action: Action,
}

/// Why a text belongs to no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// It does not read as an answer.
    NotAnAnswer,
    /// No page on this phone waits for an answer.
    NothingOpen,
    /// Pages wait, but none holds this digit.
    NoSuchDigit,
    /// Pages wait, but none has this label.
    NoSuchLabel,
    /// The page went out over another carrier or from another sender.
    OtherWay,
    /// The page is too old.
    TooOld,
    /// The page wants its code, and the text has none.
    CodeMissing,
    /// The code is not the page's.
    CodeWrong,
    /// Words alone, and several pages wait.
    Ambiguous,
}

impl Unbound {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnAnswer => "not_an_answer",
            Self::NothingOpen => "nothing_open",
            Self::NoSuchDigit => "no_such_digit",
            Self::NoSuchLabel => "no_such_label",
            Self::OtherWay => "other_way",
            Self::TooOld => "too_old",
            Self::CodeMissing => "code_missing",
            Self::CodeWrong => "code_wrong",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// The reason in words, for the log of what came in.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotAnAnswer => "not bound: the text does not read as an answer",
            Self::NothingOpen => "not bound: no page on this phone waits for an answer",
            Self::NoSuchDigit => "not bound: no open page on this phone has this digit",
            Self::NoSuchLabel => "not bound: no open page on this phone is about this alert",
            Self::OtherWay => "not bound: the page went out over another carrier or from another sender",
            Self::TooOld => "not bound: the page is older than 36 hours",
            Self::CodeMissing => "not bound: the alert is critical and the text lacks the page's code",
            Self::CodeWrong => "not bound: the code is not the page's",
            Self::Ambiguous => "not bound: several pages wait on this phone, and the text does not say which it means",
        }
    }

    /// Whether it looks like somebody trying: such replies are kept as detections.
    pub const fn is_suspicious(self) -> bool {
        matches!(self, Self::OtherWay | Self::CodeWrong)
    }
}

/// Binds an answer that came in over `way` to one of the pages of that phone. `slots` are all that still hold digits,
/// closed ones too, so that a late answer is told apart from a wrong one.
pub fn bind<'a>(candidate: &Candidate, slots: &'a [Slot], way: &Way, now: Timestamp) -> Result<Bound<'a>, Unbound> {
    if slots.is_empty() {
        return Err(Unbound::NothingOpen);
    }
    match &candidate.ask {
        Ask::Digit(digit) => {
            let slot = holder(slots, *digit).ok_or(Unbound::NoSuchDigit)?;
            let action = match digit - slot.first_digit {
                0 => Action::Acknowledge,
                1 => Action::PassOn,
                _ => Action::Resolve,
            };
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action })
        }
        Ask::Word(action, Some(pointer)) => {
            let slot = match pointer {
                Pointer::Digit(digit) => holder(slots, *digit).ok_or(Unbound::NoSuchDigit)?,
                Pointer::Label(label) => {
                    let found: Vec<&Slot> = slots.iter().filter(|slot| slot.label == *label).collect();
                    // Numbers are per workspace, and one phone can serve several.
                    match found[..] {
                        [] => return Err(Unbound::NoSuchLabel),
                        [slot] => slot,
                        _ => return Err(Unbound::Ambiguous),
                    }
                }
            };
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action: *action })
        }
        Ask::Word(action, None) => by_word(*action, candidate, slots, way, now),
    }
}

/// A word without digit or label: a code tells which page is meant, otherwise only one may wait. Undo looks at closed
/// pages too, since resolving closes the page.
fn by_word<'a>(
    action: Action,
    candidate: &Candidate,
    slots: &'a [Slot],
    way: &Way,
    now: Timestamp,
) -> Result<Bound<'a>, Unbound> {
    let waiting: Vec<&Slot> = slots
        .iter()
        .filter(|slot| slot.closed.is_none() || action == Action::Undo)
        .filter(|slot| now.since(slot.paged) <= ANSWERABLE)
        .collect();
    if waiting.is_empty() {
        return Err(Unbound::NothingOpen);
    }
    let meant: Vec<&Slot> = match &candidate.code {
        Some(_) => waiting.iter().copied().filter(|slot| slot.code == candidate.code).collect(),
        None => waiting.clone(),
    };
    match (meant.as_slice(), &candidate.code) {
        ([], _) => Err(Unbound::CodeWrong),
        ([slot], _) => {
            check(slot, candidate, way, now)?;
            Ok(Bound { slot, action })
        }
        (_, _) => Err(Unbound::Ambiguous),
    }
}

fn holder(slots: &[Slot], digit: u32) -> Option<&Slot> {
    slots.iter().find(|slot| (slot.first_digit..slot.first_digit + BLOCK).contains(&digit))
}

fn check(slot: &Slot, candidate: &Candidate, way: &Way, now: Timestamp) -> Result<(), Unbound> {
    // First the way: over a wrong one, nothing is told about codes.
    if !slot.ways.contains(way) {
        return Err(Unbound::OtherWay);
    }
    if now.since(slot.paged) > ANSWERABLE {
        return Err(Unbound::TooOld);
    }
    match (&slot.code, &candidate.code) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Unbound::CodeMissing),
        (Some(wanted), Some(given)) if crypto::constant_time_eq(wanted.as_bytes(), given.as_bytes()) => Ok(()),
        // A code on a page that has none was meant for another page.
        (_, Some(_)) => Err(Unbound::CodeWrong),
    }
}
