//! The commands that the product shows to be copied, run as they stand: each way of proving a sender, by curl and by Python, is
//! answered with 202 by the real server. PowerShell is not in the distribution; its texts are checked where they are written.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use base::{ExposeSecret as _, IntegrationId, SecretString};
use signals::{Auth, Integration, examples};
use testkit::{client, eventually, serve};

use crate::BINARY;

const KEY: &str = "imported-key-of-the-sender-000001";

const FILE: &str = "
workspaces: [{slug: work, environment: development}]
api_keys:
  - {workspace: work, name: sender, scopes: ['signals:send', 'signals:read'], token: {env: TEST_KEY}}
users:
  - {name: Ada Sample, login: ada@example.com, devices: [{kind: sms, number: '+447700900101', order: 1}]}
groups:
  - {workspace: work, name: ops, members: [{user: ada@example.com, delay_seconds: 0}]}
flows:
  - {workspace: work, name: note, group: ops, steps: [{id: start, type: trigger, next: end}]}
integrations:
  - {workspace: work, name: every-way, flow: note, auth: [url_token, api_key, basic, hmac]}
";

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// What `apply` printed: the integration and its secrets.
struct Drawn {
    id: IntegrationId,
    secrets: Vec<(Auth, SecretString)>,
}

impl Drawn {
    fn read(printed: &str) -> Self {
        let mut secrets = vec![(Auth::ApiKey, SecretString::from(KEY))];
        let mut id = None;
        for line in printed.lines() {
            if let Some(rest) = line.strip_prefix("integrations work/every-way: ") {
                let secret = rest.split_whitespace().next().unwrap();
                let method = match secret {
                    url if url.starts_with("loudhailer_url_") => Auth::UrlToken,
                    password if password.starts_with("loudhailer_basic_") => Auth::Basic,
                    _ => Auth::Hmac,
                };
                secrets.push((method, SecretString::from(secret)));
            }
            if let Some((_, rest)) = line.split_once("POST /signals/") {
                id = rest.get(..36).map(|id| id.parse().unwrap());
            }
        }
        assert_eq!(secrets.len(), 4, "{printed}");
        Self { id: id.unwrap(), secrets }
    }
}

fn configured(dir: &Path) -> (u16, Drawn) {
    let path = |name: &str| dir.join(name).display().to_string();
    run(Command::new(BINARY).args(["init", "--dir", &path(""), "--self-signed", "localhost"]));
    let port = testkit::free_port();
    let config = std::fs::read_to_string(path("loudhailer.toml")).unwrap();
    let mut lines: Vec<String> = config.lines().map(str::to_owned).collect();
    for line in &mut lines {
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        match name {
            "listen" => *line = format!("listen = \"127.0.0.1:{port}\""),
            "public_url" => *line = format!("public_url = \"https://localhost:{port}\""),
            _ => {}
        }
    }
    std::fs::write(path("loudhailer.toml"), lines.join("\n")).unwrap();
    std::fs::write(path("resources.yaml"), FILE).unwrap();
    let apply = ["apply", "-f", &path("resources.yaml"), "--config", &path("loudhailer.toml")];
    (port, Drawn::read(&run(Command::new(BINARY).args(apply).env("TEST_KEY", KEY))))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shown_commands_are_accepted_as_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let (port, drawn) = configured(dir.path());
    let certificate = dir.path().join("ca.pem");
    let _server = serve(BINARY, &dir.path().join("loudhailer.toml"));
    let (client, url) = (client(&certificate), format!("https://localhost:{port}"));
    eventually("the server is ready", || async {
        let answer = client.get(format!("{url}/readyz")).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;

    let integration = Integration {
        id: drawn.id,
        workspace: uuid::Uuid::nil().into(),
        name: "every-way".into(),
        auth: Auth::ALL.to_vec(),
        user: drawn.id.to_string(),
        mapping: "generic".into(),
        flow: "note".into(),
        enabled: true,
        rate_per_minute: 600,
        rotation_hours: 24,
        keep_days: 90,
        keep_refused_days: 30,
        credentials: Vec::new(),
        last_signal: None,
    };
    let mut sent = 0;
    for (method, secret) in &drawn.secrets {
        for example in examples(&integration, &url, Some((*method, secret))) {
            let mut command = match example.language {
                "curl" => Command::new("sh"),
                "Python" => Command::new("python3"),
                _ => continue,
            };
            if example.method != *method {
                assert!(!example.text.contains(secret.expose_secret()), "a secret in the example of another method");
                continue;
            }
            command.arg("-c").arg(&example.text).env("CURL_CA_BUNDLE", &certificate).env("SSL_CERT_FILE", &certificate);
            let said = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
            assert!(said.contains("requestId"), "{} by {}: {said}", example.language, method.label());
            sent += 1;
        }
    }
    assert_eq!(sent, 8);

    // All of them were proven as they say, and became events.
    let lines = eventually("every signal is handled", || async {
        let list = format!("{url}/api/v1/workspaces/work/signals?state=handled");
        let answer = client.get(list).bearer_auth(KEY).timeout(Duration::from_secs(10)).send().await.ok()?;
        let text = answer.text().await.ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        json["items"].as_array().filter(|items| items.len() == 8).cloned()
    })
    .await;
    for method in drawn.secrets.iter().map(|(method, _)| method) {
        let of = lines.iter().filter(|line| line["method"] == method.as_str()).count();
        assert_eq!(of, 2, "{}", method.as_str());
    }
}
