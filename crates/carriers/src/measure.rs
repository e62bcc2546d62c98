//! How long a carrier takes to answer: a histogram without locks, in steps of a quarter of a power of two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEPS: usize = 4 * 28;

/// Answer times since the start.
#[derive(Debug)]
pub struct AnswerTimes([AtomicU64; STEPS]);

impl Default for AnswerTimes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; STEPS])
    }
}

impl AnswerTimes {
    /// Counts one answer.
    pub fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let power = 63 - micros.leading_zeros();
        let quarter = if power >= 2 { (micros >> (power - 2)) & 3 } else { 0 };
        let step = (power as usize * 4 + usize::try_from(quarter).unwrap_or(0)).min(STEPS - 1);
        self.0[step].fetch_add(1, Ordering::Relaxed);
    }

    /// The time that `percent` of the answers stayed below, to a fifth; `None` before the first answer.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let counts: Vec<u64> = self.0.iter().map(|step| step.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let wanted = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (step, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let (power, quarter) = (step / 4, step as u64 % 4 + 1);
                let micros = if power >= 2 { (4 + quarter) << (power - 2) } else { 1 << (power + 1) };
                return Some(Duration::from_micros(micros));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_fifth() {
        let times = AnswerTimes::default();
        assert_eq!(times.percentile(50), None);
        for millis in 1..=100 {
            times.note(Duration::from_millis(millis));
        }
        let near = |percent, expected: f64| {
            let found = times.percentile(percent).unwrap().as_secs_f64() * 1000.0;
            assert!((found / expected - 1.0).abs() < 0.25, "p{percent} is {found} ms, about {expected} ms expected");
        };
        near(50, 50.0);
        near(99, 99.0);
    }
}
