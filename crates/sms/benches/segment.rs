//! What a text costs on the hot path, where a whole message has 25 µs.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sms::{Choice, Number, ReceiptText, count, segment};

fn texts(criterion: &mut Criterion) {
    let short = "Disk full on db-1: 98 % of /var used. Reply 1 to take it, 2 to pass it on.";
    let long = "[critical] {latency} of checkout > 2 s for 5 min; ".repeat(12);
    let wide = "Kritik uyarı: ödeme servisi yanıt vermiyor 🔥 ".repeat(6);
    for (name, text) in [("short", short), ("long", &long), ("wide", &wide)] {
        criterion.bench_function(&format!("count {name}"), |bench| bench.iter(|| count(black_box(text), Choice::Auto)));
        criterion.bench_function(&format!("segment {name}"), |bench| {
            bench.iter(|| segment(black_box(text), Choice::Auto, 7, false));
        });
    }
    criterion.bench_function("number", |bench| bench.iter(|| Number::parse(black_box("+447700900117"), None)));
    let receipt = "id:0123456789 sub:001 dlvrd:001 submit date:2610230112 done date:2610230112 stat:DELIVRD err:000 text:Disk full";
    criterion.bench_function("receipt text", |bench| bench.iter(|| ReceiptText::parse(black_box(receipt))));
}

criterion_group!(benches, texts);
criterion_main!(benches);
