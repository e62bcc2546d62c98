//! Phone numbers as people and carriers write them: what is read is E.164, and reads as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sms::Number;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for number in [Number::parse(&text, None), Number::from_carrier(&text)].into_iter().flatten() {
        assert!(
            (1..=15).contains(&number.digits().len()) && number.digits().bytes().all(|digit| digit.is_ascii_digit())
        );
        let again = Number::from_carrier(number.digits()).expect("a number reads as itself");
        assert_eq!(again.digits(), number.digits());
    }
});
