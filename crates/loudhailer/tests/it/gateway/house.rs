//! An installation with a carrier that outlives it, and its applications, which write down what was promised to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use base::Timestamp;
use loudhailer::product::context;
use serde_json::{Value as Json, json};
use simulator::{Account, Behaviour, Options, Security, Simulator};
use smpp::{Address, Bind, BindMode, DeliverSmResp, Password, Pdu, RegisteredDelivery, Status, SubmitSm};
use smpplink::{Handle, Limits, Link, Target, Tls, connect};
use testkit::{Process, free_port};

use crate::BINARY;

const KEY: &str = "imported-key-of-the-application-01";
const RESOURCES: &str = "
workspaces: [{slug: work, environment: production}]
carriers:
  - {name: sim, address: '@CARRIER@', tls_ca: '@CA@', tls_name: localhost, system_id: house, password: {env: TEST_PASSWORD},
     sessions: 2, window: 100, on_unknown_outcome: resend}
routes: [{workspace: work, carriers: [sim], sender: '70001'}]
smpp_accounts: [{workspace: work, system_id: shop, password: {env: TEST_PASSWORD}, allow: [127.0.0.0/8], window: 100}]
api_keys: [{workspace: work, name: shop, scopes: ['messages:send', 'messages:read'], token: {env: TEST_KEY}}]
";

/// What somebody was told: "accepted". By the message's id: its name, which is in its text, and when they knew.
pub(super) type Promised = BTreeMap<String, (String, Timestamp)>;

/// The installation. Its server is started, killed and started again.
pub(super) struct House {
    home: tempfile::TempDir,
    database: Option<String>,
    http: u16,
    smpp: u16,
    carrier: Simulator,
    client: reqwest::Client,
    pub(super) promised: Mutex<Promised>,
}

impl House {
    /// Makes everything but the server, which is not started.
    pub(super) async fn make(database: Option<String>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        run(Command::new(BINARY).args(["init", "--self-signed", "localhost", "--dir"]).arg(home.path()));
        let security = Security::Tls { cert: path("server.pem"), key: path("server.key") };
        let mut options = Options::new(([127, 0, 0, 1], 0).into(), security);
        options.account = Some(Account { system_id: "house".into(), password: "pa55word".to_owned().into() });
        options.ledger = Some(path("ledger.jsonl"));
        options.scenario.behaviour = Behaviour { receipt_delay_ms: 20, ..Behaviour::default() };
        let carrier = Simulator::start(options, context()).await.unwrap();
        let resources = RESOURCES
            .replace("@CARRIER@", &carrier.address().to_string())
            .replace("@CA@", &path("ca.pem").display().to_string());
        std::fs::write(path("resources.yaml"), resources).unwrap();
        let client = testkit::client(&path("ca.pem"));
        let (http, smpp) = (free_port(), free_port());
        let house = Self { home, database, http, smpp, carrier, client, promised: Mutex::default() };
        let mut apply = Command::new(BINARY);
        apply.args(["apply", "-f"]).arg(house.path().join("resources.yaml")).arg("--config");
        run(house.configured(apply.arg(house.path().join("loudhailer.toml"))));
        house
    }

    /// Where its files are.
    pub(super) fn path(&self) -> &Path {
        self.home.path()
    }

