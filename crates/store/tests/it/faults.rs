//! Faults: what the store answers when the database is full, slow, silent or gone, and that it heals by itself.

use std::sync::Arc;
use std::time::Duration;

use store::{Db, Dialect, Error, Migration, Migrations, Options, Tx, params};
use testdb::Fresh;

const ROOM: Migrations = Migrations {
    room: "faults",
    steps: &[Migration {
        version: 1,
        name: "faults",
        sql: "CREATE TABLE parents (id BIGINT PRIMARY KEY);
              CREATE TABLE children (id BIGINT PRIMARY KEY, text TEXT, parent BIGINT REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);",
    }],
};

/// Enough for a test: how long a silent server is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

async fn add(db: &Db, id: i64) -> Result<(), Error> {
    db.write(move |tx| tx.execute("INSERT INTO children (id) VALUES ($1)", &params![id]).map(drop)).await
}

async fn count(db: &Db) -> i64 {
    db.read(|tx| tx.query_one("SELECT COUNT(*) FROM children", &[], |row| row.get::<i64>(0))).await.unwrap()
}

/// A store on PostgreSQL with one connection, little patience, and the process number of that connection.
async fn impatient(fresh: &Fresh) -> (Db, i64) {
    let mut options = Options::new(fresh.url().clone()).node("impatient");
    (options.patience, options.connections) = (PATIENCE, 1);
    let db = Db::open(options, testdb::context()).await.unwrap();
    let backend = backend(&db).await;
    (db, backend)
}

async fn backend(db: &Db) -> i64 {
    db.read(|tx| tx.query_one("SELECT pg_backend_pid() AS pid", &[], |row| row.get::<i64>("pid"))).await.unwrap()
}

/// Holds up the database for `how_long` in the middle of other callers.
fn hold_up(db: &Db, how_long: Duration) -> tokio::task::JoinHandle<Result<(), Error>> {
    let db = db.clone();
    tokio::spawn(async move {
        db.write(move |_| {
            std::thread::sleep(how_long);
            Ok(())
        })
        .await
    })
}

