//! What a flow's text and condition cost, the way to a locked-down worker and back included.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sandbox::{DEADLINE, Mode, Piece, Sandbox, Syntax, Task, WorkerCommand, check};
use serde_json::json;

const TEMPLATE: &str = "{{ event.title }} on {{ event.fields.labels.host | upper }}: {{ event.text | truncate(80) }}";

fn templates(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(WorkerCommand::new(env!("CARGO_BIN_EXE_sandbox-worker"), [] as [&str; 0]));
    runtime.block_on(sandbox.warm()).unwrap();
    let context = json!({ "event": {
        "title": "Disk full", "status": "firing", "text": "97 % of /var used, 99 % by midnight. ".repeat(4),
        "fields": { "labels": { "host": "db-1", "severity": "page", "alertname": "DiskFull" } },
    } });
    criterion.bench_function("render a text", |bench| {
        bench.iter(|| runtime.block_on(sandbox.render(black_box(TEMPLATE), &context)).unwrap());
    });
    criterion.bench_function("evaluate a condition", |bench| {
        bench.iter(|| runtime.block_on(sandbox.evaluate(black_box("event.status == 'firing'"), &context)).unwrap());
    });
    let pieces: Vec<Piece> = (0..8).map(|_| Piece::new(Mode::Value, TEMPLATE)).collect();
    criterion.bench_function("a task of eight texts", |bench| {
        bench.iter(|| {
            let task = Task::new(context.clone(), pieces.clone());
            runtime.block_on(sandbox.task(black_box(task), DEADLINE)).unwrap()
        });
    });
    criterion.bench_function("check a template", |bench| {
        bench.iter(|| check(Syntax::Template, black_box(TEMPLATE)));
    });
}

criterion_group!(benches, templates);
criterion_main!(benches);
