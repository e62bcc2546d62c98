//! What is encoded decodes to the same, for every PDU; and what is mutated never panics and never puts the
//! stream out of step (F-20).

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use smpp::{
    Address, AlertNotification, Bind, BindMode, BindResp, CancelSm, CancelSmResp, Command, CommandId, DataCoding,
    DataSm, DataSmResp, DeliverSm, DeliverSmResp, Destination, Destinations, EnquireLink, EnquireLinkResp, EsmClass,
    Framer, GenericNack, Message, Npi, Outbind, Password, Pdu, QuerySm, QuerySmResp, RegisteredDelivery, ReplaceSm,
    ReplaceSmResp, Status, SubmitMulti, SubmitMultiResp, SubmitSm, SubmitSmResp, Tag, Text, Tlvs, Ton, Unbind,
    UnbindResp, Unsuccessful, UnsuccessfulList,
};

/// A text of fewer than `limit` octets, any but NUL.
fn text(limit: usize) -> impl Strategy<Value = Text> {
    vec(1_u8..=255, 0..limit).prop_map(|octets| Text::from(Bytes::from(octets)))
}

fn address(limit: usize) -> impl Strategy<Value = Address> {
    (any::<u8>(), any::<u8>(), text(limit)).prop_map(|(ton, npi, text)| Address { ton: Ton(ton), npi: Npi(npi), text })
}

fn message() -> impl Strategy<Value = Message> {
    vec(any::<u8>(), 0..=Message::LIMIT).prop_map(Message::from)
}

fn tlvs() -> impl Strategy<Value = Tlvs> {
    vec((any::<u16>(), vec(any::<u8>(), 0..40)), 0..5).prop_map(|parameters| {
        parameters.into_iter().fold(Tlvs::EMPTY, |tlvs, (tag, value)| tlvs.with(Tag(tag), value))
    })
}

fn mode() -> impl Strategy<Value = BindMode> {
    prop_oneof![Just(BindMode::Receiver), Just(BindMode::Transmitter), Just(BindMode::Transceiver)]
}

fn bind() -> impl Strategy<Value = Bind> {
    (text(16), text(9), text(13), any::<[u8; 3]>(), text(41)).prop_map(
        |(system_id, password, system_type, [interface_version, ton, npi], address_range)| Bind {
            system_id,
            password: Password::new(password),
            system_type,
            interface_version,
            addr_ton: Ton(ton),
            addr_npi: Npi(npi),
            address_range,
        },
    )
}

fn submit() -> impl Strategy<Value = SubmitSm> {
    (text(6), address(21), address(21), any::<[u8; 7]>(), text(17), text(17), message(), tlvs()).prop_map(
        |(service_type, source, destination, octets, schedule, validity, short_message, tlvs)| SubmitSm {
            service_type,
            source,
            destination,
            esm_class: EsmClass(octets[0]),
            protocol_id: octets[1],
            priority_flag: octets[2],
            schedule_delivery_time: schedule,
            validity_period: validity,
            registered_delivery: RegisteredDelivery(octets[3]),
            replace_if_present_flag: octets[4],
            data_coding: DataCoding(octets[5]),
            sm_default_msg_id: octets[6],
            short_message,
            tlvs,
        },
    )
}

fn deliver(submit: SubmitSm) -> DeliverSm {
    DeliverSm {
        service_type: submit.service_type,
        source: submit.source,
        destination: submit.destination,
        esm_class: submit.esm_class,
        protocol_id: submit.protocol_id,
        priority_flag: submit.priority_flag,
        schedule_delivery_time: submit.schedule_delivery_time,
        validity_period: submit.validity_period,
        registered_delivery: submit.registered_delivery,
        replace_if_present_flag: submit.replace_if_present_flag,
        data_coding: submit.data_coding,
        sm_default_msg_id: submit.sm_default_msg_id,
        short_message: submit.short_message,
        tlvs: submit.tlvs,
    }
}

fn multi(submit: SubmitSm, destinations: Vec<Destination>) -> SubmitMulti {
    SubmitMulti {
        service_type: submit.service_type,
        source: submit.source,
        destinations: Destinations(destinations),
        esm_class: submit.esm_class,
        protocol_id: submit.protocol_id,
        priority_flag: submit.priority_flag,
        schedule_delivery_time: submit.schedule_delivery_time,
        validity_period: submit.validity_period,
        registered_delivery: submit.registered_delivery,
        replace_if_present_flag: submit.replace_if_present_flag,
        data_coding: submit.data_coding,
        sm_default_msg_id: submit.sm_default_msg_id,
        short_message: submit.short_message,
        tlvs: submit.tlvs,
    }
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![address(21).prop_map(Destination::Address), text(21).prop_map(Destination::List)]
}

fn data() -> impl Strategy<Value = DataSm> {
    (text(6), address(65), address(65), any::<[u8; 3]>(), tlvs()).prop_map(
        |(service_type, source, destination, octets, tlvs)| DataSm {
            service_type,
            source,
            destination,
            esm_class: EsmClass(octets[0]),
            registered_delivery: RegisteredDelivery(octets[1]),
            data_coding: DataCoding(octets[2]),
            tlvs,
        },
    )
}

