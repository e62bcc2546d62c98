//! Times in the reader's zone, always with the zone's name beside them.
//!
//! Where the workspace lives in another zone, the tooltip of each time says its clock too; a table names the zone in its
//! head, and a line from before or after a change of the clocks says its own.

use std::fmt::Write as _;

use std::time::Duration;

use base::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

/// The zone in which a page shows its times.
#[derive(Clone, Debug)]
pub struct Zone {
    own: TimeZone,
    /// The workspace's name and zone.
    there: Option<(String, TimeZone)>,
    /// When the page was made: the zone's name in the heads of its tables is that of this instant.
    now: Option<Timestamp>,
}

/// From here on a day is said with its year.
const FAR: Duration = Duration::from_hours(183 * 24);

/// One calendar day in the reader's zone: 23, 24 or 25 hours long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarDay {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant of the next day.
    pub end: Timestamp,
    /// `Fri 23 Oct`
    pub name: String,
}

impl CalendarDay {
    /// How many hours it has.
    pub fn hours(&self) -> u64 {
        self.end.since(self.start).as_secs() / 3_600
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
impl Zone {
    /// The first of `names` that is an IANA zone; UTC when none is.
    pub fn first_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().find_map(Self::named).unwrap_or(Self { own: TimeZone::UTC, there: None, now: None })
    }

    /// The IANA zone of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self { own: iana(name)?, there: None, now: None })
    }

    /// The same, beside the zone of a workspace, as of the instant at which the page is made.
    #[must_use]
    pub fn beside(mut self, workspace: &str, zone: &str, now: Timestamp) -> Self {
        self.there = iana(zone).map(|zone| (workspace.to_owned(), zone));
        self.now = Some(now);
        self
    }

    /// Its IANA name, for the browser's clock.
    pub fn iana(&self) -> &str {
        self.own.iana_name().unwrap_or("UTC")
    }

    fn at(&self, at: Timestamp) -> Zoned {
        at.to_jiff().to_zoned(self.own.clone())
    }

    /// The workspace's clock at `at`, where it shows something else than the reader's.
    fn elsewhere(&self, at: Timestamp) -> Option<(&str, Zoned)> {
        let (name, zone) = self.there.as_ref()?;
        let there = at.to_jiff().to_zoned(zone.clone());
        (there.offset() != self.at(at).offset()).then_some((name.as_str(), there))
    }

    /// The instant that a browser's field for day and time means on this clock: `2026-10-23T08:00`.
    pub fn instant(&self, text: &str) -> Option<Timestamp> {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(Timestamp::from_jiff(local.to_zoned(self.own.clone()).ok()?.timestamp()))
    }

    /// `2026-10-23`, as a browser's field for a day has it.
    pub fn date(&self, at: &Timestamp) -> String {
        self.at(*at).strftime("%Y-%m-%d").to_string()
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
        self.named_at(*at, "%H:%M:%S")
    }

    /// `Fri 23 Oct 03:14 CEST`; `Sun 23 Oct 2029 03:14 CEST` where the year cannot be guessed.
    pub fn day_clock(&self, at: &Timestamp) -> String {
        self.named_at(*at, if self.is_far(*at) { "%a %-d %b %Y %H:%M" } else { "%a %-d %b %H:%M" })
    }

    /// `Fri 23 Oct`; `Tue 23 Oct 2029` where the year cannot be guessed.
    pub fn day(&self, at: &Timestamp) -> String {
        self.at(*at).strftime(if self.is_far(*at) { "%a %-d %b %Y" } else { "%a %-d %b" }).to_string()
    }

    /// Whether a day without its year would be taken for another one: half a year and more from now.
    fn is_far(&self, at: Timestamp) -> bool {
        self.now.is_some_and(|now| now.since(at).max(at.since(now)) > FAR)
    }

