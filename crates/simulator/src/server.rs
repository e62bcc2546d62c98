//! Listening, admitting binds, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Context, ExposeSecret};
use smpp::Status;
use smpplink::{Limits, Link, Unbound};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::options::{Account, Security};
use crate::{Error, Options, control, session};

/// Connections at a time, bound or not.
const CONNECTIONS: usize = 500;
/// How long stopping may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often changed certificate files are looked for.
const RELOAD: Duration = Duration::from_mins(1);

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Simulator {
    /// Starts a simulator; once this returns, it can be bound to and its control socket answers.
    pub async fn start(options: Options, ctx: Context) -> Result<Self, Error> {
        check(&options)?;
        let tls = tls_of(&options.security)?;
        let shutdown = CancellationToken::new();
        let failed = |source| Error::Listen { address: options.listen.to_string(), source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hub = Hub::new(&options, ctx, shutdown.clone())?;
        let tasks = TaskTracker::new();
        if let Some(path) = &options.control {
            let server = control::Server::bind(path)?;
            tasks.spawn(server.run(Arc::clone(&hub)));
        }
        tasks.spawn(Arc::clone(&hub).run_later());
        if let Some(Tls { resolver: Some(resolver), .. }) = &tls {
            let (resolver, shutdown) = (Arc::clone(resolver), shutdown.clone());
            tasks.spawn(async move { watch_certificate(&resolver, &shutdown).await });
        }
        let door = Door {
            hub,
            account: options.account,
            name: options.name,
            tls,
            limits: Limits {
                window: options.receipt_window.max(1),
                incoming: options.submit_window.max(1),
                ..Limits::default()
            },
        };
        tracing::info!(%address, tls = door.tls.is_some(), "the simulated carrier listens");
        let running = tokio::spawn(run_server(listener, Arc::new(door), tasks));
        Ok(Self { address, shutdown, running })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Unbinds everyone and stops.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // A panic of the server's task was reported when it happened.
        let _ = self.running.await;
    }

    /// Waits until it has stopped by itself, which it does only when its task fails.
    async fn ended(&mut self) {
        let _ = (&mut self.running).await;
    }
}

/// Runs a simulator until `shutdown`.
pub async fn run(options: Options, ctx: Context, shutdown: CancellationToken) -> Result<(), Error> {
    let mut simulator = Simulator::start(options, ctx).await?;
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = simulator.ended() => return Ok(()),
    }
    simulator.stop().await;
    Ok(())
}

fn check(options: &Options) -> Result<(), Error> {
    let length = |text: &str, most| (1..=most).contains(&text.len()) && text.is_ascii();
    if let Some(account) = &options.account
        && !(length(&account.system_id, 15) && length(account.password.expose_secret(), 8))
    {
        let wanted = "a system id of up to 15 and a password of up to 8 ASCII characters, as SMPP 3.4 allows";
        return Err(Error::behaviour("account", wanted));
    }
    if !length(&options.name, 15) {
        return Err(Error::behaviour("name", "up to 15 ASCII characters"));
    }
    Ok(())
}

struct Tls {
    config: Arc<rustls::ServerConfig>,
    resolver: Option<Arc<crypto::tls::CertResolver>>,
}

fn tls_of(security: &Security) -> Result<Option<Tls>, Error> {
    let failed = |error: crypto::Error| Error::Tls(Box::new(error));
    match security {
        Security::AllowPlaintext => Ok(None),
        Security::Config(config) => Ok(Some(Tls { config: Arc::clone(config), resolver: None })),
        Security::Tls { cert, key } => {
            let resolver = Arc::new(crypto::tls::CertResolver::from_files(cert, key).map_err(failed)?);
            let config = crypto::tls::server_config(Arc::clone(&resolver), crypto::tls::Clients::Unasked, &[])
                .map_err(failed)?;
            Ok(Some(Tls { config, resolver: Some(resolver) }))
        }
    }
}

async fn watch_certificate(resolver: &crypto::tls::CertResolver, shutdown: &CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RELOAD) => {}
        }
        if let Err(error) = resolver.reload() {
            tracing::warn!(%error, "the simulator's certificate cannot be read again; the old one stays");
        }
    }
}

struct Door {
    hub: Arc<Hub>,
    account: Option<Account>,
    name: String,
    tls: Option<Tls>,
    limits: Limits,
}

async fn run_server(listener: TcpListener, door: Arc<Door>, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let shutdown = door.hub.shutdown.clone();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, for instance: a pause lets some close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        // Beyond the limit the connection is simply closed.
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let door = Arc::clone(&door);
            tasks.spawn(async move {
                if let Err(error) = door.receive(stream).await {
                    tracing::debug!(%error, "a connection did not become a bind");
                }
                drop(place);
            });
        }
    }
    let goodbyes: Vec<_> = door
        .hub
        .binds()
        .into_iter()
        .map(|handle| tokio::spawn(async move { tokio::time::timeout(FAREWELL, handle.unbind()).await }))
        .collect();
    for goodbye in goodbyes {
        let _ = goodbye.await;
    }
    tasks.close();
    let _ = tokio::time::timeout(FAREWELL, tasks.wait()).await;
}

impl Door {
    async fn receive(&self, stream: TcpStream) -> Result<(), smpplink::AcceptError> {
        stream.set_nodelay(true).map_err(|error| smpplink::AcceptError::Closed(Some(error)))?;
        match &self.tls {
            Some(tls) => {
                let stream = smpplink::accept_tls(stream, Arc::clone(&tls.config), self.limits.unbound).await?;
                self.admit(smpplink::accept(stream, self.limits).await?).await
            }
            None => self.admit(smpplink::accept(stream, self.limits).await?).await,
        }
    }

    async fn admit<S>(&self, unbound: Unbound<S>) -> Result<(), smpplink::AcceptError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let hub = &self.hub;
        let refused = hub.state().behaviour.refuse_binds || hub.shutdown.is_cancelled();
        if refused || !self.knows(&unbound) {
            hub.state().counters.binds_refused += 1;
            hub.bump();
            // One status for every cause, so that a stranger learns nothing (security.md, SMPP).
            return unbound.refuse(Status::RBINDFAIL).await;
        }
        let account = unbound.bind().system_id.to_string();
        let Link { handle, incoming, .. } = unbound.admit(self.name.as_str()).await?;
        let bind = hub.bound(&handle, &account, self.tls.is_some());
        session::serve(hub, &handle, incoming, &account).await;
        let why = handle.closed().await;
        tracing::debug!(%account, reason = %why, "a bind is over");
        hub.unbound(bind);
        Ok(())
    }

    fn knows<S>(&self, unbound: &Unbound<S>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let bind = unbound.bind();
        match &self.account {
            None => !bind.system_id.is_empty(),
            Some(account) => {
                let id = crypto::constant_time_eq(bind.system_id.as_bytes(), account.system_id.as_bytes());
                let password =
                    crypto::constant_time_eq(bind.password.expose(), account.password.expose_secret().as_bytes());
                id && password
            }
        }
    }
}
