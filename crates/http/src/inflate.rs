//! Bodies that come compressed: one layer of gzip or deflate, unpacked as they arrive, and given up as soon as they
//! unpack to too much or by too large a ratio (ASVS 5.2.3; security.md, decompression).

use std::io::{Error as IoError, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header};
use base::{Problem, ProblemKind};
use bytes::Bytes;
use flate2::write::{GzDecoder, ZlibDecoder};
use hyper::body::Frame;

use crate::body::BodyFault;
use crate::refusal::Refusal;
use crate::routes::Door;

/// Bytes that any body may unpack to; most doors read less.
pub(crate) const MOST: usize = 20 * 1024 * 1024;
/// How many times its size a body may unpack to.
pub(crate) const RATIO: usize = 100;
/// Up to here the ratio does not matter: a short text of blanks is no bomb.
const SMALL: usize = 16 * 1024;
/// Bytes unpacked between two looks at how much came out: at most a thousand times as many.
const STEP: usize = 256;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// What a `Content-Encoding` says; `None` when the body is as it is. Programs may compress, browsers' forms do not.
    pub(crate) fn of(value: Option<&HeaderValue>, door: Door) -> Result<Option<Self>, Refusal> {
        let Some(value) = value else { return Ok(None) };
        let value = value.as_bytes().trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        let programs = matches!(door, Door::Api | Door::Compatible | Door::Scim | Door::Signal);
        if is("identity") || value.is_empty() {
            Ok(None)
        } else if programs && (is("gzip") || is("x-gzip")) {
            Ok(Some(Self::Gzip))
        } else if programs && is("deflate") {
            Ok(Some(Self::Deflate))
        } else {
            Err(refusal(programs))
        }
    }
}

fn refusal(programs: bool) -> Refusal {
    let (detail, offer) = if programs {
        (
            "Bodies are read compressed by gzip or deflate, once. Send it so, or without Content-Encoding.",
            "gzip, deflate",
        )
    } else {
        ("Compressed bodies are not read here. Send it without Content-Encoding.", "identity")
    };
    let problem = Problem::new(ProblemKind::UnsupportedMedia, "unsupported-content-encoding", detail);
    // RFC 9110 section 15.5.16: what would have been understood.
    Refusal::new(problem).header(header::ACCEPT_ENCODING, HeaderValue::from_static(offer))
}

enum Unpacker {
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Unpacker {
    fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        match self {
            Self::Gzip(inner) => inner.write_all(bytes),
            Self::Deflate(inner) => inner.write_all(bytes),
        }
    }

    /// Checks that the end came, and that the checksum holds.
    fn finish(&mut self) -> Result<(), IoError> {
        match self {
            Self::Gzip(inner) => inner.try_finish(),
            Self::Deflate(inner) => inner.try_finish(),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(inner) => inner.get_mut(),
            Self::Deflate(inner) => inner.get_mut(),
        }
    }
}

/// A compressed body, read as what it unpacks to.
pub(crate) struct Inflated {
    inner: Body,
    unpacker: Unpacker,
    limit: usize,
    taken: usize,
    given: usize,
    over: bool,
}

impl Inflated {
    /// `limit` is the door's, in unpacked bytes.
    pub(crate) fn new(inner: Body, coding: Coding, limit: usize) -> Self {
        let unpacker = match coding {
            Coding::Gzip => Unpacker::Gzip(GzDecoder::new(Vec::new())),
            Coding::Deflate => Unpacker::Deflate(ZlibDecoder::new(Vec::new())),
        };
        Self { inner, unpacker, limit: limit.min(MOST), taken: 0, given: 0, over: false }
    }

    fn unpack(&mut self, packed: &[u8]) -> Result<Bytes, BodyFault> {
        for step in packed.chunks(STEP) {
            self.taken += step.len();
            self.unpacker.write(step).map_err(|_| BodyFault::Broken)?;
            self.look()?;
        }
        Ok(self.take())
    }

    fn end(&mut self) -> Result<Bytes, BodyFault> {
        self.over = true;
        self.unpacker.finish().map_err(|_| BodyFault::Broken)?;
        self.look()?;
        Ok(self.take())
    }

