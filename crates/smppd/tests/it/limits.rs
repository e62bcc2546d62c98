//! Versions, limits and answers by the numbers of security.md, as a stranger's and an application's sockets see them.

use std::time::{Duration, Instant};

use access::{Engine, Permit, cap};
use smpp::{Bind, BindMode, Command, EnquireLink, Password, Pdu, RegisteredDelivery, Status, SubmitSm, Tag, Tlvs};
use smpplink::Closed;
use store::Db;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, account, delivered, id_of, submit, until};

/// A connection in clear, spoken to octet by octet.
pub struct Raw {
    stream: TcpStream,
    buffer: bytes::BytesMut,
}

impl Raw {
    pub async fn open(house: &House) -> Self {
        Self { stream: TcpStream::connect(house.clear).await.unwrap(), buffer: bytes::BytesMut::new() }
    }

    async fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    pub async fn ask(&mut self, pdu: impl Into<Pdu>) -> Command {
        self.ask_numbered(7, pdu).await
    }

    async fn ask_numbered(&mut self, sequence: u32, pdu: impl Into<Pdu>) -> Command {
        self.tell(sequence, pdu).await;
        self.read().await.expect("an answer")
    }

    pub async fn tell(&mut self, sequence: u32, pdu: impl Into<Pdu>) {
        let mut out = bytes::BytesMut::new();
        Command::request(sequence, pdu).encode(&mut out).unwrap();
        self.write(&out).await;
    }

    /// The next PDU; `None` when the server closed.
    pub async fn read(&mut self) -> Option<Command> {
        let framer = smpp::Framer::new(smpp::LIMIT_BOUND);
        loop {
            if let Some(frame) = framer.next(&mut self.buffer).unwrap() {
                return Some(Command::decode(frame).unwrap());
            }
            let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_buf(&mut self.buffer)).await;
            if matches!(read.expect("the server says something"), Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    async fn bind(&mut self, interface_version: u8) -> (Status, Tlvs) {
        let bind = Bind { interface_version, ..Bind::new("ward7", Password::new("pa55word")) };
        let answer = self.ask(Pdu::Bind(BindMode::Transceiver, bind)).await;
        let Pdu::BindResp(_, response) = answer.pdu else { panic!("{answer:?}") };
        (answer.status, response.tlvs)
    }
}

async fn in_clear(db: Db, more: &str) -> House {
    let house = House::new(db).await;
    house.apply(&account(&format!(", allow_plaintext: true, max_binds: 20{more}"))).await.unwrap();
    house
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

    /// 3.3, 3.4 and 5.0: each is answered what it knows.
    async fn versions_are_negotiated(db: Db) {
        let house = in_clear(db, ", rate: 2").await;
        for (asked, shown, answered) in [(0x00, "3.3", None), (0x33, "3.3", None), (0x34, "3.4", Some(0x34)), (0x50, "5.0", Some(0x50)), (0x51, "5.0", Some(0x50))] {
            let mut raw = Raw::open(&house).await;
            let (status, tlvs) = raw.bind(asked).await;
            assert_eq!((status, tlvs.number(Tag::SC_INTERFACE_VERSION)), (Status::ROK, answered), "{asked:#x}");
            // The answer is out a moment before the bind is in the list.
            let last = || house.smppd.binds(&Permit::engine(Engine("tests"), house.workspace)).pop().map(|bind| bind.version);
            until("it is shown", async || last().as_deref() == Some(shown)).await;
            let quiet = SubmitSm { registered_delivery: RegisteredDelivery::NONE, ..submit(b"x") };
            let mut throttled = None;
            for _ in 0..3 {
                let answer = raw.ask(quiet.clone()).await;
                let Pdu::SubmitSmResp(response) = answer.pdu else { panic!("{answer:?}") };
                let congestion = response.tlvs.number(Tag::CONGESTION_STATE);
                assert_eq!(congestion.is_some(), asked >= 0x50, "5.0 alone knows congestion_state");
                if answer.status == Status::RTHROTTLED {
                    throttled = Some(congestion);
                }
            }
            assert_eq!(throttled, Some((asked >= 0x50).then_some(90)), "the third within a second is too much");
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
        house.end().await;
    }

    /// security.md, SMPP: a stranger has five seconds, TLS and bind together, and 1,024 octets; a bad length closes.
    async fn strangers_are_cut_short(db: Db) {
        let house = in_clear(db, "").await;
        #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
        let began = Instant::now();
        let (mut silent, mut at_tls) = (Raw::open(&house).await, TcpStream::connect(house.tls).await.unwrap());
        for length in [15_u32, 1_025, u32::MAX] {
            let mut raw = Raw::open(&house).await;
            raw.write(&[&length.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1]].concat()).await;
            assert_eq!(raw.read().await, None, "{length}");
        }
        assert!(began.elapsed() < Duration::from_secs(3));
        let mut early = Raw::open(&house).await;
        assert_eq!(early.ask(submit(b"x")).await.status, Status::RINVBNDSTS);
        assert_eq!(early.ask(EnquireLink {}).await.status, Status::ROK);
        assert_eq!(silent.read().await, None);
        assert_eq!(at_tls.read(&mut [0; 16]).await.unwrap_or(0), 0);
        let took = began.elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&took), "{took:?}");
        house.end().await;
    }

