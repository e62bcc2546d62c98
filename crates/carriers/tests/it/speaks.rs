//! Carriers that speak otherwise: long texts whole or by parameters, another alphabet, no TLVs in receipts, SMPP 3.3 and 5.0.

use carriers::{Alphabet, Dialect, LongMessages, National, Numbering, Settings, Validity, Version};
use messaging::{Carrier, Submission};
use simulator::Behaviour;
use sms::{Encoding, ReceiptState};

use crate::stage::{DINA, Stage, part, parts, until};

fn quick() -> Behaviour {
    Behaviour { receipt_delay_ms: 0, receipt_tlvs: false, ..Behaviour::default() }
}

async fn with(
    dialect: Dialect,
    stage: &Stage,
) -> (std::sync::Arc<carriers::SmppCarrier>, std::sync::Arc<crate::stage::Inbox>) {
    Stage::bound(Settings { dialect, ..stage.settings() }).await
}

#[tokio::test]
async fn long_texts_go_by_header_by_parameters_or_whole() {
    let words = "Replication lag 42 s, limit 30 s. ".repeat(9);
    for long_messages in [LongMessages::Udh, LongMessages::Sar, LongMessages::Payload] {
        let stage = Stage::new(quick()).await;
        let (carrier, inbox) = with(Dialect { long_messages, ..Dialect::default() }, &stage).await;
        assert_eq!(carrier.takes_whole(), long_messages == LongMessages::Payload);
        let pieces = if carrier.takes_whole() {
            let payload = sms::encode(Encoding::Gsm7, &words).unwrap();
            vec![Submission { payload, concat: None, ..part("x") }]
        } else {
            parts(&words)
        };
        let count = pieces.len();
        assert_eq!(count == 1, carrier.takes_whole());
        for piece in pieces {
            carrier.submit(piece).await.unwrap();
        }
        until("every receipt", async || inbox.receipts().len() == count).await;
        assert!(inbox.receipts().iter().all(|receipt| receipt.state == ReceiptState::Delivered));
        let handset = stage.control.handset(DINA).await.unwrap();
        assert_eq!((handset.texts.len(), handset.texts[0].text.as_str()), (1, words.as_str()), "{long_messages:?}");
        carrier.stop().await;
    }
}

#[tokio::test]
async fn the_bind_and_the_addresses_are_as_the_carrier_wants_them() {
    for interface_version in [Version::V33, Version::V34, Version::V50] {
        let stage = Stage::new(quick()).await;
        let dialect = Dialect {
            interface_version,
            address_range: "^44".into(),
            bind_numbering: Numbering { ton: 1, npi: 1 },
            validity: Validity::Absolute,
            default_alphabet: Alphabet::Latin1,
            text_coding: 3,
            national: Some(National {
                country_code: "44".into(),
                trunk: "0".into(),
                numbering: Numbering { ton: 2, npi: 1 },
            }),
            ..Dialect::default()
        };
        let (carrier, inbox) = with(dialect, &stage).await;
        carrier.submit(part("café [1]")).await.unwrap();
        until("the receipt", async || inbox.receipts().len() == 1).await;
        let entry = stage.ledger().remove(0);
        assert_eq!((entry.destination.as_str(), entry.text.as_str()), ("+07700900117", "café [1]"));
        assert_eq!(format!("{:?}", entry.encoding), "Latin1");
        // What the handset answers comes back under its international number.
        stage.control.send("+07700900117", "70007", "yes").await.unwrap();
        until("the reply", async || !inbox.texts.lock().unwrap().is_empty()).await;
        let reply = inbox.texts.lock().unwrap()[0].clone();
        assert_eq!((reply.from.as_str(), reply.message.text().as_str()), ("447700900117", "yes"));
        carrier.stop().await;
    }
}
