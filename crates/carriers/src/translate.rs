//! Between messaging's nouns and SMPP's PDUs. Pure.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;
use messaging::{Inbound, Receipt, Remedy, Submission};
use routing::Sender;
use smpp::{Address, DataCoding, DataSm, DeliverSm, EsmClass, Message, Status, SubmitSm, Tag, Text, Tlvs};
use sms::{Coding, Concat, Encoding, ReceiptState, ReceiptText, ShortMessage};

use crate::alphabet;
use crate::dialect::{Alphabet, Dialect, LongMessages, Validity};

/// Octets that fit a single short message; what is longer goes as `message_payload` to a carrier that wants long texts so.
const SINGLE: usize = 140;

/// The `submit_sm` of one part (SMPP 3.4 section 4.4.1), as this carrier wants it.
pub fn submit_sm(submission: &Submission, now: Timestamp, dialect: &Dialect) -> SubmitSm {
    let mut tlvs = Tlvs::EMPTY;
    let mut octets = Vec::new();
    if let Some(concat) = submission.concat {
        if dialect.long_messages == LongMessages::Sar {
            tlvs = tlvs
                .with(Tag::SAR_MSG_REF_NUM, concat.reference.to_be_bytes())
                .with(Tag::SAR_TOTAL_SEGMENTS, [concat.total])
                .with(Tag::SAR_SEGMENT_SEQNUM, [concat.sequence]);
        } else {
            octets = concat.to_header();
        }
    }
    let (has_header, data_coding) = if let Some(coded) = submission.coded {
        octets.extend_from_slice(&submission.payload);
        (coded.has_header, coded.data_coding)
    } else {
        let has_header = !octets.is_empty();
        let (text, unicode) = (dialect.text_coding, dialect.unicode_coding);
        let data_coding = match submission.encoding {
            Encoding::Ucs2 => {
                octets.extend_from_slice(&submission.payload);
                unicode
            }
            Encoding::Gsm7 => {
                let alone = submission.concat.is_none();
                let (written, coding) =
                    alphabet::written(dialect.default_alphabet, &submission.payload, alone, text, unicode);
                octets.extend_from_slice(&written);
                coding
            }
        };
        (has_header, data_coding)
    };
    let limit = match dialect.long_messages {
        LongMessages::Payload if data_coding == dialect.unicode_coding => SINGLE,
        LongMessages::Payload => 160,
        LongMessages::Udh | LongMessages::Sar => Message::LIMIT,
    };
    let short_message = if octets.len() <= limit {
        Message(Bytes::from(octets))
    } else {
        tlvs = tlvs.with(Tag::MESSAGE_PAYLOAD, &octets);
        Message(Bytes::new())
    };
    SubmitSm {
        service_type: Text::from(dialect.service_type.as_str()),
        source: source(&submission.sender, dialect),
        destination: dialect.number_as(dialect.destination, submission.destination.digits()),
        esm_class: if has_header { EsmClass::UDHI } else { EsmClass::DEFAULT },
        protocol_id: 0,
        priority_flag: u8::from(submission.class == routing::Class::Alert),
        schedule_delivery_time: Text::EMPTY,
        validity_period: validity(submission.expires_at, now, dialect.validity),
        registered_delivery: dialect.registered_delivery(),
        replace_if_present_flag: 0,
        data_coding: DataCoding(data_coding),
        sm_default_msg_id: 0,
        short_message,
        tlvs,
    }
}

fn validity(expires_at: Option<Timestamp>, now: Timestamp, written: Validity) -> Text {
    let Some(at) = expires_at else { return Text::EMPTY };
    match written {
        Validity::Relative => smpp::time::relative(at.since(now).max(Duration::from_secs(1))),
        Validity::Absolute => {
            // YYMMDDhhmmss of the time in UTC, a tenth, no difference (SMPP 3.4 section 7.1.1).
            let digits: String = at.rfc3339().chars().filter(char::is_ascii_digit).skip(2).take(12).collect();
            Text::from(format!("{digits}000+"))
        }
        Validity::None => Text::EMPTY,
    }
}