    fn configured<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LOUDHAILER_SERVER_LISTEN", format!("127.0.0.1:{}", self.http))
            .env("LOUDHAILER_SERVER_PUBLIC_URL", format!("https://localhost:{}", self.http))
            .env("LOUDHAILER_SMPP_LISTEN_TLS", format!("127.0.0.1:{}", self.smpp))
            .env("LOUDHAILER_LOG_LEVEL", "error")
            // Calls are counted a thread; one worker makes the counts mean the same each time.
            .env("TOKIO_WORKER_THREADS", "1")
            .env("TEST_PASSWORD", "pa55word")
            .env("TEST_KEY", KEY);
        match &self.database {
            Some(url) => command.env("LOUDHAILER_DATABASE_URL", url),
            None => command,
        }
    }

    /// The command that serves the installation in `home`: its own, or a copy.
    pub(super) fn serving(&self, home: &Path) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--config"]).arg(home.join("loudhailer.toml"));
        self.configured(&mut command);
        command
    }

    /// Starts the server and waits until it is ready.
    pub(super) async fn start(&self, command: &mut Command) -> Process {
        let mut process = Process::start(command);
        process.drain();
        let url = format!("https://localhost:{}/readyz", self.http);
        let began = context().now();
        while !self.client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(context().now().since(began) < Duration::from_mins(1), "the server is not ready within a minute");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    fn promise(&self, id: &str, name: &str) {
        self.promised.lock().unwrap().insert(id.to_owned(), (name.to_owned(), context().now()));
    }

    async fn get(&self, path: &str) -> Option<Json> {
        let url = format!("https://localhost:{}/api/v1/workspaces/work/{path}", self.http);
        let answer = self.client.get(url).bearer_auth(KEY).timeout(Duration::from_secs(20)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Every message as the product lists it, by id.
    pub(super) async fn messages(&self) -> Option<BTreeMap<String, Json>> {
        let (mut all, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = self.get(&format!("messages?limit=200{cursor}")).await?;
            for one in page["items"].as_array()? {
                all.insert(one["id"].as_str()?.to_owned(), one.clone());
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(all),
            }
        }
    }

    /// How often the carrier took the text with each name, counting what it took outside of `between`, which another history saw.
    pub(super) fn at_carrier(&self, between: Option<(Timestamp, Timestamp)>) -> BTreeMap<String, u32> {
        let mut taken = BTreeMap::new();
        for entry in simulator::ledger::read(&self.ledger()).unwrap() {
            let outside = between.is_none_or(|(from, to)| entry.time < from || entry.time > to);
            if let Some(name) = entry.text.strip_prefix("Proof ").filter(|_| entry.outcome.is_taken() && outside) {
                *taken.entry(name.to_owned()).or_default() += 1;
            }
        }
        taken
    }

    fn ledger(&self) -> PathBuf {
        self.path().join("ledger.jsonl")
    }

    /// Waits until everything in `promised` is delivered, and finds nothing that must not be: nothing is missing, what went twice is
    /// shown as an unknown outcome, and the audit chain holds. `home` is what is served.
    pub(super) async fn books(
        &self,
        promised: &Promised,
        home: &Path,
        between: Option<(Timestamp, Timestamp)>,
    ) -> String {
        let began = context().now();
        let shown = loop {
            let shown = self.messages().await.unwrap_or_default();
            // A receipt that was taken in another history is not sent again; that the carrier has the text is seen below.
            let over = |one: &Json| one["state"] == "delivered" || (between.is_some() && one["state"] == "sent");
            let missing: Vec<&String> = promised.keys().filter(|id| !shown.get(*id).is_some_and(over)).collect();
            if missing.is_empty() && shown.values().all(over) {
                break shown;
            }
            if context().now().since(began) > Duration::from_secs(45) {
                let line = |id: &&String| format!("{} ({id}): {:?}", promised[*id].0, shown.get(*id));
                let lines: Vec<String> = missing.iter().take(5).map(line).collect();
                panic!("{} of {} promised are not delivered: {lines:#?}", missing.len(), promised.len());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let taken = self.at_carrier(between);
        for (id, (name, _)) in promised {
            assert!(taken.contains_key(name), "{name} ({id}) is shown as taken and not in the carrier's ledger");
        }
        let unknown: u64 = shown.values().filter_map(|one| one["unknownOutcomes"].as_u64()).sum();
        let twice: u32 = taken.values().map(|times| times - 1).sum();
        assert!(u64::from(twice) <= unknown, "{twice} went twice, {unknown} outcomes are shown as unknown: {taken:?}");
        let mut verify = Command::new(BINARY);
        verify.args(["audit", "verify", "--config"]).arg(home.join("loudhailer.toml"));
        run(self.configured(&mut verify));
        format!("{} promised, {} shown, {twice} twice, {unknown} unknown", promised.len(), shown.len())
    }

    pub(super) async fn end(self) {
        self.carrier.stop().await;
    }
}

/// How an application reaches the product.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    Rest,
    Smpp,
}

/// An application that is connected.
pub(super) enum Application {
    Rest(reqwest::Client),
    Smpp(Handle),
}

impl Application {
    /// Connects, so that what follows is the accepting alone.
    pub(super) async fn connect(house: &House, door: Door) -> Self {
        match door {
            Door::Rest => {
                let client = testkit::client(&house.path().join("ca.pem"));
                client.get(format!("https://localhost:{}/healthz", house.http)).send().await.unwrap();
                Self::Rest(client)
            }
            Door::Smpp => {
                let ca = std::fs::read_to_string(house.path().join("ca.pem")).unwrap();
                let config = crypto::tls::client_config(&crypto::tls::Roots::Pem(ca), &[]).unwrap();
                let tls = Tls { server_name: "localhost".try_into().unwrap(), config };
                let target = Target { address: format!("127.0.0.1:{}", house.smpp), tls: Some(tls) };
                let bind = Bind::new("shop", Password::new("pa55word"));
                let limits = Limits { window: 50, ..Limits::default() };
                let Link { handle, mut incoming, .. } =
                    connect(&target, BindMode::Transceiver, bind, limits).await.unwrap();
                tokio::spawn(async move {
                    while let Some(request) = incoming.next().await {
                        // A connection that is gone needs no answer.
                        let _ = request.answer(Status::ROK, DeliverSmResp::default());
                    }
                });
                Self::Smpp(handle)
            }
        }
    }

    /// Sends one text, and notes it when it was accepted.
    pub(super) async fn send(&self, house: &House, name: &str, number: u32) -> bool {
        let (to, text) = (format!("447700{:06}", 900_000 + number % 1_000), format!("Proof {name}"));
        let id = match self {
            Self::Rest(client) => {
                let url = format!("https://localhost:{}/api/v1/subaccounts/work/messages", house.http);
                let body = json!({"destination": format!("+{to}"), "text": text, "clientMessageId": name});
                let sent = client.post(url).bearer_auth(KEY).json(&body).timeout(Duration::from_secs(20)).send().await;
                let Ok(answer) = sent else { return false };
                let accepted = answer.status().is_success();
                // An answer that is cut off within its body is none.
                let Ok(answer) = answer.json::<Json>().await else { return false };
                (accepted && answer["status"]["code"] == "QUEUED").then(|| answer["umid"].as_str().unwrap().to_owned())
            }
            Self::Smpp(handle) => {
                let submit = SubmitSm {
                    source: Address::short_code("70001"),
                    destination: Address::international(to),
                    registered_delivery: RegisteredDelivery::FINAL,
                    ..SubmitSm::default()
                };
                match handle.request(submit.with_message(text.into_bytes())).await {
                    Ok(answer) if answer.status == Status::ROK => match answer.pdu {
                        Pdu::SubmitSmResp(answer) => Some(answer.message_id.to_string()),
                        other => panic!("{other:?}"),
                    },
                    _ => None,
                }
            }
        };
        if let Some(id) = &id {
            house.promise(id, name);
        }
        id.is_some()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
