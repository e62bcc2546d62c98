//! How a carrier is doing, for people.

use std::time::Duration;

use serde::{Serialize, Serializer};
use smpp::BindMode;

/// A carrier as the console shows it.
#[derive(Clone, Debug, Serialize)]
pub struct CarrierStatus {
    /// Its name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Whether it is encrypted.
    pub tls: bool,
    /// Whether nothing leaves the machine by it.
    pub simulated: bool,
    /// Connections wanted.
    pub sessions: usize,
    /// Connections bound.
    pub sessions_bound: usize,
    /// Submits that may be unanswered, over all sessions.
    pub window: usize,
    /// Submits that are.
    pub window_used: usize,
    /// Parts handed over since the start.
    pub submits: u64,
    /// Parts handed over a second, over the last ten.
    pub submits_per_second: u64,
    /// Half of the answers of the last minutes took less.
    pub p50: Option<Duration>,
    /// One in a hundred of them took longer.
    pub p99: Option<Duration>,
    /// One line: "2 of 2 sessions", or "1 of 2 sessions: connection refused, retry in 6 s".
    pub words: String,
    /// What last went wrong, in words.
    pub last_error: Option<String>,
    /// Each connection.
    pub each: Vec<SessionStatus>,
}

/// One connection of a carrier.
#[derive(Clone, Debug, Serialize)]
pub struct SessionStatus {
    /// How it binds.
    #[serde(serialize_with = "mode")]
    pub mode: BindMode,
    /// Whether it is bound.
    pub bound: bool,
    /// `bound`, `connecting`, or what is wrong.
    pub words: String,
    /// What last went wrong, also when it is bound again.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub retry_in: Option<Duration>,
    /// Submits that are unanswered.
    pub in_flight: usize,
    /// Submits that may be.
    pub window: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn mode<S: Serializer>(mode: &BindMode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(mode.name())
}
