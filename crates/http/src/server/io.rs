//! The bytes of a connection, watched on their way: what is written below TLS, where only the client's reading makes
//! room, and what is read above it, where heads can be seen.

use std::io::{Error as IoError, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::scan::Scanner;
use super::vitals::Vitals;

/// The socket, below TLS. A write that waits means that the client does not read.
pub(super) struct WatchedWrites<T> {
    inner: T,
    vitals: Arc<Vitals>,
}

impl<T> WatchedWrites<T> {
    pub(super) const fn new(inner: T, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals }
    }

    fn wrote<O>(&self, outcome: Poll<O>) -> Poll<O> {
        self.vitals.write_blocked(outcome.is_pending());
        outcome
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedWrites<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), IoError>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedWrites<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, IoError>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // Flushing a socket does nothing, so it tells nothing.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The clear bytes, above TLS.
pub(super) struct WatchedReads<T> {
    inner: T,
    vitals: Arc<Vitals>,
    reader: Reader,
}

enum Reader {
    Http1(Box<Scanner>),
    Http2(Frames),
}

impl<T> WatchedReads<T> {
    pub(super) fn http1(inner: T, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals, reader: Reader::Http1(Box::new(Scanner::new())) }
    }

    pub(super) const fn http2(inner: T, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals, reader: Reader::Http2(Frames::new()) }
    }

    fn saw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.reader {
            Reader::Http1(scanner) => {
                let seen = scanner.read(bytes);
                if let Some(ambiguity) = seen.ambiguous {
                    self.vitals.ambiguous(ambiguity);
                }
                self.vitals.head(seen.in_head);
            }
            Reader::Http2(frames) => {
                let in_head = frames.read(bytes);
                self.vitals.head(in_head);
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedReads<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), IoError>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.saw(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedReads<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, IoError>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
