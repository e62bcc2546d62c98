//! What is measured: a private installation in a directory of its own, made by `init` and `apply` and run by `serve`, each as a
//! process, as an operator would.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base::{Context, SecretString};
use crypto::tls::Roots;
use outbound::{HttpMethod, OperatorClient};
use tokio::process::Child;

use super::carrier::Carrier;
use super::client::Drive;
use super::usage::{self, Usage};
use crate::cli::Bench;
use crate::demo::password;
use crate::error::{Error, Result};
use crate::selftest::people;
use crate::selftest::site::{command, drawn, free_port, run};

/// How long a server may take to be ready.
const READY: Duration = Duration::from_mins(2);
/// How long it may take to end when it is asked to.
const ENDING: Duration = Duration::from_secs(40);
/// Binds of one account at once, as many as one may have.
const BINDS: u64 = 1_000;

/// The installation.
pub struct House {
    binary: PathBuf,
    pub path: PathBuf,
    server: Option<Child>,
    pub carrier: Carrier,
    /// The address of HTTPS.
    pub https: SocketAddr,
    smpp: SocketAddr,
    password: String,
    /// The API key.
    pub key: String,
    /// Where signals go, token and all, without host.
    pub door: String,
    pub tls: Arc<rustls::ClientConfig>,
    machines: OperatorClient,
    pub context: Context,
}

impl House {
    /// Makes everything and starts the carrier, not the server.
    pub async fn make(options: &Bench, path: &Path, context: &Context) -> Result<Self> {
        let binary = std::env::current_exe()?;
        let password = password(context);
        let shown = |name: &str| path.join(name).display().to_string();
        let dir = path.display().to_string();
        run(&binary, path, &["init", "--dir", &dir, "--self-signed", "localhost"], &password).await?;
        let (https, smpp) = (free_port().await?, free_port().await?);
        let file = path.join("loudhailer.toml");
        let mut text = fs::read_to_string(&file).map_err(|source| Error::file(&file, source))?;
        text = text.replace("0.0.0.0:8443", &format!("127.0.0.1:{https}"));
        text = text.replace("https://localhost:8443", &format!("https://localhost:{https}"));
        text = text.replace("0.0.0.0:2776", &format!("127.0.0.1:{smpp}"));
        text = text.replace("level = \"info\"", "level = \"warn\"");
        // One machine plays all programs here; the limits for each are for strangers and for programs in a loop.
        text =
            text.replacen("\n[tls]\n", "\nrequests_per_address = 1000000\nrequests_per_caller = 1000000\n\n[tls]\n", 1);
        if let Some(url) = &options.database {
            text = text.replace("sqlite:loudhailer.db", url);
        }
        fs::write(&file, text).map_err(|source| Error::file(&file, source))?;
        let latency = Duration::from_millis(options.carrier_latency);
        let carrier = Carrier::start(command(&binary, path), path, latency, options.carrier_window).await?;
        let resources = path.join("resources.yaml");
        fs::write(&resources, document(options, &carrier.address.to_string(), &shown("ca.pem")))
            .map_err(|source| Error::file(&resources, source))?;
        let config = file.display().to_string();
        let printed =
            run(&binary, path, &["apply", "-f", &shown("resources.yaml"), "--config", &config], &password).await?;
        let key = drawn(&printed, "api_keys bench/bench:")?;
        let door = printed.lines().find_map(|line| line.trim().strip_prefix("POST "));
        let door = door.ok_or_else(|| Error::told("apply printed no address for signals"))?.to_owned();
        let ca = fs::read_to_string(path.join("ca.pem")).map_err(|source| Error::file(path, source))?;
        Ok(Self {
            binary,
            path: path.to_owned(),
            server: None,
            carrier,
            https: SocketAddr::from(([127, 0, 0, 1], https)),
            smpp: SocketAddr::from(([127, 0, 0, 1], smpp)),
            password,
            key,
            door,
            tls: crypto::tls::client_config(&Roots::Pem(ca.clone()), &[])?,
            machines: OperatorClient::new(Some(&ca), None)?,
            context: context.clone(),
        })
    }

