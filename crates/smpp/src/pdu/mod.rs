//! The PDUs of SMPP 3.4. Each is a plain struct of its mandatory fields in their order on the wire.

mod body;
mod messages;
mod multi;
mod operations;
mod session;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Reader, Writer};
use crate::frame::{HEADER, LIMIT_BOUND};
use crate::{CommandId, DecodeError, EncodeError, Malformed, Status};

pub(crate) use body::{Body, pdu};
pub use messages::{DataSm, DataSmResp, DeliverSm, DeliverSmResp, ReplaceSm, ReplaceSmResp, SubmitSm, SubmitSmResp};
pub use multi::{Destination, Destinations, SubmitMulti, SubmitMultiResp, Unsuccessful, UnsuccessfulList};
pub use operations::{AlertNotification, CancelSm, CancelSmResp, QuerySm, QuerySmResp};
pub use session::{Bind, BindMode, BindResp, EnquireLink, EnquireLinkResp, GenericNack, Outbind, Unbind, UnbindResp};

/// A PDU with the parts of its header that vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// How a request went; zero in requests.
    pub status: Status,
    /// Which request an answer belongs to.
    pub sequence: u32,
    /// What it says.
    pub pdu: Pdu,
}

macro_rules! pdus {
    ($($variant:ident = $id:ident;)*) => {
        /// What a PDU says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Pdu {
            /// A bind of one of the three kinds.
            Bind(BindMode, Bind),
            /// The answer to it.
            BindResp(BindMode, BindResp),
            $(#[doc = concat!("`", stringify!($variant), "`")] $variant($variant),)*
            /// A command that SMPP 3.4 does not have, as it came.
            Unknown(CommandId, Bytes),
        }

        impl Pdu {
            /// Its `command_id`.
            pub const fn id(&self) -> CommandId {
                match self {
                    Self::Bind(mode, _) => mode.request(),
                    Self::BindResp(mode, _) => mode.response(),
                    $(Self::$variant(_) => CommandId::$id,)*
                    Self::Unknown(id, _) => *id,
                }
            }

            fn read(id: CommandId, body: &mut Reader) -> Result<Self, Malformed> {
                if let Some(mode) = BindMode::of(id) {
                    return if id.is_response() {
                        BindResp::read(body).map(|resp| Self::BindResp(mode, resp))
                    } else {
                        Bind::read(body).map(|bind| Self::Bind(mode, bind))
                    };
                }
                match id {
                    $(CommandId::$id => $variant::read(body).map(Self::$variant),)*
                    _ => Ok(Self::Unknown(id, body.rest())),
                }
            }

            fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError> {
                match self {
                    Self::Bind(_, body) => body.write(to),
                    Self::BindResp(_, body) => body.write(to),
                    $(Self::$variant(body) => body.write(to),)*
                    Self::Unknown(_, body) => {
                        to.out.put_slice(body);
                        Ok(())
                    }
                }
            }

            /// The answer `id` with nothing in it, for answering with an error.
            pub fn empty_response(id: CommandId) -> Option<Self> {
                if !id.is_response() {
                    return None;
                }
                if let Some(mode) = BindMode::of(id) {
                    return Some(Self::BindResp(mode, BindResp::default()));
                }
                match id {
                    $(CommandId::$id => Some(Self::$variant($variant::default())),)*
                    _ => None,
                }
            }
        }

        $(impl From<$variant> for Pdu {
            fn from(body: $variant) -> Self {
                Self::$variant(body)
            }
        })*
    };
}

pdus! {
    SubmitSm = SUBMIT_SM;
    SubmitSmResp = SUBMIT_SM_RESP;
    DeliverSm = DELIVER_SM;
    DeliverSmResp = DELIVER_SM_RESP;
    EnquireLink = ENQUIRE_LINK;
    EnquireLinkResp = ENQUIRE_LINK_RESP;
    Unbind = UNBIND;
    UnbindResp = UNBIND_RESP;
    GenericNack = GENERIC_NACK;
    DataSm = DATA_SM;
    DataSmResp = DATA_SM_RESP;
    QuerySm = QUERY_SM;
    QuerySmResp = QUERY_SM_RESP;
    CancelSm = CANCEL_SM;
    CancelSmResp = CANCEL_SM_RESP;
    ReplaceSm = REPLACE_SM;
    ReplaceSmResp = REPLACE_SM_RESP;
    SubmitMulti = SUBMIT_MULTI;
    SubmitMultiResp = SUBMIT_MULTI_RESP;
    AlertNotification = ALERT_NOTIFICATION;
    Outbind = OUTBIND;
}

impl Command {
    /// A request. Its sequence number is usually set by the link that sends it.
    pub fn request(sequence: u32, pdu: impl Into<Pdu>) -> Self {
        Self { status: Status::ROK, sequence, pdu: pdu.into() }
    }

    /// The answer to the request numbered `sequence`.
    pub fn response(sequence: u32, status: Status, pdu: impl Into<Pdu>) -> Self {
        Self { status, sequence, pdu: pdu.into() }
    }

    /// Reads a whole frame, as a [`Framer`](crate::Framer) cuts it. Nothing is copied: texts and
    /// parameters share the frame's bytes.
    pub fn decode(mut frame: Bytes) -> Result<Self, DecodeError> {
        let Some((header, _)) = frame.split_first_chunk::<HEADER>() else {
            return Err(DecodeError {
                command: CommandId(0),
                sequence: 0,
                status: Status::RINVCMDLEN,
                reason: Malformed::Header,
            });
        };
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (id, status, sequence) = (CommandId(word(4)), Status(word(8)), word(12));
        let mut body = Reader::new(frame.split_off(HEADER), id.is_response());
        match Pdu::read(id, &mut body) {
            Ok(pdu) => Ok(Self { status, sequence, pdu }),
            Err(reason) => Err(DecodeError { command: id, sequence, status: reason.status(), reason }),
        }
    }

    /// Appends this PDU to `out`. On an error `out` is as it was.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.write(out, start);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write(&self, out: &mut BytesMut, start: usize) -> Result<(), EncodeError> {
        let command = self.pdu.id();
        out.reserve(128);
        out.put_u32(0);
        out.put_u32(command.0);
        out.put_u32(self.status.0);
        out.put_u32(self.sequence);
        if !self.body_is_left_out() {
            self.pdu.write(&mut Writer { out, command })?;
        }
        let length = out.len() - start;
        match u32::try_from(length) {
            Ok(value) if value <= LIMIT_BOUND => {
                out[start..start + 4].copy_from_slice(&value.to_be_bytes());
                Ok(())
            }
            _ => Err(EncodeError::Pdu { command, length, limit: LIMIT_BOUND as usize }),
        }
    }

    /// A refused bind or submit is answered without a body (4.1.2, 4.4.2), unless there is something to say.
    fn body_is_left_out(&self) -> bool {
        !self.status.is_ok()
            && match &self.pdu {
                Pdu::BindResp(_, body) => *body == BindResp::default(),
                Pdu::SubmitSmResp(body) => *body == SubmitSmResp::default(),
                Pdu::SubmitMultiResp(body) => *body == SubmitMultiResp::default(),
                _ => false,
            }
    }
}

impl Malformed {
    /// The status that tells the peer what was wrong.
    pub const fn status(self) -> Status {
        match self {
            Self::Header | Self::Truncated(_) => Status::RINVCMDLEN,
            Self::Overrun(_) => Status::RINVMSGLEN,
            Self::Tlv(_) | Self::TooManyTlvs(_) => Status::RINVOPTPARSTREAM,
            Self::Value(_) => Status::RINVDESTFLAG,
        }
    }
}
