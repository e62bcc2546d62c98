//! `loudhailer demo`: the whole product in one process tree on this machine. Real TLS, real SMPP, real database; only the phones
//! are drawn. Loopback alone unless `--expose`, no default credential, the same data after a restart.

mod carrier;
mod secrets;
mod story;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use access::{Actor, cap};
use base::ExposeSecret as _;
use console::Handsets;
use crypto::tls::Clients;
use http::Server;
use resources::{ApplyOptions, Change, Ground, Parsed};
use serde_json::{Value as Json, json};
use simulator::Control;
use store::Options;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Demo;
use crate::commands;
use crate::config::{Log, Smpp};
use crate::error::{Error, Result};
use crate::init::write_private;
use crate::product::{self, Product, Ways};
use crate::serve::{Doors, asked_to_stop, wind_down};
use crate::web::{self, Extras};
pub use carrier::Carrier;
pub use secrets::{Secrets, password};
use story::Story;

const SEED: &str = include_str!("seed.yaml");

/// Runs the demo until SIGTERM or SIGINT.
pub async fn run(options: &Demo) -> Result<()> {
    let level = std::env::var("LOUDHAILER_LOG_LEVEL").unwrap_or_else(|_| "warn".into());
    crate::logging::start(&Log { level, ..Log::default() });
    let private = options.listen.ip().is_loopback() && options.smpp_tls.ip().is_loopback();
    if !(private || options.expose) {
        return Err(Error::told("other machines could reach that address; say --expose if that is meant"));
    }
    let say = |words: &str| {
        if !options.json {
            println!("{words}");
        }
    };
    let dir = prepare(&options.data)?;
    let context = product::context();
    let secrets = Secrets::of(&dir, &context)?;
    certificate(&dir, options.listen, &context)?;
    if !dir.join("keys").exists() {
        vault::KeyFile::create(&dir.join("keys"), &context)?;
    }
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Error::told(format!("cannot listen on {}: {error}. Choose another with --listen", options.listen))
    })?;
    let listen = listener.local_addr()?;

    say("Starting the simulated carrier …");
    let own = tokio::process::Command::new(std::env::current_exe()?);
    let carrier = Carrier::start(own, &dir, &secrets.carrier_password, carrier::PHONES).await?;
    say("Opening the database …");
    let url = options.database.clone().unwrap_or_else(|| format!("sqlite:{}", dir.join("loudhailer.db").display()));
    // Receivers on this machine, where they are said; never the demo's own doors.
    let own_ports = vec![listen.port(), options.smpp_tls.port()];
    let authority =
        options.outbound_ca.as_deref().map(|path| fs::read_to_string(path).map_err(|source| Error::file(path, source)));
    let allow = options.outbound_allow.clone();
    let outbound = outbound::Rules { allow, own_ports, authority: authority.transpose()?, never: Vec::new() };
    let ways = Ways { outbound, mail: None, public_url: settings(listen)?.public_url().to_owned() };
    let product = Product::open_with(Options::new(url.parse()?), &dir.join("keys"), ways).await?;
    seed(&product, &dir, carrier.address, &secrets).await?;

    let read = |name: &str| fs::read_to_string(dir.join(name)).map_err(|source| Error::file(&dir.join(name), source));
    let (resolver, tls) = web::tls(&read("server.pem")?, &read("server.key")?, Clients::Unasked)?;
    let smpp = Smpp { listen_tls: Some(options.smpp_tls), listen_plain: None };
    let applications = web::smpp_listeners(&smpp, resolver, Clients::Unasked)
        .await
        .map_err(|error| Error::told(format!("{error} (for the demo: --smpp-tls ADDR)")))?;
    let smpp = applications[0].address()?;
    let facts = facts(&product, &dir, listen, smpp, &secrets).await?;
    let app = web::app(&product, settings(listen)?, extras(&dir, &facts, &secrets)?);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    product.run(&tasks, &stop).await?;
    tasks.spawn(product.smppd.clone().run(applications, stop.clone()));
    let doors = Doors::open(Server::on(listener, tls, app.clone()), app);
    bound(&product).await?;
    if options.story {
        let public = settings(listen)?.public_url().to_owned();
        tasks.spawn(Story::prepare(&product, &dir, &public, options.pace).await?.run(stop.clone()));
    }
    tasks.close();
    if options.json {
        println!("{facts}");
    } else {
        greet(&facts);
    }
    asked_to_stop().await?;
    say("\nStopping. The data stays; start again with the same command.");
    doors.close().await;
    wind_down(&product, &tasks, &stop).await;
    carrier.stop().await;
    Ok(())
}

