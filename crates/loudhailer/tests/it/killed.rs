//! The second proof: 200 signals a second for a minute while the server is killed with SIGKILL five times. Every signal that was
//! answered 202 ends as a text in the simulated carrier's ledger; none is there twice but those shown as unknown outcome; and no
//! signal makes two alerts (E-31, E-33, X-04; faults F-01, F-02, F-12).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::{Ledger, Process, Server, client, eventually, free_port};
use tokio::sync::Mutex;

use crate::BINARY;

/// Signals a second.
const RATE: u64 = 200;
/// How long.
const SECONDS: u64 = 60;
/// How often the server is killed meanwhile.
const KILLS: u64 = 5;
/// People who are paged, so that no single phone gets twelve thousand texts.
const PEOPLE: usize = 100;

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
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), database.as_deref());
    let mut simulator = Process::start(
        Command::new(BINARY)
            .args(["simulator", "--listen", &format!("127.0.0.1:{}", site.carrier_port), "--tls"])
            .args([dir.path().join("server.pem"), dir.path().join("server.key")])
            .arg("--ledger")
            .arg(&site.ledger),
    );
    assert!(simulator.line().starts_with("listening on"));
    let mut server = Server::start(BINARY, &site.config);
    let http = client(&dir.path().join("ca.pem"));
    ready(&http, &site).await;

    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(http.clone(), site.url.clone(), Arc::clone(&accepted), Arc::clone(&over)));
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(SECONDS / (KILLS + 1))).await;
        server.kill_and_restart();
    }
    tokio::time::sleep(Duration::from_secs(SECONDS / (KILLS + 1))).await;
    over.store(true, Ordering::Relaxed);
    load.await.unwrap();
    ready(&http, &site).await;

    let accepted = accepted.lock().await.clone();
    assert!(accepted.len() as u64 > RATE * SECONDS / 4, "the load was real: {} accepted", accepted.len());
    let texts = wait_for_texts(&site, &accepted).await;
    let again = unknown_outcomes(&http, &site).await;
    let twice: Vec<_> = texts.iter().filter(|(_, count)| **count > 1).collect();
    println!(
        "{} accepted, {} texts, {} twice, {again} messages shown as unknown outcome",
        accepted.len(),
        texts.len(),
        twice.len()
    );
    assert!(
        twice.len() as u64 <= again,
        "{} texts went twice, but only {again} are shown as unknown outcome",
        twice.len()
    );
    let titles = alert_titles(&http, &site).await;
    let distinct: BTreeSet<&String> = titles.iter().collect();
    assert_eq!(titles.len(), distinct.len(), "no signal made two alerts");
    let verify = Command::new(BINARY).args(["audit", "verify", "--config"]).arg(&site.config).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
}

/// An installation as an operator makes one: `init`, a file of resources, `apply`.
struct Site {
    config: PathBuf,
    ledger: PathBuf,
    carrier_port: u16,
    base: String,
    url: String,
    key: String,
}

impl Site {
    fn make(dir: &Path, database: Option<&str>) -> Self {
        let run = |arguments: &[&str]| {
            let mut command = Command::new(BINARY);
            command.args(arguments).env("PASSWORD", "secret08");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let path = |name: &str| dir.join(name).display().to_string();
        run(&["init", "--dir", &dir.display().to_string(), "--self-signed", "localhost"]);
        let (port, carrier_port) = (free_port(), free_port());
        let config = dir.join("loudhailer.toml");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text = text
            .replace("0.0.0.0:8443", &format!("127.0.0.1:{port}"))
            .replace("localhost:8443", &format!("localhost:{port}"));
        if let Some(url) = database {
            text = text.replace("sqlite:loudhailer.db", url);
        }
        std::fs::write(&config, text.replace("level = \"info\"", "level = \"error\"")).unwrap();
        std::fs::write(dir.join("resources.yaml"), resources(carrier_port, &path("ca.pem"))).unwrap();
        let printed = run(&["apply", "-f", &path("resources.yaml"), "--config", &path("loudhailer.toml")]);
        let again = run(&["apply", "-f", &path("resources.yaml"), "--config", &path("loudhailer.toml")]);
        assert!(again.starts_with("nothing to change"), "apply is idempotent: {again}");
        let drawn = |what: &str| {
            let line =
                printed.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what} in {printed}"));
            line.split_whitespace().nth(2).unwrap().to_owned()
        };
        let (token, key) = (drawn("integrations work/load:"), drawn("api_keys work/reader:"));
        let path_printed = printed.lines().find_map(|line| line.trim().strip_prefix("POST ")).unwrap().to_owned();
        let exported = run(&["export", "--kind", "integrations", "--config", &path("loudhailer.toml")]);
        assert!(!exported.contains(&token), "an export holds no secret");
        let base = format!("https://localhost:{port}");
        Self { config, ledger: dir.join("ledger.jsonl"), carrier_port, url: format!("{base}{path_printed}"), base, key }
    }
}

