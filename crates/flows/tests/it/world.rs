//! A workspace with flows, and a stand-in for alerts that writes down what it is asked and can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use access::{Actor, Capability, Grants, OrganisationPermit, Permit, cap};
use alerts::{NewAlert, Opened, ResolveKey};
use base::{AlertId, FlowId, IntegrationId, SecretString, SignalId, WorkspaceId};
use flows::{Event, Flows, Pages, RunDetail, RunFilter, Start, Status};
use resources::{
    ApplyOptions, Class, Field, KindScope, Parsed, Projection, Registry, Resources, SecretSource, Shape, SourceError,
    TypedKind,
};
use sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use store::{Db, Migration, Migrations, Tx, Worker, params};
use vault::{KeyFile, Vault};

pub const PAGES: Migrations = Migrations {
    room: "pages",
    steps: &[Migration {
        version: 1,
        name: "pages",
        sql: "CREATE TABLE pages (id TEXT PRIMARY KEY, number BIGINT NOT NULL, integration TEXT, dedup TEXT, title TEXT NOT NULL,
                  body TEXT NOT NULL, sms TEXT, priority TEXT NOT NULL, grp TEXT NOT NULL, run TEXT NOT NULL, live BOOLEAN NOT NULL,
                  joined BIGINT NOT NULL);",
    }],
};

/// One alert, as the stand-in kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub number: i64,
    pub key: Option<String>,
    pub title: String,
    pub text: String,
    pub sms: Option<String>,
    pub priority: String,
    pub group: String,
    pub live: bool,
    pub joined: i64,
}

/// The stand-in for alerts.
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
    fn open(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        alert: NewAlert,
    ) -> Result<Opened, alerts::Error> {
        assert_eq!(permit.workspace(), alert.workspace);
        if alert.title.contains("refuse") {
            return Err(alerts::Error::Invalid { field: "title", detail: "It is not wanted here." });
        }
        let live = tx.query_opt(
            "SELECT id, number FROM pages WHERE live AND dedup = $1 AND integration = $2",
            &params![alert.key.as_deref(), alert.integration],
            |row| Ok((row.get::<AlertId>("id")?, row.get::<i64>("number")?)),
        )?;
        if let Some((id, number)) = live {
            tx.execute("UPDATE pages SET joined = joined + 1 WHERE id = $1", &params![id])?;
            self.fault()?;
            return Ok(Opened { id, number, joined: true });
        }
        let id: AlertId = tx.context().id();
        let number = tx.next_number("pages")?;
        tx.execute(
            "INSERT INTO pages (id, number, integration, dedup, title, body, sms, priority, grp, run, live, joined)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, TRUE, 0)",
            &params![
                id,
                number,
                alert.integration,
                alert.key,
                alert.title,
                alert.text,
                alert.sms,
                alert.priority.as_str(),
                alert.group,
                alert.run.expect("a run")
            ],
        )?;
        // Fails after it wrote, as a machine does.
        self.fault()?;
        Ok(Opened { id, number, joined: false })
    }

    fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        _permit: &Permit<cap::AlertsOpen>,
        wish: ResolveKey,
    ) -> Result<Vec<AlertId>, alerts::Error> {
        let sql = "UPDATE pages SET live = FALSE WHERE live AND dedup = $1 AND integration = $2 AND (priority <> 'critical' OR $3)
            RETURNING id";
        let ids = tx.query(sql, &params![wish.key, wish.integration, wish.may_close_critical], |row| row.get("id"))?;
        self.fault()?;
        Ok(ids)
    }

    fn live(&self, tx: &mut Tx<'_>, ids: &[AlertId]) -> Result<Vec<AlertId>, alerts::Error> {
        let live: Vec<AlertId> = tx.query("SELECT id FROM pages WHERE live", &[], |row| row.get("id"))?;
        Ok(ids.iter().copied().filter(|id| live.contains(id)).collect())
    }
}

/// A stand-in for the kind `groups`.
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

    fn project(&self, _tx: &mut Tx<'_>, _change: &Projection<'_, Group>) -> Result<(), resources::Error> {
        Ok(())
    }
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn file(&self, _: &str) -> Result<SecretString, SourceError> {
        Err(SourceError("none".into()))
    }

    fn env(&self, _: &str) -> Result<SecretString, SourceError> {
        Err(SourceError("none".into()))
    }
}

pub struct World {
    pub db: Db,
    pub flows: Flows,
    pub pages: FakePages,
    pub workspace: WorkspaceId,
    pub integration: IntegrationId,
    resources: Resources,
    registry: Registry,
    grants: Grants,
}

