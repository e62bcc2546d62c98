//! The server with its carrier, and an application that binds to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Engine, Grants, Permit, cap};
use base::{Context, ExposeSecret as _, SecretString, SeededChance, SystemClock, WorkspaceId};
use carriers::{Carriers, CarriersKind};
use messaging::{Messaging, RoutesKind};
use resources::{
    ApplyOptions, Clearance, Error, Ground, Parsed, Registry, Removal, Resources, SecretSource, SourceError, typed,
};
use simulator::{Account, Behaviour, Control, Options, Security as Simulated, Simulator};
use smpp::{
    Address, Bind, BindMode, DeliverSm, DeliverSmResp, Message, Password, Pdu, RegisteredDelivery, Status, SubmitSm,
};
use smppd::{AccountsKind, Listener, Security, Smppd};
use smpplink::{ConnectError, Limits, Link, Response, Target, Tls};
use store::{Db, Worker, params};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::{KeyFile, Vault};

/// A handset.
pub const DINA: &str = "447700900117";

pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(20_261_122)))
}

pub struct House {
    pub db: Db,
    pub messaging: Messaging,
    pub smppd: Smppd,
    pub control: Control,
    pub workspace: WorkspaceId,
    pub tls: SocketAddr,
    pub clear: SocketAddr,
    resources: Resources,
    ca: String,
    /// Certificate and key that a client can show: `CN=localhost`.
    shown: (String, String),
    tasks: TaskTracker,
    stop: CancellationToken,
    simulator: Simulator,
    directory: TempDir,
}

struct Pocket;

impl SecretSource for Pocket {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        let known = [("CARRIER", "s3cret"), ("PASSWORD", "pa55word"), ("NEW", "n3wone"), ("LONG", "much too long")];
        let found = known.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| SecretString::from(*value)).ok_or_else(|| SourceError("there is no such file".into()))
    }
}

/// An account as a file has it, with more lines.
pub fn account(more: &str) -> String {
    format!(
        "smpp_accounts:\n  - {{workspace: demo, system_id: ward7, password: {{env: PASSWORD}}, allow: [127.0.0.0/8]{more}}}\n"
    )
}

