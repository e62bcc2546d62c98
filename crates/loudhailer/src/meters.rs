//! What is known of the process and of the rooms when somebody asks, and the list of every meter there is.

use meter::{About, Counter, CounterFamily, Gauge, GaugeFamily, Meter};

pub(crate) static BUILD: GaugeFamily =
    GaugeFamily::new("loudhailer_build_info", "Always 1; the version is in the label.", &["version"]);
pub(crate) static STARTED: Gauge =
    Gauge::new("loudhailer_process_start_time_seconds", "When the process started, in seconds since 1970.");
pub(crate) static CPU: GaugeFamily = GaugeFamily::new(
    "loudhailer_process_cpu_seconds",
    "Processor time of the process so far, by mode: user or system. Workers of the sandbox are not in it.",
    &["mode"],
);
pub(crate) static MEMORY: Gauge =
    Gauge::new("loudhailer_process_resident_memory_bytes", "Memory of the process that is in use.");
pub(crate) static FILES: Gauge = Gauge::new("loudhailer_process_open_fds", "File descriptors that are open.");
pub(crate) static THREADS: Gauge = Gauge::new("loudhailer_process_threads", "Threads of the process.");

pub(crate) static CERTIFICATE_EXPIRY: Gauge = Gauge::new(
    "loudhailer_tls_certificate_expiry_timestamp_seconds",
    "When the certificate of the listeners ends, in seconds since 1970.",
);
pub(crate) static CERTIFICATE_RELOADS: CounterFamily = CounterFamily::new(
    "loudhailer_tls_certificate_reloads_total",
    "Times that the certificate's files were read again, by outcome: replaced, unchanged, refused.",
    &["outcome"],
);

pub(crate) static ALERTS: GaugeFamily = GaugeFamily::new(
    "loudhailer_alerts",
    "Alerts that are live now, over all workspaces, by state and priority.",
    &["state", "priority"],
);
pub(crate) static QUEUE: GaugeFamily = GaugeFamily::new(
    "loudhailer_messages_queued",
    "Messages that are on disk and not yet handed over, by class and carrier.",
    &["class", "carrier"],
);
pub(crate) static QUEUE_AGE: GaugeFamily = GaugeFamily::new(
    "loudhailer_messages_queued_oldest_seconds",
    "For how long the message that waits longest has been due, by class and carrier; 0 when none is due.",
    &["class", "carrier"],
);
pub(crate) static UNKNOWN: GaugeFamily = GaugeFamily::new(
    "loudhailer_messages_unknown",
    "Messages of which nobody knows whether they arrived and about which a person is to decide, by carrier.",
    &["carrier"],
);
pub(crate) static PARTS: CounterFamily = CounterFamily::new(
    "loudhailer_carrier_parts_total",
    "Parts of messages by carrier and by what came of handing them over: submitted, refused, throttled, not_sent, unknown.",
    &["carrier", "outcome"],
);
pub(crate) static LINKS: GaugeFamily = GaugeFamily::new(
    "loudhailer_carrier_sessions",
    "Sessions of a carrier: wanted, and bound now.",
    &["carrier", "state"],
);
pub(crate) static WINDOW: GaugeFamily = GaugeFamily::new(
    "loudhailer_carrier_window",
    "Submits to a carrier that may be unanswered at once (size), and that are (used).",
    &["carrier", "state"],
);
pub(crate) static ANSWERS: GaugeFamily = GaugeFamily::new(
    "loudhailer_carrier_response_seconds",
    "How long a carrier took to answer a submit over the last minutes, by quantile.",
    &["carrier", "quantile"],
);
pub(crate) static BINDS: GaugeFamily = GaugeFamily::new(
    "loudhailer_smpp_binds",
    "Applications that are bound to this node by SMPP now, by mode: transmitter, receiver, transceiver.",
    &["mode"],
);
pub(crate) static STRAYS: Counter = Counter::new(
    "loudhailer_receipts_stray_total",
    "Receipts that belonged to no message when they came, since the start.",
);

