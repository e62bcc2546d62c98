//! The listener: our own accept loop over hyper and tokio-rustls, because the ready-made ones leave slow clients alone
//! (fault F-18). TLS only (E-01, X-21); HTTP/1.1 and HTTP/2 picked by ALPN.

mod connection;
mod door;
mod frames;
mod io;
mod scan;
mod vitals;

use std::io::Error as IoError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use connection::Shared;
use door::Doorman;
pub(crate) use scan::Ambiguity;

/// How long to wait when the machine has no file descriptors left, before accepting again.
const OUT_OF_FILES: Duration = Duration::from_millis(100);
const TIDY: Duration = Duration::from_mins(1);

/// A bound listener that serves an [`App`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    app: App,
}

impl Server {
    /// Binds `address`. `tls` comes from `crypto`; which protocols it offers is set here.
    pub async fn bind(address: SocketAddr, tls: Arc<ServerConfig>, app: App) -> Result<Self, IoError> {
        Ok(Self::on(TcpListener::bind(address).await?, tls, app))
    }

    /// Serves on a listener that is bound already, when its port had to be known first.
    pub fn on(listener: TcpListener, tls: Arc<ServerConfig>, app: App) -> Self {
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { listener, tls: Arc::new(tls), app }
    }

    /// The address that clients reach it at.
    pub fn local_addr(&self) -> Result<SocketAddr, IoError> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`; then says that it is not ready any more, takes no more connections, ends live streams, lets
    /// answers under way finish (for as long as the limits say), and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        let limits = *self.app.limits();
        let doorman = Doorman::new(limits.connections, limits.connections_per_address);
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared { acceptor: TlsAcceptor::from(self.tls), app: self.app, stop: stop.clone() });
        let mut tidy = interval(TIDY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = tidy.tick() => {
                    shared.app.tidy();
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // A proxy of ours speaks for many clients; the limit per address is for clients.
                    let counted = !shared.app.trusts(peer.ip());
                    if let Some(place) = doorman.admit(peer.ip(), counted) {
                        let shared = Arc::clone(&shared);
                        tasks.spawn(async move {
                            shared.serve(stream, peer).await;
                            drop(place);
                        });
                    } else {
                        tracing::debug!(
                            connections = doorman.inside(),
                            "a connection was turned away: too many are open"
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(OUT_OF_FILES).await;
                }
            }
        }
        // In this order: nobody must be told "ready" by a server that closes the door.
        shared.app.drain();
        drop(self.listener);
        shared.app.close_streams();
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(limits.drain + Duration::from_secs(1), tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "some connections did not end in time");
        }
    }
}