/// Makes the directory, for its owner only.
fn prepare(dir: &Path) -> Result<std::path::PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| Error::file(dir, source))?;
    fs::canonicalize(dir).map_err(|source| Error::file(dir, source))
}

/// A certificate for this machine's loopback names (and the exposed address), signed by an authority of its own.
pub fn certificate(dir: &Path, listen: SocketAddr, context: &base::Context) -> Result<()> {
    if dir.join("server.key").exists() {
        return Ok(());
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !listen.ip().is_loopback() && !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    let made = crypto::tls::SelfSigned::generate(&names, context)?;
    write_private(&dir.join("ca.pem"), made.ca_pem.as_bytes(), 0o644)?;
    write_private(&dir.join("server.pem"), made.cert_pem.as_bytes(), 0o644)?;
    write_private(&dir.join("server.key"), made.key_pem.expose_secret().as_bytes(), 0o600)
}

/// Brings the seed in by the same `apply` that everybody uses. Idempotent: after a restart only the carrier's port changes.
async fn seed(product: &Product, dir: &Path, simulator: SocketAddr, secrets: &Secrets) -> Result<()> {
    let text =
        SEED.replace("@SIMULATOR@", &simulator.to_string()).replace("@CA@", &dir.join("ca.pem").display().to_string());
    let already = {
        let resources = product.resources.clone();
        product.db.read(move |tx| resources.workspace(tx, "demo")).await.map_err(commands::told)?.is_some()
    };
    if already {
        return lead(product, dir, simulator).await;
    }
    let document = Parsed::yaml(&text, product.resources.registry())
        .and_then(|parsed| parsed.resolve(secrets))
        .map_err(commands::told)?;
    let grants = commands::operator();
    let how = ApplyOptions { reason: Some("seed of the demo".into()), ..ApplyOptions::default() };
    commands::apply_here(&product.resources, &grants, document, how, false).await?;
    Ok(())
}

/// Leads the simulated carrier to where it listens now. What people changed since stays, also other carriers.
async fn lead(product: &Product, dir: &Path, simulator: SocketAddr) -> Result<()> {
    let grants = commands::operator();
    let told = |error: access::Denied| Error::told(error.to_string());
    let read = grants.permit_organisation::<cap::ResourcesRead>().map_err(told)?;
    let write = grants.permit_organisation::<cap::CarriersWrite>().map_err(told)?;
    let (resources, ca) = (product.resources.clone(), dir.join("ca.pem").display().to_string());
    let led = move |tx: &mut store::Tx<'_>| {
        // Somebody may have deleted it.
        let Some(stored) = resources.get(tx, &read, "carriers", None, "sim-1")? else { return Ok(()) };
        let draft = resources.draft_of(&stored)?;
        let mut body = draft.body().clone();
        body["address"] = simulator.to_string().into();
        body["tls_ca"] = ca.clone().into();
        let clearance = resources.clear(tx, &write, None, &Ground::None)?;
        let (body, reason) = (draft.with_body(body), Some("the demo was started again"));
        let change = Change { kind: "carriers", workspace: None, body, reason, clearance: &clearance };
        resources.put(tx, &write, change).map(|_| ())
    };
    product.db.write(led).await.map_err(commands::told)
}

pub fn settings(listen: SocketAddr) -> Result<http::Settings> {
    let port = listen.port();
    let name = if listen.ip().is_loopback() || listen.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        listen.ip().to_string()
    };
    let told = |error: http::UrlError| Error::told(error.to_string());
    let mut settings = http::Settings::new(&format!("https://{name}:{port}")).map_err(told)?;
    for alias in ["localhost", "127.0.0.1", "[::1]"] {
        settings = settings.alias(&format!("{alias}:{port}")).map_err(told)?;
    }
    Ok(settings)
}

