//! Octets under any data coding, with and without a header; and any text cut into parts and joined again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sms::{Choice, ShortMessage, Udh, count, decode, encode, segment};

fuzz_target!(|input: &[u8]| {
    let [coding, header, octets @ ..] = input else { return };
    let message = ShortMessage::parse(*coding, header & 1 == 1, octets);
    let _ = message.text();
    let (udh, _) = Udh::parse(octets);
    let _ = (udh.concat(), udh.ports(), udh.elements().count());

    let text = String::from_utf8_lossy(octets);
    let wide = header & 2 == 2;
    let Ok(cut) = segment(&text, Choice::Auto, 7, wide) else { return };
    // What is counted is the usual header, with a reference of eight bits.
    if !wide {
        assert_eq!(count(&text, Choice::Auto).map(|(_, parts)| parts), Ok(cut.parts.len()));
    }
    let octets = encode(cut.encoding, &text).expect("the encoding was chosen for this text");
    assert_eq!(decode(cut.encoding.into(), &octets), text);
    for part in &cut.parts {
        assert!(
            part.octets().len() <= 160 && part.octets().starts_with(&part.udh()),
            "a part never exceeds what a carrier takes"
        );
    }
});
