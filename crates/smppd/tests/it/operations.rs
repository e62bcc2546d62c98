//! Several destinations at once, and what an application may do about what it submitted before.

use std::collections::BTreeSet;
use std::time::Duration;

use smpp::{
    Address, BindMode, CancelSm, DataCoding, Destination, Destinations, Message, MessageState, Pdu, QuerySm,
    RegisteredDelivery, ReplaceSm, Status, SubmitMulti, SubmitSm, Text,
};
use store::Db;

use crate::house::{DINA, House, account, delivered, id_of, submit, until};

fn multi(destinations: Vec<Destination>) -> SubmitMulti {
    SubmitMulti {
        source: Address::short_code("70007"),
        destinations: Destinations(destinations),
        registered_delivery: RegisteredDelivery::FINAL,
        short_message: Message(bytes::Bytes::from_static(b"To all of you")),
        ..SubmitMulti::default()
    }
}

fn number(last: usize) -> Destination {
    Destination::Address(Address::international(format!("4477009{last:05}")))
}

/// An hour from now on.
fn later() -> SubmitSm {
    SubmitSm { schedule_delivery_time: smpp::time::relative(Duration::from_hours(1)), ..submit(b"first") }
}

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

    /// E-31: `submit_multi` reaches everybody whose number is one, says who was not reached and why, and its receipts have
    /// the id of the answer.
    async fn e_31_a_text_for_many_is_on_disk_before_the_answer(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let wrong = Destination::Address(Address::international("12"));
        let response = link.handle.request(multi(vec![number(117), wrong, number(118)])).await.unwrap();
        let Pdu::SubmitMultiResp(answer) = &response.pdu else { panic!("{response:?}") };
        assert_eq!(response.status, Status::ROK);
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 2, "on disk before the answer");
        let [failed] = answer.unsuccessful.0.as_slice() else { panic!("{answer:?}") };
        assert_eq!((failed.address.text.to_str().into_owned(), failed.status), ("12".to_owned(), Status::RINVDSTADR));
        let mut from = BTreeSet::new();
        for _ in 0..2 {
            let pdu = delivered(&mut link, Status::ROK).await;
            assert_eq!(pdu.tlvs.receipted_message_id().unwrap(), answer.message_id);
            from.insert(pdu.source.text.to_str().into_owned());
        }
        assert_eq!(from.len(), 2, "{from:?}");
        house.end().await;
    }

    async fn a_text_for_many_has_its_limits(db: Db) {
        let house = House::new(db).await;
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let ask = async |pdu: SubmitMulti| {
            let response = link.handle.request(pdu).await.unwrap();
            let Pdu::SubmitMultiResp(answer) = response.pdu else { panic!("{response:?}") };
            (response.status, answer.unsuccessful.0)
        };
        assert_eq!(ask(multi(Vec::new())).await.0, Status::RINVNUMDESTS);
        let list = Destination::List(Text::from("everybody"));
        assert_eq!(ask(multi(vec![number(117), list])).await.0, Status::RCNTSUBDL);
        let wrong = Destination::Address(Address::international("12"));
        assert_eq!(ask(multi(vec![wrong.clone(), wrong])).await.0, Status::RINVDSTADR, "nobody was reached");
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 0);
        let quiet = |count| SubmitMulti {
            registered_delivery: RegisteredDelivery::NONE,
            ..multi((0..count).map(number).collect())
        };
        assert_eq!(ask(quiet(254)).await, (Status::ROK, Vec::new()));
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 254);
        house.apply(&account(", rate: 5")).await.unwrap();
        until("the bind is ended", async || link.handle.is_closed()).await;
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let response = link.handle.request(quiet(10)).await.unwrap();
        let Pdu::SubmitMultiResp(answer) = response.pdu else { panic!("{response:?}") };
        assert_eq!((response.status, answer.unsuccessful.0.len()), (Status::ROK, 5), "each destination is one message");
        assert!(answer.unsuccessful.0.iter().all(|failed| failed.status == Status::RTHROTTLED));
        house.end().await;
    }

    /// `replace_sm`: what waits is replaced whole, and only by who submitted it, from the same address, before it is handed over.
    async fn what_waits_is_replaced(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let unicode = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let first = SubmitSm { data_coding: DataCoding::UCS2, short_message: Message(unicode("first").into()), ..later() };
        let id = id_of(&link.handle.request(first).await.unwrap());
        let replace = |text: &[u8]| ReplaceSm {
            message_id: Text::from(id.clone()),
            source: Address::short_code("70007"),
            registered_delivery: RegisteredDelivery::FINAL,
            short_message: Message(bytes::Bytes::copy_from_slice(text)),
            ..ReplaceSm::default()
        };
        let handle = link.handle.clone();
        let status = async |pdu: ReplaceSm| handle.request(pdu).await.unwrap().status;
        let good = unicode("Işık söndü");
        assert_eq!(status(ReplaceSm { source: Address::short_code("70008"), ..replace(&good) }).await, Status::RINVSRCADR);
        assert_eq!(status(ReplaceSm { message_id: Text::from("019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"), ..replace(&good) }).await, Status::RINVMSGID);
        assert_eq!(status(ReplaceSm { schedule_delivery_time: Text::from("soon"), ..replace(&good) }).await, Status::RINVSCHED);
        assert_eq!(status(replace(b"")).await, Status::RINVMSGLEN);
        assert_eq!(status(replace(b"odd")).await, Status::RINVMSGLEN, "it is read as it was submitted: UCS-2");
        assert_eq!(status(ReplaceSm { sm_default_msg_id: 1, ..replace(&good) }).await, Status::RINVDFTMSGID);
        let past = smpp::time::relative(Duration::from_mins(1));
        assert_eq!(status(ReplaceSm { validity_period: past, ..replace(&good) }).await, Status::RINVEXPIRY, "before it is due");
        let soon = smpp::time::relative(Duration::from_secs(1));
        assert_eq!(status(ReplaceSm { schedule_delivery_time: soon, ..replace(&good) }).await, Status::ROK);
        let receipt = delivered(&mut link, Status::ROK).await;
        assert_eq!(receipt.tlvs.receipted_message_id().unwrap().to_str(), id);
        assert_eq!(house.shown().await, ["Işık söndü"]);
        assert_eq!(status(replace(&good)).await, Status::RREPLACEFAIL, "too late");
        assert_eq!(house.count("SELECT COUNT(*) FROM message_notes WHERE kind = 'replaced'").await, 1);
        house.end().await;
    }

    /// `cancel_sm`: by id, also of a text for many; between two addresses; never what is past waiting, and with a receipt
    /// that says DELETED.
    async fn what_waits_is_taken_back(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let handle = link.handle.clone();
        let cancel = |id: &str| CancelSm { message_id: Text::from(id), ..CancelSm::default() };
        let status = async |pdu: CancelSm| handle.request(pdu).await.unwrap().status;
        let id = id_of(&handle.request(later()).await.unwrap());
        let elsewhere = CancelSm { source: Address::short_code("70008"), ..cancel(&id) };
        assert_eq!(status(elsewhere).await, Status::RINVSRCADR);
        assert_eq!(status(cancel("77777777")).await, Status::RINVMSGID);
        assert_eq!(status(cancel(&id)).await, Status::ROK);
        let receipt = delivered(&mut link, Status::ROK).await;
        assert_eq!(receipt.tlvs.message_state(), Some(MessageState::Deleted));
        assert!(String::from_utf8_lossy(&receipt.short_message.0).contains("stat:DELETED"));
        let query = QuerySm { message_id: Text::from(id.clone()), source: Address::short_code("70007") };
        let response = handle.request(query).await.unwrap();
        assert!(matches!(&response.pdu, Pdu::QuerySmResp(answer) if answer.message_state == MessageState::Deleted.octet()), "{response:?}");
        assert_eq!(status(cancel(&id)).await, Status::RCANCELFAIL, "it is over");

        let many = SubmitMulti { schedule_delivery_time: later().schedule_delivery_time, ..multi(vec![number(117), number(118), number(119)]) };
        let response = handle.request(many).await.unwrap();
        let Pdu::SubmitMultiResp(answer) = &response.pdu else { panic!("{response:?}") };
        assert_eq!(status(cancel(&answer.message_id.to_str())).await, Status::ROK);
        for _ in 0..3 {
            let receipt = delivered(&mut link, Status::ROK).await;
            assert_eq!(receipt.tlvs.receipted_message_id().unwrap(), answer.message_id);
        }
        for pdu in [later(), later(), SubmitSm { destination: Address::international("447700900118"), ..later() }] {
            id_of(&handle.request(pdu).await.unwrap());
        }
        let between = CancelSm { source: Address::short_code("70007"), destination: Address::international(DINA), ..CancelSm::default() };
        assert_eq!(status(CancelSm { source: Address::default(), ..between.clone() }).await, Status::RINVSRCADR);
        assert_eq!(status(CancelSm { destination: Address::default(), ..between.clone() }).await, Status::RINVDSTADR);
        assert_eq!(status(between.clone()).await, Status::ROK);
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 0").await, 1, "that to somebody else stays");
        assert_eq!(status(between).await, Status::RCANCELFAIL, "nothing waits between them");
        let sent = id_of(&handle.request(SubmitSm { registered_delivery: RegisteredDelivery::NONE, ..submit(b"x") }).await.unwrap());
        until("it is delivered", async || house.count("SELECT COUNT(*) FROM messages WHERE state = 4").await == 1).await;
        assert_eq!(status(cancel(&sent)).await, Status::RCANCELFAIL);
        house.end().await;
    }

    /// E-17: nobody replaces or asks after what another account submitted.
    async fn e_17_another_accounts_message_is_nobodys(db: Db) {
        let house = House::new(db).await;
        let other = "  - {workspace: demo, system_id: ward8, password: {env: PASSWORD}, allow: [127.0.0.0/8]}\n";
        house.apply(&format!("{}{other}", account(""))).await.unwrap();
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let id = id_of(&link.handle.request(later()).await.unwrap());
        let bind = smpp::Bind::new("ward8", smpp::Password::new("pa55word"));
        let stranger = house.bind_as(BindMode::Transceiver, bind).await.unwrap();
        let replace = ReplaceSm {
            message_id: Text::from(id.clone()),
            source: Address::short_code("70007"),
            short_message: Message(bytes::Bytes::from_static(b"mine")),
            ..ReplaceSm::default()
        };
        assert_eq!(stranger.handle.request(replace).await.unwrap().status, Status::RINVMSGID);
        let cancel = CancelSm { message_id: Text::from(id.clone()), ..CancelSm::default() };
        assert_eq!(stranger.handle.request(cancel).await.unwrap().status, Status::RINVMSGID);
        let source = Address::short_code("70007");
        let between = CancelSm { source, destination: Address::international(DINA), ..CancelSm::default() };
        assert_eq!(stranger.handle.request(between).await.unwrap().status, Status::RCANCELFAIL);
        let query = QuerySm { message_id: Text::from(id), source: Address::short_code("70007") };
        assert_eq!(stranger.handle.request(query.clone()).await.unwrap().status, Status::RINVMSGID);
        let response = link.handle.request(query).await.unwrap();
        let Pdu::QuerySmResp(answer) = &response.pdu else { panic!("{response:?}") };
        assert_eq!(answer.message_state, MessageState::Enroute.octet());
        house.end().await;
    }

    /// Every value of `registered_delivery`: with bit 4 also word that the carrier has it, which is no receipt.
    async fn word_on_the_way_is_told_when_wanted(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        for (flag, told) in [(0x10, &[0x20][..]), (0x11, &[0x20, 0x04]), (0x1D, &[0x20, 0x04]), (0x12, &[0x20]), (0x0C, &[])] {
            let pdu = SubmitSm { registered_delivery: RegisteredDelivery(flag), ..submit(b"x") };
            let id = id_of(&link.handle.request(pdu).await.unwrap());
            let mut classes = Vec::new();
            for _ in told {
                let pdu = delivered(&mut link, Status::ROK).await;
                assert_eq!(pdu.tlvs.receipted_message_id().unwrap().to_str(), id);
                let expected = if pdu.esm_class.0 == 0x20 { MessageState::Enroute } else { MessageState::Delivered };
                assert_eq!(pdu.tlvs.message_state(), Some(expected));
                classes.push(pdu.esm_class.0);
            }
            classes.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(classes, told, "{flag:#x}");
            until("nothing waits", async || {
                house.count("SELECT COUNT(*) FROM deliveries").await == 0 && house.count("SELECT COUNT(*) FROM messages WHERE state < 4").await == 0
            }).await;
        }
        house.end().await;
    }
}
