//! What was acknowledged is there after the process was killed, whatever it was doing (controls E-31, F-01).

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use base::Timestamp;
use store::{Db, Error, Migration, Migrations, Options, params};

const ROOM: Migrations = Migrations {
    room: "acks",
    steps: &[Migration {
        version: 1,
        name: "acks",
        sql: "CREATE TABLE acks (id BIGINT PRIMARY KEY, at BIGINT NOT NULL);",
    }],
};

const CHILD: &str = "STORE_TEST_CHILD_DATABASE";

/// Not a test of its own: the process that the next one kills. It writes rows as fast as it can from many tasks, and
/// prints the number of each row once its write is answered.
#[test]
fn child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Db::open(Options::new(url.parse().unwrap()), testdb::context()).await.unwrap();
        db.migrate(&[ROOM]).await.unwrap();
        let from: i64 = db
            .read(|tx| tx.query_one("SELECT COALESCE(MAX(id), 0) FROM acks", &[], |row| row.get::<i64>(0)))
            .await
            .unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..32 {
            let db = db.clone();
            tasks.spawn(async move {
                for step in 0.. {
                    let id = from + 1 + lane + 32 * step;
                    db.write(move |tx| {
                        let now: Timestamp = tx.now();
                        tx.execute("INSERT INTO acks (id, at) VALUES ($1, $2)", &params![id, now])
                    })
                    .await
                    .unwrap();
                    println!("ack {id}");
                }
            });
        }
        tasks.join_next().await;
    });
}

testdb::both_databases! {
    async fn everything_acknowledged_survives_kill_9_e_31_f_01(fresh: testdb::Fresh) {
        let url = fresh.text();
        let mut acked = Vec::new();
        for round in 0..5_u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "durability::child", "--nocapture"])
                .env(CHILD, &url)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let output = child.stdout.take().unwrap();
            let (first, mut began) = tokio::sync::mpsc::unbounded_channel();
            let reader = std::thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok)
                    .filter_map(|line| line.strip_prefix("ack ").and_then(|id| id.parse::<i64>().ok()))
                    .inspect(|_| { let _ = first.send(()); })
                    .collect::<Vec<_>>()
            });
            // In the middle of its work, at another point of it each time.
            began.recv().await.unwrap();
            tokio::time::sleep(Duration::from_millis(150 + 130 * round)).await;
            child.kill().unwrap();
            child.wait().unwrap();
            acked.extend(tokio::task::spawn_blocking(move || reader.join().unwrap()).await.unwrap());
        }
        assert!(acked.len() > 100, "the child acknowledged only {} rows", acked.len());
        let db = fresh.open().await;
        let there: std::collections::HashSet<i64> =
            db.read(|tx| tx.query("SELECT id FROM acks", &[], |row| row.get::<i64>(0))).await.unwrap().into_iter().collect();
        let lost: Vec<&i64> = acked.iter().filter(|id| !there.contains(id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged rows are lost: {lost:?}", lost.len(), acked.len());
        println!("{}: {} rows acknowledged over 5 kills, all there", db.dialect(), acked.len());
        db.close().await;
    }
}

/// One process has the file; another is refused in words, may look, and may have it once it is free.
#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    let fresh = testdb::sqlite_url();
    let db = fresh.open().await;
    db.migrate(&[ROOM]).await.unwrap();
    let second = Db::open(Options::new(fresh.url().clone()), testdb::context()).await;
    let error = second.unwrap_err();
    assert!(matches!(error, Error::Locked(_)));
    assert!(error.to_string().contains("in use by another process"));
    db.write(|tx| tx.execute("INSERT INTO acks (id, at) VALUES (1, 0)", &[])).await.unwrap();
    let looking = Db::open(Options::new(fresh.url().clone()).shared(), testdb::context()).await.unwrap();
    let count = looking.read(|tx| tx.query_one("SELECT COUNT(*) FROM acks", &[], |row| row.get::<i64>(0))).await;
    assert_eq!(count.unwrap(), 1);
    assert!(looking.pending(&[ROOM]).await.unwrap().applied.is_empty());
    assert!(matches!(looking.write(|tx| tx.next_number("x")).await, Err(Error::ReadOnly)));
    drop(looking);
    // Dropping the last handle frees the file, too, a moment later.
    drop(db);
    let third = Db::open(Options::new(fresh.url().clone()), testdb::context()).await.unwrap();
    third.close().await;
    // Looking works beside nobody, too.
    let looking = Db::open(Options::new(fresh.url().clone()).shared(), testdb::context()).await.unwrap();
    assert_eq!(looking.job_counts().await.unwrap(), []);
}

/// Nobody but its owner can read the database, nor its journal.
#[tokio::test]
async fn the_files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = testdb::sqlite_url();
    let db = fresh.open().await;
    db.migrate(&[]).await.unwrap();
    let store::DatabaseUrl::Sqlite(path) = fresh.url() else { unreachable!() };
    let mut files = 0;
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        files += 1;
    }
    assert!(files >= 3, "database, journal and lock");
    db.close().await;
}

/// A missing directory is said in words that help.
#[tokio::test]
async fn a_file_that_cannot_be_is_refused_with_the_remedy() {
    let error = Db::open(Options::new("sqlite:/nowhere/x.db".parse().unwrap()), testdb::context()).await.unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/x.db") && error.to_string().contains("directory must exist"),
        "{error}"
    );
}
