//! `loudhailer serve`: the server, until SIGTERM or SIGINT.

use std::path::Path;
use std::time::Duration;

use base::ExposeSecret as _;
use http::Server;
use store::Options;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Serve;
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::product::Product;
use crate::web::{self, Extras};

/// How long a graceful end may take before the process leaves anyway.
const LAST_ORDERS: Duration = Duration::from_secs(30);

/// The marker that a directory belongs to a demo, whose secrets lie beside its data.
pub const DEMO_MARK: &str = "demo.json";

/// Loads the configuration with the process's environment over it.
pub fn configuration(path: &Path) -> Result<Config> {
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(config::load(path, environment)?)
}

/// How to open the configured database.
pub fn database_options(config: &Config) -> Result<Options> {
    let url = config.database.url.expose_secret();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let beside = Path::new(path).parent().unwrap_or(Path::new(".")).join(DEMO_MARK);
        if beside.exists() {
            return Err(Error::told(format!(
                "{} belongs to a demo. A server wants a directory of its own: loudhailer init --dir DIR",
                beside.parent().unwrap_or(Path::new(".")).display()
            )));
        }
    }
    Ok(Options::new(url.parse()?))
}

/// Runs the server.
pub async fn run(options: &Serve) -> Result<()> {
    let config = configuration(&options.config)?;
    crate::logging::start(&config.log);
    // A key that would be ignored in silence is worse than none.
    if config.smpp.listen_tls.is_some() || config.smpp.listen_plain.is_some() {
        return Err(Error::told(
            "[smpp]: SMPP for applications is not part of this version; remove listen_tls and listen_plain",
        ));
    }
    let product = Product::open(database_options(&config)?, &config.keys.file).await?;
    let settings = settings(&config)?;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|source| Error::file(path, source));
    let (cert, key) = (read(&config.tls.cert)?, read(&config.tls.key)?);
    let client_ca = config.tls.client_ca.as_deref().map(read).transpose()?;
    let (_resolver, tls) = web::tls(&cert, &key, client_ca.as_deref())?;
    let extras = Extras {
        handsets: None,
        fingerprint: crypto::tls::fingerprint_pem(&cert).map(|fingerprint| fingerprint.to_string()),
    };
    let app = web::app(&product, settings, extras);
    let server = Server::bind(config.server.listen, tls, app)
        .await
        .map_err(|error| Error::told(format!("cannot listen on {}: {error}", config.server.listen)))?;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    product.run(&tasks, &stop).await?;
    tasks.spawn(server.run(stop.clone()));
    tasks.close();
    tracing::info!(listen = %config.server.listen, public_url = config.public_url(), "ready");
    // Supervisors that do not ask for it have no socket to tell; that is no error.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    asked_to_stop().await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    wind_down(&product, &tasks, &stop).await;
    Ok(())
}

/// Settings of the doors from the configuration.
pub fn settings(config: &Config) -> Result<http::Settings> {
    let proxies =
        config.server.trusted_proxies.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<_>, _>>();
    let proxies = proxies.map_err(|error| Error::told(format!("server.trusted_proxies: {error}")))?;
    let mut settings = http::Settings::new(&config.public_url())
        .map_err(|error| Error::told(format!("server.public_url: {error}")))?
        .trust_proxies(proxies);
    if !config.server.security_contact.is_empty() {
        settings = settings.contact(&config.server.security_contact);
    }
    Ok(settings)
}

/// Waits for SIGTERM or SIGINT.
pub async fn asked_to_stop() -> Result<()> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Ends in order: doors close, answers finish, carriers unbind, the audit log is sealed, the database closes.
pub async fn wind_down(product: &Product, tasks: &TaskTracker, stop: &CancellationToken) {
    stop.cancel();
    if tokio::time::timeout(LAST_ORDERS, tasks.wait()).await.is_err() {
        tracing::warn!("something did not end in time; nothing accepted is lost, the next start goes on with it");
    }
    product.close().await;
}
