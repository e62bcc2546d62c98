//! Icinga 2 from the distribution with the notification command that we ship: a service goes critical and recovers.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use testkit::{Icinga, free_port};

use super::stage::{Stage, settings, shipped};

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_check_that_fails_pages_and_one_that_recovers_resolves() {
        super::proof(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_check_that_fails_pages_and_one_that_recovers_resolves() {
        let database = crate::postgres().await;
        super::proof(Some(database.text())).await;
    }
}

async fn proof(database: Option<String>) {
    let stage = Stage::start("icinga2", database.as_deref()).await;
    let icinga = Icinga::prepare();
    let ca = icinga.copy(&stage.ca(), "loudhailer-ca.pem", 0o644);
    let script = icinga.copy(&shipped("contrib/icinga2/loudhailer-notify"), "loudhailer-notify", 0o755);
    settings(&icinga.path("loudhailer.curl"), &stage, &ca);
    icinga.own("loudhailer.curl");
    let config = std::fs::read_to_string(shipped("contrib/icinga2/loudhailer.conf")).unwrap();
    let config = config.replace("/etc/icinga2/scripts/loudhailer-notify", &script.display().to_string());
    let settings = icinga.path("loudhailer.curl").display().to_string();
    let icinga = icinga.start(&config, &[("LOUDHAILER_SETTINGS", &settings)]);

    icinga.fail("CRITICAL: \"replication\" lags 42 s \\ limit 30 s | lag=42s;;30");
    stage.text(&["replication on db-1 is CRITICAL: CRITICAL: \"replication\" lags 42 s \\ limit 30 s. Answer"]).await;
    icinga.recover();
    stage.text(&["esolved", "replication on db-1 is CRITICAL"]).await;
}

/// The exit codes that the script promises; its secret is not on any command line because it never leaves its file (14.2.1).
#[tokio::test(flavor = "multi_thread")]
async fn the_script_says_how_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("loudhailer.curl");
    let notify = |event: &[(&str, &str)]| {
        let mut command = Command::new(shipped("contrib/icinga2/loudhailer-notify"));
        command.env("LOUDHAILER_SETTINGS", &file).env("LOUDHAILER_PATIENCE", "1").envs(event.iter().copied());
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let event = [("ICINGA_TYPE", "PROBLEM"), ("ICINGA_HOST", "db-1"), ("ICINGA_STATE", "DOWN")];
    let (code, said) = notify(&event);
    assert_eq!(code, 64, "{said}");
    std::fs::write(&file, format!("url = \"http://127.0.0.1:{}/signals/x\"\n", free_port())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = notify(&event);
    assert!(code == 64 && said.contains("chmod 600"), "{code} {said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = notify(&[]);
    assert!(code == 64 && said.contains("ICINGA_TYPE"), "{code} {said}");
    let (code, said) = notify(&event);
    assert!(code == 2 && said.contains("gave up"), "{code} {said}");

    let answers = testkit::Answers::start(&[503, 429, 202, 401]);
    std::fs::write(&file, format!("url = \"{}/signals/x\"\n", answers.url())).unwrap();
    let mut patient = Command::new(shipped("contrib/icinga2/loudhailer-notify"));
    patient.env("LOUDHAILER_SETTINGS", &file).env("LOUDHAILER_PATIENCE", "10").envs(event);
    assert_eq!(patient.status().unwrap().code(), Some(0), "503 and 429 pass");
    assert_eq!(answers.count(), 3);
    let (code, said) = notify(&event);
    assert!(code == 1 && said.contains("status 401"), "{code} {said}");
    assert_eq!(answers.count(), 4, "a refusal is not tried again");
}
