//! Tests and replays: signals that people send, and what is kept to make them.

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Grants};
use base::{Explain, ManualClock, ProblemKind, SignalId};
use signals::{Auth, Door, Filter, Sample, SignalState, examples};
use store::{Db, params};

use crate::world::{FILE, PAGES, World, url};

/// Ids in one order: those drawn within a millisecond have none of their own.
fn sorted(ids: impl IntoIterator<Item = SignalId>) -> Vec<SignalId> {
    let mut ids: Vec<SignalId> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

async fn ids(world: &World) -> Vec<SignalId> {
    sorted(world.activity().await.into_iter().map(|line| line.id))
}

async fn audited(world: &World, action: &'static str) -> usize {
    let sql = "SELECT id FROM audit_entries WHERE action = $1";
    world.db.read(move |tx| tx.query(sql, &params![action], |_| Ok(()))).await.unwrap().len()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &signals::MIGRATIONS, &PAGES];

    /// A test is a real signal: it goes through mapping and flow, and says in the log that it is a test and whose.
    async fn a_test_goes_the_whole_way(db: Db) {
        let world = World::new(db).await;
        let id = world.id("prometheus").await;
        let sample = world.signals.sample(&world.permit(), id).await.unwrap();
        assert!(sample.content_type == "application/json" && sample.body.contains("Test signal"), "{}", sample.body);
        let sent = world.signals.test(&world.permit(), id, None).await.unwrap();
        let own = Sample::of("<x><title>Own words</title><priority>low</priority></x>");
        let second = world.signals.test(&world.permit(), id, Some(own)).await.unwrap();
        world.drain().await;
        assert_eq!(world.paged().await, [("Test signal from Loudhailer".into(), true), ("Own words".into(), true)]);
        let detail = world.signals.get(&world.permit(), sent.request_id).await.unwrap().unwrap();
        let line = &detail.activity;
        assert_eq!((line.door, line.state, line.method.as_str(), line.sender.as_deref()), (Door::Test, SignalState::Handled, "os", Some("test@here")));
        assert_eq!(line.summary.as_deref(), Some("Test signal from Loudhailer"));
        assert_eq!(line.key.as_deref(), Some("loudhailer-test"));
        assert!(detail.payload_kept && detail.runs.len() == 1);
        let tests = Filter { door: Some(Door::Test), ..Filter::default() };
        let listed = world.signals.list(&world.permit(), tests, base::PageRequest::default()).await.unwrap().items;
        assert_eq!(sorted(listed.iter().map(|one| one.id)), sorted([second.request_id, sent.request_id]));
        assert_eq!(audited(&world, "signal.test").await, 2);

        // The same limits as for anybody.
        let off = world.signals.test(&world.permit(), world.id("off").await, None).await.unwrap_err().problem();
        assert_eq!(off.kind, ProblemKind::Forbidden);
        let wrong = world.signals.test(&world.permit(), id, Some(Sample::of("{]"))).await.unwrap_err().problem();
        assert_eq!(wrong.kind, ProblemKind::Invalid);
        let elsewhere: base::WorkspaceId = world.db.context().id();
        let foreign = Grants::of_operator(Actor::os("test", "here"));
        let nowhere = world.signals.test(&foreign.permit(elsewhere).unwrap(), id, None).await.unwrap_err().problem();
        assert_eq!(nowhere.kind, ProblemKind::NotFound);
    }

    /// A recorded signal taken again is a new one with the same body, handled as things are now.
    async fn a_replay_is_a_new_signal_under_the_present_rules(db: Db) {
        let world = World::new(db).await;
        let first = world.send(r#"{"id": "a", "title": "one", "text": "x"}"#).await.unwrap().request_id;
        world.drain().await;
        // In the meantime the integration reads its signals by another mapping.
        let changed = FILE.replace(
            "name: prometheus, flow: page, mapping: generic,",
            "name: prometheus, flow: page, mapping: shouting,",
        ).replace("mappings:\n", "mappings:\n  - {workspace: demo, name: shouting, event: {key: \"{{ payload.id }}-2\", title: \"{{ payload.title | upper }}\"}}\n");
        world.apply(&changed).await.unwrap();
        let again = world.signals.replay(&world.permit(), first, Some("mapping corrected".into())).await.unwrap().request_id;
        assert_ne!(again, first);
        world.drain().await;
        assert_eq!(world.paged().await, [("one".into(), true), ("ONE".into(), true)]);
        let detail = world.signals.get(&world.permit(), again).await.unwrap().unwrap();
        assert_eq!((detail.activity.door, detail.activity.replay_of), (Door::Replay, Some(first)));
        assert_eq!(detail.activity.summary.as_deref(), Some("ONE"));
        let original = world.signals.get(&world.permit(), first).await.unwrap().unwrap();
        assert_eq!(original.replays, [again]);
        assert_eq!(audited(&world, "signal.replay").await, 1);
        // Copied, it is what was sent; a replay can be replayed.
        let copied = world.signals.payload(&world.permit(), again).await.unwrap().unwrap();
        assert_eq!(copied.body, r#"{"id": "a", "title": "one", "text": "x"}"#);
        assert!(world.signals.replay(&world.permit(), again, None).await.is_ok());
    }

    /// What cannot be replayed says why.
    async fn a_replay_that_cannot_be_is_refused_with_its_reason(db: Db) {
        let world = World::new(db).await;
        let replay = async |id: SignalId| world.signals.replay(&world.permit(), id, None).await.unwrap_err().problem();
        assert_eq!(replay(world.db.context().id()).await.kind, ProblemKind::NotFound);
        let refused = world.signals.accept(world.request("prometheus", url(crate::world::TOKEN), "{]").await).await;
        assert!(refused.is_err());
        let line = world.activity_of(1).await.remove(0);
        let never = replay(line.id).await;
        assert!(never.kind == ProblemKind::Conflict && never.detail.contains("never kept"), "{never:?}");

        let sent = world.send("{}").await.unwrap().request_id;
        world.drain().await;
        let elsewhere: base::WorkspaceId = world.db.context().id();
        let foreign = Grants::of_operator(Actor::os("test", "here"));
        let hidden = world.signals.replay(&foreign.permit(elsewhere).unwrap(), sent, None).await.unwrap_err().problem();
        assert_eq!(hidden.kind, ProblemKind::NotFound);
        world.db.write(move |tx| tx.execute("DELETE FROM signal_payloads WHERE signal = $1", &params![sent])).await.unwrap();
        let gone = replay(sent).await;
        assert!(gone.kind == ProblemKind::Conflict && gone.detail.contains("keep_days"), "{gone:?}");
        assert!(!world.signals.get(&world.permit(), sent).await.unwrap().unwrap().payload_kept);

        let last = world.send("{}").await.unwrap().request_id;
        world.drain().await;
        let without = FILE.lines().filter(|line| !line.contains("name: prometheus")).collect::<Vec<_>>().join("\n");
        world.apply(&without).await.unwrap();
        let orphan = replay(last).await;
        assert!(orphan.kind == ProblemKind::Conflict && orphan.detail.contains("removed"), "{orphan:?}");
    }

    /// Old activity goes when its time is over, with its bodies; what is waiting or has a live alert stays.
    async fn activity_is_kept_for_its_time(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let short = FILE.replace("name: slow, flow: page,", "name: slow, flow: page, keep_days: 10, keep_refused_days: 2,");
        world.apply(&short).await.unwrap();
        world.signals.schedule().await.unwrap();
        let slow = async |body: &str| {
            let request = world.request("slow", url("imported-token-of-slow-0000000001"), body).await;
            world.signals.accept(request).await
        };
        let live = slow(r#"{"id": "a", "title": "burns on"}"#).await.unwrap().request_id;
        let over = slow(r#"{"id": "b", "title": "was brief"}"#).await.unwrap().request_id;
        let end = slow(r#"{"id": "b", "status": "resolved"}"#).await.unwrap().request_id;
        world.drain().await;
        assert!(slow("{]").await.is_err());
        let kept = world.send(r#"{"id": "c", "status": "resolved"}"#).await.unwrap().request_id;
        let nowhere = { let mut request = world.request("slow", url("x"), "{}").await; request.integration = "nobody".into(); request };
        assert!(world.signals.accept(nowhere).await.is_err());
        world.activity_of(5).await;
        world.drain().await;
        assert_eq!(world.activity().await.len(), 5);

        clock.advance(Duration::from_hours(49));
        world.drain().await;
        assert_eq!(ids(&world).await, sorted([kept, end, over, live]), "the refused one went first");

        clock.advance(Duration::from_hours(24 * 8));
        // A signal that waits is not handled yet, however old it is.
        world.drain().await;
        assert_eq!(ids(&world).await, sorted([kept, live]), "its alert is live");
        assert!(world.signals.payload(&world.permit(), over).await.unwrap().is_none());
        let strangers = async || world.signals.strangers(&world.organisation(), base::PageRequest::default()).await.unwrap().items.len();
        assert_eq!(strangers().await, 1);

        world.db.write(|tx| tx.execute("UPDATE pages SET live = FALSE", &[])).await.unwrap();
        clock.advance(Duration::from_hours(24 * 21));
        world.drain().await;
        assert_eq!((ids(&world).await, strangers().await), (vec![kept], 0), "90 days are not over");
        let orphans = world.db.read(|tx| {
            let sql = "SELECT (SELECT count(*) FROM signal_payloads) + (SELECT count(*) FROM signal_events) AS count";
            tx.query_one(sql, &[], |row| row.get::<i64>("count"))
        }).await.unwrap();
        assert_eq!(orphans, 2, "body and event of the one that is left");
        assert_eq!(audited(&world, "signals.expire").await, 4, "an entry a sweep and workspace that lost something");
    }

    /// A signal that was accepted and is not handled stays, whatever its age.
    async fn what_waits_is_not_removed(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        world.pages.fail_in.store(0, std::sync::atomic::Ordering::SeqCst);
        let waiting = world.send(r#"{"id": "a", "title": "waits"}"#).await.unwrap().request_id;
        world.signals.schedule().await.unwrap();
        let _ = world.worker().drain().await;
        clock.advance(Duration::from_hours(24 * 400));
        world.pages.fail_in.store(0, std::sync::atomic::Ordering::SeqCst);
        let _ = world.worker().drain().await;
        assert!(world.signals.get(&world.permit(), waiting).await.unwrap().is_some());
    }

    /// The activity can be narrowed by what a reader knows: time, door, state, and words of what it was about.
    async fn activity_is_searched(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let start = world.db.context().now();
        let disk = world.send(r#"{"id": "db-1/disk", "title": "Disk full on db-1"}"#).await.unwrap().request_id;
        world.drain().await;
        clock.advance(Duration::from_hours(1));
        let lag = world.send(r#"{"id": "db-1/lag", "title": "Replication lag"}"#).await.unwrap().request_id;
        let keyed = world.request("keyed", crate::world::bearer("imported-key-of-cron-000000000001"), "{}").await;
        let cron = world.signals.accept(keyed).await.unwrap().request_id;
        world.drain().await;
        let found = async |filter: Filter| -> Vec<SignalId> {
            let page = world.signals.list(&world.permit(), filter, base::PageRequest::default()).await.unwrap();
            sorted(page.items.into_iter().map(|line| line.id))
        };
        let search = |text: &str| Filter { search: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(found(search("FULL disk")).await, [disk]);
        assert_eq!(found(search("db-1")).await, sorted([lag, disk]));
        assert_eq!(found(search("cron")).await, [cron]);
        assert_eq!(found(search("  ")).await.len(), 3);
        assert!(found(search("disk replication")).await.is_empty());
        let half = start.plus(Duration::from_mins(30));
        assert_eq!(found(Filter { since: Some(half), ..Filter::default() }).await, sorted([cron, lag]));
        assert_eq!(found(Filter { until: Some(half), ..Filter::default() }).await, [disk]);
        let prometheus = Filter { integration: Some(world.id("prometheus").await), ..search("lag") };
        assert_eq!(found(prometheus).await, [lag]);
        // A page of a search goes on where the one before ended.
        let first = world.signals.list(&world.permit(), search("db-1"), base::PageRequest::new(1, None)).await.unwrap();
        assert_eq!(first.items.len(), 1);
        let second = world.signals.list(&world.permit(), search("db-1"), base::PageRequest::new(1, first.next)).await.unwrap();
        assert_eq!((second.items[0].id, second.next), (disk, None));
    }

    /// The time that an answer took ends behind the commit, whatever held that up.
    async fn the_time_of_an_answer_is_written_behind_it(db: Db) {
        let world = World::new(db).await;
        let request = world.request("prometheus", url(crate::world::TOKEN), "{}").await;
        let held = Duration::from_millis(if world.db.dialect() == store::Dialect::Sqlite { 60 } else { 0 });
        let holding = world.db.write(move |_| { std::thread::sleep(held); Ok::<_, store::Error>(()) });
        let (_, sent) = tokio::join!(holding, world.signals.accept(request));
        let sent = sent.unwrap().request_id;
        for _ in 0..400 {
            let line = world.signals.get(&world.permit(), sent).await.unwrap().unwrap().activity;
            if line.took > held.mul_f32(0.7) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it was never written");
    }

    /// Examples are made of what the integration's page knows.
    async fn examples_are_of_the_integration(db: Db) {
        let world = World::new(db).await;
        let id = world.id("scanner").await;
        let integration = world.signals.integration(&world.permit(), id).await.unwrap().unwrap();
        let all = examples(&integration, "https://pages.example.com", None);
        assert_eq!(all.len(), 6);
        assert!(all.iter().any(|one| one.method == Auth::Basic && one.text.contains("-u 'scan:YOUR_PASSWORD'")));
        assert!(all.iter().all(|one| one.text.contains(&id.to_string())));
    }
}
