//! The circuit breaker of an endpoint: one that fails again and again is left alone for a while, then asked once. Pure.

use std::time::Duration;

use base::Timestamp;
use serde::Serialize;

/// Failures in a row after which an endpoint is left alone.
const FAILURES: u32 = 10;
/// For how long at first; twice as long after each probe that fails.
const FIRST: Duration = Duration::from_secs(30);
/// For how long at most.
const LONGEST: Duration = Duration::from_mins(15);
/// For how long after it said that it is gone (410).
const GONE: Duration = Duration::from_hours(1);
/// For how long at most when it asked for it.
const WISH: Duration = Duration::from_hours(1);

/// Whether callbacks go to an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    /// They do.
    #[default]
    Closed,
    /// It is left alone until its next probe.
    Open,
}

/// How an endpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether callbacks go to it.
    pub circuit: Circuit,
    /// Why the circuit is as it is, for people; `None` while it never opened.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When it is asked again, while the circuit is open.
    pub probe_at: Option<Timestamp>,
    /// Probes that failed in a row.
    pub openings: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Since when it fails; `None` while it does not.
    pub failing_since: Option<Timestamp>,
    /// When it took something last.
    pub last_success: Option<Timestamp>,
    /// When it failed last.
    pub last_failure: Option<Timestamp>,
    /// How it failed last.
    pub last_error: Option<String>,
}

/// What an attempt says about the endpoint, when it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Why, as a sentence.
    pub error: String,
    /// The endpoint says that it is gone for good.
    pub gone: bool,
    /// How long it asks us to stay away.
    pub wish: Option<Duration>,
}

impl Health {
    /// It took a callback. Whether the circuit closed.
    pub fn succeeded(&mut self, now: Timestamp) -> bool {
        let closes = self.circuit == Circuit::Open;
        if closes {
            let waited = self.since.map_or(Duration::ZERO, |since| now.since(since));
            self.reason = Some(format!("It takes callbacks again, after {}.", words(waited)));
            self.since = Some(now);
            self.circuit = Circuit::Closed;
        }
        self.probe_at = None;
        (self.openings, self.failures, self.failing_since) = (0, 0, None);
        self.last_success = Some(now);
        closes
    }

    /// It did not take a callback. Whether the circuit opened, or stays open after a probe.
    pub fn failed(&mut self, failure: &Failure, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failing_since = self.failing_since.or(Some(now));
        self.last_failure = Some(now);
        self.last_error = Some(failure.error.clone());
        let was_open = self.circuit == Circuit::Open;
        let pause = if failure.gone {
            Some((GONE, "It said that it is gone (410). Remove the webhook, or mend the receiver.".to_owned()))
        } else if let Some(wish) = failure.wish.filter(|wish| !wish.is_zero()) {
            let wish = wish.min(WISH);
            Some((wish, format!("It asked us to come again in {}.", words(wish))))
        } else if was_open || self.failures >= FAILURES {
            let pause = (FIRST * 2_u32.saturating_pow(self.openings.min(10))).min(LONGEST);
            Some((pause, format!("{} failures in a row, the last: {}.", self.failures, failure.error)))
        } else {
            None
        };
        let Some((pause, reason)) = pause else { return false };
        if !was_open {
            self.since = Some(now);
        }
        self.openings = self.openings.saturating_add(1);
        self.circuit = Circuit::Open;
        self.reason = Some(reason);
        self.probe_at = Some(now.plus(pause));
        true
    }

    /// A person says that it may be asked at once.
    pub fn ask_now(&mut self, now: Timestamp) {
        if self.circuit == Circuit::Open {
            self.probe_at = Some(now);
        }
    }
}

/// A time in words: `45 seconds`, `3 minutes`, `2 hours`.
pub(crate) fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        _ => (seconds / 3_600, "hour"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn failure() -> Failure {
        Failure { error: "it answered 500".to_owned(), ..Failure::default() }
    }

    #[test]
    fn ten_failures_open_it_and_one_success_closes_it() {
        let mut health = Health::default();
        for second in 0..9 {
            assert!(!health.failed(&failure(), at(second)));
        }
        assert!(health.failed(&failure(), at(9)));
        assert_eq!((health.circuit, health.probe_at), (Circuit::Open, Some(at(39))));
        assert_eq!(health.reason.as_deref(), Some("10 failures in a row, the last: it answered 500."));
        assert_eq!(health.failing_since, Some(at(0)));
        // Probes that fail come twice as late each, fifteen minutes at most.
        assert!(health.failed(&failure(), at(39)));
        assert_eq!(health.probe_at, Some(at(99)));
        for _ in 0..20 {
            health.failed(&failure(), at(100));
        }
        assert_eq!(health.probe_at, Some(at(100 + 900)));
        assert!(health.succeeded(at(1_000)));
        assert_eq!((health.circuit, health.failures, health.failing_since), (Circuit::Closed, 0, None));
        assert_eq!(health.reason.as_deref(), Some("It takes callbacks again, after 16 minutes."));
        assert!(!health.failed(&failure(), at(1_001)), "it starts anew");
    }

    #[test]
    fn one_that_is_gone_or_asks_for_time_is_left_alone_at_once() {
        let mut gone = Health::default();
        assert!(gone.failed(&Failure { gone: true, ..failure() }, at(0)));
        assert_eq!(gone.probe_at, Some(at(3_600)));
        let mut busy = Health::default();
        assert!(busy.failed(&Failure { wish: Some(Duration::from_mins(2)), ..failure() }, at(0)));
        assert_eq!(busy.probe_at, Some(at(120)));
        assert_eq!(busy.reason.as_deref(), Some("It asked us to come again in 2 minutes."));
        busy.ask_now(at(5));
        assert_eq!(busy.probe_at, Some(at(5)));
    }
}
