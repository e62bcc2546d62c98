//! The text of a delivery receipt: read without panic, and what it says survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sms::ReceiptText;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Some(receipt) = ReceiptText::parse(&text) {
        let again = ReceiptText::parse(&receipt.to_string()).expect("what we wrote can be read");
        assert_eq!(again.state, receipt.state);
    }
});
