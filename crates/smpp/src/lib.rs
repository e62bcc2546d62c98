//! SMPP 3.4 and the parts of 5.0 in use, without I/O: PDUs, optional parameters, framing, the states of a
//! session, and the bookkeeping of a window.
//!
//! Decoding shares the bytes that came and tolerates what peers are known to send; encoding checks every
//! length. A stranger's bytes never panic and never reserve memory because a length field says so. This room
//! opens no socket, reads no clock, and knows no other room.

mod codec;
mod command;
mod error;
mod frame;
mod pdu;
mod session;
mod status;
pub mod time;
mod tlv;
mod values;
mod window;

pub use command::CommandId;
pub use error::{DecodeError, EncodeError, FrameError, Malformed};
pub use frame::{Framer, HEADER, LIMIT_BOUND, LIMIT_UNBOUND};
pub use pdu::{
    AlertNotification, Bind, BindMode, BindResp, CancelSm, CancelSmResp, Command, DataSm, DataSmResp, DeliverSm,
    DeliverSmResp, Destination, Destinations, EnquireLink, EnquireLinkResp, GenericNack, Outbind, Pdu, QuerySm,
    QuerySmResp, ReplaceSm, ReplaceSmResp, SubmitMulti, SubmitMultiResp, SubmitSm, SubmitSmResp, Unbind, UnbindResp,
    Unsuccessful, UnsuccessfulList,
};
pub use session::{Side, State, allowed};
pub use status::Status;
pub use tlv::{MessageState, Tag, Tlvs};
pub use values::{Address, DataCoding, EsmClass, Message, Npi, Password, RegisteredDelivery, Text, Ton};
pub use window::Window;
