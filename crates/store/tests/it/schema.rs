//! Migrations: applied in order, verified at every start, by one node at a time.

use store::{Db, Error, Migration, MigrationError, Migrations};
use testdb::Fresh;

const FIRST: Migration =
    Migration { version: 1, name: "first", sql: "CREATE TABLE a (id BIGINT PRIMARY KEY, flag BOOLEAN NOT NULL);" };
const SECOND: Migration = Migration {
    version: 2,
    name: "second",
    sql: "ALTER TABLE a ADD COLUMN raw BYTEA; CREATE TABLE b (id BIGINT PRIMARY KEY REFERENCES a (id));",
};
const BROKEN: Migration =
    Migration { version: 2, name: "broken", sql: "CREATE TABLE c (id BIGINT PRIMARY KEY); SELECT nonsense;" };
const CHANGED: Migration = Migration { version: 1, name: "first", sql: "CREATE TABLE a (id BIGINT PRIMARY KEY);" };

const ONE: Migrations = Migrations { room: "room", steps: &[FIRST] };
const TWO: Migrations = Migrations { room: "room", steps: &[FIRST, SECOND] };
const WRONG: Migrations = Migrations { room: "room", steps: &[FIRST, BROKEN] };
const EDITED: Migrations = Migrations { room: "room", steps: &[CHANGED, SECOND] };
const LATER: Migrations = Migrations {
    room: "later",
    steps: &[Migration { version: 1, name: "x", sql: "CREATE TABLE l (id BIGINT PRIMARY KEY REFERENCES b (id));" }],
};

async fn tables(db: &Db) -> Vec<String> {
    let sql = db.dialect().pick(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND length(name) = 1 ORDER BY name",
        "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = 'public' AND length(tablename) = 1 ORDER BY 1",
    );
    db.read(move |tx| tx.query(sql, &[], |row| row.get::<String>("name"))).await.unwrap()
}

testdb::both_databases! {
    async fn steps_are_applied_once_in_order_and_reported(db: Db) {
        let report = db.pending(&[TWO, LATER]).await.unwrap();
        assert_eq!(report.applied, ["room/001 first", "room/002 second", "later/001 x"]);
        assert_eq!(db.migrate(&[ONE]).await.unwrap().applied, ["room/001 first"]);
        let report = db.migrate(&[TWO, LATER]).await.unwrap();
        assert_eq!(report.applied, ["room/002 second", "later/001 x"]);
        let report = db.migrate(&[TWO, LATER]).await.unwrap();
        assert!(report.applied.is_empty());
        assert!(report.present >= 4);
        assert_eq!(db.pending(&[TWO, LATER]).await.unwrap(), report);
        assert_eq!(tables(&db).await, ["a", "b", "l"]);
    }

    async fn a_step_whose_text_changed_is_refused_with_the_remedy(db: Db) {
        db.migrate(&[ONE]).await.unwrap();
        for refused in [db.migrate(&[EDITED]).await, db.pending(&[EDITED]).await] {
            let Err(Error::Migration(error @ MigrationError::Changed { .. })) = refused else { panic!("{refused:?}") };
            assert!(error.to_string().contains("room/001 first") && error.to_string().contains("run the program that applied it"));
        }
        assert_eq!(tables(&db).await, ["a"]);
    }

    async fn a_newer_schema_is_refused_with_the_remedy(db: Db) {
        db.migrate(&[TWO]).await.unwrap();
        let refused = db.migrate(&[ONE]).await;
        let Err(Error::Migration(error @ MigrationError::Newer { .. })) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("room/002 second") && error.to_string().contains("restore a backup"));
        // A tool with fewer rooms has no business with the others.
        assert!(db.migrate(&[]).await.is_ok());
    }

    async fn a_step_that_fails_leaves_nothing_behind(db: Db) {
        let failed = db.migrate(&[WRONG]).await;
        let Err(Error::Migration(MigrationError::Failed { step, .. })) = failed else { panic!("{failed:?}") };
        assert_eq!(step, "room/002 broken");
        assert_eq!(tables(&db).await, ["a"]);
        db.migrate(&[TWO]).await.unwrap();
        assert_eq!(tables(&db).await, ["a", "b"]);
    }

    async fn tables_hold_their_types(db: Db) {
        db.migrate(&[TWO]).await.unwrap();
        let wrong = db.write(|tx| tx.execute("INSERT INTO a (id, flag, raw) VALUES (1, TRUE, 'text')", &[])).await;
        // PostgreSQL reads the literal as bytes; SQLite would keep a text in a column of bytes, were it not STRICT.
        assert_eq!(wrong.is_err(), db.dialect() == store::Dialect::Sqlite, "{wrong:?}");
    }

    async fn nodes_that_start_together_take_turns(fresh: Fresh) {
        // One process has an SQLite file for itself, so there two callers share a store.
        let first = fresh.open().await;
        let second = if first.dialect() == store::Dialect::Sqlite { first.clone() } else { fresh.open_as("other", testdb::context()).await };
        let (one, two) = tokio::join!(first.migrate(&[TWO, LATER]), second.migrate(&[TWO, LATER]));
        let mut applied = one.unwrap().applied;
        applied.extend(two.unwrap().applied);
        applied.sort();
        assert_eq!(applied, ["later/001 x", "room/001 first", "room/002 second"]);
    }
}
