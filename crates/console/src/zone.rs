//! Times in the reader's zone, always with the zone's name beside them.

use base::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// The zone in which a page shows its times.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
impl Zone {
    /// The first of `names` that is an IANA zone; UTC when none is.
    pub fn first_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().find_map(Self::named).unwrap_or(Self(TimeZone::UTC))
    }

    /// The IANA zone of that name.
    pub fn named(name: &str) -> Option<Self> {
        let plausible = !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
        if plausible { TimeZone::get(name).ok().map(Self) } else { None }
    }

    /// Its IANA name, for the browser's clock.
    pub fn iana(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    fn at(&self, at: Timestamp) -> jiff::Zoned {
        at.to_jiff().to_zoned(self.0.clone())
    }

    /// `03:14:58`
    pub fn clock(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%H:%M:%S").to_string()
    }

    /// `.214`, for the small print after [`Self::clock`].
    pub fn millis(&self, at: &Timestamp) -> String {
        self.at(*at).strftime(".%3f").to_string()
    }

    /// `03:14:58 CEST`
    pub fn clock_zone(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%H:%M:%S %Z").to_string()
    }

    /// `Fri 23 Oct 03:14 CEST`
    pub fn day_clock(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%a %-d %b %H:%M %Z").to_string()
    }

    /// `Fri 23 Oct`
    pub fn day(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%a %-d %b").to_string()
    }

    /// `23 Oct 03:14:58`, for tables that say their zone in the head.
    pub fn row(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%-d %b %H:%M:%S").to_string()
    }

    /// `03:12:07.214 CEST`
    pub fn exact(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%H:%M:%S%.3f %Z").to_string()
    }

    /// `CEST`, as it is at this instant.
    pub fn name(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%Z").to_string()
    }

    /// `CEST (UTC+2)`
    pub fn full_name(&self, at: &Timestamp) -> String {
        let zoned = self.at(*at);
        let seconds = zoned.offset().seconds();
        let (hours, minutes) = (seconds / 3600, (seconds.abs() / 60) % 60);
        let name = zoned.strftime("%Z");
        if minutes == 0 { format!("{name} (UTC{hours:+})") } else { format!("{name} (UTC{hours:+}:{minutes:02})") }
    }
}

/// `+61 ms`, `+3.1 s`, `+1 min 30 s`, `+16 h`: the gap between two knots.
pub fn gap(span: Duration) -> String {
    if span.as_millis() == 0 { "+0 ms".to_owned() } else { format!("+{}", length(span)) }
}

/// `61 ms`, `3.1 s`, `1 min 30 s`, `24 min`, `16 h`, `3 d`.
pub fn length(span: Duration) -> String {
    let millis = span.as_millis();
    let seconds = span.as_secs();
    match millis {
        0 => "<1 ms".to_owned(),
        1..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", seconds, (millis % 1_000) / 100),
        60_000..600_000 if !seconds.is_multiple_of(60) => format!("{} min {} s", seconds / 60, seconds % 60),
        60_000..3_600_000 => format!("{} min", seconds / 60),
        3_600_000..172_800_000 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `25 s`, `1 min`, `16 h`, `3 d`: how long ago, for lists.
pub fn age(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// `2:51` or `1:02:51`: how long, counting.
pub fn counter(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, rest) = (seconds / 3_600, (seconds / 60) % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

    #[test]
    fn times_carry_their_zone() {
        let zone = Zone::first_of(["Europe/Berlin"]);
        assert_eq!(zone.clock_zone(&AT), "03:12:07 CEST");
        assert_eq!(zone.exact(&AT), "03:12:07.214 CEST");
        assert_eq!(zone.day_clock(&AT), "Fri 23 Oct 03:12 CEST");
        assert_eq!(zone.full_name(&AT), "CEST (UTC+2)");
        assert_eq!(Zone::first_of(["Asia/Kolkata"]).full_name(&AT), "IST (UTC+5:30)");
    }

    #[test]
    fn a_zone_that_is_none_falls_back() {
        assert_eq!(Zone::first_of(["../../etc/passwd", "Nowhere/Else", "Europe/Paris"]).name(&AT), "CEST");
        assert_eq!(Zone::first_of(["nonsense"]).name(&AT), "UTC");
    }

    #[test]
    fn lengths_read_like_speech() {
        let cases = [
            (0, "<1 ms"),
            (61, "61 ms"),
            (3_100, "3.1 s"),
            (90_000, "1 min 30 s"),
            (120_000, "2 min"),
            (57_600_000, "16 h"),
        ];
        for (millis, expected) in cases {
            assert_eq!(length(Duration::from_millis(millis)), expected);
        }
        for (seconds, expected) in [(0, "0 s"), (67, "1 min"), (7_300, "2 h"), (400_000, "4 d")] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(counter(Duration::from_secs(171)), "2:51");
        assert_eq!(counter(Duration::from_secs(3_771)), "1:02:51");
    }
}
