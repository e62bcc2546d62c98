//! Request bodies with a size, a deadline and a least speed (ASVS 4.2.1, fault F-18).

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use base::{Problem, ProblemKind};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::refusal::Refusal;
use crate::settings::Limits;

/// How long a body may start slowly before its speed counts.
const GRACE: Duration = Duration::from_secs(5);
/// How often the speed is looked at while nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body unpacks to more than a hundred times its size")]
    Bomb,
    #[error("the body does not unpack")]
    Broken,
}

/// A body that nobody reads here, with the reason: the handler's reader gives it as its own.
#[derive(Debug, thiserror::Error)]
#[error("the body is not read here")]
struct Unread(Refusal);

/// In place of a body that is refused, for handlers that hear of it: whoever reads it gets the refusal.
pub(crate) fn refused(refusal: Refusal) -> Body {
    Body::from_stream(stream::once(std::future::ready(Err::<Bytes, _>(Unread(refusal)))))
}

/// A body that fails when it gets too long or comes too slowly. The clock starts when it is first read, so that our own
/// work before is not held against the client.
pub(crate) struct WatchedBody {
    inner: Body,
    limit: usize,
    received: usize,
    within: Duration,
    rate: u64,
    clock: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl WatchedBody {
    pub(crate) const fn new(inner: Body, limit: usize, limits: &Limits) -> Self {
        Self { inner, limit, received: 0, within: limits.body, rate: limits.body_rate, clock: None }
    }

    fn too_slow(&self, since: Instant) -> bool {
        let elapsed = since.elapsed();
        if elapsed >= self.within {
            return true;
        }
        let due = u128::from(self.rate) * elapsed.as_millis() / 1000;
        elapsed > GRACE && (self.received as u128) < due
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.inner).poll_frame(cx);
        let (since, mut timer) =
            this.clock.take().unwrap_or_else(|| (Instant::now(), Box::pin(tokio::time::sleep(LOOK))));
        match next {
            Poll::Ready(Some(Ok(frame))) => {
                this.received += frame.data_ref().map_or(0, Bytes::len);
                if this.received > this.limit {
                    return Poll::Ready(Some(Err(BodyFault::TooLong(this.limit).into())));
                }
                if this.too_slow(since) {
                    return Poll::Ready(Some(Err(BodyFault::TooSlow.into())));
                }
                this.clock = Some((since, timer));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into_inner()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                while timer.as_mut().poll(cx).is_ready() {
                    if this.too_slow(since) {
                        return Poll::Ready(Some(Err(BodyFault::TooSlow.into())));
                    }
                    timer.as_mut().reset(Instant::now() + LOOK);
                }
                this.clock = Some((since, timer));
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Reads a whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Refusal> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        let error = error.into_inner();
        if let Some(Unread(refusal)) = found(&*error) {
            return refusal.clone();
        }
        match found::<BodyFault>(&*error) {
            Some(BodyFault::TooLong(limit)) => too_large(*limit),
            Some(BodyFault::TooSlow) => Refusal::with_status(
                StatusCode::REQUEST_TIMEOUT,
                Problem::new(
                    ProblemKind::Invalid,
                    "body-too-slow",
                    "The body came too slowly and was given up. Send it at once, at 1 KiB a second at least.",
                ),
            ),
            Some(BodyFault::Bomb) => Refusal::new(Problem::new(
                ProblemKind::TooLarge,
                "body-unpacks-too-far",
                "The body unpacks to more than 100 times its size. Send it without Content-Encoding.",
            )),
            Some(BodyFault::Broken) => Refusal::new(Problem::new(
                ProblemKind::Invalid,
                "body-broken",
                "The body does not unpack as its Content-Encoding says, or goes on after its end. Send it again.",
            )),
            None => Refusal::new(Problem::new(
                ProblemKind::Invalid,
                "body-broken",
                "The body ended before it was complete. Send the request again.",
            )),
        }
    })
}

/// Our own fault in a chain of wrappers: a body around a body wraps errors too.
fn found<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(fault) = error.downcast_ref() {
            return Some(fault);
        }
        next = error.source();
    }
    None
}

pub(crate) fn too_large(limit: usize) -> Refusal {
    Refusal::new(Problem::new(
        ProblemKind::TooLarge,
        "body-too-large",
        format!("The body is larger than the {limit} bytes read here. Send less at a time."),
    ))
}

/// The body as it came: for doors that hand it on. Always the last argument of a handler.
#[derive(Debug, Clone)]
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        read(request.into_body()).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::StreamExt;

    use super::*;

    fn watched(body: Body, limit: usize) -> Body {
        Body::new(WatchedBody::new(body, limit, &Limits::default()))
    }

    async fn code(body: Body) -> (u16, String) {
        let refusal = read(body).await.unwrap_err();
        (refusal.status().as_u16(), refusal.problem().code.to_string())
    }

    fn drip(bytes: usize, every: Duration) -> Body {
        Body::from_stream(stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(every).await;
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))
        }))
    }

    #[tokio::test]
    async fn a_body_of_just_the_limit_is_read_and_one_byte_more_is_not() {
        assert_eq!(read(watched(Body::from(vec![0; 10]), 10)).await.unwrap().len(), 10);
        assert_eq!(code(watched(Body::from(vec![0; 11]), 10)).await, (413, "body-too-large".into()));
    }

    /// F-18: less than 1 KiB a second is given up after a few seconds, silence too.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_body_is_given_up() {
        let start = Instant::now();
        assert_eq!(code(watched(drip(100, Duration::from_secs(1)), 1 << 20)).await, (408, "body-too-slow".into()));
        assert!(start.elapsed() < Duration::from_secs(8));
        let silence = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(code(watched(silence, 1 << 20)).await.0, 408);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_fast_enough_but_endless_ends_at_the_deadline() {
        let start = Instant::now();
        assert_eq!(code(watched(drip(4096, Duration::from_secs(1)), 1 << 30)).await.0, 408);
        assert!(start.elapsed() <= Duration::from_secs(61));
    }
}
