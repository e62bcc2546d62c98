//! Which carrier takes a message, from which sender, at what price, and why: pure functions over values.
//!
//! [`decide`] returns a [`Decision`] whose record reads as sentences; "explain" shows that same record, so there is
//! no second copy of a decision. This room reads no tables and opens no connection: `messaging` brings routes and
//! the state of carriers.

mod considered;
mod decide;
mod reason;
mod route;
mod sender;
mod share;

pub use considered::{Considered, Verdict, Way, considered};
pub use decide::{CarrierFacts, Decision, Query, Refused, decide, in_order};
pub use reason::Reason;
pub use route::{Class, Cost, Matcher, Mismatch, Route, UnknownClass, label};
pub use sender::{Sender, SenderError, SenderRules};
pub use share::lot;
