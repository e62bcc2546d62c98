//! PDUs that carry messages.

use bytes::Bytes;

use crate::pdu::pdu;
use crate::values::{Address, DataCoding, EsmClass, Message, RegisteredDelivery, Text};
use crate::{Tag, Tlvs};

pdu! {
    /// `submit_sm` (4.4.1): an application hands over a message.
    SubmitSm {
        /// The service, empty for the default.
        service_type: Text, limit 6;
        /// Who it is from.
        source: Address, limit 21;
        /// Who it is for.
        destination: Address, limit 21;
        /// Mode and type.
        esm_class: EsmClass;
        /// The protocol id.
        protocol_id: u8;
        /// The priority, 0 to 3.
        priority_flag: u8;
        /// When to deliver it, empty for at once.
        schedule_delivery_time: Text, limit 17;
        /// Until when to try, empty for the carrier's default.
        validity_period: Text, limit 17;
        /// Which receipts are wanted.
        registered_delivery: RegisteredDelivery;
        /// Whether it replaces one that waits.
        replace_if_present_flag: u8;
        /// How to read its bytes.
        data_coding: DataCoding;
        /// A predefined text instead.
        sm_default_msg_id: u8;
        /// Its bytes, empty when `message_payload` has them.
        short_message: Message, limit Message::LIMIT;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}

pdu! {
    /// The answer to `submit_sm`.
    SubmitSmResp {
        /// The carrier's id of the message.
        message_id: Text, limit 65;
        /// Optional parameters, which some carriers add.
        tlvs: Tlvs;
    }
}

pdu! {
    /// `deliver_sm` (4.6.1): the carrier hands over a message or a receipt.
    DeliverSm {
        /// The service, empty for the default.
        service_type: Text, limit 6;
        /// Who it is from.
        source: Address, limit 21;
        /// Who it is for.
        destination: Address, limit 21;
        /// Mode and type: tells a receipt.
        esm_class: EsmClass;
        /// The protocol id.
        protocol_id: u8;
        /// The priority, 0 to 3.
        priority_flag: u8;
        /// Unused.
        schedule_delivery_time: Text, limit 17;
        /// Unused.
        validity_period: Text, limit 17;
        /// Whether the application should acknowledge.
        registered_delivery: RegisteredDelivery;
        /// Unused.
        replace_if_present_flag: u8;
        /// How to read its bytes.
        data_coding: DataCoding;
        /// Unused.
        sm_default_msg_id: u8;
        /// Its bytes, empty when `message_payload` has them.
        short_message: Message, limit Message::LIMIT;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}

pdu! {
    /// The answer to `deliver_sm`.
    DeliverSmResp {
        /// Unused, empty.
        message_id: Text, limit 65;
        /// Optional parameters, which some applications add.
        tlvs: Tlvs;
    }
}

pdu! {
    /// `data_sm` (4.7.1): a message in either direction with its text in `message_payload`.
    DataSm {
        /// The service, empty for the default.
        service_type: Text, limit 6;
        /// Who it is from.
        source: Address, limit 65;
        /// Who it is for.
        destination: Address, limit 65;
        /// Mode and type.
        esm_class: EsmClass;
        /// Which receipts are wanted.
        registered_delivery: RegisteredDelivery;
        /// How to read its bytes.
        data_coding: DataCoding;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}

pdu! {
    /// The answer to `data_sm`.
    DataSmResp {
        /// The id of the message.
        message_id: Text, limit 65;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}

pdu! {
    /// `replace_sm` (4.10.1): replaces a message that waits.
    ReplaceSm {
        /// Which.
        message_id: Text, limit 65;
        /// Who it was from.
        source: Address, limit 21;
        /// When to deliver it.
        schedule_delivery_time: Text, limit 17;
        /// Until when to try.
        validity_period: Text, limit 17;
        /// Which receipts are wanted.
        registered_delivery: RegisteredDelivery;
        /// A predefined text instead.
        sm_default_msg_id: u8;
        /// Its new bytes.
        short_message: Message, limit Message::LIMIT;
        /// Optional parameters, of SMPP 5.0.
        tlvs: Tlvs;
    }
}

pdu! {
    /// The answer to `replace_sm`.
    ReplaceSmResp {}
}

macro_rules! carries_bytes {
    ($($name:ident)*) => {$(
        impl $name {
            /// The message's bytes, wherever they are.
            pub fn message(&self) -> Bytes {
                if self.short_message.0.is_empty() {
                    self.tlvs.message_payload().unwrap_or_default()
                } else {
                    self.short_message.0.clone()
                }
            }

            /// Puts the message's bytes where they fit: `short_message`, or `message_payload` from 255 on.
            #[must_use]
            pub fn with_message(mut self, bytes: impl Into<Bytes>) -> Self {
                let bytes = bytes.into();
                if bytes.len() <= Message::LIMIT {
                    self.short_message = Message(bytes);
                } else {
                    self.tlvs = self.tlvs.with(Tag::MESSAGE_PAYLOAD, bytes);
                }
                self
            }
        }
    )*};
}

carries_bytes!(SubmitSm DeliverSm);
