//! Connecting and binding, as the application towards a carrier.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use smpp::{
    Bind, BindMode, Command, CommandId, EnquireLinkResp, Framer, GenericNack, Pdu, Side, State, Status, allowed,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{ConnectError, Limits, Link, Secured, driver};

/// How long the network, and then TLS, may take.
const REACH: Duration = Duration::from_secs(10);
/// PDUs that a carrier may send before it answers the bind.
const PREAMBLE: usize = 16;

/// Where to connect.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    /// TLS, unless the link is allowed to go in clear text.
    pub tls: Option<Tls>,
}

/// How to know the other side.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The name that its certificate must carry.
    pub server_name: ServerName<'static>,
    /// Whose certificates are believed, and which versions are spoken.
    pub config: Arc<ClientConfig>,
}

/// Connects to `target` and binds. Name and chain of the certificate are verified by `config`.
pub async fn connect(target: &Target, mode: BindMode, bind: Bind, limits: Limits) -> Result<Link, ConnectError> {
    let stream = timeout(REACH, TcpStream::connect(&target.address))
        .await
        .map_err(|_| ConnectError::TimedOut("connecting"))?
        .map_err(ConnectError::Connect)?;
    // Small PDUs must not wait for each other; the writer already joins what goes together.
    stream.set_nodelay(true).map_err(ConnectError::Connect)?;
    match &target.tls {
        Some(tls) => {
            let connecting = TlsConnector::from(Arc::clone(&tls.config)).connect(tls.server_name.clone(), stream);
            let stream = timeout(REACH, connecting)
                .await
                .map_err(|_| ConnectError::TimedOut("agreeing on TLS"))?
                .map_err(not_agreed)?;
            let secured = secured(stream.get_ref().1);
            let link = bind_over(stream, mode, bind, limits).await?;
            Ok(Link { secured, ..link })
        }
        None => bind_over(stream, mode, bind, limits).await,
    }
}

/// What a failed handshake means: a key that is not pinned is told as such.
fn not_agreed(error: std::io::Error) -> ConnectError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        // What a verifier of ours says in its own words.
        Some(rustls::Error::Other(rustls::OtherError(cause))) => ConnectError::NotBelieved(cause.to_string()),
        _ => ConnectError::Tls(error),
    }
}

fn secured(connection: &rustls::ClientConnection) -> Option<Secured> {
    let certificate = connection.peer_certificates()?.first()?.as_ref().to_vec();
    let version = match connection.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "another version of TLS",
    };
    Some(Secured { certificate, version })
}

/// Binds over a stream that is already there.
pub async fn bind_over<S>(stream: S, mode: BindMode, bind: Bind, limits: Limits) -> Result<Link, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    timeout(limits.response, exchange(stream, mode, bind, limits))
        .await
        .map_err(|_| ConnectError::TimedOut("answering the bind"))?
}

async fn exchange<S>(mut stream: S, mode: BindMode, bind: Bind, limits: Limits) -> Result<Link, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error| ConnectError::Closed(Some(error));
    let mut out = BytesMut::new();
    Command::request(1, Pdu::Bind(mode, bind)).encode(&mut out).map_err(ConnectError::Invalid)?;
    stream.write_all(&out).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let framer = Framer::new(limits.pdu_bound);
    let mut buffer = BytesMut::with_capacity(1024);
    for _ in 0..PREAMBLE {
        let frame = loop {
            match framer.next(&mut buffer).map_err(|_| ConnectError::Protocol)? {
                Some(frame) => break frame,
                None if stream.read_buf(&mut buffer).await.map_err(lost)? == 0 => {
                    return Err(ConnectError::Closed(None));
                }
                None => {}
            }
        };
        let command = Command::decode(frame).map_err(|_| ConnectError::Protocol)?;
        let id = command.pdu.id();
        match command.pdu {
            Pdu::BindResp(_, answer) if allowed(Side::Smsc, State::Binding(mode), id) && command.sequence == 1 => {
                if !command.status.is_ok() {
                    return Err(ConnectError::Refused(command.status));
                }
                return Ok(driver::start(stream, buffer, Side::Esme, mode, answer.system_id, limits));
            }
            Pdu::GenericNack(_) => return Err(ConnectError::Refused(command.status)),
            Pdu::EnquireLink(_) => {
                answer(&mut stream, Command::response(command.sequence, Status::ROK, EnquireLinkResp {})).await?;
            }
            // An outbind that crossed our bind asks for what is already done.
            Pdu::Outbind(_) => {}
            // Some carriers send what waits before they answer the bind; they will send it again.
            pdu if !id.is_response() => {
                let refusal = match pdu.id().response().and_then(Pdu::empty_response) {
                    Some(pdu) if id != CommandId::UNBIND => pdu,
                    _ => Pdu::GenericNack(GenericNack {}),
                };
                answer(&mut stream, Command::response(command.sequence, Status::RINVBNDSTS, refusal)).await?;
            }
            _ => return Err(ConnectError::Protocol),
        }
    }
    Err(ConnectError::Protocol)
}

async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, command: Command) -> Result<(), ConnectError> {
    let mut out = BytesMut::new();
    if command.encode(&mut out).is_ok() {
        stream.write_all(&out).await.map_err(|error| ConnectError::Closed(Some(error)))?;
        stream.flush().await.map_err(|error| ConnectError::Closed(Some(error)))?;
    }
    Ok(())
}