    /// Starts the server and waits until it is ready and, unless the carrier is down, bound to it; how long that took.
    pub async fn start(&mut self) -> Result<Duration> {
        let log = self.path.join("server.log");
        let log = File::options().create(true).append(true).mode(0o600).open(&log).map_err(|s| Error::file(&log, s))?;
        let began = self.context.monotonic();
        let child = command(&self.binary, &self.path)
            .args(["serve", "--config", "loudhailer.toml"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()?;
        self.server = Some(child);
        let url = format!("https://localhost:{}/readyz", self.https.port());
        while self.context.monotonic().saturating_sub(began) < READY {
            if let Some(ended) = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten()) {
                return Err(Error::told(format!("the server ended with {ended}: {}", self.last_words())));
            }
            if self.machines.send(HttpMethod::GET, &url, None).await.is_ok_and(|answer| answer.is_success()) {
                return Ok(self.context.monotonic().saturating_sub(began));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::told(format!("the server was not ready in two minutes: {}", self.last_words())))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.path.join("server.log")).unwrap_or_default();
        log.lines().last().unwrap_or("it left no word").to_owned()
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().and_then(Child::id).unwrap_or(0)
    }

    /// What the server used so far.
    pub fn usage(&self) -> Usage {
        usage::of(self.pid())
    }

    /// SIGKILL, as power loss would.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM; returns when the process is gone.
    pub async fn end(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        if let Some(pid) = server.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
            // It may be gone already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(ENDING, server.wait()).await.is_err() {
            let _ = server.kill().await;
        }
    }

    pub async fn stop(mut self) {
        self.end().await;
        self.carrier.stop().await;
    }

    /// Adds `rows` old messages to the table, while the server is away.
    pub async fn fill(&self, options: &Bench, rows: u64) -> Result<()> {
        let url = options.database.clone();
        let url = url.unwrap_or_else(|| format!("sqlite:{}", self.path.join("loudhailer.db").display()));
        let db = store::Db::open(store::Options::new(url.parse()?), self.context.clone()).await?;
        let filled = messaging::fill(&db, rows).await;
        db.close().await;
        Ok(filled?)
    }

    /// An application that does as `options` say.
    pub fn drive(&self, options: &Bench) -> Drive {
        Drive {
            address: self.smpp,
            tls: Arc::clone(&self.tls),
            system_id: "bench".to_owned(),
            password: self.password.clone(),
            sessions: options.sessions,
            window: options.window,
            messages: options.messages,
            seconds: options.seconds.map(Duration::from_secs),
            rate: options.rate,
            receipts: !options.no_receipts,
            context: self.context.clone(),
        }
    }

    /// A program that sends signals or asks.
    pub fn program(&self, key: bool) -> Result<OperatorClient> {
        let path = self.path.join("ca.pem");
        let ca = fs::read_to_string(&path).map_err(|source| Error::file(&path, source))?;
        Ok(OperatorClient::new(Some(&ca), key.then(|| SecretString::from(self.key.clone())))?)
    }
}

/// The name of the account of the `number`th idle bind, and the loopback address that it comes from.
pub fn idle(number: u64) -> (String, [u8; 4]) {
    (format!("idle{}", number / BINDS), [127, 0, 1, u8::try_from(1 + number / 900).unwrap_or(1)])
}

fn document(options: &Bench, carrier: &str, ca: &str) -> String {
    use std::fmt::Write as _;
    let mut text = include_str!("bench.yaml")
        .replace("@CARRIER@", carrier)
        .replace("@CA@", ca)
        .replace("@SESSIONS@", &options.carrier_sessions.to_string())
        .replace("@WINDOW@", &options.carrier_window.to_string())
        .replace("@APPLICATION@", &options.window.to_string());
    for number in 0..options.binds.div_ceil(BINDS) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - {{workspace: bench, system_id: idle{number}, password: {{env: PASSWORD}}, allow: [\"127.0.0.0/8\"], max_binds: {BINDS}}}"
        );
    }
    text + &people("bench")
}
