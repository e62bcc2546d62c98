//! The peer's side of a connection: its requests, each with the means to answer it.

use smpp::{CommandId, EncodeError, Pdu, Status};
use tokio::sync::OwnedSemaphorePermit;

use crate::outgoing::{Outgoing, Queue, encode_answer};
use crate::pile::Receiver;

/// The peer's requests, in order.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) requests: Receiver<Request>,
}

impl Incoming {
    /// The next request; `None` once the connection is over. Safe to cancel.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }

    /// Appends up to `limit` requests to `batch`, waiting for the first; 0 once the connection is over.
    /// For a consumer that makes many durable in one go. Safe to cancel.
    pub async fn next_many(&mut self, batch: &mut Vec<Request>, limit: usize) -> usize {
        self.requests.recv_many(batch, limit).await
    }
}

/// A request of the peer.
#[derive(Debug)]
pub struct Request {
    pub(crate) pdu: Box<Pdu>,
    pub(crate) responder: Responder,
}

impl Request {
    /// What it says.
    pub fn pdu(&self) -> &Pdu {
        &self.pdu
    }

    /// What it says, and the means to answer it.
    pub fn into_parts(self) -> (Pdu, Responder) {
        (*self.pdu, self.responder)
    }

    /// Answers it.
    pub fn answer(self, status: Status, pdu: impl Into<Pdu>) -> Result<(), AnswerError> {
        self.responder.answer(status, pdu)
    }

    /// Answers it with an error and nothing else.
    pub fn refuse(self, status: Status) {
        self.responder.refuse(status);
    }
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The connection is over: the peer knows nothing and may ask again.
    #[error("the connection is closed")]
    Closed,
    /// It cannot be written as it is; the peer was told of a system error.
    #[error(transparent)]
    Invalid(EncodeError),
}

/// The means to answer one request, once. Dropped without an answer it says that something failed, so that
/// a peer never waits for a consumer that died; [`Self::forget`] is for a simulator that loses answers.
#[derive(Debug)]
pub struct Responder {
    pub(crate) command: CommandId,
    pub(crate) sequence: u32,
    /// Taken by the answer.
    pub(crate) via: Option<(Queue, OwnedSemaphorePermit)>,
}

impl Responder {
    /// Answers the request.
    pub fn answer(mut self, status: Status, pdu: impl Into<Pdu>) -> Result<(), AnswerError> {
        // When this fails, dropping the responder tells the peer of an error instead.
        let bytes = encode_answer(self.sequence, status, pdu.into()).map_err(AnswerError::Invalid)?;
        let Some((queue, permit)) = self.via.take() else { return Err(AnswerError::Closed) };
        queue.send(Outgoing::Answer(bytes, Some(permit))).map_err(|_| AnswerError::Closed)
    }

    /// Answers the request with an error and nothing else.
    pub fn refuse(mut self, status: Status) {
        self.send_empty(status);
    }

    /// Never answers: the peer's own timer will tell it.
    pub fn forget(mut self) {
        self.via = None;
    }

    /// The `command_id` of the request.
    pub const fn command(&self) -> CommandId {
        self.command
    }

    /// The sequence number of the request.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    fn send_empty(&mut self, status: Status) {
        let Some((queue, permit)) = self.via.take() else { return };
        if let Some(bytes) = empty_answer(self.command, self.sequence, status) {
            // A connection that is over needs no answer.
            let _ = queue.send(Outgoing::Answer(bytes, Some(permit)));
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.send_empty(failure_of(self.command));
    }
}

/// The status that says "try again" in answer to `command`.
pub(crate) const fn failure_of(command: CommandId) -> Status {
    match command {
        CommandId::DELIVER_SM | CommandId::DATA_SM => Status::RX_T_APPN,
        _ => Status::RSYSERR,
    }
}

/// The answer to `command` with a status and no content; `None` for what has no answer.
pub(crate) fn empty_answer(command: CommandId, sequence: u32, status: Status) -> Option<bytes::BytesMut> {
    encode_answer(sequence, status, Pdu::empty_response(command.response()?)?).ok()
}
