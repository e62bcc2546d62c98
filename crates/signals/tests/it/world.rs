//! A workspace with integrations, API keys and a flow, and a stand-in for alerts that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use access::{Actor, Capability, Grants, OrganisationPermit, Permit, cap};
use alerts::{NewAlert, Opened, ResolveKey};
use base::{AlertId, ExposeSecret, IntegrationId, SecretString, WorkspaceId};
use flows::{Flows, Pages};
use identity::{ApiKeysKind, Identity};
use resources::{
    Applied, ApplyOptions, Class, Field, KindScope, Parsed, Projection, Registry, Resources, SecretSource, Shape,
    SourceError, TypedKind,
};
use sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use signals::{Accepted, Activity, Credential, Door, Filter, Refused, Request, Signals};
use store::{Db, Migration, Migrations, Tx, Worker, params};
use vault::{KeyFile, Vault};

pub const PAGES: Migrations = Migrations {
    room: "pages",
    steps: &[Migration {
        version: 1,
        name: "pages",
        sql: "CREATE TABLE pages (id TEXT PRIMARY KEY, number BIGINT NOT NULL, integration TEXT, dedup TEXT, title TEXT NOT NULL,
                  signal TEXT NOT NULL, live BOOLEAN NOT NULL);",
    }],
};

/// The token of the integration `prometheus`.
pub const TOKEN: &str = "imported-token-of-prometheus-0001";

#[derive(Clone, Default)]
pub struct FakePages {
    /// The machine fails at this many calls from now; never when negative.
    pub fail_in: Arc<AtomicI64>,
}

impl FakePages {
    fn fault(&self) -> Result<(), alerts::Error> {
        if self.fail_in.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(store::Error::Overloaded.into());
        }
        Ok(())
    }
}

impl Pages for FakePages {
    fn open(&self, tx: &mut Tx<'_>, _: &Permit<cap::AlertsOpen>, alert: NewAlert) -> Result<Opened, alerts::Error> {
        if alert.title == "poison" {
            // What a defect looks like: not the page's fault, and not going to pass.
            return Err(store::Error::NoRow.into());
        }
        let live = tx.query_opt(
            "SELECT id, number FROM pages WHERE live AND dedup = $1 AND integration = $2",
            &params![alert.key.as_deref(), alert.integration],
            |row| Ok((row.get::<AlertId>("id")?, row.get::<i64>("number")?)),
        )?;
        if let Some((id, number)) = live {
            return Ok(Opened { id, number, joined: true });
        }
        let id: AlertId = tx.context().id();
        let number = tx.next_number("pages")?;
        tx.execute(
            "INSERT INTO pages (id, number, integration, dedup, title, signal, live) VALUES ($1, $2, $3, $4, $5, $6, TRUE)",
            &params![id, number, alert.integration, alert.key, alert.title, alert.signal],
        )?;
        self.fault()?;
        Ok(Opened { id, number, joined: false })
    }

    fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        _: &Permit<cap::AlertsOpen>,
        wish: ResolveKey,
    ) -> Result<Vec<AlertId>, alerts::Error> {
        let sql = "UPDATE pages SET live = FALSE WHERE live AND dedup = $1 AND integration = $2 RETURNING id";
        let ids = tx.query(sql, &params![wish.key, wish.integration], |row| row.get("id"))?;
        self.fault()?;
        Ok(ids)
    }

    fn live(&self, tx: &mut Tx<'_>, ids: &[AlertId]) -> Result<Vec<AlertId>, alerts::Error> {
        let live: Vec<AlertId> = tx.query("SELECT id FROM pages WHERE live", &[], |row| row.get("id"))?;
        Ok(ids.iter().copied().filter(|id| live.contains(id)).collect())
    }
}

struct Groups;

#[derive(Serialize, Deserialize)]
struct Group {
    name: String,
}

impl TypedKind for Groups {
    type Body = Group;
    const NAME: &'static str = "groups";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::PeopleWrite;
    const FIELDS: &'static [Field] = &[Field::new("name", Class::Internal, Shape::Text).required()];

    fn key(&self, body: &Group) -> String {
        body.name.clone()
    }

    fn project(&self, _: &mut Tx<'_>, _: &Projection<'_, Group>) -> Result<(), resources::Error> {
        Ok(())
    }
}

/// `{env: …}` gives the name itself back, so that a test's file can hold its tokens.
struct Names;

