//! The real server as its operator meets it: stopping, supervision, certificates, probes, logs and figures.

mod certificates;
mod figures;
mod logs;
mod probes;
mod stopping;
mod supervised;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use loudhailer::product::context;
use loudhailer::selftest::{Plan, Site};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use testkit::{Process, client, eventually};

use crate::BINARY;

/// An installation with a simulated carrier, whose server the test starts and stops as a supervisor does.
struct Operated {
    dir: TempDir,
    site: Site,
    http: reqwest::Client,
}

impl Operated {
    async fn make(database: Option<String>) -> Self {
        crypto::install_default_provider();
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan {
            binary: BINARY.into(),
            database: None,
            messages: 0,
            signals: 0,
            lasts: Duration::ZERO,
            kills: 0,
            seed: 0,
            patience: Duration::from_mins(1),
        };
        let site = Site::make(&plan, dir.path(), database.as_deref(), &context()).await.unwrap();
        let http = client(&dir.path().join("ca.pem"));
        Self { dir, site, http }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the server with more in its environment; its log is appended to `server.log`.
    fn start(&self, environment: &[(&str, &str)]) -> Process {
        let log = File::options().create(true).append(true).open(self.path("server.log")).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["serve", "--config"]).arg(self.site.config()).stderr(log);
        command.envs(environment.iter().copied());
        let mut process = Process::start(&mut command);
        process.drain();
        process
    }

    async fn ready(&self) {
        eventually("the server is ready", || async { (self.status("/readyz").await == Some(200)).then_some(()) }).await;
    }

    /// The status of a `GET`; `None` when nobody answers.
    async fn status(&self, path: &str) -> Option<u16> {
        let get = self.http.get(format!("{}{path}", self.site.base)).timeout(Duration::from_secs(10));
        get.send().await.ok().map(|answer| answer.status().as_u16())
    }

    async fn text(&self, path: &str) -> String {
        self.http.get(format!("{}{path}", self.site.base)).send().await.unwrap().text().await.unwrap()
    }

    /// The parts behind `/readyz`, as the machine itself may see them.
    async fn parts(&self) -> Json {
        let get = self.http.get(format!("{}/readyz", self.site.base)).header("accept", "application/json");
        get.send().await.unwrap().json().await.unwrap()
    }

    /// Sends a signal that pages person `person`; whether it was answered 202.
    async fn signal(&self, name: &str, person: u64) -> bool {
        let body = json!({"key": name, "title": format!("Load {name}"), "group": format!("g{}", person % 100)});
        let post = self.http.post(&self.site.signal_url).json(&body).timeout(Duration::from_secs(20));
        post.send().await.is_ok_and(|answer| answer.status().as_u16() == 202)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap()
    }

    /// Waits until the log says so.
    async fn logged(&self, words: &str) {
        eventually(words, || async { self.log().contains(words).then_some(()) }).await;
    }

    fn audit_is_whole(&self) {
        let verify =
            Command::new(BINARY).args(["audit", "verify", "--config"]).arg(self.site.config()).output().unwrap();
        assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    }

    fn replace_in_config(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.site.config()).unwrap();
        assert!(text.contains(from), "{from} is in the configuration");
        std::fs::write(self.site.config(), text.replace(from, to)).unwrap();
    }
}

fn send(process: &Process, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Writes a certificate and its key over the server's; the authority to trust from now on.
fn renew(dir: &Path) -> String {
    use base::ExposeSecret as _;
    let made = crypto::tls::SelfSigned::generate(&["localhost".to_owned()], &context()).unwrap();
    std::fs::write(dir.join("server.pem"), &made.cert_pem).unwrap();
    std::fs::write(dir.join("server.key"), made.key_pem.expose_secret()).unwrap();
    made.ca_pem
}
