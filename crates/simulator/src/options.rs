//! What a simulator is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Behaviour, Error};

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where carriers' clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How connections are protected.
    pub security: Security,
    /// The only account that may bind; any may when absent.
    pub account: Option<Account>,
    /// The carrier's name for itself, up to 15 characters.
    pub name: String,
    /// The file that gets one line of JSON for each submit, appended.
    pub ledger: Option<PathBuf>,
    /// Whether each line is on the disk, not only with the operating system, before its answer.
    pub sync_ledger: bool,
    /// How to behave and whose phones there are.
    pub scenario: Scenario,
    /// The control socket, made with mode 0600.
    pub control: Option<PathBuf>,
    /// Receipts and texts that may wait for an answer on one connection.
    pub receipt_window: usize,
    /// Submits that may wait for an answer on one connection.
    pub submit_window: usize,
    /// Handsets that exist because a text was sent to them; beyond it the oldest such one goes.
    pub handsets: usize,
}

impl Options {
    /// A simulator at `listen` with `security` and defaults for everything else.
    pub fn new(listen: SocketAddr, security: Security) -> Self {
        Self {
            listen,
            security,
            account: None,
            name: "simulator".to_owned(),
            ledger: None,
            sync_ledger: false,
            scenario: Scenario::default(),
            control: None,
            receipt_window: 100,
            submit_window: 2_000,
            handsets: 2_000,
        }
    }
}

/// How connections are protected.
#[derive(Clone)]
pub enum Security {
    /// TLS with a certificate chain and its key, as PEM files; both are read again when they change.
    Tls {
        /// The chain.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// TLS as configured.
    Config(Arc<rustls::ServerConfig>),
    /// None: for a test link that somebody listens to on purpose.
    AllowPlaintext,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls { .. } => "Tls",
            Self::Config(_) => "Config",
            Self::AllowPlaintext => "AllowPlaintext",
        })
    }
}

/// Who may bind.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name, up to 15 characters.
    pub system_id: String,
    /// The password, up to 8 characters.
    pub password: SecretString,
}

/// A behaviour file: how to behave, and whose phones there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// How to behave.
    pub behaviour: Behaviour,
    /// Phones that are there from the start.
    pub handsets: Vec<Phone>,
}

/// A phone of a [`Scenario`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// Its number, `+` and digits.
    pub number: String,
    /// Whose it is.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it can be reached.
    #[serde(default = "yes")]
    pub in_reach: bool,
    /// Whether its receipts come twice.
    #[serde(default)]
    pub receipts_twice: bool,
}

const fn yes() -> bool {
    true
}

impl Scenario {
    /// Reads a behaviour file.
    pub fn read(path: &std::path::Path) -> Result<Self, Error> {
        let file = |source| Error::File { what: "behaviour file", source };
        let text = std::fs::read_to_string(path).map_err(file)?;
        let scenario: Self = serde_json::from_str(&text).map_err(|error| file(std::io::Error::other(error)))?;
        scenario.behaviour.validate()?;
        Ok(scenario)
    }
}