    /// `23 Oct 03:14:58`, for tables that say their zone in the head; `23 Oct 02:14:58 CEST` when the clocks were changed
    /// since, so that the two halves past two of an autumn night are told apart.
    pub fn row(&self, at: &Timestamp) -> String {
        let zoned = self.at(*at);
        let changed = self.now.is_some_and(|now| self.at(now).offset() != zoned.offset());
        let text = zoned.strftime("%-d %b %H:%M:%S").to_string();
        if changed { format!("{text} {}", abbreviation(&zoned)) } else { text }
    }

    /// `23 Oct 03:12:07.214 CEST`
    pub fn exact(&self, at: &Timestamp) -> String {
        let far = self.is_far(*at);
        self.named_at(*at, if far { "%-d %b %Y %H:%M:%S%.3f" } else { "%-d %b %H:%M:%S%.3f" })
    }

    /// Whether all of these are of the day on which the page is made: if so, their clocks say enough.
    pub fn is_today(&self, times: impl IntoIterator<Item = Timestamp>) -> bool {
        let Some(now) = self.now else { return false };
        let today = self.at(now).date();
        times.into_iter().all(|at| self.at(at).date() == today)
    }

    /// The same words with each instant in them, as machines write it (`2026-10-23T01:12:07Z`), on this clock.
    pub fn said(&self, words: &str) -> String {
        let on_this_clock = |word: &str| {
            let end = word.trim_end_matches(['.', ',', ';', ':', ')']);
            let at: Option<jiff::Timestamp> = if end.contains('T') { end.parse().ok() } else { None };
            at.map(|at| format!("{}{}", self.day_clock(&Timestamp::from_jiff(at)), &word[end.len()..]))
        };
        let words: Vec<String> =
            words.split(' ').map(|word| on_this_clock(word).unwrap_or_else(|| word.to_owned())).collect();
        words.join(" ")
    }

    /// `23 Oct 2026 03:12:07.214 CEST · 02:12:07 BST in demo · 01:12:07 UTC`: the tooltip of every time.
    pub fn title(&self, at: &Timestamp) -> String {
        let own = self.at(*at);
        let mut text = self.named_at(*at, "%-d %b %Y %H:%M:%S%.3f");
        let beside = |text: &mut String, zoned: &Zoned, name: &str| {
            let day = if zoned.date() == own.date() { String::new() } else { zoned.strftime("%-d %b ").to_string() };
            // Writing to a string cannot fail.
            let _ = write!(text, " · {day}{} {name}", zoned.strftime("%H:%M:%S"));
        };
        let mut utc_said = own.offset().is_zero();
        if let Some((workspace, there)) = self.elsewhere(*at) {
            beside(&mut text, &there, &format!("{} in {workspace}", abbreviation(&there)));
            utc_said |= there.offset().is_zero();
        }
        if !utc_said {
            beside(&mut text, &at.to_jiff().to_zoned(TimeZone::UTC), "UTC");
        }
        text
    }

    fn named_at(&self, at: Timestamp, format: &str) -> String {
        let zoned = self.at(at);
        format!("{} {}", zoned.strftime(format), abbreviation(&zoned))
    }

    /// `CEST`, as it is at this instant.
    pub fn name(&self, at: &Timestamp) -> String {
        abbreviation(&self.at(*at))
    }

    /// `CEST (UTC+2)`; where the workspace's clock shows something else, `CEST (UTC+2), demo: BST (UTC+1)`.
    pub fn full_name(&self, at: &Timestamp) -> String {
        let own = with_offset(&self.at(*at));
        match self.elsewhere(*at) {
            Some((workspace, there)) => format!("{own}, {workspace}: {}", with_offset(&there)),
            None => own,
        }
    }

    /// `demo: 02:12 BST`, where the workspace's clock shows something else than the reader's.
    pub fn workspace_clock(&self, at: &Timestamp) -> Option<String> {
        let (workspace, there) = self.elsewhere(*at)?;
        Some(format!("{workspace}: {} {}", there.strftime("%H:%M"), abbreviation(&there)))
    }

