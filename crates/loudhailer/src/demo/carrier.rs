//! The simulated carrier as a child process. It ends with us, however we end: it watches its standard input.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::error::{Error, Result};

/// A running simulator.
pub struct Carrier {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

/// The phones that are there from the start.
pub const PHONES: &str = r#"{"behaviour":{"answer_delay_ms":5,"receipt_delay_ms":900,"receipt_spread_ms":600},"handsets":[
 {"number":"+447700900104","name":"Cem Sample"},{"number":"+447700900117","name":"Dina Sample"},{"number":"+447700900126","name":"Eli Sample"}]}"#;

impl Carrier {
    /// Starts it by `product`, a command of this binary, in `dir` with the certificate there, for one client with this password,
    /// behaving as `scenario` says (JSON).
    pub async fn start(mut product: Command, dir: &Path, password: &str, scenario: &str) -> Result<Self> {
        let phones = dir.join("handsets.json");
        tokio::fs::write(&phones, scenario).await.map_err(|source| Error::file(&phones, source))?;
        let mut child = product
            .args(["simulator", "--with-parent", "--listen", "127.0.0.1:0", "--system-id", "loudhailer", "--tls"])
            .arg(dir.join("server.pem"))
            .arg(dir.join("server.key"))
            .arg("--ledger")
            .arg(dir.join("ledger.jsonl"))
            .arg("--control")
            .arg(dir.join("simulator.sock"))
            .arg("--behaviour")
            .arg(&phones)
            .env("LOUDHAILER_SIMULATOR_PASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for who started it, who unbinds in order and then ends this one.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::told("the simulated carrier has no output"))?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address =
            line.as_deref().and_then(|line| line.strip_prefix("listening on ")).and_then(|text| text.parse().ok());
        let address = address.ok_or_else(|| Error::told("the simulated carrier did not start; its words are above"))?;
        Ok(Self { address, child })
    }

    /// Ends it.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(std::time::Duration::from_secs(5), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
