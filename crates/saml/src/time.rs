//! Times as SAML writes them, and the minute by which clocks may differ.

use std::time::Duration;

use base::Timestamp;

use crate::Refused;

/// By how much the clocks may differ.
pub(crate) const SKEW: Duration = Duration::from_mins(1);

/// A point in time with its zone; without one it means nothing.
pub(crate) fn read(text: &str) -> Result<Timestamp, Refused> {
    let plain = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte));
    let at = if plain { text.parse::<jiff::Timestamp>().ok() } else { None };
    at.map(Timestamp::from_jiff).ok_or(Refused::Structure("a time is no time with a zone"))
}

/// A time as we write it: whole seconds, which every provider reads.
pub(crate) fn written(at: Timestamp) -> String {
    let text = at.rfc3339();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}

/// Refuses what begins later than now.
pub(crate) fn begun(from: Timestamp, now: Timestamp) -> Result<(), Refused> {
    if from > now.plus(SKEW) { Err(Refused::TooEarly) } else { Ok(()) }
}

/// Refuses what has ended.
pub(crate) fn lasts(until: Timestamp, now: Timestamp) -> Result<(), Refused> {
    if until.plus(SKEW) <= now { Err(Refused::TooLate) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_zone() {
        let at = read("2026-11-30T14:49:38Z").unwrap();
        assert_eq!(written(at), "2026-11-30T14:49:38Z");
        assert_eq!(read("2026-11-30T15:49:38.000+01:00").unwrap(), at);
        for bad in ["2026-11-30T14:49:38", "2026-11-30", "", "now", "2026-13-30T14:49:38Z", " 2026-11-30T14:49:38Z"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