    /// security.md, SMPP: an unknown PDU is answered `generic_nack` 0x03, 70,000 octets are the most, a bad length closes.
    async fn a_bind_speaks_within_limits(db: Db) {
        let house = in_clear(db, "").await;
        let mut raw = Raw::open(&house).await;
        raw.bind(0x34).await;
        let nack = raw.ask(Pdu::Unknown(smpp::CommandId(0x0112), bytes::Bytes::new())).await;
        assert_eq!((nack.pdu, nack.status, nack.sequence), (Pdu::GenericNack(smpp::GenericNack {}), Status::RINVCMDID, 7));
        assert_eq!(raw.ask(Pdu::Bind(BindMode::Receiver, Bind::default())).await.status, Status::RINVBNDSTS, "bound already");
        let long = submit(b"").with_message(vec![b'x'; 65_000]);
        assert_eq!(raw.ask(long).await.status, Status::RINVMSGLEN, "read, and too many parts");
        raw.write(&[&70_001_u32.to_be_bytes()[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9]].concat()).await;
        assert_eq!(raw.read().await, None);
        house.end().await;
    }

    /// Fault I7: what waits of one account is bounded, and the answer says so (security.md, SMPP: queue full 0x14).
    async fn i7_what_waits_is_bounded(db: Db) {
        let house = in_clear(db, ", max_waiting: 3").await;
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let later = SubmitSm { schedule_delivery_time: smpp::time::relative(Duration::from_hours(1)), ..submit(b"x") };
        for expected in [Status::ROK, Status::ROK, Status::ROK, Status::RMSGQFUL, Status::RMSGQFUL] {
            assert_eq!(link.handle.request(later.clone()).await.unwrap().status, expected);
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 3);
        house.db.write(|tx| tx.execute("UPDATE messages SET state = 8 WHERE state < 2", &store::params![])).await.unwrap();
        until("there is room again", async || link.handle.request(later.clone()).await.unwrap().status.is_ok()).await;
        for _ in 0..20 {
            // What does not wait long does not fill the bound: it is counted again whenever it seems full.
            until("taken", async || link.handle.request(submit(b"x")).await.unwrap().status.is_ok()).await;
        }
        house.end().await;
    }

