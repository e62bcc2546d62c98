//! Southbound connections: the kind `carriers`, and SMPP clients that carry messages out and bring receipts and replies in.
//!
//! A carrier implements [`messaging::Carrier`] over `smpplink`: TLS with chain and name verified, several sessions, window,
//! `enquire_link`, response timer, reconnect with back-off and jitter. A receipt or a reply is acknowledged to the carrier only
//! after `messaging` has committed it. Which message goes by which carrier is decided in `routing`, not here.

mod carriers;
mod error;
mod kind;
mod measure;
mod reference;
mod session;
mod settings;
mod smpp_carrier;
mod status;
mod translate;

pub use carriers::Carriers;
pub use error::Error;
pub use kind::CarriersKind;
pub use reference::MessageIds;
pub use settings::{BindAs, Settings};
pub use smpp_carrier::SmppCarrier;
pub use status::{CarrierStatus, SessionStatus};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "carriers",
    steps: &[store::Migration { version: 1, name: "carriers", sql: include_str!("../migrations/001_carriers.sql") }],
};

/// The topic of live updates when a carrier is configured anew.
pub const TOPIC: &str = "carriers";
