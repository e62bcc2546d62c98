//! How long and how much.

use std::time::Duration;

/// The limits of one connection. The defaults are those of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From connecting to a complete bind.
    pub unbound: Duration,
    /// Octets of a PDU before the bind.
    pub pdu_unbound: u32,
    /// Octets of a PDU after it.
    pub pdu_bound: u32,
    /// Silence of the peer after which it is asked whether it is there.
    pub enquire: Duration,
    /// Silence of the peer after which the connection is closed.
    pub idle: Duration,
    /// How long an answer to a request of ours may take.
    pub response: Duration,
    /// Requests of ours that may be unanswered at a time.
    pub window: usize,
    /// Requests of the peer that may be unanswered at a time. One more waits [`Self::patience`] for a place
    /// and is then refused with a status that asks the peer to try again.
    pub incoming: usize,
    /// How long a request of the peer waits for a place.
    pub patience: Duration,
    /// How long a write may stand still because the peer does not read.
    pub stalled: Duration,
    /// How long an unbind waits for what is in flight.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unbound: Duration::from_secs(5),
            pdu_unbound: smpp::LIMIT_UNBOUND,
            pdu_bound: smpp::LIMIT_BOUND,
            enquire: Duration::from_secs(30),
            idle: Duration::from_secs(90),
            response: Duration::from_secs(10),
            window: 20,
            incoming: 200,
            patience: Duration::from_millis(500),
            stalled: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}
