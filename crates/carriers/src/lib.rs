//! Southbound connections: the kind `carriers`, and SMPP clients that carry messages out and bring receipts and replies in.
//!
//! A carrier implements [`messaging::Carrier`] over `smpplink`: TLS with chain and name verified, several sessions, window,
//! `enquire_link`, response timer, reconnect with back-off and jitter. A receipt or a reply is acknowledged to the carrier only
//! after `messaging` has committed it. Which message goes by which carrier is decided in `routing`, not here.

mod alphabet;
mod carriers;
mod dialect;
mod error;
mod journal;
mod kind;
mod measure;
mod pause;
mod reference;
mod session;
mod settings;
mod smpp_carrier;
mod status;
mod translate;

pub use carriers::Carriers;
pub use dialect::{Alphabet, Dialect, LongMessages, National, Numbering, Receipts, Validity, Version};
pub use error::Error;
pub use journal::LinkChange;
pub use kind::CarriersKind;
pub use pause::Pause;
pub use reference::MessageIds;
pub use settings::{BindAs, Senders, Settings};
pub use smpp_carrier::SmppCarrier;
pub use status::{CarrierStatus, Peer, Profile, SessionStatus};
pub use translate::remedy;

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "carriers",
    steps: &[
        store::Migration { version: 1, name: "carriers", sql: include_str!("../migrations/001_carriers.sql") },
        store::Migration { version: 2, name: "pauses", sql: include_str!("../migrations/002_pauses.sql") },
    ],
};

/// The topic of live updates: a carrier was configured anew, paused or resumed, or one of its connections came or went.
pub const TOPIC: &str = "carriers";
