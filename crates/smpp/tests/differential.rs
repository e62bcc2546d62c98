//! Our codec beside one that we did not write, `rusmpp-core`: what both accept must mean the same (F-20).
//!
//! Meaning is compared by crossing: what they understood, written by them, must be to us what the original was; and what we understood,
//! written by us, must be to them what the original was; of messages each field is compared by its name as well. One difference is known, an answer without a
//! body; any other fails this test.
//!
//! What only one of both accepts is no difference in meaning. Only we take octets above 127 in texts, times of any length, a message id
//! where an answer has a status, and parameters where the specification has none (such as all but one after a `bind_resp`): peers are known
//! to send them. Only they take PDUs whose sequence number or lengths we refuse, because a session could not go on after them.

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod generate;

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rusmpp_core::command::owned::Command as Theirs;
use rusmpp_core::decode::owned::DecodeWithLength as _;
use rusmpp_core::encode::Length as _;
use rusmpp_core::encode::owned::Encode as _;
use rusmpp_core::pdus::owned::Pdu as TheirPdu;
use smpp::{Address, Command, Framer, HEADER, Pdu};

use generate::{command, encode};

/// What they make of a frame; nothing unless they read all of it.
fn theirs(frame: &[u8]) -> Option<Theirs> {
    // The length of the frame is not part of their command.
    let mut body = BytesMut::from(frame);
    body.advance(4);
    let length = body.len();
    let (command, read) = Theirs::decode(&mut body, length).ok()?;
    (read == length).then_some(command)
}

fn written(command: &Theirs) -> Bytes {
    let mut out = BytesMut::new();
    out.extend_from_slice(&u32::try_from(command.length() + 4).unwrap().to_be_bytes());
    command.encode(&mut out);
    out.freeze()
}

/// The fields of the PDUs that carry messages, by name: crossing alone would not see two fields of one kind in each other's place.
fn fields(ours: &Command, theirs: &Theirs) -> Option<[String; 2]> {
    macro_rules! message {
        ($ours:expr, $theirs:expr) => {{
            let (one, other) = ($ours, $theirs);
            let address =
                |address: &Address| format!("{}/{}/{:?}", address.ton.0, address.npi.0, address.text.as_bytes());
            let ours = format!(
                "{} {} {} {} {} {} {} {} {} {:?} {:?} {:?}",
                address(&one.source),
                address(&one.destination),
                one.esm_class.0,
                one.protocol_id,
                one.priority_flag,
                one.registered_delivery.0,
                one.replace_if_present_flag,
                one.data_coding.0,
                one.sm_default_msg_id,
                one.schedule_delivery_time.as_bytes(),
                one.validity_period.as_bytes(),
                one.short_message.0.as_ref() as &[u8],
            );
            let theirs = format!(
                "{}/{}/{:?} {}/{}/{:?} {} {} {} {} {} {} {} {:?} {:?} {:?}",
                u8::from(other.source_addr_ton),
                u8::from(other.source_addr_npi),
                other.source_addr.as_str().as_bytes(),
                u8::from(other.dest_addr_ton),
                u8::from(other.dest_addr_npi),
                other.destination_addr.as_str().as_bytes(),
                u8::from(other.esm_class),
                other.protocol_id,
                u8::from(other.priority_flag),
                u8::from(other.registered_delivery),
                u8::from(other.replace_if_present_flag),
                u8::from(other.data_coding),
                other.sm_default_msg_id,
                other.schedule_delivery_time.as_str().as_bytes(),
                other.validity_period.as_str().as_bytes(),
                AsRef::<[u8]>::as_ref(other.short_message()),
            );
            Some([ours, theirs])
        }};
    }
    match (&ours.pdu, theirs.pdu()?) {
        (Pdu::SubmitSm(one), TheirPdu::SubmitSm(other)) => message!(one, other),
        (Pdu::DeliverSm(one), TheirPdu::DeliverSm(other)) => message!(one, other),
        (Pdu::QuerySmResp(one), TheirPdu::QuerySmResp(other)) => Some([
            format!("{:?} {} {}", one.message_id.as_bytes(), one.message_state, one.error_code),
            format!(
                "{:?} {} {}",
                other.message_id.as_str().as_bytes(),
                u8::from(other.message_state),
                other.error_code
            ),
        ]),
        _ => None,
    }
}

