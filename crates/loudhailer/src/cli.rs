//! The command line: what can be typed, with an example for each command.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Critical alerting and SMS, self-hosted, in one binary.
#[derive(Debug, Parser)]
#[command(name = "loudhailer", version, about, max_term_width = 100, after_help = "Start here: loudhailer demo")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command of the product.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole product on this machine, with a simulated carrier and handsets in the browser
    #[command(
        after_help = "Examples:\n  loudhailer demo --data ./demo-data\n  loudhailer demo --story   (alerts, answers and texts go on by themselves)"
    )]
    Demo(Demo),
    /// Write a commented loudhailer.toml and a key file; never overwrites
    #[command(after_help = "Example: loudhailer init --dir /etc/loudhailer --self-signed localhost")]
    Init(Init),
    /// Run the server
    #[command(after_help = "Example: loudhailer serve --config /etc/loudhailer/loudhailer.toml")]
    Serve(Serve),
    /// Make the stored resources equal to a file, and print the difference
    #[command(
        after_help = "Examples:\n  loudhailer apply -f resources.yaml --dry-run\n  loudhailer apply -f resources.yaml --config loudhailer.toml   (server stopped)"
    )]
    Apply(Apply),
    /// Print the stored resources as a file for apply, without secrets
    #[command(after_help = "Example: loudhailer export --kind groups > groups.yaml")]
    Export(Export),
    /// Print the versions of one resource
    #[command(after_help = "Example: loudhailer history groups demo/on-call")]
    History(History),
    /// Bring an earlier version of one resource back, as a new version
    #[command(after_help = "Example: loudhailer restore-version groups demo/on-call 3")]
    RestoreVersion(RestoreVersion),
    /// Print a new one-time set-up link; on this machine only
    #[command(after_help = "Example: loudhailer setup-link --config /etc/loudhailer/loudhailer.toml")]
    SetupLink(Local),
    /// Run the simulated carrier as a process of its own
    #[command(
        after_help = "Example: loudhailer simulator --listen 127.0.0.1:2775 --allow-plaintext --ledger ledger.jsonl"
    )]
    Simulator(Simulator),
    /// Send one text message over a running server
    #[command(after_help = "Example: loudhailer send --to +447700900117 --text 'Tea is ready'")]
    Send(Send),
    /// Send one signal to a running server
    #[command(
        after_help = "Example: loudhailer signal --url https://localhost:8443/signals/… title='Disk full' priority=high"
    )]
    Signal(Signal),
    /// Bring the database's tables up to date, without starting the server
    #[command(after_help = "Example: loudhailer migrate --config loudhailer.toml")]
    Migrate(Local),
    /// Check configuration, keys, certificate and database, and say what is wrong
    #[command(after_help = "Example: loudhailer check --config loudhailer.toml")]
    Check(Local),
    /// The audit log
    #[command(subcommand)]
    Audit(Audit),
    /// The keys that protect the data: rotate them, list them, retire old ones
    #[command(subcommand, after_help = "Example: loudhailer keys rotate --config loudhailer.toml")]
    Keys(Keys),
    /// Measure this machine: signals, messages, signal to submit
    #[command(after_help = "Example: loudhailer bench --messages 100000")]
    Bench(Bench),
    /// Try the promise on this machine: load a private installation, kill it again and again, compare the books
    #[command(
        after_help = "Example: loudhailer selftest\n\nTakes about a minute, touches nothing else on this machine, and removes what it made. Exits 0 when nothing that was accepted is lost and nothing went twice in silence."
    )]
    Selftest(Selftest),
    /// The carrier of `bench`; started by it, not by people
    #[command(hide = true)]
    BenchCarrier(BenchCarrier),
    /// Run customers' templates; started by the server, not by people
    #[command(hide = true)]
    SandboxWorker,
}

/// `loudhailer demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the demo keeps its database, keys and secrets
    #[arg(long, default_value = "demo-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Address of the console and the API; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Address for SMPP over TLS
    #[arg(long, default_value = "127.0.0.1:2776", value_name = "ADDR")]
    pub smpp_tls: SocketAddr,
    /// Allow addresses that other machines can reach
    #[arg(long)]
    pub expose: bool,
    /// Let webhooks go to a receiver inside, by host and port; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub outbound_allow: Vec<outbound::HostPort>,
    /// The authority that vouches for these receivers, PEM
    #[arg(long, value_name = "FILE", requires = "outbound_allow")]
    pub outbound_ca: Option<PathBuf>,
    /// Print one line of JSON when everything answers, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Let a story go on, so that pages have life: sources speak, people answer, a shop writes to its customers
    #[arg(long)]
    pub story: bool,
    /// How much faster than life the story goes; 1 is an event about every 20 seconds
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "story")]
    pub pace: f64,
    /// Use this database instead of the embedded one
    #[arg(long, value_name = "URL", hide = true)]
    pub database: Option<String>,
}

