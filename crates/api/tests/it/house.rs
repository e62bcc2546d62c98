//! Every room that the API calls, on a fresh database, behind a real listener; a carrier that takes everything.

use std::num::NonZeroU32;
use std::sync::Arc;

use ::resources::{ApplyOptions, Parsed, Registry, Resources, SecretSource, SourceError, typed};
use ::signals::Signals;
use ::webhooks::Webhooks;
use access::{Actor, Engine, Grants, Permit, cap};
use alerts::{Alerts, NewAlert, Opened, Priority};
use api::{Api, Envelope};
use async_trait::async_trait;
use base::{ExposeSecret, SecretString, WorkspaceId};
use channels::Sms;
use crypto::password::Cost;
use crypto::tls::{
    CertResolver, Clients, Roots, SelfSigned, client_config, client_config_with_identity, server_config,
};
use flows::Flows;
use http::{App, Door, Doorkeeper, Server, Settings};
use identity::{ApiKeysKind, Caller, Identity, OauthClientsKind, RolesKind, SetUp, TokenIssuersKind, UsersKind};
use messaging::{Carrier, LinkState, Messaging, OnUnknownOutcome, RoutesKind, Submission, SubmitError, Submitted};
use oncall::{GroupsKind, OnCall};
use sandbox::{Sandbox, WorkerCommand};
use serde_json::Value;
use store::{Db, Migrations};
use testdb::{Dialect, Fresh};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vault::{KeyFile, Vault};

const ROOMS: &[Migrations] = &[
    vault::MIGRATIONS,
    access::MIGRATIONS,
    audit::MIGRATIONS,
    ::resources::MIGRATIONS,
    mail::MIGRATIONS,
    identity::MIGRATIONS,
    messaging::MIGRATIONS,
    carriers::MIGRATIONS,
    oncall::MIGRATIONS,
    channels::MIGRATIONS,
    alerts::MIGRATIONS,
    flows::MIGRATIONS,
    ::signals::MIGRATIONS,
    smppd::MIGRATIONS,
    ::webhooks::MIGRATIONS,
];

/// Imported secrets of the file below.
pub const KEY: &str = "imported-key-for-everything-0001";
pub const READER: &str = "imported-key-that-only-reads-0002";
pub const HOOKS: &str = "imported-key-of-integrations-0003";
pub const SENDER: &str = "imported-key-that-only-sends-0004";
pub const URL_TOKEN: &str = "imported-url-token-of-generic-03";

const FILE: &str = r#"
workspaces:
  - {slug: demo, environment: development, name: Demo, time_zone: Europe/London}
  - {slug: other, environment: development, name: Other, time_zone: Europe/London}
carriers:
  - {name: sim, address: "127.0.0.1:1", system_id: x, password: {env: PASSWORD}, simulated: true}
routes:
  - {workspace: demo, match: {prefix: "+44"}, carriers: [sim], sender: "+447700900000"}
users:
  - {name: Dina Sample, login: dina@example.com, roles: [{role: responder, workspace: demo}],
     devices: [{kind: sms, number: "+447700900117", order: 1}]}
groups:
  - workspace: demo
    name: on-call
    members: [{user: dina@example.com, delay_seconds: 0}]
flows:
  - workspace: demo
    name: page
    group: on-call
    steps:
      - {id: start, type: trigger, next: open}
      - {id: open, type: create_alert, title: "{{ event.title }}", next: end}
integrations:
  - {workspace: demo, name: generic, auth: [url_token, api_key], mapping: generic, flow: page, token: {env: URL_TOKEN}}
api_keys:
  - workspace: demo
    name: everything
    scopes: ["messages:send", "messages:alert", "messages:erase", "messages:read", "messages:content", "signals:send", "signals:read", "alerts:read",
      "alerts:answer", "runs:read", "oncall:read"]
    token: {env: KEY}
  - {workspace: demo, name: sender, scopes: ["messages:send"], token: {env: SENDER}}
  - {workspace: demo, name: reader, scopes: ["alerts:read"], token: {env: READER}}
  - {workspace: demo, name: hooks, scopes: ["integrations:read", "integrations:write"], token: {env: HOOKS}}
"#;

pub struct Secrets;

impl SecretSource for Secrets {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        let value = match name {
            "KEY" => KEY,
            "READER" => READER,
            "HOOKS" => HOOKS,
            "SENDER" => SENDER,
            "URL_TOKEN" => URL_TOKEN,
            _ => "secret",
        };
        Ok(value.into())
    }
}

/// Takes every message at once.
struct Willing(watch::Sender<LinkState>);

