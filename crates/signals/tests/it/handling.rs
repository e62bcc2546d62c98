//! From what was accepted to its runs: in order, once each, whatever stops in between (F-01, F-27).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::ManualClock;
use flows::{RunFilter, RunState};
use signals::SignalState;
use store::Db;
use tokio_util::sync::CancellationToken;

use crate::world::{PAGES, World, url};

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &signals::MIGRATIONS, &PAGES];

    /// A signal with several events starts a run for each, in their order, by a mapping that the code never saw.
    async fn each_event_has_its_run(db: Db) {
        let world = World::new(db).await;
        let body = r#"{"lines": [{"k": "a", "t": "one", "s": "firing"}, {"k": "b", "t": "two", "s": "firing"}, {"k": "a", "t": "x", "s": "ok"}]}"#;
        let request = world.request("both", url(&world.drawn), body).await;
        let accepted = world.signals.accept(request).await.unwrap();
        world.drain().await;
        assert_eq!(world.paged().await, [("one".into(), false), ("two".into(), true)]);
        let detail = world.signals.get(&world.permit(), accepted.request_id).await.unwrap().unwrap();
        let filter = RunFilter { signal: Some(accepted.request_id), ..RunFilter::default() };
        let runs = world.flows.runs(&world.permit(), filter, base::PageRequest::default()).await.unwrap().items;
        assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), detail.runs);
        assert_eq!(runs.iter().map(|run| run.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(runs.iter().all(|run| run.state == RunState::Done));
    }

    /// Three hundred events are more than one transaction takes; none is left out, none is there twice.
    async fn a_large_signal_is_handled_in_portions(db: Db) {
        let world = World::new(db).await;
        let lines: Vec<String> = (0..130).map(|n| format!(r#"{{"k": "k{n}", "t": "t{n}"}}"#)).collect();
        let body = format!(r#"{{"lines": [{}]}}"#, lines.join(","));
        let accepted = world.signals.accept(world.request("both", url(&world.drawn), &body).await).await.unwrap();
        // The machine fails in the middle of the second portion, and again in the third.
        world.pages.fail_in.store(70, Ordering::SeqCst);
        let _ = world.worker().drain().await;
        world.pages.fail_in.store(40, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let _ = world.worker().drain().await;
            let detail = world.signals.get(&world.permit(), accepted.request_id).await.unwrap().unwrap();
            if detail.activity.state == SignalState::Handled {
                break;
            }
        }
        let detail = world.signals.get(&world.permit(), accepted.request_id).await.unwrap().unwrap();
        assert_eq!((detail.activity.state, detail.activity.events, detail.runs.len()), (SignalState::Handled, 130, 130));
        let expected: Vec<_> = (0..130).map(|n| (format!("t{n}"), true)).collect();
        assert_eq!(world.paged().await, expected);
    }

    /// What a machine says first is done first, however many workers there are: an alert that was opened and resolved in
    /// a storm is resolved at the end.
    async fn what_came_first_is_done_first(db: Db) {
        let world = World::new(db).await;
        let shutdown = CancellationToken::new();
        let workers: Vec<_> = (0..2).map(|_| world.worker().spawn(shutdown.clone())).collect();
        for n in 0..60 {
            for status in ["firing", "resolved"] {
                world.send(&format!(r#"{{"id": "k{}", "title": "t{n}", "status": "{status}"}}"#, n % 7)).await.unwrap();
            }
        }
        for _ in 0..400 {
            if world.activity().await.iter().all(|line| line.state == SignalState::Handled) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        shutdown.cancel();
        for worker in workers {
            worker.await.unwrap();
        }
        assert!(world.activity().await.iter().all(|line| line.state == SignalState::Handled));
        let paged = world.paged().await;
        assert_eq!(paged.len(), 60);
        assert!(paged.iter().all(|(_, live)| !live), "{paged:?}");
    }

    /// The same on two nodes: each begins with the oldest signal, and who comes second changes nothing.
    async fn two_nodes_do_nothing_twice(fresh: testdb::Fresh) {
        let one = World::new(fresh.open_as("one", testdb::context()).await).await;
        if one.db.dialect() == store::Dialect::Sqlite {
            // SQLite has one process and one node.
            one.db.close().await;
            return;
        }
        let mut two = World::over(fresh.open_as("two", testdb::context()).await).await;
        two.workspace = one.workspace;
        let shutdown = CancellationToken::new();
        let workers = [one.worker().spawn(shutdown.clone()), two.worker().spawn(shutdown.clone())];
        for n in 0..40 {
            let world = if n % 2 == 0 { &one } else { &two };
            for status in ["firing", "resolved"] {
                world.send(&format!(r#"{{"id": "k{}", "title": "t{n}", "status": "{status}"}}"#, n % 5)).await.unwrap();
            }
        }
        for _ in 0..400 {
            if one.activity().await.iter().all(|line| line.state == SignalState::Handled) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        shutdown.cancel();
        for worker in workers {
            worker.await.unwrap();
        }
        let paged = one.paged().await;
        assert_eq!((paged.len(), paged.iter().filter(|(_, live)| *live).count()), (40, 0), "{paged:?}");
        one.db.close().await;
        two.db.close().await;
    }

    /// F-27: a signal that cannot be handled is given up after some tries; those behind it are handled.
    async fn poison_does_not_hold_the_others_up(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        world.send(r#"{"id": "a", "title": "before"}"#).await.unwrap();
        let poison = world.send(r#"{"id": "p", "title": "poison"}"#).await.unwrap();
        world.send(r#"{"id": "b", "title": "behind"}"#).await.unwrap();
        for _ in 0..12 {
            world.drain().await;
            clock.advance(Duration::from_hours(1));
        }
        assert_eq!(world.paged().await, [("before".into(), true), ("behind".into(), true)]);
        let detail = world.signals.get(&world.permit(), poison.request_id).await.unwrap().unwrap();
        assert_eq!((detail.activity.state, detail.runs.len()), (SignalState::Failed, 0));
        assert!(detail.activity.reason.as_deref().unwrap().contains("given up"), "{:?}", detail.activity.reason);
    }

    /// A body that its mapping cannot read is paged as such, and nothing but a record when it holds no event.
    async fn unreadable_and_empty_bodies_are_told(db: Db) {
        let world = World::new(db).await;
        let send = async |body: &str| {
            let request = world.request("both", url(&world.drawn), body).await;
            let accepted = world.signals.accept(request).await.unwrap();
            world.drain().await;
            world.signals.get(&world.permit(), accepted.request_id).await.unwrap().unwrap().activity
        };
        let empty = send(r#"{"lines": []}"#).await;
        assert_eq!((empty.state, empty.events), (SignalState::Handled, 0));
        assert_eq!(empty.reason.as_deref(), Some("The mapping found no event in it."));
        let odd = send(r#"{"lines": [{"k": {}, "s": "whatever"}]}"#).await;
        assert_eq!((odd.state, odd.events), (SignalState::Handled, 1));
        assert!(odd.reason.as_deref().unwrap().contains("Nobody knows its `status`"), "{:?}", odd.reason);
        assert_eq!(world.paged().await, [("Signal from both".into(), true)]);
    }

    /// An integration that is removed while its last signals wait: they are handled all the same.
    async fn what_was_accepted_is_handled_even_if_its_integration_goes(db: Db) {
        let world = World::new(db).await;
        world.send(r#"{"id": "a", "title": "last words"}"#).await.unwrap();
        let without = crate::world::FILE.lines().filter(|line| !line.contains("name: prometheus")).collect::<Vec<_>>().join("\n");
        world.apply(&without).await.unwrap();
        world.drain().await;
        assert_eq!(world.paged().await, [("last words".into(), true)]);
    }
}
