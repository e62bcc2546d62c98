//! How fast a carrier is fed: its rate as a token bucket, and a window that shrinks when it says "slower" (fault
//! F-14). Pure: the time comes in.

use std::num::NonZeroU32;
use std::time::Duration;

/// Parts a second.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<f64>,
    tokens: f64,
    burst: f64,
    at: Duration,
}

impl Pace {
    pub(crate) fn new(rate: Option<NonZeroU32>, now: Duration) -> Self {
        let rate = rate.map(|rate| f64::from(rate.get()));
        // A tenth of a second of burst: a rate of 50 means five at once at most.
        let burst = rate.map_or(0.0, |rate| (rate / 10.0).max(1.0));
        Self { rate, tokens: burst, burst, at: now }
    }

    /// How long until the next part may go; zero for now.
    pub(crate) fn wait(&mut self, now: Duration) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        self.tokens = (self.tokens + now.saturating_sub(self.at).as_secs_f64() * rate).min(self.burst);
        self.at = now;
        if self.tokens >= 1.0 { Duration::ZERO } else { Duration::from_secs_f64((1.0 - self.tokens) / rate) }
    }

    /// Counts `parts` that go now; a long message may borrow from the future.
    pub(crate) fn spend(&mut self, parts: usize) {
        if self.rate.is_some() {
            self.tokens -= f64::from(u32::try_from(parts).unwrap_or(u32::MAX));
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Carriers count by the second, so longer says nothing more.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The window as it is used: halved and paused on each refusal for speed, halved by silence, opened again by success.
#[derive(Debug)]
pub(crate) struct Congestion {
    window: f64,
    most: f64,
    pause: Duration,
    until: Duration,
    /// When silence last halved it.
    shrunk: Duration,
}

impl Congestion {
    pub(crate) fn new(window: usize) -> Self {
        let most = f64::from(u32::try_from(window.max(1)).unwrap_or(u32::MAX));
        Self { window: most, most, pause: FIRST_PAUSE, until: Duration::ZERO, shrunk: Duration::ZERO }
    }

    /// Submits that may be outstanding.
    pub(crate) fn window(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the carrier's window"
        )]
        {
            self.window as usize
        }
    }

    /// How long nothing may go.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.until.saturating_sub(now)
    }

    /// The carrier said "slower". The answers to what was already out count once.
    pub(crate) fn throttled(&mut self, now: Duration) -> Duration {
        if now >= self.until {
            self.window = (self.window / 2.0).max(1.0);
            self.until = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.wait(now)
    }

    /// The carrier left one unanswered: it may be drowning. Once for all that were out together.
    pub(crate) fn unanswered(&mut self, now: Duration) {
        if now >= self.shrunk + FIRST_PAUSE {
            self.shrunk = now;
            self.window = (self.window / 2.0).max(1.0);
        }
    }

    /// The carrier took one.
    pub(crate) fn succeeded(&mut self, now: Duration) {
        self.window = (self.window + 1.0 / self.window).min(self.most);
        if now >= self.until {
            self.pause = FIRST_PAUSE;
        }
    }
}

/// Answers may take this much longer than the fastest one before bulk makes way.
const SLACK: Duration = Duration::from_millis(2);
/// Of the window, what bulk keeps in any case: it is slowed down for alerts, not stopped.
const LEAST: f64 = 1.0 / 16.0;
/// The fastest answer is that of the last one to two of these, so that a carrier may become slower.
const REMEMBERED: Duration = Duration::from_mins(1);

/// How much of the window bulk from the queue may use while alerts are under way. Bulk that fills the window makes a queue
/// at the carrier, in the links and before the processors, and an alert would stand at its end. So bulk begins with the least when
/// alerts come, answers in time open its share again, and answers that take longer than they must halve it. Pure: the times
/// come in.
#[derive(Debug)]
pub(crate) struct Courtesy {
    share: f64,
    most: f64,
    /// Alerts were under way at the last answer.
    asked: bool,
    /// The fastest answer of the present minute and of the one before, and when that ended.
    fastest: (Duration, Duration),
    turned: Duration,
    shrunk: Duration,
}

impl Courtesy {
    pub(crate) fn new(window: usize) -> Self {
        let most = f64::from(u32::try_from(window.max(1)).unwrap_or(u32::MAX));
        let (fastest, turned, shrunk) = ((Duration::MAX, Duration::MAX), Duration::ZERO, Duration::ZERO);
        Self { share: most, most, asked: false, fastest, turned, shrunk }
    }

