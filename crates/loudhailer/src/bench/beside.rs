//! A program of somebody else's, driven in the same run by the same application against the same carrier: a machine's mood then weighs
//! on both, and the ratio says more than either number.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::house::House;
use crate::error::{Error, Result};

/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(20);

/// The program. It ends with us.
pub struct Beside {
    pub address: SocketAddr,
    child: Child,
}

impl Beside {
    /// Starts `script` by node: told where the carrier is and which certificate to show, it prints where it listens.
    pub async fn start(house: &House, script: &Path, sessions: u64) -> Result<Self> {
        let mut child = Command::new("node")
            .arg(script)
            .env("CARRIER", format!("localhost:{}", house.carrier.address.port()))
            .env("CA", house.path.join("ca.pem"))
            .env("CERT", house.path.join("server.pem"))
            .env("KEY", house.path.join("server.key"))
            .env("SESSIONS", sessions.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::told("the program beside has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(READY, lines.next_line())
            .await
            .map_err(|_| Error::told(format!("{} did not say where it listens", script.display())))??;
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening on ")?.parse().ok());
        let address = address.ok_or_else(|| Error::told(format!("{} did not start", script.display())))?;
        Ok(Self { address, child })
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    pub async fn stop(mut self) {
        // It may be gone already.
        let _ = self.child.kill().await;
    }
}
