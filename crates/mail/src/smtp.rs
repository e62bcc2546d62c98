//! One conversation with the mail server. TLS is ours (`crypto::tls`: versions, ciphers, authorities), the protocol above it is
//! lettre's. What comes before TLS with STARTTLS is three replies, read here byte by byte: nothing that somebody slipped in
//! before the handshake is still there after it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base::ExposeSecret as _;
use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::settings::{Security, Settings};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the whole conversation may take.
const TOTAL: Duration = Duration::from_mins(1);
/// Bytes of one reply before TLS at most.
const REPLY: usize = 16 * 1024;

/// Why a letter did not leave, in words that hold no address and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may leave later.
    Later(String),
    /// It never will.
    Never(String),
}

/// Sends one message. `tls` is there unless letters go in clear text to this machine.
pub(crate) async fn send(
    settings: &Settings,
    tls: Option<Arc<ClientConfig>>,
    message: &Message,
) -> Result<(), Trouble> {
    match tokio::time::timeout(TOTAL, converse(settings, tls, message)).await {
        Ok(done) => done,
        Err(_) => Err(Trouble::Later("the mail server did not answer within a minute".into())),
    }
}

async fn converse(settings: &Settings, tls: Option<Arc<ClientConfig>>, message: &Message) -> Result<(), Trouble> {
    let hello = ClientId::Domain(settings.hello.clone());
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect((settings.server.as_str(), settings.port)))
        .await
        .map_err(|_| Trouble::Later("the mail server could not be reached within 10 seconds".into()))?
        .map_err(|error| Trouble::Later(format!("the mail server could not be reached: {error}")))?;
    let stream: Box<dyn AsyncTokioStream> = match (settings.security, tls) {
        (Security::Implicit, Some(tls)) => Box::new(Greeted::new(handshake(settings, tls, stream).await?, b"")),
        (Security::StartTls, Some(tls)) => {
            let stream = ask_for_tls(stream, &settings.hello).await?;
            // The server greets once, and did so before TLS.
            Box::new(Greeted::new(handshake(settings, tls, stream).await?, b"220 greeted before TLS\r\n"))
        }
        (Security::ClearOnLoopback, None) if is_here(&stream) => Box::new(stream),
        _ => return Err(Trouble::Later("letters leave in clear text to this machine alone".into())),
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(later)?;
    if let Some(account) = &settings.account {
        let credentials = Credentials::new(account.user.clone(), account.password.expose_secret().to_owned());
        let taken = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        // A wrong password is the operator's to mend; the letter waits for that.
        taken.map_err(|error| match error.status() {
            Some(code) => Trouble::Later(format!("the mail server refused the account that is configured ({code})")),
            None => later(error),
        })?;
    }
    connection.send(message.envelope(), &message.formatted()).await.map_err(|error| {
        // A refusal for good, or an address that this server cannot take.
        if error.is_permanent() || error.is_client() { Trouble::Never(words(&error)) } else { later(error) }
    })?;
    // The letter is taken; how the parting goes is of no importance.
    let _ = connection.quit().await;
    Ok(())
}

fn later(error: lettre::transport::smtp::Error) -> Trouble {
    Trouble::Later(words(&error))
}

/// What a server said, without addresses and controls: it is shown to people and kept in the log.
fn words(error: &lettre::transport::smtp::Error) -> String {
    use std::error::Error as _;
    let said = error.source().map(|cause| masked(&cause.to_string())).unwrap_or_default();
    let cut = if error.is_timeout() { "the mail server took too long" } else { "the mail server broke off" };
    match error.status() {
        Some(code) if said.is_empty() => format!("the mail server refused it ({code})"),
        Some(code) => format!("the mail server refused it ({code}): {said}"),
        None if said.is_empty() => cut.to_owned(),
        None => format!("{cut}: {said}"),
    }
}

/// A text of a stranger with every word that looks like an address hidden, one line, not long.
fn masked(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "•••" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
}

fn is_here(stream: &TcpStream) -> bool {
    stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback())
}

async fn handshake(
    settings: &Settings,
    tls: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Trouble> {
    let name = ServerName::try_from(settings.server.clone())
        .map_err(|_| Trouble::Later("the mail server's name is no host name".into()))?;
    TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(|error| Trouble::Later(format!("no TLS with the mail server: {error}")))
}

/// Greeting, `EHLO`, `STARTTLS`: until the server is ready for the handshake. One that does not offer TLS gets nothing more.
async fn ask_for_tls(mut stream: TcpStream, hello: &str) -> Result<TcpStream, Trouble> {
    let broke = |error: io::Error| Trouble::Later(format!("the mail server broke off: {error}"));
    let answered = |reply: &Reply, wanted: u16| {
        (reply.code == wanted)
            .then_some(())
            .ok_or_else(|| Trouble::Later(format!("the mail server answered {}", reply.code)))
    };
    answered(&reply(&mut stream).await.map_err(broke)?, 220)?;
    stream.write_all(format!("EHLO {hello}\r\n").as_bytes()).await.map_err(broke)?;
    let offers = reply(&mut stream).await.map_err(broke)?;
    answered(&offers, 250)?;
    if !offers.lines.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
        return Err(Trouble::Later("the mail server offers no STARTTLS, and nothing is sent in clear text".into()));
    }
    stream.write_all(b"STARTTLS\r\n").await.map_err(broke)?;
    answered(&reply(&mut stream).await.map_err(broke)?, 220)?;
    Ok(stream)
}

struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// One reply (RFC 5321 section 4.2), and not a byte more.
async fn reply(stream: &mut TcpStream) -> io::Result<Reply> {
    let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "its answer is no reply of a mail server");
    let (mut lines, mut total) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.push(stream.read_u8().await?);
            total += 1;
            if total > REPLY {
                return Err(nonsense());
            }
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(nonsense)?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(Reply { code, lines });
        }
    }
}

/// A stream that first says what the server said before: its greeting.
#[derive(Debug)]
struct Greeted {
    greeting: &'static [u8],
    inner: TlsStream<TcpStream>,
}

impl Greeted {
    const fn new(inner: TlsStream<TcpStream>, greeting: &'static [u8]) -> Self {
        Self { greeting, inner }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, into);
        }
        let (now, rest) = self.greeting.split_at(self.greeting.len().min(into.remaining()));
        into.put_slice(now);
        self.greeting = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Greeted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().0.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_holds_no_address() {
        let said = masked("5.1.1 <ada@example.com>: Recipient address\r\nrejected\u{7} by ada@example.com");
        assert_eq!(said, "5.1.1 ••• Recipient address rejected by •••");
        assert_eq!(masked(&"x ".repeat(500)).chars().count(), 200);
    }
}
