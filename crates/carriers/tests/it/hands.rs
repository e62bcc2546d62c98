//! What people do to a carrier at night: look at it, connect it anew, stop sending by it and go on.

use access::{Engine, OrganisationPermit, Permit, cap};
use carriers::{CarrierStatus, Error};
use messaging::{New, State};
use simulator::Behaviour;
use sms::Number;
use store::{Db, params};
use uuid::Uuid;

use crate::configured::{House, yaml};
use crate::stage::{DINA, Stage, until, until_bound};

fn hands() -> OrganisationPermit<cap::CarriersWrite> {
    OrganisationPermit::engine(Engine("tests"))
}

fn status(house: &House) -> CarrierStatus {
    house.carriers.profile(&OrganisationPermit::<cap::CarriersRead>::engine(Engine("tests")), "sim-1").unwrap().status
}

async fn workspace(db: &Db) -> base::WorkspaceId {
    let slug = "SELECT id FROM workspaces WHERE slug = 'demo'";
    db.read(move |tx| tx.query_one(slug, &params![], |row| row.get::<Uuid>(0))).await.unwrap().into()
}

/// A person may ask at any time; what is bound is bound anew, and what waits does not wait.
#[tokio::test]
async fn connecting_again_is_at_once_and_remembered() {
    let mut stage = Stage::new(Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }).await;
    let (carrier, _inbox) = Stage::bound(stage.settings()).await;
    let first = carrier.status();
    let peer = first.each[0].peer.clone().unwrap();
    assert_eq!(
        (peer.version, peer.subject.as_str(), peer.issuer.as_str()),
        ("TLS 1.3", "CN=localhost", "CN=Loudhailer private CA")
    );
    assert!(peer.not_after.is_some() && peer.fingerprint.len() == 95);
    carrier.connect_again();
    until("bound anew", async || carrier.history().iter().filter(|change| change.bound).count() == 2).await;
    until_bound(&carrier).await;
    assert!(carrier.status().each[0].since > first.each[0].since);
    let said: Vec<_> = carrier.history().iter().map(|change| change.words.clone()).collect();
    assert_eq!(said, ["Bound", "unbound by us", "Bound"]);

    stage.stop().await;
    until("not bound", async || carrier.status().each[0].retry_in.is_some()).await;
    let away = carrier.status();
    assert!(away.each[0].remedy.is_some() || away.last_error.as_deref() == Some("unbound by the peer"), "{away:?}");
    // Let it fail for a while, so that the next try is far away.
    until("gave up for a while", async || carrier.status().each[0].retry_in.is_some_and(|wait| wait.as_millis() > 500))
        .await;
    assert!(carrier.status().remedy.unwrap().contains("check host, port and firewall"));
    stage.start().await;
    carrier.connect_again();
    until_bound(&carrier).await;
    carrier.stop().await;
}

testdb::both_databases! {
    migrations = [
        &access::MIGRATIONS,
        &audit::MIGRATIONS,
        &vault::MIGRATIONS,
        &resources::MIGRATIONS,
        &messaging::MIGRATIONS,
        &carriers::MIGRATIONS,
    ];

    /// A pause holds messages and not connections, outlives a change of settings, says who made it, and is in the audit log.
    async fn a_paused_carrier_stays_bound_and_sends_nothing(db: Db) {
        let stage = Stage::new(Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }).await;
        let house = House::new(db).await;
        house.apply(&yaml(&stage, "PASSWORD", 1)).await.unwrap();
        until("bound", async || house.words("sim-1") == "1 of 1 sessions").await;
        let carriers = house.carriers.clone();
        house.db.write(move |tx| carriers.pause(tx, &hands(), "sim-1", "they work on it")).await.unwrap();
        let paused = status(&house).paused.unwrap();
        assert_eq!(paused.words(), "sending was paused by tests: they work on it");

        let workspace = workspace(&house.db).await;
        let permit: Permit<cap::MessagesSend> = Permit::engine(Engine("tests"), workspace);
        let text = New::text(Number::parse(DINA, None).unwrap(), "Replication lag 42 s");
        let id = house.messaging.submit(&permit, text).await.unwrap().id;
        house.apply(&yaml(&stage, "PASSWORD", 2)).await.unwrap();
        until("bound with other settings", async || house.words("sim-1") == "2 of 2 sessions").await;
        assert_eq!(status(&house).paused.map(|pause| pause.reason).as_deref(), Some("they work on it"));
        assert_eq!(stage.ledger().len(), 0, "nothing left");

        let carriers = house.carriers.clone();
        house.db.write(move |tx| carriers.resume(tx, &hands(), "sim-1")).await.unwrap();
        let reader: Permit<cap::MessagesRead> = Permit::engine(Engine("tests"), workspace);
        until("delivered", async || {
            let (messaging, reader) = (house.messaging.clone(), reader.clone());
            house.db.read(move |tx| messaging.get(tx, &reader, id)).await.unwrap().unwrap().summary.state == State::Delivered
        })
        .await;
        house.carriers.reconnect(&hands(), "sim-1").await.unwrap();
        let acts = "SELECT action FROM audit_entries WHERE action LIKE 'carrier.%' ORDER BY counter";
        let acts = house.db.read(move |tx| tx.query(acts, &params![], |row| row.get::<String>(0))).await.unwrap();
        assert_eq!(acts, ["carrier.pause", "carrier.resume", "carrier.reconnect"]);
        house.end().await;
    }

    /// E-17: a right in one workspace moves nothing that belongs to all; what is not there is said so.
    async fn who_may_not_moves_nothing(db: Db) {
        let house = House::new(db).await;
        house.apply("workspaces:\n  - {slug: demo, environment: development}\n").await.unwrap();
        let here: Permit<cap::CarriersWrite> = Permit::engine(Engine("tests"), workspace(&house.db).await);
        let (carriers, narrow) = (house.carriers.clone(), here.clone());
        let refused = house.db.write(move |tx| carriers.pause(tx, &narrow, "sim-1", "")).await;
        assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
        assert!(matches!(house.carriers.reconnect(&here, "sim-1").await, Err(Error::Denied(_))));
        assert!(matches!(house.carriers.reconnect(&hands(), "sim-1").await, Err(Error::NoSuchCarrier)));
        house.end().await;
    }
}
