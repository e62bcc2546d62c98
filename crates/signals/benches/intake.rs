//! The signal door: reading a body, the mapping of a group of ten alerts, and the whole acceptance up to the commit.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sandbox::{DEADLINE, Sandbox};
use serde_json::{Value as Json, json};
use signals::bare;
use store::Dialect;
use tokio::runtime::Runtime;

#[allow(dead_code, reason = "the tests use what the bench does not")]
#[path = "../tests/it/world.rs"]
mod world;

/// Senders at once; each waits for its answer.
const SENDERS: u64 = 64;

/// The rooms below, with their tables.
const ROOMS: &[store::Migrations] = &[
    access::MIGRATIONS,
    audit::MIGRATIONS,
    vault::MIGRATIONS,
    resources::MIGRATIONS,
    identity::MIGRATIONS,
    flows::MIGRATIONS,
    signals::MIGRATIONS,
    world::PAGES,
];

/// What Alertmanager posts for a group of ten.
fn group() -> Json {
    let alert = |number: usize| {
        json!({
            "status": if number.is_multiple_of(3) { "resolved" } else { "firing" },
            "labels": { "alertname": "DiskFull", "severity": "page", "host": format!("db-{number}"), "team": "storage" },
            "annotations": { "summary": format!("Disk full on db-{number}"), "description": "97 % of /var is used" },
            "startsAt": "2026-10-23T01:12:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph", "fingerprint": format!("{number:016x}"),
        })
    };
    json!({
        "version": "4", "status": "firing", "receiver": "loudhailer", "groupKey": "{}:{alertname=\"DiskFull\"}",
        "externalURL": "http://alertmanager.example:9093", "alerts": (0..10).map(alert).collect::<Vec<_>>(),
    })
}

fn reading(criterion: &mut Criterion) {
    let body = serde_json::to_vec(&group()).unwrap();
    let xml = format!(
        "<?xml version=\"1.0\"?><alerts>{}</alerts>",
        "<alert id=\"7\"><title>Disk full on db-1</title><host name=\"db-1\">97 &#37; &amp; rising</host></alert>"
            .repeat(30)
    );
    let mut reading = criterion.benchmark_group("read");
    reading.throughput(Throughput::Bytes(body.len() as u64));
    reading.bench_function("JSON, ten alerts", |bench| bench.iter(|| bare::json(black_box(&body)).unwrap()));
    reading.throughput(Throughput::Bytes(xml.len() as u64));
    reading.bench_function("XML, thirty alerts", |bench| bench.iter(|| bare::xml(black_box(xml.as_bytes())).unwrap()));
    reading.finish();
}

fn mapping(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (sandbox, payload) = (Sandbox::in_this_process(), group());
    criterion.bench_function("map a group of ten", |bench| {
        bench.iter(|| {
            let task = bare::task("alertmanager", black_box(payload.clone())).unwrap();
            let rows = runtime.block_on(sandbox.task(task, DEADLINE));
            assert_eq!(bare::events("alertmanager", rows), 10);
        });
    });
}

/// A world whose sources may send as fast as they can, spread over as many integrations as senders.
async fn fast_world(fresh: &testdb::Fresh) -> world::World {
    use std::fmt::Write as _;
    let world = world::World::new(fresh.open().await).await;
    let mut file = world::FILE.to_owned();
    for sender in 0..SENDERS {
        let _ = writeln!(
            file,
            "  - {{workspace: demo, name: bench-{sender}, flow: page, rate_per_minute: 60000, token: {{env: imported-token-of-the-bench-0001}}}}"
        );
    }
    world.apply(&file).await.unwrap();
    world
}

/// Time a signal, with so many under way at once that commits are shared.
fn accepting(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let body = json!({ "key": "db-1/disk", "title": "Disk full on db-1", "priority": "high" }).to_string();
    let (world, requests, _fresh) = runtime.block_on(async {
        let fresh = testdb::fresh(Dialect::Sqlite, ROOMS).await;
        let world = fast_world(&fresh).await;
        let mut requests = Vec::new();
        for sender in 0..SENDERS {
            let token = world::url("imported-token-of-the-bench-0001");
            requests.push(world.request(&format!("bench-{sender}"), token, &body).await);
        }
        (Arc::new(world), requests, fresh)
    });
    let mut group = criterion.benchmark_group("accept");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one of 64 at once, SQLite", |bench| {
        bench.iter_custom(|count| runtime.block_on(accept(&world, &requests, count)));
    });
    group.finish();
}

async fn accept(world: &Arc<world::World>, requests: &[signals::Request], count: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(count));
    // The bench is what measures; rooms never read the clock themselves.
    #[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for request in requests {
        let (world, request, left) = (Arc::clone(world), request.clone(), Arc::clone(&left));
        senders.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                world.signals.accept(request.clone()).await.expect("accepted");
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}

criterion_group!(benches, reading, mapping, accepting);
criterion_main!(benches);
