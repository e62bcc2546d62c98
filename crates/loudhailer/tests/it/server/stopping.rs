//! SIGTERM under load, three times: every answer that was begun is finished, carriers are unbound, and every signal that was
//! answered 202 ends as exactly one text (E-31; rules 1 and 3 of the house).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Operated, send};

/// Signals a second.
const RATE: u64 = 100;
/// How long the server runs between two requests to stop.
const TURN: Duration = Duration::from_secs(3);
/// The promise: doors 20 s, what is behind them 30 s.
const LIMIT: Duration = Duration::from_secs(50);

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn stopping_under_load_loses_and_repeats_nothing() {
        super::under_load(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn stopping_under_load_loses_and_repeats_nothing() {
        let database = crate::postgres().await;
        super::under_load(Some(database.text())).await;
    }
}

async fn under_load(database: Option<String>) {
    let _alone = crate::ALONE.lock().await;
    let operated = Arc::new(Operated::make(database).await);
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let over = Arc::new(AtomicBool::new(false));
    let mut server = operated.start(&[]);
    operated.ready().await;
    let load = tokio::spawn(load(Arc::clone(&operated), Arc::clone(&accepted), Arc::clone(&over)));
    for _ in 0..3 {
        tokio::time::sleep(TURN).await;
        let ended = tokio::task::spawn_blocking(move || server.terminate(LIMIT)).await.unwrap();
        assert!(ended, "it ended well and in time: {}", operated.log());
        server = operated.start(&[]);
        operated.ready().await;
    }
    tokio::time::sleep(TURN).await;
    over.store(true, Ordering::Relaxed);
    load.await.unwrap();

    let accepted = accepted.lock().await.clone();
    assert!(accepted.len() as u64 > RATE * 3, "the load was real: {} accepted", accepted.len());
    let mut still = 0;
    let counts = loop {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in simulator::ledger::read(&operated.path("ledger.jsonl")).unwrap() {
            if let Some(name) = entry.text.find("S-").and_then(|at| entry.text.get(at..at + 8)) {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        if accepted.iter().all(|name| counts.contains_key(name)) {
            break counts;
        }
        still += 1;
        assert!(still < 60, "{} of {} accepted signals are texts: {}", counts.len(), accepted.len(), operated.log());
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "an orderly end repeats nothing: {twice:?}");
    assert!(server.terminate(LIMIT));
    operated.audit_is_whole();
    assert!(!operated.log().contains("did not end in time"), "{}", operated.log());
}

/// A steady pace, whatever becomes of each request; keeps the names of those that were answered 202.
async fn load(operated: Arc<Operated>, accepted: Arc<Mutex<BTreeSet<String>>>, over: Arc<AtomicBool>) {
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let mut sending = JoinSet::new();
    for number in 0.. {
        pace.tick().await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (operated, accepted) = (Arc::clone(&operated), Arc::clone(&accepted));
        sending.spawn(async move {
            let name = format!("S-{number:06}");
            if operated.signal(&name, number).await {
                accepted.lock().await.insert(name);
            }
        });
    }
    while sending.join_next().await.is_some() {}
}

/// `/readyz` says so first, while requests are served all the same; then the port is shut, and the process ends with 0.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_ends_before_the_door_is_shut() {
    let operated = Operated::make(None).await;
    operated.replace_in_config("# stop_delay_seconds = 10", "stop_delay_seconds = 3");
    let mut server = operated.start(&[]);
    operated.ready().await;
    send(&server, Signal::TERM);
    testkit::eventually("it is not ready any more", || async {
        (operated.status("/readyz").await == Some(503)).then_some(())
    })
    .await;
    assert_eq!(operated.status("/healthz").await, Some(200), "it is alive");
    assert!(operated.signal("late", 1).await, "and serves until the door is shut");
    let ended = tokio::task::spawn_blocking(move || server.wait(LIMIT)).await.unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{}", operated.log());
    let address = operated.site.base.trim_start_matches("https://");
    assert!(TcpStream::connect(address).await.is_err());
}

/// Who asks twice will not wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_leaves_at_once() {
    let operated = Operated::make(None).await;
    operated.replace_in_config("# stop_delay_seconds = 10", "stop_delay_seconds = 60");
    let mut server = operated.start(&[("LOUDHAILER_LOG_LEVEL", "info")]);
    operated.ready().await;
    send(&server, Signal::TERM);
    operated.logged("stopping").await;
    send(&server, Signal::INT);
    let ended = tokio::task::spawn_blocking(move || server.wait(Duration::from_secs(5))).await.unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    operated.logged("a second signal").await;
}
