//! Fault F-26: receivers that mean no good harm nobody but themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::{Db, params};
use testkit::{Behaviour, Receiver};

use super::house::{House, body, rules, texts};
use crate::*;

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &MIGRATIONS];

    /// One that hangs delays no other, and each way to fail has its sentence.
    async fn f_26_one_bad_receiver_delays_no_other(db: Db) {
        let bad = Receiver::start(&["127.0.0.1"], |received, _| match received.path.as_str() {
            "/hang" => Behaviour::Hang,
            "/redirect" => Behaviour::With(302, "location", "https://169.254.169.254/".into()),
            "/flood" => Behaviour::Flood,
            "/gone" => Behaviour::Answer(410, String::new()),
            "/busy" => Behaviour::With(503, "retry-after", "120".into()),
            _ => Behaviour::Close,
        }).await;
        let wrong = Receiver::start(&["other.example"], |_, _| Behaviour::ok()).await;
        let good = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&bad, &wrong, &good])).await;
        for name in ["hang", "redirect", "flood", "gone", "busy", "close"] {
            house.to(name, &bad).await;
        }
        house.put(body("certificate", &wrong), &[]).await.unwrap();
        house.to("good", &good).await;
        house.run();
        for n in 0..20 {
            house.tell(&format!("m-{n}"), "x").await;
        }
        let began = db.context().monotonic();
        good.until(20).await;
        let took = db.context().monotonic().saturating_sub(began);
        assert!(took < Duration::from_secs(10), "the good one waited for nobody: {took:?}");
        assert!(wrong.seen().is_empty(), "nothing is said to one that shows the wrong certificate");
        let all = house.list().await;
        let error = |name: &str| all.iter().find(|one| one.webhook.name == name).unwrap().webhook.health.last_error.clone().unwrap_or_default();
        assert!(error("redirect").contains("redirects are not followed"), "{}", error("redirect"));
        assert!(error("gone").contains("gone"));
        let find = |name: &str| all.iter().find(|one| one.webhook.name == name).unwrap().webhook.health.clone();
        assert_eq!(find("gone").circuit, Circuit::Open);
        assert_eq!(find("busy").circuit, Circuit::Open);
        assert_eq!(find("busy").reason.as_deref(), Some("It asked us to come again in 2 minutes."));
        // Ten gigabytes are an answer like any other: the status counts, the rest is not read.
        let flood = all.iter().find(|one| one.webhook.name == "flood").unwrap().webhook.id;
        for _ in 0..500 {
            if house.one(flood).await.waiting == 0 { break }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(house.one(flood).await.waiting, 0);
        house.halt().await;
    }

    /// The circuit opens after ten failures, asks by itself, and what waited goes when it closes: nothing is dropped.
    async fn f_26_a_receiver_that_comes_back_gets_everything(db: Db) {
        let healthy = Arc::new(AtomicUsize::new(0));
        let decide = Arc::clone(&healthy);
        let receiver = Receiver::start(&["127.0.0.1"], move |_, _| {
            if decide.load(Ordering::SeqCst) == 0 { Behaviour::Answer(500, "call +447700900117".into()) } else { Behaviour::ok() }
        }).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let (id, _) = house.to("app", &receiver).await;
        for n in 0..40 {
            house.tell(&format!("m-{n}"), &n.to_string()).await;
        }
        house.run();
        for _ in 0..1_000 {
            if house.one(id).await.webhook.health.circuit == Circuit::Open { break }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let open = house.one(id).await.webhook.health;
        assert_eq!(open.circuit, Circuit::Open);
        assert!(open.reason.unwrap().contains("failures in a row, the last: the receiver answered 500"));
        let tried = receiver.seen().len();
        assert!(tried <= 14, "it is left alone: {tried}");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(receiver.seen().len(), tried);
        let failed = house.callbacks(Filter::default()).await.into_iter().find(|callback| callback.attempts > 0).unwrap();
        let beginning = house.details(failed.id).await.attempts[0].beginning.clone().unwrap();
        assert_eq!(beginning, "call •••");
        healthy.store(1, Ordering::SeqCst);
        db.write(move |tx| { let now = tx.now(); tx.execute("UPDATE webhooks SET probe_at = $1", &params![now]) }).await.unwrap();
        house.until(CallbackState::Delivered, 40).await;
        let mut all = texts(&receiver);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        assert_eq!(house.one(id).await.webhook.health.circuit, Circuit::Closed);
        house.halt().await;
    }
}
