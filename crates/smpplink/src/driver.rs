//! The task that drives one bound connection: reader, writer and timers side by side, until one of them
//! says that it is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use smpp::{BindMode, Command, EnquireLink, Side, Status, Text, Unbind, UnbindResp, Window};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::{Closed, NoAnswer, Unknown};
use crate::incoming::Incoming;
use crate::limits::Limits;
use crate::outgoing::{Outgoing, Queue, Waiter, Waiters, encode_answer};
use crate::pile::pile;
use crate::reader::Reader;
use crate::{Handle, Link, writer};

/// Control PDUs that may wait to be written.
const CONTROL: usize = 64;

/// What reader, writer and timers of one connection share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) side: Side,
    pub(crate) mode: BindMode,
    /// Places for the peer's requests.
    pub(crate) incoming: Arc<Semaphore>,
    /// Places for control PDUs.
    pub(crate) control: Arc<Semaphore>,
    start: Instant,
    waiters: Mutex<Waiters>,
    /// Milliseconds from `start` to the last octet of the peer.
    heard: AtomicU64,
    /// Milliseconds from `start` until which the timers sleep.
    asleep_until: AtomicU64,
    wake: Notify,
    /// An unbind, ours or the peer's, is under way: nothing new fits the state any more.
    ending: AtomicBool,
    /// We are about to unbind and take nothing new.
    draining: AtomicBool,
    /// Our unbind was answered.
    unbound: AtomicBool,
    /// The sequence number of the peer's unbind.
    peer_unbind: Mutex<Option<u32>>,
}

impl Shared {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sequence number for `waiter`; `None` cannot happen while places are handed out by permits,
    /// and then says "not sent" to the caller by dropping it.
    pub(crate) fn enter(&self, waiter: Waiter) -> Option<u32> {
        let now = self.now();
        let entered = self.waiters().insert(now, waiter);
        // The timers sleep past this deadline only after a quiet time; waking them for each request would
        // cost more than the request.
        if self.asleep_until.load(Ordering::Relaxed) > millis(now + self.limits.response) {
            self.wake.notify_one();
        }
        match entered {
            Ok(sequence) => Some(sequence),
            Err(waiter) => {
                if let Waiter::Caller(mut caller) = waiter {
                    caller.written = None;
                }
                None
            }
        }
    }

    pub(crate) fn leave(&self, sequence: u32) -> Option<Waiter> {
        self.waiters().resolve(sequence)
    }

    fn expire(&self, now: Duration) -> Option<Waiter> {
        self.waiters().expire(now).map(|(_, waiter)| waiter)
    }

    pub(crate) fn heard(&self) {
        self.heard.store(millis(self.now()), Ordering::Relaxed);
    }