impl SecretSource for Names {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        Err(SourceError(path.to_owned()))
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        Ok(SecretString::from(name.to_owned()))
    }
}

pub const FILE: &str = r#"
workspaces: [{slug: demo, name: Demo, environment: development}]
groups: [{workspace: demo, name: ops}]
api_keys:
  - {workspace: demo, name: cron, scopes: ["signals:send"], token: {env: imported-key-of-cron-000000000001}}
  - {workspace: demo, name: reader, scopes: ["signals:read"], token: {env: imported-key-of-reader-0000000001}}
flows:
  - workspace: demo
    name: page
    group: ops
    steps:
      - {id: start, type: trigger, next: firing}
      - {id: firing, type: condition, if: event.status == "firing", then: page, else: clear}
      - {id: page, type: create_alert, title: "{{ event.title }}", next: end}
      - {id: clear, type: resolve_alert, key: "{{ event.key }}", next: end}
mappings:
  - workspace: demo
    name: lines
    each: payload.lines
    event: {key: "{{ item.k }}", title: "{{ item.t }}", status: "{{ item.s }}"}
integrations:
  - {workspace: demo, name: prometheus, flow: page, mapping: generic, token: {env: imported-token-of-prometheus-0001}}
  - {workspace: demo, name: keyed, flow: page, auth: [api_key], token: {env: imported-token-of-keyed-0000000001}}
  - {workspace: demo, name: both, flow: page, auth: [url_token, api_key], mapping: lines}
  - {workspace: demo, name: "off", flow: page, enabled: false, token: {env: imported-token-of-off-00000000001}}
  - {workspace: demo, name: basic, flow: page, auth: [basic]}
  - {workspace: demo, name: scanner, flow: page, auth: [basic, url_token], username: scan, password: {env: imported-password-of-scan-000001}}
  - {workspace: demo, name: signed, flow: page, auth: [hmac]}
  - {workspace: demo, name: slow, flow: page, rate_per_minute: 3, token: {env: imported-token-of-slow-0000000001}}
"#;

pub struct World {
    pub db: Db,
    pub signals: Signals,
    pub flows: Flows,
    pub pages: FakePages,
    pub workspace: WorkspaceId,
    pub resources: Resources,
    /// The token that was drawn for `both`.
    pub drawn: String,
    /// What was drawn, by integration and field.
    pub secrets: std::collections::HashMap<(String, String), String>,
    registry: Registry,
    grants: Grants,
}

impl World {
    pub async fn new(db: Db) -> Self {
        db.write(|tx| {
            let context = tx.context().clone();
            access::ensure_organisation(tx, &context, "Sample").map(|_| ())
        })
        .await
        .expect("organisation");
        let mut world = Self::over(db).await;
        let applied = world.apply(FILE).await.expect("applies");
        let drawn =
            applied.drawn.iter().find(|drawn| drawn.key == "both" && drawn.field == "token").expect("a drawn token");
        world.drawn = drawn.secret.expose_secret().to_owned();
        let secrets = applied
            .drawn
            .iter()
            .map(|one| ((one.key.clone(), one.field.clone()), one.secret.expose_secret().to_owned()));
        world.secrets = secrets.collect();
        let found = world.db.read(|tx| access::workspace_by_slug(tx, "demo")).await.expect("reads");
        world.workspace = found.expect("is there").id;
        world
    }

