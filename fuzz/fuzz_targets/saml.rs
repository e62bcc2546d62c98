//! Answers, metadata and forms of identity providers: nothing that is not signed by a key that was configured is believed, and nothing
//! makes the reader panic or swell.
#![no_main]

use base::Timestamp;
use libfuzzer_sys::fuzz_target;
use saml::{Expected, Posted, facts, response};

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_micros(1_792_717_927_000_000);
    let expected = Expected {
        issuer: "https://idp.example.com/metadata",
        keys: &[],
        us: "https://gateway.example.com/sso/corp/metadata",
        acs: "https://gateway.example.com/sso/corp/acs",
        ours: &[],
        request: Some("_asked"),
        unsolicited: true,
        encrypted: false,
        now,
    };
    assert!(response(input, &expected).is_err(), "believed without a key");
    let _ = facts(input, None, now);
    if let Ok(posted) = Posted::form(input) {
        assert!(posted.message.len() <= input.len());
    }
    if let Ok(query) = std::str::from_utf8(input)
        && let Ok(posted) = Posted::query(query, &[])
    {
        assert!(posted.message.len() <= input.len().saturating_mul(100));
    }
});
