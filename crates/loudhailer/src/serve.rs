//! `loudhailer serve`: the server, until SIGTERM or SIGINT; SIGHUP reads the certificate again.

use std::path::Path;
use std::time::Duration;

use base::ExposeSecret as _;
use crypto::tls::Clients;
use http::{App, Server};
use store::Options;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificates::Certificates;
use crate::cli::Serve;
use crate::config::{self, ClientCertificates, Config};
use crate::error::{Error, Result};
use crate::product::{Product, Ways};
use crate::supervisor;
use crate::web::{self, Extras};

/// How long what works behind the doors may take to end before the process leaves anyway. The doors have their own time before.
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
    allow_files();
    let ways = Ways { outbound: config.outbound_rules()?, mail: config.mail()?, public_url: config.public_url() };
    let product = Product::open_with(database_options(&config)?, &config.keys.file, ways).await?;
    let settings = settings(&config)?;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|source| Error::file(path, source));
    let client_ca = config.tls.client_ca.as_deref().map(read).transpose()?;
    let context = product.db.context().clone();
    let certificates = Certificates::load(&config.tls.cert, &config.tls.key, &config.public_url(), context)?;
    let clients = match (&client_ca, config.tls.client_certificates) {
        (None, _) => Clients::Unasked,
        (Some(pem), ClientCertificates::Asked) => Clients::Asked(pem),
        (Some(pem), ClientCertificates::Demanded) => Clients::Demanded(pem),
    };
    let tls = web::tls_of(certificates.resolver(), clients)?;
    let extras = Extras {
        handsets: None,
        fingerprint: certificates.resolver().fingerprint().map(|fingerprint| fingerprint.to_string()),
        certificates: Some(certificates.clone()),
    };
    let app = web::app(&product, settings, extras);
    let server = Server::bind(config.server.listen, tls, app.clone())
        .await
        .map_err(|error| Error::told(format!("cannot listen on {}: {error}", config.server.listen)))?;
    let applications = web::smpp_listeners(&config.smpp, certificates.resolver(), clients).await?;
    // Heard from before anybody is told that we are ready.
    let mut signals = Signals::listen()?;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    product.run(&tasks, &stop).await?;
    let doors = Doors::open(server, app.clone());
    tasks.spawn(product.smppd.clone().run(applications, stop.clone()));
    tasks.spawn(certificates.clone().run(stop.clone()));
    tasks.spawn(supervisor::run(app, product.clone(), stop.clone()));
    tasks.close();
    tracing::info!(listen = %config.server.listen, public_url = config.public_url(), "ready");
    supervisor::ready(&supervisor::status(&product));
    while signals.next().await == Asked::Reload {
        supervisor::reloading();
        certificates.reload();
        supervisor::ready(&supervisor::status(&product));
    }
    supervisor::stopping();
    tracing::info!("stopping");
    // Balancers that ask now and then must see that this node is going before its door is shut.
    let notice = Duration::from_secs(config.server.stop_delay_seconds);
    let ended = async {
        doors.announce(notice).await;
        doors.close().await;
        wind_down(&product, &tasks, &stop).await;
    };
    tokio::select! {
        () = ended => Ok(()),
        () = signals.again() => Err(Error::told("left at once, as a second signal asked; the next start goes on where this one was")),
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

/// The signals that a server listens to.
struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for somebody who will not wait: another request to stop.
    async fn again(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}

/// The listening side, which ends before everything behind it.
pub struct Doors {
    running: JoinHandle<()>,
    stop: CancellationToken,
    app: App,
}

impl Doors {
    /// Begins to serve.
    pub fn open(server: Server, app: App) -> Self {
        let stop = CancellationToken::new();
        Self { running: tokio::spawn(server.run(stop.clone())), stop, app }
    }

    /// Says that this node is going, and goes on serving for `notice`.
    pub async fn announce(&self, notice: Duration) {
        self.app.drain();
        tokio::time::sleep(notice).await;
    }

    /// Takes nothing new, and waits for the answers under way, as long as the limits allow.
    pub async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the listener ended badly");
        }
    }
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
    settings.rates = http::Rates {
        per_address: config.server.requests_per_address,
        per_principal: config.server.requests_per_caller,
    };
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

/// Ends what works behind the doors, once these are closed: work stops where it can go on later, carriers unbind, the audit log is
/// sealed, and then the database closes.
pub async fn wind_down(product: &Product, tasks: &TaskTracker, stop: &CancellationToken) {
    stop.cancel();
    if tokio::time::timeout(LAST_ORDERS, tasks.wait()).await.is_err() {
        tracing::warn!("something did not end in time; nothing accepted is lost, the next start goes on with it");
    }
    product.close().await;
}

/// Every connection is a file: as many as the system lets this process have, where it begins with fewer.
pub(crate) fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it was; connections beyond it are refused");
    }
}