    /// 8x8's own parameters reach every application that bears them without a word of its account's; smpplib, which would raise
    /// an exception before it answered, is known by the number it gives its bind. The account may say otherwise.
    async fn parameters_of_8x8s_own_are_told_unless_they_would_break_the_program(db: Db) {
        let house = in_clear(db, "").await;
        for (said, sequence, told) in [
            ("", 1, true),
            ("", 2, false),
            ("", 4_097, false),
            (", vendor_tlvs: true", 2, true),
            (", vendor_tlvs: false", 1, false),
        ] {
            house.apply(&account(&format!(", allow_plaintext: true{said}"))).await.unwrap();
            until("binds under what held before are over", async || {
                house.smppd.binds(&Permit::engine(Engine("tests"), house.workspace)).is_empty()
            })
            .await;
            let mut raw = Raw::open(&house).await;
            let bind = Bind { interface_version: 0x34, ..Bind::new("ward7", Password::new("pa55word")) };
            let answer = raw.ask_numbered(sequence, Pdu::Bind(BindMode::Transceiver, bind)).await;
            assert_eq!(answer.status, Status::ROK);
            assert_eq!(raw.ask_numbered(sequence + 1, submit(b"x")).await.status, Status::ROK);
            let receipt = raw.read().await.unwrap();
            let Pdu::DeliverSm(receipt_pdu) = receipt.pdu else { panic!("{receipt:?}") };
            assert_eq!(receipt_pdu.tlvs.get(Tag(0x1503)).is_some(), told, "{said} {sequence}");
            let shown = house.smppd.binds(&Permit::<cap::MessagesRead>::engine(Engine("tests"), house.workspace));
            assert_eq!((shown.len(), shown[0].vendor_tlvs), (1, told), "{said} {sequence}");
            assert!(receipt_pdu.tlvs.receipted_message_id().is_some());
            let mut out = bytes::BytesMut::new();
            Command::response(receipt.sequence, Status::ROK, smpp::DeliverSmResp::default()).encode(&mut out).unwrap();
            raw.write(&out).await;
            until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
        }
        house.end().await;
    }

    /// A long text of a handset whole, or in the parts it came in.
    async fn a_long_reply_comes_as_the_account_wants_it(db: Db) {
        let house = House::new(db).await;
        let text = "A long answer. ".repeat(20);
        let mut first = true;
        for (want, parts) in [("joined", 1), ("udh", 2), ("sar", 2)] {
            house.apply(&account(&format!(", inbound: ['70007'], long_inbound: {want}"))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let mut link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
            if std::mem::take(&mut first) {
                let quiet = SubmitSm { registered_delivery: RegisteredDelivery::NONE, ..submit(b"Well?") };
                id_of(&link.handle.request(quiet).await.unwrap());
                until("the handset has it", async || !house.shown().await.is_empty()).await;
            }
            house.control.send(crate::house::DINA, "70007", &text).await.unwrap();
            let mut came = Vec::new();
            for _ in 0..parts {
                let pdu = delivered(&mut link, Status::ROK).await;
                assert_eq!(pdu.tlvs.sar().is_some(), want == "sar");
                assert_eq!(pdu.esm_class.has_udh(), want == "udh");
                assert!(pdu.tlvs.get(Tag(0x1502)).is_some());
                let octets = pdu.message();
                came.extend_from_slice(if want == "udh" { sms::Udh::parse(&octets).1 } else { &octets });
            }
            assert_eq!(sms::decode(sms::Coding::Gsm7, &came), text, "{want}");
            until("nothing waits", async || house.count("SELECT COUNT(*) FROM deliveries").await == 0).await;
            link.handle.unbind().await;
        }
        house.end().await;
    }

    /// Binds are ended by people who may: one, or all of an account; audited, and never of another workspace.
    async fn binds_are_ended_by_hand(db: Db) {
        let house = in_clear(db, "").await;
        let one = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let other = house.bind(BindMode::Receiver, "pa55word").await.unwrap();
        let shown = house.smppd.binds(&Permit::engine(Engine("tests"), house.workspace));
        let (account, bind) = (shown[0].account, shown[0].id);
        let end = async |workspace, one: Option<u64>| {
            let smppd = house.smppd.clone();
            house.db.write(move |tx| {
                let permit: Permit<cap::ApiKeysManage> = Permit::engine(Engine("tests"), workspace);
                match one {
                    Some(bind) => smppd.disconnect(tx, &permit, account, bind),
                    None => smppd.disconnect_all(tx, &permit, account),
                }
            }).await
        };
        let foreign = uuid::Uuid::from_u128(9).into();
        assert!(matches!(end(foreign, Some(bind)).await, Err(smppd::Error::NotFound)));
        assert!(matches!(end(foreign, None).await, Err(smppd::Error::NotFound)));
        end(house.workspace, Some(bind)).await.unwrap();
        assert_eq!(one.handle.closed().await, Closed::PeerUnbound);
        assert!(!other.handle.is_closed());
        end(house.workspace, None).await.unwrap();
        assert_eq!(other.handle.closed().await, Closed::PeerUnbound);
        assert_eq!(house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'smpp.disconnect'").await, 2);
        house.bind(BindMode::Transceiver, "pa55word").await.unwrap().handle.unbind().await;
        house.end().await;
    }
}
