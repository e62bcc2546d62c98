//! A small chart of what came day by day. Days are as wide as they are long: one of 25 hours is drawn wider.

use signals::Volume;

use crate::zone::CalendarDay;

/// Height of the tallest day, in pixels.
const TALL: u64 = 14;
/// Where days stand on, in pixels from above.
const FLOOR: u64 = 16;

/// One day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Left edge, in percent.
    pub x: String,
    /// Width, in percent.
    pub width: String,
    /// Upper edge and height of what was accepted.
    pub accepted: (u64, u64),
    /// Upper edge and height of what was refused, which stands on top.
    pub refused: (u64, u64),
}

/// The chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spark {
    /// The days, oldest first.
    pub bars: Vec<Bar>,
    /// The same in a sentence.
    pub sentence: String,
    /// Accepted altogether.
    pub accepted: u64,
    /// Refused altogether.
    pub refused: u64,
}

fn counted(count: u64, one: &str, more: &str) -> String {
    match count {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}

impl Spark {
    /// Draws `volumes`, one for each of `days`; none for an integration that nothing was sent to.
    pub fn new(days: &[CalendarDay], volumes: Option<&Vec<Volume>>) -> Self {
        let nothing = vec![Volume::default(); days.len()];
        let volumes = volumes.unwrap_or(&nothing);
        let most = volumes.iter().map(|one| one.accepted + one.refused).max().unwrap_or_default().max(1);
        let seconds = |day: &CalendarDay| day.end.since(day.start).as_secs();
        let whole: u64 = days.iter().map(seconds).sum::<u64>().max(1);
        // In hundredths of a percent, so that whole numbers do.
        let share = |seconds: u64| seconds * 10_000 / whole;
        let percent = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let tall = |count: u64| if count == 0 { 0 } else { (count * TALL / most).max(1) };
        let mut gone = 0;
        let mut bars = Vec::with_capacity(days.len());
        for (day, volume) in days.iter().zip(volumes) {
            let (accepted, refused) = (tall(volume.accepted), tall(volume.refused));
            let width = share(seconds(day)).saturating_sub(60);
            bars.push(Bar {
                x: percent(share(gone)),
                width: percent(width),
                accepted: (FLOOR - accepted, accepted),
                refused: (FLOOR.saturating_sub(accepted + refused), refused),
            });
            gone += seconds(day);
        }
        let (accepted, refused) = volumes.iter().fold((0, 0), |sum, one| (sum.0 + one.accepted, sum.1 + one.refused));
        let today = volumes.last().copied().unwrap_or_default();
        let sentence = format!(
            "{} in {} days, {} today; {} refused",
            counted(accepted, "signal", "signals"),
            days.len(),
            today.accepted,
            if refused == 0 { "none".to_owned() } else { refused.to_string() },
        );
        Self { bars, sentence, accepted, refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;

    fn days(now: &str, count: u16) -> Vec<CalendarDay> {
        let now = base::Timestamp::from_jiff(now.parse().unwrap());
        Zone::first_of(["Europe/Berlin"]).days(now, count)
    }

    #[test]
    fn a_day_is_as_tall_as_what_came() {
        let volumes = vec![
            Volume { accepted: 4, refused: 0 },
            Volume { accepted: 0, refused: 2 },
            Volume { accepted: 1, refused: 1 },
        ];
        let spark = Spark::new(&days("2026-06-10T12:00:00Z", 3), Some(&volumes));
        let heights: Vec<_> = spark.bars.iter().map(|bar| (bar.accepted.1, bar.refused.1)).collect();
        assert_eq!(heights, [(14, 0), (0, 7), (3, 3)]);
        assert!(spark.bars.iter().all(|bar| bar.refused.0 + bar.refused.1 <= bar.accepted.0));
        assert_eq!(spark.sentence, "5 signals in 3 days, 1 today; 3 refused");
    }

    #[test]
    fn a_day_of_25_hours_is_wider() {
        let spark = Spark::new(&days("2026-10-26T12:00:00Z", 3), None);
        let width = |at: usize| spark.bars[at].width.parse::<f64>().unwrap();
        assert!(width(1) > width(0) && (width(0) - width(2)).abs() < 0.011);
        assert_eq!(spark.sentence, "no signal in 3 days, 0 today; none refused");
    }
}
