//! When a callback is tried again. Pure.

use std::time::Duration;

use base::{Chance, Timestamp};

/// How long a callback is tried.
pub const PATIENCE: Duration = Duration::from_hours(72);
/// How long callbacks are kept, and can be replayed.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// The longest time that a receiver may ask us to stay away.
const LONGEST_WISH: Duration = Duration::from_hours(24);

/// Waits after the first failures, in seconds; the last one from then on.
const WAITS: &[u64] = &[1, 10, 30, 90, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600];

/// How long to wait after the `failed`th failure in a row (from 1): quick ones a little later than said, later ones within a
/// quarter, so that what failed together does not come back together.
pub fn wait(failed: u32, chance: &dyn Chance) -> Duration {
    let at = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    let base = Duration::from_secs(WAITS[at]);
    let share = chance.below(1_024);
    if at < 4 { base + base * share / 10_240 } else { base * 3 / 4 + base * share / 2_048 }
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110 section 10.2.3).
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Timestamp::from_jiff(date).since(now)
    };
    Some(asked.min(LONGEST_WISH))
}

#[cfg(test)]
mod tests {
    use base::SeededChance;

    use super::*;

    #[test]
    fn the_first_tries_come_after_1_10_30_and_90_seconds() {
        let chance = SeededChance::new(1);
        for (failed, seconds) in [(1, 1), (2, 10), (3, 30), (4, 90)] {
            for _ in 0..100 {
                let waited = wait(failed, &chance).as_secs_f64();
                let base = f64::from(seconds);
                assert!((base..base * 1.11).contains(&waited), "{failed}: {waited}");
            }
        }
        for failed in 5..40 {
            let waited = wait(failed, &chance);
            assert!(waited >= Duration::from_secs(225) && waited <= Duration::from_mins(450), "{failed}: {waited:?}");
        }
    }

    /// Fault F-26: in 72 hours there are many tries, and not thousands.
    #[test]
    fn f_26_seventy_two_hours_have_some_twenty_tries() {
        let chance = SeededChance::new(7);
        let (mut at, mut tries) = (Duration::ZERO, 1);
        while at < PATIENCE {
            at += wait(tries, &chance);
            tries += 1;
        }
        assert!((15..40).contains(&tries), "{tries}");
    }

    #[test]
    fn a_receiver_may_say_when_to_come_again() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:14:20 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(retry_after("Mon, 14 Nov 2022 22:14:20 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999", now), Some(Duration::from_hours(24)), "within reason");
        assert_eq!(retry_after("soon", now), None);
    }
}
