//! An installation with one integration, as an operator makes it, and one phone on the simulated carrier.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use simulator::{Control, Direction};
use tempfile::TempDir;
use testkit::{Process, client, eventually, free_port, serve};

use crate::BINARY;

/// The phone of who is on call.
pub const PHONE: &str = "+447700900104";

/// A running installation.
pub struct Stage {
    /// The address of the integration.
    pub url: String,
    /// What opens it.
    pub token: String,
    control: Control,
    dir: TempDir,
    _server: Process,
    _simulator: Process,
}

impl Stage {
    /// Starts everything, with an integration that maps with `mapping`; on `database` when one is given.
    pub async fn start(mapping: &str, database: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Programs of other accounts read the authority.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (port, carrier) = (free_port(), free_port());
        run(&["init", "--dir", &dir.path().display().to_string(), "--self-signed", "localhost"]);
        let config = dir.path().join("loudhailer.toml");
        let mut text = fs::read_to_string(&config)
            .unwrap()
            .replace("0.0.0.0:8443", &format!("127.0.0.1:{port}"))
            .replace("localhost:8443", &format!("localhost:{port}"))
            .replace("level = \"info\"", "level = \"error\"");
        if let Some(url) = database {
            text = text.replace("sqlite:loudhailer.db", url);
        }
        fs::write(&config, text).unwrap();
        fs::write(dir.path().join("resources.yaml"), resources(mapping, carrier, &path("ca.pem"))).unwrap();
        let printed = run(&["apply", "-f", &path("resources.yaml"), "--config", &path("loudhailer.toml")]);
        let drawn = printed.lines().find(|line| line.starts_with("integrations work/source:")).unwrap();
        let token = drawn.split_whitespace().nth(2).unwrap().to_owned();
        let posted = printed.lines().find_map(|line| line.trim().strip_prefix("POST ")).unwrap();
        let url = format!("https://localhost:{port}{}", posted.split('?').next().unwrap());
        fs::write(
            dir.path().join("phones.json"),
            format!(r#"{{"handsets":[{{"number":"{PHONE}","name":"Cem Sample"}}]}}"#),
        )
        .unwrap();
        let mut simulator = Process::start(
            Command::new(BINARY)
                .args(["simulator", "--listen", &format!("127.0.0.1:{carrier}"), "--system-id", "stage", "--tls"])
                .args([path("server.pem"), path("server.key")])
                .args(["--control", &path("simulator.sock"), "--behaviour", &path("phones.json")])
                .env("LOUDHAILER_SIMULATOR_PASSWORD", "secret08"),
        );
        assert!(simulator.line().starts_with("listening on"));
        let server = serve(BINARY, &config);
        let (http, ready) = (client(&dir.path().join("ca.pem")), format!("https://localhost:{port}/readyz"));
        eventually("the server is ready", || async {
            http.get(&ready).send().await.ok().filter(|answer| answer.status().is_success()).map(drop)
        })
        .await;
        let control = Control::at(dir.path().join("simulator.sock"));
        Self { url, token, control, dir, _server: server, _simulator: simulator }
    }

    /// The certificate authority that vouches for the server.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Waits for a text on the phone that holds all of `words`.
    pub async fn text(&self, words: &[&str]) -> String {
        eventually(&format!("a text with {words:?}"), || async {
            self.received().await.into_iter().find(|text| words.iter().all(|word| text.contains(word)))
        })
        .await
    }

    /// What the phone has received so far.
    pub async fn received(&self) -> Vec<String> {
        let texts = self.control.handset(PHONE).await.map(|phone| phone.texts).unwrap_or_default();
        texts.into_iter().filter(|text| text.direction == Direction::Received).map(|text| text.text).collect()
    }
}

/// A file of the product that users copy.
pub fn shipped(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The code block that follows `heading` in a guide.
pub fn block(guide: &str, heading: &str) -> String {
    let text = fs::read_to_string(shipped(guide)).unwrap();
    let after = text.split(heading).nth(1).unwrap_or_else(|| panic!("{heading:?} is in {guide}"));
    let block = after.split("```").nth(1).unwrap_or_else(|| panic!("a block follows {heading:?} in {guide}"));
    block.split_once('\n').unwrap().1.to_owned()
}

/// The settings of a shipped script, for its owner alone, as the guides say.
pub fn settings(file: &Path, stage: &Stage, ca: &Path) {
    let text =
        format!("url = \"{}\"\nheader = \"X-API-Key: {}\"\ncacert = \"{}\"\n", stage.url, stage.token, ca.display());
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(BINARY).args(arguments).env("PASSWORD", "secret08").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn resources(mapping: &str, carrier: u16, ca: &str) -> String {
    format!(
        r#"
workspaces: [{{slug: work, environment: production, name: Work, time_zone: Europe/London}}]
carriers: [{{name: sim-1, address: '127.0.0.1:{carrier}', tls_ca: '{ca}', tls_name: localhost, system_id: stage, password: {{env: PASSWORD}}}}]
routes: [{{workspace: work, carriers: [sim-1], sender: '+447700900000'}}]
users: [{{name: Cem Sample, login: cem@example.com, devices: [{{kind: sms, number: '{PHONE}', order: 1}}]}}]
groups: [{{workspace: work, name: on-call, members: [{{user: cem@example.com, delay_seconds: 0}}]}}]
integrations: [{{workspace: work, name: source, auth: [url_token], mapping: {mapping}, flow: page}}]
flows:
  - workspace: work
    name: page
    group: on-call
    steps:
      - {{id: start, type: trigger, next: over}}
      - {{id: over, type: condition, if: event.status == "resolved", then: close, else: page}}
      - {{id: page, type: create_alert, title: '{{{{ event.title }}}}', text: '{{{{ event.text }}}}', priority: '{{{{ event.priority }}}}', key: '{{{{ event.key }}}}', next: end}}
      - {{id: close, type: resolve_alert, key: '{{{{ event.key }}}}', note: '{{{{ integration.name }}}} says it is over.', close_critical: true, next: end}}
"#
    )
}
