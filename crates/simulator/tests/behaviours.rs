//! Each behaviour of the simulated carrier, seen by a client over TLS (E-02).

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod common;

use std::time::{Duration, Instant};

use common::{DINA, Stage, id_of, submit, submits, until};
use simulator::ledger::Outcome;
use simulator::{Behaviour, Cut, MessageIds};
use smpp::{BindMode, DeliverSm, DeliverSmResp, MessageState, Pdu, Status};
use smpplink::{ConnectError, Link, NoAnswer, Unknown};
use sms::ReceiptText;

/// The next receipt, acknowledged.
async fn receipt(link: &mut Link) -> (DeliverSm, ReceiptText) {
    let request = tokio::time::timeout(Duration::from_secs(5), link.incoming.next()).await.unwrap().unwrap();
    let (pdu, responder) = request.into_parts();
    let Pdu::DeliverSm(deliver) = pdu else { panic!("{pdu:?}") };
    assert!(deliver.esm_class.is_receipt());
    responder.answer(Status::ROK, DeliverSmResp::default()).unwrap();
    let text = ReceiptText::parse(std::str::from_utf8(&deliver.message()).unwrap()).unwrap();
    (deliver, text)
}

fn quick() -> Behaviour {
    Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }
}

fn no_receipts() -> Behaviour {
    Behaviour { receipt_percent: 0.0, ..Behaviour::default() }
}

#[tokio::test]
async fn a_good_carrier_takes_a_text_and_sends_one_receipt() {
    let stage = Stage::new(quick()).await;
    let mut link = stage.bind().await;
    let id = id_of(link.handle.request(submit("Replication lag 42 s")).await);
    // The ledger has the line before the answer.
    let ledger = stage.ledger();
    assert_eq!(ledger.len(), 1);
    let entry = &ledger[0];
    assert_eq!((entry.text.as_str(), entry.destination.as_str()), ("Replication lag 42 s", DINA));
    assert_eq!((entry.outcome, entry.status, entry.part), (Outcome::Accepted, Some(0), None));
    assert_eq!((entry.source.as_str(), entry.system_id.as_str(), entry.receipt_wanted), ("70007", "demo", true));
    assert_eq!(format!("{:x}", entry.id), id);
    let (deliver, text) = receipt(&mut link).await;
    assert_eq!((text.id.as_str(), text.state), (id.as_str(), sms::ReceiptState::Delivered));
    assert_eq!(text.text.as_deref(), Some("Replication lag 42 s"));
    assert_eq!(deliver.tlvs.receipted_message_id().unwrap().to_str(), id);
    assert_eq!(deliver.tlvs.message_state(), Some(MessageState::Delivered));
    assert_eq!(deliver.source.text.to_str(), DINA.trim_start_matches('+'));
    assert_eq!(deliver.destination.text.to_str(), "70007");
    until("the receipt is noted", async || {
        let handset = stage.control.handset(DINA).await.unwrap();
        let receipt = handset.texts[0].parts[0].receipt.clone();
        receipt.is_some_and(|receipt| receipt.acknowledged && receipt.times == 1)
    })
    .await;
    let counters = stage.control.counters().await.unwrap();
    assert_eq!((counters.submits, counters.accepted, counters.receipts_waiting), (1, 1, 0));
    assert_eq!((counters.binds.len(), counters.binds[0].tls), (1, true));
    assert_eq!(link.handle.unbind().await, smpplink::Closed::Unbound);
    stage.simulator.stop().await;
}

/// no account but the one it was given; a stranger learns nothing from the status.
#[tokio::test]
async fn a_wrong_password_is_refused_with_0x0d() {
    let stage = Stage::new(quick()).await;
    let refused = stage.try_bind(BindMode::Transceiver, "wrong").await;
    assert!(matches!(refused, Err(ConnectError::Refused(Status::RBINDFAIL))));
    stage.control.set_behaviour(&Behaviour { refuse_binds: true, ..quick() }).await.unwrap();
    let refused = stage.try_bind(BindMode::Transceiver, "s3cret").await;
    assert!(matches!(refused, Err(ConnectError::Refused(Status::RBINDFAIL))));
    assert_eq!(stage.control.counters().await.unwrap().binds_refused, 2);
}

