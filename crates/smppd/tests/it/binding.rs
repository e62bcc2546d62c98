//! Who may bind, and how a bind ends.

use smpp::{Bind, BindMode, Password, Status};
use smpplink::{Closed, ConnectError};
use store::Db;

use crate::house::{House, account, id_of, submit, until};

fn refused(outcome: Result<smpplink::Link, ConnectError>) {
    match outcome {
        Err(ConnectError::Refused(status)) => assert_eq!(status, Status::RBINDFAIL),
        other => panic!("{other:?}"),
    }
}

/// Why the connection ended, within seconds.
async fn over(handle: &smpplink::Handle) -> Closed {
    tokio::time::timeout(std::time::Duration::from_secs(10), handle.closed()).await.expect("the bind ends")
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

    /// E-01, X-21: over TLS, with one refusal for every reason, and each bind on record.
    async fn e_01_a_bind_is_proven_over_tls(db: Db) {
        let house = House::new(db).await;
        refused(house.bind(BindMode::Transceiver, "wrong").await);
        refused(house.bind_as(BindMode::Transceiver, Bind::new("nobody", Password::new("pa55word"))).await);
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        let list = || house.smppd.binds(&access::Permit::engine(access::Engine("tests"), house.workspace));
        until("it is in the list", async || !list().is_empty()).await;
        let shown = list();
        assert_eq!((shown.len(), shown[0].system_id.as_str(), shown[0].mode, shown[0].encrypted), (1, "ward7", "transceiver", true));
        assert_eq!(shown[0].version, "3.4");
        assert_eq!(link.handle.unbind().await, Closed::Unbound);
        until("the bind is gone", async || {
            house.smppd.binds(&access::Permit::engine(access::Engine("tests"), house.workspace)).is_empty()
        }).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'smpp.bind' AND outcome = 'success'").await, 1);
        until("refusals are on record", async || {
            house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'smpp.bind' AND outcome = 'denied'").await == 2
        }).await;
        house.end().await;
    }

    /// security.md, SMPP: five wrong passwords close the door for a minute, also for the right one.
    async fn five_wrong_passwords_close_the_door(db: Db) {
        let house = House::new(db).await;
        for _ in 0..5 {
            refused(house.bind(BindMode::Transceiver, "wrong").await);
        }
        refused(house.bind(BindMode::Transceiver, "pa55word").await);
        house.end().await;
    }

    /// E-02, X-07: clear text takes two switches, and the address list holds besides the password.
    async fn e_02_clear_text_and_addresses_are_by_permission(db: Db) {
        let house = House::new(db).await;
        refused(house.bind_in_clear().await);
        house.apply(&account(", allow_plaintext: true")).await.unwrap();
        house.bind_in_clear().await.unwrap().handle.unbind().await;
        house.apply(&account("").replace("127.0.0.0/8", "192.0.2.0/24")).await.unwrap();
        refused(house.bind(BindMode::Transceiver, "pa55word").await);
        house.end().await;
    }

    /// security.md, SMPP: a certificate stands instead of the address list, beside the password, and of its own account alone.
    async fn e_02_a_certificate_stands_instead_of_the_address(db: Db) {
        let house = House::new(db).await;
        let bind = |password: &str| Bind::new("ward7", Password::new(password));
        let rule = "'CN=localhost issued by CN=Loudhailer private CA'";
        let elsewhere = account("").replace("127.0.0.0/8", "192.0.2.0/24");
        house.apply(&elsewhere).await.unwrap();
        refused(house.bind_certified(BindMode::Transceiver, bind("pa55word")).await);
        for allow in ["allow: [192.0.2.0/24]", "allow: []"] {
            let file = account(&format!(", certificates: [{rule}]")).replace("allow: [127.0.0.0/8]", allow);
            house.apply(&file).await.unwrap();
            house.bind_certified(BindMode::Transceiver, bind("pa55word")).await.unwrap().handle.unbind().await;
            refused(house.bind_certified(BindMode::Transceiver, bind("wrong")).await);
            refused(house.bind(BindMode::Transceiver, "pa55word").await);
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM client_certificates WHERE seen_not_after > 0").await, 1, "its end is known");
        // two side by side carry an application through a rotation, in either order.
        for both in [format!("{rule}, 'CN=next issued by CN=Example CA'"), format!("'CN=before issued by CN=Example CA', {rule}")] {
            house.apply(&account(&format!(", certificates: [{both}]")).replace("127.0.0.0/8", "192.0.2.0/24")).await.unwrap();
            house.bind_certified(BindMode::Transceiver, bind("pa55word")).await.unwrap().handle.unbind().await;
        }
        let other = account(", certificates: ['CN=other issued by CN=Loudhailer private CA']").replace("127.0.0.0/8", "192.0.2.0/24");
        house.apply(&other).await.unwrap();
        refused(house.bind_certified(BindMode::Transceiver, bind("pa55word")).await);
        house.end().await;
    }

    /// An account has as many binds as it may; SMPP 3.3 is spoken too.
    async fn binds_are_counted(db: Db) {
        let house = House::new(db).await;
        house.apply(&account(", max_binds: 2")).await.unwrap();
        let one = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let old = Bind { interface_version: 0x33, ..Bind::new("ward7", Password::new("pa55word")) };
        let two = house.bind_as(BindMode::Receiver, old).await.unwrap();
        refused(house.bind(BindMode::Receiver, "pa55word").await);
        one.handle.unbind().await;
        until("a place is free", async || {
            house.smppd.binds(&access::Permit::engine(access::Engine("tests"), house.workspace)).len() == 1
        }).await;
        let again = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        drop((again, two));
        house.end().await;
    }

    /// a new password works beside the one before; a removed account's binds end within a second or two, and
    /// its name is never given away again (E-16).
    async fn x_22_passwords_rotate_and_removal_ends_binds(db: Db) {
        let house = House::new(db).await;
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        house.apply(&account("").replace("PASSWORD", "NEW")).await.unwrap();
        assert_eq!(over(&link.handle).await, Closed::PeerUnbound, "a change ends the bind");
        for password in ["pa55word", "n3wone"] {
            house.bind(BindMode::Transceiver, password).await.unwrap().handle.unbind().await;
        }
        house.apply(&account(", rotation_hours: 0")).await.unwrap();
        refused(house.bind(BindMode::Transceiver, "n3wone").await);
        let link = house.bind(BindMode::Transceiver, "pa55word").await.unwrap();
        house.remove_account().await;
        assert_eq!(over(&link.handle).await, Closed::PeerUnbound);
        refused(house.bind(BindMode::Transceiver, "pa55word").await);
        house.end().await;
    }

    async fn wrong_settings_name_their_field(db: Db) {
        let house = House::new(db).await;
        for (change, field) in [
            (account("").replace("PASSWORD", "LONG"), "password"),
            (account("").replace("[127.0.0.0/8]", "[]"), "allow"),
            (account("").replace("127.0.0.0/8", "127.0.0.1/8"), "allow[0]"),
            (account(", senders: ['much too long a name']"), "senders[0]"),
            (account("").replace("ward7", "sixteen-letters-"), "system_id"),
        ] {
            let error = house.apply(&change).await.unwrap_err();
            let shown = format!("{:?}", error.problems());
            assert!(shown.contains(field), "{change}: {shown}");
            assert!(!shown.contains("much too long\""), "{shown}");
        }
        house.end().await;
    }

    /// A stopping server lets what was asked be answered, unbinds, and takes nobody new.
    async fn a_stop_is_graceful(db: Db) {
        let house = House::new(db).await;
        let link = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let mut pending = Vec::new();
        for _ in 0..10 {
            pending.push(link.handle.reserve().await.unwrap().send(submit(b"bye")).unwrap());
        }
        let (handle, db) = (link.handle.clone(), house.db.clone());
        house.end().await;
        let mut accepted = 0;
        for answer in pending {
            accepted += i64::from(answer.await.is_ok_and(|response| response.status.is_ok() && !id_of(&response).is_empty()));
        }
        assert_eq!(over(&handle).await, Closed::PeerUnbound);
        let stored = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM messages", &store::params![], |row| row.get::<i64>(0))).await.unwrap();
        assert!(stored >= accepted, "{accepted} accepted, {stored} stored");
    }
}
