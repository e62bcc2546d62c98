//! Power loss, on SQLite (F-04): one run under load is recorded call by call, and for many moments of it the files are made as a disk may
//! hold them then: without what was not synced, or with any part of that in any order. What had been promised by that moment is in the
//! store that starts on these files, reaches the carrier, and the audit chain verifies (I1, I2, I6).
//!
//! Moments are right after a promise, where a yes before its sync would show, and anywhere else, checkpoints included. PostgreSQL keeps
//! this promise by itself as long as nobody turns `synchronous_commit` or `fsync` off.

use std::path::Path;
use std::time::Duration;

use base::{Chance as _, SeededChance, Timestamp};
use loudhailer::product::context;
use testkit::{Record, Unsynced, recorded};

use super::house::{Application, Door, House, Promised};

/// Messages on each door, in each of two runs.
const MESSAGES: u32 = 30;
/// Moments at which power goes.
const SHORT: u32 = 20;
const LONG: u32 = 200;
/// The database's files; the second may be there or not.
const DATABASE: [&str; 2] = ["loudhailer.db", "loudhailer.db-wal"];
/// What lies beside them and does not change.
const BESIDE: [&str; 5] = ["loudhailer.toml", "loudhailer.keys", "ca.pem", "server.pem", "server.key"];

#[tokio::test(flavor = "multi_thread")]
async fn f_04_nothing_promised_is_lost_when_power_goes() {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let seed = std::env::var("LOUDHAILER_PROOF_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("again: LOUDHAILER_PROOF_SEED={seed}");
    let chance = SeededChance::new(seed);
    let house = House::make(None).await;
    let path = |name: &str| house.path().join(name);
    let before = tempfile::tempdir().unwrap();
    let copy = |names: &[&str], from: &Path, to: &Path| {
        for name in names {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    let there: Vec<&str> = DATABASE.into_iter().filter(|name| path(name).exists()).collect();
    copy(&there, house.path(), before.path());

    // Twice: an orderly end in the middle has a checkpoint and the end of a log in it.
    let mut text = String::new();
    for (number, first) in [("record-1", true), ("record-2", false)] {
        let mut server = house.start(&mut recorded(&house.serving(house.path()), &path(number))).await;
        load(&house, number).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if first {
            assert!(server.terminate(Duration::from_secs(30)), "the server ends in order");
        } else {
            server.kill_9();
        }
        text += &written(&path(number), server.id()).await;
    }
    let end = context().now();
    let record = Record::read(&text, house.path(), &there);
    let promised = house.promised.lock().unwrap().clone();
    println!("{} steps with {} syncs, {} promised", record.len(), record.syncs(), promised.len());
    assert!(text.contains("unlink"), "the log was written back and removed");
    assert!(record.syncs() > 20 && promised.len() == 4 * MESSAGES as usize);

    let moments: Vec<i64> = promised.values().map(|(_, at)| at.as_micros()).collect();
    for number in 0..if super::in_full() { LONG } else { SHORT } {
        let any = |length: usize| chance.below(u32::try_from(length).unwrap()) as usize;
        let cut = match number % 2 {
            0 => record.until(moments[any(moments.len())]),
            _ => 1 + any(record.len()),
        };
        let unsynced = match number % 3 {
            0 => Unsynced::Torn(4096),
            1 => Unsynced::Dropped,
            _ => Unsynced::Torn(512),
        };
        let home = tempfile::tempdir().unwrap();
        copy(&there, before.path(), home.path());
        copy(&BESIDE, house.path(), home.path());
        record.lose_power(cut, home.path(), unsynced, &chance);
        let moment = record.moment(cut);
        let known = |at: &Timestamp| at.as_micros() < moment;
        let by_then: Promised =
            promised.iter().filter(|(_, (_, at))| known(at)).map(|(id, one)| (id.clone(), one.clone())).collect();
        println!("power goes before step {cut}, {unsynced:?}: {} promised", by_then.len());
        let begun = context().now();
        let server = house.start(&mut house.serving(home.path())).await;
        // What the carrier took between, in the rest of the first history and in those before this one, did not happen.
        let other = (Timestamp::from_micros(moment).min(end), begun);
        let said = house.books(&by_then, home.path(), Some(other)).await;
        println!("  {said}");
        drop(server);
    }
    house.end().await;
}

/// The record, once strace has written the end of the process into it, which comes after the ends of its threads.
async fn written(path: &Path, process: u32) -> String {
    let process = process.to_string();
    testkit::eventually("the record ends", || async {
        let text = std::fs::read_to_string(path).ok()?;
        let last = |line: &str| line.split_once(' ').is_some_and(|(id, rest)| id == process && rest.contains(" +++"));
        text.lines().any(last).then_some(text)
    })
    .await
}

/// Both doors at once, each with some in flight.
async fn load(house: &House, name: &str) {
    let (rest, smpp) = (Application::connect(house, Door::Rest).await, Application::connect(house, Door::Smpp).await);
    let one_door = |application: Application, door: Door| async move {
        let application = &application;
        for batch in 0..MESSAGES / 6 {
            let sending = (0..6).map(|one| async move {
                let number = batch * 6 + one;
                assert!(application.send(house, &format!("{name} {door:?} {number}"), number).await);
            });
            futures_util::future::join_all(sending).await;
        }
    };
    tokio::join!(one_door(rest, Door::Rest), one_door(smpp, Door::Smpp));
}
