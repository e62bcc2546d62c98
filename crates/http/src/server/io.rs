//! The bytes of a connection, watched on their way.

use std::io::{Error as IoError, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scan::Scanner;
use super::vitals::Vitals;

/// Length of the words with which every HTTP/2 client begins.
const PREFACE: usize = 24;

pub(super) struct WatchedIo<T> {
    inner: T,
    vitals: Arc<Vitals>,
    reader: Reader,
}

enum Reader {
    Http1(Box<Scanner>),
    Http2 { read: usize },
}

impl<T> WatchedIo<T> {
    pub(super) fn http1(inner: T, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals, reader: Reader::Http1(Box::new(Scanner::new())) }
    }

    pub(super) const fn http2(inner: T, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals, reader: Reader::Http2 { read: 0 } }
    }

    fn saw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.reader {
            Reader::Http1(scanner) => {
                let seen = scanner.read(bytes);
                if seen.ambiguous {
                    self.vitals.ambiguous();
                }
                self.vitals.head(seen.in_head);
            }
            Reader::Http2 { read } if *read < PREFACE => {
                *read += bytes.len();
                if *read >= PREFACE {
                    self.vitals.head(false);
                }
            }
            Reader::Http2 { .. } => {}
        }
    }

    fn wrote<O>(&self, outcome: Poll<O>) -> Poll<O> {
        self.vitals.write_blocked(outcome.is_pending());
        outcome
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedIo<T> {
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

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
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
}
