//! Long texts of handsets, as an account wants them: whole, or in the parts they came in. Pure.

use serde::{Deserialize, Serialize};
use smpp::{DataCoding, DeliverSm, EsmClass, Tag, Tlvs};
use sms::{Choice, Coding, Udh};

use messaging::Pieces;

/// How a long text of a handset is given to an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongInbound {
    /// Whole: in `short_message`, or in `message_payload` where it does not fit.
    #[default]
    Joined,
    /// In the parts it came in, each with its user data header.
    Udh,
    /// In the parts it came in, each told by `sar_*` parameters.
    Sar,
}

impl LongInbound {
    /// The name in files and rows.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Udh => "udh",
            Self::Sar => "sar",
        }
    }

    /// The one of that name.
    pub(crate) fn parse(text: &str) -> Self {
        [Self::Udh, Self::Sar].into_iter().find(|long| long.name() == text).unwrap_or_default()
    }
}

/// The parts as they came, each put into a copy of `empty`.
pub(crate) fn as_they_came(empty: &DeliverSm, pieces: &Pieces, sar: bool) -> Vec<DeliverSm> {
    let coded = |octets: Vec<u8>, esm_class, tlvs| {
        let data_coding = DataCoding(pieces.data_coding);
        DeliverSm { data_coding, esm_class, tlvs, ..empty.clone() }.with_message(octets)
    };
    let part = |octets: &Vec<u8>| {
        let (header, text) = Udh::parse(octets);
        match header.concat() {
            // A header that says more than the part stays: parameters could not say the rest.
            Some(concat) if sar && header.elements().count() == 1 => {
                let tlvs = empty.tlvs.clone();
                let tlvs = tlvs
                    .with(Tag::SAR_MSG_REF_NUM, concat.reference.to_be_bytes())
                    .with(Tag::SAR_TOTAL_SEGMENTS, [concat.total])
                    .with(Tag::SAR_SEGMENT_SEQNUM, [concat.sequence]);
                coded(text.to_vec(), EsmClass::DEFAULT, tlvs)
            }
            _ => coded(octets.clone(), EsmClass::UDHI, empty.tlvs.clone()),
        }
    };
    pieces.parts.iter().map(part).collect()
}

/// `text` cut by us, for an application that knows no parameters and so no `message_payload`. What needs more parts than we
/// cut a text into ends there.
pub(crate) fn cut(empty: &DeliverSm, text: &str, reference: u16) -> Vec<DeliverSm> {
    let mut letters = text.chars().count();
    let segmented = loop {
        let beginning: String = text.chars().take(letters).collect();
        match sms::segment(&beginning, Choice::Auto, reference, false) {
            Ok(segmented) => break segmented,
            Err(_) if letters > 1 => letters -= letters.div_ceil(10),
            Err(_) => return Vec::new(),
        }
    };
    let data_coding = DataCoding(Coding::from(segmented.encoding).data_coding());
    let part = |part: &sms::Part| {
        let esm_class = if part.concat.is_some() { EsmClass::UDHI } else { EsmClass::DEFAULT };
        DeliverSm { data_coding, esm_class, tlvs: Tlvs::EMPTY, ..empty.clone() }.with_message(part.octets())
    };
    segmented.parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Pieces {
        let part = |sequence, text: &str| [&[5, 0, 3, 7, 2, sequence][..], text.as_bytes()].concat();
        Pieces { data_coding: 0, parts: vec![part(1, "on the "), part(2, "way")] }
    }

    #[test]
    fn parts_come_as_they_came_with_headers_or_parameters() {
        let whole = DeliverSm { tlvs: Tlvs::EMPTY.with(Tag(0x1502), b"id"), ..DeliverSm::default() };
        let headers = as_they_came(&whole, &pieces(), false);
        assert_eq!(&headers[1].short_message.0[..], b"\x05\x00\x03\x07\x02\x02way");
        assert!(headers.iter().all(|part| part.esm_class == EsmClass::UDHI && part.tlvs == whole.tlvs));
        let told = as_they_came(&whole, &pieces(), true);
        assert_eq!(&told[0].short_message.0[..], b"on the ");
        assert_eq!((told[0].tlvs.sar(), told[1].tlvs.sar()), (Some((7, 1, 2)), Some((7, 2, 2))));
        assert!(told.iter().all(|part| part.esm_class == EsmClass::DEFAULT && part.tlvs.get(Tag(0x1502)).is_some()));
    }

    #[test]
    fn a_header_that_says_more_stays() {
        let ports = [11, 5, 4, 0x0B, 0x84, 0, 0, 0, 3, 7, 2, 1, b'x'].to_vec();
        let told = as_they_came(&DeliverSm::default(), &Pieces { data_coding: 4, parts: vec![ports.clone()] }, true);
        assert_eq!(
            (told[0].short_message.0.to_vec(), told[0].esm_class, told[0].data_coding),
            (ports, EsmClass::UDHI, DataCoding(4))
        );
    }

    #[test]
    fn who_knows_no_parameters_gets_parts() {
        let parts = cut(&DeliverSm::default(), &"x".repeat(400), 9);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part.tlvs.is_empty() && part.short_message.0.len() <= 159));
        assert_eq!(cut(&DeliverSm::default(), &"ğ".repeat(5_000), 9).len(), 10, "as far as ten parts go");
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for long in [LongInbound::Joined, LongInbound::Udh, LongInbound::Sar] {
            assert_eq!(LongInbound::parse(long.name()), long);
        }
    }
}
