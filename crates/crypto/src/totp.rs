//! Codes of an authenticator app: TOTP (RFC 6238) with HMAC-SHA-1, six digits and steps of 30 seconds, as every app reads them.
//!
//! SHA-1 is here and nowhere else: inside HMAC its collisions do not matter, and apps understand nothing stronger.

use std::time::Duration;

use aws_lc_rs::hmac;
use base::{SecretString, Timestamp};
use zeroize::Zeroizing;

use crate::constant_time_eq;

/// How long a code is shown.
pub const STEP: Duration = Duration::from_secs(30);
/// Bytes of a secret: as long as the hash (RFC 4226 section 4).
pub const SECRET: usize = 20;
const DIGITS: usize = 6;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The number of the step at `now`.
pub fn step(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(30_000_000)
}

/// The code of a step.
pub fn code(secret: &[u8], step: i64) -> SecretString {
    SecretString::from(digits(secret, step, DIGITS))
}

fn digits(secret: &[u8], step: i64, digits: usize) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    let all = format!("{number:010}");
    all[all.len() - digits..].to_owned()
}

/// The step among `steps` whose code is `given`, if any; each is compared in constant time.
pub fn matching(secret: &[u8], given: &str, steps: impl IntoIterator<Item = i64>) -> Option<i64> {
    let given: Zeroizing<String> = Zeroizing::new(given.chars().filter(|letter| !letter.is_whitespace()).collect());
    let mut found = None;
    for step in steps {
        if constant_time_eq(digits(secret, step, DIGITS).as_bytes(), given.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

/// Bytes as people and apps write a secret: base32 without padding (RFC 4648).
pub fn base32(bytes: &[u8]) -> String {
    let (mut out, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        out.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use base::ExposeSecret;

    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B: the rows of SHA-1.
    #[test]
    fn the_vectors_of_rfc_6238() {
        let rows = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (seconds, expected) in rows {
            let at = step(Timestamp::from_micros(seconds * 1_000_000));
            assert_eq!(digits(KEY, at, 8), expected, "{seconds}");
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn the_vectors_of_rfc_4226() {
        let rows = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (at, expected) in (0..).zip(rows) {
            assert_eq!(code(KEY, at).expose_secret(), expected);
        }
    }

    #[test]
    fn a_code_is_found_in_its_own_step_alone() {
        assert_eq!(matching(KEY, "755 224", [0]), Some(0));
        assert_eq!(matching(KEY, "755224", [1]), None);
        assert_eq!(matching(KEY, "755224", [1, 0]), Some(0));
        assert_eq!(matching(KEY, "", [0]), None);
    }

    /// RFC 4648, section 10, without the padding.
    #[test]
    fn secrets_are_written_in_base32() {
        let rows =
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")];
        for (plain, written) in rows {
            assert_eq!(base32(plain.as_bytes()), written);
        }
    }
}
