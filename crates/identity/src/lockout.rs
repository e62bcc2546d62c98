//! Lock-out as pure rules (control X-12): how long an account pauses after consecutive failures. Strangers share one
//! count; a known device has its own, so strangers cannot lock out the person who is on call.

use std::time::Duration;

use base::Timestamp;

/// The thresholds in force; a setting (`sign_in_rules`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Failures that cost nothing: people mistype.
    pub free: i64,
    /// Failures after which only a reset or an administrator helps.
    pub locked: i64,
    /// The longest pause.
    pub longest: Duration,
}

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
    pub(crate) fn door(self, now: Timestamp, limits: Limits) -> Door {
        if self.count >= limits.locked {
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
    pub(crate) fn after(self, now: Timestamp, limits: Limits) -> Self {
        let count = self.count.saturating_add(1);
        Self { count, next_at: now.plus(pause(count, limits)) }
    }
}

/// 1 second after the first failure that is not free, then double, up to the longest pause.
fn pause(failures: i64, limits: Limits) -> Duration {
    if failures <= limits.free {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(failures - limits.free - 1).unwrap_or(u32::MAX);
    Duration::from_secs(1 << doublings.min(20)).min(limits.longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignInRules;

    fn limits() -> Limits {
        SignInRules::default().limits()
    }

    /// the delays of the documentation.
    #[test]
    fn x_12_the_pause_doubles_from_the_fifth_failure_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (1..=16).map(|failures| pause(failures, limits()).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause(i64::MAX, limits()), limits().longest);
    }

    /// a hundred consecutive failures lock until a reset.
    #[test]
    fn x_12_a_hundred_failures_lock() {
        let mut now = Timestamp::from_micros(1_792_717_927_000_000);
        let mut failures = Failures::NONE;
        let limits = limits();
        for _ in 0..limits.locked {
            assert_eq!(failures.door(now, limits), Door::Open);
            failures = failures.after(now, limits);
            if failures.count > limits.free && failures.count < limits.locked {
                assert_eq!(failures.door(now, limits), Door::Paused);
            }
            now = failures.next_at;
        }
        assert_eq!(failures.door(now.plus(Duration::from_secs(1_000_000)), limits), Door::Locked);
    }
}
