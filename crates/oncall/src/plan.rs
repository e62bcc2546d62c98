//! The decision: who is paged when, and who is not and why. Values in, values out; time is an argument.

use std::time::Duration;

use base::{DeviceId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::definition::Definition;

/// What the plan needs to know about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// The person.
    pub who: Who,
    /// The login, as group members name it.
    pub login: String,
    /// Whether the person's account is in use.
    pub enabled: bool,
    /// Devices that can take a page, the first to use first.
    pub devices: Vec<DeviceId>,
}

/// A person, for records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The id.
    pub id: UserId,
    /// The name to print.
    pub name: String,
}

/// One round through a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in the group's order.
    pub steps: Vec<Step>,
    /// When the next round would begin, or the list counts as given up: everybody has had time to answer by then.
    pub ends: Timestamp,
}

/// What is done about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The person is paged.
    Page {
        /// Place in the group, from 1.
        position: u32,
        /// When.
        due: Timestamp,
        /// Who.
        who: Who,
        /// On which device.
        device: DeviceId,
    },
    /// The person is left out.
    Skip {
        /// Place in the group, from 1.
        position: u32,
        /// The login the group names.
        login: String,
        /// Who, if that is known.
        who: Option<Who>,
        /// Why.
        reason: SkipReason,
    },
}

/// Why a member is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Nobody has this login.
    UnknownUser,
    /// The account is switched off.
    Disabled,
    /// The person has no phone here.
    NoDevice,
    /// The person comes earlier in the same round.
    Twice,
}

impl SkipReason {
    /// The reason as the end of a sentence that starts with a name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::UnknownUser => "nobody has this login; correct the group",
            Self::Disabled => "the account is switched off",
            Self::NoDevice => "no phone number is stored; add one under People",
            Self::Twice => "comes earlier in the same group",
        }
    }
}

impl Plan {
    /// Whether anybody is paged at all.
    pub fn reaches_anybody(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Page { .. }))
    }
}

/// One round through `group`, starting at `at`. `people` are those it may name; more do no harm.
///
/// A delay is the time that the people before have to answer. So when a member is left out, the next one takes that
/// place in time instead of waiting for an answer that cannot come.
pub fn plan(group: &Definition, people: &[Reachable], at: Timestamp) -> Plan {
    let mut steps = Vec::with_capacity(group.members.len());
    let mut due = at;
    let mut inherited = false;
    let mut paged: Vec<UserId> = Vec::new();
    let mut last = at;
    for (place, member) in group.members.iter().enumerate() {
        let position = u32::try_from(place + 1).unwrap_or(u32::MAX);
        if !inherited {
            due = due.plus(Duration::from_secs(u64::from(member.delay_seconds)));
        }
        let person = people.iter().find(|person| person.login.eq_ignore_ascii_case(&member.user));
        match choose(person, &paged) {
            Ok((who, device)) => {
                paged.push(who.id);
                last = due;
                inherited = false;
                steps.push(Step::Page { position, due, who, device });
            }
            Err(reason) => {
                inherited = true;
                steps.push(Step::Skip {
                    position,
                    login: member.user.clone(),
                    who: person.map(|person| person.who.clone()),
                    reason,
                });
            }
        }
    }
    Plan { steps, ends: last.plus(group.repeat.interval()) }
}

