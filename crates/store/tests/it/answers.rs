//! Kept answers: one effect for one key, whoever comes second, and what is known after a crash.

use std::sync::Arc;
use std::time::Duration;

use base::ManualClock;
use store::{Asked, Db, Earlier, Error, KEPT_FOR};

const BUSY: Duration = Duration::from_secs(90);

fn asked(key: u8, what: u8) -> Asked {
    Asked { digest: [key; 32], fingerprint: [what; 32] }
}

async fn begin(db: &Db, asked: Asked) -> Earlier {
    db.write(move |tx| tx.begin_answer(&asked, BUSY)).await.unwrap()
}

testdb::both_databases! {
    migrations = [];

    async fn an_answer_is_kept_for_its_key_and_its_request(db: Db, clock: Arc<ManualClock>) {
        let (first, other) = (asked(1, 1), asked(1, 2));
        assert_eq!(begin(&db, first).await, Earlier::None);
        assert_eq!(begin(&db, first).await, Earlier::UnderWay);
        assert_eq!(begin(&db, other).await, Earlier::Other);
        assert!(db.write(move |tx| tx.keep_answer(&first, "sealed")).await.unwrap());
        assert!(!db.write(move |tx| tx.keep_answer(&first, "again")).await.unwrap(), "only one answer");
        assert_eq!(begin(&db, first).await, Earlier::Answered("sealed".into()));
        assert_eq!(begin(&db, other).await, Earlier::Other);
        assert_eq!(begin(&db, asked(2, 1)).await, Earlier::None, "another key is another request");

        clock.advance(Duration::from_hours(47));
        assert_eq!(begin(&db, first).await, Earlier::Answered("sealed".into()));
        clock.advance(Duration::from_mins(61));
        assert_eq!(begin(&db, other).await, Earlier::None, "after 48 hours the key is free");
        clock.advance(KEPT_FOR + Duration::from_secs(1));
        assert_eq!(db.sweep_answers().await.unwrap(), 2);
        assert_eq!(db.sweep_answers().await.unwrap(), 0);
    }

    /// What was begun outside of its effect and never ended is said to be unknown; what was begun with it left nothing.
    async fn a_crash_between_is_shown_or_leaves_nothing(db: Db, clock: Arc<ManualClock>) {
        let (around, inside) = (asked(1, 1), asked(2, 1));
        assert_eq!(begin(&db, around).await, Earlier::None);
        clock.advance(BUSY + Duration::from_secs(1));
        assert_eq!(begin(&db, around).await, Earlier::Unknown);
        db.write(move |tx| tx.forget_answer(&around)).await.unwrap();
        assert_eq!(begin(&db, around).await, Earlier::None);

        let failed: Result<(), Error> = db
            .write(move |tx| {
                tx.begin_answer(&inside, BUSY)?;
                Err(Error::NoRow)
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(db.read(move |tx| tx.earlier(&inside)).await.unwrap(), Earlier::None);
    }

    async fn of_many_at_once_one_begins(db: Db) {
        let asked = asked(7, 7);
        let tries = (0..8).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx| {
                    let earlier = tx.begin_answer(&asked, BUSY)?;
                    if earlier == Earlier::None {
                        tx.keep_answer(&asked, "mine")?;
                    }
                    Ok::<_, Error>(earlier)
                })
                .await
                .unwrap()
            })
        });
        let mut begun = 0;
        for one in tries.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Earlier::None => begun += 1,
                other => assert_eq!(other, Earlier::Answered("mine".into())),
            }
        }
        assert_eq!(begun, 1);
    }
}
