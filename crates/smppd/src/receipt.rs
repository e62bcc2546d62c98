//! What an application is told, in the words of SMPP. Pure.

use base::Timestamp;
use messaging::{Ended, State, What};
use routing::Sender;
use smpp::{Address, DataCoding, DeliverSm, EsmClass, MessageState, Tag, Text, Tlvs};
use sms::{Choice, Coding, ReceiptState, ReceiptText};

use crate::account::MessageIds;
use crate::long::{self, LongInbound};
use crate::time;

/// How an application is told things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) ids: MessageIds,
    /// Optional parameters are left out for an application of SMPP 3.3, which has none.
    pub(crate) with_tlvs: bool,
    /// Whether it is told 8x8's own: a library may break on a parameter that it does not know.
    pub(crate) vendor: bool,
    pub(crate) long: LongInbound,
}

/// The `deliver_sm` that tells one thing.
#[derive(Debug)]
pub(crate) enum Telling {
    One(Box<DeliverSm>),
    /// A long text in parts: told when all of them are.
    Parts(Vec<DeliverSm>),
    /// There is nothing left to tell.
    Nothing,
}

/// Tells `what` happened at `at`.
pub(crate) fn telling(what: &What, at: Timestamp, form: Form) -> Telling {
    match what {
        What::End(ended) => Telling::One(Box::new(receipt(ended, at, form, false))),
        What::Passing(passing) => Telling::One(Box::new(receipt(passing, at, form, true))),
        What::Inbound { id, from, to, text, pieces } => {
            let empty = inbound(&id.to_string(), from, to, form.vendor);
            if let Some(pieces) = pieces
                && (form.long != LongInbound::Joined || !form.with_tlvs)
            {
                let sar = form.long == LongInbound::Sar && form.with_tlvs;
                return Telling::Parts(long::as_they_came(&empty, pieces, sar));
            }
            let (encoding, octets) = encoded(text);
            if octets.len() > smpp::Message::LIMIT && !form.with_tlvs {
                // A carrier that joined it for us, and an application that cannot take it whole.
                let [.., high, low] = id.uuid().into_bytes();
                return Telling::Parts(long::cut(&empty, text, u16::from_be_bytes([high, low])));
            }
            let data_coding = DataCoding(Coding::from(encoding).data_coding());
            Telling::One(Box::new(DeliverSm { data_coding, ..empty }.with_message(octets)))
        }
        What::Gone => Telling::Nothing,
    }
}

/// The state that a receipt says; the carrier's word where it gave one.
fn state(ended: &Ended, passing: bool) -> ReceiptState {
    let said = ended.stat.as_deref().and_then(ReceiptState::from_stat);
    if passing {
        // The end may be known by now; it has a receipt of its own.
        return said.filter(|said| !said.is_final() && *said != ReceiptState::Unknown).unwrap_or(ReceiptState::Enroute);
    }
    let ours = match ended.state {
        State::Delivered => ReceiptState::Delivered,
        State::Expired => ReceiptState::Expired,
        State::Rejected => ReceiptState::Rejected,
        State::Undelivered | State::Failed => ReceiptState::Undeliverable,
        State::Cancelled => ReceiptState::Deleted,
        _ => ReceiptState::Unknown,
    };
    said.filter(|said| said.is_final()).unwrap_or(ours)
}

