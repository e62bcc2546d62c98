//! The life of a message as a table: what may follow what. Pure.
//!
//! Receipts come late, twice and out of order; that is normal input. A state only moves forward: nothing leaves
//! a terminal state, and a message that is in a carrier's hands never counts as waiting again unless its outcome
//! was unknown and policy or a person sends it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sms::ReceiptState;

/// Where a message or one of its parts stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On disk, waiting to be handed over.
    Queued,
    /// Claimed by a dispatcher; on its way to the carrier.
    Claimed,
    /// The carrier took it.
    Sent,
    /// Nobody knows: the submit was cut off unanswered, or the carrier says it does not know.
    Unknown,
    /// On the handset.
    Delivered,
    /// The carrier could not deliver it.
    Undelivered,
    /// Its time ran out, here or at the carrier.
    Expired,
    /// The carrier refused it.
    Rejected,
    /// We gave up.
    Failed,
    /// Its submitter took it back before it was handed over.
    Cancelled,
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A dispatcher takes it.
    Claim,
    /// The dispatcher gives it back: throttled, not sent, refused for now, or stopping.
    Release,
    /// The carrier took every part.
    Submitted,
    /// The carrier refused it for good.
    Refused,
    /// No answer came, and policy holds it.
    Held,
    /// No answer came, or a person decided: it goes again.
    SendAgain,
    /// Its time ran out here.
    TooLate,
    /// A person says that the carrier has it.
    TakenForSent,
    /// Tried often enough, or a person gave up.
    GaveUp,
    /// Its submitter, or a person, takes it back.
    Cancel,
    /// The carrier tells what became of it.
    Receipt(ReceiptState),
}

