//! How often which size occurred: counts per bucket, their sum, and how many there were.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::counter::f64_of;
use crate::text::{About, Kind, Meter, Writer};

/// Buckets at most; one more counts what is beyond the last.
const MOST: usize = 16;

/// Bounds for times from half a millisecond to a minute, in microseconds.
pub const SECONDS: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Bounds for counts of things done together.
pub const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// What values a histogram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds inside, seconds outside.
    Time,
    /// The same number inside and outside.
    Plain,
}

/// The numbers of one histogram.
#[derive(Debug)]
pub(crate) struct Cells {
    counts: [AtomicU64; MOST + 1],
    sum: AtomicU64,
}

impl Cells {
    pub(crate) const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; MOST + 1], sum: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, bounds: &[u64], value: u64) {
        let place = bounds.partition_point(|bound| *bound < value).min(MOST);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, bounds: &[u64], unit: Unit, labels: &[(&str, &str)], out: &mut Writer<'_>) {
        let shown = |value: u64| match unit {
            Unit::Time => f64_of(value) / 1e6,
            Unit::Plain => f64_of(value),
        };
        let mut total = 0;
        for (place, count) in self.counts.iter().enumerate().take(bounds.len() + 1) {
            total += count.load(Ordering::Relaxed);
            let bound = bounds.get(place).map_or_else(|| "+Inf".to_owned(), |bound| shown(*bound).to_string());
            let mut all = labels.to_vec();
            all.push(("le", &bound));
            out.sample("_bucket", &all, f64_of(total));
        }
        out.sample("_sum", labels, shown(self.sum.load(Ordering::Relaxed)));
        // Of the same reads as the buckets, so that the last bucket and the count never differ.
        out.sample("_count", labels, f64_of(total));
    }
}

/// A distribution of times or sizes.
#[derive(Debug)]
pub struct Histogram {
    about: About,
    bounds: &'static [u64],
    unit: Unit,
    cells: Cells,
}

impl Histogram {
    /// Times, shown in seconds over the bounds [`SECONDS`]. Its name ends in `_seconds`.
    pub const fn of_times(name: &'static str, help: &'static str) -> Self {
        let about = About { name, help, kind: Kind::Histogram, labels: &[] };
        Self { about, bounds: SECONDS, unit: Unit::Time, cells: Cells::new() }
    }

    /// Sizes over `bounds`: ascending, 16 at most.
    ///
    /// # Panics
    /// While compiling, when there are more bounds.
    pub const fn of_sizes(name: &'static str, help: &'static str, bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= MOST, "a histogram has 16 bounds at most");
        let about = About { name, help, kind: Kind::Histogram, labels: &[] };
        Self { about, bounds, unit: Unit::Plain, cells: Cells::new() }
    }

    /// Notes a time.
    pub fn took(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Notes a value: microseconds in a histogram of times.
    pub fn record(&self, value: u64) {
        self.cells.record(self.bounds, value);
    }
}

impl Meter for Histogram {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        self.cells.write(self.bounds, self.unit, &[], out);
    }
}