#[async_trait]
impl Carrier for Willing {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        10
    }

    fn rate(&self) -> Option<NonZeroU32> {
        None
    }

    fn on_unknown_outcome(&self) -> OnUnknownOutcome {
        OnUnknownOutcome::Resend
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.0.subscribe()
    }

    async fn submit(&self, _: Submission) -> Result<Submitted, SubmitError> {
        Ok(Submitted { carrier_ref: "1".into() })
    }
}

/// A running product, as far as the API goes.
pub struct House {
    /// A client that shows the certificate of `CN=app.example.com`.
    pub certified: reqwest::Client,
    pub db: Db,
    pub alerts: Alerts,
    pub api: Api,
    pub app: App,
    pub url: String,
    pub integration: String,
    session: (String, String),
    pub client: reqwest::Client,
    _fresh: Fresh,
    _stop: tokio_util::sync::DropGuard,
}

pub fn operator() -> Actor {
    Actor::os("root", "host1")
}

async fn rooms(db: &Db) -> (Api, Alerts, Vault) {
    let keys = KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = Vault::unlock(db.clone(), keys).await.unwrap();
    let oncall = OnCall::new(vault.clone());
    let routes = RoutesKind::new();
    let callbacks = ::webhooks::Kinds::new(Some(vault.clone()));
    let mut kinds = vec![
        typed(UsersKind::new(Arc::new(oncall.clone()))),
        typed(RolesKind),
        typed(ApiKeysKind),
        typed(OauthClientsKind),
        typed(TokenIssuersKind),
        typed(smppd::AccountsKind),
        typed(carriers::CarriersKind::new(vault.clone())),
        typed(routes.clone()),
        typed(GroupsKind),
        typed(callbacks.of_workspaces()),
        typed(callbacks.of_account()),
    ];
    kinds.extend(flows::kinds());
    kinds.extend(::signals::kinds(Some(vault.clone())));
    let resources = Resources::new(db.clone(), Registry::new(kinds).unwrap(), vault.clone());
    let mail = mail::Mail::new(db.clone(), vault.clone(), None).unwrap();
    let options =
        identity::Options { cost: Cost::trivial_for_tests(), mail: Some(mail.clone()), ..identity::Options::default() };
    let identity = Identity::new(db.clone(), vault.clone(), resources.clone(), options).unwrap();
    let messaging = Messaging::start(db.clone(), vault.clone(), &routes).await.unwrap();
    messaging.attach(Arc::new(Willing(watch::Sender::new(LinkState::Up))));
    let sms = Sms::new(messaging.clone(), vault.clone());
    let settings = alerts::Settings::default();
    let alerts = Alerts::new(db.clone(), vault.clone(), oncall.clone(), sms, messaging.clone(), settings);
    // Nothing here evaluates a template, so no worker is ever started.
    let sandbox = Sandbox::new(WorkerCommand::new("/nonexistent", Vec::<String>::new()));
    let flows = Flows::new(db.clone(), vault.clone(), sandbox.clone(), alerts.clone());
    let signals = Signals::new(db.clone(), vault.clone(), identity.clone(), flows.clone(), sandbox);
    let guarded = outbound::Guarded::new(outbound::Rules::default());
    let webhooks = Webhooks::new(db.clone(), vault.clone(), &callbacks, guarded).await.unwrap();
    let sub_accounts = api::SubAccounts::new(db.clone());
    let (refusals, _) = audit::Refusals::new(db.clone());
    let smppd = smppd::Smppd::new(db.clone(), vault.clone(), messaging.clone(), refusals);
    let api = Api {
        sub_accounts,
        public_url: "https://pager.example.com".to_owned(),
        mail,
        db: db.clone(),
        identity,
        resources,
        signals,
        flows,
        alerts: alerts.clone(),
        oncall,
        messaging,
        webhooks,
        smppd,
    };
    (api, alerts, vault)
}