fn source(sender: &Sender, dialect: &Dialect) -> Address {
    match sender {
        Sender::Number(digits) => dialect.number_as(dialect.number, digits),
        Sender::ShortCode(digits) => dialect.short_code.address(digits.as_str()),
        Sender::Name(name) => dialect.name.address(name.as_str()),
    }
}

/// What a refusal leaves to be done: the table of which errors lead elsewhere. What is not named here, a carrier's own codes
/// included, may be mended within minutes by a person or the carrier, so nothing is given up for it at once.
pub const fn remedy(status: Status) -> Remedy {
    match status {
        // The message as it is, or our account there, is at fault: this carrier would say the same again, another may not.
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
        | Status::RSERTYPUNAUTH
        | Status::RSERTYPDENIED
        | Status::RINVDCS
        | Status::RINVSRCADDRSUBUNIT
        | Status::RINVDSTADDRSUBUNIT => Remedy::Elsewhere,
        _ => Remedy::Later,
    }
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
pub fn deliver_sm(pdu: &DeliverSm, carrier: &Arc<str>, dialect: &Dialect) -> Brought {
    let payload = pdu.tlvs.message_payload();
    let octets = payload.as_deref().unwrap_or(&pdu.short_message.0);
    read(carrier, dialect, pdu.esm_class, pdu.data_coding, octets, &pdu.tlvs, &pdu.source, &pdu.destination)
}

/// Reads a `data_sm`, which some carriers use for the same.
pub fn data_sm(pdu: &DataSm, carrier: &Arc<str>, dialect: &Dialect) -> Brought {
    let payload = pdu.tlvs.message_payload().unwrap_or_default();
    read(carrier, dialect, pdu.esm_class, pdu.data_coding, &payload, &pdu.tlvs, &pdu.source, &pdu.destination)
}

#[expect(clippy::too_many_arguments, reason = "the fields that deliver_sm and data_sm have in common")]
fn read(
    carrier: &Arc<str>,
    dialect: &Dialect,
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
    if dialect.unmarked_receipts
        && octets.starts_with(b"id:")
        && let Some(receipt) = receipt(carrier, data_coding, octets, tlvs)
    {
        return Brought::Receipt(receipt);
    }
    let mut message = ShortMessage::parse(data_coding.0, esm_class.has_udh(), octets);
    if data_coding.0 == dialect.text_coding
        && message.coding == Coding::Gsm7
        && dialect.default_alphabet != Alphabet::Gsm
    {
        message.coding = Coding::Latin1;
    }
    // Parts may also be told by TLVs (sar_*) instead of a header; from here on they are one thing.
    if let (None, Some((reference, sequence, total))) = (message.udh.concat(), tlvs.sar()) {
        let header = Concat { reference, wide: true, total, sequence }.to_header();
        message.udh = sms::Udh::parse(&header).0;
    }
    let from = dialect.read(source);
    if from.is_empty() {
        return Brought::Nothing("a text without a sender");
    }
    Brought::Inbound(Inbound { carrier: Arc::clone(carrier), from, to: dialect.read(destination), message })
}

/// The TLVs are preferred; the text fills in what they leave out.
fn receipt(carrier: &Arc<str>, data_coding: DataCoding, octets: &[u8], tlvs: &Tlvs) -> Option<Receipt> {
    // The text of a receipt is ASCII (appendix B), whatever the default alphabet is: an id may hold an underscore.
    let text = match Coding::from_data_coding(data_coding.0) {
        Coding::Ucs2 => sms::decode(Coding::Ucs2, octets),
        _ => sms::decode(Coding::Latin1, octets),
    };
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
    // As 8x8 tells it (its TLVs 0x1503 and 0x1504); others tell nothing.
    let mcc = tlvs.text(Tag(0x1503)).map(|mcc| mcc.to_str().into_owned());
    let mnc = tlvs.text(Tag(0x1504)).map(|mnc| mnc.to_str().into_owned());
    let network = mcc.and_then(|mcc| sms::Network::new(&mcc, mnc.as_deref()));
    Some(Receipt { carrier: Arc::clone(carrier), carrier_ref: id, state, error, done_at: None, network })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smpp::RegisteredDelivery;
    use sms::Number;

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
        let pdu = submit_sm(&submission(b"hi".to_vec(), Some(concat)), Timestamp::from_micros(0), &Dialect::default());
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
        deliver_sm(pdu, &Arc::from("carrier-a"), &Dialect::default())
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

    /// Long texts in each of the three ways, times in each of theirs, labels of addresses, alphabets.
    #[test]
    fn a_submit_is_written_as_the_carrier_wants_it() {
        let now = Timestamp::from_micros(0);
        let concat = Concat { reference: 0x0107, wide: true, total: 2, sequence: 1 };
        let sar = Dialect {
            long_messages: LongMessages::Sar,
            validity: Validity::Absolute,
            receipts: crate::dialect::Receipts::Failures,
            ..Dialect::default()
        };
        let pdu = submit_sm(&submission(b"hi".to_vec(), Some(concat)), now, &sar);
        assert_eq!((pdu.tlvs.sar(), &pdu.short_message.0[..]), (Some((0x0107, 1, 2)), &b"hi"[..]));
        assert_eq!((pdu.esm_class, pdu.registered_delivery.0), (EsmClass::DEFAULT, 2));
        assert_eq!(pdu.validity_period.to_str(), "700101000130000+");

        let payload = Dialect {
            long_messages: LongMessages::Payload,
            validity: Validity::None,
            number: crate::Numbering { ton: 0, npi: 1 },
            service_type: "CMT".into(),
            plus: true,
            ..Dialect::default()
        };
        let pdu = submit_sm(&submission(vec![b'a'; 161], None), now, &payload);
        assert!(pdu.short_message.0.is_empty() && pdu.validity_period.is_empty());
        assert_eq!(pdu.tlvs.message_payload().map(|octets| octets.len()), Some(161));
        assert_eq!((pdu.source.ton.0, pdu.source.text.to_str().as_ref()), (0, "+447700900000"));
        assert_eq!(pdu.service_type.to_str(), "CMT");
        assert_eq!(submit_sm(&submission(vec![b'a'; 160], None), now, &payload).short_message.0.len(), 160);

        let latin = Dialect { default_alphabet: Alphabet::Latin1, text_coding: 1, ..Dialect::default() };
        let pdu = submit_sm(&submission(sms::encode(Encoding::Gsm7, "é@").unwrap(), None), now, &latin);
        assert_eq!((&pdu.short_message.0[..], pdu.data_coding.0), (&b"\xE9@"[..], 1));
    }

    #[test]
    fn what_comes_in_is_read_as_the_carrier_wrote_it() {
        let read = |pdu: &DeliverSm, dialect: &Dialect| deliver_sm(pdu, &Arc::from("carrier-a"), dialect);
        let latin = Dialect { default_alphabet: Alphabet::Latin1, unmarked_receipts: true, ..Dialect::default() };
        let text = DeliverSm {
            short_message: Message(Bytes::from_static(b"caf\xE9 [1]")),
            ..delivered("", EsmClass::DEFAULT, Tlvs::EMPTY)
        };
        let Brought::Inbound(inbound) = read(&text, &latin) else { panic!("no text") };
        assert_eq!(inbound.message.text(), "café [1]");
        let receipt = "id:ab_12@x sub:001 dlvrd:001 stat:EXPIRED err:036 text:";
        let Brought::Receipt(found) = read(&delivered(receipt, EsmClass::DEFAULT, Tlvs::EMPTY), &latin) else {
            panic!("no receipt")
        };
        assert_eq!((found.carrier_ref.as_str(), found.state), ("ab_12@x", ReceiptState::Expired));
        // Without the switch a person may write what looks like one.
        assert!(matches!(brought(&delivered(receipt, EsmClass::DEFAULT, Tlvs::EMPTY)), Brought::Inbound(_)));
    }

    #[test]
    fn which_errors_lead_elsewhere() {
        for lasting in [Status::RINVDSTADR, Status::RINVSRCADR, Status::RINVMSGLEN, Status::RX_P_APPN, Status::RINVDCS]
        {
            assert_eq!(remedy(lasting), Remedy::Elsewhere, "{lasting}");
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
            assert_eq!(remedy(passing), Remedy::Later, "{passing}");
        }
    }
}
