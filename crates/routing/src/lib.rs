//! Which carrier takes a message, from which sender, at what price, and why: pure functions over values.
//!
//! [`decide`] returns a [`Decision`] whose record reads as sentences; "explain" shows that same record, so there is
//! no second copy of a decision. This room reads no tables and opens no connection: `messaging` brings routes and
//! the state of carriers.

mod decide;
mod route;
mod sender;

pub use decide::{CarrierFacts, Decision, Query, Reason, Refused, decide, in_order};
pub use route::{Class, Cost, Matcher, Route, UnknownClass};
pub use sender::{Sender, SenderError};
