//! Bytes from the field: what real peers send, what is refused, and with which answer.

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use bytes::{Bytes, BytesMut};
use smpp::{
    Address, Bind, BindMode, Command, CommandId, DeliverSm, EncodeError, EsmClass, Malformed, Message, Password, Pdu,
    Status, SubmitSm, SubmitSmResp, Tag, Text, Tlvs,
};

fn frame(id: CommandId, status: u32, sequence: u32, body: &[u8]) -> Bytes {
    let mut out = Vec::new();
    out.extend_from_slice(&u32::try_from(16 + body.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&id.0.to_be_bytes());
    out.extend_from_slice(&status.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(body);
    out.into()
}

fn encoded(command: &Command) -> Bytes {
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out.freeze()
}

/// The example of SMPP 3.4, section 3.2.3 and 4.1: a bind as the specification lays it out.
#[test]
fn a_bind_byte_by_byte() {
    let bind = Bind {
        system_type: Text::from_static("SUBMIT1"),
        interface_version: 0,
        addr_ton: smpp::Ton(1),
        addr_npi: smpp::Npi(1),
        ..Bind::new("SMPP3TEST", Password::new("secret08"))
    };
    let expected = b"\x00\x00\x00\x2F\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\
        SMPP3TEST\0secret08\0SUBMIT1\0\x00\x01\x01\0";
    let command = Command::request(1, Pdu::Bind(BindMode::Transmitter, bind));
    assert_eq!(encoded(&command), &expected[..]);
    assert_eq!(Command::decode(Bytes::from_static(expected)).unwrap(), command);
}

#[test]
fn an_error_answer_has_no_body_and_reads_as_an_empty_one() {
    let refused = Command::response(7, Status::RTHROTTLED, SubmitSmResp::default());
    assert_eq!(encoded(&refused).len(), 16);
    assert_eq!(Command::decode(encoded(&refused)).unwrap(), refused);
    let accepted = Command::response(7, Status::ROK, SubmitSmResp { message_id: "7f".into(), tlvs: Tlvs::EMPTY });
    assert_eq!(encoded(&accepted).len(), 19);
}

#[test]
fn habits_of_peers_are_read() {
    // An id without its NUL at the end of the body.
    let answer = Command::decode(frame(CommandId::SUBMIT_SM_RESP, 0, 3, b"7f3a")).unwrap();
    assert!(matches!(&answer.pdu, Pdu::SubmitSmResp(resp) if resp.message_id.to_str() == "7f3a"));
    // A Latin-1 sender, a short validity period, three stray octets behind an optional parameter.
    let body = b"\0\x05\0Caf\xE9\0\x01\x01447700900117\0\x04\0\0\x0000000100000R\0\0\0\x03\0\x02hi\x04\x27\0\x01\x02\xAA\xAA\xAA";
    let Command { pdu: Pdu::DeliverSm(deliver), .. } =
        Command::decode(frame(CommandId::DELIVER_SM, 0, 4, body)).unwrap()
    else {
        panic!("a deliver_sm")
    };
    assert_eq!(deliver.source.text.to_str(), "Café");
    assert_eq!(deliver.destination, Address::international("447700900117"));
    assert!(deliver.esm_class.is_receipt());
    assert_eq!(deliver.message(), "hi");
    assert_eq!(deliver.tlvs.message_state(), Some(smpp::MessageState::Delivered));
}

#[test]
fn long_texts_travel_as_payload() {
    let long = DeliverSm::default().with_message(vec![b'x'; 300]);
    assert!(long.short_message.0.is_empty());
    assert_eq!(long.message().len(), 300);
    assert_eq!(SubmitSm::default().with_message("short").short_message.0, "short");
}

/// F-20: what cannot be read is refused with a status that says why, and the stream stays in step.
#[test]
fn malformed_requests_get_the_answer_they_are_owed() {
    let check = |id: CommandId, body: &[u8], reason: Malformed, answer: Option<(CommandId, Status)>| {
        let error = Command::decode(frame(id, 0, 9, body)).unwrap_err();
        assert_eq!((error.reason, error.sequence, error.command), (reason, 9, id));
        let given = error.answer().map(|command| {
            assert_eq!(command.sequence, 9);
            (command.pdu.id(), command.status)
        });
        assert_eq!(given, answer);
    };
    check(
        CommandId::SUBMIT_SM,
        b"",
        Malformed::Truncated("service_type"),
        Some((CommandId::SUBMIT_SM_RESP, Status::RINVCMDLEN)),
    );
    check(
        CommandId::SUBMIT_SM,
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFFhi",
        Malformed::Overrun("short_message"),
        Some((CommandId::SUBMIT_SM_RESP, Status::RINVMSGLEN)),
    );
    check(
        CommandId::DELIVER_SM,
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x24\xFF\xFFx",
        Malformed::Tlv(0x0424),
        Some((CommandId::DELIVER_SM_RESP, Status::RINVOPTPARSTREAM)),
    );
    check(
        CommandId::ALERT_NOTIFICATION,
        b"\x01",
        Malformed::Truncated("source"),
        Some((CommandId::GENERIC_NACK, Status::RINVCMDLEN)),
    );
    check(CommandId::SUBMIT_MULTI_RESP, b"id\0\x05", Malformed::Truncated("unsuccessful"), None);
    let many = b"\x12\x34\0\0".repeat(Tlvs::MAX + 1);
    let error = Command::decode(frame(CommandId::BIND_TRANSMITTER_RESP, 0, 1, &[b"\0", &many[..]].concat()));
    assert_eq!(error.unwrap_err().reason, Malformed::TooManyTlvs(Tlvs::MAX));
    assert_eq!(Command::decode(Bytes::from_static(b"short")).unwrap_err().reason, Malformed::Header);
}

#[test]
fn what_must_not_be_sent_names_its_field_and_limit() {
    let encode = |pdu: Pdu| Command::request(1, pdu).encode(&mut BytesMut::new()).unwrap_err();
    let error = encode(Pdu::Bind(BindMode::Transceiver, Bind::new("demo", Password::new("too long for it"))));
    assert_eq!(
        error,
        EncodeError::TooLong { command: CommandId::BIND_TRANSCEIVER, field: "password", length: 15, limit: 8 }
    );
    assert_eq!(error.to_string(), "bind_transceiver: `password` has 15 octets and may have 8");
    let submit = SubmitSm { short_message: Message::from(vec![0; 255]), ..SubmitSm::default() };
    assert!(matches!(encode(submit.into()), EncodeError::TooLong { field: "short_message", limit: 254, .. }));
    let submit = SubmitSm { source: Address::alphanumeric("A\0B"), ..SubmitSm::default() };
    assert!(matches!(encode(submit.into()), EncodeError::Nul { field: "source", .. }));
    let tlvs = Tlvs::EMPTY.with(Tag::MESSAGE_PAYLOAD, vec![0; 65_000]).with(Tag(0x1400), vec![0; 6000]);
    assert!(matches!(encode(SubmitSm { tlvs, ..SubmitSm::default() }.into()), EncodeError::Pdu { .. }));
    // A PDU that cannot be sent leaves nothing behind in the buffer.
    let mut buffer = BytesMut::from(&b"before"[..]);
    let bad = Command::request(1, SubmitSm { source: Address::alphanumeric("A\0B"), ..SubmitSm::default() });
    bad.encode(&mut buffer).unwrap_err();
    assert_eq!(buffer, "before");
}

/// Neither passwords nor texts nor numbers reach a log through `Debug`.
#[test]
fn debug_shows_nothing_personal() {
    let submit = SubmitSm {
        source: Address::alphanumeric("ALERT"),
        destination: Address::international("447700900117"),
        esm_class: EsmClass::UDHI,
        short_message: Message::from("replication lag"),
        tlvs: Tlvs::EMPTY.with(Tag::MESSAGE_PAYLOAD, "replication lag"),
        ..SubmitSm::default()
    };
    let shown = format!("{:?}", Command::request(1, submit));
    assert!(!shown.contains("447700") && !shown.contains("replication"), "{shown}");
    let bind = Pdu::Bind(BindMode::Transceiver, Bind::new("demo", Password::new("hunter2")));
    let shown = format!("{:?}", Command::request(1, bind));
    assert!(shown.contains("demo") && !shown.contains("hunter2"), "{shown}");
}
