//! Where an alert stands, as a value that transitions consume and may refuse. Nothing here reads or writes.

use std::time::Duration;

use base::Timestamp;

use crate::types::{By, State};

/// How long an answer can be taken back.
pub(crate) const UNDO_WITHIN: Duration = Duration::from_mins(5);

/// An alert's life with what belongs to each stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nobody has it.
    Open,
    /// Somebody has it.
    Acknowledged { at: Timestamp, by: By },
    /// Over, because somebody said so.
    Resolved { at: Timestamp, by: By },
    /// Over, because nobody said so in time.
    Expired { at: Timestamp },
}

/// What a transition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The life changed to this.
    To(Life),
    /// It was so already: an answer that came twice.
    Same,
}

/// Why a transition was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody else has it.
    Taken { by: By, at: Timestamp },
    /// It is over.
    Over { state: State, by: Option<By>, at: Timestamp },
    /// There is nothing of this person's to take back.
    NothingToUndo,
    /// There is, but it is too long ago.
    TooLateToUndo,
    /// A newer alert with the same key lives, so this one cannot be opened again.
    Replaced { number: i64 },
}

impl Life {
    /// The stage without what belongs to it.
    pub(crate) const fn state(&self) -> State {
        match self {
            Self::Open => State::Open,
            Self::Acknowledged { .. } => State::Acknowledged,
            Self::Resolved { .. } => State::Resolved,
            Self::Expired { .. } => State::Expired,
        }
    }

    fn over(&self) -> Option<Refusal> {
        match self {
            Self::Open | Self::Acknowledged { .. } => None,
            Self::Resolved { at, by } => Some(Refusal::Over { state: State::Resolved, by: Some(by.clone()), at: *at }),
            Self::Expired { at } => Some(Refusal::Over { state: State::Expired, by: None, at: *at }),
        }
    }

    /// `by` has it.
    pub(crate) fn acknowledge(self, by: By, at: Timestamp) -> Result<Moved, Refusal> {
        if let Some(over) = self.over() {
            return Err(over);
        }
        match self {
            Self::Acknowledged { by: owner, .. } if same(&owner, &by) => Ok(Moved::Same),
            Self::Acknowledged { by, at } => Err(Refusal::Taken { by, at }),
            _ => Ok(Moved::To(Self::Acknowledged { at, by })),
        }
    }

    /// `by` wants the next person to be paged.
    pub(crate) fn pass_on(self, by: &By) -> Result<Moved, Refusal> {
        if let Some(over) = self.over() {
            return Err(over);
        }
        match self {
            Self::Acknowledged { by: owner, at } if !same(&owner, by) => Err(Refusal::Taken { by: owner, at }),
            _ => Ok(Moved::To(Self::Open)),
        }
    }

    /// `by` says that it is over. `owner_only`: whoever did not take an alert that is taken may not.
    pub(crate) fn resolve(self, by: By, at: Timestamp, owner_only: bool) -> Result<Moved, Refusal> {
        match self {
            Self::Resolved { .. } => Ok(Moved::Same),
            Self::Expired { at } => Err(Refusal::Over { state: State::Expired, by: None, at }),
            Self::Acknowledged { by: owner, at } if owner_only && !same(&owner, &by) => {
                Err(Refusal::Taken { by: owner, at })
            }
            Self::Open | Self::Acknowledged { .. } => Ok(Moved::To(Self::Resolved { at, by })),
        }
    }

    /// Time is up.
    pub(crate) fn expire(self, at: Timestamp) -> Moved {
        if self.state().is_live() { Moved::To(Self::Expired { at }) } else { Moved::Same }
    }

    /// `by` takes the last answer back.
    pub(crate) fn undo(self, by: &By, now: Timestamp) -> Result<Moved, Refusal> {
        match self {
            Self::Acknowledged { at, by: owner } | Self::Resolved { at, by: owner } if same(&owner, by) => {
                if now.since(at) <= UNDO_WITHIN { Ok(Moved::To(Self::Open)) } else { Err(Refusal::TooLateToUndo) }
            }
            Self::Acknowledged { at, by } => Err(Refusal::Taken { by, at }),
            Self::Resolved { .. } | Self::Expired { .. } => self.over().map_or(Err(Refusal::NothingToUndo), Err),
            Self::Open => Err(Refusal::NothingToUndo),
        }
    }
}