fn choose(person: Option<&Reachable>, paged: &[UserId]) -> Result<(Who, DeviceId), SkipReason> {
    let person = person.ok_or(SkipReason::UnknownUser)?;
    if !person.enabled {
        return Err(SkipReason::Disabled);
    }
    if paged.contains(&person.who.id) {
        return Err(SkipReason::Twice);
    }
    let device = person.devices.first().ok_or(SkipReason::NoDevice)?;
    Ok((person.who.clone(), *device))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::definition::{Member, Repeat};

    const START: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

    fn person(number: u128, devices: usize, enabled: bool) -> Reachable {
        Reachable {
            who: Who { id: Uuid::from_u128(number).into(), name: format!("Person {number}") },
            login: format!("p{number}@example.com"),
            enabled,
            devices: (0..devices).map(|place| Uuid::from_u128(number * 100 + place as u128).into()).collect(),
        }
    }

    fn group(members: &[(u128, u32)]) -> Definition {
        Definition {
            supervisors: Vec::new(),
            name: "Database".into(),
            description: None,
            members: members
                .iter()
                .map(|(user, delay)| Member { user: format!("P{user}@example.com"), delay_seconds: *delay })
                .collect(),
            repeat: Repeat { times: 1, interval_seconds: 300 },
            fallback: None,
        }
    }

    fn seen(plan: &Plan) -> Vec<String> {
        plan.steps
            .iter()
            .map(|step| match step {
                Step::Page { due, who, .. } => format!("{} +{}", who.name, due.since(START).as_secs()),
                Step::Skip { login, reason, .. } => format!("{login} {reason:?}"),
            })
            .collect()
    }

    #[test]
    fn members_are_paged_in_order_with_their_delays() {
        let plan = plan(
            &group(&[(1, 0), (2, 120), (3, 180)]),
            &[person(3, 1, true), person(2, 2, true), person(1, 1, true)],
            START,
        );
        assert_eq!(seen(&plan), ["Person 1 +0", "Person 2 +120", "Person 3 +300"]);
        assert_eq!(plan.ends.since(START).as_secs(), 600);
    }

    #[test]
    fn nobody_waits_for_an_answer_that_cannot_come() {
        let people = [person(2, 1, true), person(3, 0, true), person(4, 1, true), person(5, 1, false)];
        let plan = plan(&group(&[(1, 0), (2, 120), (3, 180), (4, 60), (5, 60)]), &people, START);
        assert_eq!(
            seen(&plan),
            [
                "P1@example.com UnknownUser",
                "Person 2 +0",
                "P3@example.com NoDevice",
                "Person 4 +180",
                "P5@example.com Disabled"
            ]
        );
    }

    #[test]
    fn an_empty_group_reaches_nobody_and_still_ends() {
        let plan = plan(&group(&[]), &[], START);
        assert!(!plan.reaches_anybody());
        assert_eq!(plan.ends.since(START).as_secs(), 300);
    }

    fn groups() -> impl Strategy<Value = (Definition, Vec<Reachable>)> {
        let members = prop::collection::vec((1_u128..12, 0_u32..600), 0..14);
        let people = prop::collection::vec((1_u128..12, 0_usize..3, any::<bool>()), 0..12);
        (members, people).prop_map(|(members, people)| {
            let mut seen = std::collections::BTreeMap::new();
            for (number, devices, enabled) in people {
                seen.insert(number, person(number, devices, enabled));
            }
            (group(&members), seen.into_values().collect())
        })
    }

    proptest! {
        /// Every member is accounted for, once and in order: paged or left out with a reason (rule 7 of the house).
        #[test]
        fn every_member_has_a_step_or_a_reason((group, people) in groups()) {
            let plan = plan(&group, &people, START);
            let places: Vec<u32> = plan.steps.iter().map(|step| match step {
                Step::Page { position, .. } | Step::Skip { position, .. } => *position,
            }).collect();
            prop_assert_eq!(places, (1..=u32::try_from(group.members.len()).unwrap()).collect::<Vec<_>>());
        }

        /// Due times never go backwards, never before the start, and nobody is paged twice or without being reachable.
        #[test]
        fn pages_are_in_order_and_only_for_those_who_can_be_reached((group, people) in groups()) {
            let plan = plan(&group, &people, START);
            let mut before = START;
            let mut paged = std::collections::BTreeSet::new();
            for step in &plan.steps {
                if let Step::Page { due, who, device, .. } = step {
                    prop_assert!(*due >= before && *due < plan.ends);
                    before = *due;
                    prop_assert!(paged.insert(who.id));
                    let person = people.iter().find(|person| person.who.id == who.id).unwrap();
                    prop_assert!(person.enabled && person.devices.first() == Some(device));
                }
            }
        }

        /// Whoever can be reached is paged: a skip needs its reason to be true.
        #[test]
        fn a_skip_is_true((group, people) in groups()) {
            let plan = plan(&group, &people, START);
            let mut paged = Vec::new();
            for step in &plan.steps {
                match step {
                    Step::Page { who, .. } => paged.push(who.id),
                    Step::Skip { login, reason, .. } => {
                        let person = people.iter().find(|person| person.login.eq_ignore_ascii_case(login));
                        let is_true = match reason {
                            SkipReason::UnknownUser => person.is_none(),
                            SkipReason::Disabled => person.is_some_and(|person| !person.enabled),
                            SkipReason::NoDevice => person.is_some_and(|person| person.devices.is_empty()),
                            SkipReason::Twice => person.is_some_and(|person| paged.contains(&person.who.id)),
                        };
                        prop_assert!(is_true, "{:?}", reason);
                    }
                }
            }
        }

        /// The same question gets the same answer later, only moved in time.
        #[test]
        fn the_plan_moves_with_time((group, people) in groups(), shift in 0_u64..1_000_000) {
            let now = plan(&group, &people, START);
            let later = plan(&group, &people, START.plus(Duration::from_secs(shift)));
            prop_assert_eq!(later.ends.since(now.ends).as_secs(), shift);
            prop_assert_eq!(now.steps.len(), later.steps.len());
        }
    }
}
