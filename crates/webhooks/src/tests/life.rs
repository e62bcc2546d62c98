//! The life of a callback: signed, in order, tried again, replayed, kept over the end of a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use access::cap;
use base::{ExposeSecret, SecretString, Timestamp};
use crypto::webhook::WebhookKey;
use resources::Ground;
use store::{Db, params};
use testkit::{Behaviour, Received, Receiver};

use super::house::{House, rules, texts};
use crate::*;

fn verifies(secret: &SecretString, received: &Received) -> bool {
    let key = WebhookKey::parse(secret.expose_secret()).unwrap();
    key.verify(
        received.header("webhook-id"),
        received.header("webhook-timestamp"),
        &received.body,
        received.header("webhook-signature"),
    )
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &MIGRATIONS];

    /// E-31, X-07: a callback arrives, signed by the secret that was shown, over TLS that is verified.
    async fn e_31_a_callback_arrives_signed(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        assert!(!house.webhooks.listens(house.workspace));
        assert_eq!(house.tell("m-0", "nobody listens").await, 0);
        let (id, secret) = house.to("app", &receiver).await;
        assert!(house.webhooks.listens(house.workspace));
        house.run();
        assert_eq!(house.tell("m-1", "queued").await, 1);
        let delivered = house.until(CallbackState::Delivered, 1).await;
        let received = &receiver.seen()[0];
        assert!(verifies(&secret, received));
        assert_eq!((received.path.as_str(), received.header("content-type")), ("/app", "application/json; charset=utf-8"));
        assert_eq!(received.header("webhook-id"), delivered[0].uid);
        assert!(house.one(id).await.webhook.health.last_success.is_some());
        let details = house.details(delivered[0].id).await;
        assert_eq!((details.attempts.len(), details.attempts[0].status), (1, Some(200)));
        assert!(details.headers.iter().all(|(_, value)| !value.contains("v1,") || value.ends_with("•••")), "no signature is shown");
        house.halt().await;
    }

    /// What a failure holds back stays in order; other messages go on; and the id stays the same over all tries.
    async fn callbacks_of_one_message_keep_their_order(db: Db) {
        let fails = Arc::new(AtomicBool::new(true));
        let decide = Arc::clone(&fails);
        let receiver = Receiver::start(&["127.0.0.1"], move |received, _| {
            let slow = received.json()["text"] == "a1" && decide.swap(false, Ordering::SeqCst);
            if slow { Behaviour::Answer(500, "not now".into()) } else { Behaviour::ok() }
        }).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        house.to("app", &receiver).await;
        for (subject, text) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
            house.tell(subject, text).await;
        }
        house.run();
        house.until(CallbackState::Delivered, 5).await;
        let seen = texts(&receiver);
        let of = |prefix: &str| seen.iter().filter(|text| text.starts_with(prefix)).cloned().collect::<Vec<_>>();
        assert_eq!(of("a"), ["a1", "a1", "a2", "a3"]);
        assert_eq!(of("b"), ["b1", "b2"]);
        let position = |text: &str| seen.iter().rposition(|one| one == text).unwrap();
        assert!(position("b1") < position("a2"), "another message does not wait: {seen:?}");
        let ids: Vec<_> = receiver.seen().iter().filter(|one| one.json()["text"] == "a1").map(|one| one.header("webhook-id").to_owned()).collect();
        assert_eq!(ids[0], ids[1]);
        house.halt().await;
    }

    /// E-31: killed between claim and settle, it is sent again under the same id, and the doubt is shown.
    async fn e_31_what_was_under_way_when_the_server_was_killed_goes_again(db: Db) {
        let hangs = Arc::new(AtomicBool::new(true));
        let decide = Arc::clone(&hangs);
        let receiver = Receiver::start(&["127.0.0.1"], move |_, _| if decide.load(Ordering::SeqCst) { Behaviour::Hang } else { Behaviour::ok() }).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        house.to("app", &receiver).await;
        house.run();
        house.tell("m", "first").await;
        house.tell("m", "second").await;
        receiver.until(1).await;
        house.kill();
        assert_eq!(house.until(CallbackState::UnderWay, 1).await.len(), 1);
        hangs.store(false, Ordering::SeqCst);
        // The lease of the one that is gone is anybody's.
        db.write(|tx| tx.execute("DELETE FROM leases WHERE name = 'webhooks'", &params![])).await.unwrap();
        house.run();
        let mut delivered = house.until(CallbackState::Delivered, 2).await;
        delivered.sort_by_key(|callback| callback.id);
        assert_eq!(texts(&receiver), ["first", "first", "second"]);
        let seen = receiver.seen();
        assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
        let details = house.details(delivered[0].id).await;
        assert_eq!(details.attempts.len(), 2);
        assert!(details.attempts[0].error.as_deref().unwrap().contains("nobody knows whether it arrived"));
        house.halt().await;
    }

    /// a new secret and the one before both sign until the old one retires.
    async fn x_22_a_rotation_has_no_gap(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let (id, old) = house.to("app", &receiver).await;
        house.run();
        let rotate = async |overlap: Duration| {
            let (webhooks, resources, permit) = (house.webhooks.clone(), house.resources.clone(), house.permit::<cap::IntegrationsWrite>());
            let rotation = Rotation { webhook: id, overlap, ground: Ground::None, reason: None };
            db.write(move |tx| webhooks.rotate(tx, &resources, &permit, &rotation)).await
        };
        assert!(matches!(rotate(Duration::from_hours(1_000)).await, Err(Error::Overlap)));
        let rotated = rotate(Duration::from_hours(1)).await.unwrap();
        assert!(rotated.old_until.is_some());
        house.tell("m", "one").await;
        house.until(CallbackState::Delivered, 1).await;
        let seen = receiver.seen();
        assert!(verifies(&old, &seen[0]) && verifies(&rotated.secret, &seen[0]));
        let last = rotate(Duration::ZERO).await.unwrap();
        house.tell("m", "two").await;
        house.until(CallbackState::Delivered, 2).await;
        let seen = receiver.seen();
        assert!(verifies(&last.secret, &seen[1]) && !verifies(&rotated.secret, &seen[1]));
        house.halt().await;
    }

    /// What was given up is sent again by hand, in order, and nothing older than 30 days is left.
    async fn given_up_callbacks_are_replayed_and_forgotten(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let (id, _) = house.to("app", &receiver).await;
        for text in ["one", "two", "three"] {
            house.tell("m", text).await;
        }
        db.write(|tx| tx.execute("UPDATE callbacks SET give_up_at = 0", &params![])).await.unwrap();
        house.run();
        house.until(CallbackState::GivenUp, 3).await;
        assert!(receiver.seen().is_empty());
        let permit = house.permit::<cap::IntegrationsWrite>();
        let again = house.webhooks.replay_given_up(&permit, id, Timestamp::from_micros(0)).await.unwrap();
        assert_eq!(again, 3);
        house.until(CallbackState::Delivered, 3).await;
        assert_eq!(texts(&receiver), ["one", "two", "three"]);
        // One alone, also one that arrived.
        let first = house.callbacks(Filter::default()).await.pop().unwrap();
        let (webhooks, permit) = (house.webhooks.clone(), house.permit::<cap::IntegrationsWrite>());
        db.write(move |tx| webhooks.replay(tx, &permit, first.id)).await.unwrap();
        receiver.until(4).await;
        house.until(CallbackState::Delivered, 3).await;
        let audited: i64 = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM audit_entries WHERE action LIKE 'webhook.%replay'", &params![], |row| row.get(0))).await.unwrap();
        assert_eq!(audited, 2);
        house.halt().await;
        db.write(|tx| tx.execute("UPDATE callbacks SET created_at = 0", &params![])).await.unwrap();
        house.run();
        for _ in 0..500 {
            if house.callbacks(Filter::default()).await.is_empty() { break }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(house.callbacks(Filter::default()).await.is_empty());
        house.halt().await;
    }

    /// What a callback says is sealed, and goes with its message.
    async fn what_is_said_is_sealed_and_erased_with_the_message(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        house.to("app", &receiver).await;
        let url = format!("https://127.0.0.1:{}/own?key=s3cret", receiver.port);
        house.tell_to("m", "very private", Some(url)).await;
        let clear: i64 = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM callbacks WHERE body LIKE '%private%' OR url LIKE '%s3cret%'", &params![], |row| row.get(0))).await.unwrap();
        assert_eq!(clear, 0);
        let (webhooks, workspace) = (house.webhooks.clone(), house.workspace);
        assert_eq!(db.write(move |tx| webhooks.erase(tx, workspace, "m")).await.unwrap(), 1);
        house.run();
        let given_up = house.until(CallbackState::GivenUp, 1).await;
        let (webhooks, permit) = (house.webhooks.clone(), house.permit::<cap::IntegrationsWrite>());
        let again = db.write(move |tx| webhooks.replay(tx, &permit, given_up[0].id)).await;
        assert!(matches!(again, Err(Error::Erased)), "{again:?}");
        assert!(receiver.seen().is_empty());
        house.halt().await;
    }
}