    /// The last `count` calendar days up to the one that `now` is in, the oldest first.
    pub fn days(&self, now: Timestamp, count: u16) -> Vec<CalendarDay> {
        let today = self.at(now).date();
        (0..count)
            .rev()
            .filter_map(|back| {
                let date = today.checked_sub(jiff::Span::new().days(back)).ok()?;
                let start = date.to_zoned(self.own.clone()).ok()?.start_of_day().ok()?;
                let end = date.tomorrow().ok()?.to_zoned(self.own.clone()).ok()?.start_of_day().ok()?;
                Some(CalendarDay {
                    start: Timestamp::from_jiff(start.timestamp()),
                    end: Timestamp::from_jiff(end.timestamp()),
                    name: start.strftime("%a %-d %b").to_string(),
                })
            })
            .collect()
    }
}

/// The zone of that name, when it looks like one and is known.
fn iana(name: &str) -> Option<TimeZone> {
    let plausible =
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    if plausible { TimeZone::get(name).ok() } else { None }
}

/// Every zone that a person can choose, by name.
pub fn all() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.to_string()).filter(|name| name.contains('/')).collect()
}

/// `CEST`, or `UTC-3` where people have no word for it.
fn abbreviation(zoned: &Zoned) -> String {
    let name = zoned.strftime("%Z").to_string();
    if name.starts_with(['+', '-']) { offset(zoned) } else { name }
}

