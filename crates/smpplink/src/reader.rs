//! Reading: cutting frames, answering what the link answers itself, handing on the rest.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smpp::{Command, CommandId, DecodeError, EnquireLinkResp, Framer, GenericNack, Pdu, State, Status, allowed};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::driver::Shared;
use crate::error::{Closed, NoAnswer, Unknown};
use crate::handle::Response;
use crate::incoming::{Request, Responder, empty_answer, failure_of};
use crate::outgoing::{Outgoing, Queue, Waiter, encode_answer};
use crate::pile::Sender;

/// Room made in the buffer before a read: little for a silent peer, twice as much after each read that filled it.
const LEAST: usize = 1024;
const MOST: usize = 32 * 1024;

pub(crate) struct Reader {
    pub(crate) buffer: BytesMut,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Sender<Request>,
    pub(crate) queue: Queue,
}

impl Reader {
    /// Reads until the connection is over.
    pub(crate) async fn run<R: AsyncRead + Unpin>(mut self, mut read: R) -> Closed {
        let framer = Framer::new(self.shared.limits.pdu_bound);
        let mut room = LEAST;
        loop {
            loop {
                match framer.next(&mut self.buffer) {
                    Ok(Some(frame)) => {
                        if let Err(closed) = self.take(frame).await {
                            return closed;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Closed::OutOfStep(error),
                }
            }
            if self.buffer.capacity() - self.buffer.len() < room / 4 {
                self.buffer.reserve(room);
            }
            let free = self.buffer.capacity() - self.buffer.len();
            match read.read_buf(&mut self.buffer).await {
                // The peer may close right behind its answer to our unbind.
                Ok(0) | Err(_) if self.shared.is_unbound() => return Closed::Unbound,
                Ok(0) => return Closed::PeerClosed,
                Ok(count) => {
                    if count == free && room < MOST {
                        room *= 2;
                    }
                    self.shared.heard();
                }
                Err(error) => return Closed::Network(error.kind()),
            }
        }
    }

    async fn take(&mut self, frame: Bytes) -> Result<(), Closed> {
        match Command::decode(frame) {
            Ok(command) if command.pdu.id().is_response() => {
                self.answered(command);
                Ok(())
            }
            Ok(command) => self.asked(command).await,
            Err(error) => self.unreadable(error).await,
        }
    }

    /// An answer to a request of ours. One that comes late, twice or unasked changes nothing.
    fn answered(&self, command: Command) {
        let Some(waiter) = self.shared.leave(command.sequence) else {
            tracing::debug!(command = %command.pdu.id(), sequence = command.sequence, "an answer nobody waits for");
            return;
        };
        match waiter {
            Waiter::Caller(caller) => {
                let after = caller.written.map(|written| written.elapsed()).unwrap_or_default();
                let id = command.pdu.id();
                let result = if id == caller.expects {
                    Ok(Response { status: command.status, pdu: command.pdu, after })
                } else if id == CommandId::GENERIC_NACK {
                    // A nack without a status is a nack all the same.
                    let status = if command.status.is_ok() { Status::RUNKNOWNERR } else { command.status };
                    Ok(Response { status, pdu: command.pdu, after })
                } else {
                    Err(NoAnswer::Unknown(Unknown::Unreadable))
                };
                caller.tell(result);
            }
            Waiter::Enquire => {}
            Waiter::Unbind => self.shared.unbound(),
        }
    }

    /// A request of the peer.
    async fn asked(&mut self, command: Command) -> Result<(), Closed> {
        let (id, sequence) = (command.pdu.id(), command.sequence);
        let state =
            if self.shared.is_ending() { State::Unbinding(self.shared.mode) } else { State::Bound(self.shared.mode) };
        match command.pdu {
            Pdu::EnquireLink(_) => self.control(sequence, Status::ROK, EnquireLinkResp {}).await,
            Pdu::Unknown(..) => self.control(sequence, Status::RINVCMDID, GenericNack {}).await,
            _ if !allowed(self.shared.peer_side(), state, id) => self.refuse(id, sequence, Status::RINVBNDSTS).await,
            Pdu::Unbind(_) => {
                self.shared.peer_unbinds(sequence);
                Ok(())
            }
            _ if self.shared.is_draining() => self.refuse(id, sequence, overload_of(id)).await,
            pdu => self.hand_on(pdu, sequence).await,
        }
    }

    async fn hand_on(&mut self, pdu: Pdu, sequence: u32) -> Result<(), Closed> {
        let command = pdu.id();
        let places = Arc::clone(&self.shared.incoming);
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match timeout(self.shared.limits.patience, places.acquire_owned()).await {
                Ok(Ok(place)) => place,
                // Reading must go on, or answers to our own requests would look late.
                _ => return self.refuse(command, sequence, overload_of(command)).await,
            },
        };
        let via = command.response().map(|_| (self.queue.clone(), place));
        let request = Request { pdu: Box::new(pdu), responder: Responder { command, sequence, via } };
        if let Err(unsent) = self.requests.send_below(self.shared.limits.incoming.max(1), request) {
            // Nobody listens, or an alert_notification (which needs no answer and so keeps no place) found the
            // queue full. Dropping the responder would say the same, but without a word in the log.
            tracing::debug!(%command, "a request nobody takes");
            unsent.refuse(failure_of(command));
        }
        Ok(())
    }

    /// A PDU that cannot be read: the peer is told, or whoever waits for it.
    async fn unreadable(&self, error: DecodeError) -> Result<(), Closed> {
        tracing::warn!(command = %error.command, sequence = error.sequence, reason = %error.reason, "a malformed PDU");
        if error.command.is_response() {
            if let Some(Waiter::Caller(caller)) = self.shared.leave(error.sequence) {
                caller.tell(Err(NoAnswer::Unknown(Unknown::Unreadable)));
            }
            return Ok(());
        }
        match error.answer() {
            Some(answer) => self.control(answer.sequence, answer.status, answer.pdu).await,
            None => Ok(()),
        }
    }

    async fn refuse(&self, command: CommandId, sequence: u32, status: Status) -> Result<(), Closed> {
        match empty_answer(command, sequence, status) {
            Some(bytes) => self.send_control(bytes).await,
            None => Ok(()),
        }
    }

    async fn control(&self, sequence: u32, status: Status, pdu: impl Into<Pdu>) -> Result<(), Closed> {
        match encode_answer(sequence, status, pdu.into()) {
            Ok(bytes) => self.send_control(bytes).await,
            Err(_) => Ok(()),
        }
    }

    /// Control PDUs come from a reserve: a peer that asks and does not read stops being read.
    async fn send_control(&self, bytes: BytesMut) -> Result<(), Closed> {
        let permit = Arc::clone(&self.shared.control).acquire_owned().await.map_err(|_| Closed::Aborted)?;
        let _ = self.queue.send(Outgoing::Answer(bytes, Some(permit)));
        Ok(())
    }
}

/// The status that says "too much at once" in answer to `command`.
const fn overload_of(command: CommandId) -> Status {
    match command {
        CommandId::DELIVER_SM | CommandId::DATA_SM => Status::RX_T_APPN,
        _ => Status::RMSGQFUL,
    }
}
