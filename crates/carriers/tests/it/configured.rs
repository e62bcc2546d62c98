//! From a file to the handset: the kind, its projection, and the carriers that follow it while the server runs.

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, AuthMethod, Engine, Grants, OrganisationPermit, Permit, Principal, Role, Scope, cap};
use base::SecretString;
use carriers::{Carriers, CarriersKind};
use messaging::{Messaging, New, RoutesKind};
use resources::{ApplyOptions, Document, Error, Parsed, Registry, Resources, SecretSource, SourceError, typed};
use simulator::Behaviour;
use sms::Number;
use store::{Db, params};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{KeyFile, Vault};

use crate::stage::{DINA, Stage, until};

pub struct House {
    pub db: Db,
    resources: Resources,
    pub messaging: Messaging,
    pub carriers: Carriers,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

struct Pocket;

impl SecretSource for Pocket {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        // A path as the page about carriers has them.
        if name.starts_with("/etc/loudhailer/") {
            return Ok(SecretString::from("s3cret"));
        }
        let known = [("PASSWORD", "s3cret"), ("WRONG", "wrong"), ("LONG", "much too long")];
        let found = known.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| SecretString::from(*value)).ok_or_else(|| SourceError("there is no such file".into()))
    }
}

fn registry(vault: &Vault, routes: RoutesKind) -> Registry {
    Registry::new(vec![typed(CarriersKind::new(vault.clone())), typed(routes)]).unwrap()
}

fn administrator() -> OrganisationPermit<cap::ResourcesApply> {
    let id = Uuid::from_u128(7).into();
    let ada = Actor::new(Principal::User { id, name: "Ada Sample".into() }, AuthMethod::Password);
    Grants::of_roles(ada, &[(Role::Administrator, Scope::Organisation)]).permit_organisation().unwrap()
}

