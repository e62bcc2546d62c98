//! Our side of a connection: sending requests and ending it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use smpp::{BindMode, Command, Pdu, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Closed, NoAnswer, NotSent};
use crate::outgoing::{Caller, Outgoing, Queue, Waiter};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went. An answer that is a `generic_nack` never counts as accepted.
    pub status: Status,
    /// The answer itself.
    pub pdu: Pdu,
    /// How long it took, from writing the request.
    pub after: Duration,
}

/// A cheap, cloneable handle of one bound connection.
///
/// When the last handle is gone, the connection unbinds.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) queue: Queue,
    pub(crate) window: Arc<Semaphore>,
    pub(crate) size: usize,
    pub(crate) mode: BindMode,
    pub(crate) peer: smpp::Text,
    pub(crate) unbind: CancellationToken,
    pub(crate) abort: CancellationToken,
    pub(crate) closed: watch::Receiver<Option<Closed>>,
    /// The last handle that goes asks for an unbind.
    pub(crate) _alive: Arc<DropGuard>,
}

impl Handle {
    /// Waits for a place in the window, sends `pdu` and waits for its answer.
    ///
    /// Dropping the future before the request is written means that it is not sent; after that, only that
    /// nobody hears its answer.
    pub async fn request(&self, pdu: impl Into<Pdu>) -> Result<Response, NoAnswer> {
        let pdu = pdu.into();
        self.reserve().await?.send(pdu)?.await
    }

    /// Waits for a place in the window. For a caller that decides what to send only when it can be sent.
    pub async fn reserve(&self) -> Result<Slot, NoAnswer> {
        let place = Arc::clone(&self.window).acquire_owned().await;
        place.map(|place| Slot { queue: self.queue.clone(), place }).map_err(|_| NoAnswer::NotSent(NotSent::Closed))
    }

    /// A place in the window if there is one now.
    pub fn try_reserve(&self) -> Option<Slot> {
        let place = Arc::clone(&self.window).try_acquire_owned().ok()?;
        Some(Slot { queue: self.queue.clone(), place })
    }

    /// How it is bound.
    pub const fn mode(&self) -> BindMode {
        self.mode
    }

    /// The `system_id` of the other side: of the application on a server, of the carrier on a client.
    pub const fn peer(&self) -> &smpp::Text {
        &self.peer
    }

    /// Requests of ours that are unanswered.
    pub fn in_flight(&self) -> usize {
        if self.is_closed() { 0 } else { self.size.saturating_sub(self.window.available_permits()) }
    }

    /// Requests of ours that may be unanswered at a time.
    pub const fn window(&self) -> usize {
        self.size
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    /// Waits until it is over; tells why.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Closed::Aborted),
            // The driver is gone without a word: its runtime has ended.
            Err(_) => Closed::Aborted,
        }
    }

    /// Ends the session in order: takes no new request, waits for what is in flight, says `unbind`, closes.
    pub async fn unbind(&self) -> Closed {
        self.unbind.cancel();
        self.closed().await
    }

    /// Begins what [`Self::unbind`] waits for. From anywhere: needs no runtime.
    pub fn begin_unbind(&self) {
        self.unbind.cancel();
    }

    /// Waits until everything sent before this call is written to the network, or the connection is over.
    pub async fn flushed(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Outgoing::Flushed(done)).is_ok() {
            // A connection that ends drops the other half, and then there is nothing left to wait for.
            let _ = written.await;
        }
    }

    /// Cuts the connection at once, as a crash would.
    pub fn abort(&self) {
        self.abort.cancel();
    }
}

/// A place in the window.
#[derive(Debug)]
pub struct Slot {
    queue: Queue,
    place: OwnedSemaphorePermit,
}

impl Slot {
    /// Sends `pdu`; the answer comes from the returned future. Fails only when `pdu` cannot be written.
    pub fn send(self, pdu: impl Into<Pdu>) -> Result<Pending, NoAnswer> {
        let command = Command::request(0, pdu);
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes).map_err(|error| NoAnswer::NotSent(NotSent::Invalid(error)))?;
        let (reply, answer) = oneshot::channel();
        let expects = command.pdu.id().response().unwrap_or(smpp::CommandId::GENERIC_NACK);
        let caller = Caller { reply: Some(reply), expects, written: None, _place: self.place };
        // A queue that is gone gives the caller back, and dropping it says that nothing was sent.
        let _ = self.queue.send(Outgoing::Request(bytes, Waiter::Caller(caller)));
        Ok(Pending { answer })
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Result<Response, NoAnswer>>,
}

impl Future for Pending {
    type Output = Result<Response, NoAnswer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The other end always speaks before it goes; should it ever not, nothing may be taken for unsent.
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(NoAnswer::Unknown(crate::error::Unknown::Closed))))
    }
}