/// a client that verifies does not talk to a server with another name or issuer.
#[tokio::test]
async fn a_certificate_of_another_name_or_issuer_is_refused() {
    let stage = Stage::new(quick()).await;
    let other = Stage::new(quick()).await;
    let mut wrong_name = stage.target.clone();
    wrong_name.tls.as_mut().unwrap().server_name = "carrier.example.com".try_into().unwrap();
    let mut wrong_issuer = stage.target.clone();
    wrong_issuer.tls.as_mut().unwrap().config = other.target.tls.clone().unwrap().config;
    for target in [wrong_name, wrong_issuer] {
        let bind = smpp::Bind::new("demo", smpp::Password::new("s3cret"));
        let refused = smpplink::connect(&target, BindMode::Transceiver, bind, smpplink::Limits::default()).await;
        assert!(matches!(refused, Err(ConnectError::Tls(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn rejections_and_throttling_have_their_status() {
    let stage = Stage::new(Behaviour { reject_percent: 100.0, ..no_receipts() }).await;
    let link = stage.bind().await;
    assert_eq!(link.handle.request(submit("x")).await.unwrap().status, Status::RINVDSTADR);
    let set = async |behaviour| stage.control.set_behaviour(&behaviour).await.unwrap();
    set(Behaviour { reject_percent: 100.0, reject_status: 0x45, ..no_receipts() }).await;
    assert_eq!(link.handle.request(submit("x")).await.unwrap().status, Status::RSUBMITFAIL);
    set(Behaviour { throttle_percent: 100.0, ..no_receipts() }).await;
    assert_eq!(link.handle.request(submit("x")).await.unwrap().status, Status::RTHROTTLED);
    set(Behaviour { throttle_percent: 100.0, throttle_status: 0x14, ..no_receipts() }).await;
    assert_eq!(link.handle.request(submit("x")).await.unwrap().status, Status::RMSGQFUL);
    set(no_receipts()).await;
    // A destination that is no number is refused whatever the behaviour.
    let nowhere = smpp::SubmitSm { destination: smpp::Address::alphanumeric("NOWHERE"), ..submit("x") };
    assert_eq!(link.handle.request(nowhere).await.unwrap().status, Status::RINVDSTADR);
    let outcomes: Vec<_> = stage.ledger().into_iter().map(|entry| (entry.outcome, entry.status)).collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Rejected, Some(0x0B)),
            (Outcome::Rejected, Some(0x45)),
            (Outcome::Throttled, Some(0x58)),
            (Outcome::Throttled, Some(0x14)),
            (Outcome::Rejected, Some(0x0B)),
        ]
    );
    assert!(stage.control.handsets().await.unwrap().is_empty(), "nothing of this reached a handset");
}

/// F-14: above its rate the carrier throttles, and only what is above.
#[tokio::test]
async fn above_the_rate_is_throttled() {
    let stage = Stage::new(Behaviour { throttle_above: Some(50), ..no_receipts() }).await;
    let link = stage.bind().await;
    let mut throttled = 0;
    for _ in 0..40 {
        if link.handle.request(submit("x")).await.unwrap().status == Status::RTHROTTLED {
            throttled += 1;
        }
    }
    assert!((20..40).contains(&throttled), "{throttled}");
    assert_eq!(stage.control.counters().await.unwrap().throttled, throttled);
}

/// F-13: what is lost is never answered; whether it reaches the handset is the behaviour's choice.
#[tokio::test]
async fn a_lost_answer_stays_lost() {
    let stage = Stage::new(Behaviour { loss_percent: 100.0, ..no_receipts() }).await;
    let link = stage.bind().await;
    assert_eq!(link.handle.request(submit("delivered")).await, Err(NoAnswer::Unknown(Unknown::TimedOut)));
    let dropped = Behaviour { loss_percent: 100.0, lost_are_delivered: false, ..no_receipts() };
    stage.control.set_behaviour(&dropped).await.unwrap();
    assert_eq!(link.handle.request(submit("dropped")).await, Err(NoAnswer::Unknown(Unknown::TimedOut)));
    let ledger = stage.ledger();
    assert_eq!(ledger.iter().map(|entry| entry.outcome).collect::<Vec<_>>(), [Outcome::Lost, Outcome::Dropped]);
    assert!(ledger.iter().all(|entry| entry.status.is_none()));
    let texts = stage.control.handset(DINA).await.unwrap().texts;
    assert_eq!(texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>(), ["delivered"]);
}

/// F-12: the carrier takes n, answers k and cuts, for every k.
#[tokio::test]
async fn a_cut_after_k_of_n_answers_exactly_k() {
    for answered in 0..=4 {
        let cut = Some(Cut { answered, of: 4, times: Some(1) });
        let stage = Stage::new(Behaviour { cut, ..no_receipts() }).await;
        let link = stage.bind().await;
        let pending: Vec<_> = (0..6).map(|_| link.handle.try_reserve().unwrap().send(submit("x")).unwrap()).collect();
        let mut outcomes = Vec::new();
        for pending in pending {
            outcomes.push(pending.await);
        }
        let ok = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(ok, answered as usize);
        let lost = outcomes.iter().filter(|outcome| **outcome == Err(NoAnswer::Unknown(Unknown::Closed))).count();
        assert_eq!(lost, 6 - answered as usize);
        assert_eq!(stage.ledger().len(), 4, "what is behind the cut was never read");
        let counters = stage.control.counters().await.unwrap();
        assert_eq!((counters.cuts, counters.unanswered), (1, u64::from(4 - answered)));
        // After its last cut the carrier behaves again.
        let link = stage.bind().await;
        id_of(link.handle.request(submit("again")).await);
    }
}

#[tokio::test]
async fn answers_and_receipts_take_their_time() {
    let slow = Behaviour { answer_delay_ms: 150, receipt_delay_ms: 200, ..Behaviour::default() };
    let stage = Stage::new(slow).await;
    let mut link = stage.bind().await;
    let started = now();
    let response = link.handle.request(submit("x")).await.unwrap();
    assert!((150..1500).contains(&response.after.as_millis()), "{:?}", response.after);
    receipt(&mut link).await;
    assert!(started.elapsed().as_millis() >= 350);
    until("the receipt is noted", async || stage.control.handset(DINA).await.unwrap().last_receipt.is_some()).await;
    let note = stage.control.handset(DINA).await.unwrap().last_receipt.unwrap();
    assert!((350..2000).contains(&note.after_ms), "{note:?}");
}

/// F-15: receipts twice, by share and for one handset; before their answer; failed; reordered.
#[tokio::test]
async fn receipts_come_twice_early_failed_and_out_of_order() {
    let stage = Stage::new(Behaviour { receipts_twice_percent: 100.0, ..quick() }).await;
    let mut link = stage.bind().await;
    let id = id_of(link.handle.request(submit("x")).await);
    for _ in 0..2 {
        assert_eq!(receipt(&mut link).await.1.id, id);
    }
    stage.control.set_behaviour(&quick()).await.unwrap();
    stage.control.set_receipts_twice(DINA, true).await.unwrap();
    let id = id_of(link.handle.request(submit("x")).await);
    for _ in 0..2 {
        assert_eq!(receipt(&mut link).await.1.id, id);
    }
    stage.control.set_receipts_twice(DINA, false).await.unwrap();

    stage.control.set_behaviour(&Behaviour { undelivered_percent: 100.0, ..quick() }).await.unwrap();
    id_of(link.handle.request(submit("x")).await);
    let (_, text) = receipt(&mut link).await;
    assert_eq!((text.state, text.error.as_deref()), (sms::ReceiptState::Undeliverable, Some("001")));

    stage.control.set_behaviour(&Behaviour { receipt_before_answer: true, ..quick() }).await.unwrap();
    let pending = link.handle.try_reserve().unwrap().send(submit("x")).unwrap();
    let (_, text) = receipt(&mut link).await;
    assert_eq!(id_of(pending.await), text.id);

    let spread = Behaviour { receipt_spread_ms: 300, seed: Some(3), ..quick() };
    stage.control.set_behaviour(&spread).await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..12 {
        sent.push(id_of(link.handle.request(submit("x")).await));
    }
    let mut came = Vec::new();
    for _ in 0..12 {
        came.push(receipt(&mut link).await.1.id);
    }
    assert_ne!(came, sent, "with a spread they overtake each other");
    came.sort();
    sent.sort();
    assert_eq!(came, sent);
}

#[tokio::test]
async fn message_ids_come_in_every_mix() {
    let stage = Stage::new(quick()).await;
    let mut link = stage.bind().await;
    let read = |text: &str, radix| u64::from_str_radix(text, radix).unwrap();
    let mixes = [
        (MessageIds::Hex, 16, 16),
        (MessageIds::Decimal, 10, 10),
        (MessageIds::HexThenDecimal, 16, 10),
        (MessageIds::DecimalThenHex, 10, 16),
    ];
    for (message_ids, in_answer, in_receipt) in mixes {
        stage.control.set_behaviour(&Behaviour { message_ids, receipt_tlvs: false, ..quick() }).await.unwrap();
        let id = read(&id_of(link.handle.request(submit("x")).await), in_answer);
        let (deliver, text) = receipt(&mut link).await;
        assert_eq!(read(&text.id, in_receipt), id, "{message_ids:?}");
        assert!(deliver.tlvs.is_empty());
        assert_eq!(stage.ledger().last().unwrap().id, id);
    }
}

#[tokio::test]
async fn a_seed_repeats_the_same_fates() {
    let mut fates = Vec::new();
    for _ in 0..2 {
        let seeded = Behaviour { reject_percent: 30.0, throttle_percent: 20.0, seed: Some(42), ..no_receipts() };
        let stage = Stage::new(seeded).await;
        let link = stage.bind().await;
        let mut statuses = Vec::new();
        for _ in 0..50 {
            statuses.push(link.handle.request(submit("x")).await.unwrap().status);
        }
        fates.push(statuses);
    }
    assert_eq!(fates[0], fates[1]);
    assert!(fates[0].iter().any(|status| status.is_ok()) && fates[0].iter().any(|status| !status.is_ok()));
}

/// A receipt that the application does not take comes again, over any bind that receives.
#[tokio::test]
async fn a_receipt_that_is_not_taken_comes_again() {
    let stage = Stage::new(quick()).await;
    let transmitter = stage.try_bind(BindMode::Transmitter, "s3cret").await.unwrap();
    let id = id_of(transmitter.handle.request(submit("x")).await);
    let counters = stage.control.counters().await.unwrap();
    assert_eq!((counters.receipts_sent, counters.receipts_waiting), (0, 1), "nobody receives yet");
    let mut receiver = stage.try_bind(BindMode::Receiver, "s3cret").await.unwrap();
    let request = receiver.incoming.next().await.unwrap();
    request.refuse(Status::RX_T_APPN);
    assert_eq!(receipt(&mut receiver).await.1.id, id);
}

/// E-31: parts are counted one by one, and a wrong request gets the answer that carriers give.
#[tokio::test]
async fn long_texts_are_ledgered_part_by_part_and_other_requests_are_refused() {
    let stage = Stage::new(quick()).await;
    let link = stage.bind().await;
    let words = "Replication lag 42 s, limit 30 s. ".repeat(6);
    for part in submits(DINA, &words) {
        id_of(link.handle.request(part).await);
    }
    let parts: Vec<_> = stage.ledger().into_iter().map(|entry| entry.part.unwrap()).collect();
    assert_eq!(
        parts.iter().map(|part| (part.reference, part.total, part.number)).collect::<Vec<_>>(),
        [(77, 2, 1), (77, 2, 2)]
    );
    assert_eq!(stage.control.handset(DINA).await.unwrap().texts[0].text, words);
    let query = link.handle.request(smpp::QuerySm::default()).await.unwrap();
    assert_eq!(query.status, Status::RQUERYFAIL);
    let data = smpp::DataSm {
        source: submit("x").source,
        destination: submit("x").destination,
        tlvs: smpp::Tlvs::EMPTY.with(smpp::Tag::MESSAGE_PAYLOAD, "by another door"),
        ..smpp::DataSm::default()
    };
    assert!(link.handle.request(data).await.is_ok());
    assert_eq!(stage.ledger().last().unwrap().text, "by another door");
}

#[expect(clippy::disallowed_methods, reason = "a test measures real time")]
fn now() -> Instant {
    Instant::now()
}
