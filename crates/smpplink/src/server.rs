//! Accepting connections and their binds, as the carrier towards an application.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ServerConfig;
use smpp::{
    Bind, BindMode, BindResp, Command, EnquireLinkResp, Framer, GenericNack, Pdu, Side, State, Status, Tag, Text, Tlvs,
    allowed,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{AcceptError, Limits, Link, driver};

/// PDUs that a stranger may send before its bind.
const PREAMBLE: usize = 8;

/// Agrees on TLS with a stranger, in a limited time.
pub async fn accept_tls<S>(stream: S, config: Arc<ServerConfig>, within: Duration) -> Result<TlsStream<S>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(within, TlsAcceptor::from(config).accept(stream))
        .await
        .map_err(|_| AcceptError::TimedOut)?
        .map_err(AcceptError::Tls)
}

/// Waits for a bind, within [`Limits::unbound`] and [`Limits::pdu_unbound`].
pub async fn accept<S>(stream: S, limits: Limits) -> Result<Unbound<S>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    timeout(limits.unbound, wait_for_bind(stream, limits)).await.map_err(|_| AcceptError::TimedOut)?
}

async fn wait_for_bind<S>(mut stream: S, limits: Limits) -> Result<Unbound<S>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error| AcceptError::Closed(Some(error));
    let framer = Framer::new(limits.pdu_unbound);
    let mut buffer = BytesMut::with_capacity(256);
    for _ in 0..PREAMBLE {
        let frame = loop {
            match framer.next(&mut buffer).map_err(AcceptError::OutOfStep)? {
                Some(frame) => break frame,
                None if stream.read_buf(&mut buffer).await.map_err(lost)? == 0 => {
                    return Err(AcceptError::Closed(None));
                }
                None => {}
            }
        };
        let answer = match Command::decode(frame) {
            Ok(Command { pdu: Pdu::Bind(mode, bind), sequence, .. }) => {
                return Ok(Unbound { stream, buffer, limits, mode, bind, sequence });
            }
            Ok(command) => refuse_unbound(&command),
            Err(error) => error.answer(),
        };
        if let Some(answer) = answer {
            write(&mut stream, &answer).await?;
        }
    }
    Err(AcceptError::NoBind)
}

/// The answer to a PDU that came before the bind.
fn refuse_unbound(command: &Command) -> Option<Command> {
    let id = command.pdu.id();
    if id.is_response() {
        return None;
    }
    if matches!(command.pdu, Pdu::EnquireLink(_)) && allowed(Side::Esme, State::Open, id) {
        return Some(Command::response(command.sequence, Status::ROK, EnquireLinkResp {}));
    }
    Some(match id.response().and_then(Pdu::empty_response) {
        Some(pdu) => Command::response(command.sequence, Status::RINVBNDSTS, pdu),
        None => Command::response(command.sequence, Status::RINVCMDID, GenericNack {}),
    })
}

/// A connection whose bind waits for an answer.
#[derive(Debug)]
pub struct Unbound<S> {
    stream: S,
    buffer: BytesMut,
    limits: Limits,
    mode: BindMode,
    bind: Bind,
    sequence: u32,
}

impl<S> Unbound<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// What the bind is for.
    pub const fn mode(&self) -> BindMode {
        self.mode
    }

    /// Who says they are, and how they prove it.
    pub const fn bind(&self) -> &Bind {
        &self.bind
    }

    /// The sequence number it gave its bind: 1 by nearly everyone who opens a connection.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The limits that [`Self::admit`] will use.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets the limits of the account.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Accepts the bind; `system_id` is our name.
    pub async fn admit(mut self, system_id: impl Into<Text>) -> Result<Link, AcceptError> {
        // An application that says 3.3 must not get optional parameters.
        let version = self.bind.version();
        let tlvs = if version >= Bind::VERSION_34 {
            Tlvs::EMPTY.with(Tag::SC_INTERFACE_VERSION, [version])
        } else {
            Tlvs::EMPTY
        };
        let answer = Pdu::BindResp(self.mode, BindResp { system_id: system_id.into(), tlvs });
        self.write(Command::response(self.sequence, Status::ROK, answer)).await?;
        Ok(driver::start(self.stream, self.buffer, Side::Smsc, self.mode, self.bind.system_id, self.limits))
    }

    /// Refuses the bind and closes.
    pub async fn refuse(mut self, status: Status) -> Result<(), AcceptError> {
        let answer = Pdu::BindResp(self.mode, BindResp::default());
        self.write(Command::response(self.sequence, status, answer)).await?;
        timeout(self.limits.unbound, self.stream.shutdown())
            .await
            .map_err(|_| AcceptError::TimedOut)?
            .map_err(|error| AcceptError::Closed(Some(error)))
    }

    async fn write(&mut self, command: Command) -> Result<(), AcceptError> {
        timeout(self.limits.unbound, write(&mut self.stream, &command)).await.map_err(|_| AcceptError::TimedOut)?
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, command: &Command) -> Result<(), AcceptError> {
    let mut out = BytesMut::new();
    if command.encode(&mut out).is_ok() {
        stream.write_all(&out).await.map_err(|error| AcceptError::Closed(Some(error)))?;
        stream.flush().await.map_err(|error| AcceptError::Closed(Some(error)))?;
    }
    Ok(())
}
