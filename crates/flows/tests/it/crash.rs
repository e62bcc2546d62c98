//! F-01 for runs: stopped between any two of its steps, a run goes on, and no alert is there twice.

use std::sync::atomic::Ordering;

use flows::{RunFilter, RunState, Status};
use store::{Db, Worker};

use crate::world::{PAGES, World, event};

/// Four effects with evaluations between them.
const LONG: &str = r#"
flows:
  - workspace: demo
    name: long
    group: ops
    steps:
      - {id: start, type: trigger, next: one}
      - {id: one, type: create_alert, title: one, key: a, next: two}
      - {id: two, type: set, values: {n: "{{ steps.one.alert.number }}"}, next: three}
      - {id: three, type: create_alert, title: "three after {{ vars.n }}", key: b, next: four}
      - {id: four, type: condition, if: vars.n, then: five, else: end}
      - {id: five, type: resolve_alert, key: a, next: six}
      - {id: six, type: create_alert, title: "six", key: "", next: end}
"#;

const STEPS: [&str; 7] = ["start", "one", "two", "three", "four", "five", "six"];

/// A worker that stops before it can finish what it began: its lease is lost, as when a node dies.
async fn carry_on_as(world: &World) {
    let worker = world.flows.work(Worker::new(world.db.clone()));
    worker.drain().await.expect("drains");
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &flows::MIGRATIONS, &PAGES];

    /// The machine fails in the middle of each effect in turn, after its rows are written.
    async fn killed_at_any_effect_a_run_goes_on_and_makes_nothing_twice(db: Db, clock: std::sync::Arc<base::ManualClock>) {
        let world = World::new(db).await;
        world.apply(LONG).await.unwrap();
        for at in 0..4 {
            let start = world.start("long", event(Status::Firing)).await;
            let mut begun = None;
            world.pages.fail_in.store(at, Ordering::SeqCst);
            // As signals does: tried again until it is in.
            for _ in 0..3 {
                let prepared = world.flows.prepare(vec![start.clone()]).await.remove(0).unwrap();
                let flows = world.flows.clone();
                if let Ok(run) = world.db.write(move |tx| flows.begin(tx, &prepared)).await {
                    begun = Some(run);
                    break;
                }
            }
            let run = begun.expect("begins");
            for _ in 0..8 {
                carry_on_as(&world).await;
                clock.advance(std::time::Duration::from_mins(2));
            }
            world.pages.fail_in.store(-1, Ordering::SeqCst);
            let detail = world.flows.run(&world.permit(), run).await.unwrap().unwrap();
            assert_eq!(detail.run.state, RunState::Done, "failing at effect {at}: {:?}", detail.run);
            assert_eq!(detail.steps.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(), STEPS, "failing at effect {at}");
            assert_eq!(detail.steps.iter().map(|step| step.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);

            let kept = world.kept().await;
            let titles = |title: &str| kept.iter().filter(|one| one.title.starts_with(title)).count();
            let round = usize::try_from(at).unwrap() + 1;
            assert_eq!((titles("one"), titles("six")), (round, round), "failing at effect {at}");
            // `b` is never resolved, so later rounds join it: once each.
            assert_eq!(titles("three"), 1);
            let joined = kept.iter().find(|one| one.title.starts_with("three")).unwrap().joined;
            assert_eq!(joined, at, "failing at effect {at}");
        }
        assert_eq!(world.runs(RunFilter::default()).await.len(), 4);
    }

    /// The same segment carried out by two at once: one of them comes too late and changes nothing.
    async fn two_at_once_do_not_do_it_twice(db: Db) {
        let world = World::new(db).await;
        world.apply(LONG).await.unwrap();
        let start = world.start("long", event(Status::Firing)).await;
        let prepared = world.flows.prepare(vec![start]).await.remove(0).unwrap();
        let run = prepared.run();
        let flows = world.flows.clone();
        world.db.write(move |tx| flows.begin(tx, &prepared)).await.unwrap();
        // A second job for the same run, as after a lease that was wrongly thought lost.
        let payload = serde_json::json!({"run": run, "workspace": world.workspace});
        world.db.write(move |tx| {
            let now = tx.now();
            tx.enqueue(store::NewJob { kind: "flows.run", key: None, payload: &payload, run_at: now })
        }).await.unwrap();
        let shutdown = tokio_util::sync::CancellationToken::new();
        let running = world.flows.work(Worker::new(world.db.clone())).spawn(shutdown.clone());
        for _ in 0..200 {
            if world.runs(RunFilter { state: Some(RunState::Running), ..RunFilter::default() }).await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        shutdown.cancel();
        running.await.unwrap();
        let detail = world.flows.run(&world.permit(), run).await.unwrap().unwrap();
        assert_eq!((detail.run.state, detail.steps.len()), (RunState::Done, 7));
        assert_eq!(world.kept().await.len(), 3);
    }

    /// The same event of the same signal does not start a second run.
    async fn an_event_starts_one_run(db: Db) {
        let world = World::new(db).await;
        world.apply(LONG).await.unwrap();
        let start = world.start("long", event(Status::Firing)).await;
        for expected in [true, false] {
            let prepared = world.flows.prepare(vec![start.clone()]).await.remove(0).unwrap();
            let flows = world.flows.clone();
            assert_eq!(world.db.write(move |tx| flows.begin(tx, &prepared)).await.is_ok(), expected);
        }
        assert_eq!(world.kept().await.len(), 1);
    }
}
