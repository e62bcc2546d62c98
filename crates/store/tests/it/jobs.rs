//! The queue's rules, run by hand with a clock that the test moves.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{ManualClock, PageRequest};
use serde_json::json;
use store::{Db, Error, Job, JobError, NewJob, Worker};

type Log = Arc<Mutex<Vec<String>>>;

async fn enqueue(db: &Db, key: Option<&'static str>, what: &'static str, after: Duration) {
    let run_at = db.context().now().plus(after);
    db.write(move |tx| tx.enqueue(NewJob { kind: "note", key, payload: &json!({ "what": what }), run_at }))
        .await
        .unwrap();
}

/// A worker that notes what it runs, and then does as `then` says.
fn worker<F>(db: &Db, then: F) -> (Worker, Log)
where
    F: Fn(&Job) -> Result<(), JobError> + Send + Sync + 'static,
{
    let log = Log::default();
    let (noted, then) = (log.clone(), Arc::new(then));
    let worker = Worker::new(db.clone()).handle("note", 4, move |job: Job| {
        let (noted, then) = (noted.clone(), then.clone());
        async move {
            noted.lock().unwrap().push(job.payload()["what"].as_str().unwrap().to_owned());
            then(&job)
        }
    });
    (worker, log)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

async fn count(db: &Db) -> u64 {
    db.job_counts().await.unwrap().into_iter().map(|(_, jobs)| jobs).sum()
}

testdb::both_databases! {
    async fn jobs_run_when_they_are_due_in_order_and_once(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, None, "later", Duration::from_millis(300)).await;
        enqueue(&db, None, "first", Duration::ZERO).await;
        enqueue(&db, None, "second", Duration::ZERO).await;
        let (worker, log) = worker(&db, |_| Ok(()));
        assert_eq!(worker.drain().await.unwrap(), 2);
        assert_eq!(taken(&log), ["first", "second"]);
        clock.advance(Duration::from_millis(299));
        assert_eq!(worker.drain().await.unwrap(), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(taken(&log), ["later"]);
        assert_eq!(count(&db).await, 0);
    }

    async fn a_job_of_a_rolled_back_transaction_never_was(db: Db, _clock: Arc<ManualClock>) {
        let refused = db.write(|tx| {
            let run_at = tx.now();
            tx.enqueue(NewJob { kind: "note", key: None, payload: &json!({ "what": "x" }), run_at })?;
            Err::<(), _>(Error::LeaseLost)
        }).await;
        assert!(refused.is_err());
        assert_eq!(count(&db).await, 0);
    }

    async fn a_second_job_of_a_key_is_nothing_until_the_first_one_has_begun(db: Db, _clock: Arc<ManualClock>) {
        enqueue(&db, Some("k"), "first", Duration::ZERO).await;
        enqueue(&db, Some("k"), "swallowed", Duration::ZERO).await;
        enqueue(&db, Some("other"), "another key", Duration::ZERO).await;
        let again = db.clone();
        let done = Arc::new(AtomicU32::new(0));
        let log = Log::default();
        let noted = log.clone();
        let worker = Worker::new(db.clone()).handle("note", 1, move |job: Job| {
            let (db, done, noted) = (again.clone(), done.clone(), noted.clone());
            async move {
                noted.lock().unwrap().push(job.payload()["what"].as_str().unwrap().to_owned());
                if done.fetch_add(1, Ordering::SeqCst) == 0 {
                    // What happens while the work is under way is not swallowed by it.
                    enqueue(&db, Some("k"), "while it ran", Duration::ZERO).await;
                }
                db.write(move |tx| {
                    // Before or after the finish of its own job: both are kept.
                    job.finish(tx)
                }).await?;
                Ok(())
            }
        });
        assert_eq!(worker.drain().await.unwrap(), 3);
        assert_eq!(taken(&log), ["first", "another key", "while it ran"]);
        assert_eq!(count(&db).await, 0);
    }

    async fn a_job_may_enqueue_its_own_successor_before_it_finishes(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, Some("k"), "0", Duration::ZERO).await;
        let inner = db.clone();
        let worker = Worker::new(db.clone()).handle("note", 1, move |job: Job| {
            let db = inner.clone();
            async move {
                db.write(move |tx| {
                    let run_at = tx.now().plus(Duration::from_mins(1));
                    tx.enqueue(NewJob { kind: "note", key: job.key(), payload: job.payload(), run_at })?;
                    job.finish(tx)
                }).await?;
                Ok(())
            }
        });
        for _ in 0..3 {
            assert_eq!(worker.drain().await.unwrap(), 1);
            assert_eq!(count(&db).await, 1);
            clock.advance(Duration::from_mins(1));
        }
        assert_eq!(db.write(|tx| tx.cancel_jobs("note", "k")).await.unwrap(), 1);
        assert_eq!(worker.drain().await.unwrap(), 0);
    }

    /// Fault F-27: five tries with growing, jittered pauses, then a dead letter that can be retried by hand.
    async fn what_keeps_failing_becomes_a_dead_letter_and_neighbours_flow_f_27(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, Some("k"), "bad", Duration::ZERO).await;
        enqueue(&db, None, "good", Duration::ZERO).await;
        let mend = Arc::new(AtomicU32::new(0));
        let mended = mend.clone();
        let (worker, log) = worker(&db, move |job| {
            if job.payload()["what"] != "bad" || mended.load(Ordering::SeqCst) == 1 {
                return Ok(());
            }
            assert!(job.attempt() != 2, "the second try panics");
            Err(JobError::retry(format!("try {}", job.attempt())))
        });
        assert_eq!(worker.drain().await.unwrap(), 2);
        for (wait, runs) in [(499, 0), (1_001, 1), (6_000, 1), (24_000, 1), (31_000, 0), (65_000, 1), (1_000_000, 0)] {
            clock.advance(Duration::from_millis(wait));
            assert_eq!(worker.drain().await.unwrap(), runs, "after {wait} ms");
        }
        assert_eq!(taken(&log), ["bad", "good", "bad", "bad", "bad", "bad"]);
        assert_eq!(count(&db).await, 0);
        let dead = db.read(|tx| tx.dead_jobs(&PageRequest::default())).await.unwrap();
        assert_eq!(dead.items.len(), 1);
        let letter = &dead.items[0];
        assert_eq!((letter.kind.as_str(), letter.attempts, letter.reason.as_str()), ("note", 5, "try 5"));
        assert_eq!((letter.key.as_deref(), &letter.payload), (Some("k"), &json!({ "what": "bad" })));
        let id = letter.id;
        mend.store(1, Ordering::SeqCst);
        assert!(db.write(move |tx| tx.retry_dead_job(id)).await.unwrap());
        assert!(!db.write(move |tx| tx.discard_dead_job(id)).await.unwrap());
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(count(&db).await, 0);
    }

    async fn a_panic_of_a_handler_is_a_failed_try_with_its_words(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, None, "x", Duration::ZERO).await;
        let (worker, _) = worker(&db, |job| panic!("no {} today", job.payload()["what"]));
        let worker = worker.tries("note", 2);
        assert_eq!(worker.drain().await.unwrap(), 1);
        clock.advance(Duration::from_secs(2));
        assert_eq!(worker.drain().await.unwrap(), 1);
        let dead = db.read(|tx| tx.dead_jobs(&PageRequest::default())).await.unwrap();
        assert_eq!(dead.items[0].reason, "its handler panicked: no \"x\" today");
    }

    async fn a_handler_says_when_or_never(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, None, "never", Duration::ZERO).await;
        enqueue(&db, None, "in an hour", Duration::ZERO).await;
        let (worker, log) = worker(&db, |job| match job.payload()["what"].as_str() {
            Some("never") => Err(JobError::fail("there is no such thing")),
            _ if job.attempt() == 1 => Err(JobError::retry_after(Duration::from_hours(1), "closed")),
            _ => Ok(()),
        });
        assert_eq!(worker.drain().await.unwrap(), 2);
        clock.advance(Duration::from_secs(3_599));
        assert_eq!(worker.drain().await.unwrap(), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(taken(&log), ["never", "in an hour", "in an hour"]);
        let dead = db.read(|tx| tx.dead_jobs(&PageRequest::default())).await.unwrap();
        assert_eq!((dead.items.len(), dead.items[0].attempts), (1, 1));
        let id = dead.items[0].id;
        assert!(db.write(move |tx| tx.discard_dead_job(id)).await.unwrap());
    }

    async fn a_payload_that_is_not_understood_is_given_up_at_once(db: Db, _clock: Arc<ManualClock>) {
        enqueue(&db, None, "x", Duration::ZERO).await;
        let (worker, _) = worker(&db, |job| {
            #[derive(serde::Deserialize)]
            struct Wanted { _other: u32 }
            job.parse::<Wanted>().map(drop)
        });
        assert_eq!(worker.drain().await.unwrap(), 1);
        let dead = db.read(|tx| tx.dead_jobs(&PageRequest::default())).await.unwrap();
        assert!(dead.items[0].reason.contains("not understood"));
    }

    async fn a_job_finished_in_a_rolled_back_transaction_runs_again(db: Db, clock: Arc<ManualClock>) {
        enqueue(&db, None, "x", Duration::ZERO).await;
        let inner = db.clone();
        let worker = Worker::new(db.clone()).handle("note", 1, move |job: Job| {
            let db = inner.clone();
            async move {
                let first = job.attempt() == 1;
                db.write(move |tx| {
                    job.finish(tx)?;
                    if first { Err(Error::NoRow) } else { Ok(()) }
                }).await?;
                Ok(())
            }
        });
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(count(&db).await, 1);
        clock.advance(Duration::from_secs(2));
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(count(&db).await, 0);
    }

    /// A look at the queue must stay cheap with a million jobs waiting, so it goes by its index, also when the plan was
    /// made on an empty table.
    async fn looking_for_due_jobs_goes_by_the_index(db: Db, _clock: Arc<ManualClock>) {
        let (explain, column) = match db.dialect() {
            store::Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
            store::Dialect::Postgres => ("EXPLAIN", "QUERY PLAN"),
        };
        let plan = async |sql: &'static str| {
            let sql = format!("{explain} {sql}");
            db.write(move |tx| {
                if tx.dialect() == store::Dialect::Postgres {
                    // On an empty table a scan is as good; what matters is that the index serves the statement.
                    tx.query("SELECT set_config('enable_seqscan', 'off', TRUE) AS done", &[], |_| Ok(()))?;
                }
                Ok::<_, Error>(tx.query(&sql, &[], |row| row.get::<String>(column))?.join("; "))
            }).await.unwrap()
        };
        let claim = plan("SELECT id FROM jobs WHERE kind = 'note' AND state = 0 AND run_at <= 7 ORDER BY run_at, id LIMIT 5").await;
        assert!(claim.contains("jobs_waiting") && !claim.contains("TEMP B-TREE") && !claim.contains("Sort"), "{claim}");
        let due = plan("SELECT MIN(run_at) FROM jobs WHERE kind = 'note' AND state = 0").await;
        assert!(due.contains("jobs_waiting"), "{due}");
    }

    async fn finishing_twice_fails_the_transaction(db: Db, _clock: Arc<ManualClock>) {
        enqueue(&db, None, "x", Duration::ZERO).await;
        let inner = db.clone();
        let worker = Worker::new(db.clone()).handle("note", 1, move |job: Job| {
            let db = inner.clone();
            async move {
                let again = job.clone();
                db.write(move |tx| job.finish(tx)).await?;
                let second = db.write(move |tx| {
                    tx.next_number("never")?;
                    again.finish(tx)
                }).await;
                assert!(matches!(second, Err(Error::LeaseLost)));
                Ok(())
            }
        });
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(db.write(|tx| tx.next_number("never")).await.unwrap(), 1);
    }
}
