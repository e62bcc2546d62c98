//! What a process used, as the kernel counts it (`proc(5)`), and how long things took.
#![expect(clippy::cast_precision_loss, reason = "figures for people: three digits matter")]

use std::fs;

/// What one process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time in seconds, user and system together.
    pub cpu: f64,
    /// Octets that were given to the disk.
    pub written: f64,
    /// Memory now, in MB.
    pub resident: f64,
    /// The most there was.
    pub most: f64,
}

/// What process `pid` used.
pub fn of(pid: u32) -> Usage {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let status = read("status");
    Usage {
        cpu: ticks(&read("stat")) / 100.0,
        written: field(&read("io"), "write_bytes:"),
        resident: field(&status, "VmRSS:") / 1024.0,
        most: field(&status, "VmHWM:") / 1024.0,
    }
}

/// Processor time of every process of this name that runs now, in seconds: a database server has many.
pub fn cpu_of_all(name: &str) -> f64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0.0 };
    let mut sum = 0.0;
    for entry in entries.flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if stat.contains(&format!("({name})")) {
            sum += ticks(&stat) / 100.0;
        }
    }
    sum
}

fn ticks(stat: &str) -> f64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // User and system time, counted from behind the name.
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Times in microseconds, in classes that are three per cent wide: so an hour's worth takes no more room than a second's.
#[derive(Clone)]
pub struct Times {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

/// Classes for each doubling.
const FINE: u32 = 5;

impl Default for Times {
    fn default() -> Self {
        Self { counts: vec![0; 64 << FINE], total: 0, longest: 0 }
    }
}

impl Times {
    pub fn add(&mut self, micros: u64) {
        self.counts[class(micros)] += 1;
        self.total += 1;
        self.longest = self.longest.max(micros);
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The time below which so many per cent are, in milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return top(class).min(self.longest as f64) / 1000.0;
            }
        }
        0.0
    }

    /// The longest, in milliseconds.
    pub fn longest(&self) -> f64 {
        self.longest as f64 / 1000.0
    }
}

fn class(micros: u64) -> usize {
    let micros = micros.max(1);
    let power = micros.ilog2();
    let fine = if power >= FINE { (micros >> (power - FINE)) & ((1 << FINE) - 1) } else { 0 };
    ((power as usize) << FINE) + usize::try_from(fine).unwrap_or(0)
}

/// The upper end of a class.
fn top(class: usize) -> f64 {
    let (power, fine) = (class >> FINE, class & ((1 << FINE) - 1));
    2_f64.powi(i32::try_from(power).unwrap_or(63)) * (1.0 + (fine + 1) as f64 / f64::from(1 << FINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_per_cent() {
        let mut times = Times::default();
        for micros in 1..=100_000 {
            times.add(micros);
        }
        for (percent, wanted) in [(50.0, 50.0), (99.0, 99.0), (100.0, 100.0)] {
            let found = times.percentile(percent);
            assert!((found - wanted).abs() <= wanted * 0.04, "{percent}: {found}");
        }
        assert!(times.longest() >= 99.9 && Times::default().percentile(99.0) < 0.001);
    }

    #[test]
    fn this_process_used_something() {
        let usage = of(std::process::id());
        assert!(usage.resident > 1.0 && usage.most >= usage.resident, "{usage:?}");
    }
}