fn receipt(ended: &Ended, at: Timestamp, form: Form, passing: bool) -> DeliverSm {
    // What was submitted together has one id, and the source address says which of them this is.
    let (message, number) = ended.submission.unwrap_or((ended.message, ended.number));
    let id = form.ids.write(message, number);
    let state = state(ended, passing);
    let error = ended.error.as_deref().filter(|error| error.bytes().all(|digit| digit.is_ascii_digit()));
    let text = ReceiptText {
        submit_date: time::receipt_date(ended.accepted_at),
        done_date: time::receipt_date(at),
        error: error.map(str::to_owned),
        // What the default alphabet cannot write is left to the imagination.
        text: Some(in_default_alphabet(&ended.beginning)),
        ..ReceiptText::new(id.to_str(), state)
    };
    let mut tlvs = Tlvs::EMPTY;
    if form.with_tlvs {
        let terminated = [id.as_bytes(), b"\0"].concat();
        tlvs = tlvs.with(Tag::RECEIPTED_MESSAGE_ID, terminated).with(Tag::MESSAGE_STATE, [state.message_state()]);
        if let Some(error) = error.and_then(|error| error.parse::<u16>().ok()).filter(|error| *error > 0) {
            let [high, low] = error.to_be_bytes();
            // 3: GSM (section 5.3.2.31).
            tlvs = tlvs.with(Tag::NETWORK_ERROR_CODE, [3, high, low]);
        }
        if form.vendor && state == ReceiptState::Delivered {
            let network = ended.network.as_ref();
            if let Some(mcc) = network.map(sms::Network::mcc).or_else(|| sms::mcc(&ended.to)) {
                tlvs = tlvs.with(MCC, mcc);
            }
            if let Some(mnc) = network.and_then(sms::Network::mnc) {
                tlvs = tlvs.with(MNC, mnc);
            }
        }
    }
    let octets = sms::encode(sms::Encoding::Gsm7, &text.to_string()).unwrap_or_default();
    DeliverSm {
        source: Address::international(ended.to.digits()),
        destination: address(&ended.sender),
        esm_class: if passing { EsmClass::INTERMEDIATE } else { EsmClass::RECEIPT },
        tlvs,
        ..DeliverSm::default()
    }
    .with_message(octets)
}

/// A text with a full stop for each character that the default alphabet cannot write.
fn in_default_alphabet(text: &str) -> String {
    let forcing = sms::characters_forcing_ucs2(text);
    text.chars().map(|letter| if forcing.contains(&letter) { '.' } else { letter }).collect()
}

fn encoded(text: &str) -> (sms::Encoding, Vec<u8>) {
    let encoding = sms::count(text, Choice::Auto).map_or(sms::Encoding::Ucs2, |(encoding, _)| encoding);
    (encoding, sms::encode(encoding, text).unwrap_or_default())
}

/// A `deliver_sm` of a handset, before its text.
fn inbound(id: &str, from: &str, to: &str, vendor: bool) -> DeliverSm {
    // The id as 8x8 has it: 36 characters without an end (its TLV 0x1502).
    let tlvs = if vendor { Tlvs::EMPTY.with(MO_MESSAGE_ID, id) } else { Tlvs::EMPTY };
    DeliverSm { source: address(from), destination: address(to), tlvs, ..DeliverSm::default() }
}

/// Parameters of 8x8's own, without a NUL at their end.
const MO_MESSAGE_ID: Tag = Tag(0x1502);
/// The handset's country, three digits.
const MCC: Tag = Tag(0x1503);
/// Its network there, where the carrier tells it.
const MNC: Tag = Tag(0x1504);

fn address(text: &str) -> Address {
    match text.parse() {
        Ok(Sender::Number(digits)) => Address::international(digits),
        Ok(Sender::ShortCode(digits)) => Address::short_code(digits),
        Ok(Sender::Name(name)) => Address::alphanumeric(name),
        Err(_) => Address { text: Text::from(text.chars().take(20).collect::<String>()), ..Address::default() },
    }
}

/// Whether an answer means that asking again would be answered the same: then the delivery is over.
pub(crate) const fn is_refusal(status: smpp::Status) -> bool {
    matches!(status, smpp::Status::RX_P_APPN | smpp::Status::RX_R_APPN)
}

/// The state that `query_sm` answers.
pub(crate) const fn message_state(state: State) -> u8 {
    let state = match state {
        State::Queued | State::Claimed | State::Sent => MessageState::Enroute,
        State::Unknown => MessageState::Unknown,
        State::Delivered => MessageState::Delivered,
        State::Undelivered | State::Failed => MessageState::Undeliverable,
        State::Expired => MessageState::Expired,
        State::Rejected => MessageState::Rejected,
        State::Cancelled => MessageState::Deleted,
    };
    state.octet()
}

