//! A PDU's body under a header that fits: what is read can be written, and reading that again gives the same.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use smpp::Command;

fuzz_target!(|input: &[u8]| {
    // The length always fits, so that mutations reach the bodies.
    let mut frame = u32::try_from(input.len() + 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    frame.extend_from_slice(input);
    let Ok(command) = Command::decode(Bytes::from(frame)) else { return };
    let mut out = BytesMut::new();
    // Some of what peers send is tolerated and not what we would write.
    if command.encode(&mut out).is_ok() {
        assert_eq!(Command::decode(out.freeze()).expect("what we wrote can be read"), command);
    }
});