/// Whether two are the same person, over whichever way; programs are told apart by name and way.
fn same(one: &By, other: &By) -> bool {
    match (one.user, other.user) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.name == other.name && one.via == other.via,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::types::Via;

    const NOW: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

    fn ada(via: Via) -> By {
        By { user: Some(Uuid::from_u128(1).into()), name: "Ada Sample".into(), via }
    }

    fn cem() -> By {
        By { user: Some(Uuid::from_u128(2).into()), name: "Cem Sample".into(), via: Via::Sms }
    }

    fn later(minutes: u64) -> Timestamp {
        NOW.plus(Duration::from_mins(minutes))
    }

    fn taken() -> Life {
        Life::Acknowledged { at: NOW, by: ada(Via::Sms) }
    }

    #[test]
    fn the_first_answer_counts_and_the_second_is_told_whose_it_is() {
        assert_eq!(Life::Open.acknowledge(ada(Via::Sms), NOW), Ok(Moved::To(taken())));
        assert_eq!(taken().acknowledge(ada(Via::Console), later(1)), Ok(Moved::Same), "twice is once");
        assert_eq!(taken().acknowledge(cem(), later(1)), Err(Refusal::Taken { by: ada(Via::Sms), at: NOW }));
    }

    #[test]
    fn only_its_owner_passes_a_taken_alert_on() {
        assert_eq!(Life::Open.pass_on(&cem()), Ok(Moved::To(Life::Open)));
        assert_eq!(taken().pass_on(&ada(Via::Sms)), Ok(Moved::To(Life::Open)));
        assert_eq!(taken().pass_on(&cem()), Err(Refusal::Taken { by: ada(Via::Sms), at: NOW }));
    }

    #[test]
    fn resolving_ends_it_for_good() {
        let over = Life::Resolved { at: NOW, by: cem() };
        assert_eq!(taken().resolve(cem(), NOW, false), Ok(Moved::To(over.clone())));
        assert_eq!(taken().resolve(cem(), NOW, true), Err(Refusal::Taken { by: ada(Via::Sms), at: NOW }));
        assert_eq!(over.clone().resolve(ada(Via::Sms), later(1), true), Ok(Moved::Same));
        assert!(matches!(over.clone().acknowledge(ada(Via::Sms), later(1)), Err(Refusal::Over { .. })));
        assert!(matches!(over.clone().pass_on(&ada(Via::Sms)), Err(Refusal::Over { .. })));
        assert_eq!(over.expire(later(9)), Moved::Same);
    }

    #[test]
    fn an_answer_is_taken_back_by_its_giver_within_five_minutes() {
        assert_eq!(taken().undo(&ada(Via::Sms), later(5)), Ok(Moved::To(Life::Open)));
        assert_eq!(taken().undo(&ada(Via::Sms), later(6)), Err(Refusal::TooLateToUndo));
        assert!(matches!(taken().undo(&cem(), later(1)), Err(Refusal::Taken { .. })));
        assert_eq!(Life::Open.undo(&cem(), later(1)), Err(Refusal::NothingToUndo));
        let over = Life::Resolved { at: NOW, by: cem() };
        assert_eq!(over.clone().undo(&cem(), later(1)), Ok(Moved::To(Life::Open)));
        assert!(matches!(over.undo(&ada(Via::Sms), later(1)), Err(Refusal::Over { .. })));
        assert!(matches!(Life::Expired { at: NOW }.undo(&cem(), NOW), Err(Refusal::Over { .. })));
    }

    proptest! {
        /// Whatever comes in whichever order: an expired alert stays expired, and a resolved one is reopened by
        /// nobody but its resolver, in time.
        #[test]
        fn the_end_is_the_end(steps in prop::collection::vec((0_u8..5, any::<bool>(), 0_u64..4), 0..40)) {
            let mut life = Life::Open;
            let mut now = NOW;
            for (verb, first, minutes) in steps {
                now = now.plus(Duration::from_mins(minutes));
                let who = if first { ada(Via::Sms) } else { cem() };
                let before = life.clone();
                let moved = match verb {
                    0 => life.clone().acknowledge(who.clone(), now),
                    1 => life.clone().pass_on(&who),
                    2 => life.clone().resolve(who.clone(), now, true),
                    3 => life.clone().undo(&who, now),
                    _ => Ok(life.clone().expire(now)),
                };
                if let Ok(Moved::To(next)) = moved {
                    life = next;
                }
                match &before {
                    Life::Expired { .. } => prop_assert_eq!(&life, &before),
                    Life::Resolved { by, at } if life != before => {
                        prop_assert!(verb == 3 && *by == who && now.since(*at) <= UNDO_WITHIN);
                    }
                    _ => {}
                }
            }
        }
    }
}
