//! The product itself, as its users start it.

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

    /// The same with other arguments from now on.
    pub fn restart_with(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
        self.restart();
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

/// Starts `loudhailer serve` on a configuration that the test wrote, without SMPP for applications: many servers run beside each other
/// in tests, and its usual port is one.
pub fn serve(binary: &str, config: &Path) -> Process {
    let mut command = Command::new(binary);
    command.args(["serve", "--config"]).arg(config).env("LOUDHAILER_SMPP_LISTEN_TLS", "off");
    let mut process = Process::start(&mut command);
    process.drain();
    process
}
