//! How a connection, a request or a bind can fail.

use std::io;

use base::{Explain, Problem, ProblemKind};
use smpp::{EncodeError, FrameError, Status};

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// We unbound.
    #[error("unbound by us")]
    Unbound,
    /// The peer unbound.
    #[error("unbound by the peer")]
    PeerUnbound,
    /// The peer closed the connection without a word.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer did not answer whether it is there, or was silent for too long.
    #[error("the peer fell silent")]
    Silent,
    /// The peer does not read what it is sent.
    #[error("the peer stopped reading")]
    Stalled,
    /// The peer's stream made no sense.
    #[error("the peer sent {0}")]
    OutOfStep(FrameError),
    /// The network failed.
    #[error("the connection failed: {0}")]
    Network(io::ErrorKind),
    /// We cut it.
    #[error("cut by us")]
    Aborted,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing of it left this machine: it can be sent again without a doubt.
    #[error("not sent: {0}")]
    NotSent(NotSent),
    /// It was written, and nobody knows what became of it.
    #[error("outcome unknown: {0}")]
    Unknown(Unknown),
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The connection is over, or is being ended.
    #[error("the connection is closed")]
    Closed,
    /// It cannot be written as it is.
    #[error(transparent)]
    Invalid(EncodeError),
}

/// Why an outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection was lost before the answer.
    #[error("the connection was lost before the answer")]
    Closed,
    /// An answer came that cannot be read or answers something else.
    #[error("the answer could not be read")]
    Unreadable,
}

/// Why no bound connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be reached.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// TLS failed: wrong name, unknown issuer, no common version.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The peer's key is none of those that are believed.
    #[error("the peer is not believed: {0}")]
    NotBelieved(String),
    /// A step took too long.
    #[error("no answer in time while {0}")]
    TimedOut(&'static str),
    /// The connection was closed before the bind was answered.
    #[error("closed before the bind was answered")]
    Closed(#[source] Option<io::Error>),
    /// The bind was refused.
    #[error("the bind was refused with {0}")]
    Refused(Status),
    /// The peer does not speak SMPP, or answered something else.
    #[error("the peer does not speak SMPP")]
    Protocol,
    /// The bind itself cannot be written.
    #[error("the bind cannot be sent: {0}")]
    Invalid(#[source] EncodeError),
}

impl Explain for ConnectError {
    fn problem(&self) -> Problem {
        let (code, detail): (_, std::borrow::Cow<'static, str>) = match self {
            Self::Connect(_) => {
                ("smpp-unreachable", "The address does not answer; check host, port and firewall.".into())
            }
            Self::Tls(_) => (
                "smpp-tls",
                "TLS could not be agreed on; check the name in the certificate, its issuer and its dates.".into(),
            ),
            Self::NotBelieved(_) => (
                "smpp-pin",
                "If the carrier announced a new key, add its pin beside the old one. If not, somebody else may answer there: ask them."
                    .into(),
            ),
            Self::TimedOut(doing) => ("smpp-silent", format!("The peer did not answer in time while {doing}.").into()),
            Self::Closed(_) => (
                "smpp-closed",
                "The peer closed the connection before answering the bind; is our address on its list?".into(),
            ),
            Self::Refused(status) => (
                "smpp-bind-refused",
                format!("The peer refused the bind with {status}; check system id and password.").into(),
            ),
            Self::Protocol => ("smpp-protocol", "What answers there does not speak SMPP 3.4.".into()),
            Self::Invalid(error) => ("smpp-bind-invalid", format!("The bind cannot be sent: {error}.").into()),
        };
        Problem::new(ProblemKind::Unavailable, code, detail)
    }
}

/// Why an accepted connection did not become a bind.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// No complete bind in time.
    #[error("no bind in time")]
    TimedOut,
    /// TLS failed.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The connection ended.
    #[error("closed before a bind")]
    Closed(#[source] Option<io::Error>),
    /// The stream made no sense.
    #[error("no SMPP: {0}")]
    OutOfStep(#[source] FrameError),
    /// Too many PDUs that are no bind.
    #[error("something else than a bind, again and again")]
    NoBind,
}