impl House {
    pub async fn new(db: Db) -> Self {
        Self::behaving(db, Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }).await
    }

    pub async fn behaving(db: Db, behaviour: Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = crypto::tls::SelfSigned::generate(&["localhost".to_owned()], &context()).unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("cert.pem"), &made.cert_pem).unwrap();
        std::fs::write(path("key.pem"), made.key_pem.expose_secret()).unwrap();
        std::fs::write(path("ca.pem"), &made.ca_pem).unwrap();
        let mut options = Options::new(
            (Ipv4Addr::LOCALHOST, 0).into(),
            Simulated::Tls { cert: path("cert.pem"), key: path("key.pem") },
        );
        options.account = Some(Account { system_id: "demo".into(), password: "s3cret".to_owned().into() });
        options.control = Some(path("control.sock"));
        options.ledger = Some(path("ledger.jsonl"));
        options.scenario.behaviour = behaviour;
        let simulator = Simulator::start(options, context()).await.unwrap();
        let control = Control::connect(path("control.sock")).await.unwrap();

        let keys = KeyFile::parse("1 CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=").unwrap();
        let vault = Vault::unlock(db.clone(), keys).await.unwrap();
        let routes = RoutesKind::new();
        let messaging = Messaging::start(db.clone(), vault.clone(), &routes).await.unwrap();
        let kinds = vec![typed(CarriersKind::new(vault.clone())), typed(routes), typed(AccountsKind)];
        let resources = Resources::new(db.clone(), Registry::new(kinds).unwrap(), vault.clone());
        let carriers = Carriers::new(db.clone(), vault.clone(), messaging.clone());
        let (refusals, writer) = audit::Refusals::new(db.clone());
        let smppd = Smppd::new(db.clone(), vault, messaging.clone(), refusals);

        let resolver = crypto::tls::CertResolver::from_pem(&made.cert_pem, made.key_pem.expose_secret()).unwrap();
        let config =
            crypto::tls::server_config(Arc::new(resolver), crypto::tls::Clients::Asked(&made.ca_pem), &[]).unwrap();
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let secured = Listener::bind(any, Security::Tls(config)).await.unwrap();
        let clear = Listener::bind(any, Security::Plaintext).await.unwrap();
        let (tls, plain) = (secured.address().unwrap(), clear.address().unwrap());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let worker = smppd.work(Worker::new(db.clone())).spawn(stop.clone());
        tasks.spawn(async move { drop(worker.await) });
        tasks.spawn(writer.run(stop.clone()));
        let stopping = stop.clone();
        tasks.spawn(async move { carriers.run(stopping).await });
        tasks.spawn(smppd.clone().run(vec![secured, clear], stop.clone()));

        let mut house = Self {
            db,
            messaging,
            smppd,
            control,
            workspace: uuid::Uuid::nil().into(),
            tls,
            clear: plain,
            resources,
            shown: (made.cert_pem.clone(), made.key_pem.expose_secret().to_owned()),
            ca: made.ca_pem,
            tasks,
            stop,
            simulator,
            directory,
        };
        house.seed().await;
        house
    }

    async fn seed(&mut self) {
        let yaml = format!(
            "
workspaces:
  - {{slug: demo, environment: development}}
carriers:
  - {{name: sim-1, address: 'localhost:{}', tls_ca: {}, system_id: demo, password: {{env: CARRIER}}, window: 50, simulated: true}}
routes:
  - {{workspace: demo, carriers: [sim-1], sender: '70007'}}
{}",
            self.simulator.address().port(),
            self.directory.path().join("ca.pem").display(),
            account(", inbound: ['70007']"),
        );
        self.apply(&yaml).await.unwrap();
        self.workspace = self
            .db
            .read(|tx| {
                tx.query_one("SELECT id FROM workspaces WHERE slug = 'demo'", &params![], |row| {
                    row.get::<uuid::Uuid>(0)
                })
            })
            .await
            .unwrap()
            .into();
        let permit: Permit<cap::CarriersRead> = Permit::engine(Engine("tests"), self.workspace);
        until("the carrier is attached", async || !self.messaging.lanes(&permit).is_empty()).await;
    }

    pub async fn apply(&self, yaml: &str) -> Result<(), Error> {
        let parsed = Parsed::yaml(yaml, self.resources.registry())?;
        let document = parsed.resolve(&Pocket)?;
        let permit =
            Grants::of_operator(Actor::os("root", "host1")).permit_organisation::<cap::ResourcesApply>().unwrap();
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(drop)
    }

    /// Binds over TLS, believing our authority alone.
    pub async fn bind(&self, mode: BindMode, password: &str) -> Result<Link, ConnectError> {
        self.bind_as(mode, Bind::new("ward7", Password::new(password))).await
    }

    pub async fn bind_as(&self, mode: BindMode, bind: Bind) -> Result<Link, ConnectError> {
        let tls = Tls {
            server_name: "localhost".try_into().unwrap(),
            config: crypto::tls::client_config(&crypto::tls::Roots::Pem(self.ca.clone()), &[]).unwrap(),
        };
        smpplink::connect(&Target { address: self.tls.to_string(), tls: Some(tls) }, mode, bind, Limits::default())
            .await
    }

    pub async fn bind_certified(&self, mode: BindMode, bind: Bind) -> Result<Link, ConnectError> {
        let tls = Tls {
            server_name: "localhost".try_into().unwrap(),
            config: crypto::tls::client_config_with_identity(
                &crypto::tls::Roots::Pem(self.ca.clone()),
                &[],
                &self.shown.0,
                &self.shown.1,
            )
            .unwrap(),
        };
        smpplink::connect(&Target { address: self.tls.to_string(), tls: Some(tls) }, mode, bind, Limits::default())
            .await
    }

    pub async fn bind_in_clear(&self) -> Result<Link, ConnectError> {
        let target = Target { address: self.clear.to_string(), tls: None };
        smpplink::connect(
            &target,
            BindMode::Transceiver,
            Bind::new("ward7", Password::new("pa55word")),
            Limits::default(),
        )
        .await
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.read(move |tx| tx.query_one(sql, &params![], |row| row.get::<i64>(0))).await.unwrap()
    }

    /// How many messages there are, and how the one of that id stands: its state, and its text as it is sealed.
    pub async fn standing(&self, id: &str) -> (i64, i64, String) {
        let (count, id) = (self.count("SELECT COUNT(*) FROM messages").await, id.to_owned());
        let sql = "SELECT state, body FROM messages WHERE umid = $1";
        let one = self
            .db
            .read(move |tx| tx.query_one(sql, &params![&*id], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?))));
        let (state, body) = one.await.unwrap();
        (count, state, body)
    }

    /// What the carrier took, in its order.
    pub fn ledger(&self) -> Vec<simulator::ledger::Entry> {
        simulator::ledger::read(&self.directory.path().join("ledger.jsonl")).unwrap()
    }

    /// The texts that the handset shows.
    pub async fn shown(&self) -> Vec<String> {
        let handsets = self.control.handsets().await.unwrap();
        let texts = handsets
            .into_iter()
            .filter(|handset| handset.number.trim_start_matches('+') == DINA)
            .flat_map(|handset| handset.texts);
        texts.map(|text| text.text).collect()
    }

    /// Removes the account.
    pub async fn remove_account(&self) {
        let (resources, workspace) = (self.resources.clone(), self.workspace);
        self.db
            .write(move |tx| {
                let actor = Actor::os("root", "host1");
                let permit = Grants::of_operator(actor).permit::<cap::ApiKeysManage>(workspace).unwrap();
                let clearance = Clearance::check(tx, Some(workspace), &Ground::None, permit.actor())?;
                let (kind, key) = ("smpp_accounts", "ward7");
                let removal = Removal { kind, workspace: Some(workspace), key, reason: None, clearance: &clearance };
                resources.delete(tx, &permit, removal).map(drop)
            })
            .await
            .unwrap();
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.messaging.stop().await;
        self.simulator.stop().await;
    }
}

/// A submit of `text` to the handset, with a receipt.
pub fn submit(text: &[u8]) -> SubmitSm {
    SubmitSm {
        source: Address::short_code("70007"),
        destination: Address::international(DINA),
        registered_delivery: RegisteredDelivery::FINAL,
        short_message: Message(bytes::Bytes::copy_from_slice(text)),
        ..SubmitSm::default()
    }
}

/// The id in the answer to a submit that was accepted.
pub fn id_of(response: &Response) -> String {
    assert_eq!(response.status, Status::ROK);
    let Pdu::SubmitSmResp(answer) = &response.pdu else { panic!("{response:?}") };
    answer.message_id.to_str().into_owned()
}

/// The next delivery, answered with `status`.
pub async fn delivered(link: &mut Link, status: Status) -> DeliverSm {
    let request =
        tokio::time::timeout(Duration::from_mins(1), link.incoming.next()).await.expect("a delivery in time").unwrap();
    let (pdu, responder) = request.into_parts();
    let Pdu::DeliverSm(pdu) = pdu else { panic!("{pdu:?}") };
    responder.answer(status, DeliverSmResp::default()).unwrap();
    pdu
}

/// Waits until `holds`.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
