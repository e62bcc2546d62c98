//! What becomes of one submit: drawn by the behaviour, and nothing else.

use std::time::Duration;

use base::Chance;
use smpp::Status;

use crate::Behaviour;

/// What becomes of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) verdict: Verdict,
    /// How long the answer takes.
    pub(crate) answer: Duration,
    /// The receipt, if it is accepted and one was asked for.
    pub(crate) receipt: Option<ReceiptFate>,
    /// Whether it reaches its handset.
    pub(crate) delivered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Reject(Status),
    Throttle(Status),
    Lose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptFate {
    /// How long after the submit.
    pub(crate) after: Duration,
    pub(crate) twice: bool,
}

/// Draws a fate. The same number of draws is made whatever comes of them, so that with a seed the n-th
/// submit meets the same fate after an unrelated setting was changed.
pub(crate) fn draw(behaviour: &Behaviour, chance: &dyn Chance, over_rate: bool) -> Fate {
    let lose = happens(behaviour.loss_percent, chance);
    let throttle = happens(behaviour.throttle_percent, chance);
    let reject = happens(behaviour.reject_percent, chance);
    let receipt = happens(behaviour.receipt_percent, chance);
    let twice = happens(behaviour.receipts_twice_percent, chance);
    let fails = happens(behaviour.undelivered_percent, chance);
    let answer = spread(behaviour.answer_delay_ms, behaviour.answer_spread_ms, chance);
    let after = spread(behaviour.receipt_delay_ms, behaviour.receipt_spread_ms, chance);
    let verdict = if lose {
        Verdict::Lose
    } else if throttle || over_rate {
        Verdict::Throttle(Status(behaviour.throttle_status))
    } else if reject {
        Verdict::Reject(Status(behaviour.reject_status))
    } else {
        Verdict::Accept
    };
    Fate { verdict, answer, receipt: receipt.then_some(ReceiptFate { after, twice }), delivered: !fails }
}

fn happens(percent: f64, chance: &dyn Chance) -> bool {
    f64::from(chance.below(1_000_000)) < percent * 10_000.0
}

fn spread(delay: u64, spread: u64, chance: &dyn Chance) -> Duration {
    let most = u32::try_from(spread).unwrap_or(u32::MAX).saturating_add(1);
    Duration::from_millis(delay + u64::from(chance.below(most)))
}

/// A limit of submits a second, as a carrier counts them: in any stretch, not by the clock's seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// When the next one fits, in microseconds of monotonic time.
    next: u64,
}

impl Rate {
    /// Whether one more at `now` is too many. A tenth of a second's worth may come at once.
    pub(crate) fn exceeds(&mut self, per_second: u32, now: Duration) -> bool {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let interval = 1_000_000 / u64::from(per_second.max(1));
        let burst = 100_000.max(interval);
        let next = self.next.max(now);
        if next - now >= burst {
            return true;
        }
        self.next = next + interval;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededChance;

    fn verdicts(behaviour: &Behaviour, count: usize) -> Vec<Verdict> {
        let chance = SeededChance::new(7);
        (0..count).map(|_| draw(behaviour, &chance, false).verdict).collect()
    }

    #[test]
    fn a_seed_repeats_and_shares_are_kept() {
        let behaviour = Behaviour { loss_percent: 10.0, reject_percent: 20.0, ..Behaviour::default() };
        let drawn = verdicts(&behaviour, 10_000);
        assert_eq!(drawn, verdicts(&behaviour, 10_000));
        let lost = drawn.iter().filter(|verdict| **verdict == Verdict::Lose).count();
        let rejected = drawn.iter().filter(|verdict| matches!(verdict, Verdict::Reject(_))).count();
        assert!((900..1100).contains(&lost), "{lost}");
        assert!((1650..1950).contains(&rejected), "{rejected}");
    }

    #[test]
    fn all_and_nothing_are_exact() {
        let never = verdicts(&Behaviour::default(), 1000);
        assert!(never.iter().all(|verdict| *verdict == Verdict::Accept));
        let always =
            verdicts(&Behaviour { throttle_percent: 100.0, throttle_status: 0x14, ..Behaviour::default() }, 1000);
        assert!(always.iter().all(|verdict| *verdict == Verdict::Throttle(Status::RMSGQFUL)));
    }

    /// F-14: more than the rate is throttled, less is not.
    #[test]
    fn the_rate_is_counted_over_any_stretch() {
        let mut rate = Rate::default();
        let mut taken = 0;
        for tick in 0..2000 {
            if !rate.exceeds(100, Duration::from_millis(tick)) {
                taken += 1;
            }
        }
        assert!((205..=215).contains(&taken), "{taken}");
        let mut rate = Rate::default();
        assert!((0..100).all(|tick| !rate.exceeds(100, Duration::from_millis(tick * 10))));
    }

    #[test]
    fn delays_stay_within_their_spread() {
        let chance = SeededChance::new(1);
        let behaviour = Behaviour { receipt_delay_ms: 1000, receipt_spread_ms: 500, ..Behaviour::default() };
        for _ in 0..1000 {
            let after = draw(&behaviour, &chance, false).receipt.unwrap().after.as_millis();
            assert!((1000..=1500).contains(&after));
        }
    }
}
