//! The command line as people and scripts use it: exit codes, one clear line when something fails, nothing overwritten.

use std::process::{Command, Output};

use crate::BINARY;

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).env_remove("LOUDHAILER_URL").env_remove("LOUDHAILER_TOKEN").output().unwrap()
}

fn failed(arguments: &[&str], code: i32, words: &str) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?} should say {words:?}: {said}");
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for wanted in [
        "demo",
        "init",
        "serve",
        "apply",
        "export",
        "history",
        "setup-link",
        "simulator",
        "send",
        "signal",
        "migrate",
        "check",
        "keys",
        "selftest",
    ] {
        assert!(commands.contains(&wanted), "{wanted} is among {commands:?}");
    }
    for command in commands.iter().filter(|command| !["help", "audit"].contains(command)) {
        let output = run(&[command, "--help"]);
        assert!(output.status.success(), "{command}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("loudhailer {command}")) && text.contains("Example"), "{command}: {text}");
    }
}

#[test]
fn wrong_usage_is_2_and_failure_is_1_with_one_clear_line() {
    failed(&["nonsense"], 2, "unrecognized subcommand");
    failed(&["serve"], 2, "--config");
    failed(&["serve", "--config", "/nowhere/loudhailer.toml"], 1, "cannot read /nowhere/loudhailer.toml");
    failed(&["apply", "-f", "/nowhere/x.yaml"], 1, "/nowhere/x.yaml");
    failed(&["demo", "--listen", "0.0.0.0:0", "--data", "/nowhere"], 1, "say --expose if that is meant");
    failed(&["simulator", "--listen", "127.0.0.1:0"], 1, "--allow-plaintext");
    failed(&["signal", "--url", "http://localhost/signals/x", "title=x"], 1, "is not an https:// address");
}

/// an installation begins without any credential, and `init` overwrites nothing.
#[test]
fn an_installation_is_made_checked_and_gets_a_set_up_link() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let root = dir.path().display().to_string();
    assert!(run(&["init", "--dir", &root, "--self-signed", "localhost"]).status.success());
    failed(&["init", "--dir", &root], 1, "is already there and is never overwritten");
    let config = path("loudhailer.toml");
    let migrated = run(&["migrate", "--config", &config]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let checked = run(&["check", "--config", &config]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let link = String::from_utf8(run(&["setup-link", "--config", &config]).stdout).unwrap();
    assert!(link.starts_with("https://localhost:8443/setup#"), "{link}");

    let text = std::fs::read_to_string(path("loudhailer.toml")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text =
        text.replace("0.0.0.0:8443", "127.0.0.1:0").replace("0.0.0.0:2776", &taken.local_addr().unwrap().to_string());
    std::fs::write(path("smpp.toml"), &text).unwrap();
    failed(&["serve", "--config", &path("smpp.toml")], 1, "(smpp.listen_tls)");
    std::fs::write(path("smpp.toml"), text.replace("listen_tls = \"", "listen_tls = \"port ")).unwrap();
    failed(&["serve", "--config", &path("smpp.toml")], 1, "an address such as 0.0.0.0:2776 is expected, or off");

    std::fs::set_permissions(path("loudhailer.keys"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    failed(&["check", "--config", &config], 1, "chmod 600");
}

#[test]
fn a_file_with_mistakes_is_refused_whole_and_each_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    assert!(run(&["init", "--dir", &dir.path().display().to_string(), "--self-signed", "localhost"]).status.success());
    std::fs::write(
        path("bad.yaml"),
        "carriers:\n  - {name: a, adress: 'x:1', system_id: us, password: plain}\nworkspaces:\n  - {slug: w, environment: prod}\n",
    )
    .unwrap();
    let output = run(&["apply", "-f", &path("bad.yaml"), "--config", &path("loudhailer.toml")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["adress", "address", "password", "{file: PATH}", "environment"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let listed = run(&["export", "--config", &path("loudhailer.toml")]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("slug"), "nothing of it was stored");
}

#[test]
fn a_resource_has_a_history_that_can_be_restored() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let config = path("loudhailer.toml");
    assert!(run(&["init", "--dir", &dir.path().display().to_string(), "--self-signed", "localhost"]).status.success());
    let apply = |name: &str, more: &[&str]| {
        let text = format!(
            "workspaces:\n  - {{slug: ward, environment: development, name: {name}, time_zone: Europe/London}}\n"
        );
        std::fs::write(path("w.yaml"), text).unwrap();
        let file = path("w.yaml");
        let mut arguments = vec!["apply", "-f", file.as_str(), "--config", config.as_str()];
        arguments.extend(more);
        let output = run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(apply("Ward", &["--dry-run"]).contains("would be created"));
    assert!(apply("Ward", &["--reason", "first"]).contains("+ workspaces ward"));
    assert!(apply("Ward", &[]).starts_with("nothing to change"));
    assert!(apply("Theatre", &["--reason", "moved"]).contains("name"));
    let restored = run(&["restore-version", "workspaces", "ward", "1", "--config", &config]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let history = String::from_utf8(run(&["history", "workspaces", "ward", "--config", &config]).stdout).unwrap();
    for words in ["version 1", "version 2", "version 3", "because moved", "Theatre"] {
        assert!(history.contains(words), "{words} in {history}");
    }
}

/// what `apply` drew is shown once; the same file again changes nothing, and an export holds no secret.
#[test]
fn an_apply_is_idempotent_and_its_secrets_are_shown_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let config = path("loudhailer.toml");
    assert!(run(&["init", "--dir", &dir.path().display().to_string(), "--self-signed", "localhost"]).status.success());
    std::fs::write(
        path("keys.yaml"),
        "workspaces: [{slug: work, environment: development}]\n\
         api_keys: [{workspace: work, name: reader, scopes: ['alerts:read']}]\n",
    )
    .unwrap();
    let apply = || {
        let output = run(&["apply", "-f", &path("keys.yaml"), "--config", &config]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = apply();
    let line = printed.lines().find_map(|line| line.strip_prefix("api_keys work/reader: ")).unwrap();
    let token = line.split_whitespace().next().unwrap();
    assert!(token.starts_with("loudhailer_key_"), "{printed}");
    assert!(apply().starts_with("nothing to change"));
    let exported = run(&["export", "--kind", "api_keys", "--config", &config]);
    assert!(!String::from_utf8_lossy(&exported.stdout).contains(token));
}

/// What `make bench` and docs/performance.md stand on.
#[test]
fn bench_measures_a_server_of_its_own() {
    // On a disk: it refuses a directory in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = dir.path().to_str().unwrap();
    let output = run(&["bench", "smpp", "--dir", dir, "--messages", "400", "--no-half", "--json"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let figure = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name}: {figures}"));
    assert!((figure("accepted") - 400.0).abs() < 0.5);
    assert!((figure("receipts_back") - 400.0).abs() < 0.5);
    assert!(figure("server_cpu_us_per_message") > 0.0);
}
