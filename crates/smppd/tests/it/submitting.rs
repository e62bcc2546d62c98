//! What an application submits, and what it may ask about it.

use std::collections::BTreeMap;
use std::time::Duration;

use simulator::Behaviour;
use smpp::{
    BindMode, DataCoding, DataSm, EsmClass, Message, MessageState, Pdu, QuerySm, ReplaceSm, Status, SubmitSm, Tag,
    Text, Tlvs,
};
use store::Db;

use crate::house::{House, account, id_of, submit, until};

testdb::both_databases! {
    migrations = [
        &access::MIGRATIONS,
        &audit::MIGRATIONS,
        &vault::MIGRATIONS,
        &resources::MIGRATIONS,
        &identity::MIGRATIONS,
        &messaging::MIGRATIONS,
        &carriers::MIGRATIONS,
        &smppd::MIGRATIONS,
    ];

    /// E-31: `ESME_ROK` after the commit, and the text on the handset: plain, long, Unicode, cut by the application, by TLVs.
    async fn e_31_texts_of_all_sorts_reach_the_handset(db: Db) {
        let house = House::new(db).await;
        let link = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let send = async |pdu: SubmitSm| id_of(&link.handle.request(pdu).await.unwrap());
        send(submit(b"Disk full")).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 1, "on disk before the answer");
        let unicode: Vec<u8> = "Işık söndü".encode_utf16().flat_map(u16::to_be_bytes).collect();
        send(SubmitSm { data_coding: DataCoding::UCS2, ..submit(&unicode) }).await;
        send(submit(b"").with_message("long ".repeat(60).into_bytes())).await;
        for (sequence, text) in [(1, "cut by "), (2, "the application")] {
            let part = [&[5, 0, 3, 7, 2, sequence][..], text.as_bytes()].concat();
            send(SubmitSm { esm_class: EsmClass::UDHI, ..submit(&part) }).await;
        }
        for (sequence, text) in [(1, "told by "), (2, "parameters")] {
            let tlvs = Tlvs::EMPTY
                .with(Tag::SAR_MSG_REF_NUM, [0, 9])
                .with(Tag::SAR_TOTAL_SEGMENTS, [2])
                .with(Tag::SAR_SEGMENT_SEQNUM, [sequence]);
            send(SubmitSm { tlvs, ..submit(text.as_bytes()) }).await;
        }
        let data = DataSm {
            source: submit(b"").source,
            destination: submit(b"").destination,
            tlvs: Tlvs::EMPTY.with(Tag::MESSAGE_PAYLOAD, b"as data"),
            ..DataSm::default()
        };
        let response = link.handle.request(data).await.unwrap();
        assert!(matches!(&response.pdu, Pdu::DataSmResp(answer) if response.status.is_ok() && !answer.message_id.is_empty()), "{response:?}");
        let long = "long ".repeat(60);
        let wanted = ["Disk full", "Işık söndü", long.as_str(), "cut by the application", "told by parameters", "as data"];
        until("all texts are on the handset", async || {
            let shown = house.shown().await;
            wanted.iter().all(|text| shown.iter().any(|one| one == text))
        }).await;
        assert_eq!(house.shown().await.len(), wanted.len(), "{:#?}", house.shown().await);
        house.end().await;
    }

    /// Bad requests have their status and lose nothing.
    async fn what_is_wrong_has_its_status(db: Db) {
        let house = House::new(db).await;
        house.apply(&account(", senders: ['70007']")).await.unwrap();
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let elsewhere = SubmitSm { source: smpp::Address::alphanumeric("Stranger"), ..submit(b"x") };
        let empty = SubmitSm { short_message: Message::default(), ..submit(b"") };
        let eleven_parts = submit(b"").with_message(vec![b'x'; 1_531]);
        let replace = ReplaceSm { message_id: Text::from("1"), ..ReplaceSm::default() };
        let asked: [(Pdu, Status); 4] = [
            (elsewhere.into(), Status::RINVSRCADR),
            (empty.into(), Status::RINVMSGLEN),
            (eleven_parts.into(), Status::RINVMSGLEN),
            (replace.into(), Status::RINVMSGID),
        ];
        for (pdu, status) in asked {
            assert_eq!(link.handle.request(pdu).await.unwrap().status, status);
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 0);
        let receiver = house.bind(BindMode::Receiver, "pa55word").await.unwrap();
        assert_eq!(receiver.handle.request(submit(b"x")).await.unwrap().status, Status::RINVBNDSTS);
        house.end().await;
    }

    /// Texts of one sender to one handset keep their order, whether they were queued at once or had to wait for their turn: the first
    /// ones are counted, a low bound has the others counted again and again, and what is refused leaves no gap behind it open.
    async fn a_conversation_keeps_its_order_through_both_ways(db: Db) {
        let behaviour = Behaviour { answer_delay_ms: 1, answer_spread_ms: 10, receipt_percent: 0.0, ..Behaviour::default() };
        let house = House::behaving(db, behaviour).await;
        house.apply(&account(", window: 100, max_waiting: 60")).await.unwrap();
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let mut pending = Vec::new();
        for number in 0..120 {
            for (sender, handset) in [("70007", "447700900117"), ("70007", "447700900118"), ("70008", "447700900117")] {
                let pdu = SubmitSm {
                    source: smpp::Address::short_code(sender),
                    destination: smpp::Address::international(handset),
                    registered_delivery: smpp::RegisteredDelivery::NONE,
                    ..submit(format!("{number:04}").as_bytes())
                };
                // On the wire in this order, without waiting for the answer to the one before.
                let sent = link.handle.reserve().await.unwrap().send(pdu).unwrap();
                pending.push(((sender, handset), format!("{number:04}"), sent));
            }
        }
        let (mut accepted, mut refused): (BTreeMap<_, Vec<String>>, _) = (BTreeMap::new(), 0);
        for (conversation, text, sent) in pending {
            match sent.await.unwrap().status {
                Status::ROK => accepted.entry(conversation).or_default().push(text),
                Status::RMSGQFUL => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        let count: usize = accepted.values().map(Vec::len).sum();
        assert!(count >= 60 && refused + count == 360, "{count} accepted, {refused} refused");
        until("the carrier has them", async || house.ledger().len() == count).await;
        let mut taken: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let ledger = house.ledger();
        for entry in &ledger {
            let conversation = (entry.source.as_str(), entry.destination.trim_start_matches('+'));
            taken.entry(conversation).or_default().push(entry.text.clone());
        }
        assert_eq!(taken, accepted, "{refused} refused");
        house.end().await;
    }

    /// security.md, SMPP: over the rate 0x58; what came within it is accepted.
    async fn a_rate_throttles(db: Db) {
        let house = House::new(db).await;
        house.apply(&account(", rate: 5")).await.unwrap();
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(link.handle.request(submit(b"x")).await.unwrap().status);
        }
        let accepted = statuses.iter().filter(|status| status.is_ok()).count();
        assert!((5..15).contains(&accepted), "{statuses:?}");
        assert!(statuses.iter().all(|status| status.is_ok() || *status == Status::RTHROTTLED), "{statuses:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(link.handle.request(submit(b"x")).await.unwrap().status.is_ok(), "room again");
        house.end().await;
    }

    /// `query_sm` tells of the account's own messages, by whichever form of id it uses.
    async fn a_query_tells_where_a_message_stands(db: Db) {
        let house = House::new(db).await;
        for ids in ["uuid", "decimal", "hex8"] {
            house.apply(&account(&format!(", message_ids: {ids}"))).await.unwrap();
            let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
            let id = id_of(&link.handle.request(SubmitSm { registered_delivery: smpp::RegisteredDelivery::NONE, ..submit(b"x") }).await.unwrap());
            let query = async |id: &str| {
                let query = QuerySm { message_id: Text::from(id), source: submit(b"").source };
                link.handle.request(query).await.unwrap()
            };
            until("it is delivered", async || {
                let response = query(&id).await;
                let Pdu::QuerySmResp(answer) = &response.pdu else { panic!("{response:?}") };
                answer.message_state == MessageState::Delivered.octet() && answer.final_date.to_str().ends_with("000+")
            }).await;
            assert_eq!(query("77777777").await.status, Status::RINVMSGID);
            link.handle.unbind().await;
        }
        house.end().await;
    }
}