/// How two readings of one frame relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Same,
    OnlyOurs,
    OnlyTheirs,
    Neither,
}

/// Compares both readings of a frame; an error says how they differ.
fn compare(frame: &Bytes) -> Result<Reading, String> {
    let (ours, other) = match (Command::decode(frame.clone()).ok(), theirs(frame)) {
        (Some(ours), Some(other)) => (ours, other),
        (Some(_), None) => return Ok(Reading::OnlyOurs),
        (None, Some(_)) => return Ok(Reading::OnlyTheirs),
        (None, None) => return Ok(Reading::Neither),
    };
    if let Some([one, theirs]) = fields(&ours, &other)
        && one != theirs
    {
        return Err(format!("ours:   {one}\ntheirs: {theirs}"));
    }
    let back = Command::decode(written(&other));
    if back.as_ref().ok() != Some(&ours) {
        return Err(format!("ours: {ours:?}\ntheirs: {other:?}\nwritten by them, to us: {back:?}"));
    }
    let mut out = BytesMut::new();
    // Some of what peers send is tolerated and not what we would write. An answer without a body is to them one that says nothing, to us
    // one that says an empty id; we write none beside an error.
    let bodies = frame.len() > HEADER;
    let written = ours.encode(&mut out).is_ok();
    // Less than a parameter's head behind the last one is left out by us. They read on there where they take a parameter for shorter than
    // it says it is, as they do with all whose length they know.
    let rest = (1..4).contains(&frame.len().saturating_sub(out.len()));
    if bodies && written && !rest && out.len() > HEADER {
        let again = theirs(&out);
        if again.as_ref() != Some(&other) {
            return Err(format!("ours: {ours:?}\ntheirs: {other:?}\nwritten by us, to them: {again:?}"));
        }
    }
    Ok(Reading::Same)
}

/// Every kind of PDU, as plain as both accept them: seen to mean the same, not only not to differ.
#[test]
fn every_kind_means_the_same() {
    let mut runner = TestRunner::deterministic();
    let (mut same, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..4_000 {
        let command = command::<true>().new_tree(&mut runner).unwrap().current();
        let reading = compare(&encode(&command).freeze()).unwrap_or_else(|words| panic!("{words}"));
        let kind = format!("{:?}", command.pdu.id());
        *kinds.entry(kind.clone()).or_insert(0) += 1;
        *same.entry(kind).or_insert(0) += u32::from(reading == Reading::Same);
    }
    assert_eq!(kinds.len(), 28, "{kinds:?}");
    for (kind, times) in same {
        assert!(times >= 10, "{kind} was understood by both only {times} times of {}", kinds[&kind]);
    }
}

/// What the fuzzers start from, whole frames and bodies.
#[test]
fn the_corpus_means_the_same() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds");
    let mut same = 0;
    for file in std::fs::read_dir(format!("{seeds}/smpp_frames")).unwrap() {
        // The first octet says how the stream is cut.
        let mut stream = BytesMut::from(&std::fs::read(file.unwrap().path()).unwrap()[1..]);
        while let Ok(Some(frame)) = Framer::new(smpp::LIMIT_UNBOUND).next(&mut stream) {
            same += u32::from(compare(&frame).unwrap_or_else(|words| panic!("{words}")) == Reading::Same);
        }
    }
    for file in std::fs::read_dir(format!("{seeds}/smpp_pdu")).unwrap() {
        let body = std::fs::read(file.unwrap().path()).unwrap();
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        let frame = Bytes::from([&length[..], &body].concat());
        same += u32::from(compare(&frame).unwrap_or_else(|words| panic!("{words}")) == Reading::Same);
    }
    assert!(same >= 8, "only {same} of the corpus are understood by both");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_strangers_send_means_the_same(
        wild in any::<bool>(),
        (plain, strange) in (command::<true>(), command::<false>()),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut frame = encode(if wild { &strange } else { &plain });
        for (place, octet) in flips {
            let place = 4 + place.index(frame.len() - 4);
            frame[place] = octet;
        }
        if shorten {
            frame.truncate(4 + cut.index(frame.len() - 4));
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            frame[..4].copy_from_slice(&length);
        }
        let reading = compare(&frame.freeze());
        prop_assert!(reading.is_ok(), "{}", reading.unwrap_err());
    }
}