testdb::both_databases! {
    migrations = [&ROOM];

    async fn a_constraint_that_only_the_commit_checks_fails_its_own_transaction_alone(db: Db) {
        let slow = hold_up(&db, Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (1..=20_i64).map(|id| {
            let (db, told) = (db.clone(), told.clone());
            tokio::spawn(async move {
                db.write(move |tx| {
                    let told = told.clone();
                    tx.after_commit(move || told.lock().unwrap().push(id));
                    let parent = (id % 5 == 0).then_some(77);
                    tx.execute("INSERT INTO children (id, parent) VALUES ($1, $2)", &params![id, parent])
                }).await
            })
        }).collect();
        slow.await.unwrap().unwrap();
        for (task, id) in tasks.into_iter().zip(1..) {
            match task.await.unwrap() {
                Ok(_) => assert_ne!(id % 5, 0),
                Err(error) => assert!(id % 5 == 0 && error.is_foreign_key_violation(), "{id}: {error:?}"),
            }
        }
        assert_eq!(count(&db).await, 16);
        assert_eq!(told.lock().unwrap().len(), 16);
    }

    async fn transactions_that_lock_a_name_take_turns(db: Db) {
        let tasks: Vec<_> = (0..20).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(|tx| {
                    tx.lock("the only child")?;
                    let there = tx.query_opt("SELECT id FROM children", &[], |row| row.get::<i64>(0))?;
                    if there.is_none() {
                        tx.execute("INSERT INTO children (id) VALUES (1)", &[])?;
                    }
                    Ok::<_, Error>(there.is_none())
                }).await.unwrap()
            })
        }).collect();
        let mut made = 0;
        for task in tasks { made += u32::from(task.await.unwrap()); }
        assert_eq!(made, 1);
    }

    async fn who_finds_no_place_is_told_to_come_back(fresh: Fresh) {
        let mut options = Options::new(fresh.url().clone());
        (options.patience, options.connections, options.queue) = (Duration::from_millis(400), 1, 1);
        let db = Db::open(options, testdb::context()).await.unwrap();
        let slow = hold_up(&db, Duration::from_millis(1_500));
        tokio::time::sleep(Duration::from_millis(50)).await;
        // On SQLite the queue takes one more; PostgreSQL's callers wait for the connection.
        let queued = (db.dialect() == Dialect::Sqlite).then(|| hold_up(&db, Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let refused = add(&db, 1).await;
        assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
        slow.await.unwrap().unwrap();
        if let Some(queued) = queued { queued.await.unwrap().unwrap(); }
        add(&db, 1).await.unwrap();
        db.close().await;
    }

    async fn a_statement_prepared_before_a_migration_is_prepared_again(db: Db) {
        let all = |tx: &mut Tx<'_>| tx.query("SELECT * FROM parents", &[], |row| row.get::<i64>("id"));
        db.write(move |tx| { tx.execute("INSERT INTO parents (id) VALUES (1)", &[])?; all(tx) }).await.unwrap();
        for _ in 0..20 { db.write(all).await.unwrap(); }
        let step = Migrations { room: "faults", steps: Box::leak(Box::new([
            ROOM.steps[0], Migration { version: 2, name: "more", sql: "ALTER TABLE parents ADD COLUMN text TEXT;" }])) };
        db.migrate(&[step]).await.unwrap();
        for _ in 0..20 {
            assert_eq!(db.write(all).await.unwrap(), [1]);
        }
    }

    /// Fault F-06: a full disk is a refusal, reads go on, and room on the disk heals it.
    async fn a_full_database_refuses_and_heals_f_06(db: Db) {
        if db.dialect() == Dialect::Postgres {
            return;
        }
        add(&db, 1).await.unwrap();
        let limit = async |pages: u32| {
            db.write(move |tx| tx.query(&format!("PRAGMA max_page_count = {pages}"), &[], |row| row.get::<i64>(0))).await.unwrap()
        };
        limit(1).await;
        let big = "x".repeat(200_000);
        let slow = hold_up(&db, Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let tasks: Vec<_> = (2..=9_i64).map(|id| {
            let (db, big) = (db.clone(), big.clone());
            tokio::spawn(async move {
                db.write(move |tx| tx.execute("INSERT INTO children (id, text) VALUES ($1, $2)", &params![id, &*big])).await
            })
        }).collect();
        slow.await.unwrap().unwrap();
        for task in tasks {
            let refused = task.await.unwrap();
            assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        }
        assert_eq!(count(&db).await, 1);
        limit(100_000).await;
        add(&db, 2).await.unwrap();
        assert_eq!(count(&db).await, 2);
    }

    async fn a_connection_that_died_while_idle_is_replaced_without_a_word(fresh: Fresh) {
        let db = fresh.open().await;
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        let (impatient, before) = impatient(&fresh).await;
        for id in 1..=3 {
            let victim = backend(&impatient).await;
            db.write(move |tx| tx.query("SELECT pg_terminate_backend($1) AS done", &params![victim], |row| row.get::<bool>("done"))).await.unwrap();
            add(&impatient, id).await.unwrap();
        }
        assert_ne!(backend(&impatient).await, before);
        assert_eq!(count(&db).await, 3);
        impatient.close().await;
        db.close().await;
    }

    async fn a_connection_that_dies_inside_a_transaction_fails_it_and_no_other(fresh: Fresh) {
        let db = fresh.open().await;
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        let (impatient, victim) = impatient(&fresh).await;
        let (handle, other) = (tokio::runtime::Handle::current(), db.clone());
        let broken = impatient.write(move |tx| {
            tx.execute("INSERT INTO children (id) VALUES (1)", &[])?;
            let other = other.clone();
            handle.block_on(async move {
                other.write(move |tx| tx.query("SELECT pg_terminate_backend($1) AS done", &params![victim], |row| row.get::<bool>("done"))).await
            })?;
            tx.execute("INSERT INTO children (id) VALUES (2)", &[])
        }).await;
        assert!(matches!(broken, Err(Error::Unavailable(_))), "{broken:?}");
        assert_eq!(count(&db).await, 0);
        add(&impatient, 3).await.unwrap();
        assert_eq!(count(&db).await, 1);
        impatient.close().await;
        db.close().await;
    }

    /// Fault F-09: a server that hangs is a refusal within the patience, and the pool recovers.
    async fn a_silent_server_is_not_waited_for_without_end_f_09(fresh: Fresh) {
        let db = fresh.open().await;
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        let (impatient, _) = impatient(&fresh).await;
        let before = db.context().monotonic();
        let silent = impatient.write(|tx| {
            tx.execute("INSERT INTO children (id) VALUES (1)", &[])?;
            tx.query("SELECT CAST(pg_sleep(30) AS TEXT) AS slept", &[], |_| Ok(()))
        }).await;
        assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
        assert!(db.context().monotonic().saturating_sub(before) < PATIENCE * 4);
        add(&impatient, 2).await.unwrap();
        assert_eq!(count(&db).await, 1);
        impatient.close().await;
        db.close().await;
    }

    /// Fault F-03: a commit whose answer is lost is neither success nor failure, and its caller is told so.
    async fn a_lost_answer_to_a_commit_is_said_to_be_unknown_f_03(fresh: Fresh) {
        let db = fresh.open().await;
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        db.write(|tx| {
            tx.execute("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END'", &[])?;
            tx.execute("CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON parents DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()", &[])
        }).await.unwrap();
        let (impatient, _) = impatient(&fresh).await;
        let told = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let hook = told.clone();
        let unknown = impatient.write(move |tx| {
            let hook = hook.clone();
            tx.after_commit(move || hook.store(true, std::sync::atomic::Ordering::SeqCst));
            tx.execute("INSERT INTO parents (id) VALUES (1)", &[])
        }).await;
        assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
        assert!(!told.load(std::sync::atomic::Ordering::SeqCst));
        // Looking it up settles it.
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let there = impatient.read(|tx| tx.query_opt("SELECT id FROM parents", &[], |row| row.get::<i64>(0))).await.unwrap();
        assert!(there.is_none() || there == Some(1));
        impatient.close().await;
        db.close().await;
    }
}