/// `loudhailer init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to write
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Also write a self-signed certificate for this host name
    #[arg(long, value_name = "HOST")]
    pub self_signed: Option<String>,
}

/// `loudhailer serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Commands that work on the machine itself.
#[derive(Debug, Args)]
pub struct Local {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Where the server is: a running one, or the database itself while no server holds it.
#[derive(Debug, Args)]
pub struct Target {
    /// The running server
    #[arg(long, env = "LOUDHAILER_URL", value_name = "URL", global = false)]
    pub url: Option<String>,
    /// A file with the access token; LOUDHAILER_TOKEN holds the token itself
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificate authority of the server, as PEM
    #[arg(long, env = "LOUDHAILER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Work on this machine's database instead; only while no server runs on it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "token_file"])]
    pub config: Option<PathBuf>,
}

/// `loudhailer apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The resources, as YAML
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: PathBuf,
    /// Print the difference and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why: kept in the history of each resource
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Change a controlled production workspace without a change request, for this reason; audited
    #[arg(long, value_name = "REASON", requires = "config")]
    pub break_glass: Option<String>,
    /// Where.
    #[command(flatten)]
    pub target: Target,
}

/// `loudhailer export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Only this kind, such as groups; may be given several times
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Only this workspace
    #[arg(long, value_name = "SLUG")]
    pub workspace: Option<String>,
    /// Where.
    #[command(flatten)]
    pub target: Target,
}

/// `loudhailer history`.
#[derive(Debug, Args)]
pub struct History {
    /// The kind, such as groups
    pub kind: String,
    /// The name; WORKSPACE/NAME for what belongs to a workspace
    pub name: String,
    /// Where.
    #[command(flatten)]
    pub target: Target,
}

/// `loudhailer restore-version`.
#[derive(Debug, Args)]
pub struct RestoreVersion {
    /// The kind, such as groups
    pub kind: String,
    /// The name; WORKSPACE/NAME for what belongs to a workspace
    pub name: String,
    /// The version to bring back
    pub version: i64,
    /// Why: kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where.
    #[command(flatten)]
    pub target: Target,
}

/// `loudhailer simulator`.
#[derive(Debug, Args)]
pub struct Simulator {
    /// Where carriers' clients connect
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Certificate and key, as PEM files; without them --allow-plaintext is needed
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    pub tls: Option<Vec<PathBuf>>,
    /// Take connections in clear text
    #[arg(long, conflicts_with = "tls")]
    pub allow_plaintext: bool,
    /// One line of JSON for each submit
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// How to behave, as JSON: latency, loss, rejection, throttling, receipts
    #[arg(long, value_name = "FILE")]
    pub behaviour: Option<PathBuf>,
    /// A socket for the handsets: made with mode 0600
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// The only account that may bind; any may when absent
    #[arg(long, value_name = "NAME")]
    pub system_id: Option<String>,
    /// A file with that account's password; LOUDHAILER_SIMULATOR_PASSWORD holds the password itself
    #[arg(long, value_name = "FILE", requires = "system_id")]
    pub password_file: Option<PathBuf>,
    /// End when standard input ends: for whoever started it
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// `loudhailer send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The number, international
    #[arg(long, value_name = "NUMBER")]
    pub to: String,
    /// The text
    #[arg(long, value_name = "TEXT")]
    pub text: String,
    /// The sender it appears from
    #[arg(long, value_name = "SENDER")]
    pub source: Option<String>,
    /// The workspace that sends
    #[arg(long, default_value = "demo", env = "LOUDHAILER_WORKSPACE", value_name = "SLUG")]
    pub workspace: String,
    /// Where.
    #[command(flatten)]
    pub target: Remote,
}

/// `loudhailer signal`.
#[derive(Debug, Args)]
pub struct Signal {
    /// The integration's URL
    #[arg(long, env = "LOUDHAILER_SIGNAL_URL", value_name = "URL")]
    pub url: String,
    /// The certificate authority of the server, as PEM
    #[arg(long, env = "LOUDHAILER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A file with the access token, for integrations that want an API key
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with the body, as JSON; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    pub body: Option<PathBuf>,
    /// Fields of the signal, as NAME=VALUE
    #[arg(value_name = "NAME=VALUE", required_unless_present = "body")]
    pub fields: Vec<String>,
}

/// A running server.
#[derive(Debug, Args)]
pub struct Remote {
    /// The running server
    #[arg(long, env = "LOUDHAILER_URL", value_name = "URL")]
    pub url: String,
    /// A file with the access token; LOUDHAILER_TOKEN holds the token itself
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificate authority of the server, as PEM
    #[arg(long, env = "LOUDHAILER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `loudhailer audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Walk the chain and name the first entry that was altered, removed or reordered
    #[command(after_help = "Example: loudhailer audit verify --config loudhailer.toml")]
    Verify(Target),
}

