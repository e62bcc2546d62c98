//! What a carrier is configured with.

use std::num::NonZeroU32;
use std::sync::Arc;

use messaging::{OnUnknownOutcome, Sender, SenderRules};
use resources::SecretSlot;
use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::reference::MessageIds;

/// How to bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindAs {
    /// One connection for both directions.
    #[default]
    Transceiver,
    /// A transmitter and a receiver for each session, as some carriers want it.
    TransmitterReceiver,
}

/// Which source addresses a carrier takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Senders {
    /// The addresses it takes, each perhaps with a star at its end; empty for all.
    pub allowed: Vec<String>,
    /// Whether it takes no names, numbers and short codes alone.
    pub numeric_only: bool,
    /// What goes in place of one that it does not take; empty for none, and then the message goes by another carrier.
    pub instead: String,
}

/// The body of the kind `carriers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Its name, which routes use.
    pub name: String,
    /// How it is reached: `smpp`.
    pub kind: String,
    /// `host:port`.
    pub address: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The authority whose certificate is believed: PEM, or the path of a PEM file on the server; the machine's authorities
    /// when empty or `system`.
    pub tls_ca: String,
    /// The keys that are believed, any of them. With `tls_ca` in addition to chain and name, without it in their place.
    pub tls_pins: Vec<String>,
    /// The name that the certificate must carry; the host of `address` when empty.
    pub tls_name: String,
    /// Allows a connection in clear text; only together with `tls: false`.
    pub allow_plaintext: bool,
    /// Our account there.
    pub system_id: String,
    /// Its password, 1 to 8 octets as SMPP 3.4 allows.
    pub password: Option<SecretSlot>,
    /// `system_type` of the bind; mostly empty.
    pub system_type: String,
    /// How to bind.
    pub bind: BindAs,
    /// Connections at once, 1 to 16.
    pub sessions: u32,
    /// Submits that may be unanswered on each session, 1 to 2,000.
    pub window: u32,
    /// Parts a second over all sessions; no limit when absent.
    pub rate: Option<NonZeroU32>,
    /// Seconds that a submit may be unanswered; then its outcome is unknown.
    pub response_seconds: u32,
    /// Seconds of the carrier's silence after which it is asked whether it is there; after three times that it is left.
    pub enquire_seconds: u32,
    /// What happens to a message whose submit was cut off unanswered.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// Nothing leaves this machine by it: what a development workspace may use.
    pub simulated: bool,
    /// How its message ids are written in answers and in receipts.
    pub message_ids: MessageIds,
    /// Which source addresses it takes.
    pub senders: Senders,
    /// How it speaks SMPP where carriers differ.
    pub dialect: Dialect,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: "smpp".into(),
            address: String::new(),
            tls: true,
            tls_ca: String::new(),
            tls_pins: Vec::new(),
            tls_name: String::new(),
            allow_plaintext: false,
            system_id: String::new(),
            password: None,
            system_type: String::new(),
            bind: BindAs::default(),
            sessions: 1,
            window: 50,
            rate: None,
            response_seconds: 10,
            enquire_seconds: 30,
            on_unknown_outcome: OnUnknownOutcome::default(),
            simulated: false,
            message_ids: MessageIds::default(),
            senders: Senders::default(),
            dialect: Dialect::default(),
        }
    }
}

impl Settings {
    /// The host of the address, without brackets.
    pub fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The rules about source addresses, when there are any.
    pub fn sender_rules(&self) -> Option<Arc<SenderRules>> {
        let Senders { allowed, numeric_only, instead } = &self.senders;
        (!allowed.is_empty() || *numeric_only).then(|| {
            let instead = instead.parse::<Sender>().ok();
            Arc::new(SenderRules { allowed: allowed.clone(), numeric_only: *numeric_only, instead })
        })
    }

    /// The name that the certificate must carry.
    pub fn server_name(&self) -> &str {
        if self.tls_name.is_empty() { self.host() } else { &self.tls_name }
    }
}
