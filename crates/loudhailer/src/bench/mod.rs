//! `loudhailer bench`: this machine's baselines, with a private instance in a temporary directory and the simulated carrier beside
//! it. Reports and asserts nothing; run it on a quiet machine, twice.
#![expect(clippy::cast_precision_loss, reason = "figures for people: three digits matter")]

mod machine;

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Engine, Permit, cap};
use http::Server;
use messaging::{Class, New};
use outbound::{HttpMethod, OperatorClient};
use resources::{ApplyOptions, Parsed};
use serde_json::json;
use sms::Number;
use store::Options;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Bench;
use crate::commands;
use crate::config::Log;
use crate::demo::{Carrier, Secrets, certificate, settings};
use crate::error::{Error, Result};
use crate::figures::process;
use crate::product::{self, Product};
use crate::selftest::{PEOPLE, people};
use crate::serve::wind_down;
use crate::web::{self, Extras};

/// Signals under way at once.
const SENDERS: usize = 32;
/// Messages under way at once.
const SUBMITTERS: usize = 2_000;
/// What each message says.
const TEXT: &str = "Eighty characters of text are what an application sends on an ordinary day, about.";

/// Runs everything and prints the figures.
pub async fn run(options: &Bench) -> Result<()> {
    crate::logging::start(&Log { level: "error".into(), ..Log::default() });
    if cfg!(debug_assertions) {
        eprintln!("This is the quick build profile: build with --release for figures that mean something.");
    }
    let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = dir.join(format!("loudhailer-bench-{}", std::process::id()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|source| Error::file(&dir, source))?;
    let done = measure(options, &dir).await;
    // What is left is only a temporary directory; a failure to remove it hides no figure.
    let _ = fs::remove_dir_all(&dir);
    done
}

async fn measure(options: &Bench, dir: &Path) -> Result<()> {
    let context = product::context();
    let mut figures = machine::describe(dir, &context)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listen = listener.local_addr()?;
    let secrets = Secrets::of(dir, &context)?;
    certificate(dir, listen, &context)?;
    vault::KeyFile::create(&dir.join("keys"), &context)?;
    let own = tokio::process::Command::new(std::env::current_exe()?);
    let scenario = r#"{"behaviour":{"receipt_delay_ms":10}}"#;
    let carrier = Carrier::start(own, dir, &secrets.carrier_password, scenario).await?;
    let url = options.database.clone().unwrap_or_else(|| format!("sqlite:{}", dir.join("bench.db").display()));
    let product = Product::open(Options::new(url.parse()?), &dir.join("keys")).await?;
    let document = Parsed::yaml(&seed(&carrier.address.to_string(), dir), product.resources.registry())
        .and_then(|parsed| parsed.resolve(&secrets))
        .map_err(commands::told)?;
    commands::apply_here(&product.resources, &commands::operator(), document, ApplyOptions::default(), false).await?;
    let read = |name: &str| fs::read_to_string(dir.join(name)).map_err(|source| Error::file(&dir.join(name), source));
    let (_resolver, tls) = web::tls(&read("server.pem")?, &read("server.key")?, None)?;
    let mut settings = settings(listen)?;
    // One machine plays all the senders here; the limits per address are for strangers.
    settings.rates = http::Rates { per_address: NonZeroU32::MAX, per_principal: NonZeroU32::MAX };
    let app = web::app(&product, settings, Extras::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    product.run(&tasks, &stop).await?;
    tasks.spawn(Server::on(listener, tls, app).run(stop.clone()));
    tasks.close();
    crate::demo::bound(&product).await?;

    settings_of(options, &url, &mut figures);
    figures.insert("idle_rss_mb".into(), json!(round(process::resident_bytes() / 1_048_576.0)));
    signals(options, dir, &product, listen.port(), &secrets, &mut figures).await?;
    messages(options, &product, &mut figures).await?;
    figures.insert("rss_mb".into(), json!(round(process::resident_bytes() / 1_048_576.0)));
    wind_down(&product, &tasks, &stop).await;
    carrier.stop().await;
    report(options, &figures)
}

/// Everything that was set, so that a figure can be had again.
fn settings_of(options: &Bench, url: &str, figures: &mut serde_json::Map<String, serde_json::Value>) {
    let sqlite = url.starts_with("sqlite");
    let durability =
        if sqlite { "WAL, synchronous=FULL" } else { "the server's own: see its fsync and synchronous_commit" };
    for (name, value) in [
        ("database", json!(if sqlite { "sqlite" } else { "postgresql" })),
        ("durability", json!(durability)),
        ("signals_at_once", json!(SENDERS)),
        ("signals", json!(options.signals)),
        ("messages_at_once", json!(SUBMITTERS)),
        ("messages", json!(options.messages)),
        ("message_characters", json!(TEXT.len())),
        ("people", json!(PEOPLE)),
        ("carrier", json!("simulated, SMPP over TLS, 2 sessions, window 1000, receipts after 10 ms, on this machine")),
    ] {
        figures.insert(name.into(), value);
    }
}

/// A hundred people with a group each; the signal names the group.
fn seed(simulator: &str, dir: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = include_str!("bench.yaml")
        .replace("@SIMULATOR@", simulator)
        .replace("@CA@", &dir.join("ca.pem").display().to_string());
    text.push_str("integrations:\n");
    for sender in 0..SENDERS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - {{workspace: bench, name: bench-{sender}, auth: [url_token], mapping: generic, flow: bench, rate_per_minute: 60000, token: {{env: GENERIC_TOKEN}}}}"
        );
    }
    text + &people("bench")
}

