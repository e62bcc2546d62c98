//! PDUs of every kind, drawn.

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use smpp::{
    Address, AlertNotification, Bind, BindMode, BindResp, CancelSm, CancelSmResp, Command, CommandId, DataCoding,
    DataSm, DataSmResp, DeliverSm, DeliverSmResp, Destination, Destinations, EnquireLink, EnquireLinkResp, EsmClass,
    GenericNack, Message, Npi, Outbind, Password, Pdu, QuerySm, QuerySmResp, RegisteredDelivery, ReplaceSm,
    ReplaceSmResp, Status, SubmitMulti, SubmitMultiResp, SubmitSm, SubmitSmResp, Tag, Text, Tlvs, Ton, Unbind,
    UnbindResp, Unsuccessful, UnsuccessfulList,
};

/// A text of fewer than `limit` octets: any but NUL, or visible ASCII where it shall be plain.
fn text<const PLAIN: bool>(limit: usize) -> impl Strategy<Value = Text> {
    let octets = if PLAIN { b' '..=b'~' } else { 1..=255 };
    vec(octets, 0..limit).prop_map(|octets| Text::from(Bytes::from(octets)))
}

/// A time: of the length that the specification gives it, or none.
fn time<const PLAIN: bool>() -> impl Strategy<Value = Text> {
    text::<PLAIN>(17).prop_map(|text| match text.as_bytes() {
        octets if PLAIN && octets.len() < 8 => Text::EMPTY,
        _ if PLAIN => Text::from("261023011200000R"),
        _ => text,
    })
}

fn address<const PLAIN: bool>(limit: usize) -> impl Strategy<Value = Address> {
    (any::<u8>(), any::<u8>(), text::<PLAIN>(limit)).prop_map(|(ton, npi, text)| Address {
        ton: Ton(ton),
        npi: Npi(npi),
        text,
    })
}

fn message<const PLAIN: bool>() -> impl Strategy<Value = Message> {
    vec(any::<u8>(), 0..=Message::LIMIT).prop_map(Message::from)
}

fn tlvs<const PLAIN: bool>() -> impl Strategy<Value = Tlvs> {
    let wild = vec((any::<u16>(), vec(any::<u8>(), 0..40)), 0..5);
    // Of the length and form that the specification gives them, and some of carriers' own.
    let plain = prop_oneof![
        (Just(Tag::RECEIPTED_MESSAGE_ID.0), text::<true>(65).prop_map(|text| [text.as_bytes(), b"\0"].concat())),
        (Just(Tag::MESSAGE_STATE.0), vec(any::<u8>(), 1)),
        (Just(Tag::NETWORK_ERROR_CODE.0), vec(any::<u8>(), 3)),
        (Just(Tag::SAR_MSG_REF_NUM.0), vec(any::<u8>(), 2)),
        (Just(Tag::SAR_TOTAL_SEGMENTS.0), vec(any::<u8>(), 1)),
        (Just(Tag::SAR_SEGMENT_SEQNUM.0), vec(any::<u8>(), 1)),
        (Just(Tag::USER_MESSAGE_REFERENCE.0), vec(any::<u8>(), 2)),
        (Just(Tag::SOURCE_PORT.0), vec(any::<u8>(), 2)),
        (Just(Tag::MESSAGE_PAYLOAD.0), vec(any::<u8>(), 0..300)),
        (0x1400_u16..0x4000, vec(any::<u8>(), 0..40)),
    ];
    let known = vec(plain, 0..5);
    let all = if PLAIN { known.boxed() } else { wild.boxed() };
    all.prop_map(|parameters| parameters.into_iter().fold(Tlvs::EMPTY, |tlvs, (tag, value)| tlvs.with(Tag(tag), value)))
}

fn mode() -> impl Strategy<Value = BindMode> {
    prop_oneof![Just(BindMode::Receiver), Just(BindMode::Transmitter), Just(BindMode::Transceiver)]
}

