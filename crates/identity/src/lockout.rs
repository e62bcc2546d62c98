//! Lock-out as pure rules (control X-12): how long an account pauses after consecutive failures. Strangers share one
//! count; a known device has its own, so strangers cannot lock out the person who is on call.

use std::time::Duration;

use base::Timestamp;

/// Failures that cost nothing: people mistype.
pub(crate) const FREE: i64 = 4;
/// Failures after which only a reset helps.
pub(crate) const LOCKED: i64 = 100;
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(15);

/// The count of one account and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Consecutive failures.
    pub count: i64,
    /// Tries before this are refused unseen.
    pub next_at: Timestamp,
}

/// Whether a password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is.
    Open,
    /// Not yet: too soon after the last failure.
    Paused,
    /// Not before a reset.
    Locked,
}

impl Failures {
    /// No failures.
    pub(crate) const NONE: Self = Self { count: 0, next_at: Timestamp::from_micros(0) };

    /// Whether a try at `now` is looked at.
    pub(crate) fn door(self, now: Timestamp) -> Door {
        if self.count >= LOCKED {
            Door::Locked
        } else if now < self.next_at {
            Door::Paused
        } else {
            Door::Open
        }
    }

    /// The count without its last try, which turned out to be none; the door is open.
    pub(crate) fn without_one(self, now: Timestamp) -> Self {
        Self { count: (self.count - 1).max(0), next_at: now }
    }

    /// The count after another failure at `now`.
    pub(crate) fn after(self, now: Timestamp) -> Self {
        let count = self.count.saturating_add(1);
        Self { count, next_at: now.plus(pause(count)) }
    }
}

/// 1 second after the fifth failure, then double, up to 15 minutes.
fn pause(failures: i64) -> Duration {
    if failures <= FREE {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(failures - FREE - 1).unwrap_or(u32::MAX);
    Duration::from_secs(1 << doublings.min(20)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// the delays of the documentation.
    #[test]
    fn x_12_the_pause_doubles_from_the_fifth_failure_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (1..=16).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause(i64::MAX), LONGEST);
    }

    /// a hundred consecutive failures lock until a reset.
    #[test]
    fn x_12_a_hundred_failures_lock() {
        let mut now = Timestamp::from_micros(1_792_717_927_000_000);
        let mut failures = Failures::NONE;
        for _ in 0..LOCKED {
            assert_eq!(failures.door(now), Door::Open);
            failures = failures.after(now);
            if failures.count > FREE && failures.count < LOCKED {
                assert_eq!(failures.door(now), Door::Paused);
            }
            now = failures.next_at;
        }
        assert_eq!(failures.door(now.plus(Duration::from_secs(1_000_000))), Door::Locked);
    }
}
