//! The connection to the collector: TLS of the house, with the collector's authority and perhaps a certificate of ours.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crypto::tls::Roots;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::UNACKNOWLEDGED;

/// How long connecting, and each write, may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Where the stream goes.
pub struct Target {
    host: String,
    port: u16,
    /// Read anew for each connection, so that certificates are renewed without a restart.
    config: Box<dyn Fn() -> io::Result<Arc<rustls::ClientConfig>> + Send + Sync>,
    here: String,
}

/// Why a text names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the collector's name and port, such as collector.example.com:6514")]
pub struct TargetError;

impl Target {
    /// The collector at `address` (`host:port`), of a certificate by `roots`, called from the machine `here`. Authorities and
    /// our own certificate are read by `read` at each connection.
    pub fn new(
        address: &str,
        here: &str,
        read: impl Fn() -> io::Result<(Roots, Option<(String, String)>)> + Send + Sync + 'static,
    ) -> Result<Self, TargetError> {
        let (host, port) = address.rsplit_once(':').ok_or(TargetError)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(TargetError)?;
        ServerName::try_from(host.to_owned()).map_err(|_| TargetError)?;
        let config = move || {
            let (roots, identity) = read()?;
            let made = match identity {
                Some((chain, key)) => crypto::tls::client_config_with_identity(&roots, &[], &chain, &key),
                None => crypto::tls::client_config(&roots, &[]),
            };
            made.map_err(io::Error::other)
        };
        Ok(Self { host: host.to_owned(), port, config: Box::new(config), here: here.to_owned() })
    }

    pub(super) fn here(&self) -> &str {
        &self.here
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// A live connection.
pub(super) struct Connection(TlsStream<TcpStream>);

impl Connection {
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        let config = (target.config)()?;
        let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
        within(WITHIN, async {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
            stream.set_nodelay(true)?;
            // What the peer does not acknowledge for so long breaks the connection: see `CONFIRMED`.
            socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            Ok(Self(TlsConnector::from(config).connect(name, stream).await?))
        })
        .await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(WITHIN, self.0.write_all(bytes)).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        within(WITHIN, self.0.flush()).await
    }

    /// Waits, and notices when the peer ends the connection meanwhile. What it says is of no meaning in syslog.
    pub(super) async fn rest(&mut self, time: Duration) -> io::Result<()> {
        let mut buffer = [0; 256];
        match timeout(time, self.0.read(&mut buffer)).await {
            Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the collector closed the connection")),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the collector did not answer within ten seconds");
    timeout(time, work).await.map_err(|_| late())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_and_a_port() {
        let target = |address: &str| Target::new(address, "here", || Ok((Roots::System, None))).map(|t| t.to_string());
        assert_eq!(target("collector.example.com:6514"), Ok("collector.example.com:6514".into()));
        assert_eq!(target("[2001:db8::1]:6514"), Ok("[2001:db8::1]:6514".into()));
        for bad in ["collector.example.com", "collector:0", "collector:x", ":6514", "a b:6514"] {
            assert_eq!(target(bad), Err(TargetError), "{bad}");
        }
    }
}
