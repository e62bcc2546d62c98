//! Between messaging's nouns and SMPP's PDUs. Pure.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;
use messaging::{Inbound, Receipt, Submission};
use routing::Sender;
use smpp::{
    Address, DataCoding, DataSm, DeliverSm, EsmClass, Message, RegisteredDelivery, Status, SubmitSm, Tag, Text, Tlvs,
};
use sms::{Coding, Concat, ReceiptState, ReceiptText, ShortMessage};

/// The `submit_sm` of one part (SMPP 3.4 section 4.4.1).
pub fn submit_sm(submission: &Submission, now: Timestamp) -> SubmitSm {
    let mut octets = submission.concat.map(Concat::to_header).unwrap_or_default();
    let (has_header, data_coding) = match submission.coded {
        Some(coded) => (coded.has_header, coded.data_coding),
        None => (!octets.is_empty(), Coding::from(submission.encoding).data_coding()),
    };
    octets.extend_from_slice(&submission.payload);
    let (short_message, tlvs) = if octets.len() <= Message::LIMIT {
        (Message(Bytes::from(octets)), Tlvs::EMPTY)
    } else {
        (Message(Bytes::new()), Tlvs::EMPTY.with(Tag::MESSAGE_PAYLOAD, &octets))
    };
    let left = submission.expires_at.map(|at| at.since(now).max(Duration::from_secs(1)));
    SubmitSm {
        service_type: Text::EMPTY,
        source: source(&submission.sender),
        destination: Address::international(submission.destination.digits()),
        esm_class: if has_header { EsmClass::UDHI } else { EsmClass::DEFAULT },
        protocol_id: 0,
        priority_flag: u8::from(submission.class == routing::Class::Alert),
        schedule_delivery_time: Text::EMPTY,
        validity_period: left.map_or(Text::EMPTY, smpp::time::relative),
        registered_delivery: RegisteredDelivery::FINAL,
        replace_if_present_flag: 0,
        data_coding: DataCoding(data_coding),
        sm_default_msg_id: 0,
        short_message,
        tlvs,
    }
}

fn source(sender: &Sender) -> Address {
    match sender {
        Sender::Number(digits) => Address::international(digits.as_str()),
        Sender::ShortCode(digits) => Address::short_code(digits.as_str()),
        Sender::Name(name) => Address::alphanumeric(name.as_str()),
    }
}

/// Whether a refusal is for ever: the message itself is at fault, and trying the same again would be refused again. Anything
/// else, a carrier's own codes included, may be mended within minutes by a person or the carrier, so nothing is given up
/// for it at once.
pub const fn is_permanent(status: Status) -> bool {
    matches!(
        status,
        Status::RINVMSGLEN
            | Status::RINVCMDLEN
            | Status::RINVPRTFLG
            | Status::RINVREGDLVFLG
            | Status::RINVSRCADR
            | Status::RINVDSTADR
            | Status::RINVSERTYP
            | Status::RINVESMCLASS
            | Status::RINVSRCTON
            | Status::RINVSRCNPI
            | Status::RINVDSTTON
            | Status::RINVDSTNPI
            | Status::RINVSCHED
            | Status::RINVEXPIRY
            | Status::RX_P_APPN
            | Status::RX_R_APPN
            | Status::RINVOPTPARSTREAM
            | Status::ROPTPARNOTALLWD
            | Status::RINVPARLEN
            | Status::RMISSINGOPTPARAM
            | Status::RINVOPTPARAMVAL
            | Status::RDELIVERYFAILURE
            | Status::RPROHIBITED
            | Status::RINVDCS
            | Status::RINVSRCADDRSUBUNIT
            | Status::RINVDSTADDRSUBUNIT
    )
}

