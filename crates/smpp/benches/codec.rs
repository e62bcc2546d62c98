//! The codec alone: a submit_sm as the product sends it, with three optional parameters, and what a carrier sends back.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smpp::{
    Address, Command, DeliverSm, Framer, LIMIT_BOUND, Pdu, RegisteredDelivery, Status, SubmitSm, SubmitSmResp, Tag,
    Tlvs,
};

fn submit() -> Command {
    let tlvs = Tlvs::EMPTY
        .with(Tag::USER_MESSAGE_REFERENCE, vec![0, 7])
        .with(Tag::SOURCE_PORT, vec![0x0B, 0x84])
        .with(Tag::PAYLOAD_TYPE, vec![0]);
    let submit = SubmitSm {
        source: Address::international("447700900000"),
        destination: Address::international("447700900117"),
        registered_delivery: RegisteredDelivery(1),
        tlvs,
        ..SubmitSm::default()
    };
    let text = "Disk full on db-1: 98 % of /var used. Answer 1.";
    Command::request(7, Pdu::SubmitSm(submit.with_message(text)))
}

fn receipt() -> Command {
    let text = "id:0123456789 sub:001 dlvrd:001 submit date:2610230112 done date:2610230112 stat:DELIVRD err:000 text:Disk full";
    let deliver = DeliverSm {
        source: Address::international("447700900117"),
        destination: Address::international("447700900000"),
        tlvs: Tlvs::EMPTY.with(Tag::RECEIPTED_MESSAGE_ID, "0123456789\0").with(Tag::MESSAGE_STATE, vec![2]),
        ..DeliverSm::default()
    };
    Command::request(9, Pdu::DeliverSm(deliver.with_message(text)))
}

fn encoded(command: &Command) -> Bytes {
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out.freeze()
}

fn codec(criterion: &mut Criterion) {
    let resp = Command::response(7, Status::ROK, SubmitSmResp { message_id: "7f3a".into(), tlvs: Tlvs::EMPTY });
    for (name, command) in [("submit_sm", submit()), ("receipt", receipt()), ("submit_sm_resp", resp)] {
        let frame = encoded(&command);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function("decode", |bench| bench.iter(|| Command::decode(black_box(frame.clone()))));
        let mut out = BytesMut::with_capacity(1024);
        group.bench_function("encode", |bench| {
            bench.iter(|| {
                out.clear();
                black_box(&command).encode(&mut out)
            });
        });
        group.finish();
    }
    // As they come from a socket: a hundred behind each other.
    let stream: Bytes = encoded(&submit()).repeat(100).into();
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(100));
    group.bench_function("frame and decode 100", |bench| {
        let framer = Framer::new(LIMIT_BOUND);
        bench.iter(|| {
            let mut buffer = BytesMut::from(black_box(&stream[..]));
            let mut count = 0;
            while let Ok(Some(frame)) = framer.next(&mut buffer) {
                count += usize::from(Command::decode(frame).is_ok());
            }
            assert_eq!(count, 100);
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
