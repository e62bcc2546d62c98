//! Optional parameters: tag, length, value.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Field, Reader, Writer};
use crate::{EncodeError, Malformed, Text};

macro_rules! tags {
    ($($name:ident = $tag:literal;)*) => {
        impl Tag {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: Self = Self($tag);)*

            /// The name in the specification; `None` for a carrier's own.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

/// The tag of an optional parameter (5.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16);

tags! {
    DEST_ADDR_SUBUNIT = 0x0005;
    DEST_NETWORK_TYPE = 0x0006;
    DEST_BEARER_TYPE = 0x0007;
    DEST_TELEMATICS_ID = 0x0008;
    SOURCE_ADDR_SUBUNIT = 0x000D;
    SOURCE_NETWORK_TYPE = 0x000E;
    SOURCE_BEARER_TYPE = 0x000F;
    SOURCE_TELEMATICS_ID = 0x0010;
    QOS_TIME_TO_LIVE = 0x0017;
    PAYLOAD_TYPE = 0x0019;
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D;
    RECEIPTED_MESSAGE_ID = 0x001E;
    MS_MSG_WAIT_FACILITIES = 0x0030;
    PRIVACY_INDICATOR = 0x0201;
    SOURCE_SUBADDRESS = 0x0202;
    DEST_SUBADDRESS = 0x0203;
    USER_MESSAGE_REFERENCE = 0x0204;
    USER_RESPONSE_CODE = 0x0205;
    SOURCE_PORT = 0x020A;
    DESTINATION_PORT = 0x020B;
    SAR_MSG_REF_NUM = 0x020C;
    LANGUAGE_INDICATOR = 0x020D;
    SAR_TOTAL_SEGMENTS = 0x020E;
    SAR_SEGMENT_SEQNUM = 0x020F;
    SC_INTERFACE_VERSION = 0x0210;
    CALLBACK_NUM_PRES_IND = 0x0302;
    CALLBACK_NUM_ATAG = 0x0303;
    NUMBER_OF_MESSAGES = 0x0304;
    CALLBACK_NUM = 0x0381;
    DPF_RESULT = 0x0420;
    SET_DPF = 0x0421;
    MS_AVAILABILITY_STATUS = 0x0422;
    NETWORK_ERROR_CODE = 0x0423;
    MESSAGE_PAYLOAD = 0x0424;
    DELIVERY_FAILURE_REASON = 0x0425;
    MORE_MESSAGES_TO_SEND = 0x0426;
    MESSAGE_STATE = 0x0427;
    CONGESTION_STATE = 0x0428;
    USSD_SERVICE_OP = 0x0501;
    DISPLAY_TIME = 0x1201;
    SMS_SIGNAL = 0x1203;
    MS_VALIDITY = 0x1204;
    ALERT_ON_MESSAGE_DELIVERY = 0x130C;
    ITS_REPLY_TYPE = 0x1380;
    ITS_SESSION_INFO = 0x1383;
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(&name.to_ascii_lowercase()),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

/// Where a message stands at the carrier (5.2.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Not yet sent (5.0).
    Scheduled,
    /// On its way.
    Enroute,
    /// Delivered.
    Delivered,
    /// Its validity ran out.
    Expired,
    /// Deleted.
    Deleted,
    /// Cannot be delivered.
    Undeliverable,
    /// Accepted, read by the carrier's people.
    Accepted,
    /// Nobody knows.
    Unknown,
    /// Rejected.
    Rejected,
    /// Not sent (5.0).
    Skipped,
}

impl MessageState {
    /// Its octet.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Scheduled => 0,
            Self::Enroute => 1,
            Self::Delivered => 2,
            Self::Expired => 3,
            Self::Deleted => 4,
            Self::Undeliverable => 5,
            Self::Accepted => 6,
            Self::Unknown => 7,
            Self::Rejected => 8,
            Self::Skipped => 9,
        }
    }

    /// The state that an octet stands for.
    pub const fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            0 => Self::Scheduled,
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            7 => Self::Unknown,
            8 => Self::Rejected,
            9 => Self::Skipped,
            _ => return None,
        })
    }
}

