//! The signs of life of one connection, and the verdict about it: which clients are too slow, too idle or too restless.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::scan::Ambiguity;
use crate::settings::Limits;

const MINUTE: Duration = Duration::from_mins(1);

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Let it be; look again at this instant at the latest.
    Fine(Instant),
    /// Nothing has happened for long: end it politely.
    Idle,
    /// End it at once, for this reason, in one word for logs and figures.
    Cut(&'static str),
}

/// Shared between the connection's bytes, its requests and its watchman.
#[derive(Debug)]
pub(super) struct Vitals {
    limits: Limits,
    signs: Mutex<Signs>,
    /// Something happened that may need a look sooner than planned.
    changed: Notify,
}

#[derive(Debug)]
struct Signs {
    head_since: Option<Instant>,
    write_blocked_since: Option<Instant>,
    in_flight: usize,
    idle_since: Instant,
    /// Answers whose last part was handed over and that were not asked for more since.
    offered: HashMap<u64, Instant>,
    next_body: u64,
    resets: u32,
    resets_since: Instant,
    ambiguous: Option<Ambiguity>,
}

impl Vitals {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let now = Instant::now();
        let signs = Signs {
            head_since: None,
            write_blocked_since: None,
            in_flight: 0,
            idle_since: now,
            offered: HashMap::new(),
            next_body: 0,
            resets: 0,
            resets_since: now,
            ambiguous: None,
        };
        Arc::new(Self { limits, signs: Mutex::new(signs), changed: Notify::new() })
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether a head is under way; the first one is so from the end of the handshake on.
    pub(super) fn head(&self, under_way: bool) {
        let mut signs = self.lock();
        if under_way != signs.head_since.is_some() {
            signs.head_since = under_way.then(Instant::now);
            drop(signs);
            self.changed.notify_one();
        }
    }

    pub(super) fn ambiguous(&self, how: Ambiguity) {
        self.lock().ambiguous = Some(how);
    }

    pub(super) fn ambiguity(&self) -> Option<Ambiguity> {
        self.lock().ambiguous
    }

    pub(super) fn write_blocked(&self, blocked: bool) {
        let mut signs = self.lock();
        if blocked != signs.write_blocked_since.is_some() {
            signs.write_blocked_since = blocked.then(Instant::now);
            drop(signs);
            self.changed.notify_one();
        }
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.lock().in_flight += 1;
        InFlight { vitals: Arc::clone(self), complete: false }
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let signs = self.lock();
        if signs.resets > self.limits.resets_per_minute {
            return Verdict::Cut("too_many_resets");
        }
        let mut next = now + self.limits.keep_alive;
        let mut past = |since: Instant, within: Duration| {
            next = next.min(since + within);
            now >= since + within
        };
        if signs.head_since.is_some_and(|since| past(since, self.limits.head)) {
            return Verdict::Cut("slow_head");
        }
        if signs.write_blocked_since.is_some_and(|since| past(since, self.limits.stalled)) {
            return Verdict::Cut("not_reading");
        }
        if signs.offered.values().min().is_some_and(|since| past(*since, self.limits.stalled)) {
            return Verdict::Cut("not_reading_stream");
        }
        // An answer that is not taken yet, or a head that is on its way, has its own deadline above.
        let quiet = signs.in_flight == 0 && signs.head_since.is_none() && signs.write_blocked_since.is_none();
        if quiet && past(signs.idle_since, self.limits.keep_alive) {
            return Verdict::Idle;
        }
        Verdict::Fine(next)
    }

