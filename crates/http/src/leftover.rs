//! What is left of a request's body when its answer is there. A client that is still sending hears no answer: it writes until the
//! connection breaks, and reports that instead; over HTTP/2 some clients take the stream's reset for an error. So the rest is read and
//! thrown away first, within bounds (RFC 9112, 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

/// Octets that are read for nothing at most.
const MOST: u64 = 16 * 1024 * 1024;
/// How long that may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Where a body comes back to whose reader stopped early.
#[derive(Default)]
pub(crate) struct Leftover(Arc<Mutex<Option<Body>>>);

/// A body that comes back when it is dropped before its end.
struct Lent {
    inner: Option<Body>,
    back: Arc<Mutex<Option<Body>>>,
}

/// Lends a body to whoever answers.
pub(crate) fn lend(body: Body) -> (Body, Leftover) {
    let leftover = Leftover::default();
    if body.is_end_stream() {
        return (body, leftover);
    }
    let lent = Lent { inner: Some(body), back: leftover.0.clone() };
    (Body::new(lent), leftover)
}

impl Leftover {
    /// Reads what is left, unless that is too much or takes too long.
    pub(crate) async fn read_on(self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = body.filter(|body| body.size_hint().lower() <= MOST) else { return };
        let reading = async {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len) as u64;
                if read > MOST {
                    return;
                }
            }
        };
        // Whoever is slower than that was told by the answer's end, or not at all.
        let _ = tokio::time::timeout(WITHIN, reading).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let next = Pin::new(inner).poll_frame(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            this.inner = None;
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take().filter(|inner| !inner.is_end_stream()) {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream::{self, StreamExt as _};

    use super::*;

    /// A body of so many pieces, and how many were taken.
    fn pieces(count: usize, size: usize) -> (Body, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let pieces = stream::iter(0..count).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from(vec![0; size]))
        });
        (Body::from_stream(pieces), taken)
    }

    #[tokio::test]
    async fn what_nobody_read_is_read_within_bounds() {
        let (body, taken) = pieces(5, 1000);
        let (lent, leftover) = lend(body);
        drop(lent);
        leftover.read_on().await;
        assert_eq!(taken.load(Ordering::Relaxed), 5);
        // Half of it was read.
        let (body, taken) = pieces(5, 1000);
        let (mut lent, leftover) = lend(body);
        lent.frame().await.unwrap().unwrap();
        drop(lent);
        leftover.read_on().await;
        assert_eq!(taken.load(Ordering::Relaxed), 5);
        // Too much of it.
        let (body, taken) = pieces(40, 1024 * 1024);
        let (lent, leftover) = lend(body);
        drop(lent);
        leftover.read_on().await;
        assert_eq!(taken.load(Ordering::Relaxed), 17);
    }

    #[tokio::test]
    async fn what_was_read_to_its_end_leaves_nothing() {
        let (body, _) = pieces(3, 10);
        let (lent, leftover) = lend(body);
        assert_eq!(lent.collect().await.unwrap().to_bytes().len(), 30);
        assert!(leftover.0.lock().unwrap().is_none());
        let (lent, leftover) = lend(Body::empty());
        drop(lent);
        assert!(leftover.0.lock().unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_no_more_is_not_waited_for() {
        let (lent, leftover) = lend(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()));
        drop(lent);
        let began = tokio::time::Instant::now();
        leftover.read_on().await;
        assert_eq!(began.elapsed(), WITHIN);
    }
}