    fn look(&mut self) -> Result<(), BodyFault> {
        let total = self.given + self.unpacker.out().len();
        if total > self.limit {
            Err(BodyFault::TooLong(self.limit))
        } else if total > SMALL && total > self.taken.saturating_mul(RATIO) {
            Err(BodyFault::Bomb)
        } else {
            Ok(())
        }
    }

    fn take(&mut self) -> Bytes {
        let out = mem::take(self.unpacker.out());
        self.given += out.len();
        out.into()
    }
}

impl HttpBody for Inflated {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        while !this.over {
            let bytes = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(packed) => this.unpack(&packed),
                    // Trailers: nobody reads them.
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.end(),
            };
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(fault) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(axum::Error::new(fault))));
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;
    use crate::body;

    fn packed(coding: Coding, text: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut out = GzEncoder::new(Vec::new(), Compression::best());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Coding::Deflate => {
                let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
        }
    }

    /// In pieces, as networks bring it.
    async fn unpack(coding: Coding, bytes: Vec<u8>, limit: usize) -> Result<Bytes, String> {
        let pieces: Vec<_> = bytes.chunks(7).map(Bytes::copy_from_slice).map(Ok::<_, Infallible>).collect();
        let body = Body::new(Inflated::new(Body::from_stream(stream::iter(pieces)), coding, limit));
        body::read(body).await.map_err(|refusal| format!("{} {}", refusal.status().as_u16(), refusal.problem().code))
    }

    #[tokio::test]
    async fn both_codings_unpack_to_what_was_sent() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Deflate] {
            assert_eq!(unpack(coding, packed(coding, &text), 1 << 20).await.unwrap(), text);
            assert_eq!(unpack(coding, packed(coding, b""), 10).await.unwrap(), "");
        }
    }

    /// ASVS 5.2.3: ratio 100:1, and the door's own size in unpacked bytes, 20 MiB at most.
    #[tokio::test]
    async fn bombs_are_given_up_early() {
        for coding in [Coding::Gzip, Coding::Deflate] {
            let bomb = packed(coding, &vec![0; 64 << 20]);
            assert!(bomb.len() < 100 * 1024, "{}", bomb.len());
            assert_eq!(unpack(coding, bomb, usize::MAX).await, Err("413 body-unpacks-too-far".into()));
            assert_eq!(unpack(coding, packed(coding, &[b'x'; 11]), 10).await, Err("413 body-too-large".into()));
            assert_eq!(unpack(coding, packed(coding, &[b' '; 10_000]), 1 << 20).await.unwrap().len(), 10_000);
        }
        assert_eq!(Inflated::new(Body::empty(), Coding::Gzip, usize::MAX).limit, 20 * 1024 * 1024);
    }

    #[tokio::test]
    async fn what_is_cut_off_altered_or_continued_is_broken() {
        let whole = packed(Coding::Gzip, b"{\"title\": \"Disk full\"}");
        let broken = Err("400 body-broken".to_owned());
        let mut altered = whole.clone();
        altered[15] ^= 0x40;
        for bytes in
            [whole[..whole.len() - 1].to_vec(), altered, b"plain text".to_vec(), [whole.clone(), whole].concat()]
        {
            assert_eq!(unpack(Coding::Gzip, bytes, 1 << 20).await, broken);
        }
    }

    #[test]
    fn programs_may_compress_once_and_forms_not_at_all() {
        let of = |value: &'static str, door| {
            let value = HeaderValue::from_static(value);
            Coding::of(Some(&value), door).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(of("GZIP", Door::Signal), Ok(Some(Coding::Gzip)));
        assert_eq!(of("deflate", Door::Api), Ok(Some(Coding::Deflate)));
        assert_eq!(of("identity", Door::Console), Ok(None));
        for (value, door) in [
            ("gzip, gzip", Door::Signal),
            ("br", Door::Api),
            ("zstd", Door::Compatible),
            ("gzip", Door::Console),
            ("gzip", Door::Public),
        ] {
            assert_eq!(of(value, door), Err(415), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>, gzip: bool) {
            let coding = if gzip { Coding::Gzip } else { Coding::Deflate };
            let mut body = Inflated::new(Body::empty(), coding, 1 << 16);
            let _ = body.unpack(&bytes);
            let _ = body.end();
        }
    }
}
