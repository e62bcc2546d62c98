//! GSM 7-bit as SMPP carries it, septets in octets: any octets read as a text that GSM can write, a text reads back as itself, what it
//! costs is what is counted, and no part ends within an escaped pair or is longer than a handset takes. (National shift tables and packed
//! septets are not read or written: data coding 0 over SMPP is unpacked.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use sms::{Choice, Coding, Encoding, characters_forcing_ucs2, count, decode, encode, is_gsm, segment};

/// Announces a character of the extension table.
const ESCAPE: u8 = 0x1B;

fuzz_target!(|input: &[u8]| {
    let gsm = Coding::from(Encoding::Gsm7);
    // What comes: every septet is a character, and none of them is one that we could not send on.
    let text = decode(gsm, input);
    assert!(text.chars().count() <= input.len());
    assert!(is_gsm(&text), "{text:?} came as GSM and cannot be written so");
    let octets = encode(Encoding::Gsm7, &text).expect("it is GSM");
    assert!(octets.iter().all(|octet| *octet < 0x80));
    assert_eq!(decode(gsm, &octets), text);

    // What people write.
    let written = String::from_utf8_lossy(input);
    assert_eq!(is_gsm(&written), characters_forcing_ucs2(&written).is_empty());
    assert_eq!(is_gsm(&written), encode(Encoding::Gsm7, &written).is_ok());
    for text in [&*text, &*written] {
        let Ok(cut) = segment(text, Choice::Auto, 3, false) else { continue };
        if cut.encoding != Encoding::Gsm7 {
            continue;
        }
        assert_eq!(count(text, Choice::Auto), Ok((cut.encoding, cut.parts.len())));
        let mut joined = Vec::new();
        for part in &cut.parts {
            let udh = part.udh();
            let own = &part.octets()[udh.len()..];
            // A header of six octets takes the place of seven septets.
            let room = if udh.is_empty() { 160 } else { 153 };
            assert!(own.len() <= room, "{} septets beside a header of {} octets", own.len(), udh.len());
            let escapes = own.iter().rev().take_while(|octet| **octet == ESCAPE).count();
            assert!(escapes % 2 == 0, "a pair is torn at the end of a part");
            joined.extend_from_slice(own);
        }
        assert_eq!(decode(gsm, &joined), text);
    }
});
