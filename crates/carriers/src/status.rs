//! How a carrier is doing, for people.

use std::time::Duration;

use serde::Serialize;

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
    /// Half of the answers took less.
    pub p50: Option<Duration>,
    /// One in a hundred took longer.
    pub p99: Option<Duration>,
    /// One line: "2 of 2 sessions", or what is wrong and when it is tried again.
    pub words: String,
}
