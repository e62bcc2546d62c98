//! Meters with labels: one series for each combination of values, and never more than a family may have.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::counter::f64_of;
use crate::histogram::{Cells, SECONDS, Unit};
use crate::text::{About, Kind, Meter, Writer};

/// Series of a family at most. What comes on top is counted under `other`, so that nobody who can choose a label's value
/// can make the process grow.
const MOST: usize = 256;
/// Characters of a label's value that are kept.
const LONGEST: usize = 64;

type Series<C> = RwLock<BTreeMap<Vec<Box<str>>, Arc<C>>>;

/// The cell of a combination; made when it is new and there is room.
fn cell<C>(series: &Series<C>, values: &[&str], new: impl FnOnce() -> C) -> Arc<C> {
    let key = |values: &[&str]| -> Vec<Box<str>> {
        values.iter().map(|value| value.chars().take(LONGEST).collect::<String>().into_boxed_str()).collect()
    };
    let wanted = key(values);
    if let Some(cell) = series.read().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
        return Arc::clone(cell);
    }
    let mut series = series.write().unwrap_or_else(PoisonError::into_inner);
    let wanted =
        if series.len() < MOST || series.contains_key(&wanted) { wanted } else { key(&vec!["other"; values.len()]) };
    Arc::clone(series.entry(wanted).or_insert_with(|| Arc::new(new())))
}

fn each<C>(series: &Series<C>, names: &'static [&'static str], mut write: impl FnMut(&[(&str, &str)], &C)) {
    for (values, cell) in &*series.read().unwrap_or_else(PoisonError::into_inner) {
        let labels: Vec<(&str, &str)> = names.iter().copied().zip(values.iter().map(|value| &**value)).collect();
        write(&labels, cell);
    }
}

/// Counters that differ in their labels.
#[derive(Debug)]
pub struct CounterFamily {
    about: About,
    series: Series<AtomicU64>,
}

impl CounterFamily {
    /// A family without any series yet. Its name ends in `_total`.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { about: About { name, help, kind: Kind::Counter, labels }, series: RwLock::new(BTreeMap::new()) }
    }

    /// Counts `more` for these values, given in the order of the labels.
    pub fn add(&self, values: &[&str], more: u64) {
        cell(&self.series, values, || AtomicU64::new(0)).fetch_add(more, Ordering::Relaxed);
    }

    /// Takes over a total that somebody else counts for these values. It may start again at nothing, as after a restart;
    /// whoever reads counters expects that.
    pub fn take_over(&self, values: &[&str], total: u64) {
        cell(&self.series, values, || AtomicU64::new(0)).store(total, Ordering::Relaxed);
    }

    /// What was counted for these values.
    pub fn get(&self, values: &[&str]) -> u64 {
        cell(&self.series, values, || AtomicU64::new(0)).load(Ordering::Relaxed)
    }
}

impl Meter for CounterFamily {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        each(&self.series, self.about.labels, |labels, cell| {
            out.sample("", labels, f64_of(cell.load(Ordering::Relaxed)));
        });
    }
}

/// Gauges that differ in their labels, set all at once: what is not there any more is not shown any more.
#[derive(Debug)]
pub struct GaugeFamily {
    about: About,
    series: Series<AtomicU64>,
}

impl GaugeFamily {
    /// A family without any series yet.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { about: About { name, help, kind: Kind::Gauge, labels }, series: RwLock::new(BTreeMap::new()) }
    }

    /// Puts the gauge of these values at `value`.
    pub fn set(&self, values: &[&str], value: f64) {
        cell(&self.series, values, || AtomicU64::new(0)).store(value.to_bits(), Ordering::Relaxed);
    }

    /// Forgets every series, before all are set anew.
    pub fn clear(&self) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Meter for GaugeFamily {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        each(&self.series, self.about.labels, |labels, cell| {
            out.sample("", labels, f64::from_bits(cell.load(Ordering::Relaxed)));
        });
    }
}

/// Distributions of times that differ in their labels.
#[derive(Debug)]
pub struct HistogramFamily {
    about: About,
    series: Series<Cells>,
}

impl HistogramFamily {
    /// Times, shown in seconds. Its name ends in `_seconds`.
    pub const fn of_times(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { about: About { name, help, kind: Kind::Histogram, labels }, series: RwLock::new(BTreeMap::new()) }
    }

    /// Notes a time for these values.
    pub fn took(&self, values: &[&str], time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        cell(&self.series, values, Cells::new).record(SECONDS, micros);
    }
}

impl Meter for HistogramFamily {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        each(&self.series, self.about.labels, |labels, cells| cells.write(SECONDS, Unit::Time, labels, out));
    }
}