/// Signals over HTTPS, each a page of its own; when its submit_sm reached the carrier is in the carrier's ledger.
async fn signals(
    options: &Bench,
    dir: &Path,
    product: &Product,
    port: u16,
    secrets: &Secrets,
    figures: &mut serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let workspace = product.db.read(|tx| access::workspace_by_slug(tx, "bench")).await?;
    let workspace = workspace.ok_or_else(|| Error::told("the bench's workspace is missing"))?.id;
    let integrations = product.signals.integrations(&Permit::engine(Engine("bench"), workspace)).await?;
    let pem = fs::read_to_string(dir.join("ca.pem")).map_err(|source| Error::file(dir, source))?;
    let clock = product.db.context().clone();
    let (began, cpu) = (clock.monotonic(), process::cpu_seconds());
    let mut tasks = tokio::task::JoinSet::new();
    let first = integrations.first().ok_or_else(|| Error::told("the bench's integrations are missing"))?.id;
    let steady_url = format!("https://localhost:{port}/signals/{first}?token={}", secrets.generic_token);
    for (sender, integration) in (0..).zip(integrations) {
        let client = OperatorClient::new(Some(&pem), None)?;
        let url = format!("https://localhost:{port}/signals/{}?token={}", integration.id, secrets.generic_token);
        let (clock, count) = (clock.clone(), options.signals);
        tasks.spawn(async move {
            let mut sent = Vec::new();
            for number in (sender..count).step_by(SENDERS) {
                let name = format!("B-{number:06}");
                let body =
                    json!({ "key": name, "title": format!("Bench {name}"), "group": format!("g{}", number % PEOPLE) });
                let at = clock.now();
                let answer = client.send(HttpMethod::POST, &url, Some(&body)).await;
                if answer.is_ok_and(|answer| answer.status == 202) {
                    sent.push((name, at));
                }
            }
            sent
        });
    }
    let mut sent = std::collections::HashMap::new();
    while let Some(done) = tasks.join_next().await {
        sent.extend(done.map_err(|error| Error::told(error.to_string()))?);
    }
    let took = clock.monotonic().saturating_sub(began).as_secs_f64();
    let cpu = process::cpu_seconds() - cpu;
    // All of them first, so that the steady ones below wait for nobody.
    wait_for_pages(dir, &sent).await?;
    let steady = steadily(&OperatorClient::new(Some(&pem), None)?, &steady_url, &clock).await;
    let mut latencies = wait_for_pages(dir, &steady).await?;
    latencies.sort_unstable();
    let at =
        |percent: usize| latencies.get(latencies.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    figures.insert("signals_accepted".into(), json!(sent.len()));
    figures.insert("signals_per_second".into(), json!((sent.len() as f64 / took).round()));
    figures.insert("signal_cpu_ms".into(), json!(round(cpu * 1_000.0 / sent.len().max(1) as f64)));
    figures.insert("signal_to_submit_p50_ms".into(), json!(round(at(50) as f64 / 1_000.0)));
    figures.insert("signal_to_submit_p99_ms".into(), json!(round(at(99) as f64 / 1_000.0)));
    Ok(())
}

/// Signals at a steady pace, far from what the machine can do: for the latency of a page, not the depth of a backlog.
async fn steadily(
    client: &OperatorClient,
    url: &str,
    clock: &base::Context,
) -> std::collections::HashMap<String, base::Timestamp> {
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut sent = std::collections::HashMap::new();
    for number in 0..200_u64 {
        pace.tick().await;
        let name = format!("B-9{number:05}");
        let body = json!({ "key": name, "title": format!("Bench {name}"), "group": format!("g{}", number % PEOPLE) });
        let at = clock.now();
        if client.send(HttpMethod::POST, url, Some(&body)).await.is_ok_and(|answer| answer.status == 202) {
            sent.insert(name, at);
        }
    }
    sent
}

/// Microseconds from sending each signal to its submit_sm, once all are there.
async fn wait_for_pages(dir: &Path, sent: &std::collections::HashMap<String, base::Timestamp>) -> Result<Vec<i64>> {
    for _ in 0..600 {
        let found: Vec<i64> = simulator::ledger::read(&dir.join("ledger.jsonl"))?
            .into_iter()
            .filter_map(|entry| {
                let name = entry.text.get(entry.text.find("B-")?..)?.get(..8)?;
                Some(entry.time.as_micros() - sent.get(name)?.as_micros())
            })
            .collect();
        if found.len() >= sent.len() {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(Error::told("five minutes were not enough for the pages to reach the carrier"))
}

/// Messages from accept (on disk) to `submit_sm_resp`.
async fn messages(
    options: &Bench,
    product: &Product,
    figures: &mut serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let workspace = product.db.read(|tx| access::workspace_by_slug(tx, "bench")).await?;
    let workspace = workspace.ok_or_else(|| Error::told("the bench's workspace is missing"))?.id;
    let permit: Arc<Permit<cap::MessagesSend>> = Arc::new(Permit::engine(Engine("bench"), workspace));
    let submits = |product: &Product| product.carriers.status().iter().map(|status| status.submits).sum::<u64>();
    let clock = product.db.context().clone();
    let (before, began, cpu) = (submits(product), clock.monotonic(), process::cpu_seconds());
    let room = Arc::new(Semaphore::new(SUBMITTERS));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..options.messages {
        let place = Arc::clone(&room).acquire_owned().await?;
        let (messaging, permit) = (product.messaging.clone(), Arc::clone(&permit));
        tasks.spawn(async move {
            let _place = place;
            let to = Number::parse(&format!("+4477000{:05}", number % 100_000), None).ok()?;
            let new = New { class: Class::Transactional, ..New::text(to, TEXT) };
            messaging.submit(&permit, new).await.ok()
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    let accepted = clock.monotonic().saturating_sub(began).as_secs_f64();
    while submits(product) - before < options.messages {
        if clock.monotonic().saturating_sub(began) > Duration::from_mins(10) {
            return Err(Error::told("ten minutes were not enough for the messages"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = clock.monotonic().saturating_sub(began).as_secs_f64();
    let count = options.messages.max(1) as f64;
    figures.insert("messages_accepted_per_second".into(), json!((count / accepted).round()));
    figures.insert("messages_submitted_per_second".into(), json!((count / took).round()));
    figures.insert("message_cpu_us".into(), json!(round((process::cpu_seconds() - cpu) * 1e6 / count)));
    Ok(())
}

fn report(options: &Bench, figures: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::Value::Object(figures.clone()))?;
    } else {
        for (name, value) in figures {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "{:<34} {value}", name.replace('_', " "))?;
        }
    }
    Ok(())
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
