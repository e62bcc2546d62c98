//! Handsets over the control socket: reach, texts in both directions, changes as they happen.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::{DINA, Stage, context, id_of, submit, submits, until};
use simulator::{
    Behaviour, Change, Control, Direction, Error, Options, Scenario, Security, Simulator, TextEncoding, TextState,
};
use smpp::{DeliverSmResp, Pdu, Status, SubmitSm};
use sms::ShortMessage;

fn quick() -> Behaviour {
    Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }
}

#[tokio::test]
async fn out_of_reach_texts_wait_and_come_back_with_their_receipts() {
    let stage = Stage::new(quick()).await;
    let mut link = stage.bind().await;
    stage.control.add_handset(DINA, Some("Dina Sample")).await.unwrap();
    stage.control.set_reach(DINA, false).await.unwrap();
    id_of(link.handle.request(submit("first")).await);
    id_of(link.handle.request(submit("second")).await);
    let away = stage.control.handset(DINA).await.unwrap();
    assert_eq!((away.waiting, away.texts.len(), away.in_reach), (2, 0, false));
    assert!(tokio::time::timeout(Duration::from_millis(100), link.incoming.next()).await.is_err(), "no receipt yet");
    let refused = stage.control.send(DINA, "70007", "1").await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { detail, .. } if detail.contains("no network")), "{refused}");
    let back = stage.control.set_reach(DINA, true).await.unwrap();
    assert_eq!(back.texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    for _ in 0..2 {
        let request = link.incoming.next().await.unwrap();
        request.answer(Status::ROK, DeliverSmResp::default()).unwrap();
    }
}

#[tokio::test]
async fn a_text_that_waits_too_long_expires() {
    let stage = Stage::new(quick()).await;
    let mut link = stage.bind().await;
    stage.control.set_reach(DINA, false).await.unwrap();
    let short = SubmitSm { validity_period: smpp::time::relative(Duration::from_secs(1)), ..submit("old news") };
    id_of(link.handle.request(short).await);
    let request = tokio::time::timeout(Duration::from_secs(5), link.incoming.next()).await.unwrap().unwrap();
    let Pdu::DeliverSm(deliver) = request.pdu() else { panic!("a receipt") };
    assert_eq!(deliver.tlvs.message_state(), Some(smpp::MessageState::Expired));
    assert_eq!(stage.control.handset(DINA).await.unwrap().waiting, 0);
}

#[tokio::test]
async fn a_handset_answers_and_hears_whether_it_was_taken() {
    let stage = Stage::new(quick()).await;
    stage.control.add_handset(DINA, Some("Dina Sample")).await.unwrap();
    // Nobody is bound yet: the text waits at the carrier.
    let text = stage.control.send(DINA, "70007", "1 K7").await.unwrap();
    assert_eq!((text.direction, text.state, text.peer.as_str()), (Direction::Sent, TextState::Waiting, "70007"));
    let mut link = stage.bind().await;
    let request = link.incoming.next().await.unwrap();
    let (pdu, responder) = request.into_parts();
    let Pdu::DeliverSm(deliver) = pdu else { panic!("a text") };
    assert_eq!(deliver.source, smpp::Address::international("447700900117"));
    assert_eq!(deliver.destination, smpp::Address::short_code("70007"));
    assert_eq!(deliver.message(), "1 K7");
    responder.answer(Status::ROK, DeliverSmResp::default()).unwrap();
    let state = async || stage.control.handset(DINA).await.unwrap().texts[0].state.clone();
    until("taken", async || state().await == TextState::Taken).await;

    // A long one in UCS-2 comes in parts; one temporary refusal is tried again.
    let words = "λόγος ".repeat(20);
    let sent = stage.control.send(DINA, "70007", &words).await.unwrap();
    assert_eq!((sent.total, sent.encoding), (2, TextEncoding::Ucs2));
    let mut parts = Vec::new();
    let mut refused = false;
    while parts.len() < 2 {
        let (pdu, responder) = link.incoming.next().await.unwrap().into_parts();
        let Pdu::DeliverSm(deliver) = pdu else { panic!("a text") };
        if !refused {
            refused = true;
            responder.refuse(Status::RX_T_APPN);
            continue;
        }
        let part = ShortMessage::parse(deliver.data_coding.0, deliver.esm_class.has_udh(), &deliver.message());
        parts.push((part.udh.concat().unwrap().sequence, part.text()));
        responder.answer(Status::ROK, DeliverSmResp::default()).unwrap();
    }
    parts.sort();
    assert_eq!(parts.into_iter().map(|(_, text)| text).collect::<String>(), words);
    until("taken", async || {
        let texts = stage.control.handset(DINA).await.unwrap().texts;
        texts.iter().all(|text| text.state == TextState::Taken)
    })
    .await;

    // A refusal for good shows on the handset.
    stage.control.send(DINA, "70007", "?").await.unwrap();
    link.incoming.next().await.unwrap().refuse(Status::RX_R_APPN);
    until("refused", async || {
        let texts = stage.control.handset(DINA).await.unwrap().texts;
        matches!(&texts.last().unwrap().state, TextState::Refused { status } if status.contains("RX_R_APPN"))
    })
    .await;
    assert_eq!(stage.control.counters().await.unwrap().handset_texts, 3);
}

