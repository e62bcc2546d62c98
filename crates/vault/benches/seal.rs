//! What each field pays on its way to disk and back: sealing and opening 256 bytes, and the blind index of a number.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use store::Dialect;
use vault::{Aad, KeyFile, Purpose, Vault};

const PLACE: Aad<'static> = Aad { table: "messages", column: "text", row: "0199e2b8-0000-7000-8000-000000000017" };

fn fields(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (key, index, context, _fresh) = runtime.block_on(async {
        let fresh = testdb::fresh(Dialect::Sqlite, &[vault::MIGRATIONS]).await;
        let db = fresh.open().await;
        let keys = KeyFile::parse("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let vault = Vault::unlock(db.clone(), keys).await.unwrap();
        let now = db.context().now();
        let keys = db.write(move |tx| {
            let key = vault.data_key(tx, None, Purpose::Messages, now)?;
            Ok::<_, vault::Error>((key, vault.index_key(tx, None, now)?))
        });
        let (key, index) = keys.await.unwrap();
        (key, index, db.context().clone(), fresh)
    });
    let plain = [b'x'; 256];
    let sealed = key.seal(context.chance(), &PLACE, &plain);
    let mut group = criterion.benchmark_group("256 bytes");
    group.throughput(Throughput::Bytes(256));
    group.bench_function("seal", |bench| bench.iter(|| key.seal(context.chance(), &PLACE, black_box(&plain))));
    group.bench_function("open", |bench| bench.iter(|| key.open(&PLACE, black_box(&sealed)).unwrap()));
    group.finish();
    criterion.bench_function("blind index of a number", |bench| bench.iter(|| index.index(black_box("447700900117"))));
}

criterion_group!(benches, fields);
criterion_main!(benches);