#[cfg(test)]
mod tests {
    use sms::Number;
    use uuid::Uuid;

    use super::*;

    fn ended(state: State, stat: Option<&str>) -> What {
        What::End(Box::new(Ended {
            message: Uuid::from_u128(7).into(),
            number: 4097,
            sender: "Ward 7".into(),
            to: Number::parse("+447700900117", None).unwrap(),
            state,
            stat: stat.map(str::to_owned),
            error: Some("027".into()),
            accepted_at: Timestamp::from_jiff("2026-11-22T03:12:07Z".parse().unwrap()),
            beginning: "Disk full ğ".into(),
            submission: None,
            network: None,
        }))
    }

    fn told(what: &What, ids: MessageIds, with_tlvs: bool) -> DeliverSm {
        let at = Timestamp::from_jiff("2026-11-22T03:13:00Z".parse().unwrap());
        match telling(what, at, Form { ids, with_tlvs, vendor: with_tlvs, long: LongInbound::Joined }) {
            Telling::One(pdu) => *pdu,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_receipt_says_it_twice_as_text_and_as_parameters() {
        let pdu = told(&ended(State::Undelivered, Some("UNDELIV")), MessageIds::Decimal, true);
        assert_eq!(
            String::from_utf8_lossy(&pdu.short_message.0),
            "id:4097 sub:001 dlvrd:000 submit date:2611220312 done date:2611220313 stat:UNDELIV err:027 text:Disk full ."
        );
        assert_eq!(
            (pdu.source.text.to_str().as_ref(), pdu.destination.text.to_str().as_ref()),
            ("447700900117", "Ward 7")
        );
        assert!(pdu.esm_class.is_receipt());
        assert_eq!(pdu.tlvs.receipted_message_id().unwrap().to_str(), "4097");
        assert_eq!(pdu.tlvs.message_state(), Some(MessageState::Undeliverable));
        assert_eq!(pdu.tlvs.network_error_code(), Some((3, 27)));
        assert!(told(&ended(State::Delivered, None), MessageIds::Uuid, false).tlvs.is_empty(), "SMPP 3.3");
    }

    #[test]
    fn the_carriers_word_counts_and_ours_where_it_gave_none() {
        for (ours, stat, said) in [
            (State::Delivered, Some("DELIVRD"), MessageState::Delivered),
            (State::Undelivered, Some("DELETED"), MessageState::Deleted),
            (State::Expired, None, MessageState::Expired),
            (State::Expired, Some("ENROUTE"), MessageState::Expired),
            (State::Rejected, None, MessageState::Rejected),
            (State::Failed, None, MessageState::Undeliverable),
            (State::Cancelled, None, MessageState::Deleted),
        ] {
            let pdu = told(&ended(ours, stat), MessageIds::Uuid, true);
            assert_eq!(pdu.tlvs.message_state(), Some(said), "{ours:?} {stat:?}");
        }
    }

    #[test]
    fn a_delivered_receipt_tells_the_network_as_8x8_does() {
        let What::End(mut end) = ended(State::Delivered, Some("DELIVRD")) else { unreachable!() };
        let value = |pdu: &DeliverSm, tag| pdu.tlvs.get(tag).map(|value| value.to_vec());
        let pdu = told(&What::End(end.clone()), MessageIds::Uuid, true);
        assert_eq!((value(&pdu, MCC), value(&pdu, MNC)), (Some(b"234".to_vec()), None), "by the number");
        end.network = sms::Network::parse("310-004");
        let pdu = told(&What::End(end), MessageIds::Uuid, true);
        assert_eq!(
            (value(&pdu, MCC), value(&pdu, MNC)),
            (Some(b"310".to_vec()), Some(b"004".to_vec())),
            "by the carrier"
        );
        let pdu = told(&ended(State::Undelivered, None), MessageIds::Uuid, true);
        assert_eq!(value(&pdu, MCC), None, "on delivered ones alone");
    }

    #[test]
    fn a_notification_on_the_way_is_no_receipt() {
        for (stat, said) in [(None, "ENROUTE"), (Some("ACCEPTD"), "ACCEPTD"), (Some("DELIVRD"), "ENROUTE")] {
            let What::End(end) = ended(State::Sent, stat) else { unreachable!() };
            let pdu = told(&What::Passing(end), MessageIds::Uuid, true);
            assert_eq!(pdu.esm_class, EsmClass(0x20));
            assert!(String::from_utf8_lossy(&pdu.short_message.0).contains(&format!("stat:{said} ")), "{said}");
        }
    }

    #[test]
    fn what_was_submitted_together_has_one_id() {
        let What::End(mut end) = ended(State::Delivered, None) else { unreachable!() };
        end.submission = Some((Uuid::from_u128(5).into(), 4_000));
        let pdu = told(&What::End(end), MessageIds::Decimal, true);
        assert_eq!(pdu.tlvs.receipted_message_id().unwrap().to_str(), "4000");
    }

    #[test]
    fn a_long_text_comes_as_the_account_wants_it() {
        let part = |sequence, text: &str| [&[5, 0, 3, 7, 2, sequence][..], text.as_bytes()].concat();
        let text = "x".repeat(300);
        let long = |pieces| What::Inbound {
            id: Uuid::from_u128(9).into(),
            from: "447700900117".into(),
            to: "447700900000".into(),
            text: text.clone(),
            pieces,
        };
        let pieces =
            Some(messaging::Pieces { data_coding: 0, parts: vec![part(1, &text[..153]), part(2, &text[153..])] });
        let count = |what: &What, long, with_tlvs| {
            let form = Form { ids: MessageIds::Uuid, with_tlvs, vendor: with_tlvs, long };
            match telling(what, Timestamp::from_micros(0), form) {
                Telling::One(_) => 1,
                Telling::Parts(parts) => {
                    assert!(
                        parts
                            .iter()
                            .all(|part| part.tlvs.message_payload().is_none() && (with_tlvs || part.tlvs.is_empty()))
                    );
                    parts.len()
                }
                Telling::Nothing => 0,
            }
        };
        let (with, without) = (long(pieces), long(None));
        assert_eq!((count(&with, LongInbound::Joined, true), count(&with, LongInbound::Udh, true)), (1, 2));
        assert_eq!((count(&with, LongInbound::Sar, true), count(&without, LongInbound::Sar, true)), (2, 1));
        assert_eq!(
            (count(&with, LongInbound::Joined, false), count(&without, LongInbound::Joined, false)),
            (2, 2),
            "SMPP 3.3"
        );
    }

    #[test]
    fn a_text_of_a_handset_comes_in_the_alphabet_it_needs() {
        let texted = |text: &str| {
            let what = What::Inbound {
                id: Uuid::from_u128(9).into(),
                from: "447700900117".into(),
                to: "447700900000".into(),
                text: text.into(),
                pieces: None,
            };
            told(&what, MessageIds::Uuid, true)
        };
        let short = texted("1");
        assert_eq!(
            (short.data_coding, &short.short_message.0[..], short.tlvs.get(MO_MESSAGE_ID).unwrap().len()),
            (DataCoding(0), &b"1"[..], 36)
        );
        assert_eq!((texted("ğ").data_coding, texted("ğ").message().len()), (DataCoding(8), 2));
        let long = texted(&"x".repeat(400));
        assert_eq!((long.short_message.0.len(), long.message().len()), (0, 400));
    }

    /// A library may break on a parameter that it does not know, so these are told to those who ask for them.
    #[test]
    fn parameters_of_8x8s_own_are_told_on_demand() {
        let at = Timestamp::from_micros(0);
        let numbers = |vendor| {
            let form = Form { ids: MessageIds::Uuid, with_tlvs: true, vendor, long: LongInbound::Joined };
            let Telling::One(pdu) = telling(&ended(State::Delivered, Some("DELIVRD")), at, form) else {
                panic!("one is expected")
            };
            (pdu.tlvs.get(MCC).is_some(), pdu.tlvs.receipted_message_id().is_some())
        };
        assert_eq!((numbers(true), numbers(false)), ((true, true), (false, true)));
    }
}
