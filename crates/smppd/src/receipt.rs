//! What an application is told, in the words of SMPP. Pure.

use base::Timestamp;
use messaging::{Ended, State, What};
use routing::Sender;
use smpp::{Address, DataCoding, DeliverSm, EsmClass, MessageState, Tag, Text, Tlvs};
use sms::{Choice, Coding, ReceiptState, ReceiptText};

use crate::account::MessageIds;
use crate::time;

/// The `deliver_sm` that tells `what` happened at `at`; `None` when there is nothing left to tell. Optional parameters are left out for
/// an application of SMPP 3.3, which has none.
pub(crate) fn deliver_sm(what: &What, at: Timestamp, ids: MessageIds, with_tlvs: bool) -> Option<DeliverSm> {
    match what {
        What::End(ended) => Some(receipt(ended, at, ids, with_tlvs)),
        What::Inbound { id, from, to, text } => Some(inbound(&id.to_string(), from, to, text, with_tlvs)),
        What::Gone => None,
    }
}

/// The state that a receipt says; the carrier's word where it gave one.
fn state(ended: &Ended) -> ReceiptState {
    let said = ended.stat.as_deref().and_then(ReceiptState::from_stat);
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

fn receipt(ended: &Ended, at: Timestamp, ids: MessageIds, with_tlvs: bool) -> DeliverSm {
    let id = ids.write(ended.message, ended.number);
    let state = state(ended);
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
    if with_tlvs {
        let terminated = [id.as_bytes(), b"\0"].concat();
        tlvs = tlvs.with(Tag::RECEIPTED_MESSAGE_ID, terminated).with(Tag::MESSAGE_STATE, [state.message_state()]);
        if let Some(error) = error.and_then(|error| error.parse::<u16>().ok()).filter(|error| *error > 0) {
            let [high, low] = error.to_be_bytes();
            // 3: GSM (section 5.3.2.31).
            tlvs = tlvs.with(Tag::NETWORK_ERROR_CODE, [3, high, low]);
        }
    }
    let octets = sms::encode(sms::Encoding::Gsm7, &text.to_string()).unwrap_or_default();
    DeliverSm {
        source: Address::international(ended.to.digits()),
        destination: address(&ended.sender),
        esm_class: EsmClass::RECEIPT,
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

fn inbound(id: &str, from: &str, to: &str, text: &str, with_tlvs: bool) -> DeliverSm {
    let encoding = sms::count(text, Choice::Auto).map_or(sms::Encoding::Ucs2, |(encoding, _)| encoding);
    let octets = sms::encode(encoding, text).unwrap_or_default();
    // The id as 8x8 has it: 36 characters without an end (its TLV 0x1502).
    let tlvs = if with_tlvs { Tlvs::EMPTY.with(MO_MESSAGE_ID, id) } else { Tlvs::EMPTY };
    DeliverSm {
        source: address(from),
        destination: address(to),
        data_coding: DataCoding(Coding::from(encoding).data_coding()),
        tlvs,
        ..DeliverSm::default()
    }
    .with_message(octets)
}

const MO_MESSAGE_ID: Tag = Tag(0x1502);

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
        }))
    }

    fn told(what: &What, ids: MessageIds, with_tlvs: bool) -> DeliverSm {
        let at = Timestamp::from_jiff("2026-11-22T03:13:00Z".parse().unwrap());
        deliver_sm(what, at, ids, with_tlvs).unwrap()
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
    fn a_text_of_a_handset_comes_in_the_alphabet_it_needs() {
        let texted = |text: &str| {
            let what = What::Inbound {
                id: Uuid::from_u128(9).into(),
                from: "447700900117".into(),
                to: "447700900000".into(),
                text: text.into(),
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
}
