//! What can be wrong with bytes that came, and with a PDU that is to go.

use crate::{Command, CommandId, GenericNack, Pdu, Status};

/// A PDU that could not be read. The frame around it was whole, so the stream is still in step and the peer
/// can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{command} number {sequence}: {reason}")]
pub struct DecodeError {
    /// What it says it is.
    pub command: CommandId,
    /// Its sequence number, for the answer.
    pub sequence: u32,
    /// The status to answer with.
    pub status: Status,
    /// What is wrong.
    pub reason: Malformed,
}

/// What is wrong with a PDU's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The frame is shorter than a header.
    #[error("shorter than its header")]
    Header,
    /// The body ends inside a field.
    #[error("the body ends before or inside `{0}`")]
    Truncated(&'static str),
    /// A length inside the body points past its end.
    #[error("`{0}` is longer than what follows")]
    Overrun(&'static str),
    /// An optional parameter points past the end of the body.
    #[error("optional parameter 0x{0:04X} is longer than what follows")]
    Tlv(u16),
    /// More optional parameters than anybody needs.
    #[error("more than {0} optional parameters")]
    TooManyTlvs(usize),
    /// Neither a number nor a list where one of the two must be.
    #[error("`{0}` has a value that is not defined")]
    Value(&'static str),
}

impl DecodeError {
    /// The answer that the peer is owed: the response of its request with an error status, or a
    /// `generic_nack` when there is no such response. `None` when a response was malformed: answering an
    /// answer could go on for ever.
    pub fn answer(&self) -> Option<Command> {
        if self.command.is_response() {
            return None;
        }
        let pdu = match self.command.response() {
            Some(id) => Pdu::empty_response(id)?,
            None => Pdu::GenericNack(GenericNack {}),
        };
        Some(Command { status: self.status, sequence: self.sequence, pdu })
    }
}

/// A PDU that must not be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field is longer than the specification allows.
    #[error("{command}: `{field}` has {length} octets and may have {limit}")]
    TooLong {
        /// The PDU.
        command: CommandId,
        /// The field.
        field: &'static str,
        /// What it has.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// A text field holds a NUL, which would end it early on the other side.
    #[error("{command}: `{field}` holds a NUL octet")]
    Nul {
        /// The PDU.
        command: CommandId,
        /// The field.
        field: &'static str,
    },
    /// The whole PDU is longer than anyone accepts.
    #[error("{command}: {length} octets in all and {limit} are allowed")]
    Pdu {
        /// The PDU.
        command: CommandId,
        /// What it has.
        length: usize,
        /// What it may have.
        limit: usize,
    },
}

/// A stream that is no longer in step: the only way on is to close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length below that of a header.
    #[error("a PDU of {0} octets, which is less than its header")]
    TooShort(u32),
    /// A length above the limit.
    #[error("a PDU of {length} octets, and {limit} are allowed here")]
    TooLong {
        /// What the PDU says it has.
        length: u32,
        /// What it may have.
        limit: u32,
    },
}