fn bind<const PLAIN: bool>() -> impl Strategy<Value = Bind> {
    (text::<PLAIN>(16), text::<PLAIN>(9), text::<PLAIN>(13), any::<[u8; 3]>(), text::<PLAIN>(41)).prop_map(
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

fn submit<const PLAIN: bool>() -> impl Strategy<Value = SubmitSm> {
    (
        text::<PLAIN>(6),
        address::<PLAIN>(21),
        address::<PLAIN>(21),
        any::<[u8; 7]>(),
        time::<PLAIN>(),
        time::<PLAIN>(),
        message::<PLAIN>(),
        tlvs::<PLAIN>(),
    )
        .prop_map(|(service_type, source, destination, octets, schedule, validity, short_message, tlvs)| {
            SubmitSm {
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
            }
        })
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

fn destination<const PLAIN: bool>() -> impl Strategy<Value = Destination> {
    prop_oneof![address::<PLAIN>(21).prop_map(Destination::Address), text::<PLAIN>(21).prop_map(Destination::List)]
}

fn data<const PLAIN: bool>() -> impl Strategy<Value = DataSm> {
    (text::<PLAIN>(6), address::<PLAIN>(65), address::<PLAIN>(65), any::<[u8; 3]>(), tlvs::<PLAIN>()).prop_map(
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

fn replace<const PLAIN: bool>() -> impl Strategy<Value = ReplaceSm> {
    (
        text::<PLAIN>(65),
        address::<PLAIN>(21),
        time::<PLAIN>(),
        time::<PLAIN>(),
        any::<[u8; 2]>(),
        message::<PLAIN>(),
        tlvs::<PLAIN>(),
    )
        .prop_map(|(message_id, source, schedule, validity, octets, short_message, tlvs)| ReplaceSm {
            message_id,
            source,
            schedule_delivery_time: schedule,
            validity_period: validity,
            registered_delivery: RegisteredDelivery(octets[0]),
            sm_default_msg_id: octets[1],
            short_message,
            tlvs,
        })
}

fn unsuccessful<const PLAIN: bool>() -> impl Strategy<Value = UnsuccessfulList> {
    vec((address::<PLAIN>(21), any::<u32>()), 0..4).prop_map(|entries| {
        UnsuccessfulList(
            entries.into_iter().map(|(address, status)| Unsuccessful { address, status: Status(status) }).collect(),
        )
    })
}

fn pdu<const PLAIN: bool>() -> impl Strategy<Value = Pdu> {
    prop_oneof![
        (mode(), bind::<PLAIN>()).prop_map(|(mode, bind)| Pdu::Bind(mode, bind)),
        (mode(), text::<PLAIN>(16), tlvs::<PLAIN>())
            .prop_map(|(mode, system_id, tlvs)| Pdu::BindResp(mode, BindResp { system_id, tlvs })),
        (text::<PLAIN>(16), text::<PLAIN>(9))
            .prop_map(|(system_id, password)| Pdu::Outbind(Outbind { system_id, password: Password::new(password) })),
        submit::<PLAIN>().prop_map(Pdu::SubmitSm),
        submit::<PLAIN>().prop_map(|submit| Pdu::DeliverSm(deliver(submit))),
        (submit::<PLAIN>(), vec(destination::<PLAIN>(), 0..5))
            .prop_map(|(submit, list)| Pdu::SubmitMulti(multi(submit, list))),
        (text::<PLAIN>(65), tlvs::<PLAIN>())
            .prop_map(|(message_id, tlvs)| Pdu::SubmitSmResp(SubmitSmResp { message_id, tlvs })),
        (text::<PLAIN>(65), tlvs::<PLAIN>())
            .prop_map(|(message_id, tlvs)| Pdu::DeliverSmResp(DeliverSmResp { message_id, tlvs })),
        (text::<PLAIN>(65), tlvs::<PLAIN>())
            .prop_map(|(message_id, tlvs)| Pdu::DataSmResp(DataSmResp { message_id, tlvs })),
        (text::<PLAIN>(65), unsuccessful::<PLAIN>(), tlvs::<PLAIN>()).prop_map(|(message_id, unsuccessful, tlvs)| {
            Pdu::SubmitMultiResp(SubmitMultiResp { message_id, unsuccessful, tlvs })
        }),
        data::<PLAIN>().prop_map(Pdu::DataSm),
        replace::<PLAIN>().prop_map(Pdu::ReplaceSm),
        (text::<PLAIN>(65), address::<PLAIN>(21))
            .prop_map(|(message_id, source)| Pdu::QuerySm(QuerySm { message_id, source })),
        (text::<PLAIN>(65), time::<PLAIN>(), any::<[u8; 2]>()).prop_map(
            |(message_id, final_date, [message_state, error_code])| {
                Pdu::QuerySmResp(QuerySmResp { message_id, final_date, message_state, error_code })
            }
        ),
        (text::<PLAIN>(6), text::<PLAIN>(65), address::<PLAIN>(21), address::<PLAIN>(21)).prop_map(
            |(service_type, message_id, source, destination)| {
                Pdu::CancelSm(CancelSm { service_type, message_id, source, destination })
            }
        ),
        (address::<PLAIN>(65), address::<PLAIN>(65), tlvs::<PLAIN>())
            .prop_map(|(source, esme, tlvs)| Pdu::AlertNotification(AlertNotification { source, esme, tlvs })),
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

/// Any PDU at all.
pub fn command<const PLAIN: bool>() -> impl Strategy<Value = Command> {
    (any::<u32>(), 1_u32..0x8000_0000, pdu::<PLAIN>()).prop_map(|(status, sequence, pdu)| Command {
        status: Status(status),
        sequence,
        pdu,
    })
}

/// As it goes over the wire.
pub fn encode(command: &Command) -> BytesMut {
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out
}
