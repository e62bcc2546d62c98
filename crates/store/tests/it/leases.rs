//! Leases: one owner at a time, taken over when its counter stands still on the observer's own clock, and never
//! because somebody's wall clock is wrong.

use std::sync::Arc;
use std::time::Duration;

use base::{ManualClock, Timestamp};
use serde_json::json;
use store::{Db, Dialect, Error, Job, NewJob, Worker};
use testdb::Fresh;

/// Another process's entry, whose counter nobody moves.
async fn stranger(db: &Db, name: &'static str, epoch: i64) {
    db.write(move |tx| {
        tx.execute(
            "INSERT INTO nodes (name, epoch, counter, started_at, beat_at) VALUES ($1, $2, 5, 0, 0)",
            &store::params![name, epoch],
        )
    })
    .await
    .unwrap();
}

/// A job that a stranger has claimed.
async fn abandoned(db: &Db, owner: &'static str, epoch: i64) {
    db.write(move |tx| {
        let run_at = tx.now();
        tx.enqueue(NewJob { kind: "note", key: Some("k"), payload: &json!({}), run_at })?;
        tx.execute(
            "UPDATE jobs SET state = 1, unique_key = NULL, owner = $1, epoch = $2, fence = 1",
            &store::params![owner, epoch],
        )
    })
    .await
    .unwrap();
}

async fn beat(db: &Db, name: &'static str) {
    db.write(move |tx| tx.execute("UPDATE nodes SET counter = counter + 1 WHERE name = $1", &store::params![name]))
        .await
        .unwrap();
}

fn worker(db: &Db) -> Worker {
    Worker::new(db.clone()).handle("note", 1, |_: Job| async { Ok(()) })
}

