//! `/healthz` and `/readyz` when the database goes away and comes back.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use testkit::{Relay, eventually};

use super::Operated;

async fn becomes(operated: &Operated, status: u16) {
    eventually(&format!("readyz says {status}"), || async {
        (operated.status("/readyz").await == Some(status)).then_some(())
    })
    .await;
}

fn part<'a>(parts: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    parts["parts"].as_array().unwrap().iter().find(|part| part["part"] == name).unwrap()
}

/// Another process holds the file's write lock: nothing can be kept, so the node is not ready; a new process could keep nothing
/// either, so it is alive.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_locked_file_is_not_ready() {
    let operated = Operated::make(None).await;
    let _server = operated.start(&[]);
    operated.ready().await;
    let parts = operated.parts().await;
    for name in ["database", "carriers", "templates", "certificate"] {
        assert_eq!(part(&parts, name)["ready"], true, "{parts}");
    }
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  c.execute('PRAGMA busy_timeout=10000')\nc.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(operated.path("loudhailer.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    becomes(&operated, 503).await;
    assert_eq!(operated.status("/healthz").await, Some(200));
    assert_eq!(operated.text("/readyz").await, "not ready\n");
    let parts = operated.parts().await;
    assert_eq!(part(&parts, "database")["ready"], false, "{parts}");
    assert_eq!(part(&parts, "database")["alive"], true, "{parts}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    becomes(&operated, 200).await;
}

/// The network to PostgreSQL is cut, and mended.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_server_out_of_reach_is_not_ready() {
    let database = crate::postgres().await;
    let (relay, url) = Relay::before_postgres(&database.text());
    let operated = Operated::make(Some(url)).await;
    let _server = operated.start(&[]);
    operated.ready().await;
    relay.cut();
    becomes(&operated, 503).await;
    assert_eq!(operated.status("/healthz").await, Some(200));
    assert!(!operated.text("/readyz").await.contains("postgres"), "strangers learn one word");
    relay.mend();
    becomes(&operated, 200).await;
    operated.logged("not ready").await;
}
