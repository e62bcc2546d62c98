//! The life of a message: accepted (on disk before anyone is answered), routed, claimed, handed to a carrier,
//! receipted; and messages that come in from handsets.
//!
//! [`Messaging`](crate) is the handle. Carriers implement [`Carrier`] and hand in what their peer brings through
//! [`Deliveries`]. Changes of messages with an [`Origin`] are published as [`CHANGED`], inbound messages as
//! [`INBOUND`]. This room does not know SMPP, HTTP or who listens.

mod carrier;
mod error;
mod model;
mod state;

pub use carrier::{
    Carrier, Deliveries, Inbound, LinkState, OnUnknownOutcome, Receipt, Submission, SubmitError, Submitted,
};
pub use error::Error;
pub use model::{
    Accepted, Changed, Content, Details, Filter, InboundArrived, InboundMessage, InboundSummary, Minute, New, Note,
    Origin, OriginRef, PartDetails, ReceiptDetails, Step, Summary,
};
pub use routing::{Class, Sender};
pub use state::{Event, Refusal, State, aggregate};

/// The event that a message with an origin changed its state; its body is [`Changed`].
pub const CHANGED: &str = "message.changed";
/// The event that a message came in; its body is [`InboundArrived`].
pub const INBOUND: &str = "message.inbound";
