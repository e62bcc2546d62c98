//! `loudhailer selftest` as its users run it: a verdict with figures, and nothing left behind, whatever happened.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::BINARY;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn the_promise_holds_on_this_machine() {
        super::proof(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn the_promise_holds_on_this_machine() {
        let database = crate::postgres().await;
        super::proof(Some(database.text())).await;
    }
}

fn selftest(temporary: &Path, database: Option<&str>, more: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("selftest").args(more).env("TMPDIR", temporary);
    // An exported setting of somebody's own server changes nothing here.
    command.env("LOUDHAILER_SERVER_LISTEN", "192.0.2.1:1").env("LOUDHAILER_KEYS_FILE", "/nowhere");
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    command
}

fn left_in(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// E-31, E-33: run by anybody, on their own machine.
async fn proof(database: Option<String>) {
    let _alone = crate::ALONE.lock().await;
    let temporary = tempfile::tempdir().unwrap();
    let arguments = ["--json", "--messages", "120", "--signals", "120", "--kills", "2", "--seed", "11"];
    let output = selftest(temporary.path(), database.as_deref(), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    let report: Json = serde_json::from_str(&text).unwrap();
    println!("{report}");
    assert_eq!((&report["good"], &report["kills"], &report["seed"]), (&true.into(), &2.into(), &11.into()));
    assert_eq!(report["database"], if database.is_some() { "postgresql" } else { "sqlite" });
    assert!(report["accepted"].as_u64().unwrap() > 60, "{report}");
    assert!(report["delivered"].as_u64() >= report["accepted"].as_u64(), "{report}");
    assert!(said.contains("kill 1 at") && said.contains("kill 2 at"), "people see what happens: {said}");
    assert_eq!(left_in(temporary.path()), Vec::<String>::new(), "it cleans up");
}

/// Ctrl-C ends it at once, with everything that it started and made.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_nothing_behind() {
    let _alone = crate::ALONE.lock().await;
    let temporary = tempfile::tempdir().unwrap();
    let mut command = selftest(temporary.path(), None, &["--messages", "100", "--signals", "0", "--kills", "0"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    testkit::eventually("the server of the self-test writes its log", || async {
        let home = left_in(temporary.path()).pop()?;
        temporary.path().join(home).join("server.log").exists().then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped before there was a verdict"));
    assert_eq!(left_in(temporary.path()), Vec::<String>::new());
    let home = temporary.path().display().to_string();
    testkit::eventually("every process of it is gone", || async {
        let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
        let alive = processes.any(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(home.as_str()))
        });
        (!alive).then_some(())
    })
    .await;
}

#[test]
fn what_cannot_be_is_said() {
    let temporary = tempfile::tempdir().unwrap();
    let check = |more: &[&str], words: &str| {
        let output = selftest(temporary.path(), None, more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{more:?}: {said}");
    };
    check(&["--messages", "0", "--signals", "0"], "nothing to send");
    check(&["--database", "sqlite:x.db"], "wants postgres://");
    check(&["--messages", "many"], "invalid value");
    assert_eq!(left_in(temporary.path()), Vec::<String>::new());
}