/// The optional parameters of a PDU, kept as they came: known ones have accessors, unknown ones survive.
///
/// Held as the raw bytes, checked once while decoding, so that a PDU with parameters costs no allocation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tlvs(Bytes);

impl Tlvs {
    /// Parameters that a PDU may carry: ten times what is in use, and small enough to walk.
    pub const MAX: usize = 256;
    /// No parameters.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every parameter in order.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, Bytes)> + '_ {
        let mut rest = self.0.clone();
        std::iter::from_fn(move || {
            let (tag, length) = head(&rest)?;
            let mut value = rest.split_to(4 + length);
            Some((tag, value.split_off(4)))
        })
    }

    /// The value of the first parameter `tag`.
    pub fn get(&self, tag: Tag) -> Option<Bytes> {
        let mut at = 0;
        while let Some((found, length)) = head(&self.0[at..]) {
            if found == tag {
                return Some(self.0.slice(at + 4..at + 4 + length));
            }
            at += 4 + length;
        }
        None
    }

    /// The same parameters and one more.
    ///
    /// # Panics
    /// When the value has more than 65,535 octets, which no PDU can hold.
    #[must_use]
    pub fn with(self, tag: Tag, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        #[expect(clippy::expect_used, reason = "documented, and no caller builds values near the limit")]
        let length = u16::try_from(value.len()).expect("an optional parameter holds at most 65,535 octets");
        let mut raw = BytesMut::with_capacity(self.0.len() + 4 + value.len());
        raw.put_slice(&self.0);
        raw.put_u16(tag.0);
        raw.put_u16(length);
        raw.put_slice(value);
        Self(raw.freeze())
    }

    /// A C-octet string; a missing NUL is tolerated.
    pub fn text(&self, tag: Tag) -> Option<Text> {
        self.get(tag).map(|mut value| {
            if let Some(end) = value.iter().position(|&octet| octet == 0) {
                value.truncate(end);
            }
            value.into()
        })
    }

    /// A number in as many octets as came, the last four counting: some peers send two where one is due.
    pub fn number(&self, tag: Tag) -> Option<u32> {
        let value = self.get(tag)?;
        if value.is_empty() {
            return None;
        }
        Some(value.iter().fold(0_u32, |number, &octet| (number << 8) | u32::from(octet)))
    }

    /// `message_payload`: a text too long for `short_message`.
    pub fn message_payload(&self) -> Option<Bytes> {
        self.get(Tag::MESSAGE_PAYLOAD)
    }

    /// `receipted_message_id`: which message a receipt is about.
    pub fn receipted_message_id(&self) -> Option<Text> {
        self.text(Tag::RECEIPTED_MESSAGE_ID)
    }

    /// `message_state`: what became of it.
    pub fn message_state(&self) -> Option<MessageState> {
        u8::try_from(self.number(Tag::MESSAGE_STATE)?).ok().and_then(MessageState::from_octet)
    }

    /// `network_error_code`: the network (1 ANSI-136, 2 IS-95, 3 GSM, …) and its code.
    pub fn network_error_code(&self) -> Option<(u8, u16)> {
        match self.get(Tag::NETWORK_ERROR_CODE)?[..] {
            [network, high, low] => Some((network, u16::from_be_bytes([high, low]))),
            _ => None,
        }
    }

    /// `sar_*`: reference, place from 1, and number of parts of a long text.
    pub fn sar(&self) -> Option<(u16, u8, u8)> {
        let reference = u16::try_from(self.number(Tag::SAR_MSG_REF_NUM)?).ok()?;
        let place = u8::try_from(self.number(Tag::SAR_SEGMENT_SEQNUM)?).ok()?;
        let total = u8::try_from(self.number(Tag::SAR_TOTAL_SEGMENTS)?).ok()?;
        Some((reference, place, total))
    }
}

