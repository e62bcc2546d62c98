//! On call: who is reached, in which order and after which delays, as pure functions of time.
//!
//! [`Definition`] is what people configure about a group (kind `groups`), [`plan`] turns it and the people it names into
//! steps with due times, and each person who is left out into a reason. [`OnCall`] keeps the typed projections: groups,
//! people and their devices, whose numbers are sealed and found again by a keyed hash.
//!
//! This room sends nothing and knows no alert.

mod definition;
mod devices;
mod error;
mod groups;
mod hooks;
mod people;
mod plan;
mod words;

#[cfg(test)]
mod tests;

pub use definition::{Breach, Definition, Member, Repeat};
pub use devices::{Device, DeviceKind, Handset, NewDevice};
pub use error::Error;
pub use groups::{Course, Group, GroupsKind};
pub use people::{MIGRATIONS, OnCall, Person, PersonChange, Round};
pub use plan::{Plan, Reachable, SkipReason, Step, Who, plan};
pub use words::{delay_words, ending_words, policy_words};