/// `loudhailer keys`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Add a version to the key file and bring everything under it, beside the running server or without one
    #[command(
        after_help = "Example: loudhailer keys rotate --config loudhailer.toml\n\nSafe to interrupt and to run again. With several nodes, copy the key file to the others when it asks for it."
    )]
    Rotate(KeysRotate),
    /// Print the versions, what each still wraps, and what is due
    #[command(after_help = "Example: loudhailer keys list --config loudhailer.toml")]
    List(Local),
    /// Refuse versions that wrap nothing any more, and take them out of the key file
    #[command(
        after_help = "Example: loudhailer keys retire --now --config loudhailer.toml\n\nBackups from before the rotation need the versions that go: keep a copy of the key file with them."
    )]
    Retire(KeysRetire),
}

/// `loudhailer keys rotate`.
#[derive(Debug, Args)]
pub struct KeysRotate {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `loudhailer keys retire`.
#[derive(Debug, Args)]
pub struct KeysRetire {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Do not wait until a version was replaced a day ago
    #[arg(long)]
    pub now: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `loudhailer bench`.
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line, each on its own")]
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure
    #[arg(value_enum, default_value_t = BenchMode::Smpp)]
    pub mode: BenchMode,
    /// Messages to send
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=200_000_000))]
    pub messages: u64,
    /// Send for so many seconds instead
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// Messages a second; as fast as it goes when left out
    #[arg(long)]
    pub rate: Option<f64>,
    /// Binds of the application
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub sessions: u64,
    /// Unanswered submits on each of them
    #[arg(long, default_value_t = 200, value_parser = window)]
    pub window: usize,
    /// Ask for no receipts
    #[arg(long)]
    pub no_receipts: bool,
    /// Do not measure at half of the found rate too
    #[arg(long)]
    pub no_half: bool,
    /// Drive this script too, by node, in the same run (smpp): interop/proxy.js
    #[arg(long, value_name = "SCRIPT")]
    pub beside: Option<PathBuf>,
    /// Milliseconds until the carrier answers
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub carrier_latency: u64,
    /// Binds to the carrier
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub carrier_sessions: u64,
    /// Unanswered requests on each of them, in either direction
    #[arg(long, default_value_t = 1_000, value_parser = window)]
    pub carrier_window: usize,
    /// Messages that are in the table before
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000_000))]
    pub history: u64,
    /// HTTP requests under way (rest, batch)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub requests: u64,
    /// Messages for a carrier that is dead (queued, alert)
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(..=100_000_000))]
    pub queued: u64,
    /// Binds that say nothing (idle)
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(..=11_000))]
    pub binds: u64,
    /// Signals whose pages are timed (alert)
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    pub pages: u64,
    /// Where to keep the data while it runs; must be on a disk, not in memory. The system's temporary directory when left out
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Use this empty database instead of an embedded one
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Leave the directory for a look
    #[arg(long)]
    pub keep: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `loudhailer bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchMode {
    /// An application by SMPP, at full and at half load
    Smpp,
    /// Single sends by REST
    Rest,
    /// Batches by REST
    Batch,
    /// Many messages for a dead carrier, a restart, the carrier's return
    Queued,
    /// Applications that are bound and silent
    Idle,
    /// From a signal to its page, beside bulk
    Alert,
}

impl BenchMode {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smpp => "smpp",
            Self::Rest => "rest",
            Self::Batch => "batch",
            Self::Queued => "queued",
            Self::Idle => "idle",
            Self::Alert => "alert",
        }
    }
}

/// A window as SMPP accounts and carriers may have it.
fn window(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|window| (1..=2_000).contains(window)).ok_or_else(|| "1 to 2000".to_owned())
}

/// `loudhailer bench-carrier`: the bench's carrier, a process of its own.
#[derive(Debug, Args)]
pub struct BenchCarrier {
    /// Its certificate
    #[arg(long)]
    pub cert: PathBuf,
    /// The key of that
    #[arg(long)]
    pub key: PathBuf,
    /// Until it answers a submit
    #[arg(long, default_value_t = 0)]
    pub answer_after_ms: u64,
    /// From then until the receipt
    #[arg(long, default_value_t = 10)]
    pub receipt_after_ms: u64,
    /// Receipts that may be unanswered on each bind
    #[arg(long, default_value_t = 1_000)]
    pub window: usize,
}

/// `loudhailer selftest`.
#[derive(Debug, Args)]
pub struct Selftest {
    /// Messages to send by the API
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub messages: u64,
    /// Signals to send
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub signals: u64,
    /// How often to kill the server meanwhile
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub kills: u32,
    /// Draws the moments of the kills; the same number gives the same moments
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Use this PostgreSQL database, in a schema of its own that goes at the end, instead of an embedded one
    #[arg(long, value_name = "URL", env = "LOUDHAILER_SELFTEST_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// Leave directory and schema for a look
    #[arg(long)]
    pub keep: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}
