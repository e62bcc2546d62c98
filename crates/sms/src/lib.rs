//! What a text message is: alphabets (GSM 03.38 with its extension table, UCS-2), how a text is cut into
//! parts, the header that joins them again, the text of a delivery receipt, phone numbers, and countries of networks.
//!
//! Everything here is a pure function over values: no I/O, no clock, no randomness. Whatever comes from a
//! network is decoded tolerantly and never panics ([`decode`], [`Udh::parse`], [`ShortMessage::parse`],
//! [`ReceiptText::parse`] and [`Number::parse`] are the entries to fuzz); what we make ourselves is strict.
//! This room does not know SMPP, carriers or workspaces. National shift tables are not read or written.

mod coding;
mod country;
mod gsm;
mod look;
mod mobile;
mod network;
mod number;
mod receipt;
mod segment;
mod udh;

pub use coding::{Coding, ShortMessage, decode, encode};
pub use country::{Country, UnknownCountry};
pub use gsm::{characters_forcing_ucs2, is_gsm};
pub use look::{Forcing, Look, PLACES, fit, look};
pub use mobile::{Network, mcc};
pub use network::network_error;
pub use number::{Number, NumberError, Region, region};
pub use receipt::{ReceiptDate, ReceiptState, ReceiptText};
pub use segment::{Choice, Encoding, MAX_PARTS, Part, SegmentError, Segmented, count, segment};
pub use udh::{Concat, Udh};