pub(crate) static JOBS: GaugeFamily = GaugeFamily::new(
    "loudhailer_jobs",
    "Work in the queue, by kind and state: waiting, claimed, dead.",
    &["kind", "state"],
);
pub(crate) static JOBS_AGE: GaugeFamily = GaugeFamily::new(
    "loudhailer_jobs_overdue_seconds",
    "For how long the job that waits longest has been due, by kind.",
    &["kind"],
);
pub(crate) static JOURNAL: Gauge = Gauge::new(
    "loudhailer_store_journal_bytes",
    "Size of the write-ahead journal of an embedded database; 0 on PostgreSQL, which has figures of its own.",
);
pub(crate) static FILE: Gauge =
    Gauge::new("loudhailer_store_file_bytes", "Size of an embedded database's file; 0 on PostgreSQL.");
pub(crate) static UP: Gauge = Gauge::new(
    "loudhailer_store_up",
    "1 when the figures of this page that come from the database are fresh, 0 when it did not answer.",
);

pub(crate) static UNSEALED: Gauge =
    Gauge::new("loudhailer_audit_unsealed", "Audit entries that are written and not yet chained.");
pub(crate) static SEALING_LAG: Gauge = Gauge::new(
    "loudhailer_audit_sealing_lag_seconds",
    "Age of the oldest audit entry that is not yet chained; 0 when there is none.",
);

pub(crate) static STREAM_BEHIND: Gauge = Gauge::new(
    "loudhailer_audit_stream_behind",
    "Audit entries that are sealed and do not count as delivered to the collector; 0 without one.",
);
pub(crate) static STREAM_LAG: Gauge = Gauge::new(
    "loudhailer_audit_stream_lag_seconds",
    "Age of the oldest audit entry that does not count as delivered to the collector; 0 when there is none.",
);

/// What is read when somebody asks.
const OWN: &[&dyn Meter] = &[
    &BUILD,
    &STARTED,
    &CPU,
    &MEMORY,
    &FILES,
    &THREADS,
    &CERTIFICATE_EXPIRY,
    &CERTIFICATE_RELOADS,
    &ALERTS,
    &QUEUE,
    &QUEUE_AGE,
    &UNKNOWN,
    &PARTS,
    &LINKS,
    &WINDOW,
    &ANSWERS,
    &BINDS,
    &STRAYS,
    &JOBS,
    &JOBS_AGE,
    &JOURNAL,
    &FILE,
    &UP,
    &UNSEALED,
    &SEALING_LAG,
    &STREAM_BEHIND,
    &STREAM_LAG,
];

/// Every meter of the product, room by room.
pub fn all() -> Vec<&'static dyn Meter> {
    let rooms = [
        OWN,
        http::METERS,
        mail::METERS,
        signals::METERS,
        messaging::METERS,
        sandbox::METERS,
        store::METERS,
        webhooks::METERS,
    ];
    rooms.into_iter().flatten().copied().collect()
}

/// The table of `docs/metrics.md`.
pub fn table() -> String {
    use std::fmt::Write as _;
    let mut out = "| Name | Type | Labels | Tells |\n|---|---|---|---|\n".to_owned();
    for meter in all() {
        let About { name, help, kind, labels } = *meter.about();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(out, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use meter::Kind;

    use super::*;

    /// What Prometheus's own rules for names ask for, and what `promtool check metrics` would say.
    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let mut names = BTreeSet::new();
        for meter in all() {
            let About { name, help, kind, labels } = *meter.about();
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.starts_with("loudhailer_"), "{name}");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()),
                "{name}"
            );
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.'), "{name}: a sentence");
            assert!(!name.ends_with("_bucket") && !name.ends_with("_count") && !name.ends_with("_sum"), "{name}");
            for label in labels {
                // Never who, and never which workspace: labels are bounded and nobody's business.
                assert!(!["workspace", "user", "number", "to", "from", "le"].contains(label), "{name}: {label}");
            }
        }
    }

    /// The document and the code say the same.
    #[test]
    fn the_document_lists_every_meter() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let document = std::fs::read_to_string(path).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let (head, _) = document.split_once("| Name |").unwrap();
            std::fs::write(path, format!("{head}{}", table())).unwrap();
        } else {
            assert!(
                document.ends_with(&table()),
                "run this test with UPDATE_DOCS=1 to bring docs/metrics.md up to date"
            );
        }
    }
}
