//! The life of a letter as a table: what may follow what. Pure.

use std::fmt;
use std::str::FromStr;

/// Where a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On disk; it is tried until it has left or makes no sense any more.
    Queued,
    /// The mail server took it.
    Sent,
    /// The mail server refused it for good, or its time ran out.
    Failed,
    /// A newer letter of the same sort took its place before it had left.
    Withdrawn,
}

/// What happens to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The mail server took it.
    Taken,
    /// The mail server could not take it now.
    PutOff,
    /// The mail server refused it for good.
    Refused,
    /// What it says holds no longer.
    TooLate,
    /// A newer one takes its place, or its person is gone.
    Withdrawn,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Sent, Self::Failed, Self::Withdrawn];

    /// The word in the store and for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state after `event`; none when it cannot happen here. Only a waiting letter changes.
    pub const fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Queued, Event::Taken) => Some(Self::Sent),
            (Self::Queued, Event::PutOff) => Some(Self::Queued),
            (Self::Queued, Event::Refused | Event::TooLate) => Some(Self::Failed),
            (Self::Queued, Event::Withdrawn) => Some(Self::Withdrawn),
            (Self::Sent | Self::Failed | Self::Withdrawn, _) => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such state of a letter")]
pub struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_waiting_letter_changes() {
        let events = [Event::Taken, Event::PutOff, Event::Refused, Event::TooLate, Event::Withdrawn];
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            for event in events {
                assert_eq!(state.after(event).is_some(), state == State::Queued, "{state} {event:?}");
            }
        }
    }
}
