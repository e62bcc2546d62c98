//! JSON and forms as the signal door reads them: what it accepts can be written, and reads as the same.
#![no_main]

include!("readers.rs");

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;

fuzz_target!(|input: &[u8]| {
    if let Some(value) = body::parse(body::Media::Json, input).ok() {
        let again = serde_json::to_vec(&value).expect("a value can be written");
        let again = body::parse(body::Media::Json, &again).expect("what we wrote can be read");
        assert!(alike(&value, &again), "{value} became {again}");
    }
    let _ = body::parse(body::Media::Form, input);
});

/// The same, but for the last digit of a float, which the common reader takes quickly rather than exactly.
fn alike(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) if one.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(f64::NAN));
            (one - other).abs() <= one.abs() * 4.0 * f64::EPSILON
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((name, one), (again, other))| name == again && alike(one, other))
        }
        (one, other) => one == other,
    }
}
