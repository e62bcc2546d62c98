//! Alerts: what a signal turns into when somebody has to act, and everything that happens until it is over.
//!
//! The verbs are on [`Alerts`]. In the caller's transaction: [`Alerts::open`], [`Alerts::resolve_key`] for flows, and
//! [`Alerts::acknowledge`], [`Alerts::pass_on`], [`Alerts::resolve`], [`Alerts::undo`] for people. In their own:
//! [`Alerts::answer`] (any of those four), and the reads [`Alerts::list`], [`Alerts::get`], [`Alerts::by_number`],
//! [`Alerts::timeline`], [`Alerts::chain`], [`Alerts::counts`], [`Alerts::replies`]. [`Alerts::work`] registers what runs
//! by itself: escalation, expiry, receipts and replies coming up from `messaging`.
//!
//! This room keeps the life cycle and says why each thing did or did not happen. It does not decide who is on call
//! (`oncall`) or how a phone is reached and answered (`channels`), and knows nothing of HTTP, flows or pages.

mod alerts;
mod answer;
mod chain;
mod error;
mod escalate;
mod expire;
mod figures;
mod happening;
mod inbound;
mod live;
mod names;
mod notify;
mod open;
mod read;
mod receipts;
mod replies;
mod rows;
mod state;
mod steps;
mod timeline;
mod types;
mod views;
mod words;
mod work;

#[cfg(test)]
mod tests;

pub use self::alerts::{Alerts, CHANGED, MIGRATIONS, Settings, TOPIC};
pub use error::Error;
pub use figures::LiveFigures;
pub use types::{
    Alert, Answer, Answered, By, Counts, Filter, NewAlert, Opened, Outcome, Priority, ResolveKey, State,
    UnknownPriority, Via, parse_alert_name,
};
pub use views::{AnswerKnot, Chain, ChainRow, Entry, Knot, KnotAt, MessageKnot, Reply, ReplyOutcome, StepState};
