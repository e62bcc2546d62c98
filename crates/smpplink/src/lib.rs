//! An SMPP connection on tokio and TLS, for the client of a carrier, the server for applications and the
//! simulator alike: framing, timers, window, `enquire_link`, graceful unbind.
//!
//! One task drives one connection. It answers `enquire_link`, refuses what does not fit the session's state,
//! and hands every other request to its [`Incoming`] with a [`Responder`]. Requests of ours go through a
//! [`Handle`], wait for a place in the window, and come back as an answer or as one of two different
//! failures: [`NoAnswer::NotSent`] (it never left, send it elsewhere) and [`NoAnswer::Unknown`] (it may have
//! arrived, a policy must decide).
//!
//! This room knows no account, message or carrier, never reconnects, and decides nothing about what a
//! request means.

mod client;
mod driver;
mod error;
mod handle;
mod incoming;
mod limits;
mod outgoing;
mod pile;
mod reader;
mod server;
mod writer;

pub use client::{Target, Tls, bind_over, connect};
pub use error::{AcceptError, Closed, ConnectError, NoAnswer, NotSent, Unknown};
pub use handle::{Handle, Pending, Response, Slot};
pub use incoming::{AnswerError, Incoming, Request, Responder};
pub use limits::Limits;
pub use server::{Unbound, accept, accept_tls};

/// A bound connection: what we ask through, and what we are asked.
#[derive(Debug)]
pub struct Link {
    /// Sends requests, unbinds, tells when it is over.
    pub handle: Handle,
    /// The peer's requests.
    pub incoming: Incoming,
    /// What the peer showed of itself over TLS, when we connected so.
    pub secured: Option<Secured>,
}

/// What the peer showed of itself over TLS. It was verified before: this is for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// The version that was agreed on: `TLS 1.3`.
    pub version: &'static str,
}