impl World {
    pub async fn new(db: Db) -> Self {
        let keys = KeyFile::parse("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("keys");
        let vault = Vault::unlock(db.clone(), keys).await.expect("vault");
        let mut kinds = flows::kinds();
        kinds.push(resources::typed(Groups));
        let registry = Registry::new(kinds).expect("registry");
        let resources = Resources::new(db.clone(), registry.clone(), vault.clone());
        let grants = Grants::of_operator(Actor::os("test", "here"));
        db.write(|tx| {
            let context = tx.context().clone();
            access::ensure_organisation(tx, &context, "Sample").map(|_| ())
        })
        .await
        .expect("organisation");
        let pages = FakePages { fail_in: Arc::new(AtomicI64::new(-1)) };
        let flows = Flows::new(db.clone(), vault, Sandbox::in_this_process(), pages.clone());
        let integration = db.context().id();
        let mut world = Self {
            db,
            flows,
            pages,
            workspace: WorkspaceId::from(uuid::Uuid::nil()),
            integration,
            resources,
            registry,
            grants,
        };
        world
            .apply("workspaces: [{slug: demo, name: Demo, environment: development}]\ngroups: [{workspace: demo, name: ops}]")
            .await
            .expect("a workspace");
        let found = world.db.read(|tx| access::workspace_by_slug(tx, "demo")).await.expect("reads");
        world.workspace = found.expect("is there").id;
        world
    }

    /// Applies a file; its problems as `path: code: detail`.
    pub async fn apply(&self, yaml: &str) -> Result<(), Vec<String>> {
        let problems = |error: resources::Error| match error {
            resources::Error::Invalid(problems) => problems
                .into_iter()
                .map(|one| format!("{}: {}: {}", one.field.unwrap_or_default(), one.code, one.detail))
                .collect(),
            other => vec![format!("{other:?}")],
        };
        let document =
            Parsed::yaml(yaml, &self.registry).and_then(|parsed| parsed.resolve(&NoSecrets)).map_err(problems)?;
        let permit: OrganisationPermit<cap::ResourcesApply> = self.grants.permit_organisation().expect("right");
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(|_| ()).map_err(problems)
    }

    pub fn permit<C: access::Cap>(&self) -> Permit<C> {
        self.grants.permit(self.workspace).expect("right")
    }

    pub async fn flow(&self, name: &str) -> FlowId {
        let all = self.flows.list(&self.permit()).await.expect("flows");
        all.into_iter().find(|flow| flow.name == name).expect("the flow").id
    }

    pub async fn start(&self, flow: &str, event: Event) -> Start {
        Start {
            workspace: self.workspace,
            flow: self.flow(flow).await,
            integration: Some(self.integration),
            integration_name: "prometheus".into(),
            signal: Some(self.db.context().id::<SignalId>()),
            ordinal: 0,
            received: self.db.context().now(),
            event,
            notes: Vec::new(),
        }
    }

    /// Runs a flow for an event, to its end, as signals and the worker do.
    pub async fn run(&self, flow: &str, event: Event) -> RunDetail {
        let prepared = self.flows.prepare(vec![self.start(flow, event).await]).await.remove(0).expect("prepared");
        let run = prepared.run();
        let flows = self.flows.clone();
        self.db.write(move |tx| flows.begin(tx, &prepared)).await.expect("begins");
        self.drain().await;
        self.flows.run(&self.permit(), run).await.expect("reads").expect("is there")
    }

    pub async fn drain(&self) {
        self.flows.work(Worker::new(self.db.clone())).drain().await.expect("drains");
    }

    pub async fn kept(&self) -> Vec<Kept> {
        self.db
            .read(|tx| {
                tx.query("SELECT * FROM pages ORDER BY number", &[], |row| {
                    Ok(Kept {
                        number: row.get("number")?,
                        key: row.get("dedup")?,
                        title: row.get("title")?,
                        text: row.get("body")?,
                        sms: row.get("sms")?,
                        priority: row.get("priority")?,
                        group: row.get("grp")?,
                        live: row.get("live")?,
                        joined: row.get("joined")?,
                    })
                })
            })
            .await
            .expect("reads")
    }

    pub async fn runs(&self, filter: RunFilter) -> Vec<flows::Run> {
        self.flows.runs(&self.permit(), filter, base::PageRequest::default()).await.expect("reads").items
    }
}

pub fn event(status: Status) -> Event {
    let mut fields = Map::new();
    fields.insert("labels".into(), json!({"host": "db-1", "service": "checkout"}));
    Event {
        key: Some("disk-db-1".into()),
        status,
        title: "Disk full on db-1".into(),
        text: "97 % of /var is used".into(),
        priority: "high".into(),
        group: None,
        link: Some("https://example.com/graph".into()),
        fields,
    }
}
