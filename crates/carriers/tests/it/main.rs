//! Carriers against the simulated one, over real SMPP with TLS.

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod configured;
mod docs;
mod faults;
mod hands;
mod order;
mod pins;
mod sessions;
mod speaks;
mod stage;