    /// The rooms over a database; a second node when there is a world on it already.
    pub async fn over(db: Db) -> Self {
        let keys = KeyFile::parse("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("keys");
        let vault = Vault::unlock(db.clone(), keys).await.expect("vault");
        let mut kinds = signals::kinds(Some(vault.clone()));
        kinds.extend(flows::kinds());
        kinds.push(resources::typed(Groups));
        kinds.push(resources::typed(ApiKeysKind));
        let registry = Registry::new(kinds).expect("registry");
        let resources = Resources::new(db.clone(), registry.clone(), vault.clone());
        let identity = Identity::new(db.clone(), vault.clone(), resources.clone(), identity::Options::default())
            .expect("identity");
        let grants = Grants::of_operator(Actor::os("test", "here"));
        let pages = FakePages { fail_in: Arc::new(AtomicI64::new(-1)) };
        let sandbox = Sandbox::in_this_process();
        let flows = Flows::new(db.clone(), vault.clone(), sandbox.clone(), pages.clone());
        let signals = Signals::new(db.clone(), vault, identity, flows.clone(), sandbox);
        let workspace = WorkspaceId::from(uuid::Uuid::nil());
        Self {
            db,
            signals,
            flows,
            pages,
            workspace,
            resources,
            drawn: String::new(),
            secrets: std::collections::HashMap::default(),
            registry,
            grants,
        }
    }

    /// Applies a file; its problems as `path: code: detail`.
    pub async fn apply(&self, yaml: &str) -> Result<Applied, Vec<String>> {
        let problems = |error: resources::Error| match error {
            resources::Error::Invalid(problems) => problems
                .into_iter()
                .map(|one| format!("{}: {}: {}", one.field.unwrap_or_default(), one.code, one.detail))
                .collect(),
            other => vec![format!("{other:?}")],
        };
        let document =
            Parsed::yaml(yaml, &self.registry).and_then(|parsed| parsed.resolve(&Names)).map_err(problems)?;
        let permit: OrganisationPermit<cap::ResourcesApply> = self.grants.permit_organisation().expect("right");
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map_err(problems)
    }

    pub fn permit<C: access::Cap>(&self) -> Permit<C> {
        self.grants.permit(self.workspace).expect("right")
    }

    pub fn organisation<C: access::Cap>(&self) -> OrganisationPermit<C> {
        self.grants.permit_organisation().expect("right")
    }

    pub async fn id(&self, name: &str) -> IntegrationId {
        let all = self.signals.integrations(&self.permit()).await.expect("reads");
        all.into_iter().find(|one| one.name == name).expect("is there").id
    }

    pub async fn request(&self, name: &str, credential: Credential, body: &str) -> Request {
        Request {
            integration: self.id(name).await.to_string(),
            credential,
            signature: None,
            content_type: Some("application/json".into()),
            body: body.as_bytes().to_vec(),
            source: Some("192.0.2.7:4711".parse().expect("an address")),
            user_agent: Some("curl/8.0\u{7}".into()),
            request: None,
            certificate: None,
            door: Door::Signals,
        }
    }

    /// Sends to `prometheus` with its token.
    pub async fn send(&self, body: &str) -> Result<Accepted, Refused> {
        self.signals.accept(self.request("prometheus", url(TOKEN), body).await).await
    }

    pub fn worker(&self) -> Worker {
        self.flows.work(self.signals.work(Worker::new(self.db.clone())))
    }

    pub async fn drain(&self) {
        self.worker().drain().await.expect("drains");
    }

    pub async fn activity(&self) -> Vec<Activity> {
        let page = self.signals.list(&self.permit(), Filter::default(), base::PageRequest::new(200, None)).await;
        page.expect("reads").items
    }

    /// Activity, once the task that writes refusals has written `count` lines.
    pub async fn activity_of(&self, count: usize) -> Vec<Activity> {
        // Patiently: a machine that runs everything at once needs more than a moment.
        for _ in 0..4_000 {
            let lines = self.activity().await;
            if lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.activity().await
    }

    /// What was paged, in order: title and whether it lives.
    pub async fn paged(&self) -> Vec<(String, bool)> {
        self.db
            .read(|tx| {
                tx.query("SELECT title, live FROM pages ORDER BY number", &[], |row| {
                    Ok((row.get("title")?, row.get("live")?))
                })
            })
            .await
            .expect("reads")
    }
}

pub fn url(token: &str) -> Credential {
    Credential::UrlToken(SecretString::from(token.to_owned()))
}

pub fn bearer(token: &str) -> Credential {
    Credential::Bearer(SecretString::from(token.to_owned()))
}

pub fn basic(user: &str, password: &str) -> Credential {
    Credential::Basic { user: SecretString::from(user), password: SecretString::from(password) }
}

/// A request to `signed` as Standard Webhooks has it, made at `at`.
pub async fn signed(world: &World, secret: &str, id: &str, at: base::Timestamp, body: &str) -> Request {
    let timestamp = (at.as_micros() / 1_000_000).to_string();
    let key = crypto::webhook::WebhookKey::parse(secret).expect("a secret");
    let signatures = format!("v1a,zzz {}", key.sign(id, &timestamp, body.as_bytes()));
    let mut request = world.request("signed", Credential::None, body).await;
    request.signature = Some(signals::Signature { id: id.to_owned(), timestamp, signatures });
    request
}