    pub(crate) const fn peer_side(&self) -> Side {
        match self.side {
            Side::Esme => Side::Smsc,
            Side::Smsc => Side::Esme,
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether our unbind was answered.
    pub(crate) fn is_unbound(&self) -> bool {
        self.unbound.load(Ordering::Relaxed)
    }

    pub(crate) fn unbound(&self) {
        self.unbound.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    pub(crate) fn peer_unbinds(&self, sequence: u32) {
        self.ending.store(true, Ordering::Relaxed);
        *self.peer_unbind.lock().unwrap_or_else(PoisonError::into_inner) = Some(sequence);
        self.wake.notify_one();
    }

    fn peer_unbind(&self) -> Option<u32> {
        *self.peer_unbind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Starts driving a connection whose bind was accepted. `buffer` holds what was read beyond the bind, and
/// `sequence` the number after the bind's.
pub(crate) fn start<S>(stream: S, buffer: BytesMut, side: Side, mode: BindMode, peer: Text, limits: Limits) -> Link
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (queue, outgoing) = pile();
    let (requests, received) = pile();
    let (over, closed) = watch::channel(None);
    let window = Arc::new(Semaphore::new(limits.window));
    let shared = Arc::new(Shared {
        limits,
        side,
        mode,
        incoming: Arc::new(Semaphore::new(limits.incoming.max(1))),
        control: Arc::new(Semaphore::new(CONTROL)),
        start: Instant::now(),
        // The bind of a client took number 1; enquire_link and unbind need places beside the callers'.
        waiters: Mutex::new(Window::new(limits.window + 8, limits.response).starting_at(2)),
        heard: AtomicU64::new(0),
        asleep_until: AtomicU64::new(0),
        wake: Notify::new(),
        ending: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        unbound: AtomicBool::new(false),
        peer_unbind: Mutex::new(None),
    });
    let (unbind, abort) = (CancellationToken::new(), CancellationToken::new());
    let handle = Handle {
        queue: queue.clone(),
        window: Arc::clone(&window),
        size: limits.window,
        mode,
        peer,
        unbind: unbind.clone(),
        abort: abort.clone(),
        closed,
        _alive: Arc::new(unbind.clone().drop_guard()),
    };
    tokio::spawn(async move {
        let (read, write) = tokio::io::split(stream);
        let timers = Timers { shared: Arc::clone(&shared), window: Arc::clone(&window), unbind };
        let reader = Reader { buffer, shared: Arc::clone(&shared), requests, queue: queue.clone() };
        let closed = tokio::select! {
            biased;
            () = abort.cancelled() => Closed::Aborted,
            closed = reader.run(read) => closed,
            closed = writer::run(write, outgoing, Arc::clone(&shared)) => closed,
            closed = timers.run(queue) => closed,
        };
        tracing::debug!(reason = %closed, "an SMPP connection is over");
        // No new request; those that wait for a place hear that theirs was not sent.
        window.close();
        let _ = over.send(Some(closed));
        // Those that were sent and not answered hear it when the waiters are dropped.
        let waiters: Vec<_> = shared.waiters().drain().collect();
        drop(waiters);
    });
    Link { handle, incoming: Incoming { requests: received }, secured: None }
}

/// The timers of a connection, and its orderly end.
struct Timers {
    shared: Arc<Shared>,
    window: Arc<Semaphore>,
    unbind: CancellationToken,
}

impl Timers {
    async fn run(self, queue: Queue) -> Closed {
        let shared = &self.shared;
        let mut asked = false;
        loop {
            if let Some(sequence) = shared.peer_unbind() {
                return self.let_go(&queue, sequence).await;
            }
            let now = shared.now();
            while let Some(waiter) = shared.expire(now) {
                match waiter {
                    Waiter::Caller(caller) => caller.tell(Err(NoAnswer::Unknown(Unknown::TimedOut))),
                    Waiter::Enquire | Waiter::Unbind => return Closed::Silent,
                }
            }
            let heard = Duration::from_millis(shared.heard.load(Ordering::Relaxed));
            let (enquire, idle) = (heard + shared.limits.enquire, heard + shared.limits.idle);
            if now >= idle {
                return Closed::Silent;
            }
            if now < enquire {
                asked = false;
            } else if !asked {
                asked = true;
                send(&queue, EnquireLink {}, Waiter::Enquire);
            }
            let next = if asked { idle } else { enquire.min(idle) };
            let next = shared.waiters().next_deadline().map_or(next, |deadline| deadline.min(next));
            shared.asleep_until.store(millis(next), Ordering::Relaxed);
            tokio::select! {
                () = sleep_until(shared.start + next) => {}
                () = shared.wake.notified() => {}
                () = self.unbind.cancelled() => return self.say_goodbye(&queue).await,
            }
        }
    }

    /// Our own unbind: what is in flight first, then the word, then its answer.
    async fn say_goodbye(&self, queue: &Queue) -> Closed {
        let (shared, limits) = (&self.shared, &self.shared.limits);
        shared.draining.store(true, Ordering::Relaxed);
        let _ = timeout(limits.drain, async {
            self.window_is_empty().await;
            self.incoming_is_answered().await;
        })
        .await;
        self.window.close();
        shared.ending.store(true, Ordering::Relaxed);
        send(queue, Unbind {}, Waiter::Unbind);
        let deadline = shared.now() + limits.response;
        loop {
            if shared.is_unbound() {
                self.shut_down(queue).await;
                return Closed::Unbound;
            }
            // Both ends unbound at once: the peer's word counts for its answer to ours.
            if let Some(sequence) = shared.peer_unbind() {
                return self.let_go(queue, sequence).await;
            }
            if shared.now() >= deadline {
                return Closed::Silent;
            }
            tokio::select! {
                () = sleep_until(shared.start + deadline) => {}
                () = shared.wake.notified() => {}
            }
        }
    }

    /// The peer's unbind: what it is owed first, then the answer.
    async fn let_go(&self, queue: &Queue, sequence: u32) -> Closed {
        let _ = timeout(self.shared.limits.drain, async {
            self.incoming_is_answered().await;
            // Answers to our own requests may still come, but a peer that unbinds need not give them.
            let _ = timeout(Duration::from_secs(1), self.window_is_empty()).await;
        })
        .await;
        self.window.close();
        if let Ok(bytes) = encode_answer(sequence, Status::ROK, UnbindResp {}.into()) {
            let _ = queue.send(Outgoing::Answer(bytes, None));
        }
        self.shut_down(queue).await;
        Closed::PeerUnbound
    }

    /// Writes what is queued and says at each layer that nothing follows.
    async fn shut_down(&self, queue: &Queue) {
        let (done, written) = oneshot::channel();
        let _ = queue.send(Outgoing::Shutdown(done));
        let _ = timeout(self.shared.limits.drain, written).await;
    }

    /// The semaphore is fair: once this waits, later requests wait behind it and find it closed.
    async fn window_is_empty(&self) {
        let all = u32::try_from(self.shared.limits.window).unwrap_or(u32::MAX);
        if let Ok(permits) = self.window.acquire_many(all).await {
            permits.forget();
        }
    }

    async fn incoming_is_answered(&self) {
        let all = u32::try_from(self.shared.limits.incoming.max(1)).unwrap_or(u32::MAX);
        if let Ok(permits) = self.shared.incoming.acquire_many(all).await {
            permits.forget();
        }
    }
}

fn send(queue: &Queue, pdu: impl Into<smpp::Pdu>, waiter: Waiter) {
    let mut bytes = BytesMut::new();
    if Command::request(0, pdu).encode(&mut bytes).is_ok() {
        let _ = queue.send(Outgoing::Request(bytes, waiter));
    }
}