#[tokio::test]
async fn a_watcher_sees_texts_parts_behaviour_and_binds() {
    let stage = Stage::new(quick()).await;
    let mut watch = stage.control.watch().await.unwrap();
    let link = stage.bind().await;
    for part in submits(DINA, &"Replication lag 42 s. ".repeat(10)) {
        id_of(link.handle.request(part).await);
    }
    stage.control.set_behaviour(&Behaviour { loss_percent: 1.0, ..quick() }).await.unwrap();
    let (mut whole, mut behaved, mut bound) = (false, false, false);
    while !(whole && behaved && bound) {
        match tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap().unwrap() {
            Change::Handset(handset) => {
                whole |= handset.texts.last().is_some_and(|text| text.state == TextState::Complete && text.total == 2);
            }
            Change::Behaviour(behaviour) => behaved = (behaviour.loss_percent - 1.0).abs() < f64::EPSILON,
            Change::Counters(counters) => bound |= counters.binds.len() == 1,
            Change::Removed { .. } => {}
        }
    }
    stage.control.remove_handset(DINA).await.unwrap();
    loop {
        if let Some(Change::Removed { number }) = watch.next().await.unwrap() {
            assert_eq!(number, DINA);
            break;
        }
    }
    stage.simulator.stop().await;
    while let Ok(Some(_)) = watch.next().await {}
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_refusals_say_why() {
    let stage = Stage::new(quick()).await;
    let path = stage.directory.path().join("control.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refusal = |error: Error| match error {
        Error::Refused { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(refusal(stage.control.handset("+447700900199").await.unwrap_err()), "number");
    assert_eq!(refusal(stage.control.add_handset("Dina", None).await.unwrap_err()), "number");
    assert_eq!(refusal(stage.control.send(DINA, "", "x").await.unwrap_err()), "to");
    assert_eq!(refusal(stage.control.send(DINA, "70007", " ").await.unwrap_err()), "text");
    let wild = Behaviour { loss_percent: 200.0, ..quick() };
    assert_eq!(refusal(stage.control.set_behaviour(&wild).await.unwrap_err()), "behaviour");
    assert!(matches!(Control::connect("/nowhere/at/all.sock").await, Err(Error::Control(_))));
}

#[tokio::test]
async fn a_scenario_file_brings_phones_and_behaviour() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scenario.json");
    let text = r#"{"behaviour": {"loss_percent": 2}, "handsets": [{"number": "+44 7700 900104", "name": "Cem Sample", "in_reach": false}]}"#;
    std::fs::write(&path, text).unwrap();
    let socket = directory.path().join("control.sock");
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), Security::AllowPlaintext);
    options.scenario = Scenario::read(&path).unwrap();
    options.control = Some(socket.clone());
    let simulator = Simulator::start(options, context()).await.unwrap();
    let control = Control::connect(&socket).await.unwrap();
    let handsets = control.handsets().await.unwrap();
    assert_eq!((handsets[0].number.as_str(), handsets[0].in_reach), ("+447700900104", false));
    assert!((control.behaviour().await.unwrap().loss_percent - 2.0).abs() < f64::EPSILON);
    simulator.stop().await;
    assert!(!socket.exists(), "a stopped simulator leaves no socket");
    for wrong in [r#"{"behavior": {}}"#, r#"{"behaviour": {"loss_percent": -1}}"#, "no json"] {
        std::fs::write(&path, wrong).unwrap();
        assert!(Scenario::read(&path).is_err(), "{wrong}");
    }
}
