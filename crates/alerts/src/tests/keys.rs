//! Deduplication keys: what joins what, and what a machine may end.

use std::sync::Arc;
use std::time::Duration;

use base::ManualClock;
use store::Db;
use uuid::Uuid;

use super::{ADA, House, ROOMS};
use crate::Error;
use crate::types::{Answer, NewAlert, Priority, ResolveKey, State};

fn keyed(house: &House, key: &str) -> NewAlert {
    NewAlert { key: Some(key.to_owned()), ..house.new_alert(Priority::High, "Replication lag") }
}

fn over(house: &House, key: &str) -> ResolveKey {
    ResolveKey {
        workspace: house.demo,
        integration: Some(house.integration),
        key: key.to_owned(),
        note: Some("lag is 2 s".to_owned()),
        may_close_critical: false,
        signal: Some(house.db.context().id()),
        run: None,
    }
}

testdb::both_databases! {
    migrations = [ROOMS[0], ROOMS[1], ROOMS[2], ROOMS[3], ROOMS[4], ROOMS[5], &crate::MIGRATIONS];

    /// E-20: a second signal with the key of a live alert joins it, counts, and pages nobody.
    async fn e_20_a_second_signal_joins_and_pages_nobody(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let first = house.try_open(keyed(&house, "lag/db-1")).await.unwrap();
        house.texts().await;
        let second = house.try_open(keyed(&house, "lag/db-1")).await.unwrap();
        assert_eq!((second.id, second.number, second.joined), (first.id, 1, true));
        assert!(house.texts().await.is_empty());
        assert_eq!(house.get(first.id).await.joined, 1);
        assert!(house.headlines(first.id).await.contains(&"Signal 2 joined and paged nobody: same key.".to_owned()));
        for _ in 0..30 {
            house.try_open(keyed(&house, "lag/db-1")).await.unwrap();
        }
        let joins = house.headlines(first.id).await.into_iter().filter(|line| line.contains("joined")).count();
        assert_eq!((house.get(first.id).await.joined, joins), (31, 20), "a storm is counted, not written out");
        // Once it is over, the key opens a new one.
        house.answer(0, ADA.0, first.id, Answer::Resolve { note: None }).await.unwrap();
        assert!(!house.try_open(keyed(&house, "lag/db-1")).await.unwrap().joined);
        house.end().await;
    }

    /// E-20: many transactions with one key at once make one alert.
    async fn e_20_many_signals_at_once_make_one_alert(db: Db, clock: Arc<ManualClock>) {
        let house = Arc::new(House::new(db, clock).await);
        let tasks: Vec<_> = (0..12).map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.try_open(keyed(&house, "lag/db-1")).await.unwrap() })
        }).collect();
        let mut opened = Vec::new();
        for task in tasks {
            opened.push(task.await.unwrap());
        }
        assert_eq!(opened.iter().filter(|one| !one.joined).count(), 1);
        assert!(opened.iter().all(|one| one.id == opened[0].id));
        assert_eq!(house.texts().await.len(), 1);
        assert_eq!(house.get(opened[0].id).await.joined, 11);
        house.messaging.stop().await;
    }

    /// E-17: a key belongs to its integration; another one with the same key neither joins nor ends what it did not open.
    async fn e_17_an_integration_touches_only_what_it_opened(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let mine = house.try_open(keyed(&house, "lag/db-1")).await.unwrap();
        let stranger = Some(Uuid::from_u128(78).into());
        let theirs = house.try_open(NewAlert { integration: stranger, ..keyed(&house, "lag/db-1") }).await.unwrap();
        let nobodys = house.try_open(NewAlert { integration: None, ..keyed(&house, "lag/db-1") }).await.unwrap();
        assert!(!theirs.joined && !nobodys.joined && theirs.id != mine.id);
        assert_eq!(house.resolve_key(ResolveKey { integration: stranger, ..over(&house, "lag/db-1") }).await, [theirs.id]);
        assert_eq!(house.resolve_key(ResolveKey { workspace: house.other, ..over(&house, "lag/db-1") }).await, []);
        assert_eq!(house.resolve_key(over(&house, "lag/db-2")).await, []);
        assert_eq!(house.get(mine.id).await.state, State::Open);
        assert_eq!(house.resolve_key(over(&house, "lag/db-1")).await, [mine.id]);
        assert_eq!(house.resolve_key(over(&house, "lag/db-1")).await, [], "once");
        assert_eq!(house.get(nobodys.id).await.state, State::Open);
        house.end().await;
    }

    /// E-17: a machine ends a critical alert only with the permission to; otherwise it stays, and everybody can read why.
    async fn e_17_a_machine_ends_a_critical_alert_only_with_permission(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let critical = NewAlert { priority: Priority::Critical, ..keyed(&house, "down/db-1") };
        let alert = house.try_open(critical).await.unwrap().id;
        house.texts().await;
        assert_eq!(house.resolve_key(over(&house, "down/db-1")).await, []);
        assert_eq!(house.get(alert).await.state, State::Open);
        assert!(house.headlines(alert).await.contains(&"a signal says that it is over; the alert stays.".to_owned()));
        assert!(house.audited().await.contains(&"alert.resolve by engine (internal): denied".to_owned()));
        let allowed = ResolveKey { may_close_critical: true, ..over(&house, "down/db-1") };
        assert_eq!(house.resolve_key(allowed).await, [alert]);
        let closed = house.get(alert).await;
        assert_eq!((closed.state, closed.note.as_deref()), (State::Resolved, Some("lag is 2 s")));
        assert_eq!(house.texts().await, ["101: A-1 resolved: Replication lag."], "who was paged is told; who was not, is not");
        house.wait(600).await;
        assert!(house.texts().await.is_empty(), "no timer fires any more");
        house.end().await;
    }

    /// What a flow gives is bounded, never trusted: and an alert of another workspace than the permit's is refused.
    async fn what_a_flow_gives_is_bounded(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let mut new = house.new_alert(Priority::Info, &"x".repeat(5_000));
        new.link = Some("javascript:alert(1)".into());
        new.text = "a\u{0}b\nc".into();
        let alert = house.try_open(new).await.unwrap();
        let stored = house.get(alert.id).await;
        assert_eq!((stored.title.len(), stored.text.as_deref(), stored.link), (500, Some("ab\nc"), None));
        let empty = house.try_open(house.new_alert(Priority::Info, " \n ")).await;
        assert!(matches!(empty, Err(Error::Invalid { field: "title", .. })));

        let alerts = house.alerts.clone();
        let (demo, new) = (house.demo, NewAlert { workspace: house.other, ..house.new_alert(Priority::Info, "x") });
        let crossed = house.db.write(move |tx| {
            let permit = access::Permit::engine(access::Engine("flows"), demo);
            alerts.open(tx, &permit, new.clone())
        }).await;
        assert!(matches!(crossed, Err(Error::OtherWorkspace)));
        house.end().await;
    }

    /// An alert that nobody ends expires, with its reason; its key is free then, and its owner is told.
    async fn an_alert_expires_and_frees_its_key(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let new = NewAlert { expires_in: Some(Duration::from_hours(1)), ..keyed(&house, "lag/db-1") };
        let alert = house.try_open(new).await.unwrap().id;
        house.answer(0, ADA.0, alert, Answer::Acknowledge).await.unwrap();
        house.texts().await;
        house.jump(3_600).await;
        assert_eq!(house.get(alert).await.state, State::Expired);
        assert!(house.headlines(alert).await.contains(&"Expired: nobody resolved it in 1 h.".to_owned()));
        assert_eq!(house.texts().await, ["101: A-1 expired, nobody resolved it: Replication lag."]);
        assert!(!house.try_open(keyed(&house, "lag/db-1")).await.unwrap().joined);
        assert!(matches!(
            house.answer(0, ADA.0, alert, Answer::Acknowledge).await,
            Err(Error::Over { how: "expired" })
        ));
        house.end().await;
    }
}
