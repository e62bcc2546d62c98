//! E-mail: letters that are queued in the transaction that causes them, and go out by SMTP over TLS to one configured server.
//!
//! | file | what |
//! |---|---|
//! | `settings` | the server, how TLS begins, who signs in there, whose letters these are |
//! | `letter` | what is said to whom, and the message made of it |
//! | `mail` | [`Mail`]: queue a letter, say what became of those of a person |
//! | `state` | the life of a letter as a table |
//! | `work` | the job that sends, tries again, and gives up |
//! | `smtp` | one conversation with the server; never in clear text but on this very machine |
//!
//! The words are their senders': this room knows no invitation and no password. It has a lane of its own, so that a mail server
//! that hangs holds nothing else up.

mod error;
mod letter;
mod mail;
mod meters;
mod rows;
mod settings;
mod smtp;
mod state;
#[cfg(test)]
mod tests;
mod work;

pub use error::Error;
pub use letter::Letter;
pub use mail::{Mail, Status, last_out, withdraw};
pub use meters::METERS;
pub use settings::{Account, Security, Settings, SettingsError};
pub use state::State;

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "mail",
    steps: &[store::Migration { version: 1, name: "mail", sql: include_str!("../migrations/001_mail.sql") }],
};
