//! A carrier that works: binds, carries, brings receipts and replies, and says how it is doing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use carriers::{BindAs, MessageIds, Settings};
use messaging::{Carrier, LinkState};
use simulator::{Behaviour, MessageIds as Written};
use sms::ReceiptState;

use crate::stage::{DINA, Stage, burst, part, parts, until, until_bound};

fn quick() -> Behaviour {
    Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }
}

/// E-02, E-31, X-07: over TLS with a private authority, and each receipt with the id of its part.
#[tokio::test]
async fn parts_go_out_over_tls_and_receipts_come_back_with_their_ids() {
    let stage = Stage::new(quick()).await;
    let (carrier, inbox) = Stage::bound(stage.settings()).await;
    assert_eq!(carrier.status().words, "1 of 1 sessions");
    let words = "Replication lag 42 s, limit 30 s. ".repeat(6);
    let mut sent = Vec::new();
    for part in parts(&words) {
        sent.push(carrier.submit(part).await.unwrap().carrier_ref);
    }
    until("both receipts", async || inbox.receipts().len() == 2).await;
    let receipts = inbox.receipts();
    assert!(receipts.iter().all(|receipt| receipt.state == ReceiptState::Delivered && &*receipt.carrier == "sim-1"));
    assert_eq!(receipts.iter().map(|receipt| receipt.carrier_ref.clone()).collect::<Vec<_>>(), sent);
    let handset = stage.control.handset(DINA).await.unwrap();
    assert_eq!((handset.texts.len(), handset.texts[0].text.as_str()), (1, words.as_str()));
    assert_eq!(handset.texts[0].peer, "70007");
    let binds = stage.control.counters().await.unwrap().binds;
    assert_eq!((binds.len(), binds[0].mode.as_str(), binds[0].tls), (1, "transceiver", true));
    let status = carrier.status();
    assert_eq!((status.submits, status.window_used), (2, 0));
    assert!(status.p50.is_some() && status.p99 >= status.p50);
    carrier.stop().await;
    until("unbound", async || stage.control.counters().await.unwrap().binds.is_empty()).await;
}

#[tokio::test]
async fn receipts_are_matched_however_ids_are_written() {
    let mixes = [
        (Written::Hex, MessageIds::Auto),
        (Written::Decimal, MessageIds::Auto),
        (Written::HexThenDecimal, MessageIds::Auto),
        (Written::DecimalThenHex, MessageIds::Auto),
        (Written::HexThenDecimal, MessageIds::HexThenDecimal),
        (Written::DecimalThenHex, MessageIds::DecimalThenHex),
        (Written::Decimal, MessageIds::Same),
    ];
    let stage = Stage::new(quick()).await;
    for (message_ids, ours) in mixes {
        stage.behave(Behaviour { message_ids, receipt_tlvs: false, ..quick() }).await;
        let (carrier, inbox) = Stage::bound(Settings { message_ids: ours, ..stage.settings() }).await;
        let mut sent = Vec::new();
        for number in 0..8 {
            sent.push(carrier.submit(part(&format!("text {number}"))).await.unwrap().carrier_ref);
        }
        until("all receipts", async || inbox.receipts().len() == 8).await;
        let mut came: Vec<_> = inbox.receipts().into_iter().map(|receipt| receipt.carrier_ref).collect();
        came.sort();
        sent.sort();
        assert_eq!(came, sent, "{message_ids:?} read as {ours:?}");
        carrier.stop().await;
    }
}

/// The carrier is answered only after what it brought is kept; what could not be kept comes again (E-31).
#[tokio::test]
async fn what_could_not_be_kept_comes_again() {
    let stage = Stage::new(quick()).await;
    let (carrier, inbox) = Stage::bound(stage.settings()).await;
    inbox.refusals.store(1, Ordering::SeqCst);
    let id = carrier.submit(part("x")).await.unwrap().carrier_ref;
    until("the receipt's second coming", async || !inbox.receipts().is_empty()).await;
    assert_eq!(inbox.receipts()[0].carrier_ref, id);
    let counters = stage.control.counters().await.unwrap();
    assert_eq!((counters.receipts_sent, counters.receipts_acknowledged), (2, 1));
    inbox.refusals.store(1, Ordering::SeqCst);
    stage.control.send(DINA, "70007", "1 K7Q").await.unwrap();
    until("the reply", async || !inbox.texts.lock().unwrap().is_empty()).await;
    let reply = inbox.texts.lock().unwrap()[0].clone();
    assert_eq!((reply.from.as_str(), reply.to.as_str()), ("447700900117", "70007"));
    assert_eq!(reply.message.text(), "1 K7Q");
}

/// A session ends in order and in time although what was kept of it is not confirmed yet; a late confirmation harms nobody, and the
/// carrier brings again what it was not told of.
#[tokio::test]
async fn a_session_ends_with_replies_outstanding() {
    let stage = Stage::new(quick()).await;
    let (carrier, inbox) = Stage::bound(stage.settings()).await;
    *inbox.held.lock().unwrap() = Some(Vec::new());
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.push(carrier.submit(part(&format!("text {number}"))).await.unwrap().carrier_ref);
    }
    let waiting = || inbox.held.lock().unwrap().as_ref().map_or(0, Vec::len);
    until("the receipts", async || waiting() == 5).await;
    assert_eq!(
        stage.control.counters().await.unwrap().receipts_acknowledged,
        0,
        "none is answered before it is on disk"
    );
    tokio::time::timeout(Duration::from_secs(20), carrier.stop()).await.expect("it ends in time");
    until("unbound", async || stage.control.counters().await.unwrap().binds.is_empty()).await;
    // Now they are on disk: nobody is there any more to hear it.
    let late = inbox.held.lock().unwrap().take().unwrap();
    assert!(late.len() >= 5);
    for reply in late {
        reply.say(Ok(()));
    }
    let before = inbox.receipts().len();
    let (carrier, again) = Stage::bound(stage.settings()).await;
    until("they come again", async || again.receipts().len() == 5).await;
    assert_eq!(inbox.receipts().len(), before, "the session that ended hears nothing more");
    carrier.stop().await;
}

