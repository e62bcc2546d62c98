//! The running worker: quick, bounded, orderly at the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use store::{Db, Dialect, Error, Job, NewJob, Worker};
use testdb::Fresh;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

async fn enqueue(db: &Db, count: u32, after: Duration) {
    let run_at = db.context().now().plus(after);
    db.write(move |tx| {
        (0..count)
            .try_for_each(|number| tx.enqueue(NewJob { kind: "note", key: None, payload: &json!(number), run_at }))
    })
    .await
    .unwrap();
}

async fn within<T>(seconds: u64, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), what).await.unwrap()
}

async fn left(db: &Db) -> u64 {
    db.job_counts().await.unwrap().into_iter().map(|(_, jobs)| jobs).sum()
}

testdb::both_databases! {
    async fn a_commit_wakes_the_worker_and_a_timer_stands_at_the_next_due_time(db: Db) {
        let (sender, mut ran) = mpsc::unbounded_channel();
        let clock = db.context().clone();
        let shutdown = CancellationToken::new();
        let worker = Worker::new(db.clone()).handle("note", 4, move |_| {
            let _ = sender.send(clock.monotonic());
            async { Ok(()) }
        });
        let running = worker.spawn(shutdown.clone());
        tokio::time::sleep(Duration::from_millis(300)).await;
        for wait in [0, 300, 0, 130] {
            let before = db.context().monotonic();
            enqueue(&db, 1, Duration::from_millis(wait)).await;
            let took = within(5, ran.recv()).await.unwrap().saturating_sub(before);
            let (least, most) = (Duration::from_millis(wait), Duration::from_millis(wait + 700));
            assert!(took >= least && took < most, "due in {wait} ms, ran after {took:?}");
        }
        shutdown.cancel();
        within(5, running).await.unwrap();
        assert_eq!(left(&db).await, 0);
    }

    async fn no_more_handlers_run_at_the_same_time_than_allowed_and_none_waits_needlessly(db: Db) {
        let (now, most, total) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (in_now, in_most, in_total) = (now.clone(), most.clone(), total.clone());
        enqueue(&db, 60, Duration::ZERO).await;
        let shutdown = CancellationToken::new();
        let running = Worker::new(db.clone()).handle("note", 6, move |_| {
            let (now, most, total) = (in_now.clone(), in_most.clone(), in_total.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                total.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }).spawn(shutdown.clone());
        within(20, async { while total.load(Ordering::SeqCst) < 60 { tokio::time::sleep(Duration::from_millis(10)).await; } }).await;
        assert_eq!(most.load(Ordering::SeqCst), 6);
        shutdown.cancel();
        within(5, running).await.unwrap();
        assert_eq!(left(&db).await, 0);
    }

    async fn thousands_of_jobs_flow_and_each_is_done_once(db: Db) {
        let jobs = 4_000;
        enqueue(&db, jobs, Duration::ZERO).await;
        let (inner, shutdown) = (db.clone(), CancellationToken::new());
        let before = db.context().monotonic();
        let running = Worker::new(db.clone()).handle("note", 64, move |job: Job| {
            let db = inner.clone();
            async move {
                db.write(move |tx| {
                    // A job done twice would break the key.
                    tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &store::params![job.id().to_string()])?;
                    job.finish(tx)
                }).await?;
                Ok(())
            }
        }).spawn(shutdown.clone());
        within(60, async { while left(&db).await > 0 { tokio::time::sleep(Duration::from_millis(20)).await; } }).await;
        let took = db.context().monotonic().saturating_sub(before);
        shutdown.cancel();
        within(5, running).await.unwrap();
        let done = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM counters WHERE name <> 'node.epoch'", &[], |row| row.get::<u32>(0))).await;
        assert_eq!(done.unwrap(), jobs);
        // A measurement, not an assertion: the machine may be busy.
        println!("{}: {:.0} jobs/s", db.dialect(), f64::from(jobs) / took.as_secs_f64());
    }

    async fn a_busy_lane_goes_on_at_once_when_it_has_room_whatever_the_others_do(db: Db) {
        enqueue(&db, 200, Duration::ZERO).await;
        let shutdown = CancellationToken::new();
        let running = Worker::new(db.clone())
            .handle("note", 1, |_| async { tokio::time::sleep(Duration::from_millis(1)).await; Ok(()) })
            .handle("other", 4, |_| async { Ok(()) })
            .spawn(shutdown.clone());
        let before = db.context().monotonic();
        while db.job_counts().await.unwrap().iter().any(|(kind, _)| kind == "note") {
            db.write(|tx| {
                let run_at = tx.now();
                tx.enqueue(NewJob { kind: "other", key: None, payload: &json!({}), run_at })
            }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        // Waiting for the poll each time that it runs dry would take a dozen seconds.
        let took = db.context().monotonic().saturating_sub(before);
        assert!(took < Duration::from_secs(6), "{took:?}");
        shutdown.cancel();
        within(5, running).await.unwrap();
    }

    async fn a_shutdown_lets_the_running_finish_and_puts_the_waiting_back(db: Db) {
        let (sender, mut began) = mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        enqueue(&db, 30, Duration::ZERO).await;
        let running = Worker::new(db.clone()).handle("note", 2, move |_| {
            let _ = sender.send(());
            async { tokio::time::sleep(Duration::from_millis(300)).await; Ok(()) }
        }).spawn(shutdown.clone());
        within(5, began.recv()).await.unwrap();
        within(5, began.recv()).await.unwrap();
        shutdown.cancel();
        within(5, running).await.unwrap();
        assert!(began.try_recv().is_err());
        let waiting = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM jobs WHERE state = 0 AND attempts = 0 AND interrupted = 0", &[], |row| row.get::<u32>(0))).await;
        assert_eq!(waiting.unwrap(), 28);
    }

    async fn a_handler_that_takes_too_long_is_cut_off_and_tried_again(db: Db) {
        let (sender, mut attempts) = mpsc::unbounded_channel();
        enqueue(&db, 1, Duration::ZERO).await;
        let shutdown = CancellationToken::new();
        let running = Worker::new(db.clone()).handle("note", 1, move |job: Job| {
            let _ = sender.send(job.attempt());
            async move { if job.attempt() == 1 { std::future::pending::<()>().await; } Ok(()) }
        }).deadline("note", Duration::from_millis(100)).spawn(shutdown.clone());
        assert_eq!(within(5, attempts.recv()).await, Some(1));
        assert_eq!(within(5, attempts.recv()).await, Some(2));
        shutdown.cancel();
        within(5, running).await.unwrap();
    }

    async fn events_stay_in_order_under_a_running_worker(db: Db) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = heard.clone();
        let shutdown = CancellationToken::new();
        let running = Worker::new(db.clone()).listen("t", "l", move |job: Job| {
            let noted = noted.clone();
            async move {
                tokio::task::yield_now().await;
                noted.lock().unwrap().push(job.payload().as_u64().unwrap());
                Ok(())
            }
        }).spawn(shutdown.clone());
        for number in 0..300_u32 {
            db.write(move |tx| tx.publish("t", &json!(number))).await.unwrap();
        }
        within(30, async { while heard.lock().unwrap().len() < 300 { tokio::time::sleep(Duration::from_millis(20)).await; } }).await;
        assert_eq!(*heard.lock().unwrap(), (0..300).collect::<Vec<u64>>());
        shutdown.cancel();
        within(5, running).await.unwrap();
    }

    /// Control E-09: several nodes share the work, and each job is done once.
    async fn nodes_share_the_queue_and_a_listener_runs_on_one_of_them_e_09(fresh: Fresh) {
        let first = fresh.open_as("first", testdb::context()).await;
        if first.dialect() == Dialect::Sqlite {
            return;
        }
        let second = fresh.open_as("second", testdb::context()).await;
        let (shutdown, heard) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let mut workers = Vec::new();
        for db in [&first, &second] {
            let (inner, heard, node) = (db.clone(), heard.clone(), db.node().to_owned());
            let worker = Worker::new(db.clone())
                .handle("note", 8, move |job: Job| {
                    let db = inner.clone();
                    async move { db.write(move |tx| { tx.next_number("done")?; job.finish(tx) }).await.map_err(Into::into) }
                })
                .listen("t", "l", move |job: Job| {
                    heard.lock().unwrap().push((node.clone(), job.payload().as_u64().unwrap()));
                    async { Ok(()) }
                });
            workers.push(worker.spawn(shutdown.clone()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        enqueue(&first, 400, Duration::ZERO).await;
        for number in 0..100_u32 {
            let db = if number % 2 == 0 { &first } else { &second };
            db.write(move |tx| tx.publish("t", &json!(number))).await.unwrap();
        }
        within(30, async { while left(&first).await > 0 { tokio::time::sleep(Duration::from_millis(20)).await; } }).await;
        shutdown.cancel();
        for worker in workers { within(10, worker).await.unwrap(); }
        assert_eq!(first.write(|tx| tx.next_number("done")).await.unwrap(), 401);
        let heard = heard.lock().unwrap().clone();
        assert!(heard.iter().all(|(node, _)| *node == heard[0].0), "one node had the listener's lease");
        assert_eq!(heard.iter().map(|(_, number)| *number).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        second.close().await;
        first.close().await;
    }

    async fn an_error_of_the_store_is_a_retry_with_its_reason(_db: Db) {
        let store::JobError::Retry { after: None, reason } = store::JobError::from(Error::LeaseLost) else { panic!() };
        assert_eq!(reason, "the lease was lost, so nothing was changed");
    }
}
