//! The product itself, as its users start it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use simulator::Control;
use tempfile::TempDir;

use crate::process::Process;

/// A running `loudhailer demo`.
#[derive(Debug)]
pub struct Demo {
    binary: PathBuf,
    data: TempDir,
    database: Option<String>,
    arguments: Vec<String>,
    process: Process,
    /// What `--json` printed.
    pub facts: Json,
}

impl Demo {
    /// Starts the demo in a directory of its own; on `database` when one is given, else on the embedded one.
    pub fn start(binary: &str, database: Option<String>) -> Self {
        Self::start_with(binary, database, &[])
    }

    /// The same with further arguments.
    pub fn start_with(binary: &str, database: Option<String>, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (process, facts) = launch(Path::new(binary), data.path(), database.as_deref(), ANY, &arguments);
        Self { binary: binary.into(), data, database, arguments, process, facts }
    }

    /// SIGKILL, then the same again on the same data and under the same address.
    pub fn restart(&mut self) {
        self.process.kill_9();
        let port = self.fact("console").rsplit(':').next().unwrap_or_default();
        let listen = format!("127.0.0.1:{port}");
        let (process, facts) =
            launch(&self.binary, self.data.path(), self.database.as_deref(), &listen, &self.arguments);
        self.process = process;
        self.facts = facts;
    }

    /// One of the facts, as text.
    pub fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap_or_else(|| panic!("{name} is in what the demo printed: {}", self.facts))
    }

    /// A client that trusts the demo's certificate.
    pub fn client(&self) -> reqwest::Client {
        client(Path::new(self.fact("ca_cert")))
    }

    /// The simulated carrier.
    pub fn carrier(&self) -> Control {
        Control::at(self.data.path().join("simulator.sock"))
    }

    /// The directory with the demo's data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A port that is free.
const ANY: &str = "127.0.0.1:0";

fn launch(binary: &Path, data: &Path, database: Option<&str>, listen: &str, arguments: &[String]) -> (Process, Json) {
    let mut command = Command::new(binary);
    command
        .args(["demo", "--json", "--listen", listen, "--smpp-tls", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments);
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    let mut process = Process::start(&mut command);
    let line = process.line();
    process.drain();
    let facts = serde_json::from_str(&line).unwrap_or_else(|error| panic!("the demo printed {line:?}: {error}"));
    (process, facts)
}

/// A client that trusts the authority in `ca` and nobody else.
pub fn client(ca: &Path) -> reqwest::Client {
    let pem = std::fs::read_to_string(ca).expect("the authority is readable");
    crypto::install_default_provider();
    let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
    let tls = crypto::tls::client_config(&crypto::tls::Roots::Pem(pem), alpn).expect("the authority is usable");
    reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client")
}

/// A running `loudhailer serve` on a configuration that the test wrote.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    config: PathBuf,
    process: Process,
}

impl Server {
    /// Starts the server on `config`.
    pub fn start(binary: &str, config: &Path) -> Self {
        let process = Self::launch(Path::new(binary), config);
        Self { binary: binary.into(), config: config.into(), process }
    }

    fn launch(binary: &Path, config: &Path) -> Process {
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(config);
        // Many servers run beside each other in tests; the one about SMPP says where in its configuration.
        if !std::fs::read_to_string(config).is_ok_and(|text| text.contains("# smpp of this test")) {
            command.env("LOUDHAILER_SMPP_LISTEN_TLS", "off");
        }
        let mut process = Process::start(&mut command);
        process.drain();
        process
    }

    /// SIGKILL, then the same again.
    pub fn kill_and_restart(&mut self) {
        self.process.kill_9();
        self.process = Self::launch(&self.binary, &self.config);
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The simulated carrier's ledger: what it was really asked to send.
#[derive(Debug)]
pub struct Ledger(pub Vec<Line>);

/// One submit.
#[derive(Debug, Clone)]
pub struct Line(pub Json);

impl Line {
    /// A field, as text; empty when absent.
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }
}

impl Ledger {
    /// Reads the ledger; a last line that is still being written is left out.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self(text.lines().filter_map(|line| serde_json::from_str(line).ok().map(Line)).collect())
    }

    /// How often each value of what `key` takes from a line occurs.
    pub fn count_by(&self, key: impl Fn(&Line) -> Option<String>) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in &self.0 {
            if let Some(key) = key(line) {
                *counts.entry(key).or_insert(0) += 1;
            }
        }
        counts
    }
}