/// What `--json` prints and the screen says.
async fn facts(product: &Product, dir: &Path, listen: SocketAddr, smpp: SocketAddr, secrets: &Secrets) -> Result<Json> {
    // A directory of before there was one has no account.
    let account = Some("demo").filter(|_| !secrets.smpp_password.is_empty());
    let public = settings(listen)?.public_url().to_owned();
    let (identity, actor) = (product.identity.clone(), Actor::engine("demo"));
    let link = product
        .db
        .write(move |tx| if identity.needs_setup(tx)? { identity.setup_link(tx, &actor).map(Some) } else { Ok(None) })
        .await?;
    let organisation = product.db.read(access::organisation).await?;
    let workspace = product.db.read(|tx| access::workspace_by_slug(tx, "demo")).await?;
    let workspace =
        workspace.ok_or_else(|| Error::told("the workspace demo is gone; start anew in another directory"))?;
    let permit = access::Permit::engine(access::Engine("demo"), workspace.id);
    let integrations = product.signals.integrations(&permit).await?;
    let url = |name: &str, token: &str| {
        let found = integrations.iter().find(|integration| integration.name == name);
        found.map(|integration| format!("{public}/signals/{}?token={token}", integration.id))
    };
    Ok(json!({
        "ready": true,
        "console": public,
        "setup_url": link.map(|link| format!("{public}/setup#{}", link.secret.expose_secret())),
        "ca_cert": dir.join("ca.pem"),
        "data": dir,
        "api_key": secrets.api_key,
        "subaccount": "demo",
        "account": organisation.map(|organisation| organisation.id),
        "signal_url": url("generic", &secrets.generic_token),
        "alertmanager_url": url("alertmanager", &secrets.alertmanager_token),
        "handset_url": format!("{public}/handsets#{}", secrets.handset_key),
        "smpp_tls": smpp.to_string(),
        "smpp_system_id": account,
        "smpp_password": account.map(|_| &secrets.smpp_password),
    }))
}

fn extras(dir: &Path, facts: &Json, secrets: &Secrets) -> Result<Extras> {
    let path = dir.join("server.pem");
    let pem = fs::read_to_string(&path).map_err(|source| Error::file(&path, source))?;
    let raise = facts["signal_url"]
        .as_str()
        .and_then(|url| url.split("/signals/").nth(1))
        .and_then(|rest| rest.split('?').next());
    Ok(Extras {
        fingerprint: crypto::tls::fingerprint_pem(&pem).map(|fingerprint| fingerprint.to_string()),
        certificates: None,
        handsets: Some(Handsets {
            control: Control::at(dir.join("simulator.sock")),
            key: secrets.handset_key.clone().into(),
            raise: (raise.unwrap_or_default().to_owned(), secrets.generic_token.clone().into()),
            peer: "447700900000".into(),
        }),
    })
}

/// Waits until the carrier is bound, so that "ready" means that a text can leave.
pub async fn bound(product: &Product) -> Result<()> {
    for _ in 0..200 {
        if product.carriers.status().iter().any(|status| status.sessions_bound > 0) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(Error::told("the simulated carrier could not be bound within 10 s; LOUDHAILER_LOG_LEVEL=debug says more"))
}

fn greet(facts: &Json) {
    let fact = |name: &str| facts[name].as_str().unwrap_or_default();
    println!("\nLoudhailer is running. Nothing leaves this machine; the carrier and the phones are simulated.\n");
    if facts["setup_url"].is_string() {
        println!("  1. Make the first administrator (this link works once):\n     {}\n", fact("setup_url"));
    } else {
        println!("  1. Sign in:\n     {}\n", fact("console"));
    }
    println!("  2. Watch the phones:\n     {}\n", fact("handset_url"));
    println!("  3. Raise an alert, then tap 1 on the first phone:");
    println!(
        "     curl --cacert {} '{}' \\\n       --json '{{\"title\": \"Replication lag on db-1 is 42 s\", \"priority\": \"high\"}}'\n",
        fact("ca_cert"),
        fact("signal_url")
    );
    println!("  Your browser will warn: the certificate is this demo’s own. Its authority is {}", fact("ca_cert"));
    if facts["smpp_system_id"].is_string() {
        println!(
            "  Applications bind by SMPP over TLS to {} as {} with {}",
            fact("smpp_tls"),
            fact("smpp_system_id"),
            fact("smpp_password")
        );
    }
    println!("  Prometheus Alertmanager posts to {}", fact("alertmanager_url"));
    println!("  Stop with Ctrl-C; the same command goes on with the same data ({}).", fact("data"));
}
