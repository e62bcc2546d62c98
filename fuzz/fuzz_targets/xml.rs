//! XML as the signal door reads it: no document type is ever accepted, and what is accepted is no larger than what came allows.
#![no_main]

include!("readers.rs");

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(value) = body::parse(body::Media::Xml, input).ok() else { return };
    assert!(std::str::from_utf8(input).is_ok());
    let out = serde_json::to_vec(&value).expect("a value can be written");
    // Escapes and the names of the shape cost; expansion would cost without bound.
    assert!(out.len() <= 64 + input.len() * 16, "{} bytes became {}", input.len(), out.len());
});
