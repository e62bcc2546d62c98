//! Callbacks to applications: signed (Standard Webhooks), tried for 72 hours, in order for each message, apart for each
//! receiver, with every try to be seen and everything to be sent again by hand for 30 days.
//!
//! | file | what |
//! |---|---|
//! | `kind` | webhooks as people configure them: `webhooks` of a workspace, `account_webhooks` of the whole account |
//! | `schedule`, `circuit` | when a callback is tried again, when a receiver is left alone; pure |
//! | `queue`, `rows` | callbacks and webhooks in the database |
//! | `pump`, `deliver`, `oauth` | what runs: claim, send, settle |
//! | `reads`, `acts` | what people see and do |
//!
//! A callback is written by [`Webhooks::enqueue`] in the transaction of what it tells, or of what read that durably. This room
//! does not shape bodies, and does not know what a message is.

mod acts;
mod circuit;
mod deliver;
mod error;
mod kind;
mod meters;
mod oauth;
mod pump;
mod queue;
mod reads;
mod rows;
mod schedule;
mod shared;
mod types;
mod webhooks;

#[cfg(test)]
mod tests;

pub use acts::{Rotated, Rotation};
pub use circuit::{Circuit, Health};
pub use error::Error;
pub use kind::{ACCOUNT_WEBHOOKS, AccountWebhooksKind, EVENTS, WEBHOOKS, WebhookBody, WebhooksKind};
pub use meters::METERS;
pub use rows::STANDS_BACK;
pub use schedule::{KEPT, PATIENCE};
pub use types::{Attempt, Callback, CallbackState, Details, Filter, Listed, New, Webhook};
pub use webhooks::{Batch, Kinds, Webhooks};

/// The topic of live updates about webhooks and their callbacks; the id is the webhook's.
pub const TOPIC: &str = "webhook";
/// How far callbacks are counted; a page shows that there are more.
pub const COUNTED: u64 = 1_000;

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "webhooks",
    steps: &[store::Migration { version: 1, name: "webhooks", sql: include_str!("../migrations/001_webhooks.sql") }],
};
