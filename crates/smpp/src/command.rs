//! What a PDU is: its `command_id`.

use std::fmt;

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal;)*) => {
        impl CommandId {
            $($(#[$doc])* pub const $name: Self = Self($id);)*

            /// Every id that SMPP 3.4 defines.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the specification; `unknown` for an id that it does not have.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "unknown",
                }
            }

            /// Whether SMPP 3.4 defines this id.
            pub const fn is_known(self) -> bool {
                matches!(self, $(Self::$name)|*)
            }
        }
    };
}

/// A `command_id` (SMPP 3.4, 5.1.2.1). Any value can arrive; the named ones are known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u32);

commands! {
    /// Answer to what could not be understood.
    GENERIC_NACK = 0x8000_0000, "generic_nack";
    /// Bind to receive only.
    BIND_RECEIVER = 0x0000_0001, "bind_receiver";
    /// Answer to it.
    BIND_RECEIVER_RESP = 0x8000_0001, "bind_receiver_resp";
    /// Bind to send only.
    BIND_TRANSMITTER = 0x0000_0002, "bind_transmitter";
    /// Answer to it.
    BIND_TRANSMITTER_RESP = 0x8000_0002, "bind_transmitter_resp";
    /// Ask after a message.
    QUERY_SM = 0x0000_0003, "query_sm";
    /// Answer to it.
    QUERY_SM_RESP = 0x8000_0003, "query_sm_resp";
    /// Hand over a message to send.
    SUBMIT_SM = 0x0000_0004, "submit_sm";
    /// Answer to it.
    SUBMIT_SM_RESP = 0x8000_0004, "submit_sm_resp";
    /// Hand over a received message or a receipt.
    DELIVER_SM = 0x0000_0005, "deliver_sm";
    /// Answer to it.
    DELIVER_SM_RESP = 0x8000_0005, "deliver_sm_resp";
    /// End the session.
    UNBIND = 0x0000_0006, "unbind";
    /// Answer to it.
    UNBIND_RESP = 0x8000_0006, "unbind_resp";
    /// Replace a message that waits.
    REPLACE_SM = 0x0000_0007, "replace_sm";
    /// Answer to it.
    REPLACE_SM_RESP = 0x8000_0007, "replace_sm_resp";
    /// Cancel a message that waits.
    CANCEL_SM = 0x0000_0008, "cancel_sm";
    /// Answer to it.
    CANCEL_SM_RESP = 0x8000_0008, "cancel_sm_resp";
    /// Bind to send and receive.
    BIND_TRANSCEIVER = 0x0000_0009, "bind_transceiver";
    /// Answer to it.
    BIND_TRANSCEIVER_RESP = 0x8000_0009, "bind_transceiver_resp";
    /// The SMSC asks the ESME to bind.
    OUTBIND = 0x0000_000B, "outbind";
    /// Are you there?
    ENQUIRE_LINK = 0x0000_0015, "enquire_link";
    /// Answer to it.
    ENQUIRE_LINK_RESP = 0x8000_0015, "enquire_link_resp";
    /// Hand over a message for several destinations.
    SUBMIT_MULTI = 0x0000_0021, "submit_multi";
    /// Answer to it.
    SUBMIT_MULTI_RESP = 0x8000_0021, "submit_multi_resp";
    /// A handset has become reachable.
    ALERT_NOTIFICATION = 0x0000_0102, "alert_notification";
    /// Hand over data, in either direction.
    DATA_SM = 0x0000_0103, "data_sm";
    /// Answer to it.
    DATA_SM_RESP = 0x8000_0103, "data_sm_resp";
}

impl CommandId {
    /// Whether this id answers a request.
    pub const fn is_response(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// The id of the answer to this request; `None` for what has no answer of its own.
    pub const fn response(self) -> Option<Self> {
        match self {
            Self::OUTBIND | Self::ALERT_NOTIFICATION => None,
            id if id.is_known() && !id.is_response() => Some(Self(id.0 | 0x8000_0000)),
            _ => None,
        }
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() { f.write_str(self.name()) } else { write!(f, "command 0x{:08X}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_knows_its_answer() {
        assert_eq!(CommandId::SUBMIT_SM.response(), Some(CommandId::SUBMIT_SM_RESP));
        assert_eq!(CommandId::ENQUIRE_LINK.response(), Some(CommandId::ENQUIRE_LINK_RESP));
        assert_eq!(CommandId::OUTBIND.response(), None);
        assert_eq!(CommandId::GENERIC_NACK.response(), None);
        assert_eq!(CommandId(0x77).response(), None);
        assert_eq!(CommandId(0x77).to_string(), "command 0x00000077");
        assert_eq!(CommandId::SUBMIT_MULTI.to_string(), "submit_multi");
    }
}
