//! Handsets: joining parts, waiting out of reach, what is kept.

use smpp::{Address, DataCoding, EsmClass, RegisteredDelivery, SubmitSm};

use super::*;
use crate::TextEncoding;

const DINA: &str = "+447700900117";

fn now() -> Timestamp {
    Timestamp::from_micros(1_792_717_927_214_000)
}

/// The parts of `text` as a carrier gets them.
fn parts(to: &str, text: &str, reference: u16) -> Vec<Arrival> {
    let cut = sms::segment(text, sms::Choice::Auto, reference, false).unwrap();
    let coding = Coding::from(cut.encoding);
    cut.parts
        .iter()
        .map(|part| {
            let submit = SubmitSm {
                source: Address::short_code("70007"),
                destination: Address::international(to.trim_start_matches('+')),
                esm_class: if part.concat.is_some() { EsmClass::UDHI } else { EsmClass::DEFAULT },
                data_coding: DataCoding(coding.data_coding()),
                registered_delivery: RegisteredDelivery::FINAL,
                ..SubmitSm::default()
            };
            Arrival::read(&submit.with_message(part.octets()), "demo", now())
        })
        .collect()
}

fn arrive(phones: &mut Phones, id: u64, arrival: &Arrival) -> Landing {
    phones.arrive(Arrival { id, ..arrival.clone() }, format!("{id:x}"), now())
}

fn only_text(phones: &Phones) -> Text {
    let mut texts = phones.get(DINA).unwrap().texts;
    assert_eq!(texts.len(), 1);
    texts.remove(0)
}

#[test]
fn parts_join_in_any_order_and_gaps_show() {
    let words = format!("{} – end", "replication lag ≥ 30 s, ".repeat(8));
    let sent = parts(DINA, &words, 9);
    assert_eq!(sent.len(), 3);
    let mut phones = Phones::new(10);
    arrive(&mut phones, 3, &sent[2]);
    let text = only_text(&phones);
    assert_eq!((text.state.clone(), text.note().as_str()), (TextState::Partial, "1 of 3 parts, UCS-2"));
    assert!(text.text.starts_with('…') && text.text.ends_with("– end"), "{}", text.text);
    arrive(&mut phones, 1, &sent[0]);
    assert!(only_text(&phones).text.contains('…'));
    arrive(&mut phones, 2, &sent[1]);
    let text = only_text(&phones);
    assert_eq!((text.text.as_str(), text.state), (words.as_str(), TextState::Complete));
    assert_eq!(text.parts.iter().map(|part| part.message_id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    // The same reference again is another text, not a fourth part.
    arrive(&mut phones, 4, &sent[0]);
    assert_eq!(phones.get(DINA).unwrap().texts.len(), 2);
    // A part that comes twice is a text of its own: the network does not know better.
    arrive(&mut phones, 5, &sent[0]);
    assert_eq!(phones.get(DINA).unwrap().texts.len(), 3);
}

#[test]
fn what_is_sent_to_a_handset_out_of_reach_waits_and_arrives_later() {
    let mut phones = Phones::new(10);
    phones.add(DINA, Some("Dina Sample".into()));
    phones.set_reach(DINA, false, now());
    let sent = parts(DINA, "Replication lag 42 s", 1);
    assert_eq!(arrive(&mut phones, 7, &sent[0]), Landing::Waits);
    assert_eq!(arrive(&mut phones, 8, &sent[0]), Landing::Waits);
    let away = phones.get(DINA).unwrap();
    assert_eq!((away.in_reach, away.waiting, away.texts.len()), (false, 2, 0));
    assert_eq!(away.out_of_reach_since, Some(now()));
    assert!(phones.write(DINA, "70007", "1", Coding::Gsm7, 1, now()).is_none(), "no network, no text");
    assert_eq!(phones.expire(DINA, 8).unwrap().id, 8);
    let shown = phones.set_reach(DINA, true, now());
    assert_eq!(shown.iter().map(|arrival| arrival.id).collect::<Vec<_>>(), [7]);
    assert_eq!(only_text(&phones).text, "Replication lag 42 s");
    assert!(phones.expire(DINA, 7).is_none());
}

#[test]
fn receipts_are_noted_on_the_part_and_the_handset() {
    let mut phones = Phones::new(10);
    arrive(&mut phones, 7, &parts(DINA, "hi", 1)[0]);
    phones.receipt_sent(DINA, 7, "DELIVRD", 2_800);
    phones.receipt_sent(DINA, 7, "DELIVRD", 2_810);
    phones.receipt_acknowledged(DINA, 7);
    let handset = phones.get(DINA).unwrap();
    assert_eq!(handset.last_receipt, Some(ReceiptNote { after_ms: 2_810, times: 2 }));
    let receipt = handset.texts[0].parts[0].receipt.clone().unwrap();
    assert_eq!((receipt.state.as_str(), receipt.times, receipt.acknowledged), ("DELIVRD", 2, true));
}

#[test]
fn a_handset_writes_and_hears_what_became_of_it() {
    let mut phones = Phones::new(10);
    phones.add(DINA, None);
    let text = phones.write(DINA, "70007", "1 K7", Coding::Gsm7, 1, now()).unwrap();
    assert_eq!((text.state.clone(), text.encoding), (TextState::Waiting, TextEncoding::Gsm7));
    phones.settle(DINA, text.id, TextState::Taken);
    phones.settle(DINA, text.id, TextState::Refused { status: "late".into() });
    assert_eq!(only_text(&phones).state, TextState::Taken);
}

#[test]
fn handsets_that_came_by_chance_make_room_and_named_ones_stay() {
    let mut phones = Phones::new(3);
    phones.add(DINA, Some("Dina Sample".into()));
    for number in 0..10_u64 {
        arrive(&mut phones, number, &parts(&format!("+44770090010{number}"), "hi", 1)[0]);
    }
    let numbers: Vec<_> = phones.all().into_iter().map(|handset| handset.number).collect();
    assert_eq!(numbers, ["+447700900107", "+447700900108", "+447700900109", DINA]);
    for number in 0..200 {
        arrive(&mut phones, number, &parts(DINA, "hi", 1)[0]);
    }
    assert_eq!(phones.get(DINA).unwrap().texts.len(), 100);
}

#[test]
fn changes_are_found_by_version() {
    let mut phones = Phones::new(10);
    phones.add(DINA, None);
    phones.add("+447700900101", None);
    let before = phones.version();
    phones.set_receipts_twice(DINA, true);
    assert!(phones.receipts_twice(DINA));
    phones.remove("+447700900101");
    let (changed, removed) = phones.changed_after(before);
    assert_eq!(changed.iter().map(|handset| handset.number.as_str()).collect::<Vec<_>>(), [DINA]);
    assert_eq!(removed, ["+447700900101"]);
    assert!(!phones.remove("+447700900101"));
}