/// What a carrier brought.
#[derive(Debug)]
pub enum Brought {
    /// What became of a part, with its id as the carrier wrote it.
    Receipt(Receipt),
    /// A text of a handset.
    Inbound(Inbound),
    /// Neither; acknowledged and dropped, for the reason given.
    Nothing(&'static str),
}

/// Reads a `deliver_sm` (SMPP 3.4 section 4.6.1 and appendix B).
pub fn deliver_sm(pdu: &DeliverSm, carrier: &Arc<str>) -> Brought {
    let payload = pdu.tlvs.message_payload();
    let octets = payload.as_deref().unwrap_or(&pdu.short_message.0);
    read(carrier, pdu.esm_class, pdu.data_coding, octets, &pdu.tlvs, &pdu.source, &pdu.destination)
}

/// Reads a `data_sm`, which some carriers use for the same.
pub fn data_sm(pdu: &DataSm, carrier: &Arc<str>) -> Brought {
    let payload = pdu.tlvs.message_payload().unwrap_or_default();
    read(carrier, pdu.esm_class, pdu.data_coding, &payload, &pdu.tlvs, &pdu.source, &pdu.destination)
}

fn read(
    carrier: &Arc<str>,
    esm_class: EsmClass,
    data_coding: DataCoding,
    octets: &[u8],
    tlvs: &Tlvs,
    source: &Address,
    destination: &Address,
) -> Brought {
    if esm_class.is_receipt() || tlvs.receipted_message_id().is_some() {
        return receipt(carrier, data_coding, octets, tlvs)
            .map_or(Brought::Nothing("a receipt without an id"), Brought::Receipt);
    }
    let mut message = ShortMessage::parse(data_coding.0, esm_class.has_udh(), octets);
    // Parts may also be told by TLVs (sar_*) instead of a header; from here on they are one thing.
    if let (None, Some((reference, sequence, total))) = (message.udh.concat(), tlvs.sar()) {
        let header = Concat { reference, wide: true, total, sequence }.to_header();
        message.udh = sms::Udh::parse(&header).0;
    }
    let from = source.text.to_str().into_owned();
    if from.is_empty() {
        return Brought::Nothing("a text without a sender");
    }
    Brought::Inbound(Inbound {
        carrier: Arc::clone(carrier),
        from,
        to: destination.text.to_str().into_owned(),
        message,
    })
}

/// The TLVs are preferred; the text fills in what they leave out.
fn receipt(carrier: &Arc<str>, data_coding: DataCoding, octets: &[u8], tlvs: &Tlvs) -> Option<Receipt> {
    let text = sms::decode(Coding::from_data_coding(data_coding.0), octets);
    let parsed = ReceiptText::parse(&text);
    let id = match tlvs.receipted_message_id().filter(|id| !id.is_empty()) {
        Some(id) => id.to_str().into_owned(),
        None => parsed.as_ref()?.id.clone(),
    };
    let state = match (tlvs.message_state(), &parsed) {
        (Some(state), _) => ReceiptState::from_message_state(state.octet()),
        (None, Some(parsed)) => parsed.state,
        (None, None) => ReceiptState::Unknown,
    };
    let network = tlvs.network_error_code().map(|(_, code)| format!("{code:03}"));
    let error = network
        .or_else(|| parsed.as_ref().and_then(|parsed| parsed.error.clone()))
        .filter(|error| error.bytes().any(|octet| octet != b'0'));
    Some(Receipt { carrier: Arc::clone(carrier), carrier_ref: id, state, error, done_at: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sms::{Encoding, Number};

    fn submission(payload: Vec<u8>, concat: Option<Concat>) -> Submission {
        Submission {
            sender: "+447700900000".parse().unwrap(),
            destination: Number::parse("+447700900117", None).unwrap(),
            encoding: Encoding::Gsm7,
            concat,
            payload,
            coded: None,
            expires_at: Some(Timestamp::from_micros(90_000_000)),
            class: routing::Class::Alert,
        }
    }

    #[test]
    fn a_part_becomes_a_submit_with_header_and_receipt_wanted() {
        let concat = Concat { reference: 7, wide: false, total: 2, sequence: 1 };
        let pdu = submit_sm(&submission(b"hi".to_vec(), Some(concat)), Timestamp::from_micros(0));
        assert_eq!(pdu.esm_class, EsmClass::UDHI);
        assert_eq!(&pdu.short_message.0[..], &[5, 0, 3, 7, 2, 1, b'h', b'i']);
        assert_eq!(pdu.destination.text.to_str(), "447700900117");
        assert_eq!(pdu.registered_delivery, RegisteredDelivery::FINAL);
        assert_eq!(pdu.validity_period.to_str(), "000000000130000R");
    }

    fn delivered(text: &str, esm_class: EsmClass, tlvs: Tlvs) -> DeliverSm {
        DeliverSm {
            source: Address::international("447700900117"),
            destination: Address::international("447700900000"),
            esm_class,
            short_message: Message(Bytes::copy_from_slice(text.as_bytes())),
            tlvs,
            ..DeliverSm::default()
        }
    }

    fn brought(pdu: &DeliverSm) -> Brought {
        deliver_sm(pdu, &Arc::from("carrier-a"))
    }

    #[test]
    fn a_receipt_is_read_from_tlvs_or_text() {
        let text =
            "id:5f2a91 sub:001 dlvrd:001 submit date:2610230312 done date:2610230312 stat:DELIVRD err:000 text:x";
        let Brought::Receipt(receipt) = brought(&delivered(text, EsmClass::RECEIPT, Tlvs::EMPTY)) else {
            panic!("no receipt")
        };
        assert_eq!(
            (receipt.carrier_ref.as_str(), receipt.state, receipt.error),
            ("5f2a91", ReceiptState::Delivered, None)
        );
        let tlvs = Tlvs::EMPTY.with(Tag::RECEIPTED_MESSAGE_ID, b"AB12\0").with(Tag::MESSAGE_STATE, [5]);
        let Brought::Receipt(receipt) = brought(&delivered("", EsmClass::RECEIPT, tlvs)) else { panic!("no receipt") };
        assert_eq!((receipt.carrier_ref.as_str(), receipt.state), ("AB12", ReceiptState::Undeliverable));
    }

    #[test]
    fn a_text_of_a_handset_is_inbound() {
        let Brought::Inbound(inbound) = brought(&delivered("1", EsmClass::DEFAULT, Tlvs::EMPTY)) else {
            panic!("no text")
        };
        assert_eq!(
            (inbound.from.as_str(), inbound.to.as_str(), inbound.message.text().as_str()),
            ("447700900117", "447700900000", "1")
        );
    }

    #[test]
    fn a_part_told_by_parameters_is_a_part() {
        let tlvs = Tlvs::EMPTY
            .with(Tag::SAR_MSG_REF_NUM, [0, 7])
            .with(Tag::SAR_TOTAL_SEGMENTS, [3])
            .with(Tag::SAR_SEGMENT_SEQNUM, [2]);
        let Brought::Inbound(inbound) = brought(&delivered("1", EsmClass::DEFAULT, tlvs)) else { panic!("no text") };
        let concat = inbound.message.udh.concat().unwrap();
        assert_eq!((concat.reference, concat.total, concat.sequence), (7, 3, 2));
    }

    #[test]
    fn what_makes_no_sense_is_acknowledged_and_dropped() {
        assert!(matches!(brought(&delivered("hello", EsmClass::RECEIPT, Tlvs::EMPTY)), Brought::Nothing(_)));
    }

    #[test]
    fn only_what_would_fail_again_is_permanent() {
        for lasting in [Status::RINVDSTADR, Status::RINVSRCADR, Status::RINVMSGLEN, Status::RX_P_APPN, Status::RINVDCS]
        {
            assert!(is_permanent(lasting), "{lasting}");
        }
        let passing = [
            Status::RSYSERR,
            Status::RTHROTTLED,
            Status::RMSGQFUL,
            Status::RSUBMITFAIL,
            Status::RINVBNDSTS,
            Status(0x411),
        ];
        for passing in passing {
            assert!(!is_permanent(passing), "{passing}");
        }
    }
}
