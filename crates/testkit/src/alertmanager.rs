//! Prometheus Alertmanager from the distribution, with its webhook at our door.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};

/// A running Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    url: String,
    _process: Process,
    _data: TempDir,
}

impl Alertmanager {
    /// Starts it with `webhook` as its one receiver, whose certificate `ca` vouches for.
    pub async fn start(webhook: &str, ca: &Path) -> Self {
        let text = format!(
            "route: {{receiver: loudhailer, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: loudhailer, webhook_configs: [{{url: '{webhook}', send_resolved: true, \
             http_config: {{tls_config: {{ca_file: '{}'}}}}}}]}}]\n",
            ca.display()
        );
        Self::with(&text).await
    }

    /// Starts it on this configuration.
    pub async fn with(text: &str) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let config = data.path().join("alertmanager.yml");
        std::fs::write(&config, text).expect("the configuration is written");
        let address = format!("127.0.0.1:{}", free_port());
        let process = Process::start(
            Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.path={}", data.path().display()))
                .arg(format!("--web.listen-address={address}"))
                .arg("--cluster.listen-address=")
                .arg("--log.level=error"),
        );
        let url = format!("http://{address}");
        eventually("Alertmanager listens", || async { tokio::net::TcpStream::connect(&address).await.ok() }).await;
        Self { url, _process: process, _data: data }
    }

    /// Fires an alert with `amtool`.
    pub fn fire(&self, name: &str, labels: &[&str], summary: &str) {
        self.amtool(&["alert", "add", name], labels, &[&format!("--annotation=summary={summary}")]);
    }

    /// Says that the alert is over: `amtool` gives it an end in the past.
    pub fn resolve(&self, name: &str, labels: &[&str]) {
        self.amtool(&["alert", "add", name], labels, &["--end=2020-01-01T00:00:00Z", "--start=2019-01-01T00:00:00Z"]);
    }

    fn amtool(&self, verb: &[&str], labels: &[&str], options: &[&str]) {
        let status = Command::new("amtool")
            .arg(format!("--alertmanager.url={}", self.url))
            .args(verb)
            .args(labels)
            .args(options)
            .status()
            .expect("amtool runs");
        assert!(status.success(), "amtool {verb:?} {labels:?}");
    }
}
