//! A private installation: a directory, a simulated carrier and a server, made and run as an operator would, by the commands of the
//! binary under test. Its processes end with it.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base::{Context, SecretString};
use outbound::{HttpMethod, OperatorClient};
use tokio::process::{Child, Command};

use crate::demo::{Carrier, password};
use crate::error::{Error, Result};
use crate::selftest::plan::Plan;

/// People who are paged, so that no single phone collects every text.
pub(crate) const PEOPLE: u64 = 100;
/// How long a server may take to be ready.
const READY: Duration = Duration::from_mins(1);
/// How long it may take to end when it is asked to.
const ENDING: Duration = Duration::from_secs(30);
/// How the simulated carrier behaves.
const CARRIER: &str = r#"{"behaviour":{"receipt_delay_ms":50,"receipt_spread_ms":50}}"#;

/// A directory of its own for its owner alone, removed at the end unless it shall be kept.
pub(super) struct Home {
    pub(super) path: PathBuf,
    keep: bool,
}

impl Home {
    pub(super) fn make(context: &Context, keep: bool) -> Result<Self> {
        let name = format!("loudhailer-selftest-{:08x}", u32::from_be_bytes(context.random()));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(|source| Error::file(&path, source))?;
        Ok(Self { path, keep })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.keep {
            // What is left then is only a temporary directory.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The installation.
pub struct Site {
    binary: PathBuf,
    home: PathBuf,
    server: Option<Child>,
    carrier: Carrier,
    /// The address that programs use.
    pub base: String,
    /// Where signals go, with their token.
    pub signal_url: String,
    /// The API key of the workspace `work`.
    pub key: String,
    /// Reads lists and sends messages.
    pub(super) api: OperatorClient,
    /// Sends signals.
    pub(super) machines: OperatorClient,
}

impl Site {
    /// Makes and starts everything but the server, in `home` and on `database` (an embedded one when absent).
    ///
    /// # Errors
    /// When a command of the binary fails; its words are in the error.
    pub async fn make(plan: &Plan, home: &Path, database: Option<&str>, context: &Context) -> Result<Self> {
        let password = password(context);
        let path = |name: &str| home.join(name).display().to_string();
        let binary = plan.binary.as_path();
        run(binary, home, &["init", "--dir", &home.display().to_string(), "--self-signed", "localhost"], &password)
            .await?;
        let port = free_port().await?;
        let config = home.join("loudhailer.toml");
        let mut text = fs::read_to_string(&config).map_err(|source| Error::file(&config, source))?;
        text = text.replace("0.0.0.0:8443", &format!("127.0.0.1:{port}"));
        text = text.replace("https://localhost:8443", &format!("https://localhost:{port}"));
        text = text.replace("level = \"info\"", "level = \"warn\"");
        // Nobody binds here, and whoever has the usual port keeps it.
        text = text.replace("listen_tls = \"0.0.0.0:2776\"", "listen_tls = \"off\"");
        if let Some(url) = database {
            text = text.replace("sqlite:loudhailer.db", url);
        }
        fs::write(&config, text).map_err(|source| Error::file(&config, source))?;
        let carrier = Carrier::start(command(binary, home), home, &password, CARRIER).await?;
        let resources = home.join("resources.yaml");
        fs::write(&resources, document(&carrier.address.to_string(), &path("ca.pem")))
            .map_err(|source| Error::file(&resources, source))?;
        let config = config.display().to_string();
        let printed =
            run(binary, home, &["apply", "-f", &path("resources.yaml"), "--config", &config], &password).await?;
        let key = drawn(&printed, "api_keys work/selftest:")?;
        let door = printed.lines().find_map(|line| line.trim().strip_prefix("POST "));
        let door = door.ok_or_else(|| Error::told("apply printed no address for signals"))?;
        let ca = fs::read_to_string(home.join("ca.pem")).map_err(|source| Error::file(home, source))?;
        let base = format!("https://localhost:{port}");
        Ok(Self {
            binary: plan.binary.clone(),
            home: home.to_owned(),
            server: None,
            carrier,
            signal_url: format!("{base}{door}"),
            api: OperatorClient::new(Some(&ca), Some(SecretString::from(key.clone())))?,
            key,
            machines: OperatorClient::new(Some(&ca), None)?,
            base,
        })
    }

    /// The server's configuration file.
    pub fn config(&self) -> PathBuf {
        self.home.join("loudhailer.toml")
    }

    /// The simulated carrier's ledger.
    pub(super) fn ledger(&self) -> PathBuf {
        self.home.join("ledger.jsonl")
    }

    /// Starts the server; it may take a while until it answers.
    ///
    /// # Errors
    /// When the process does not start.
    pub fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).mode(0o600).open(self.home.join("server.log"));
        let log = log.map_err(|source| Error::file(&self.home, source))?;
        let child = command(&self.binary, &self.home)
            .args(["serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()?;
        self.server = Some(child);
        Ok(())
    }

    /// SIGKILL, as power loss would; returns when the process is gone.
    pub(super) async fn kill(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill().await?;
        }
        Ok(())
    }

    /// Waits until the server says that it is ready.
    ///
    /// # Errors
    /// When it ends instead, or is not ready within a minute; its last words are in the error.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("{}/readyz", self.base);
        let asked = tokio::time::timeout(READY, async {
            loop {
                if let Some(ended) = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten()) {
                    return Err(Error::told(format!("the server ended with {ended}: {}", self.last_words())));
                }
                if self.machines.send(HttpMethod::GET, &url, None).await.is_ok_and(|answer| answer.is_success()) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        asked.await.unwrap_or_else(|_| {
            Err(Error::told(format!("the server was not ready within a minute: {}", self.last_words())))
        })
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
        log.lines().last().unwrap_or("it left no word").to_owned()
    }

    /// What `audit verify` finds wrong, if anything.
    pub(super) async fn audit_broken(&self) -> Result<Option<String>> {
        let config = self.config().display().to_string();
        let output = command(&self.binary, &self.home).args(["audit", "verify", "--config", &config]).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((!output.status.success()).then_some(said))
    }

    /// Ends everything in order.
    pub async fn stop(mut self) {
        if let Some(mut server) = self.server.take() {
            let asked = server.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
            if let Some(pid) = asked {
                // It may be gone already.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            if tokio::time::timeout(ENDING, server.wait()).await.is_err() {
                let _ = server.kill().await;
            }
        }
        self.carrier.stop().await;
    }
}

/// The binary with nothing of this process's settings: what somebody exported for their own server is not for this one. In a process
/// group of its own, so that Ctrl-C reaches this command alone, which then ends the others; and gone when this process lets go of it.
pub(crate) fn command(binary: &Path, home: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOUDHAILER_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(home).process_group(0).kill_on_drop(true);
    command
}

/// Runs a command of the binary to its end; what it printed.
pub(crate) async fn run(binary: &Path, home: &Path, arguments: &[&str], password: &str) -> Result<String> {
    let output = command(binary, home).args(arguments).env("PASSWORD", password).stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::told(format!("loudhailer {}: {}", arguments.first().unwrap_or(&""), said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A port that was free a moment ago.
pub(crate) async fn free_port() -> Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
}

/// The secret that `apply` printed behind `what`.
pub(crate) fn drawn(printed: &str, what: &str) -> Result<String> {
    let line = printed.lines().find_map(|line| line.strip_prefix(what));
    let secret = line.and_then(|rest| rest.split_whitespace().next());
    secret.map(str::to_owned).ok_or_else(|| Error::told(format!("apply printed no secret for {what}")))
}

/// A workspace, a carrier, people with a phone and a group each, and a flow that pages the group that the signal names.
fn document(carrier: &str, ca: &str) -> String {
    include_str!("site.yaml").replace("@CARRIER@", carrier).replace("@CA@", ca) + &people("work")
}

/// The people as resources: each with a phone, and a group of their own in `workspace`, `g0` and on.
pub(crate) fn people(workspace: &str) -> String {
    use std::fmt::Write as _;
    let mut text = "users:\n".to_owned();
    for person in 0..PEOPLE {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - {{name: Person {person}, login: p{person}@example.com, devices: [{{kind: sms, number: '+4477009{person:05}', order: 1}}]}}"
        );
    }
    text.push_str("groups:\n");
    for person in 0..PEOPLE {
        let _ = writeln!(
            text,
            "  - {{workspace: {workspace}, name: g{person}, members: [{{user: p{person}@example.com, delay_seconds: 0}}], repeat: {{times: 0, interval_seconds: 86400}}}}"
        );
    }
    text
}