/// One that never pauses is ended all the same: at once, when somebody asks to.
#[tokio::test]
async fn a_carrier_that_never_pauses_does_not_hold_its_session() {
    let stage = Stage::new(Behaviour { receipts_twice_percent: 100.0, ..quick() }).await;
    let (carrier, inbox) = Stage::bound(Settings { window: 200, ..stage.settings() }).await;
    let busy = std::sync::Arc::clone(&carrier);
    let flood = tokio::spawn(async move { while burst(&busy, 200).await.iter().any(Result::is_ok) {} });
    until("receipts stream in", async || inbox.receipts().len() > 400).await;
    tokio::time::timeout(Duration::from_secs(20), carrier.stop()).await.expect("it ends in time");
    until("unbound", async || stage.control.counters().await.unwrap().binds.is_empty()).await;
    flood.await.unwrap();
}

#[tokio::test]
async fn a_long_reply_in_ucs_2_arrives_with_its_part_information() {
    let stage = Stage::new(quick()).await;
    let (_carrier, inbox) = Stage::bound(stage.settings()).await;
    let words = "λόγος ".repeat(20);
    stage.control.send(DINA, "70007", &words).await.unwrap();
    until("both parts", async || inbox.texts.lock().unwrap().len() == 2).await;
    let mut parts: Vec<_> = inbox.texts.lock().unwrap().clone();
    parts.sort_by_key(|part| part.message.udh.concat().unwrap().sequence);
    assert_eq!(parts.iter().map(|part| part.message.text()).collect::<String>(), words);
}

#[tokio::test]
async fn several_sessions_share_the_work_in_both_forms_of_bind() {
    let stage = Stage::new(quick()).await;
    for (bind, binds) in [(BindAs::Transceiver, 3), (BindAs::TransmitterReceiver, 6)] {
        let settings = Settings { sessions: 3, window: 2, bind, ..stage.settings() };
        let (carrier, inbox) = Stage::bound(settings).await;
        assert_eq!(carrier.window(), 6);
        assert_eq!(stage.control.counters().await.unwrap().binds.len(), binds);
        // More than the window: the rest waits for places.
        assert!(burst(&carrier, 50).await.iter().all(Result::is_ok));
        until("all receipts", async || inbox.receipts().len() == 50).await;
        carrier.stop().await;
        until("unbound", async || stage.control.counters().await.unwrap().binds.is_empty()).await;
    }
}

/// a certificate that does not prove the carrier's name, or of an unknown authority, ends the attempt.
#[tokio::test]
async fn a_carrier_that_cannot_prove_itself_gets_no_password() {
    let stage = Stage::new(quick()).await;
    let stranger = Stage::new(quick()).await;
    let wrong = [
        Settings { tls_name: "smpp.example.com".into(), ..stage.settings() },
        Settings { tls_ca: stranger.ca_pem.clone(), ..stage.settings() },
        Settings { tls_ca: String::new(), ..stage.settings() },
    ];
    for settings in wrong {
        let (carrier, _inbox) = Stage::carrier(settings);
        until("it says why", async || carrier.status().words.contains("TLS failed")).await;
        assert!(!carrier.link().borrow().is_up());
        let refused = carrier.submit(part("x")).await;
        assert!(matches!(refused, Err(messaging::SubmitError::NotSent { .. })), "{refused:?}");
        carrier.stop().await;
    }
    // Clear text towards a TLS port gets nowhere either.
    let clear = Settings { tls: false, allow_plaintext: true, ..stage.settings() };
    let (carrier, _inbox) = Stage::carrier(clear);
    until("it says why", async || carrier.status().last_error.is_some()).await;
    assert_eq!(stage.control.counters().await.unwrap().binds_refused, 0);
    // A missing file is told, and tried again.
    let (carrier, _inbox) = Stage::carrier(Settings { tls_ca: "/nowhere/ca.pem".into(), ..stage.settings() });
    until("it says why", async || carrier.status().words.contains("tls_ca cannot be read")).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_with_the_next_try() {
    let stage = Stage::new(quick()).await;
    let (carrier, _inbox) = Stage::carrier_as(stage.settings(), "wrong");
    until("refused", async || carrier.status().words.contains("ESME_RBINDFAIL (0x0D)")).await;
    let status = carrier.status();
    assert!(
        status.words.starts_with("0 of 1 sessions: the bind was refused with") && status.words.contains("retry in"),
        "{}",
        status.words
    );
    let LinkState::Down { reason } = carrier.link().borrow().clone() else { panic!("up") };
    assert!(reason.contains("ESME_RBINDFAIL"), "{reason}");
    assert!(!format!("{carrier:?} {status:?}").contains("wrong\""), "no secret in what is shown");
}

#[tokio::test]
async fn a_carrier_that_comes_back_is_bound_again() {
    let mut stage = Stage::new(quick()).await;
    let (carrier, inbox) = Stage::bound(Settings { sessions: 2, ..stage.settings() }).await;
    stage.stop().await;
    until("down", async || !carrier.link().borrow().is_up()).await;
    assert!(matches!(carrier.submit(part("x")).await, Err(messaging::SubmitError::NotSent { .. })));
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.start().await;
    until_bound(&carrier).await;
    carrier.submit(part("again")).await.unwrap();
    until("its receipt", async || inbox.receipts().len() == 1).await;
    assert!(carrier.status().last_error.is_some(), "what went wrong stays readable");
}
