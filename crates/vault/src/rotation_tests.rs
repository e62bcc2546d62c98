//! Rotation on both databases, interrupted at every step, and with several nodes.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Context, ManualClock, SeededChance, SystemClock, Timestamp, WorkspaceId};
use store::{Db, Tx, params};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::rotation::KeyEvent;

const COLUMN: SealedColumn = SealedColumn {
    table: "sealed_things",
    column: "value",
    id: "id",
    workspace: Some("workspace"),
    purpose: Purpose::Configuration,
};

const THINGS: store::Migrations = store::Migrations {
    room: "things",
    steps: &[store::Migration {
        version: 1,
        name: "things",
        sql: "CREATE TABLE sealed_things (id TEXT PRIMARY KEY, workspace TEXT NOT NULL, value TEXT NOT NULL);",
    }],
};

type Fault = fn(&KeyEvent) -> bool;

/// The rooms above, as small as they get: one column, a list of what happened, and a fault on demand.
struct Above {
    vault: Vault,
    events: Mutex<Vec<KeyEvent>>,
    fail_on: Mutex<Option<Fault>>,
}

impl Around for Above {
    fn record(&self, _tx: &mut Tx<'_>, event: &KeyEvent) -> Result<(), Box<dyn StdError + Send + Sync>> {
        if self.fail_on.lock().unwrap().is_some_and(|fails| fails(event)) {
            return Err("the power went".into());
        }
        self.events.lock().unwrap().push(*event);
        Ok(())
    }

    fn reseal(&self, tx: &mut Tx<'_>, pass: &mut Pass) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.vault.reseal_column(tx, pass, &COLUMN)?)
    }
}

struct Machine {
    dir: TempDir,
    db: Db,
}

impl Machine {
    fn new(db: &Db) -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap(), db: db.clone() };
        KeyFile::create(&machine.file(), &context(1)).unwrap();
        machine
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn copy_to(&self, other: &Self) {
        let keys = std::fs::read(self.file()).unwrap();
        std::fs::write(other.file(), keys).unwrap();
    }

    async fn unlock(&self) -> Result<Vault, Error> {
        Vault::unlock(self.db.clone(), KeyFile::load(&self.file())?).await
    }

    fn rotate(&self, seed: u64) {
        KeyFile::rotate(&self.file(), &context(seed)).unwrap();
    }
}

fn context(seed: u64) -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(seed)))
}

fn above(vault: &Vault) -> (Arc<Above>, Arc<dyn Around>) {
    let above = Arc::new(Above { vault: vault.clone(), events: Mutex::default(), fail_on: Mutex::default() });
    (Arc::clone(&above), above)
}

async fn advance(vault: &Vault) -> Progress {
    vault.refresh().await.unwrap();
    vault.advance(&above(vault).1).await.unwrap()
}

fn workspace() -> WorkspaceId {
    Uuid::from_u128(7).into()
}

