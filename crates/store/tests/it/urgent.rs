//! What comes in masses makes way for everything else.

use std::sync::{Arc, OnceLock};

use store::{Db, Dialect, Error, Migration, Migrations, Tx, params};

const STEPS: Migrations = Migrations {
    room: "steps",
    steps: &[Migration {
        version: 1,
        name: "steps",
        sql: "CREATE TABLE steps (place BIGINT PRIMARY KEY, who BIGINT NOT NULL);",
    }],
};

fn note(tx: &mut Tx<'_>, who: i64) -> Result<(), Error> {
    tx.execute("INSERT INTO steps (place, who) SELECT COALESCE(MAX(place), 0) + 1, $1 FROM steps", &params![who])
        .map(drop)
}

testdb::both_databases! {
    migrations = [&STEPS];

    async fn an_embedded_writer_runs_what_is_urgent_before_bulk_that_came_earlier(db: Db) {
        if db.dialect() == Dialect::Postgres {
            return;
        }
        let gate = Arc::new(OnceLock::new());
        let (runs, running) = tokio::sync::oneshot::channel();
        let (held, mut runs) = (Arc::clone(&gate), Some(runs));
        let writer = db.clone();
        // The first keeps the writer until the others stand in their queues.
        let first = tokio::spawn(async move {
            let hold = move |tx: &mut Tx<'_>| {
                let _ = runs.take().map(|runs| runs.send(()));
                held.wait();
                note(tx, 100)
            };
            writer.write_bulk(hold).await
        });
        running.await.unwrap();
        let bulk = |who: i64| db.write_bulk(move |tx| note(tx, who));
        let urgent = |who: i64| db.write(move |tx| note(tx, who));
        let queued = tokio::join!(bulk(101), bulk(102), bulk(103), urgent(1), urgent(2), async { gate.set(()).unwrap() });
        for done in [first.await.unwrap(), queued.0, queued.1, queued.2, queued.3, queued.4] {
            done.unwrap();
        }
        let order = db.read(|tx| tx.query("SELECT who FROM steps ORDER BY place", &[], |row| row.get::<i64>(0))).await.unwrap();
        assert_eq!(order, [100, 1, 2, 101, 102, 103]);
    }

    async fn a_server_keeps_connections_for_what_is_urgent(db: Db) {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        let gate = Arc::new(OnceLock::new());
        // More than there are connections, each holding its own until the urgent one has its answer.
        let bulk: Vec<_> = (0..40).map(|who| {
            let (db, gate) = (db.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                db.write_bulk(move |tx| {
                    gate.wait();
                    tx.execute("INSERT INTO steps (place, who) VALUES ($1, $1)", &params![100 + who]).map(drop)
                }).await
            })
        }).collect();
        tokio::task::yield_now().await;
        db.write(|tx| note(tx, 1)).await.unwrap();
        gate.set(()).unwrap();
        for done in bulk {
            done.await.unwrap().unwrap();
        }
        let count = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM steps", &[], |row| row.get::<i64>(0))).await.unwrap();
        assert_eq!(count, 41);
    }
}