/// Tag and length of the first parameter of `raw`, if it is there as a whole.
fn head(raw: &[u8]) -> Option<(Tag, usize)> {
    let [tag_high, tag_low, high, low, value @ ..] = raw else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (length <= value.len()).then(|| (Tag(u16::from_be_bytes([*tag_high, *tag_low])), length))
}

/// Values can be personal (`message_payload`, addresses), so only tags and lengths print.
impl fmt::Debug for Tlvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(tag, value)| (tag, value.len()))).finish()
    }
}

impl Field for Tlvs {
    fn read(from: &mut Reader, _name: &'static str) -> Result<Self, Malformed> {
        let mut raw = from.rest();
        let (mut at, mut count) = (0, 0);
        // One to three octets at the end are no parameter; they have been seen and mean nothing.
        while raw.len() - at >= 4 {
            let Some((_, length)) = head(&raw[at..]) else {
                return Err(Malformed::Tlv(u16::from_be_bytes([raw[at], raw[at + 1]])));
            };
            at += 4 + length;
            count += 1;
            if count > Self::MAX {
                return Err(Malformed::TooManyTlvs(Self::MAX));
            }
        }
        raw.truncate(at);
        Ok(if raw.is_empty() { Self::EMPTY } else { Self(raw) })
    }

    fn write(&self, to: &mut Writer<'_>, _name: &'static str, _limit: usize) -> Result<(), EncodeError> {
        to.out.put_slice(&self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &'static [u8]) -> Result<Tlvs, Malformed> {
        Tlvs::read(&mut Reader::new(Bytes::from_static(raw), false), "tlvs")
    }

    #[test]
    fn known_and_unknown_parameters_survive() {
        let tlvs = Tlvs::EMPTY
            .with(Tag::RECEIPTED_MESSAGE_ID, b"7f3a\0")
            .with(Tag::MESSAGE_STATE, [2])
            .with(Tag(0x1502), b"vendor");
        assert_eq!(tlvs.receipted_message_id().unwrap().to_str(), "7f3a");
        assert_eq!(tlvs.message_state(), Some(MessageState::Delivered));
        assert_eq!(tlvs.get(Tag(0x1502)).unwrap(), "vendor");
        assert_eq!(tlvs.get(Tag::SAR_MSG_REF_NUM), None);
        assert_eq!(format!("{tlvs:?}"), "{receipted_message_id: 5, message_state: 1, 0x1502: 6}");
    }

    /// What real carriers send: an id without NUL, a state in two octets, stray octets at the end.
    #[test]
    fn the_habits_of_carriers_are_tolerated() {
        let tlvs = read(b"\x00\x1E\x00\x047f3a\x04\x27\x00\x02\x00\x02\xFF\xFF\xFF").unwrap();
        assert_eq!(tlvs.receipted_message_id().unwrap().to_str(), "7f3a");
        assert_eq!(tlvs.message_state(), Some(MessageState::Delivered));
        assert_eq!(tlvs.iter().count(), 2);
    }

    /// F-20: a parameter that claims more than there is.
    #[test]
    fn an_overrun_is_refused_with_its_tag() {
        assert_eq!(read(b"\x04\x24\xFF\xFFabc"), Err(Malformed::Tlv(0x0424)));
        assert!(read(b"\x04\x24\x00\x04abc").is_err());
    }

    #[test]
    fn sar_needs_all_three() {
        let tlvs = Tlvs::EMPTY.with(Tag::SAR_MSG_REF_NUM, [0, 9]).with(Tag::SAR_TOTAL_SEGMENTS, [3]);
        assert_eq!(tlvs.sar(), None);
        assert_eq!(tlvs.with(Tag::SAR_SEGMENT_SEQNUM, [2]).sar(), Some((9, 2, 3)));
        assert_eq!(MessageState::from_octet(10), None);
        for octet in 0..10 {
            assert_eq!(MessageState::from_octet(octet).unwrap().octet(), octet);
        }
    }
}