    /// Submits of bulk that may be outstanding.
    pub(crate) fn window(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the carrier's window"
        )]
        {
            self.share as usize
        }
    }

    /// The carrier answered after `took`, while alerts were under way and bulk queued (`asked`) or not.
    pub(crate) fn answered(&mut self, now: Duration, took: Duration, asked: bool) {
        if now >= self.turned + REMEMBERED {
            (self.fastest, self.turned) = ((took, self.fastest.0), now);
        }
        self.fastest.0 = self.fastest.0.min(took);
        let fastest = self.fastest.0.min(self.fastest.1);
        let least = (self.most * LEAST).max(1.0);
        let began = !std::mem::replace(&mut self.asked, asked) && asked;
        if !asked {
            self.share = self.most;
        } else if began {
            (self.share, self.shrunk) = (least, now);
        } else if took <= fastest * 2 + SLACK {
            self.share = (self.share + 1.0 / self.share).min(self.most);
        } else if now >= self.shrunk + took {
            // Once for all that were out together.
            self.shrunk = now;
            self.share = (self.share / 2.0).max(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_is_kept_over_time() {
        let mut pace = Pace::new(NonZeroU32::new(50), ms(0));
        let (mut now, mut sent) = (ms(0), 0);
        while now < ms(2_000) {
            let wait = pace.wait(now);
            if wait.is_zero() {
                pace.spend(1);
                sent += 1;
            } else {
                now += wait;
            }
        }
        assert!((100..=106).contains(&sent), "{sent} in two seconds at 50 a second");
        assert_eq!(Pace::new(None, ms(0)).wait(ms(0)), Duration::ZERO);
    }

    #[test]
    fn a_long_message_borrows() {
        let mut pace = Pace::new(NonZeroU32::new(10), ms(0));
        pace.spend(10);
        assert_eq!(pace.wait(ms(0)), ms(1_000));
    }

    /// F-14: the window halves once for a burst of refusals and opens again by success.
    #[test]
    fn f_14_the_window_adapts() {
        let mut congestion = Congestion::new(100);
        for _ in 0..50 {
            congestion.throttled(ms(1_000));
        }
        assert_eq!((congestion.window(), congestion.wait(ms(1_000))), (50, ms(100)));
        congestion.throttled(ms(1_100));
        assert_eq!((congestion.window(), congestion.wait(ms(1_100))), (25, ms(200)));
        for _ in 0..10_000 {
            congestion.succeeded(ms(2_000));
        }
        assert_eq!(congestion.window(), 100);
        assert_eq!(congestion.throttled(ms(3_000)), ms(100));
        for _ in 0..200 {
            congestion.throttled(ms(60_000) * 10);
            congestion.until = Duration::ZERO;
        }
        assert_eq!(congestion.window(), 1);
    }

    /// While nobody asks, bulk has all; when alerts are under way it has what leaves no queue, and never nothing.
    #[test]
    fn bulk_makes_way_for_alerts_and_is_not_stopped() {
        let mut courtesy = Courtesy::new(1_000);
        for at in 0..100 {
            courtesy.answered(ms(at), ms(if at == 0 { 1 } else { 50 }), false);
        }
        assert_eq!(courtesy.window(), 1_000);
        courtesy.answered(ms(1_000), ms(50), true);
        assert_eq!(courtesy.window(), 62);
        let mut before = courtesy.window();
        for at in 0..50_u64 {
            for _ in 0..1_000 {
                courtesy.answered(ms(2_000 + at), ms(3), true);
            }
            assert!(courtesy.window() >= before);
            before = courtesy.window();
        }
        assert!(before > 200, "{before}");
        // All that were out together count once.
        for _ in 0..1_000 {
            courtesy.answered(ms(3_000), ms(50), true);
        }
        assert_eq!(courtesy.window(), before / 2);
        for at in 0..100 {
            courtesy.answered(ms(4_000 + at * 100), ms(50), true);
        }
        assert_eq!(courtesy.window(), 62);
        courtesy.answered(ms(30_000), ms(50), false);
        assert_eq!(courtesy.window(), 1_000);
        // The next alerts find it so again.
        courtesy.answered(ms(31_000), ms(1), true);
        assert_eq!(courtesy.window(), 62);
    }

    /// A carrier of one place keeps it, and one that became slower for good is no longer measured by what it was.
    #[test]
    fn courtesy_learns_what_is_usual() {
        let mut courtesy = Courtesy::new(1);
        courtesy.answered(ms(0), ms(1), true);
        courtesy.answered(ms(100), ms(90), true);
        assert_eq!(courtesy.window(), 1);
        let mut courtesy = Courtesy::new(100);
        courtesy.answered(ms(0), ms(1), true);
        for at in 0..100_000 {
            courtesy.answered(ms(at * 10), ms(40), true);
        }
        assert_eq!(courtesy.window(), 100);
    }

    /// F-13: silence halves the window too, once for all that were out together, and success opens it.
    #[test]
    fn f_13_silence_shrinks_the_window() {
        let mut congestion = Congestion::new(64);
        for _ in 0..64 {
            congestion.unanswered(ms(10_000));
        }
        assert_eq!((congestion.window(), congestion.wait(ms(10_000))), (32, ms(0)));
        congestion.unanswered(ms(20_000));
        assert_eq!(congestion.window(), 16);
        for _ in 0..4_000 {
            congestion.succeeded(ms(21_000));
        }
        assert_eq!(congestion.window(), 64);
    }
}