async fn store_thing(vault: &Vault, db: &Db, id: &str) {
    let (vault, id) = (vault.clone(), id.to_owned());
    db.write(move |tx| {
        let now = tx.now();
        let key = vault.data_key(tx, Some(workspace()), Purpose::Configuration, now)?;
        let aad = Aad { table: "sealed_things", column: "value", row: &id };
        let sealed = key.seal(tx.context().chance(), &aad, format!("secret of {id}").as_bytes());
        tx.execute(
            "INSERT INTO sealed_things (id, workspace, value) VALUES ($1, $2, $3)",
            &params![id.as_str(), workspace().to_string(), sealed],
        )?;
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
}

async fn things(vault: &Vault, db: &Db) -> BTreeMap<String, String> {
    let vault = vault.clone();
    db.read(move |tx| {
        let rows = tx.query("SELECT id, value FROM sealed_things", &[], |row| {
            Ok((row.get::<String>("id")?, row.get::<String>("value")?))
        })?;
        rows.into_iter()
            .map(|(id, sealed)| {
                let aad = Aad { table: "sealed_things", column: "value", row: &id };
                let plain = vault.open(tx, Some(workspace()), &aad, &sealed)?;
                Ok((id.clone(), String::from_utf8(plain.to_vec()).unwrap()))
            })
            .collect::<Result<_, Error>>()
    })
    .await
    .unwrap()
}

async fn message(vault: &Vault, db: &Db, day: i64) -> String {
    let vault = vault.clone();
    db.write(move |tx| {
        let at = Timestamp::from_micros((20_000 + day) * 86_400_000_000);
        let key = vault.data_key(tx, Some(workspace()), Purpose::Messages, at)?;
        Ok::<_, Error>(key.seal(tx.context().chance(), &Aad { table: "messages", column: "text", row: "1" }, b"text"))
    })
    .await
    .unwrap()
}

async fn opens(vault: &Vault, db: &Db, sealed: &str) -> Result<(), Error> {
    let (vault, sealed) = (vault.clone(), sealed.to_owned());
    let aad = Aad { table: "messages", column: "text", row: "1" };
    db.read(move |tx| vault.open(tx, Some(workspace()), &aad, &sealed).map(drop)).await
}

async fn status(vault: &Vault, db: &Db) -> Status {
    let vault = vault.clone();
    db.read(move |tx| vault.status(tx)).await.unwrap()
}

async fn states(vault: &Vault, db: &Db) -> Vec<(u32, KekState, u64)> {
    status(vault, db).await.versions.iter().map(|(kek, keys, _)| (kek.version, kek.state, *keys)).collect()
}

testdb::both_databases! {
    migrations = [&MIGRATIONS, &THINGS];

    /// a new version takes over while the server runs; everything stays readable; keys of configuration get successors and
    /// their values move; after the overlap the old version is refused.
    async fn x_22_a_rotation_takes_everything_over(db: Db, clock: Arc<ManualClock>) {
        let machine = Machine::new(&db);
        let vault = machine.unlock().await.unwrap();
        store_thing(&vault, &db, "a").await;
        let mut sealed = Vec::new();
        for day in 0..450 {
            sealed.push(message(&vault, &db, day).await);
        }
        let hash = vault.token_hash("t");
        assert_eq!(advance(&vault).await, Progress::default(), "nothing to do");

        machine.rotate(2);
        let (kept, around) = above(&vault);
        vault.refresh().await.unwrap();
        let progress = vault.advance(&around).await.unwrap();
        assert_eq!((progress.activated, progress.rewrapped, progress.renewed, progress.resealed), (Some(2), 452, 1, 1));
        assert_eq!(kept.events.lock().unwrap()[0], KeyEvent::Activated { version: 2, before: 1 });
        clock.advance(Duration::from_mins(1));
        advance(&vault).await;
        assert!(status(&vault, &db).await.is_settled());
        assert_eq!(status(&vault, &db).await.worn, 0, "the old key of configuration is gone");
        assert_eq!(states(&vault, &db).await, [(1, KekState::Old, 0), (2, KekState::Active, 452)]);

        let restarted = machine.unlock().await.unwrap();
        for value in &sealed {
            opens(&restarted, &db, value).await.unwrap();
        }
        assert_eq!(things(&restarted, &db).await["a"], "secret of a");
        assert_eq!(restarted.token_hash("t"), hash, "machine secrets stay known");

        clock.advance(OVERLAP);
        assert_eq!(advance(&vault).await.retired, [1]);
        assert_eq!(advance(&vault).await, Progress::default());
    }

    /// the old file alone starts nothing and says what to do; a row that is still wrapped by a retired version is refused, though
    /// the key is in the file.
    async fn x_22_old_material_is_refused(db: Db) {
        let machine = Machine::new(&db);
        let vault = machine.unlock().await.unwrap();
        let sealed = message(&vault, &db, 1).await;
        let old_file = std::fs::read_to_string(machine.file()).unwrap();
        let stolen: (i64, Vec<u8>) = db
            .read(|tx| {
                let sql = "SELECT id, wrapped FROM vault_keys WHERE purpose = 'messages'";
                tx.query_one(sql, &[], |row| Ok((row.get("id")?, row.get("wrapped")?)))
            })
            .await
            .unwrap();
        machine.rotate(2);
        advance(&vault).await;
        let error = Vault::unlock(db.clone(), KeyFile::parse(&old_file).unwrap()).await.unwrap_err();
        assert!(matches!(error, Error::MissingVersion(2)), "{error}");
        assert!(error.to_string().contains("Copy the key file from the machine where `loudhailer keys rotate` ran"));

        let around = above(&vault).1;
        vault.retire_after(&around, Duration::ZERO, &mut Progress::default()).await.unwrap();
        db.write(move |tx| {
            let sql = "UPDATE vault_keys SET wrapped = $2, kek_version = 1 WHERE id = $1";
            tx.execute(sql, &params![stolen.0, stolen.1.clone()])
        })
        .await
        .unwrap();
        let restarted = machine.unlock().await.unwrap();
        assert!(matches!(opens(&restarted, &db, &sealed).await, Err(Error::RetiredVersion(1))));
        // Nor does such a row stop the next rotation.
        machine.rotate(3);
        assert_eq!(advance(&restarted).await.activated, Some(3));
    }

    /// whichever step fails, nothing is unreadable, and the next try goes on.
    async fn x_22_an_interrupted_rotation_goes_on_where_it_was(db: Db, clock: Arc<ManualClock>) {
        let machine = Machine::new(&db);
        let vault = machine.unlock().await.unwrap();
        for n in 0..250 {
            store_thing(&vault, &db, &format!("t{n:03}")).await;
        }
        let sealed = message(&vault, &db, 1).await;
        let steps: [Fault; 5] = [
            |event| matches!(event, KeyEvent::Activated { .. }),
            |event| matches!(event, KeyEvent::Rewrapped { .. }),
            |event| matches!(event, KeyEvent::Renewed { .. }),
            |event| matches!(event, KeyEvent::Removed { .. }),
            |event| matches!(event, KeyEvent::Retired { .. }),
        ];
        for (seed, fails) in (2..).zip(steps) {
            machine.rotate(seed);
            let interrupted = machine.unlock().await.unwrap();
            let (kept, around) = above(&interrupted);
            *kept.fail_on.lock().unwrap() = Some(fails);
            // On PostgreSQL emptied keys have a grace, so their end takes another pass.
            for _ in 0..3 {
                let _ = interrupted.advance(&around).await;
                clock.advance(Duration::from_hours(25));
            }
            let fresh = machine.unlock().await.unwrap();
            assert_eq!(things(&fresh, &db).await.len(), 250);
            opens(&fresh, &db, &sealed).await.unwrap();
            for _ in 0..3 {
                advance(&fresh).await;
                clock.advance(Duration::from_hours(25));
            }
            let status = status(&fresh, &db).await;
            assert!(status.is_settled() && status.worn == 0, "{status:?}");
            assert_eq!(status.active().unwrap().version, u32::try_from(seed).unwrap());
            assert_eq!(things(&fresh, &db).await["t017"], "secret of t017");
            opens(&vault, &db, &sealed).await.unwrap();
        }
    }

    /// who takes a line out of the file retires it, but not while something needs it.
    async fn x_22_a_line_taken_out_retires_its_version(db: Db) {
        let machine = Machine::new(&db);
        let vault = machine.unlock().await.unwrap();
        let sealed = message(&vault, &db, 1).await;
        machine.rotate(2);
        // Too early: nothing moved yet. What is in memory goes on, and moves everything.
        vault.refresh().await.unwrap();
        KeyFile::remove(&machine.file(), &[1]).unwrap();
        assert!(matches!(machine.unlock().await, Err(Error::MissingVersion(1))));
        let progress = advance(&vault).await;
        assert_eq!((progress.activated, progress.retired.as_slice()), (Some(2), [1].as_slice()));
        opens(&machine.unlock().await.unwrap(), &db, &sealed).await.unwrap();
    }

    /// Two files with different keys under one number never fit one database.
    async fn a_number_is_one_key(db: Db) {
        let (here, there) = (Machine::new(&db), Machine::new(&db));
        let vault = here.unlock().await.unwrap();
        here.copy_to(&there);
        here.rotate(2);
        there.rotate(3);
        vault.refresh().await.unwrap();
        assert!(matches!(there.unlock().await, Err(Error::OtherVersion(2))));
        there.copy_to(&here);
        assert!(matches!(vault.refresh().await, Err(Error::OtherVersion(2))), "what is in memory stays in use");
        message(&vault, &db, 1).await;
    }

    /// What does not open stays, keeps its key, and stops nothing else.
    async fn a_value_that_does_not_open_keeps_its_key(db: Db) {
        let machine = Machine::new(&db);
        let vault = machine.unlock().await.unwrap();
        store_thing(&vault, &db, "good").await;
        store_thing(&vault, &db, "moved").await;
        db.write(|tx| {
            let sql = "UPDATE sealed_things SET value = (SELECT value FROM sealed_things WHERE id = 'good') WHERE id = 'moved'";
            tx.execute(sql, &[])
        })
        .await
        .unwrap();
        machine.rotate(2);
        let progress = advance(&vault).await;
        assert_eq!((progress.resealed, progress.removed), (1, 0));
        assert_eq!(status(&vault, &db).await.worn, 1);
        assert!(status(&vault, &db).await.is_settled(), "the rotation itself is complete");
    }

    /// on PostgreSQL a version becomes active only when every living node has it, and a node that meets a version that it does
    /// not know reads its file again.
    async fn x_22_a_version_waits_for_every_living_node(fresh: testdb::Fresh) {
        if fresh.url().dialect() == testdb::Dialect::Sqlite {
            return; // One process.
        }
        let node = async |name| Machine::new(&fresh.open_as(name, testdb::context()).await);
        let (one, two) = (node("one").await, node("two").await);
        one.copy_to(&two);
        let (first, second) = (one.unlock().await.unwrap(), two.unlock().await.unwrap());
        let sealed = message(&first, &one.db, 1).await;
        one.rotate(2);
        assert_eq!(advance(&first).await.waiting_for, ["two"]);
        assert_eq!(states(&first, &one.db).await[1].1, KekState::Known);
        message(&second, &two.db, 2).await;

        one.copy_to(&two);
        second.refresh().await.unwrap();
        assert_eq!(advance(&first).await.activated, Some(2));
        opens(&second, &two.db, &sealed).await.unwrap();

        // A node that was thought dead comes back: its file is new, its memory is not.
        one.rotate(3);
        two.db.write(|tx| tx.execute("DELETE FROM vault_nodes WHERE node = 'two'", &[])).await.unwrap();
        assert_eq!(advance(&first).await.activated, Some(3));
        let made = message(&first, &one.db, 3).await;
        assert!(matches!(opens(&second, &two.db, &made).await, Err(Error::MissingVersion(3))));
        one.copy_to(&two);
        opens(&second, &two.db, &made).await.unwrap();
        one.db.close().await;
        two.db.close().await;
    }
}
