//! The report: figures and verdict, for people or as one line of JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::selftest::verdict::Verdict;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The comparison.
    pub verdict: Verdict,
    /// `sqlite` or `postgresql`.
    pub database: &'static str,
    /// The seed of the kills.
    pub seed: u64,
    /// Messages and signals that were offered; while the server was down they were not accepted.
    pub offered: u64,
    /// Signals accepted.
    pub signals: u64,
    /// Messages accepted.
    pub messages: u64,
    /// From each kill until the server said again that it was ready.
    pub recoveries: Vec<Duration>,
    /// From the beginning of the load to its end.
    pub load: Duration,
    /// From sending a signal until its page reached the carrier, sorted. Time in which the server was down is in it.
    pub latencies: Vec<Duration>,
    /// Promises of the disk a second.
    pub syncs_per_second: u64,
}

impl Report {
    /// Signals accepted a second, over the whole load.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people: three digits matter")]
    pub fn signals_per_second(&self) -> f64 {
        let seconds = self.load.as_secs_f64();
        if seconds > 0.0 { round(self.signals as f64 / seconds) } else { 0.0 }
    }

    /// The time within which `percent` of the pages reached the carrier.
    pub fn latency(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }

    fn median_recovery(&self) -> Duration {
        let mut sorted = self.recoveries.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    fn longest_recovery(&self) -> Duration {
        self.recoveries.iter().max().copied().unwrap_or_default()
    }

    /// As one line for programs.
    pub fn json(&self) -> Json {
        let faults: Vec<String> = self.verdict.faults.iter().map(ToString::to_string).collect();
        json!({
            "good": self.verdict.is_good(),
            "faults": faults,
            "database": self.database,
            "seed": self.seed,
            "offered": self.offered,
            "accepted": self.verdict.accepted,
            "messagesAccepted": self.messages,
            "signalsAccepted": self.signals,
            "atCarrier": self.verdict.at_carrier,
            "delivered": self.verdict.delivered,
            "twice": self.verdict.twice,
            "unknownOutcomes": self.verdict.unknown,
            "kills": self.recoveries.len(),
            "recoveryMedianMs": millis(self.median_recovery()),
            "recoveryMaxMs": millis(self.longest_recovery()),
            "signalsPerSecond": self.signals_per_second(),
            "signalToCarrierP50Ms": millis(self.latency(50)),
            "signalToCarrierP99Ms": millis(self.latency(99)),
            "fdatasyncPerSecond": self.syncs_per_second,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { accepted, at_carrier, delivered, twice, unknown, .. } = self.verdict;
        let mut line = |name: &str, value: String| writeln!(f, "  {name:<34} {value}");
        line("database", self.database.to_owned())?;
        line("disk: fdatasync a second", self.syncs_per_second.to_string())?;
        line("offered, accepted", format!("{}, {accepted}", self.offered))?;
        line("  messages, signals", format!("{}, {}", self.messages, self.signals))?;
        line("at the carrier", at_carrier.to_string())?;
        line("delivered, with receipt", delivered.to_string())?;
        line("sent twice, unknown outcomes shown", format!("{twice}, {unknown}"))?;
        line("kills (seed)", format!("{} ({})", self.recoveries.len(), self.seed))?;
        let (median, longest) = (millis(self.median_recovery()), millis(self.longest_recovery()));
        line("ready again: median, longest", format!("{median} ms, {longest} ms"))?;
        line("signals accepted a second", self.signals_per_second().to_string())?;
        let (p50, p99) = (millis(self.latency(50)), millis(self.latency(99)));
        line("signal to carrier: p50, p99", format!("{p50} ms, {p99} ms (kills included)"))?;
        if self.verdict.is_good() {
            write!(f, "Good: nothing that was accepted is lost, and nothing went twice in silence.")
        } else {
            writeln!(f, "Not good:")?;
            self.verdict.faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"))
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::verdict::Fault;

    #[test]
    fn figures_and_verdict_are_said_in_both_forms() {
        let mut report = Report {
            database: "sqlite",
            signals: 90,
            load: Duration::from_secs(3),
            recoveries: [300, 100, 200].map(Duration::from_millis).to_vec(),
            latencies: (1..=100).map(Duration::from_millis).collect(),
            ..Report::default()
        };
        let json = report.json();
        assert_eq!((&json["good"], &json["signalsPerSecond"]), (&json!(true), &json!(30.0)));
        assert_eq!((&json["recoveryMedianMs"], &json["recoveryMaxMs"]), (&json!(200), &json!(300)));
        assert_eq!((&json["signalToCarrierP50Ms"], &json["signalToCarrierP99Ms"]), (&json!(50), &json!(99)));
        assert!(report.to_string().ends_with("nothing went twice in silence."));
        report.verdict.faults.push(Fault::NoReceipt(3));
        assert_eq!(report.json()["faults"], json!(["3 messages never got their receipt"]));
        assert!(report.to_string().contains("Not good:\n  3 messages never got their receipt"));
    }
}
