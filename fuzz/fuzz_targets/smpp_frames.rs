//! A stream of bytes, cut anywhere: frames never exceed the limit, and how the stream was cut changes nothing.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use smpp::{Command, FrameError, Framer, HEADER, LIMIT_UNBOUND};

/// Every frame of `stream`, which arrives in pieces of `step` bytes, and what ended it.
fn frames(stream: &[u8], step: usize) -> (Vec<Bytes>, Option<FrameError>) {
    let framer = Framer::new(LIMIT_UNBOUND);
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for piece in stream.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(frame)) => {
                    assert!(frame.len() >= HEADER && frame.len() <= LIMIT_UNBOUND as usize);
                    found.push(frame);
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    let pieces = frames(stream, usize::from(*step).max(1));
    assert_eq!(whole.0, pieces.0);
    assert_eq!(whole.1.is_some(), pieces.1.is_some());
    for frame in whole.0 {
        let _ = Command::decode(frame);
    }
});
