//! Transactions on both databases: what is kept, what is undone, who is told when.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use store::{Changed, Constraint, Db, Dialect, Error, Migration, Migrations, Value, params};

const NOTES: Migrations = Migrations {
    room: "notes",
    steps: &[Migration {
        version: 1,
        name: "notes",
        sql: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT NOT NULL, done BOOLEAN NOT NULL DEFAULT FALSE,
                raw BYTEA, share DOUBLE PRECISION, small INTEGER, parent BIGINT REFERENCES notes (id),
                CHECK (id > 0));",
    }],
};

async fn add(db: &Db, id: i64) -> Result<(), Error> {
    db.write(move |tx| tx.execute("INSERT INTO notes (id, text) VALUES ($1, $2)", &params![id, "x"]).map(drop)).await
}

async fn ids(db: &Db) -> Vec<i64> {
    db.read(|tx| tx.query("SELECT id FROM notes ORDER BY id", &[], |row| row.get::<i64>(0))).await.unwrap()
}

testdb::both_databases! {
    migrations = [&NOTES];

    async fn every_type_comes_back_as_it_went_in(db: Db) {
        let id: base::WorkspaceId = db.context().id();
        db.write(move |tx| {
            tx.execute(
                "INSERT INTO notes (id, text, done, raw, share, small) VALUES ($1, $2, $3, $4, $5, $6)",
                &params![1, id, true, vec![0_u8, 255], 0.5, 7],
            )?;
            tx.execute("INSERT INTO notes (id, text, raw, share, small) VALUES ($1, $2, $3, $4, $5)",
                &params![2, "zwei – δύο – 二", None::<Vec<u8>>, None::<f64>, None::<i64>])
        }).await.unwrap();
        db.read(move |tx| {
            let (text, done, raw, share, small) = tx.query_one("SELECT * FROM notes WHERE id = $1", &params![1], |row| {
                Ok((row.get("text")?, row.get("done")?, row.get("raw")?, row.get("share")?, row.get("small")?))
            })?;
            let (text, done, raw, share, small): (base::WorkspaceId, bool, Vec<u8>, f64, u8) = (text, done, raw, share, small);
            assert_eq!((text, done, raw, share, small), (id, true, vec![0, 255], 0.5, 7));
            let second: (String, Option<Vec<u8>>, Option<f64>) =
                tx.query_one("SELECT text, raw, share FROM notes WHERE id = 2", &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            assert_eq!(second, ("zwei – δύο – 二".to_owned(), None, None));
            // Sums, counts and averages are numbers on both, although PostgreSQL calls them NUMERIC.
            let sums: (i64, u32, f64) = tx.query_one(
                "SELECT SUM(id) AS sum, COUNT(*) AS count, AVG(id) AS mean FROM notes", &[],
                |row| Ok((row.get("sum")?, row.get("count")?, row.get("mean")?)))?;
            assert_eq!(sums, (3, 2, 1.5));
            assert_eq!(tx.query_opt("SELECT id FROM notes GROUP BY id HAVING SUM(id) > $1", &params![1], |row| row.get::<i64>(0))?, Some(2));
            // A wrong column and a wrong type are errors that name the column, and the transaction goes on.
            let wrong = tx.query("SELECT text FROM notes", &[], |row| row.get::<i64>("text"));
            assert!(matches!(wrong, Err(Error::Decode { column, .. }) if column == "text"));
            assert!(tx.query("SELECT text FROM notes", &[], |row| row.get::<String>("tekst")).is_err());
            assert!(tx.query("SELECT text FROM notes", &[], |row| row.get::<String>(1)).is_err());
            assert!(matches!(tx.query_one("SELECT id FROM notes WHERE id = 9", &[], |row| row.get::<i64>(0)), Err(Error::NoRow)));
            Ok::<_, Error>(())
        }).await.unwrap();
    }

    async fn an_error_undoes_everything_and_reaches_the_caller_as_it_is(db: Db) {
        #[derive(Debug, PartialEq)]
        enum Mine { Refused, Store }
        impl From<Error> for Mine {
            fn from(_: Error) -> Self { Self::Store }
        }
        let result: Result<(), Mine> = db.write(|tx| {
            tx.execute("INSERT INTO notes (id, text) VALUES (1, 'x')", &[])?;
            Err(Mine::Refused)
        }).await;
        assert_eq!(result, Err(Mine::Refused));
        assert_eq!(ids(&db).await, Vec::<i64>::new());
    }

    async fn one_refused_transaction_of_a_group_takes_no_other_with_it(db: Db) {
        // All of them queue behind a slow one, so that SQLite commits them as one group.
        let slow = tokio::spawn({ let db = db.clone(); async move {
            db.write(|_| { std::thread::sleep(std::time::Duration::from_millis(100)); Ok::<_, Error>(()) }).await
        }});
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let tasks: Vec<_> = (1..=200_i64).map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx| {
                    tx.execute("INSERT INTO notes (id, text) VALUES ($1, 'x')", &params![id])?;
                    assert!(id % 50 != 0, "on purpose");
                    if id % 7 == 0 { return Err(Error::LeaseLost); }
                    Ok(())
                }).await
            })
        }).collect();
        slow.await.unwrap().unwrap();
        for (task, id) in tasks.into_iter().zip(1..) {
            match task.await.unwrap() {
                Ok(()) => assert!(id % 7 != 0 && id % 50 != 0),
                Err(Error::Panicked(text)) => assert!(id % 50 == 0 && text.contains("on purpose")),
                Err(Error::LeaseLost) => assert_eq!(id % 7, 0),
                Err(other) => panic!("{other}"),
            }
        }
        let expected: Vec<i64> = (1..=200).filter(|id| id % 7 != 0 && id % 50 != 0).collect();
        assert_eq!(ids(&db).await, expected);
    }

    async fn broken_rules_have_kinds_and_end_the_transaction_on_both_databases(db: Db) {
        add(&db, 1).await.unwrap();
        let kind = async |sql: &'static str| match db.write(move |tx| tx.execute(sql, &[])).await {
            Err(Error::Constraint { kind, .. }) => Some(kind),
            _ => None,
        };
        assert_eq!(kind("INSERT INTO notes (id, text) VALUES (1, 'x')").await, Some(Constraint::Unique));
        assert_eq!(kind("INSERT INTO notes (id, text) VALUES (2, NULL)").await, Some(Constraint::NotNull));
        assert_eq!(kind("INSERT INTO notes (id, text) VALUES (-2, 'x')").await, Some(Constraint::Check));
        assert_eq!(kind("INSERT INTO notes (id, text, parent) VALUES (2, 'x', 77)").await, Some(Constraint::ForeignKey));
        // Swallowing the failure does not help: PostgreSQL could not commit, so SQLite does not, either.
        let swallowed = db.write(|tx| {
            tx.execute("INSERT INTO notes (id, text) VALUES (3, 'x')", &[])?;
            assert!(tx.execute("INSERT INTO notes (id, text) VALUES (1, 'x')", &[]).is_err());
            assert!(matches!(tx.execute("INSERT INTO notes (id, text) VALUES (4, 'x')", &[]), Err(Error::Aborted)));
            Ok::<_, Error>(())
        }).await;
        assert!(matches!(swallowed, Err(Error::Aborted)));
        assert_eq!(ids(&db).await, [1]);
    }

    async fn an_attempt_is_undone_alone(db: Db) {
        let told = Arc::new(AtomicU32::new(0));
        let mut changes = db.subscribe();
        db.write({ let told = told.clone(); move |tx| {
            let touch = |tx: &mut store::Tx<'_>, id: i64| {
                tx.touched(Changed { workspace: None, topic: "note", id: id.to_string() });
                let told = told.clone();
                tx.after_commit(move || { told.fetch_add(u32::try_from(id).unwrap(), Ordering::SeqCst); });
                tx.execute("INSERT INTO notes (id, text) VALUES ($1, 'x')", &params![id]).map(drop)
            };
            touch(tx, 1)?;
            let inner = tx.attempt(|tx| {
                touch(tx, 10)?;
                tx.attempt(|tx| touch(tx, 100))?;
                touch(tx, 1)
            });
            assert!(inner.unwrap_err().is_unique_violation());
            tx.attempt(|tx| touch(tx, 1000))
        }}).await.unwrap();
        assert_eq!(ids(&db).await, [1, 1000]);
        assert_eq!(told.load(Ordering::SeqCst), 1001);
        let seen: Vec<String> = std::iter::from_fn(|| changes.try_recv().ok()).map(|changed| changed.id).collect();
        assert_eq!(seen, ["1", "1000"]);
    }

    /// What is sent takes its place among the other statements, and nothing of it stays when it fails, whenever that shows.
    async fn what_is_sent_takes_effect_in_order_and_fails_its_transaction(db: Db) {
        fn note(tx: &mut store::Tx<'_>, id: i64) -> Result<(), Error> {
            tx.send("INSERT INTO notes (id, text) VALUES ($1, $2)", &params![id, "x"])
        }
        db.write(|tx| {
            note(tx, 1)?;
            let change = |tx: &mut store::Tx<'_>| tx.execute("UPDATE notes SET text = 'y' WHERE id = 1", &[]);
            assert_eq!(change(tx)?, 1, "a statement sees what was sent before it");
            let undone: Result<(), Error> = tx.attempt(|tx| {
                note(tx, 2)?;
                Err(Error::NoRow)
            });
            assert!(matches!(undone, Err(Error::NoRow)));
            tx.attempt(|tx| note(tx, 3))?;
            tx.send_many("INSERT INTO notes (id, text) VALUES ($1, $2)", &[params![4, "x"].to_vec(), params![5, "x"].to_vec()])
        })
        .await
        .unwrap();
        assert_eq!(ids(&db).await, [1, 3, 4, 5]);
        // Alone before the commit, before another statement, and before the end of an attempt.
        for place in 0..4 {
            let told = Arc::new(AtomicU32::new(0));
            let teller = Arc::clone(&told);
            let failed = db.write(move |tx| {
                let teller = Arc::clone(&teller);
                tx.after_commit(move || {
                    teller.fetch_add(1, Ordering::Relaxed);
                });
                note(tx, 6)?;
                if place == 3 {
                    return tx.attempt(|tx| note(tx, 1));
                }
                note(tx, if place == 2 { -1 } else { 1 })?;
                if place == 1 {
                    tx.query("SELECT id FROM notes", &[], |row| row.get::<i64>(0))?;
                }
                Ok(())
            });
            let kind = if place == 2 { Constraint::Check } else { Constraint::Unique };
            match failed.await {
                Err(Error::Constraint { kind: told, .. }) => assert_eq!(told, kind),
                other => panic!("place {place}: {other:?}"),
            }
            assert_eq!((ids(&db).await, told.load(Ordering::Relaxed)), (vec![1, 3, 4, 5], 0), "place {place}");
        }
        // What does not fit its column, or is no statement, leaves a connection that is of use.
        for (sql, value) in [("INSERT INTO notes (id, text) VALUES ($1, 'x')", Value::Text("seven".into())), ("INSERT INTO", 7.into())] {
            let value = value.clone();
            let failed = db.write(move |tx| {
                note(tx, 6)?;
                let values = if sql.contains('$') { vec![value.clone()] } else { Vec::new() };
                tx.send(sql, &values)
            });
            assert!(failed.await.is_err(), "{sql}");
            assert_eq!(ids(&db).await, [1, 3, 4, 5]);
        }
        add(&db, 6).await.unwrap();
    }

    async fn who_waits_for_a_commit_is_told_after_it_and_never_of_a_rollback(db: Db) {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut changes = db.subscribe();
        for (id, keep) in [(1_i64, true), (2, false), (3, true)] {
            let (noted, other) = (order.clone(), db.clone());
            let result = db.write(move |tx| {
                tx.touched(Changed { workspace: None, topic: "note", id: id.to_string() });
                let (noted, _other) = (noted.clone(), other.clone());
                tx.after_commit(move || noted.lock().unwrap().push(id));
                tx.execute("INSERT INTO notes (id, text) VALUES ($1, 'x')", &params![id])?;
                if keep { Ok(()) } else { Err(Error::LeaseLost) }
            }).await;
            assert_eq!(result.is_ok(), keep);
            if keep {
                // Already there when the caller has its answer, and already on disk when it is there.
                assert_eq!(order.lock().unwrap().last(), Some(&id));
                assert_eq!(changes.recv().await.unwrap().id, id.to_string());
            }
        }
        assert_eq!(*order.lock().unwrap(), [1, 3]);
        assert!(changes.try_recv().is_err());
    }

    async fn a_hand_over_that_panics_harms_nobody(db: Db) {
        db.write(|tx| { tx.after_commit(|| panic!("on purpose")); Ok::<_, Error>(()) }).await.unwrap();
        add(&db, 1).await.unwrap();
    }

    async fn reads_see_one_snapshot_and_change_nothing(db: Db) {
        add(&db, 1).await.unwrap();
        let denied = db.read(|tx| tx.execute("INSERT INTO notes (id, text) VALUES (2, 'x')", &[])).await;
        assert!(matches!(denied, Err(Error::ReadOnly)), "{denied:?}");
        let (first_done, wait_first) = std::sync::mpsc::channel();
        let (second_done, wait_second) = std::sync::mpsc::channel();
        let reader = { let db = db.clone(); tokio::spawn(async move {
            db.read(move |tx| {
                let count = |tx: &mut store::Tx<'_>| tx.query_one("SELECT COUNT(*) FROM notes", &[], |row| row.get::<i64>(0));
                let before = count(tx)?;
                first_done.send(()).unwrap();
                wait_second.recv().unwrap();
                Ok::<_, Error>((before, count(tx)?))
            }).await
        })};
        tokio::task::spawn_blocking(move || wait_first.recv().unwrap()).await.unwrap();
        add(&db, 2).await.unwrap();
        second_done.send(()).unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), (1, 1));
        assert_eq!(ids(&db).await, [1, 2]);
    }

    async fn many_rows_take_effect_in_order(db: Db) {
        let rows: Vec<Vec<Value<'static>>> = (1..=1500_i64).map(|id| params![id, format!("row {id}")].to_vec()).collect();
        let (added, changed) = db.write(move |tx| {
            let added = tx.execute_many("INSERT INTO notes (id, text) VALUES ($1, $2)", &rows)?;
            assert_eq!(tx.execute_many("INSERT INTO notes (id, text) VALUES ($1, $2)", &[])?, 0);
            // The last one must win: statements for one row keep their order.
            let updates: Vec<_> = (1..=700_i64).map(|step| params![1, step.to_string()].to_vec()).collect();
            Ok::<_, Error>((added, tx.execute_many("UPDATE notes SET text = $2 WHERE id = $1", &updates)?))
        }).await.unwrap();
        assert_eq!((added, changed), (1500, 700));
        let text = db.read(|tx| tx.query_one("SELECT text FROM notes WHERE id = 1", &[], |row| row.get::<String>(0))).await;
        assert_eq!(text.unwrap(), "700");
        let failed = db.write(|tx| tx.execute_many("INSERT INTO notes (id, text) VALUES ($1, 'x')", &[params![2000].to_vec(), params![1].to_vec()])).await;
        assert!(failed.unwrap_err().is_unique_violation());
        assert_eq!(ids(&db).await.len(), 1500);
    }

    async fn numbers_of_a_counter_are_given_once(db: Db) {
        let tasks: Vec<_> = (0..50).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.write(|tx| tx.next_number("alerts:x")).await.unwrap() })
        }).collect();
        let mut numbers = Vec::new();
        for task in tasks { numbers.push(task.await.unwrap()); }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=50).collect::<Vec<i64>>());
        assert_eq!(db.write(|tx| tx.next_number("alerts:y")).await.unwrap(), 1);
    }

    async fn wrong_parameters_are_an_error_and_not_a_null(db: Db) {
        for sql in ["INSERT INTO notes (id, text) VALUES ($1, $2)", "INSERT INTO notes (id, text) VALUES ($1, 'x')"] {
            let few = db.write(move |tx| tx.execute(sql, &[])).await;
            assert!(few.is_err(), "{sql}");
        }
        let wrong = db.write(|tx| tx.execute("INSERT INTO notes (id, text) VALUES ($1, 'x')", &params!["one"])).await;
        assert!(wrong.is_err());
        assert_eq!(ids(&db).await, Vec::<i64>::new());
    }

    async fn both_databases_mean_the_same_by_a_statement(db: Db) {
        add(&db, 1).await.unwrap();
        let count = async |sql: &'static str| {
            db.read(move |tx| tx.query_one(sql, &[], |row| row.get::<i64>(0))).await
        };
        // LIKE minds the case, double quotes are names, division of whole numbers is whole, NULL is not equal to NULL.
        assert_eq!(count("SELECT COUNT(*) FROM notes WHERE text LIKE 'X%'").await.unwrap(), 0);
        assert_eq!(count("SELECT COUNT(*) FROM notes WHERE text LIKE 'x%'").await.unwrap(), 1);
        assert!(count("SELECT COUNT(*) FROM notes WHERE text = \"nothing\"").await.is_err());
        assert_eq!(count("SELECT 7 / 2").await.unwrap(), 3);
        assert_eq!(count("SELECT COUNT(*) FROM notes WHERE raw = NULL").await.unwrap(), 0);
        assert_eq!(count("SELECT COUNT(*) FROM notes WHERE NOT done AND done = FALSE").await.unwrap(), 1);
        assert_eq!(count("SELECT COUNT(*) FROM notes WHERE share IS NOT DISTINCT FROM NULL").await.unwrap(), 1);
        // A character that PostgreSQL cannot keep is refused in words on both, and the transaction goes on.
        db.write(|tx| {
            let refused = tx.execute("UPDATE notes SET text = $1", &params!["a\0b"]);
            assert!(matches!(refused, Err(Error::NulInText)));
            tx.execute("UPDATE notes SET raw = $1", &params![vec![0_u8]])
        }).await.unwrap();
    }

    async fn a_closed_store_says_so(db: Db) {
        add(&db, 1).await.unwrap();
        db.close().await;
        assert!(matches!(add(&db, 2).await, Err(Error::Closed)));
        assert!(matches!(db.read(|_| Ok::<_, Error>(())).await, Err(Error::Closed)));
    }

    async fn what_collides_is_run_again(db: Db) {
        // Two transactions that lock two rows in opposite order: PostgreSQL ends one, and the store runs it again.
        add(&db, 1).await.unwrap();
        add(&db, 2).await.unwrap();
        let runs = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = [(1, 2), (2, 1)].into_iter().map(|(first, second)| {
            let (db, runs) = (db.clone(), runs.clone());
            tokio::spawn(async move {
                db.write(move |tx| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    let touch = "UPDATE notes SET text = text || $2 WHERE id = $1";
                    tx.execute(touch, &params![first, "+"])?;
                    if tx.dialect() == Dialect::Postgres {
                        std::thread::sleep(std::time::Duration::from_millis(600));
                    }
                    tx.execute(touch, &params![second, "+"])
                }).await
            })
        }).collect();
        for task in tasks { task.await.unwrap().unwrap(); }
        let texts = db.read(|tx| tx.query("SELECT text FROM notes", &[], |row| row.get::<String>(0))).await.unwrap();
        assert_eq!(texts, ["x++", "x++"]);
        assert_eq!(runs.load(Ordering::SeqCst), if db.dialect() == Dialect::Postgres { 3 } else { 2 });
    }
}