/// A hundred people with a phone each, a group each, and a flow that pages the group the signal names.
fn resources(carrier_port: u16, ca: &str) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "workspaces: [{{slug: work, environment: production, name: Work, time_zone: Europe/London}}]\n\
         carriers: [{{name: sim-1, address: '127.0.0.1:{carrier_port}', tls_ca: '{ca}', tls_name: localhost, system_id: load, \
         password: {{env: PASSWORD}}, window: 100, on_unknown_outcome: hold}}]\n\
         routes: [{{workspace: work, carriers: [sim-1], sender: '+447700900000'}}]\n\
         integrations: [{{workspace: work, name: load, auth: [url_token], mapping: generic, flow: load, rate_per_minute: 60000}}]\n\
         api_keys: [{{workspace: work, name: reader, scopes: ['alerts:read', 'messages:read']}}]\n\
         flows:\n  - workspace: work\n    name: load\n    group: g0\n    steps:\n\
         \x20     - {{id: start, type: trigger, next: page}}\n\
         \x20     - {{id: page, type: create_alert, title: '{{{{ event.title }}}}', priority: low, key: '{{{{ event.key }}}}', group: '{{{{ event.group }}}}', next: end}}\n"
    );
    text.push_str("users:\n");
    for person in 0..PEOPLE {
        let _ = writeln!(
            text,
            "  - {{name: Person {person}, login: p{person}@example.com, devices: [{{kind: sms, number: '+4477009{person:05}', order: 1}}]}}"
        );
    }
    text.push_str("groups:\n");
    for person in 0..PEOPLE {
        let _ = writeln!(
            text,
            "  - {{workspace: work, name: g{person}, members: [{{user: p{person}@example.com, delay_seconds: 0}}], repeat: {{times: 0, interval_seconds: 86400}}}}"
        );
    }
    text
}

async fn ready(http: &reqwest::Client, site: &Site) {
    let url = format!("{}/readyz", site.base);
    eventually("the server is ready", || async {
        http.get(&url).send().await.ok().filter(|answer| answer.status().is_success()).map(drop)
    })
    .await;
}

/// Sends at a steady pace, whatever becomes of each request; keeps the names of those that were answered 202.
async fn load(http: reqwest::Client, url: String, accepted: Arc<Mutex<BTreeSet<String>>>, over: Arc<AtomicBool>) {
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..RATE * SECONDS {
        pace.tick().await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (http, url, accepted) = (http.clone(), url.clone(), Arc::clone(&accepted));
        sending.spawn(async move {
            let name = format!("S-{number:06}");
            let body = json!({ "key": name, "title": format!("Load {name}"), "group": format!("g{}", number as usize % PEOPLE) });
            let answer = http.post(&url).json(&body).timeout(Duration::from_secs(20)).send().await;
            if answer.is_ok_and(|answer| answer.status().as_u16() == 202) {
                accepted.lock().await.insert(name);
            }
        });
    }
    while sending.join_next().await.is_some() {}
}

/// How often each signal's name stands in a text of the ledger, once every accepted one does.
async fn wait_for_texts(site: &Site, accepted: &BTreeSet<String>) -> std::collections::BTreeMap<String, usize> {
    // The backlog may take its time on a busy machine; what counts is that it never stands still.
    let (mut found, mut still) = (0, 0);
    loop {
        let counts = Ledger::read(&site.ledger).count_by(|line| name_in(line.text("text")));
        let missing: Vec<&String> = accepted.iter().filter(|name| !counts.contains_key(*name)).collect();
        if missing.is_empty() {
            return counts;
        }
        still = if counts.len() > found { 0 } else { still + 1 };
        found = counts.len();
        assert!(
            still < 60,
            "{} of {} accepted signals never became a text, such as {:?}",
            missing.len(),
            accepted.len(),
            &missing[..missing.len().min(5)]
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn name_in(text: &str) -> Option<String> {
    let at = text.find("S-")?;
    text.get(at..at + 8).filter(|name| name[2..].bytes().all(|digit| digit.is_ascii_digit())).map(str::to_owned)
}

async fn page(http: &reqwest::Client, site: &Site, what: &str, cursor: &str) -> Json {
    let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
    let url = format!("{}/api/v1/workspaces/work/{what}?limit=200{after}", site.base);
    let answer = http.get(&url).bearer_auth(&site.key).send().await.unwrap();
    assert!(answer.status().is_success(), "{what}: {}", answer.status());
    answer.json().await.unwrap()
}

/// Every item of a list.
async fn all(http: &reqwest::Client, site: &Site, what: &str) -> Vec<Json> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = page(http, site, what, &cursor).await;
        items.extend(answer["items"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return items,
        }
    }
}

async fn unknown_outcomes(http: &reqwest::Client, site: &Site) -> u64 {
    let messages = all(http, site, "messages").await;
    messages.iter().filter(|message| message["unknownOutcomes"].as_u64().unwrap_or(0) > 0).count() as u64
}

async fn alert_titles(http: &reqwest::Client, site: &Site) -> Vec<String> {
    let alerts = all(http, site, "alerts").await;
    alerts.iter().map(|alert| alert["title"].as_str().unwrap_or_default().to_owned()).collect()
}
