//! How a carrier is doing, for people.

use std::time::Duration;

use base::Timestamp;
use serde::{Serialize, Serializer};
use smpp::BindMode;

use crate::journal::LinkChange;
use crate::pause::Pause;
use crate::settings::Settings;

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
    /// What to do about it.
    pub remedy: Option<String>,
    /// Why nothing is sent by it although it could be.
    pub paused: Option<Pause>,
    /// Parts handed over a second, in each ten seconds of the last ten minutes, the oldest first.
    pub course: Vec<u64>,
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
    /// Since when it is so: bound, or not bound.
    pub since: Timestamp,
    /// What last went wrong, also when it is bound again.
    pub last_error: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// What the carrier last showed of itself over TLS.
    pub peer: Option<Peer>,
    /// When it is tried again.
    pub retry_in: Option<Duration>,
    /// Submits that are unanswered.
    pub in_flight: usize,
    /// Submits that may be.
    pub window: usize,
}

/// What a carrier showed of itself over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The version that was agreed on: `TLS 1.3`.
    pub version: &'static str,
    /// Whose certificate it is: `CN=smpp.example.com`. Empty when it has alternative names alone.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// SHA-256 over it, `4E:91:…`.
    pub fingerprint: String,
    /// SHA-256 over its public key, as `tls_pins` takes it: `sha256/…`.
    pub pin: String,
}

impl Peer {
    pub(crate) fn of(secured: &smpplink::Secured) -> Self {
        let der = &secured.certificate;
        let names = crypto::tls::names(der);
        let (subject, issuer) = names.map(|names| (names.subject, names.issuer)).unwrap_or_default();
        let (not_after, fingerprint) = (crypto::tls::not_after(der), crypto::tls::fingerprint(der).to_string());
        let pin = crypto::tls::Pin::of_certificate(der).map(|pin| pin.to_string()).unwrap_or_default();
        Self { version: secured.version, subject, issuer, not_after, fingerprint, pin }
    }
}

/// One carrier, for its own page.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How it is doing.
    pub status: CarrierStatus,
    /// What it runs with; never its password.
    pub settings: Settings,
    /// What became of its connections, newest first, since this process started.
    pub history: Vec<LinkChange>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn mode<S: Serializer>(mode: &BindMode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(mode.name())
}

/// With a capital letter in front.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
