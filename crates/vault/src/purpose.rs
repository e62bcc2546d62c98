//! What a key seals, and how long one lives.

use base::Timestamp;
use jiff::tz::TimeZone;

/// What a data key seals. Keys of one purpose never seal another's data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// Texts and numbers of messages, out and in: a key a day.
    Messages,
    /// Payloads of signals: a key a day.
    Signals,
    /// Values in the runs of flows: a key a day.
    Runs,
    /// Texts and answers of alerts: a key a day.
    Alerts,
    /// Answers kept for requests that may be sent again: a key a day.
    Answers,
    /// Letters that wait to go out by e-mail: a key a day.
    Mail,
    /// Secrets in configuration: a key for 90 days.
    Configuration,
    /// Numbers and addresses of people's devices: a key for 90 days.
    People,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 8] = [
        Self::Messages,
        Self::Signals,
        Self::Runs,
        Self::Alerts,
        Self::Answers,
        Self::Mail,
        Self::Configuration,
        Self::People,
    ];

    /// The name in the key ring.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Signals => "signals",
            Self::Runs => "runs",
            Self::Alerts => "alerts",
            Self::Answers => "answers",
            Self::Mail => "mail",
            Self::Configuration => "configuration",
            Self::People => "people",
        }
    }

    /// Whether a key seals one UTC day only, so that retention can end it.
    pub const fn is_daily(self) -> bool {
        match self {
            Self::Messages | Self::Signals | Self::Runs | Self::Alerts | Self::Answers | Self::Mail => true,
            Self::Configuration | Self::People => false,
        }
    }

    /// The period that a key in use at `at` belongs to.
    pub(crate) const fn period(self, at: Timestamp) -> i64 {
        if self.is_daily() { at.day().number() } else { 0 }
    }
}

/// A UTC month, counted from the year 0: the life of a blind index key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month(i64);

impl Month {
    /// The month `at` falls in.
    pub fn of(at: Timestamp) -> Self {
        let date = at.to_jiff().to_zoned(TimeZone::UTC).date();
        Self(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    }

    /// Months since January of the year 0.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The month of this number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daily_keys_change_at_midnight_utc_and_months_at_their_first() {
        let at = Timestamp::from_micros(1_792_717_927_214_000); // 2026-10-23T01:12:07Z
        let next_day = at.plus(std::time::Duration::from_hours(23));
        assert_eq!(Purpose::Messages.period(next_day), Purpose::Messages.period(at) + 1);
        assert_eq!(Purpose::Configuration.period(next_day), Purpose::Configuration.period(at));
        assert_eq!(Month::of(at).number(), 2026 * 12 + 9);
        let november = at.plus(std::time::Duration::from_hours(24 * 9));
        assert_eq!(Month::of(november).number(), 2026 * 12 + 10);
    }
}
