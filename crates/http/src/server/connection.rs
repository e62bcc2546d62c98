//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::Future;
use std::io::Error as IoError;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use crypto::tls::ClientCertificate;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::io::{WatchedReads, WatchedWrites};
use super::vitals::{Verdict, Vitals};
use crate::app::App;
use crate::meters;
use crate::settings::Limits;

/// The first byte of a TLS handshake record.
const HANDSHAKE: u8 = 0x16;
/// How long a connection that was asked to end may take to say good-bye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Requests that an HTTP/2 client took back before we could look at them, at once.
const PENDING_RESETS: usize = 20;

/// What the clear-text speaker gets: no redirect, because the secret in its request has leaked already and must be seen to
/// fail (ASVS 4.1.2).
const CLEAR_TEXT: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n\
    Connection: close\r\n\r\nThis port speaks HTTPS only. Use an https: URL.\n";

/// A connection after its handshake.
type Secured = TlsStream<WatchedWrites<TcpStream>>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) acceptor: TlsAcceptor,
    pub(super) app: App,
    pub(super) stop: CancellationToken,
}

impl Shared {
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let limits = *self.app.limits();
        let _ = stream.set_nodelay(true);
        let vitals = Vitals::new(limits);
        let handshake = self.handshake(stream, &vitals, limits.handshake);
        let stream = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            stream = handshake => stream,
        };
        match stream {
            Ok(Some(stream)) => self.speak(stream, &vitals, peer, limits).await,
            Ok(None) => meters::HANDSHAKES_FAILED.add(1),
            Err(error) => {
                meters::HANDSHAKES_FAILED.add(1);
                tracing::debug!(%error, "a TLS handshake failed");
            }
        }
    }

    /// TLS within its time, from the first byte on; `None` when there is nobody to talk to.
    async fn handshake(
        &self,
        mut stream: TcpStream,
        vitals: &Arc<Vitals>,
        within: Duration,
    ) -> Result<Option<Secured>, IoError> {
        let deadline = Instant::now() + within;
        let mut first = [0];
        match timeout_at(deadline, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == HANDSHAKE => {}
            Ok(Ok(1)) => {
                // Read on a little, so that closing does not discard the answer before the client has seen it.
                let _ = timeout(GOODBYE, async {
                    stream.write_all(CLEAR_TEXT).await?;
                    stream.shutdown().await?;
                    tokio::io::copy(&mut stream.take(16 * 1024), &mut tokio::io::sink()).await
                })
                .await;
                return Ok(None);
            }
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) | Err(_) => return Ok(None),
        }
        match timeout_at(deadline, self.acceptor.accept(WatchedWrites::new(stream, Arc::clone(vitals)))).await {
            Ok(stream) => stream.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn speak(&self, stream: Secured, vitals: &Arc<Vitals>, peer: SocketAddr, limits: Limits) {
        vitals.head(true);
        let app = self.app.clone();
        let counted = Arc::clone(vitals);
        // Also of a connection that was resumed. Its end is looked at again at each use.
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.and_then(|der| ClientCertificate::read(der)).map(Arc::new);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (app, vitals) = (app.clone(), Arc::clone(&counted));
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(Arc::clone(certificate));
            }
            async move { Ok::<_, Infallible>(answer(app, &vitals, request, peer).await) }
        });
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.streams)
                .max_pending_accept_reset_streams(PENDING_RESETS)
                .max_local_error_reset_streams(PENDING_RESETS * 5)
                .max_header_list_size(u32::try_from(limits.headers + limits.url).unwrap_or(u32::MAX))
                .max_send_buf_size(64 * 1024)
                .keep_alive_interval(limits.stalled)
                .keep_alive_timeout(limits.stalled);
            let io = TokioIo::new(WatchedReads::http2(stream, Arc::clone(vitals)));
            self.drive(builder.serve_connection(io, service), vitals, limits).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .max_headers(limits.header_fields)
                .max_header_size(limits.headers + 2 * limits.url)
                .max_buf_size(64 * 1024)
                // The head's own deadline is kept by `Vitals`, which knows when it began; this one is the net below it.
                .header_read_timeout(limits.keep_alive + limits.head)
                .half_close(false);
            let io = TokioIo::new(WatchedReads::http1(stream, Arc::clone(vitals)));
            self.drive(builder.serve_connection(io, service), vitals, limits).await;
        }
    }

    /// Lets the connection run, and ends it when its vitals or the server's stop say so.
    async fn drive<C: Polite>(&self, connection: C, vitals: &Vitals, limits: Limits) {
        let mut connection = std::pin::pin!(connection);
        let mut end_at: Option<Instant> = None;
        loop {
            let look_at = match vitals.verdict(Instant::now()) {
                Verdict::Fine(next) => next,
                Verdict::Idle => {
                    if end_at.is_none() {
                        connection.as_mut().say_goodbye();
                        end_at = Some(Instant::now() + GOODBYE);
                    }
                    Instant::now() + GOODBYE
                }
                Verdict::Cut(reason) => {
                    meters::CUT.add(&[reason], 1);
                    tracing::debug!(reason, "a connection was cut");
                    return;
                }
            };
            let wake_at = end_at.map_or(look_at, |end| end.min(look_at));
            tokio::select! {
                biased;
                outcome = connection.as_mut() => {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "a connection ended badly");
                    }
                    return;
                }
                () = self.stop.cancelled(), if end_at.is_none() => {
                    connection.as_mut().say_goodbye();
                    end_at = Some(Instant::now() + limits.drain);
                }
                () = vitals.changed() => {}
                () = sleep_until(wake_at) => if end_at.is_some_and(|end| Instant::now() >= end) {
                    return;
                },
            }
        }
    }
}

async fn answer(app: App, vitals: &Arc<Vitals>, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
    let flight = vitals.request();
    let response = app.answer(request.map(Body::new), peer, vitals.ambiguity()).await;
    response.map(|body| flight.follow(body))
}

/// Connections that can be asked to end after the answers under way.
trait Polite: Future<Output = Result<(), hyper::Error>> {
    fn say_goodbye(self: Pin<&mut Self>);
}

impl<S> Polite for http1::Connection<TokioIo<WatchedReads<Secured>>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn say_goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Polite for http2::Connection<TokioIo<WatchedReads<Secured>>, S, TokioExecutor>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    fn say_goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