impl House {
    pub async fn new(db: Db) -> Self {
        let keys = KeyFile::parse("1 CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=").unwrap();
        let vault = Vault::unlock(db.clone(), keys).await.unwrap();
        let routes = RoutesKind::new();
        let messaging = Messaging::start(db.clone(), vault.clone(), &routes).await.unwrap();
        let resources = Resources::new(db.clone(), registry(&vault, routes), vault.clone());
        let carriers = Carriers::new(db.clone(), vault, messaging.clone());
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (carriers, stop) = (carriers.clone(), stop.clone());
            async move { carriers.run(stop).await }
        });
        Self { db, resources, messaging, carriers, stop, running }
    }

    pub async fn apply(&self, yaml: &str) -> Result<(), Error> {
        let registry = self.resources.registry();
        let parsed = Parsed::yaml(yaml, registry)?.resolve(&Pocket).unwrap();
        let document = Document::from_wire(parsed.to_wire().as_bytes(), registry).unwrap();
        self.resources.apply(&administrator(), document, ApplyOptions::default()).await.map(drop)
    }

    pub fn words(&self, name: &str) -> String {
        let status = self.carriers.status().into_iter().find(|status| status.name == name);
        status.map(|status| status.words).unwrap_or_default()
    }

    pub async fn end(self) {
        self.messaging.stop().await;
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

pub fn yaml(stage: &Stage, password: &str, sessions: u32) -> String {
    let ca = stage.directory.path().join("ca.pem");
    std::fs::write(&ca, &stage.ca_pem).unwrap();
    format!(
        "
workspaces:
  - {{slug: demo, environment: development}}
carriers:
  - name: sim-1
    kind: smpp
    address: localhost:{}
    tls_ca: {}
    system_id: demo
    password: {{env: {password}}}
    sessions: {sessions}
    window: 50
    simulated: true
routes:
  - {{workspace: demo, carriers: [sim-1], sender: '70007'}}
",
        stage.address.port(),
        ca.display(),
    )
}

testdb::both_databases! {
    migrations = [
        &access::MIGRATIONS,
        &audit::MIGRATIONS,
        &vault::MIGRATIONS,
        &resources::MIGRATIONS,
        &messaging::MIGRATIONS,
        &carriers::MIGRATIONS,
    ];

    /// E-31: a message is accepted, carried over TLS, receipted; and a change of the carrier's settings takes effect while the
    /// server runs, without losing what comes in between.
    async fn a_file_makes_a_carrier_and_a_change_of_it_reconnects(db: Db) {
        let stage = Stage::new(Behaviour { receipt_delay_ms: 0, ..Behaviour::default() }).await;
        let house = House::new(db).await;
        house.apply(&yaml(&stage, "WRONG", 1)).await.unwrap();
        until("refused", async || house.words("sim-1").contains("ESME_RBINDFAIL")).await;
        house.apply(&yaml(&stage, "PASSWORD", 2)).await.unwrap();
        until("bound", async || house.words("sim-1") == "2 of 2 sessions").await;

        let workspace = house
            .db
            .read(|tx| tx.query_one("SELECT id FROM workspaces WHERE slug = 'demo'", &params![], |row| row.get::<Uuid>(0)))
            .await
            .unwrap()
            .into();
        let permit: Permit<cap::MessagesSend> = Permit::engine(Engine("tests"), workspace);
        let new = || New::text(Number::parse(DINA, None).unwrap(), "Replication lag 42 s");
        let id = house.messaging.submit(&permit, new()).await.unwrap().id;
        let reader: Permit<cap::MessagesRead> = Permit::engine(Engine("tests"), workspace);
        until("delivered", async || {
            let (messaging, reader) = (house.messaging.clone(), reader.clone());
            let details = house.db.read(move |tx| messaging.get(tx, &reader, id)).await.unwrap().unwrap();
            details.summary.state == messaging::State::Delivered
        })
        .await;

        // One session more while messages flow: each goes out once.
        let sends = tokio::spawn({
            let (messaging, permit) = (house.messaging.clone(), permit.clone());
            async move {
                for _ in 0..60 {
                    let text = New::text(Number::parse(DINA, None).unwrap(), "while it changes");
                    messaging.submit(&permit, text).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        house.apply(&yaml(&stage, "PASSWORD", 3)).await.unwrap();
        sends.await.unwrap();
        until("reconnected", async || house.words("sim-1") == "3 of 3 sessions").await;
        until("all are there", async || stage.ledger().len() >= 61).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(stage.ledger().len(), 61, "once each");

        // A carrier that is taken out of the file goes.
        house.apply("workspaces:\n  - {slug: demo, environment: development}\n").await.unwrap();
        house.end().await;
        until("unbound", async || stage.control.counters().await.unwrap().binds.is_empty()).await;
    }

    /// X-07, E-02: what would go in clear text, or cannot work, is refused by name before anything is stored.
    async fn settings_that_cannot_work_are_refused_by_name(db: Db) {
        let house = House::new(db).await;
        let refused = async |line: &str| {
            let mut lines = vec![
                "name: carrier-a".to_owned(),
                "address: smpp.example.com:2776".into(),
                "system_id: us".into(),
                "password: {env: PASSWORD}".into(),
            ];
            let key = line.split(':').next().unwrap().to_owned();
            lines.retain(|known| !known.starts_with(&format!("{key}:")));
            lines.push(line.to_owned());
            let yaml = format!("carriers:\n  - {{{}}}\n", lines.join(", "));
            let error = house.apply(&yaml).await.unwrap_err();
            error.problems().iter().map(|problem| problem.field.clone().unwrap_or_default()).collect::<String>()
        };
        assert!(refused("tls: false").await.ends_with("tls"));
        assert!(refused("address: smpp.example.com").await.ends_with("address"));
        assert!(refused("password: {env: LONG}").await.ends_with("password"));
        assert!(refused("window: 2001").await.ends_with("window"));
        assert!(refused("system_id: longer-than-fifteen").await.ends_with("system_id"));
        assert!(house.carriers.status().is_empty());
        let stored = house.db.read(|tx| tx.query_one("SELECT COUNT(*) FROM carriers", &params![], |row| row.get::<i64>(0)));
        assert_eq!(stored.await.unwrap(), 0);
        house.end().await;
    }
}

/// The password is sealed on disk, and nowhere in the projection in clear.
#[test]
fn the_password_is_sealed() {
    testdb::run(testdb::Dialect::Sqlite, &testdb_migrations(), async |db: Db| {
        let stage = Arc::new(Stage::new(Behaviour::default()).await);
        let house = House::new(db).await;
        house.apply(&yaml(&stage, "PASSWORD", 1)).await.unwrap();
        let row = house.db.read(|tx| {
            tx.query_one("SELECT settings, password FROM carriers", &params![], |row| {
                Ok((row.get::<String>(0)?, row.get::<String>(1)?))
            })
        });
        let (settings, password) = row.await.unwrap();
        assert!(password.starts_with("v1.") && !password.contains("s3cret") && !settings.contains("s3cret"));
        house.end().await;
    });
}
