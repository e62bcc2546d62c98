//! The demo itself, started again on the same data.

use std::collections::BTreeMap;

use testkit::{Demo, eventually};

use crate::BINARY;
use crate::hands::Reader;

/// The carriers of the export, each as its lines stand there, by name.
async fn carriers(ada: &Reader) -> BTreeMap<String, String> {
    let (status, text) = ada.get("/api/v1/resources/export?kind=carriers").await;
    assert!(status.is_success(), "{text}");
    let entries = text.split("\n- ").skip(1).map(|entry| {
        let name = entry.lines().find_map(|line| line.trim().strip_prefix("name: ")).expect("a carrier has a name");
        (name.to_owned(), entry.trim_end().to_owned())
    });
    entries.collect()
}

/// A restart leads the simulated carrier to its new port and changes nothing else: neither what people changed about that carrier,
/// nor the carriers that they added, nor one they named like it elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_leaves_alone_what_people_changed_and_added() {
    let mut demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    let form = ada.page("/w/demo/carriers/sim-1/edit").await;
    let value = |name: &str| crate::hands::field(&form, name);
    let authority = crate::hands::between(&form, "name=\"tls_ca\"", "</textarea>").unwrap();
    let authority = authority.split_once('>').unwrap().1.to_owned();
    let (address, version) = (value("address"), value("version"));
    let common = [
        ("tls", "on"),
        ("bind", "transceiver"),
        ("on_unknown_outcome", "hold"),
        ("message_ids", "auto"),
        ("sessions", "1"),
        ("window", "33"),
        ("tls_name", "localhost"),
    ];
    let mut changed = vec![
        ("address", address.as_str()),
        ("version", &version),
        ("tls_ca", &authority),
        ("system_id", "loudhailer"),
        ("simulated", "on"),
    ];
    changed.extend(common);
    ada.done("/w/demo/carriers/sim-1/edit", &changed).await;
    let mut added =
        vec![("name", "own"), ("address", "smsc.example.com:3550"), ("system_id", "us"), ("password", "s3cret")];
    added.extend(common);
    ada.done("/w/demo/carriers/new", &added).await;
    let before = carriers(&ada).await;
    assert_eq!(before.len(), 2);

    let (again, ada) = tokio::task::spawn_blocking(move || {
        demo.restart();
        (demo, ada)
    })
    .await
    .unwrap();
    let after = carriers(&ada).await;
    assert_eq!(after["own"], before["own"], "whoever added it finds it as it was");
    let own = ada.page("/w/demo/carriers/own").await;
    assert!(!own.contains("the demo was started again"), "not even its history has an entry");
    let lines = |all: &BTreeMap<String, String>| -> Vec<String> {
        all["sim-1"].lines().filter(|line| !line.contains("address: ")).map(str::to_owned).collect()
    };
    assert_eq!(lines(&after), lines(&before), "what was changed stays");
    assert!(after["sim-1"].contains("window: 33") && after["sim-1"].contains("on_unknown_outcome: hold"));
    assert_ne!(after["sim-1"], before["sim-1"], "it listens elsewhere now");
    eventually("it is bound where it listens now", || async {
        ada.page("/w/demo/carriers/sim-1").await.contains(">Bound<").then_some(())
    })
    .await;
    drop(again);
}
