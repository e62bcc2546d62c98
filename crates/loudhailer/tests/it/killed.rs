//! The second proof: 200 signals a second for a minute while the server is killed with SIGKILL five times, by the same code that
//! `loudhailer selftest` runs on a user's machine. Every signal that was answered 202 ends as a text in the simulated carrier's ledger;
//! none is there twice but those shown as unknown outcome; and no signal makes two alerts (E-31, E-33, X-04; faults F-01, F-02, F-12).

use std::time::Duration;

use loudhailer::selftest::{Plan, Voice, prove};

use crate::BINARY;

/// Signals a second.
const RATE: u64 = 200;
/// How long.
const SECONDS: u64 = 60;
/// How often the server is killed meanwhile.
const KILLS: u32 = 5;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn every_signal_that_was_accepted_ends_as_a_text() {
        super::proof(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn every_signal_that_was_accepted_ends_as_a_text() {
        let database = crate::postgres().await;
        super::proof(Some(database.text())).await;
    }
}

async fn proof(database: Option<String>) {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let plan = Plan {
        binary: BINARY.into(),
        database,
        messages: 0,
        signals: RATE * SECONDS,
        lasts: Duration::from_secs(SECONDS),
        kills: KILLS,
        seed: u64::from(std::process::id()),
        patience: Duration::from_mins(1),
    };
    let report = prove(&plan, false, &Voice::silent()).await.unwrap();
    println!("{report}");
    assert!(report.verdict.is_good(), "{report}");
    assert_eq!(report.recoveries.len(), KILLS as usize);
    assert!(report.signals > RATE * SECONDS / 4, "the load was real: {} accepted", report.signals);
}
