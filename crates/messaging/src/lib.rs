//! The life of a message: accepted (on disk before anyone is answered), routed, claimed, handed to a carrier,
//! receipted; and messages that come in from handsets.
//!
//! [`Messaging`] is the handle. Carriers implement [`Carrier`], are attached with [`Messaging::attach`], and hand in
//! what their peer brings through [`Deliveries`]. Changes of messages with an [`Origin`] are published as [`CHANGED`],
//! inbound messages as [`INBOUND`]. This room does not know SMPP, HTTP or who listens.
//!
//! # The way of a message
//! `intake` checks, routes, seals and stores it, in a commit shared with whatever else queued meanwhile; what its
//! carrier has room for is claimed in that insert and goes to the `dispatch` task of the carrier's `lane`. The rest
//! waits in the table until `claim` fetches it in batches, so memory stays flat. `conclude` decides what each answer
//! or silence of the carrier means, and `settle` alone writes it, together with the receipts. `reroute` leads what waits
//! for a carrier that is down to another one, and `recover` decides about what a process that is gone had claimed.
//!
//! # What a transition may be
//! [`State::after`] is the table; everything that writes a state goes through it.

mod asked;
mod batches;
mod cancel;
mod carrier;
mod claim;
mod conclude;
mod deliveries;
mod dispatch;
mod engine;
mod erase;
mod error;
mod exports;
mod feedback;
mod figures;
mod fill;
mod handle_bulk;
mod handle_reads;
mod handle_telling;
mod history;
mod inbound;
mod inbox;
mod indexes;
mod intake;
mod job;
mod lane;
mod many;
mod messaging;
mod meters;
mod model;
mod news;
mod numbers;
mod octets;
mod outstanding;
mod owners;
mod pace;
mod probe;
mod reads;
mod rebuild;
mod recover;
mod replace;
mod reply;
mod reroute;
mod reveal;
mod routes;
mod settle;
mod settle_receipts;
mod settle_store;
mod shown;
mod state;
mod unknown;
mod waiting;

#[cfg(test)]
mod tests;

pub use batches::{Batch, BatchDetails, KEPT_REJECTIONS, OpenBatch, Rejection};
pub use carrier::{
    Carrier, Coded, Deliveries, Inbound, LinkState, OnUnknownOutcome, Receipt, Remedy, Submission, SubmitError,
    Submitted,
};
pub use deliveries::{Delivery, DeliveryKey, Ended, Tell, What};
pub use erase::Erased;
pub use error::Error;
pub use exports::{Export, ExportState, Exported, Lines, NewExport};
pub use figures::QueueFigures;
pub use fill::fill;
pub use inbound::Pieces;
pub use inbox::Inbox;
pub use intake::Later;
pub use lane::LaneStatus;
pub use messaging::Messaging;
pub use meters::METERS;
pub use model::{
    Accepted, BatchRef, Changed, Content, Details, Filter, InboundArrived, InboundMessage, InboundSummary, Minute, New,
    Note, Origin, OriginRef, PartDetails, ReceiptDetails, Step, Summary,
};
pub use news::{News, Step as MessageStep, Told};
pub use octets::Octets;
pub use reads::ERASED;
pub use replace::{Replaceable, Replacement};
pub use reply::Reply;
pub use routes::{CostBody, RouteBody, RoutesKind};
pub use routing::{Class, Sender, SenderRules};
pub use shown::COUNTED;
pub use state::{Event, Refusal, State, UnknownState, aggregate};
pub use unknown::{DECIDED, Decide, UnknownFigures};

/// The event that a message with an origin changed its state; its body is [`Changed`].
pub const CHANGED: &str = "message.changed";
/// The event that a message came in; its body is [`InboundArrived`].
pub const INBOUND: &str = "message.inbound";
/// The topic of live updates about messages; the id is the message's, or `*` when many changed.
pub const TOPIC: &str = "message";
/// The topic of live updates about messages from handsets.
pub const INBOUND_TOPIC: &str = "inbound";

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "messaging",
    steps: &[
        store::Migration { version: 1, name: "messages", sql: include_str!("../migrations/001_messages.sql") },
        store::Migration { version: 2, name: "client refs", sql: include_str!("../migrations/002_client_refs.sql") },
        store::Migration { version: 3, name: "applications", sql: include_str!("../migrations/003_applications.sql") },
        store::Migration { version: 4, name: "news", sql: include_str!("../migrations/004_news.sql") },
        store::Migration { version: 5, name: "route choice", sql: include_str!("../migrations/005_route_choice.sql") },
        store::Migration { version: 6, name: "gateway", sql: include_str!("../migrations/006_gateway.sql") },
        store::Migration { version: 7, name: "unknown", sql: include_str!("../migrations/007_unknown.sql") },
        store::Migration { version: 8, name: "batches", sql: include_str!("../migrations/008_batches.sql") },
        store::Migration { version: 9, name: "exports", sql: include_str!("../migrations/009_exports.sql") },
        store::Migration { version: 10, name: "deliveries", sql: include_str!("../migrations/010_deliveries.sql") },
        store::Migration { version: 11, name: "told", sql: include_str!("../migrations/011_told.sql") },
        store::Migration { version: 12, name: "segments", sql: include_str!("../migrations/012_segments.sql") },
        store::Migration { version: 13, name: "in place", sql: include_str!("../migrations/013_in_place.sql") },
    ],
};
