//! Killed at every system call between an application's request and the carrier's answer (F-01): each call in turn is the one that never
//! happened, and after the restart everything that was promised is at the carrier, once, or shown as an unknown outcome (I1, I2).
//!
//! The short form takes the calls that write to disk and network; the long one, of `make proof`, takes every call that a first, unharmed
//! message is seen to make, waits and wake-ups included.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use testkit::Tracer;

use super::house::{Application, Door, House};

/// Calls that change something outside of the process, and which of them the short form takes: each, or each so many.
const WRITING: [(&str, u32); 6] =
    [("pwrite64", 5), ("fsync", 1), ("fdatasync", 1), ("sendto", 3), ("writev", 1), ("write", 3)];
/// How long a process that is not killed is watched after its message is over.
const AFTER: Duration = Duration::from_millis(400);
/// A number that no message reaches; a test that came here would never end.
const MOST: u32 = 400;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn e_31_nothing_promised_is_lost_at_any_call() {
        super::proof(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn e_31_nothing_promised_is_lost_at_any_call() {
        let database = crate::postgres().await;
        super::proof(Some(database.text())).await;
    }
}

async fn proof(database: Option<String>) {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let full = super::in_full();
    let house = House::make(database).await;
    let (mut kills, mut unharmed) = (0, 0);
    for door in [Door::Rest, Door::Smpp] {
        let calls = if full {
            seen(&house, door).await
        } else {
            WRITING.map(|(call, stride)| (call.to_owned(), stride)).into()
        };
        for (call, stride) in calls {
            let mut number = 1;
            while killed(&house, door, &call, number).await {
                kills += 1;
                number += stride;
                assert!(number < MOST, "{call} never ends");
            }
            unharmed += 1;
            println!("{door:?} {call}: killed up to its {number}th");
        }
    }
    let server = house.start(&mut house.serving(house.path())).await;
    let promised = house.promised.lock().unwrap().clone();
    let said = house.books(&promised, house.path(), None).await;
    println!("{kills} kills, {unharmed} messages unharmed: {said}");
    assert!(kills >= 10, "{kills} kills");
    // A kill before the commit promises nothing; those after it are why this test is here.
    let cut_off = promised.len() - unharmed;
    assert!(cut_off >= 2, "in {cut_off} of {kills} cases the server was killed after it had promised");
    drop(server);
    house.end().await;
}

/// Sends one message to a server that is killed when it enters `call` for the `number`-th time. Whether it was.
async fn killed(house: &House, door: Door, call: &str, number: u32) -> bool {
    let mut server = house.start(&mut house.serving(house.path())).await;
    let application = Application::connect(house, door).await;
    let name = format!("{door:?} {call} {number}");
    let tracer = Tracer::killing(server.id(), call, number);
    let sent = application.send(house, &name, number).await;
    // As far as the carrier, and the outcome as far as the disk.
    let mut gone = None;
    for _ in 0..100 {
        gone = server.wait(Duration::from_millis(50));
        if gone.is_some() || (sent && house.at_carrier(None).contains_key(&name)) {
            break;
        }
    }
    let gone = gone.or_else(|| server.wait(AFTER));
    drop(tracer);
    // A tracer that hung kept the process from being gone.
    let gone = gone.or_else(|| server.wait(Duration::from_millis(50)));
    server.kill_9();
    gone.is_some()
}

/// The calls that one message makes.
async fn seen(house: &House, door: Door) -> BTreeMap<String, u32> {
    let mut server = house.start(&mut house.serving(house.path())).await;
    let application = Application::connect(house, door).await;
    let record = house.path().join("calls");
    let tracer = Tracer::attach(server.id(), &["-o", record.to_str().unwrap()]);
    assert!(application.send(house, &format!("{door:?} seen"), 0).await);
    tokio::time::sleep(AFTER).await;
    drop(tracer);
    server.kill_9();
    let lines = std::fs::read_to_string(record).unwrap();
    let call = |line: &str| Some(line.split_once(' ')?.1.trim_start().split_once('(')?.0.to_owned());
    let calls: BTreeSet<String> = lines.lines().filter_map(call).filter(|call| !call.starts_with("<...")).collect();
    println!("{door:?} makes {calls:?}");
    assert!(calls.contains("futex") && calls.contains("epoll_wait"), "{calls:?}");
    calls.into_iter().map(|call| (call, 1)).collect()
}