/// `UTC+5:30`
fn offset(zoned: &Zoned) -> String {
    let seconds = zoned.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3_600, (seconds.abs() / 60) % 60);
    match (hours, minutes) {
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

fn with_offset(zoned: &Zoned) -> String {
    let (name, offset) = (abbreviation(zoned), offset(zoned));
    if name == offset { name } else { format!("{name} ({offset})") }
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
        assert_eq!(zone.exact(&AT), "23 Oct 03:12:07.214 CEST");
        assert_eq!(zone.day_clock(&AT), "Fri 23 Oct 03:12 CEST");
        assert_eq!(zone.full_name(&AT), "CEST (UTC+2)");
        assert_eq!(Zone::first_of(["Asia/Kolkata"]).full_name(&AT), "IST (UTC+5:30)");
    }

    #[test]
    fn a_year_is_said_where_it_cannot_be_guessed() {
        let zone = Zone::first_of(["Europe/Berlin"]).beside("demo", "Europe/Berlin", AT);
        let (near, far) = (at("2027-02-27T00:00:00Z"), at("2029-02-27T00:00:00Z"));
        assert_eq!((zone.day(&near), zone.day(&far)), ("Sat 27 Feb".into(), "Tue 27 Feb 2029".into()));
        assert_eq!(zone.day_clock(&far), "Tue 27 Feb 2029 01:00 CET");
        assert_eq!(zone.exact(&at("2025-02-27T00:00:00Z")), "27 Feb 2025 01:00:00.000 CET");
    }

    #[test]
    fn instants_in_words_are_on_the_readers_clock() {
        let zone = Zone::first_of(["Europe/Berlin"]).beside("demo", "Europe/Berlin", AT);
        assert_eq!(zone.said("waits until 2026-10-23T06:00:00.000Z."), "waits until Fri 23 Oct 08:00 CEST.");
        assert_eq!(zone.said("Taken by T-Mobile, as 2026."), "Taken by T-Mobile, as 2026.");
        assert!(zone.is_today([AT, at("2026-10-22T22:30:00Z")]), "half past midnight here");
        assert!(!zone.is_today([AT, at("2026-10-22T21:30:00Z")]));
    }

    #[test]
    fn a_zone_that_is_none_falls_back() {
        assert_eq!(Zone::first_of(["../../etc/passwd", "Nowhere/Else", "Europe/Paris"]).name(&AT), "CEST");
        assert_eq!(Zone::first_of(["nonsense"]).name(&AT), "UTC");
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    /// The night in which half past two comes twice.
    #[test]
    fn an_hour_that_comes_twice_is_told_apart() {
        let zone = Zone::first_of(["Europe/Berlin"]).beside("demo", "Europe/Berlin", at("2026-10-25T09:00:00Z"));
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!((zone.row(&first), zone.row(&second)), ("25 Oct 02:30:00 CEST".into(), "25 Oct 02:30:00".into()));
        assert_eq!((zone.name(&first), zone.name(&second)), ("CEST".into(), "CET".into()));
        assert_eq!(zone.title(&first), "25 Oct 2026 02:30:00.000 CEST · 00:30:00 UTC");
        assert_eq!(zone.title(&second), "25 Oct 2026 02:30:00.000 CET · 01:30:00 UTC");
    }

    /// The night in which there is no half past two.
    #[test]
    fn an_hour_that_is_left_out_never_shows() {
        let zone = Zone::first_of(["Europe/Berlin"]);
        let (before, after) = (at("2026-03-29T00:59:59Z"), at("2026-03-29T01:00:00Z"));
        assert_eq!(
            (zone.clock_zone(&before), zone.clock_zone(&after)),
            ("01:59:59 CET".into(), "03:00:00 CEST".into())
        );
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        let berlin = Zone::first_of(["Europe/Berlin"]);
        let hours = |zone: &Zone, now: &str| zone.days(at(now), 3).iter().map(CalendarDay::hours).collect::<Vec<_>>();
        assert_eq!(hours(&berlin, "2026-10-26T12:00:00Z"), [24, 25, 24]);
        assert_eq!(hours(&berlin, "2026-03-30T12:00:00Z"), [24, 23, 24]);
        // Where the clocks are changed at midnight, the day begins at one.
        let beirut = Zone::first_of(["Asia/Beirut"]);
        let days = beirut.days(at("2026-03-29T12:00:00Z"), 1);
        assert_eq!((beirut.clock(&days[0].start), days[0].hours()), ("01:00:00".into(), 23));
        let lord_howe = Zone::first_of(["Australia/Lord_Howe"]);
        let day = lord_howe.days(at("2026-04-05T01:00:00Z"), 1).remove(0);
        assert_eq!(day.end.since(day.start), Duration::from_mins(24 * 60 + 30), "half an hour more");
        let days = berlin.days(at("2026-10-26T12:00:00Z"), 3);
        assert!(days.windows(2).all(|pair| pair[0].end == pair[1].start), "no gap and no overlap");
        assert_eq!(days[2].name, "Mon 26 Oct");
    }

    #[test]
    fn the_workspaces_clock_is_said_where_it_differs() {
        let reader = Zone::first_of(["Europe/Berlin"]);
        let same = reader.clone().beside("demo", "Europe/Paris", AT);
        assert_eq!((same.full_name(&AT), same.workspace_clock(&AT)), ("CEST (UTC+2)".into(), None));
        let london = reader.clone().beside("demo", "Europe/London", AT);
        assert_eq!(london.full_name(&AT), "CEST (UTC+2), demo: BST (UTC+1)");
        assert_eq!(london.workspace_clock(&AT).as_deref(), Some("demo: 02:12 BST"));
        assert_eq!(london.title(&AT), "23 Oct 2026 03:12:07.214 CEST · 02:12:07 BST in demo · 01:12:07 UTC");
        let far = reader.beside("demo", "America/Sao_Paulo", AT);
        assert_eq!(far.title(&AT), "23 Oct 2026 03:12:07.214 CEST · 22 Oct 22:12:07 UTC-3 in demo · 01:12:07 UTC");
        let utc = Zone::first_of(["Etc/UTC"]).beside("demo", "Etc/UTC", AT);
        assert_eq!(utc.title(&AT), "23 Oct 2026 01:12:07.214 UTC");
    }

    #[test]
    fn a_zone_without_a_word_is_named_by_its_offset() {
        assert_eq!(Zone::first_of(["America/Sao_Paulo"]).full_name(&AT), "UTC-3");
        assert_eq!(Zone::first_of(["Pacific/Marquesas"]).clock_zone(&AT), "15:42:07 UTC-9:30");
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