testdb::both_databases! {
    /// Rule 2 of the house, fault F-10.
    async fn a_silent_owner_loses_its_jobs_after_ten_seconds_of_the_observers_clock_f_10(db: Db, clock: Arc<ManualClock>) {
        stranger(&db, "other", 1_000).await;
        abandoned(&db, "other", 1_000).await;
        let worker = worker(&db);
        if db.dialect() == Dialect::Sqlite {
            // The file's lock says that no other process can be alive.
            assert_eq!(worker.drain().await.unwrap(), 1);
            return;
        }
        assert_eq!(worker.drain().await.unwrap(), 0);
        clock.advance(Duration::from_secs(9));
        assert_eq!(worker.drain().await.unwrap(), 0);
        // A sign of life in the last second: the count starts anew.
        beat(&db, "other").await;
        assert_eq!(worker.drain().await.unwrap(), 0);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(3));
            assert_eq!(worker.drain().await.unwrap(), 0);
        }
        clock.advance(Duration::from_secs(3));
        assert_eq!(worker.drain().await.unwrap(), 1);
    }

    /// Fault F-17: clocks an hour or a day wrong.
    async fn a_wrong_wall_clock_steals_nothing_f_17(db: Db, clock: Arc<ManualClock>) {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        stranger(&db, "other", 1_000).await;
        abandoned(&db, "other", 1_000).await;
        let worker = worker(&db);
        assert_eq!(worker.drain().await.unwrap(), 0);
        for day in [1, 30, -400] {
            clock.set_wall(Timestamp::from_micros(1_792_717_927_000_000 + day * 86_400_000_000));
            assert_eq!(worker.drain().await.unwrap(), 0, "{day} days");
        }
    }

    async fn an_older_epoch_of_a_node_is_stale_at_once(fresh: Fresh) {
        let (_clock, context) = testdb::manual_context();
        let before = fresh.open_as("main", context.clone()).await;
        let late = Arc::new(std::sync::Mutex::new(None));
        let kept = late.clone();
        let run_at = context.now();
        before.write(move |tx| tx.enqueue(NewJob { kind: "note", key: None, payload: &json!({}), run_at })).await.unwrap();
        // The first process claims the job and then hangs.
        let hung = Worker::new(before.clone()).handle("note", 1, move |job: Job| {
            *kept.lock().unwrap() = Some(job);
            std::future::pending()
        });
        let claimed = async {
            while late.lock().unwrap().is_none() { tokio::time::sleep(Duration::from_millis(10)).await; }
        };
        tokio::select! {
            _ = hung.drain() => panic!("the handler hangs"),
            () = claimed => {}
        }
        let late = late.lock().unwrap().take().unwrap();
        if before.dialect() == Dialect::Sqlite {
            before.close().await;
        }
        // It is replaced by a new process of the same node, which need not wait.
        let after = fresh.open_as("main", context).await;
        assert_eq!(worker(&after).drain().await.unwrap(), 1);
        // What the old one still wants to write fails at its fence.
        let refused = after.write(move |tx| {
            tx.next_number("never")?;
            late.finish(tx)
        }).await;
        assert!(matches!(refused, Err(Error::LeaseLost)));
        assert_eq!(after.write(|tx| tx.next_number("never")).await.unwrap(), 1);
    }

    async fn a_job_that_was_under_way_at_every_death_is_given_up_at_last(db: Db, _clock: Arc<ManualClock>) {
        abandoned(&db, "ghost", 1).await;
        for death in 1..20 {
            // It comes back each time, with all its tries.
            let claimed = db.write(|tx| tx.query_one("SELECT attempts, interrupted FROM jobs", &[], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))).await;
            assert_eq!(claimed.unwrap(), (0, death - 1));
            let idle = Worker::new(db.clone());
            idle.drain().await.unwrap();
            db.write(move |tx| tx.execute("UPDATE jobs SET state = 1, owner = 'ghost', epoch = $1", &store::params![death])).await.unwrap();
        }
        worker(&db).drain().await.unwrap();
        let dead = db.read(|tx| tx.dead_jobs(&base::PageRequest::default())).await.unwrap();
        assert_eq!((dead.items.len(), dead.items[0].attempts), (1, 20));
        assert!(dead.items[0].reason.contains("each time that its process ended"));
    }

    async fn a_lease_has_one_holder_and_a_growing_fence(fresh: Fresh) {
        let (clock, context) = testdb::manual_context();
        let first = fresh.open_as("first", context.clone()).await;
        let mine = first.lease("audit.sealer");
        let held = mine.hold().await.unwrap().unwrap();
        assert_eq!(mine.hold().await.unwrap().unwrap().fence(), held.fence());
        let proof = held.clone();
        first.write(move |tx| proof.check(tx)).await.unwrap();
        if first.dialect() == Dialect::Sqlite {
            // Nobody else can have the file; after a restart it is free at once.
            first.close().await;
            let second = fresh.open_as("renamed", context).await;
            let taken = second.lease("audit.sealer").hold().await.unwrap().unwrap();
            assert!(taken.fence() > held.fence());
            assert!(matches!(second.write(move |tx| held.check(tx)).await, Err(Error::LeaseLost)));
            return;
        }
        // While the holder lives, another node does not have it, however its clocks run.
        let (other_clock, other_context) = testdb::manual_context();
        let second = fresh.open_as("second", other_context).await;
        let theirs = second.lease("audit.sealer");
        for _ in 0..3 {
            assert!(theirs.hold().await.unwrap().is_none());
            clock.advance(Duration::from_hours(1));
            other_clock.set_wall(Timestamp::from_micros(0));
            beat(&second, "first").await;
            assert!(theirs.hold().await.unwrap().is_none());
            other_clock.advance(Duration::from_secs(9));
        }
        // A holder that is silent for ten seconds of the observer's clock loses it.
        stranger(&second, "silent", 1_000).await;
        second.write(|tx| {
            let fence = tx.next_number("lease.other")?;
            let sql = "INSERT INTO leases (name, owner, epoch, fence, taken_at) VALUES ('other', 'silent', 1000, $1, 0)";
            tx.execute(sql, &store::params![fence])
        }).await.unwrap();
        let other = second.lease("other");
        assert!(other.hold().await.unwrap().is_none());
        other_clock.advance(Duration::from_millis(9_999));
        assert!(other.hold().await.unwrap().is_none());
        other_clock.advance(Duration::from_millis(1));
        let taken = other.hold().await.unwrap().unwrap();
        assert_eq!(taken.fence(), 2);
        let proof = taken.clone();
        second.write(move |tx| proof.check(tx)).await.unwrap();
    }

    async fn a_released_lease_is_free_at_once_and_its_fence_still_grows(fresh: Fresh) {
        let db = fresh.open().await;
        let lease = db.lease("x");
        let first = lease.hold().await.unwrap().unwrap();
        lease.release().await.unwrap();
        let proof = first.clone();
        assert!(matches!(db.write(move |tx| proof.check(tx)).await, Err(Error::LeaseLost)));
        let second = db.lease("x").hold().await.unwrap().unwrap();
        assert!(second.fence() > first.fence());
    }

    async fn a_node_that_closes_hands_over_at_once(fresh: Fresh) {
        let first = fresh.open_as("first", testdb::context()).await;
        first.lease("x").hold().await.unwrap().unwrap();
        first.close().await;
        let second = fresh.open_as("second", testdb::context()).await;
        assert!(second.lease("x").hold().await.unwrap().is_some());
    }
}
