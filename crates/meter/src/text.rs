//! The text that Prometheus reads: for each meter its help, its type and its samples.

use std::fmt::Write as _;

/// What sort of number a meter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

impl Kind {
    /// The word in the text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a meter says about itself.
#[derive(Debug)]
pub struct About {
    /// Its name: `loudhailer_…`, with the unit at the end, `_total` for a counter.
    pub name: &'static str,
    /// One sentence about what it tells.
    pub help: &'static str,
    /// What sort of number it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// Something that can be read by Prometheus.
pub trait Meter: Sync {
    /// What it says about itself.
    fn about(&self) -> &About;
    /// Writes its samples.
    fn write(&self, out: &mut Writer<'_>);
}

/// Takes the samples of one meter.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Writer<'_> {
    pub(crate) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.out.push_str(if place == 0 { "{" } else { "," });
            let _ = write!(self.out, "{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{end} {value}");
    }
}

/// A label's value as it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All these meters, as Prometheus reads them. Its media type is `text/plain; version=0.0.4; charset=utf-8`.
pub fn exposition(meters: &[&dyn Meter]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for meter in meters {
        let About { name, help, kind, .. } = *meter.about();
        let (kind, help) = (kind.name(), help.replace('\\', "\\\\").replace('\n', "\\n"));
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        meter.write(&mut Writer { out: &mut out, name });
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily, SIZES};

    #[test]
    fn meters_read_as_prometheus_wants_them() {
        static REFUSED: CounterFamily = CounterFamily::new("t_refused_total", "Refused.", &["reason"]);
        static OPEN: Gauge = Gauge::new("t_open", "Open.");
        static TOOK: Histogram = Histogram::of_times("t_took_seconds", "Time\nit took.");
        REFUSED.add(&["too \"slow\""], 2);
        OPEN.set(1.5);
        TOOK.took(Duration::from_millis(2));
        TOOK.took(Duration::from_mins(2));
        let text = exposition(&[&REFUSED, &OPEN, &TOOK]);
        assert!(text.starts_with(
            "# HELP t_refused_total Refused.\n# TYPE t_refused_total counter\nt_refused_total{reason=\"too \\\"slow\\\"\"} 2\n"
        ));
        assert!(text.contains("# HELP t_open Open.\n# TYPE t_open gauge\nt_open 1.5\n"), "{text}");
        assert!(text.contains("# HELP t_took_seconds Time\\nit took.\n"), "{text}");
        for line in [
            "t_took_seconds_bucket{le=\"0.001\"} 0",
            "t_took_seconds_bucket{le=\"0.0025\"} 1",
            "t_took_seconds_bucket{le=\"60\"} 1",
            "t_took_seconds_bucket{le=\"+Inf\"} 2",
            "t_took_seconds_sum 120.002",
            "t_took_seconds_count 2",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn sizes_fall_into_the_bucket_that_holds_them() {
        static GROUP: Histogram = Histogram::of_sizes("t_group", "Together.", SIZES);
        for size in [1, 2, 3, 5_000] {
            GROUP.record(size);
        }
        let text = exposition(&[&GROUP]);
        for line in ["{le=\"1\"} 1", "{le=\"2\"} 2", "{le=\"4\"} 3", "{le=\"1024\"} 3", "{le=\"+Inf\"} 4"] {
            assert!(text.contains(&format!("t_group_bucket{line}\n")), "{line} in {text}");
        }
    }

    /// Rule 9 of the house: whoever chooses the values of a label cannot make the process grow.
    #[test]
    fn a_family_has_no_more_series_than_it_may_have() {
        static MANY: CounterFamily = CounterFamily::new("t_many_total", "Many.", &["value"]);
        for number in 0..1_000 {
            MANY.add(&[&format!("value {number}")], 1);
        }
        let lines = exposition(&[&MANY]).lines().count();
        assert!(lines <= 2 + 257, "{lines}");
        assert_eq!(MANY.get(&["other"]), 1_000 - 256);
    }

    #[test]
    fn a_family_of_gauges_forgets_what_is_gone() {
        static LINKS: GaugeFamily = GaugeFamily::new("t_links", "Links.", &["carrier"]);
        static TIMES: HistogramFamily = HistogramFamily::of_times("t_times_seconds", "Times.", &["carrier"]);
        LINKS.set(&["one"], 1.0);
        LINKS.clear();
        LINKS.set(&["two"], 2.0);
        TIMES.took(&["two"], Duration::from_secs(1));
        let text = exposition(&[&LINKS, &TIMES]);
        assert!(!text.contains("one") && text.contains("t_links{carrier=\"two\"} 2\n"), "{text}");
        assert!(text.contains("t_times_seconds_bucket{carrier=\"two\",le=\"1\"} 1\n"), "{text}");
    }

    #[test]
    fn a_counter_never_goes_back() {
        static CPU: Counter = Counter::new("t_cpu_total", "Seconds.");
        CPU.at_least(7);
        CPU.at_least(3);
        CPU.add(1);
        assert_eq!(CPU.get(), 8);
    }

    proptest! {
        /// No value of a label ends its line or its quotes.
        #[test]
        fn any_label_stays_on_its_line(value in "\\PC*|.*") {
            let family = CounterFamily::new("t_any_total", "Any.", &["value"]);
            family.add(&[&value], 1);
            let mut out = String::new();
            family.write(&mut Writer { out: &mut out, name: "t_any_total" });
            prop_assert_eq!(out.lines().filter(|line| line.starts_with("t_any_total{")).count(), 1);
            prop_assert_eq!(out.matches('\n').count(), 1);
        }
    }
}
