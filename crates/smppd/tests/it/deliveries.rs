//! What applications are told: receipts and texts of handsets, at least once, over any bind that may.

use std::collections::BTreeSet;
use std::time::Duration;

use smpp::{Address, BindMode, DeliverSmResp, MessageState, Status};
use sms::ReceiptText;
use store::Db;

use crate::house::{DINA, House, account, delivered, id_of, submit, until};

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

    /// A receipt says the id of the answer, as text and as parameters, and comes once.
    async fn a_receipt_comes_back(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let id = id_of(&link.handle.request(submit(b"Disk full on db-1")).await.unwrap());
        let pdu = delivered(&mut link, Status::ROK).await;
        let text = ReceiptText::parse(&String::from_utf8_lossy(&pdu.short_message.0)).unwrap();
        assert_eq!((text.id.as_str(), text.state, text.text.as_deref()), (id.as_str(), sms::ReceiptState::Delivered, Some("Disk full on db-1")));
        assert_eq!(pdu.tlvs.receipted_message_id().unwrap().to_str(), id);
        assert_eq!(pdu.tlvs.message_state(), Some(MessageState::Delivered));
        assert_eq!((pdu.source, pdu.destination), (Address::international(DINA), Address::short_code("70007")));
        until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        house.end().await;
    }

    /// Nothing is lost while nobody is bound: it waits on disk, and what was refused for now comes again.
    async fn receipts_wait_for_a_bind_and_come_again(db: Db) {
        let house = House::new(db).await;
        let sender = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let mut ids = BTreeSet::new();
        for _ in 0..30 {
            ids.insert(id_of(&sender.handle.request(submit(b"x")).await.unwrap()));
        }
        until("all are to be told", async || house.count("SELECT COUNT(*) FROM deliveries").await == 30).await;
        let mut receiver = house.bind(BindMode::Receiver, "pa55word").await.unwrap();
        delivered(&mut receiver, Status::RX_T_APPN).await;
        let mut told = BTreeSet::new();
        for _ in 0..30 {
            let pdu = delivered(&mut receiver, Status::ROK).await;
            assert!(told.insert(pdu.tlvs.receipted_message_id().unwrap().to_str().into_owned()), "twice");
        }
        assert_eq!(told, ids);
        until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        house.end().await;
    }

    /// What comes again is on its way once: an application that thinks about it is not asked the same thing meanwhile.
    async fn what_comes_again_is_on_its_way_once(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        id_of(&link.handle.request(submit(b"x")).await.unwrap());
        delivered(&mut link, Status::RX_T_APPN).await;
        let again = tokio::time::timeout(Duration::from_secs(20), link.incoming.next()).await.unwrap().unwrap();
        let more = tokio::time::timeout(Duration::from_millis(2_500), link.incoming.next()).await;
        assert!(more.is_err(), "asked twice: {more:?}");
        again.answer(Status::ROK, DeliverSmResp::default()).unwrap();
        until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        house.end().await;
    }

    /// Failure receipts alone, where an application wants only those.
    async fn only_the_ends_that_are_wanted(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let wants = |flag| smpp::SubmitSm { registered_delivery: smpp::RegisteredDelivery(flag), ..submit(b"x") };
        link.handle.request(wants(0)).await.unwrap();
        link.handle.request(wants(2)).await.unwrap();
        let id = id_of(&link.handle.request(wants(1)).await.unwrap());
        let pdu = delivered(&mut link, Status::ROK).await;
        assert_eq!(pdu.tlvs.receipted_message_id().unwrap().to_str(), id);
        until("all are delivered", async || house.count("SELECT COUNT(*) FROM messages WHERE state = 4").await == 3).await;
        until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        house.end().await;
    }

    /// A text of a handset goes to the account that serves its address.
    async fn a_reply_reaches_the_application(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let quiet = smpp::SubmitSm { registered_delivery: smpp::RegisteredDelivery::NONE, ..submit(b"Well?") };
        link.handle.request(quiet).await.unwrap();
        until("the handset has it", async || !house.shown().await.is_empty()).await;
        house.control.send(DINA, "70007", "Yes, 5 €").await.unwrap();
        let pdu = delivered(&mut link, Status::ROK).await;
        assert_eq!(sms::decode(sms::Coding::Gsm7, &pdu.short_message.0), "Yes, 5 €");
        assert_eq!((pdu.source, pdu.destination), (Address::international(DINA), Address::short_code("70007")));
        // Nobody serves it any more: the message stays with the workspace alone.
        house.apply(&account("")).await.unwrap();
        house.control.send(DINA, "70007", "Hello?").await.unwrap();
        until("it is stored", async || house.count("SELECT COUNT(*) FROM inbound_messages").await == 2).await;
        until("the first is taken", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        house.end().await;
    }

    /// A handset that nothing was ever sent to writes to an address of the account.
    async fn what_a_stranger_writes_reaches_the_application(db: Db) {
        let house = House::new(db).await;
        let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        house.control.send(DINA, "70007", "Is this the ward?").await.unwrap();
        let pdu = delivered(&mut link, Status::ROK).await;
        assert_eq!(sms::decode(sms::Coding::Gsm7, &pdu.short_message.0), "Is this the ward?");
        house.control.send(DINA, "70099", "Wrong number?").await.unwrap();
        until("it is stored", async || house.count("SELECT COUNT(*) FROM inbound_messages").await == 2).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM inbound_messages WHERE workspace IS NULL").await, 1);
        house.end().await;
    }

    /// SMPP 3.3 knows no optional parameters.
    async fn an_old_application_gets_no_parameters(db: Db) {
        let house = House::new(db).await;
        let old = smpp::Bind { interface_version: 0x33, ..smpp::Bind::new("ward7", smpp::Password::new("pa55word")) };
        let mut link = house.bind_as(BindMode::Receiver, old).await.unwrap();
        let sender = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let id = id_of(&sender.handle.request(submit(b"x")).await.unwrap());
        let pdu = delivered(&mut link, Status::ROK).await;
        assert!(pdu.tlvs.is_empty());
        assert!(String::from_utf8_lossy(&pdu.short_message.0).starts_with(&format!("id:{id} ")));
        house.end().await;
    }
}
