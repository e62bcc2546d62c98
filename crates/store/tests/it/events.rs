//! Events: for everyone who listens, durably, in order; for nobody, nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::ManualClock;
use serde_json::json;
use store::{Db, Error, Job, JobError, Worker};

type Log = Arc<Mutex<Vec<String>>>;

async fn publish(db: &Db, topic: &'static str, number: u32) {
    db.write(move |tx| tx.publish(topic, &json!({ "number": number }))).await.unwrap();
}

async fn rows(db: &Db) -> i64 {
    db.read(|tx| tx.query_one("SELECT COUNT(*) FROM jobs", &[], |row| row.get::<i64>(0))).await.unwrap()
}

fn note(
    log: &Log,
    who: &'static str,
) -> impl Fn(Job) -> std::future::Ready<Result<(), JobError>> + Send + Sync + 'static {
    let log = log.clone();
    move |job| {
        log.lock().unwrap().push(format!("{who} {} {}", job.topic().unwrap(), job.payload()["number"]));
        std::future::ready(Ok(()))
    }
}

testdb::both_databases! {
    async fn each_listener_hears_each_event_once_and_in_order(db: Db, _clock: Arc<ManualClock>) {
        let log = Log::default();
        let worker = Worker::new(db.clone())
            .listen("message.changed", "alerts", note(&log, "alerts"))
            .listen("message.inbound", "alerts", note(&log, "alerts"))
            .listen("message.changed", "webhooks", note(&log, "webhooks"));
        // Registering twice is registering once.
        db.listen("message.changed", "alerts");
        publish(&db, "message.changed", 1).await;
        publish(&db, "message.inbound", 2).await;
        publish(&db, "message.changed", 3).await;
        assert_eq!(worker.drain().await.unwrap(), 5);
        let mut alerts = std::mem::take(&mut *log.lock().unwrap());
        let webhooks: Vec<String> = alerts.extract_if(.., |line| line.starts_with("webhooks")).collect();
        assert_eq!(alerts, ["alerts message.changed 1", "alerts message.inbound 2", "alerts message.changed 3"]);
        assert_eq!(webhooks, ["webhooks message.changed 1", "webhooks message.changed 3"]);
        assert_eq!(worker.drain().await.unwrap(), 0);
    }

    async fn where_nobody_listens_nothing_is_written(db: Db, _clock: Arc<ManualClock>) {
        publish(&db, "message.changed", 1).await;
        assert_eq!(rows(&db).await, 0);
        // Who registers later hears what happens from then on.
        db.listen("message.changed", "alerts");
        publish(&db, "message.changed", 2).await;
        assert_eq!(rows(&db).await, 1);
    }

    async fn an_event_of_a_rolled_back_transaction_never_happened(db: Db, _clock: Arc<ManualClock>) {
        db.listen("message.changed", "alerts");
        let refused = db.write(|tx| {
            tx.publish("message.changed", &json!({}))?;
            Err::<(), _>(Error::LeaseLost)
        }).await;
        assert!(refused.is_err());
        assert_eq!(rows(&db).await, 0);
    }

    async fn one_event_that_fails_steps_aside_and_is_tried_again(db: Db, clock: Arc<ManualClock>) {
        let log = Log::default();
        let noted = log.clone();
        let worker = Worker::new(db.clone()).listen("t", "l", move |job: Job| {
            let noted = noted.clone();
            async move {
                if job.payload()["number"] == 1 && job.attempt() == 1 {
                    return Err(JobError::retry("not yet"));
                }
                noted.lock().unwrap().push(job.payload()["number"].to_string());
                Ok(())
            }
        });
        for number in 1..=3 {
            publish(&db, "t", number).await;
        }
        assert_eq!(worker.drain().await.unwrap(), 3);
        clock.advance(Duration::from_secs(2));
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(*log.lock().unwrap(), ["2", "3", "1"]);
    }

    async fn an_event_that_nobody_here_handles_is_kept_with_its_reason(db: Db, _clock: Arc<ManualClock>) {
        db.listen("gone", "l");
        publish(&db, "gone", 1).await;
        let worker = Worker::new(db.clone()).listen("t", "l", |_| async { Ok(()) });
        assert_eq!(worker.drain().await.unwrap(), 1);
        let dead = db.read(|tx| tx.dead_jobs(&base::PageRequest::default())).await.unwrap();
        assert_eq!(dead.items[0].topic.as_deref(), Some("gone"));
    }
}
