//! Framing: cutting a stream of bytes into PDUs before looking into any of them, so that a malformed body
//! never puts the stream out of step.

use bytes::{Buf, Bytes, BytesMut};

use crate::FrameError;

/// Octets of a PDU's header.
pub const HEADER: usize = 16;
/// The longest PDU before a bind: a bind needs no more, and a stranger gets no more.
pub const LIMIT_UNBOUND: u32 = 1024;
/// The longest PDU after a bind: a `message_payload` of 64 KiB with everything around it.
pub const LIMIT_BOUND: u32 = 70_000;

/// Cuts frames off a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    limit: u32,
}

impl Framer {
    /// A framer that refuses PDUs longer than `limit`.
    pub const fn new(limit: u32) -> Self {
        Self { limit }
    }

    /// Changes the limit, as after a bind.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Takes the next whole PDU off `buffer`; `None` when more bytes are needed. An error is final.
    ///
    /// Memory stays bounded by what was received: nothing is reserved because a length field says so,
    /// beyond the limit.
    pub fn next(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if buffer.len() < 4 {
            return Ok(None);
        }
        let length = (&buffer[..4]).get_u32();
        if (length as usize) < HEADER {
            return Err(FrameError::TooShort(length));
        }
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        if buffer.len() < length as usize {
            return Ok(None);
        }
        Ok(Some(buffer.split_to(length as usize).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32, total: usize) -> BytesMut {
        let mut buffer = BytesMut::zeroed(total);
        buffer[..4].copy_from_slice(&length.to_be_bytes());
        buffer
    }

    /// F-20: lengths 0, 15, 2^31 and beyond the limit close the stream; a byte at a time waits.
    #[test]
    fn bad_lengths_are_refused_before_any_memory_is_taken() {
        let framer = Framer::new(LIMIT_UNBOUND);
        assert_eq!(framer.next(&mut frame(0, 4)), Err(FrameError::TooShort(0)));
        assert_eq!(framer.next(&mut frame(15, 16)), Err(FrameError::TooShort(15)));
        assert_eq!(
            framer.next(&mut frame(1 << 31, 4)),
            Err(FrameError::TooLong { length: 1 << 31, limit: LIMIT_UNBOUND })
        );
        assert!(framer.next(&mut frame(1025, 2000)).is_err());
        assert!(framer.next(&mut frame(1024, 1024)).unwrap().is_some());
    }

    #[test]
    fn frames_come_out_whole_whatever_the_cuts() {
        let framer = Framer::new(LIMIT_BOUND);
        let mut stream = BytesMut::new();
        let mut seen = Vec::new();
        let mut whole = frame(16, 16);
        whole.unsplit(frame(20, 20));
        for byte in whole {
            stream.extend_from_slice(&[byte]);
            if let Some(frame) = framer.next(&mut stream).unwrap() {
                seen.push(frame.len());
            }
        }
        assert_eq!((seen, stream.len()), (vec![16, 20], 0));
    }
}