fn replace() -> impl Strategy<Value = ReplaceSm> {
    (text(65), address(21), text(17), text(17), any::<[u8; 2]>(), message(), tlvs()).prop_map(
        |(message_id, source, schedule, validity, octets, short_message, tlvs)| ReplaceSm {
            message_id,
            source,
            schedule_delivery_time: schedule,
            validity_period: validity,
            registered_delivery: RegisteredDelivery(octets[0]),
            sm_default_msg_id: octets[1],
            short_message,
            tlvs,
        },
    )
}

fn unsuccessful() -> impl Strategy<Value = UnsuccessfulList> {
    vec((address(21), any::<u32>()), 0..4).prop_map(|entries| {
        UnsuccessfulList(
            entries.into_iter().map(|(address, status)| Unsuccessful { address, status: Status(status) }).collect(),
        )
    })
}

fn pdu() -> impl Strategy<Value = Pdu> {
    prop_oneof![
        (mode(), bind()).prop_map(|(mode, bind)| Pdu::Bind(mode, bind)),
        (mode(), text(16), tlvs())
            .prop_map(|(mode, system_id, tlvs)| Pdu::BindResp(mode, BindResp { system_id, tlvs })),
        (text(16), text(9))
            .prop_map(|(system_id, password)| Pdu::Outbind(Outbind { system_id, password: Password::new(password) })),
        submit().prop_map(Pdu::SubmitSm),
        submit().prop_map(|submit| Pdu::DeliverSm(deliver(submit))),
        (submit(), vec(destination(), 0..5)).prop_map(|(submit, list)| Pdu::SubmitMulti(multi(submit, list))),
        (text(65), tlvs()).prop_map(|(message_id, tlvs)| Pdu::SubmitSmResp(SubmitSmResp { message_id, tlvs })),
        (text(65), tlvs()).prop_map(|(message_id, tlvs)| Pdu::DeliverSmResp(DeliverSmResp { message_id, tlvs })),
        (text(65), tlvs()).prop_map(|(message_id, tlvs)| Pdu::DataSmResp(DataSmResp { message_id, tlvs })),
        (text(65), unsuccessful(), tlvs()).prop_map(|(message_id, unsuccessful, tlvs)| Pdu::SubmitMultiResp(
            SubmitMultiResp { message_id, unsuccessful, tlvs }
        )),
        data().prop_map(Pdu::DataSm),
        replace().prop_map(Pdu::ReplaceSm),
        (text(65), address(21)).prop_map(|(message_id, source)| Pdu::QuerySm(QuerySm { message_id, source })),
        (text(65), text(17), any::<[u8; 2]>()).prop_map(|(message_id, final_date, [message_state, error_code])| {
            Pdu::QuerySmResp(QuerySmResp { message_id, final_date, message_state, error_code })
        }),
        (text(6), text(65), address(21), address(21)).prop_map(|(service_type, message_id, source, destination)| {
            Pdu::CancelSm(CancelSm { service_type, message_id, source, destination })
        }),
        (address(65), address(65), tlvs()).prop_map(|(source, esme, tlvs)| Pdu::AlertNotification(AlertNotification {
            source,
            esme,
            tlvs
        })),
        Just(Pdu::EnquireLink(EnquireLink {})),
        Just(Pdu::EnquireLinkResp(EnquireLinkResp {})),
        Just(Pdu::Unbind(Unbind {})),
        Just(Pdu::UnbindResp(UnbindResp {})),
        Just(Pdu::GenericNack(GenericNack {})),
        Just(Pdu::CancelSmResp(CancelSmResp {})),
        Just(Pdu::ReplaceSmResp(ReplaceSmResp {})),
        vec(any::<u8>(), 0..64).prop_map(|body| Pdu::Unknown(CommandId(0x0001_0000), body.into())),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    (any::<u32>(), 1_u32..0x8000_0000, pdu()).prop_map(|(status, sequence, pdu)| Command {
        status: Status(status),
        sequence,
        pdu,
    })
}

fn encode(command: &Command) -> BytesMut {
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_decodes_to_the_same(commands in vec(command(), 1..6)) {
        let mut stream = BytesMut::new();
        for command in &commands {
            command.encode(&mut stream).unwrap();
        }
        let framer = Framer::new(smpp::LIMIT_BOUND);
        for command in &commands {
            let frame = framer.next(&mut stream).unwrap().unwrap();
            prop_assert_eq!(&Command::decode(frame).unwrap(), command);
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn a_mutated_pdu_never_panics_and_its_answer_can_be_sent(
        command in command(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut frame = encode(&command);
        for (place, octet) in flips {
            // The length is the framer's to judge; everything behind it is what a stranger wrote.
            let place = 4 + place.index(frame.len() - 4);
            frame[place] = octet;
        }
        if shorten {
            frame.truncate(cut.index(frame.len()));
        }
        match Command::decode(frame.freeze()) {
            // What could be read can be looked at.
            Ok(command) => {
                let shown = format!("{command:?}");
                prop_assert!(!shown.is_empty());
            },
            Err(error) => {
                prop_assert!(!error.status.is_ok());
                if let Some(answer) = error.answer() {
                    prop_assert_eq!(answer.sequence, error.sequence);
                    encode(&answer);
                }
            }
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let mut stream = BytesMut::from(&bytes[..]);
        let framer = Framer::new(smpp::LIMIT_UNBOUND);
        while let Ok(Some(frame)) = framer.next(&mut stream) {
            let _ = Command::decode(frame);
        }
        let _ = Command::decode(bytes.into());
    }
}