    fn lock(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request on its way, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    vitals: Arc<Vitals>,
    complete: bool,
}

impl InFlight {
    /// Follows the answer's body to its end. It is on offer from here on: over HTTP/2 nobody asks for its first part as long as
    /// the client's window is shut.
    pub(super) fn follow(self, body: Body) -> Body {
        let id = {
            let mut signs = self.vitals.lock();
            signs.next_body += 1;
            let id = signs.next_body;
            if !body.is_end_stream() {
                signs.offered.insert(id, Instant::now());
            }
            id
        };
        self.vitals.changed.notify_one();
        Body::new(Followed { inner: body, id, flight: self })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut signs = self.vitals.lock();
        let now = Instant::now();
        signs.in_flight -= 1;
        signs.idle_since = now;
        if !self.complete {
            if now.duration_since(signs.resets_since) >= MINUTE {
                signs.resets = 0;
                signs.resets_since = now;
            }
            signs.resets += 1;
        }
        let look = signs.in_flight == 0 || signs.resets > self.vitals.limits.resets_per_minute;
        drop(signs);
        if look {
            self.vitals.changed.notify_one();
        }
    }
}

/// An answer's body that tells when the client stops taking it.
struct Followed {
    inner: Body,
    id: u64,
    flight: InFlight,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.inner).poll_frame(cx);
        // The last part counts too: over HTTP/2 it is kept until the client's window opens, and the body with it.
        let offered = matches!(next, Poll::Ready(Some(Ok(_))));
        if matches!(next, Poll::Ready(None)) || this.inner.is_end_stream() {
            this.flight.complete = true;
        }
        let mut signs = this.flight.vitals.lock();
        if offered {
            let first = signs.offered.is_empty();
            signs.offered.insert(this.id, Instant::now());
            drop(signs);
            if first {
                this.flight.vitals.changed.notify_one();
            }
        } else {
            signs.offered.remove(&this.id);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // A body that was empty from the start is never polled.
        self.flight.complete |= self.inner.is_end_stream();
        self.flight.vitals.lock().offered.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::stream;

    use super::*;

    fn cut(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Cut(_))
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// F-18: a head has ten seconds.
    #[tokio::test(start_paused = true)]
    async fn a_head_must_come_in_time() {
        let vitals = Vitals::new(Limits::default());
        vitals.head(true);
        pass(9).await;
        assert!(!cut(vitals.verdict(Instant::now())));
        pass(1).await;
        assert!(cut(vitals.verdict(Instant::now())));
        vitals.head(false);
        pass(30).await;
        vitals.head(true);
        assert!(!cut(vitals.verdict(Instant::now())));
        pass(10).await;
        assert!(cut(vitals.verdict(Instant::now())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_is_idle_but_one_with_a_request_is_not() {
        let vitals = Vitals::new(Limits::default());
        let request = vitals.request();
        pass(600).await;
        assert!(matches!(vitals.verdict(Instant::now()), Verdict::Fine(_)));
        drop(request);
        pass(59).await;
        assert!(matches!(vitals.verdict(Instant::now()), Verdict::Fine(_)));
        pass(1).await;
        assert_eq!(vitals.verdict(Instant::now()), Verdict::Idle);
    }

    /// F-18, slow read: an answer that is not taken is given up, one that is waiting for us is not.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_cut() {
        let vitals = Vitals::new(Limits::default());
        let endless =
            Body::from_stream(stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x"))));
        let mut body = vitals.request().follow(endless);
        let _ = http_body_util::BodyExt::frame(&mut body).await;
        pass(30).await;
        assert!(cut(vitals.verdict(Instant::now())));
        drop(body);
        // A window that was shut from the start: nobody ever asks for the first part.
        let untouched = vitals.request().follow(Body::from("x"));
        pass(30).await;
        assert!(cut(vitals.verdict(Instant::now())));
        drop(untouched);
        let quiet = Body::from_stream(stream::pending::<Result<Bytes, std::convert::Infallible>>());
        let mut body = vitals.request().follow(quiet);
        let waiting = tokio::time::timeout(Duration::from_secs(40), http_body_util::BodyExt::frame(&mut body)).await;
        assert!(waiting.is_err() && !cut(vitals.verdict(Instant::now())));
    }

    /// F-32: requests taken back are counted, answered ones are not.
    #[tokio::test(start_paused = true)]
    async fn too_many_resets_are_restless() {
        let vitals = Vitals::new(Limits::default());
        for _ in 0..300 {
            to_bytes(vitals.request().follow(Body::from("x")), 10).await.unwrap();
            drop(vitals.request().follow(Body::empty()));
        }
        assert!(!cut(vitals.verdict(Instant::now())));
        for _ in 0..200 {
            drop(vitals.request());
        }
        assert!(!cut(vitals.verdict(Instant::now())));
        drop(vitals.request());
        assert!(cut(vitals.verdict(Instant::now())));
    }
}