/// An event that cannot happen in a state; the state stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that is {state} cannot take {event:?}")]
pub struct Refusal {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Claimed,
        Self::Sent,
        Self::Unknown,
        Self::Delivered,
        Self::Undelivered,
        Self::Expired,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The number it is stored as. The partial claim index holds rows below 2.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// The state stored as `code`.
    pub fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|place| Self::ALL.get(place).copied())
    }

    /// Whether nothing follows it.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Undelivered | Self::Expired | Self::Rejected | Self::Failed | Self::Cancelled
        )
    }

    /// Whether it ended without reaching the handset.
    pub const fn is_failure(self) -> bool {
        self.is_terminal() && !matches!(self, Self::Delivered)
    }

    /// The state after `event`.
    pub const fn after(self, event: Event) -> Result<Self, Refusal> {
        Ok(match (self, event) {
            (Self::Queued, Event::Claim) => Self::Claimed,
            (Self::Claimed, Event::Release) | (Self::Claimed | Self::Unknown, Event::SendAgain) => Self::Queued,
            (Self::Claimed, Event::Submitted) | (Self::Unknown, Event::TakenForSent) => Self::Sent,
            (Self::Claimed, Event::Refused) => Self::Rejected,
            (Self::Claimed, Event::Held) => Self::Unknown,
            (Self::Queued | Self::Claimed, Event::TooLate) => Self::Expired,
            (Self::Queued | Self::Claimed | Self::Unknown, Event::GaveUp) => Self::Failed,
            // What a dispatcher has may be at the carrier already.
            (Self::Queued, Event::Cancel) => Self::Cancelled,
            (Self::Sent | Self::Unknown, Event::Receipt(receipt)) => match receipt {
                ReceiptState::Delivered => Self::Delivered,
                ReceiptState::Undeliverable | ReceiptState::Deleted | ReceiptState::Skipped => Self::Undelivered,
                ReceiptState::Expired => Self::Expired,
                ReceiptState::Rejected => Self::Rejected,
                ReceiptState::Unknown => Self::Unknown,
                ReceiptState::Scheduled | ReceiptState::Enroute | ReceiptState::Accepted => self,
            },
            (state, event) => return Err(Refusal { state, event }),
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(UnknownState)
    }
}

/// A text that names no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a message")]
pub struct UnknownState;

/// What the parts of a message amount to: it failed as soon as one part did (the first failed part says how),
/// it is delivered when every part is, and as far as its least advanced part otherwise.
pub fn aggregate(parts: impl IntoIterator<Item = State>) -> Option<State> {
    let mut least: Option<State> = None;
    for state in parts {
        if state.is_failure() {
            return Some(state);
        }
        // The order of the enum is the order of progress up to `Delivered`.
        least = Some(least.map_or(state, |least| least.min(state)));
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every state with every event: a letter for what follows, a dot for a refusal.
    #[test]
    fn the_whole_table() {
        const EVENTS: [Event; 20] = [
            Event::Claim,
            Event::Release,
            Event::Submitted,
            Event::Refused,
            Event::Held,
            Event::SendAgain,
            Event::TooLate,
            Event::GaveUp,
            Event::Cancel,
            Event::TakenForSent,
            Event::Receipt(ReceiptState::Scheduled),
            Event::Receipt(ReceiptState::Enroute),
            Event::Receipt(ReceiptState::Delivered),
            Event::Receipt(ReceiptState::Expired),
            Event::Receipt(ReceiptState::Deleted),
            Event::Receipt(ReceiptState::Undeliverable),
            Event::Receipt(ReceiptState::Accepted),
            Event::Receipt(ReceiptState::Unknown),
            Event::Receipt(ReceiptState::Rejected),
            Event::Receipt(ReceiptState::Skipped),
        ];
        let letter = |state| match state {
            State::Queued => 'q',
            State::Claimed => 'c',
            State::Sent => 's',
            State::Unknown => 'u',
            State::Delivered => 'D',
            State::Undelivered => 'N',
            State::Expired => 'E',
            State::Rejected => 'R',
            State::Failed => 'F',
            State::Cancelled => 'X',
        };
        let expected = [
            (State::Queued, "c.....EFX..........."),
            (State::Claimed, ".qsRuqEF............"),
            (State::Sent, "..........ssDENNsuRN"),
            (State::Unknown, ".....q.F.suuDENNuuRN"),
            (State::Delivered, "...................."),
            (State::Undelivered, "...................."),
            (State::Expired, "...................."),
            (State::Rejected, "...................."),
            (State::Failed, "...................."),
            (State::Cancelled, "...................."),
        ];
        for (state, row) in expected {
            let seen: String = EVENTS.iter().map(|&event| state.after(event).map_or('.', letter)).collect();
            assert_eq!(seen, row, "{state}");
        }
    }

    #[test]
    fn a_message_is_as_far_as_its_parts() {
        use State::{Claimed, Delivered, Expired, Sent, Undelivered, Unknown};
        for (parts, expected) in [
            (&[Sent, Sent][..], Sent),
            (&[Delivered, Sent], Sent),
            (&[Delivered, Unknown], Unknown),
            (&[Delivered, Delivered], Delivered),
            (&[Delivered, Expired, Undelivered], Expired),
            (&[Sent, Claimed], Claimed),
        ] {
            assert_eq!(aggregate(parts.iter().copied()), Some(expected), "{parts:?}");
        }
        assert_eq!(aggregate([]), None);
    }

    fn receipts() -> impl Strategy<Value = Vec<ReceiptState>> {
        proptest::collection::vec((0_u8..10).prop_map(ReceiptState::from_message_state), 0..12)
    }

    proptest! {
        /// F-15, I3: in whichever order receipts come, and however often, the state only moves forward, reaches at
        /// most one terminal state, and that is the one of the first final receipt.
        #[test]
        fn f_15_receipts_in_any_order_move_forward_to_one_end(receipts in receipts()) {
            let (mut state, mut ends) = (State::Sent, 0);
            for &receipt in &receipts {
                match state.after(Event::Receipt(receipt)) {
                    Ok(next) => {
                        prop_assert!(next >= state && !state.is_terminal());
                        ends += usize::from(next.is_terminal());
                        state = next;
                    }
                    Err(_) => prop_assert!(state.is_terminal()),
                }
            }
            prop_assert_eq!(ends, usize::from(receipts.iter().any(|receipt| receipt.is_final())));
        }

        /// F-15: whether a message of several parts arrived does not depend on the order of its receipts.
        #[test]
        fn f_15_success_does_not_depend_on_the_order(
            ends in proptest::collection::vec(prop_oneof![Just(ReceiptState::Delivered), Just(ReceiptState::Undeliverable), Just(ReceiptState::Expired)], 2..6),
            order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40),
        ) {
            let mut parts = vec![State::Sent; ends.len()];
            let mut message = State::Sent;
            let all: Vec<usize> = (0..ends.len()).collect();
            // Any sequence with repeats, then whatever has not come yet.
            for part in order.iter().map(|place| *place.get(&all)).chain(all.iter().copied()) {
                parts[part] = parts[part].after(Event::Receipt(ends[part])).unwrap_or(parts[part]);
                if !message.is_terminal() {
                    message = aggregate(parts.iter().copied()).unwrap();
                }
            }
            prop_assert!(message.is_terminal());
            prop_assert_eq!(message == State::Delivered, ends.iter().all(|end| *end == ReceiptState::Delivered));
        }
    }
}
