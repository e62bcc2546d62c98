//! How long a carrier takes to answer and how much it takes: counters without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps of a quarter of a power of two, up to half an hour.
const STEPS: usize = 4 * 31;
/// Answer times are kept for one to two of these.
const SPAN: Duration = Duration::from_mins(5);
/// Seconds over which a rate is counted.
const SECONDS: u8 = 10;

/// Answer times of the last five to ten minutes: two histograms, of which the older is cleared when its turn comes again.
#[derive(Debug)]
pub struct AnswerTimes {
    halves: [Half; 2],
}

#[derive(Debug)]
struct Half {
    /// Which span it counts, plus one; zero before the first.
    span: AtomicU64,
    steps: [AtomicU64; STEPS],
}

impl Default for AnswerTimes {
    fn default() -> Self {
        Self { halves: [const { Half { span: AtomicU64::new(0), steps: [const { AtomicU64::new(0) }; STEPS] } }; 2] }
    }
}

impl AnswerTimes {
    /// Counts one answer that came at `now` (monotonic).
    pub fn note(&self, now: Duration, took: Duration) {
        let span = now.as_secs() / SPAN.as_secs() + 1;
        let half = &self.halves[usize::from(span % 2 == 1)];
        if half.span.swap(span, Ordering::Relaxed) != span {
            // Answers that are counted while this runs may be lost: these are figures for people.
            for step in &half.steps {
                step.store(0, Ordering::Relaxed);
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let power = micros.ilog2();
        let quarter = if power >= 2 { (micros >> (power - 2)) & 3 } else { 0 };
        let step = (power as usize * 4 + usize::try_from(quarter).unwrap_or(0)).min(STEPS - 1);
        half.steps[step].fetch_add(1, Ordering::Relaxed);
    }

    /// The time that `percent` of the recent answers stayed below, to a fifth; `None` when there was none.
    pub fn percentile(&self, now: Duration, percent: u64) -> Option<Duration> {
        let span = now.as_secs() / SPAN.as_secs() + 1;
        let recent = |half: &&Half| {
            let counted = half.span.load(Ordering::Relaxed);
            counted != 0 && counted + 1 >= span
        };
        let count = |step: usize| -> u64 {
            self.halves.iter().filter(recent).map(|half| half.steps[step].load(Ordering::Relaxed)).sum()
        };
        let counts: Vec<u64> = (0..STEPS).map(count).collect();
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

/// How many a second, over the last ten seconds.
#[derive(Debug, Default)]
pub struct Speed {
    /// Each holds a second of monotonic time in its upper half and a count in its lower.
    seconds: [AtomicU64; SECONDS as usize + 1],
}

impl Speed {
    /// Counts one at `now` (monotonic).
    pub fn note(&self, now: Duration) {
        let second = now.as_secs() & 0xFFFF_FFFF;
        let slot = &self.seconds[usize::try_from(second % (u64::from(SECONDS) + 1)).unwrap_or(0)];
        let count = |held: u64| Some(if held >> 32 == second { held + 1 } else { second << 32 | 1 });
        // The closure always has a new value.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    /// How many a second, over the ten whole seconds before `now`; less since the start when that is sooner.
    pub fn per_second(&self, now: Duration) -> u64 {
        let now = now.as_secs() & 0xFFFF_FFFF;
        let whole = |held: &u64| (held >> 32) < now && (held >> 32) + u64::from(SECONDS) >= now;
        let held = self.seconds.iter().map(|slot| slot.load(Ordering::Relaxed));
        held.filter(whole).map(|held| held & 0xFFFF_FFFF).sum::<u64>() / u64::from(SECONDS)
    }
}

/// How many in each ten seconds of the last ten minutes: for a small chart.
#[derive(Debug)]
pub struct Course {
    /// Each holds which span of monotonic time in its upper half and a count in its lower.
    spans: [AtomicU64; COURSE + 1],
}

/// Spans of a [`Course`].
const COURSE: usize = 60;
/// How long each is.
const COURSE_SPAN: u64 = 10;

impl Default for Course {
    fn default() -> Self {
        // No span has this number: a machine that has just started has not counted anything.
        Self { spans: [const { AtomicU64::new(u64::MAX << 32) }; COURSE + 1] }
    }
}

impl Course {
    /// Counts one at `now` (monotonic).
    pub fn note(&self, now: Duration) {
        let span = (now.as_secs() / COURSE_SPAN) & 0xFFFF_FFFF;
        let slot = &self.spans[usize::try_from(span % (COURSE as u64 + 1)).unwrap_or(0)];
        let count = |held: u64| Some(if held >> 32 == span { held + 1 } else { span << 32 | 1 });
        // The closure always has a new value.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    /// Parts a second in each of the last sixty whole spans of ten seconds, the oldest first.
    pub fn per_second(&self, now: Duration) -> Vec<u64> {
        let now = now.as_secs() / COURSE_SPAN;
        let at = |ago: u64| {
            let span = now.checked_sub(ago)? & 0xFFFF_FFFF;
            let held = self.spans[usize::try_from(span % (COURSE as u64 + 1)).unwrap_or(0)].load(Ordering::Relaxed);
            (held >> 32 == span).then_some((held & 0xFFFF_FFFF).div_ceil(COURSE_SPAN))
        };
        (1..=COURSE as u64).rev().map(|ago| at(ago).unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_fifth() {
        let (times, now) = (AnswerTimes::default(), Duration::ZERO);
        assert_eq!(times.percentile(now, 50), None);
        for millis in 1..=100 {
            times.note(now, Duration::from_millis(millis));
        }
        let near = |percent, expected: f64| {
            let found = times.percentile(now, percent).unwrap().as_secs_f64() * 1000.0;
            assert!((found / expected - 1.0).abs() < 0.25, "p{percent} is {found} ms, about {expected} ms expected");
        };
        near(50, 50.0);
        near(99, 99.0);
    }

    #[test]
    fn what_is_older_than_ten_minutes_counts_no_more() {
        let times = AnswerTimes::default();
        times.note(Duration::ZERO, Duration::from_secs(8));
        assert!(times.percentile(SPAN, 50).is_some());
        assert_eq!(times.percentile(2 * SPAN, 50), None);
        times.note(2 * SPAN, Duration::from_millis(1));
        assert!(times.percentile(2 * SPAN, 99).unwrap() < Duration::from_millis(2), "the old half was cleared");
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_whole_seconds() {
        let speed = Speed::default();
        for second in 100..110 {
            for _ in 0..40 {
                speed.note(Duration::from_secs(second));
            }
        }
        assert_eq!(speed.per_second(Duration::from_secs(110)), 40);
        assert_eq!(speed.per_second(Duration::from_secs(115)), 20);
        assert_eq!(speed.per_second(Duration::from_secs(200)), 0);
    }

    #[test]
    fn a_course_is_the_last_ten_minutes() {
        let course = Course::default();
        assert_eq!(course.per_second(Duration::from_secs(3)), [0; 60]);
        for second in 1_000..1_020 {
            for _ in 0..30 {
                course.note(Duration::from_secs(second));
            }
        }
        course.note(Duration::from_secs(1_021));
        let seen = course.per_second(Duration::from_secs(1_025));
        assert_eq!((seen.len(), &seen[57..]), (60, [0, 30, 30].as_slice()), "the span that is not over does not count");
        assert_eq!(course.per_second(Duration::from_secs(1_035))[59], 1, "one in ten seconds is shown");
        assert_eq!(course.per_second(Duration::from_mins(150)), [0; 60]);
    }
}
