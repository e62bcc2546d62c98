//! The SMPP server for applications: binds, throttles, `submit_sm` into `messaging`, receipts and handset texts back.
//!
//! [`Smppd`] listens on TLS (and in clear where two switches say so), proves who binds by the kind `smpp_accounts`
//! ([`AccountsKind`]), and answers `ESME_ROK` only after the commit that holds the message (rule 1). What an application
//! is to be told waits in `messaging` until one of its binds takes it.
//!
//! | file | what |
//! |---|---|
//! | `account`, `kind` | who may bind, and how people configure it |
//! | `gate` | limits and penalties before a bind |
//! | `server`, `session`, `courier` | a listener, one bind, what goes to an account |
//! | `operations` | asking after, replacing and cancelling what was submitted |
//! | `backlog` | the bound on what waits of one account |
//! | `submit`, `receipt`, `long`, `time` | the words of SMPP in those of `messaging`, and back; pure |
//! | `binds`, `live` | who is bound now; looking at it and ending it |
//!
//! This room holds no business rules: routing, parts, prices and limits of texts are `messaging`'s.

mod account;
mod backlog;
mod binds;
mod courier;
mod error;
mod gate;
mod kind;
mod live;
mod long;
mod meters;
mod operations;
mod receipt;
mod server;
mod session;
mod submit;
mod time;

pub use account::{AccountInfo, MessageIds};
pub use binds::BindStatus;
pub use error::Error;
pub use kind::{AccountBody, AccountsKind};
pub use long::LongInbound;
pub use meters::METERS;
pub use server::{Listener, Security, Smppd};

/// The topic of live updates about accounts and binds.
pub const TOPIC: &str = "smpp";

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "smppd",
    steps: &[
        store::Migration { version: 1, name: "smppd", sql: include_str!("../migrations/001_smppd.sql") },
        store::Migration { version: 2, name: "live", sql: include_str!("../migrations/002_live.sql") },
        store::Migration { version: 3, name: "vendor tlvs", sql: include_str!("../migrations/003_vendor_tlvs.sql") },
    ],
};
