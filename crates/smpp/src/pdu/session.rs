//! PDUs that begin, keep and end a session.

use crate::pdu::pdu;
use crate::values::{Npi, Password, Text, Ton};
use crate::{CommandId, Tlvs};

/// What a bind is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindMode {
    /// Receiving only.
    Receiver,
    /// Sending only.
    Transmitter,
    /// Both.
    Transceiver,
}

impl BindMode {
    /// The kind of bind that a `command_id`, request or answer, belongs to.
    pub const fn of(id: CommandId) -> Option<Self> {
        match id {
            CommandId::BIND_RECEIVER | CommandId::BIND_RECEIVER_RESP => Some(Self::Receiver),
            CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSMITTER_RESP => Some(Self::Transmitter),
            CommandId::BIND_TRANSCEIVER | CommandId::BIND_TRANSCEIVER_RESP => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// The `command_id` of such a bind.
    pub const fn request(self) -> CommandId {
        match self {
            Self::Receiver => CommandId::BIND_RECEIVER,
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }

    /// The `command_id` of its answer.
    pub const fn response(self) -> CommandId {
        match self {
            Self::Receiver => CommandId::BIND_RECEIVER_RESP,
            Self::Transmitter => CommandId::BIND_TRANSMITTER_RESP,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER_RESP,
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Transmitter => "transmitter",
            Self::Transceiver => "transceiver",
        }
    }

    /// Whether messages may be submitted over it.
    pub const fn transmits(self) -> bool {
        matches!(self, Self::Transmitter | Self::Transceiver)
    }

    /// Whether messages and receipts come over it.
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receiver | Self::Transceiver)
    }
}

pdu! {
    /// `bind_transmitter`, `bind_receiver`, `bind_transceiver` (4.1).
    Bind {
        /// The account.
        system_id: Text, limit 16;
        /// Its password.
        password: Password, limit 9;
        /// The kind of application.
        system_type: Text, limit 13;
        /// `0x34` for SMPP 3.4.
        interface_version: u8;
        /// Type of number of the addresses served.
        addr_ton: Ton;
        /// Numbering plan of the addresses served.
        addr_npi: Npi;
        /// The addresses served.
        address_range: Text, limit 41;
    }
}

impl Bind {
    /// `interface_version` of SMPP 3.3, which knows no optional parameters.
    pub const VERSION_33: u8 = 0x33;
    /// `interface_version` of SMPP 3.4.
    pub const VERSION_34: u8 = 0x34;
    /// `interface_version` of SMPP 5.0.
    pub const VERSION_50: u8 = 0x50;

    /// A bind as `system_id` with `password`.
    pub fn new(system_id: impl Into<Text>, password: Password) -> Self {
        Self { system_id: system_id.into(), password, interface_version: Self::VERSION_34, ..Self::default() }
    }

    /// The version that both sides speak: the highest that the application says it knows. Everything below 0x34 means 3.3
    /// (5.0 section 4.7.13).
    pub const fn version(&self) -> u8 {
        match self.interface_version {
            ..Self::VERSION_34 => Self::VERSION_33,
            Self::VERSION_34..Self::VERSION_50 => Self::VERSION_34,
            Self::VERSION_50.. => Self::VERSION_50,
        }
    }
}

pdu! {
    /// The answer to a bind.
    BindResp {
        /// The carrier's name for itself.
        system_id: Text, limit 16;
        /// Optional parameters: `sc_interface_version`.
        tlvs: Tlvs;
    }
}

pdu! {
    /// `outbind` (4.1.7): the carrier asks the application to bind.
    Outbind {
        /// The carrier.
        system_id: Text, limit 16;
        /// Its password.
        password: Password, limit 9;
    }
}

pdu! {
    /// `unbind` (4.2).
    Unbind {}
}

pdu! {
    /// The answer to `unbind`.
    UnbindResp {}
}

pdu! {
    /// `enquire_link` (4.11).
    EnquireLink {}
}

pdu! {
    /// The answer to `enquire_link`.
    EnquireLinkResp {}
}

pdu! {
    /// `generic_nack` (4.3).
    GenericNack {}
}
