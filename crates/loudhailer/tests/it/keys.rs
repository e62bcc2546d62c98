//! Keys renewed while the house is busy (X-22; fault F-29): 500 requests a second, two rotations, no failure; afterwards old key
//! material is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loudhailer::product::context;
use loudhailer::selftest::{Plan, Site};
use serde_json::json;
use testkit::client;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::BINARY;

/// Requests a second.
const RATE: u64 = 500;
/// Requests under way at most: what a slow machine cannot take in time waits here, not in the server.
const UNDER_WAY: usize = 200;
/// As a form writes it.
const PASSWORD: &str = "a+correct+horse+standing+still";

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn x_22_keys_rotate_under_traffic_without_a_failure() {
        super::under_traffic(None).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn x_22_keys_rotate_under_traffic_without_a_failure() {
        let database = crate::postgres().await;
        super::under_traffic(Some(database.text())).await;
    }
}

fn plan() -> Plan {
    Plan {
        binary: BINARY.into(),
        database: None,
        messages: 0,
        signals: 0,
        lasts: Duration::ZERO,
        kills: 0,
        seed: 0,
        patience: Duration::from_mins(1),
    }
}

fn run(config: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).arg("--config").arg(config).output().unwrap()
}

fn done(config: &Path, arguments: &[&str]) -> String {
    let output = run(config, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The versions in a key file.
fn versions(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

async fn under_traffic(database: Option<String>) {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let dir = tempfile::tempdir().unwrap();
    let mut site = Site::make(&plan(), dir.path(), database.as_deref(), &context()).await.unwrap();
    let (config, file) = (site.config(), dir.path().join("loudhailer.keys"));
    let old_file = std::fs::read_to_string(&file).unwrap();
    let link = done(&config, &["setup-link"]);
    site.start().unwrap();
    site.ready().await.unwrap();

    let traffic = Arc::new(Traffic::new(&site, dir.path(), link.trim()).await);
    let running = tokio::spawn(Arc::clone(&traffic).run());
    tokio::time::sleep(Duration::from_secs(2)).await;
    for version in ["2", "3"] {
        let at = config.clone();
        let said = tokio::task::spawn_blocking(move || done(&at, &["keys", "rotate"])).await.unwrap();
        assert!(said.contains(&format!("Version {version} wraps all")), "{said}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let at = config.clone();
    let said = tokio::task::spawn_blocking(move || done(&at, &["keys", "retire", "--now"])).await.unwrap();
    assert!(said.contains("Refused from now on: version 1, version 2"), "{said}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    traffic.over.store(true, Ordering::Relaxed);
    let took = running.await.unwrap();
    let sent = traffic.sent.load(Ordering::Relaxed);
    let rate = u128::from(sent) * 1_000 / took.as_millis();
    println!("{sent} requests in {took:?}, {rate} a second");
    assert_eq!(*traffic.failures.lock().await, BTreeMap::new());
    assert!(rate > u128::from(RATE / 4), "the traffic was real");

    let listed = done(&config, &["keys", "list"]);
    assert!(listed.contains("active") && listed.contains("retired"), "{listed}");
    assert_eq!(versions(&file), ["3"]);
    traffic.still_works().await;
    site.stop().await;

    // The old file alone starts nothing, and says what to do.
    let new_file = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &old_file).unwrap();
    for command in ["serve", "setup-link"] {
        let output = run(&config, &[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no key of version 3") && said.contains("Copy the key file"), "{command}: {said}");
    }
    std::fs::write(&file, &new_file).unwrap();
    let verified = done(&config, &["audit", "verify"]);
    assert!(verified.contains("is intact"), "{verified}");
}

/// Mixed requests: messages, signals, and pages read in a session.
struct Traffic {
    http: reqwest::Client,
    base: String,
    signal_url: String,
    key: String,
    cookie: String,
    over: AtomicBool,
    sent: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
}

impl Traffic {
    async fn new(site: &Site, dir: &Path, link: &str) -> Self {
        let http = client(&dir.join("ca.pem"));
        let (_, code) = link.split_once('#').unwrap();
        let form = format!("code={code}&name=Ada+Sample&login=ada%40example.com&password={PASSWORD}&again={PASSWORD}");
        let setup = http.post(format!("{}/setup", site.base)).header("sec-fetch-site", "same-origin");
        let answer = setup.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
        let cookie = cookies.find(|cookie| cookie.starts_with("__Host-sid=")).unwrap_or_else(|| panic!("{answer:?}"));
        Self {
            http,
            base: site.base.clone(),
            signal_url: site.signal_url.clone(),
            key: site.key.clone(),
            cookie,
            over: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            failures: Mutex::default(),
        }
    }

    async fn run(self: Arc<Self>) -> Duration {
        let clock = context();
        let began = clock.monotonic();
        let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
        let mut sending = JoinSet::new();
        for number in 0.. {
            pace.tick().await;
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            while sending.try_join_next().is_some() {}
            if sending.len() >= UNDER_WAY {
                sending.join_next().await;
            }
            let this = Arc::clone(&self);
            sending.spawn(async move { this.one(number).await });
        }
        while sending.join_next().await.is_some() {}
        clock.monotonic().saturating_sub(began)
    }

    async fn one(&self, number: u64) {
        let (what, request) = match number % 10 {
            0 => ("page", self.http.get(format!("{}/w/work/messages", self.base)).header("cookie", &self.cookie)),
            1..=4 => {
                let body =
                    json!({ "key": format!("K-{number}"), "title": "Keys", "group": format!("g{}", number % 100) });
                ("signal", self.http.post(&self.signal_url).json(&body))
            }
            _ => {
                let body = json!({ "destination": format!("+4477009{:05}", number % 100), "text": "Keys" });
                let url = format!("{}/api/v1/subaccounts/work/messages", self.base);
                ("message", self.http.post(url).bearer_auth(&self.key).json(&body))
            }
        };
        self.sent.fetch_add(1, Ordering::Relaxed);
        let failure = match request.timeout(Duration::from_secs(30)).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => format!("{what}: {}", answer.status()),
            Err(error) => format!("{what}: {}", error.without_url()),
        };
        *self.failures.lock().await.entry(failure).or_default() += 1;
    }

    /// What was accepted under older keys is still read, and new things go on.
    async fn still_works(&self) {
        for number in 0..20 {
            self.one(number).await;
        }
        assert_eq!(*self.failures.lock().await, BTreeMap::new());
        let list = format!("{}/api/v1/workspaces/work/messages?limit=200", self.base);
        let list: serde_json::Value =
            self.http.get(list).bearer_auth(&self.key).send().await.unwrap().json().await.unwrap();
        assert!(!list["items"].as_array().unwrap().is_empty());
    }
}

/// `keys rotate` is killed again and again, with the server stopped; run once more it finishes, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn x_22_a_rotation_that_is_killed_is_finished_by_the_next() {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let dir = tempfile::tempdir().unwrap();
    let mut site = Site::make(&plan(), dir.path(), None, &context()).await.unwrap();
    let config = site.config();
    let planned = done(&config, &["keys", "rotate", "--dry-run"]);
    assert!(planned.contains("would add version 2"), "{planned}");
    for step in 1..8 {
        let mut child = Command::new(BINARY).args(["keys", "rotate", "--config"]).arg(&config).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(20 * step)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = done(&config, &["keys", "rotate"]);
    assert!(said.contains("wraps all"), "{said}");
    let listed = done(&config, &["keys", "list"]);
    assert!(!listed.contains("due: a rotation"), "{listed}");
    // The carrier's password, people's numbers: all of it is sealed anew, and still there.
    site.start().unwrap();
    site.ready().await.unwrap();
    site.stop().await;
    done(&config, &["keys", "retire", "--now"]);
    assert_eq!(versions(&dir.path().join("loudhailer.keys")).len(), 1);
}
