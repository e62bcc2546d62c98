//! What waits to be written, and who waits for its answer.
//!
//! The queue itself has no bound, because each entry holds a permit of a bounded supply: a request one of
//! the window, an answer the one its request took, a control PDU one of a small reserve.

use bytes::BytesMut;
use smpp::{Command, CommandId, Pdu, Status, Window};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::error::{NoAnswer, NotSent, Unknown};
use crate::handle::Response;
use crate::pile::Sender;

/// One PDU to write. Not printable: its octets are texts and numbers of people.
pub(crate) enum Outgoing {
    /// A request; its sequence number is set when it is written.
    Request(BytesMut, Waiter),
    /// An answer, or a control PDU; its permit is given back once it is written.
    Answer(BytesMut, Option<OwnedSemaphorePermit>),
    /// Tells the sender once everything before it is written.
    Flushed(oneshot::Sender<()>),
    /// Nothing follows: says so to the peer's network layers, then to the sender.
    Shutdown(oneshot::Sender<()>),
}

pub(crate) type Queue = Sender<Outgoing>;

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A caller.
    Caller(Caller),
    /// The link itself: is the peer there?
    Enquire,
    /// The link itself: goodbye.
    Unbind,
}

/// A caller that waits for an answer. Dropping it tells the caller that none will come, and which of the
/// two kinds of none: so a connection that is lost, or a task that dies, leaves nobody waiting or misled.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) reply: Option<oneshot::Sender<Result<Response, NoAnswer>>>,
    pub(crate) expects: CommandId,
    /// When it was given to the network; from then on its outcome can be unknown.
    pub(crate) written: Option<Instant>,
    /// Its place in the window.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl Caller {
    pub(crate) fn tell(mut self, result: Result<Response, NoAnswer>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has gone away does not want to know.
            let _ = reply.send(result);
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            let none = if self.written.is_some() {
                NoAnswer::Unknown(Unknown::Closed)
            } else {
                NoAnswer::NotSent(NotSent::Closed)
            };
            let _ = reply.send(Err(none));
        }
    }
}

pub(crate) type Waiters = Window<Waiter>;

/// An answer as bytes.
pub(crate) fn encode_answer(sequence: u32, status: Status, pdu: Pdu) -> Result<BytesMut, smpp::EncodeError> {
    let mut bytes = BytesMut::new();
    Command::response(sequence, status, pdu).encode(&mut bytes)?;
    Ok(bytes)
}
