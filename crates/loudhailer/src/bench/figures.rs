//! Figures with their names, in the order in which they were found.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::client::Driven;
use super::usage::{self, Usage};
use super::wire::TEXT;
use crate::cli::Bench;
use crate::error::Result;

pub struct Figures(Map<String, Value>);

impl Figures {
    pub fn of(facts: Map<String, Value>) -> Self {
        Self(facts)
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// A number with as many digits as mean something.
    pub fn number(&mut self, name: &str, value: f64) {
        let digits = if value.abs() >= 100.0 { 1.0 } else { 10.0 };
        self.set(name, json!((value * digits).round() / digits));
    }

    /// Everything that was set, so that a figure can be had again.
    pub fn settings(&mut self, options: &Bench) {
        let sqlite = options.database.is_none();
        self.set("mode", options.mode.name());
        self.set("database", if sqlite { "sqlite" } else { "postgresql" });
        self.set(
            "durability",
            if sqlite { "WAL, synchronous=FULL" } else { "the server's own: see its fsync and synchronous_commit" },
        );
        self.set("application", format!("SMPP over TLS, {} sessions, window {}", options.sessions, options.window));
        self.set(
            "carrier",
            format!(
                "SMPP over TLS, {} sessions, window {} each way, answers after {} ms, receipts 10 ms later, ids in no order",
                options.carrier_sessions, options.carrier_window, options.carrier_latency
            ),
        );
        self.set("receipts", !options.no_receipts);
        self.set("message_characters", TEXT.len());
        self.set("history_rows", options.history);
    }

    /// What became of a drive, and what the server used for it.
    pub fn driven(&mut self, prefix: &str, driven: &Driven, used: &Used, end: f64) {
        let count = driven.accepted.max(1) as f64;
        let mut put = |name: &str, value: f64| self.number(&format!("{prefix}{name}"), value);
        put("accepted", driven.accepted as f64);
        put("accepted_per_second", count / driven.took.as_secs_f64());
        put("accept_p50_ms", driven.times.percentile(50.0));
        put("accept_p99_ms", driven.times.percentile(99.0));
        put("accept_longest_ms", driven.times.longest());
        put("longest_stall_ms", driven.stall);
        put("end_to_end_per_second", count / end);
        put("receipts_back", driven.receipts as f64);
        put("server_cpu_us_per_message", used.server.cpu * 1e6 / count);
        put("server_written_bytes_per_message", used.server.written / count);
        put("server_memory_mb", used.server.most);
        put("application_cpu_us_per_message", used.own * 1e6 / count);
        put("carrier_cpu_us_per_message", used.carrier * 1e6 / count);
        if used.database > 0.0 {
            put("database_cpu_us_per_message", used.database * 1e6 / count);
        }
        for (status, count) in &driven.refused {
            self.set(&format!("{prefix}refused_with_0x{status:08x}"), *count);
        }
    }

    pub fn print(&self, as_json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if as_json {
            writeln!(out, "{}", Value::Object(self.0.clone()))?;
        } else {
            for (name, value) in &self.0 {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                writeln!(out, "{:<40} {value}", name.replace('_', " "))?;
            }
        }
        Ok(())
    }
}

/// What each process used for one drive.
#[derive(Clone, Copy, Default)]
pub struct Used {
    pub server: Usage,
    pub own: f64,
    pub carrier: f64,
    pub database: f64,
}

impl Used {
    /// What was used so far. The database's only when it is one of its own.
    pub fn now(server: u32, carrier: f64, database: bool) -> Self {
        Self {
            server: usage::of(server),
            own: usage::of(std::process::id()).cpu,
            carrier,
            database: if database { usage::cpu_of_all("postgres") } else { 0.0 },
        }
    }

    /// What was used since `before`; memory is as it is.
    pub fn since(self, before: Self) -> Self {
        Self {
            server: Usage {
                cpu: self.server.cpu - before.server.cpu,
                written: self.server.written - before.server.written,
                ..self.server
            },
            own: self.own - before.own,
            carrier: self.carrier - before.carrier,
            database: self.database - before.database,
        }
    }
}
