//! `submit_multi` (4.5): one message for several destinations.

use crate::codec::{Field, Reader, Writer};
use crate::pdu::pdu;
use crate::values::{Address, DataCoding, EsmClass, Message, RegisteredDelivery, Text};
use crate::{EncodeError, Malformed, Status, Tlvs};

/// One destination of a `submit_multi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A number.
    Address(Address),
    /// A list that the carrier keeps.
    List(Text),
}

/// The destinations of a `submit_multi`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Destinations(pub Vec<Destination>);

impl Destinations {
    /// As many as the specification allows.
    pub const LIMIT: usize = 254;
}

impl Field for Destinations {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        let count = usize::from(from.byte("number_of_dests")?);
        // A destination takes at least two octets, so a lying count cannot reserve more than came.
        let mut list = Vec::with_capacity(count.min(from.remaining() / 2));
        for _ in 0..count {
            list.push(match from.byte("dest_flag")? {
                1 => Destination::Address(Field::read(from, name)?),
                2 => Destination::List(Field::read(from, "dl_name")?),
                _ => return Err(Malformed::Value("dest_flag")),
            });
        }
        Ok(Self(list))
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        let count = u8::try_from(self.0.len()).ok().filter(|count| usize::from(*count) <= Self::LIMIT);
        to.byte(count.ok_or_else(|| to.too_long("number_of_dests", self.0.len(), Self::LIMIT))?);
        for destination in &self.0 {
            match destination {
                Destination::Address(address) => {
                    to.byte(1);
                    address.write(to, name, limit)?;
                }
                Destination::List(list) => {
                    to.byte(2);
                    list.write(to, "dl_name", limit)?;
                }
            }
        }
        Ok(())
    }
}

pdu! {
    /// `submit_multi`.
    SubmitMulti {
        /// The service, empty for the default.
        service_type: Text, limit 6;
        /// Who it is from.
        source: Address, limit 21;
        /// Who it is for.
        destinations: Destinations, limit 21;
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
        /// Reserved.
        replace_if_present_flag: u8;
        /// How to read its bytes.
        data_coding: DataCoding;
        /// A predefined text instead.
        sm_default_msg_id: u8;
        /// Its bytes.
        short_message: Message, limit Message::LIMIT;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}

/// A destination that a `submit_multi` did not reach.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unsuccessful {
    /// Who.
    pub address: Address,
    /// Why.
    pub status: Status,
}

/// The destinations that a `submit_multi` did not reach.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnsuccessfulList(pub Vec<Unsuccessful>);

impl Field for UnsuccessfulList {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        let count = usize::from(from.byte("no_unsuccess")?);
        let mut list = Vec::with_capacity(count.min(from.remaining() / 7));
        for _ in 0..count {
            // The reader is lenient in answers; a count without its entries is still malformed.
            if from.remaining() == 0 {
                return Err(Malformed::Truncated(name));
            }
            let address = Field::read(from, name)?;
            list.push(Unsuccessful { address, status: Status(from.word("error_status_code")?) });
        }
        Ok(Self(list))
    }

    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError> {
        let count = u8::try_from(self.0.len()).map_err(|_| to.too_long("no_unsuccess", self.0.len(), 255))?;
        to.byte(count);
        for entry in &self.0 {
            entry.address.write(to, name, limit)?;
            to.word(entry.status.0);
        }
        Ok(())
    }
}

pdu! {
    /// The answer to `submit_multi`.
    SubmitMultiResp {
        /// The carrier's id of the message.
        message_id: Text, limit 65;
        /// Whom it did not reach.
        unsuccessful: UnsuccessfulList, limit 21;
        /// Optional parameters, which some carriers add.
        tlvs: Tlvs;
    }
}
