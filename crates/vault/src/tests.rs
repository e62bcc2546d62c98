//! The vault on both databases.

use std::sync::Arc;
use std::time::Duration;

use base::{Context, Day, MessageId, SeededChance, SystemClock, Timestamp, WorkspaceId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{Db, params};
use uuid::Uuid;

use super::*;

const PLACE: Aad<'static> = Aad { table: "messages", column: "text", row: "17" };

fn keys(versions: &[u8]) -> KeyFile {
    let lines: Vec<String> = versions.iter().map(|n| format!("{n} {}", STANDARD.encode([*n; 32]))).collect();
    KeyFile::parse(&lines.join("\n")).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the vault takes an optional workspace everywhere")]
fn workspace(n: u128) -> Option<WorkspaceId> {
    Some(Uuid::from_u128(n).into())
}

fn day(n: i64) -> Timestamp {
    Timestamp::from_micros((20_000 + n) * 86_400_000_000)
}

async fn unlock(db: &Db) -> Vault {
    Vault::unlock(db.clone(), keys(&[1])).await.unwrap()
}

async fn key(db: &Db, vault: &Vault, owner: Option<WorkspaceId>, purpose: Purpose, at: Timestamp) -> DataKey {
    let vault = vault.clone();
    db.write(move |tx| vault.data_key(tx, owner, purpose, at)).await.unwrap()
}

async fn open(db: &Db, vault: &Vault, owner: Option<WorkspaceId>, sealed: &str) -> Result<String, Error> {
    let (vault, sealed) = (vault.clone(), sealed.to_owned());
    let plain = db.read(move |tx| vault.open(tx, owner, &PLACE, &sealed)).await?;
    Ok(String::from_utf8(plain.to_vec()).unwrap())
}

fn seal(db: &Db, key: &DataKey, plain: &str) -> String {
    key.seal(db.context().chance(), &PLACE, plain.as_bytes())
}

testdb::both_databases! {
    migrations = [&MIGRATIONS];

    async fn the_right_file_opens_and_another_is_refused(db: Db) {
        let first = unlock(&db).await;
        let hash = first.token_hash("loudhailer_key_x");
        assert_eq!(unlock(&db).await.token_hash("loudhailer_key_x"), hash, "machine secrets stay known");
        assert_ne!(first.token_hash("loudhailer_key_y"), hash);
        let other = KeyFile::parse(&format!("1 {}", STANDARD.encode([9; 32]))).unwrap();
        let error = Vault::unlock(db.clone(), other).await.unwrap_err();
        assert!(matches!(error, Error::WrongKey), "{error}");
        assert!(error.to_string().contains("does not open this database"));
        assert!(matches!(Vault::unlock(db.clone(), keys(&[2])).await, Err(Error::MissingVersion(1))));
        assert!(Vault::unlock(db.clone(), keys(&[1, 2])).await.is_ok());
        assert!(Vault::look(db.clone(), keys(&[1])).await.is_ok());
    }

    async fn keys_are_apart_by_workspace_purpose_and_day(db: Db) {
        let vault = unlock(&db).await;
        let base = key(&db, &vault, workspace(1), Purpose::Messages, day(0)).await;
        let later = day(0).plus(Duration::from_hours(23));
        assert_eq!(key(&db, &vault, workspace(1), Purpose::Messages, later).await.id(), base.id());
        let ids = [
            base.id(),
            key(&db, &vault, workspace(1), Purpose::Messages, day(1)).await.id(),
            key(&db, &vault, workspace(2), Purpose::Messages, day(0)).await.id(),
            key(&db, &vault, None, Purpose::Messages, day(0)).await.id(),
            key(&db, &vault, workspace(1), Purpose::Signals, day(0)).await.id(),
        ];
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        let config = key(&db, &vault, workspace(1), Purpose::Configuration, day(0)).await;
        assert_eq!(key(&db, &vault, workspace(1), Purpose::Configuration, day(5)).await.id(), config.id());
    }

    async fn the_cache_answers_without_the_store_once_a_key_is_on_disk(db: Db) {
        let vault = unlock(&db).await;
        assert!(vault.cached_key(workspace(1), Purpose::Messages, day(0)).is_none());
        let inside = vault.clone();
        db.write(move |tx| {
            inside.data_key(tx, workspace(1), Purpose::Messages, day(0))?;
            assert!(inside.cached_key(workspace(1), Purpose::Messages, day(0)).is_none(), "not before the commit");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        let cached = vault.cached_key(workspace(1), Purpose::Messages, day(0)).unwrap();
        let sealed = seal(&db, &cached, "hello");
        assert_eq!(open(&db, &vault, workspace(1), &sealed).await.unwrap(), "hello");
    }

    async fn a_key_whose_transaction_rolled_back_seals_nothing(db: Db) {
        let vault = unlock(&db).await;
        let inside = vault.clone();
        let failed: Result<(), Error> = db
            .write(move |tx| {
                inside.data_key(tx, workspace(1), Purpose::Messages, day(0))?;
                inside.index_key(tx, workspace(1), day(0))?;
                Err(Error::UnknownKey)
            })
            .await;
        assert!(failed.is_err());
        assert!(vault.cached_key(workspace(1), Purpose::Messages, day(0)).is_none());
        assert!(vault.cached_index_key(workspace(1), day(0)).is_none());
    }

    async fn a_value_opens_after_a_restart_and_in_its_own_workspace_only(db: Db) {
        let vault = unlock(&db).await;
        let sealed = seal(&db, &key(&db, &vault, workspace(1), Purpose::Messages, day(0)).await, "Disk full");
        let restarted = unlock(&db).await;
        assert_eq!(open(&db, &restarted, workspace(1), &sealed).await.unwrap(), "Disk full");
        for other in [workspace(2), None] {
            assert!(matches!(open(&db, &restarted, other, &sealed).await, Err(Error::Sealed)));
        }
        let unknown = sealed.replacen(".1.", ".999.", 1).replacen(".2.", ".999.", 1);
        assert!(matches!(open(&db, &restarted, workspace(1), &unknown).await, Err(Error::UnknownKey)));
        // The key of machine secrets and index keys open nothing, whoever names them.
        assert!(matches!(open(&db, &restarted, None, "v1.1.AAAAAAAAAAAAAAAA.AAAA").await, Err(Error::UnknownKey)));
    }

    /// data keys are renewed after 90 days and before 2^30 uses; what the old ones sealed stays readable.
    async fn x_22_worn_out_keys_get_successors(db: Db) {
        let vault = unlock(&db).await;
        let now = db.context().now();
        let first = key(&db, &vault, workspace(1), Purpose::Configuration, now).await;
        let sealed = seal(&db, &first, "secret");
        let fresh = unlock(&db).await;
        let later = now.plus(Duration::from_hours(24 * 91));
        let second = key(&db, &fresh, workspace(1), Purpose::Configuration, later).await;
        assert_ne!(first.id(), second.id());
        assert_eq!(open(&db, &fresh, workspace(1), &sealed).await.unwrap(), "secret");

        let daily = key(&db, &vault, workspace(1), Purpose::Messages, now).await;
        let id = daily.id();
        db.write(move |tx| tx.execute("UPDATE vault_keys SET uses = $1 WHERE id = $2", &params![1_i64 << 30, id]))
            .await
            .unwrap();
        let fresh = unlock(&db).await;
        assert_ne!(key(&db, &fresh, workspace(1), Purpose::Messages, now).await.id(), id);
    }

    async fn two_nodes_that_make_a_key_at_once_agree_on_one(db: Db) {
        let (one, two) = (unlock(&db).await, unlock(&db).await);
        for n in 0..10 {
            let (a, b) = tokio::join!(
                key(&db, &one, workspace(1), Purpose::Messages, day(n)),
                key(&db, &two, workspace(1), Purpose::Messages, day(n))
            );
            assert_eq!(a.id(), b.id());
            assert_eq!(open(&db, &two, workspace(1), &seal(&db, &a, "x")).await.unwrap(), "x");
        }
    }

    /// E-10: what a destroyed key sealed is gone for good, and says so.
    async fn e_10_a_destroyed_key_takes_its_data_along(db: Db) {
        let vault = unlock(&db).await;
        let old = seal(&db, &key(&db, &vault, workspace(1), Purpose::Messages, day(0)).await, "old");
        let new = seal(&db, &key(&db, &vault, workspace(1), Purpose::Messages, day(5)).await, "new");
        let foreign = seal(&db, &key(&db, &vault, workspace(2), Purpose::Messages, day(0)).await, "foreign");
        let config = seal(&db, &key(&db, &vault, workspace(1), Purpose::Configuration, day(0)).await, "config");
        assert_eq!(open(&db, &vault, workspace(1), &old).await.unwrap(), "old");
        let (before, destroyer) = (Day::from_number(day(3).day().number()), vault.clone());
        let destroyed = db
            .write(move |tx| {
                let messages = destroyer.destroy(tx, workspace(1), Destroy::DaysBefore(Purpose::Messages, before))?;
                let config = destroyer.destroy(tx, workspace(1), Destroy::DaysBefore(Purpose::Configuration, before))?;
                Ok::<_, Error>((messages, config))
            })
            .await
            .unwrap();
        assert_eq!(destroyed, (1, 0), "keys that are not daily do not end by the day");
        for reader in [&vault, &unlock(&db).await] {
            let error = open(&db, reader, workspace(1), &old).await.unwrap_err();
            assert!(matches!(error, Error::Destroyed), "{error}");
            assert_eq!(open(&db, reader, workspace(1), &new).await.unwrap(), "new");
            assert_eq!(open(&db, reader, workspace(2), &foreign).await.unwrap(), "foreign");
            assert_eq!(open(&db, reader, workspace(1), &config).await.unwrap(), "config");
        }
        // A late writer does not bring the day back to life.
        let sealer = vault.clone();
        let late = db.write(move |tx| sealer.data_key(tx, workspace(1), Purpose::Messages, day(0))).await;
        assert!(matches!(late, Err(Error::Destroyed)));
    }

    async fn the_blind_index_finds_by_workspace_and_month_until_it_is_destroyed(db: Db) {
        const NUMBER: &str = "+447700900117";
        let vault = unlock(&db).await;
        let index = |owner, at| {
            let vault = vault.clone();
            db.write(move |tx| vault.blind_index(tx, owner, at, NUMBER))
        };
        let here = index(workspace(1), day(0)).await.unwrap();
        assert_eq!(index(workspace(1), day(0)).await.unwrap(), here);
        let next_month = day(40);
        let later = index(workspace(1), next_month).await.unwrap();
        assert_ne!(later, here);
        assert_ne!(index(workspace(2), day(0)).await.unwrap(), here);
        assert_eq!(vault.cached_index_key(workspace(1), day(0)).unwrap().index(NUMBER), here);

        let searcher = unlock(&db).await;
        let search = || {
            let searcher = searcher.clone();
            db.read(move |tx| searcher.index_keys(tx, workspace(1)))
        };
        let found: Vec<_> = search().await.unwrap().iter().map(|(_, key)| key.index(NUMBER)).collect();
        assert_eq!(found, [later, here], "newest first");
        let destroyer = vault.clone();
        let before = Month::of(next_month);
        db.write(move |tx| destroyer.destroy(tx, workspace(1), Destroy::IndexBefore(before))).await.unwrap();
        assert_eq!(search().await.unwrap().len(), 1);
        assert!(vault.cached_index_key(workspace(1), day(0)).is_none());
    }

    async fn a_doctored_ring_does_not_open(db: Db) {
        let vault = unlock(&db).await;
        let one = key(&db, &vault, workspace(1), Purpose::Messages, day(0)).await;
        let two = key(&db, &vault, workspace(2), Purpose::Messages, day(0)).await;
        let sealed = seal(&db, &two, "x");
        let (from, to) = (one.id(), two.id());
        // One workspace's wrapped key in the row of another's.
        db.write(move |tx| {
            tx.execute(
                "UPDATE vault_keys SET wrapped = (SELECT wrapped FROM vault_keys WHERE id = $1) WHERE id = $2",
                &params![from, to],
            )
        })
        .await
        .unwrap();
        assert!(matches!(open(&db, &unlock(&db).await, workspace(2), &sealed).await, Err(Error::Sealed)));
    }
}

/// What sealing costs, printed for a look (`cargo test -p vault -- --ignored --nocapture`): the hot path pays it
/// twice a message.
#[test]
#[ignore = "a measurement, not a check"]
fn sealing_a_text_takes_about_a_microsecond() {
    let key = DataKey::new(1, workspace(1), &[7; 32]).unwrap();
    let ctx = Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance));
    let row = MessageId::from(Uuid::from_u128(1)).to_string();
    let start = ctx.monotonic();
    for _ in 0..100_000 {
        let aad = Aad { table: "messages", column: "text", row: &row };
        std::hint::black_box(key.seal(ctx.chance(), &aad, &[b'x'; 80]));
    }
    println!("{:?} a seal", ctx.monotonic().saturating_sub(start) / 100_000);
    let seeded = SeededChance::new(1);
    let start = ctx.monotonic();
    for _ in 0..100_000 {
        std::hint::black_box(key.seal(&seeded, &PLACE, &[b'x'; 80]));
    }
    println!("{:?} a seal without the cost of randomness", ctx.monotonic().saturating_sub(start) / 100_000);
}