impl House {
    pub async fn new() -> Self {
        crypto::install_default_provider();
        let fresh = testdb::fresh(Dialect::Sqlite, ROOMS).await;
        let db = fresh.open().await;
        let (api, alerts, vault) = rooms(&db).await;
        let context = db.context().clone();
        db.write(move |tx| access::ensure_organisation(tx, &context, "Sample").map(drop)).await.unwrap();
        let permit = Grants::of_operator(operator()).permit_organisation::<cap::ResourcesApply>().unwrap();
        let document = Parsed::yaml(FILE, api.resources.registry()).unwrap().resolve(&Secrets).unwrap();
        api.resources.apply(&permit, document, ApplyOptions::default()).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("https://localhost:{}", address.port());
        let pair = SelfSigned::generate(&["localhost".into()], db.context()).unwrap();
        let app = SelfSigned::generate(&["app.example.com".into()], db.context()).unwrap();
        let resolver = CertResolver::from_pem(&pair.cert_pem, pair.key_pem.expose_secret()).unwrap();
        let tls = server_config(Arc::new(resolver), Clients::Asked(&app.ca_pem), &[]).unwrap();
        let (refusals, _) = audit::Refusals::new(db.clone());
        let keeper = Arc::new(Doorkeeper::new(api.identity.clone(), db.clone(), refusals));
        let served_app = App::builder(Settings::new(&url).unwrap(), keeper, db.context().clone())
            .routes(api::routes(api.clone()))
            .render(Door::Compatible, Envelope)
            .replays(http::Replays::new(db.clone(), vault))
            .overview(api::overview())
            .health(http::DatabaseHealth::new(db.clone()))
            .build();
        let stop = CancellationToken::new();
        let served = served_app.clone();
        tokio::spawn(Server::on(listener, tls, served).run(stop.clone()));

        let roots = Roots::Pem(pair.ca_pem);
        let shown = client_config_with_identity(&roots, &[b"h2"], &app.cert_pem, app.key_pem.expose_secret()).unwrap();
        let certified = reqwest::Client::builder().tls_backend_preconfigured((*shown).clone()).no_proxy();
        let certified = certified.resolve("localhost", address).build().unwrap();
        let tls = client_config(&roots, &[b"h2"]).unwrap();
        let client = reqwest::Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy();
        let client = client.resolve("localhost", address).build().unwrap();
        let session = administrator(&api).await;
        let integration = integration(&api).await;
        Self {
            db,
            alerts,
            api,
            certified,
            app: served_app,
            url,
            integration,
            session,
            client,
            _fresh: fresh,
            _stop: stop.drop_guard(),
        }
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).json(body)
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn workspace(&self, name: &'static str) -> WorkspaceId {
        self.db.read(move |tx| access::workspace_by_slug(tx, name)).await.unwrap().unwrap().id
    }

    /// An alert of `demo`.
    pub async fn open(&self, title: &str) -> Opened {
        let workspace = self.workspace("demo").await;
        let (alerts, title) = (self.alerts.clone(), title.to_owned());
        let opened: Result<Opened, alerts::Error> = self
            .db
            .write(move |tx| {
                let new = NewAlert {
                    workspace,
                    integration: None,
                    signal: None,
                    run: None,
                    key: None,
                    priority: Priority::High,
                    title: title.clone(),
                    text: "All of it".into(),
                    sms: None,
                    link: None,
                    group: "on-call".into(),
                    expires_in: None,
                };
                alerts.open(tx, &Permit::engine(Engine("test"), workspace), new)
            })
            .await;
        opened.unwrap()
    }
}

/// Ways to prove oneself.
pub trait Proves: Sized {
    fn key(self, key: &str) -> Self;
    fn administrator(self, house: &House) -> Self;
}

impl Proves for reqwest::RequestBuilder {
    fn key(self, key: &str) -> Self {
        self.bearer_auth(key)
    }

    fn administrator(self, house: &House) -> Self {
        let (token, csrf) = &house.session;
        self.header("cookie", format!("__Host-sid={token}"))
            .header("x-csrf-token", csrf)
            .header("sec-fetch-site", "same-origin")
    }
}

pub async fn json(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}

async fn administrator(api: &Api) -> (String, String) {
    let identity = api.identity.clone();
    let link = api.db.write(move |tx| identity.setup_link(tx, &operator())).await.unwrap();
    let form = SetUp {
        secret: link.secret,
        name: "Ada Sample".into(),
        login: "ada@example.com".into(),
        password: "velvet cactus monday rowing".into(),
        time_zone: None,
    };
    let logged_in = api.identity.setup(form, &Caller::default()).await.unwrap().into_session().unwrap();
    let csrf = logged_in.session.csrf.expose_secret().to_owned();
    (logged_in.token.expose_secret().to_owned(), csrf)
}

async fn integration(api: &Api) -> String {
    let permit = Grants::of_operator(operator()).permit_organisation::<cap::IntegrationsRead>().unwrap();
    let workspace = api.db.read(|tx| access::workspace_by_slug(tx, "demo")).await.unwrap().unwrap().id;
    let found = api.signals.integrations(&permit.in_workspace(workspace)).await.unwrap();
    found[0].id.to_string()
}
