//! The indexes that the hot path stands on are the ones the databases use, and routes come from resources.

use access::{Actor, AuthMethod, Capability, Grants, Principal, Role, Scope, cap};
use base::UserId;
use resources::{
    ApplyOptions, Class as DataClass, Error as ResourcesError, Field, Ground, KindScope, Parsed, Projection, Registry,
    Resources, SecretSource, Shape, SourceError, TypedKind, typed,
};
use serde::{Deserialize, Serialize};
use store::{Db, Dialect, Tx, params};
use uuid::Uuid;
use vault::{KeyFile, Vault};

use super::house::number;
use crate::*;

/// A stand-in for the kind of room `carriers`.
struct Carriers;

#[derive(Serialize, Deserialize)]
struct CarrierBody {
    name: String,
}

impl TypedKind for Carriers {
    type Body = CarrierBody;
    const NAME: &'static str = "carriers";
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::CarriersWrite;
    const FIELDS: &'static [Field] = &[Field::new("name", DataClass::Internal, Shape::Text).required()];

    fn key(&self, body: &CarrierBody) -> String {
        body.name.clone()
    }

    fn project(&self, _tx: &mut Tx<'_>, _change: &Projection<'_, CarrierBody>) -> Result<(), ResourcesError> {
        Ok(())
    }
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn file(&self, _path: &str) -> Result<base::SecretString, SourceError> {
        Err(SourceError("none here".to_owned()))
    }

    fn env(&self, _name: &str) -> Result<base::SecretString, SourceError> {
        Err(SourceError("none here".to_owned()))
    }
}

async fn apply(resources: &Resources, registry: &Registry, yaml: &str) -> Result<(), String> {
    let id: UserId = Uuid::from_u128(7).into();
    let ada = Actor::new(Principal::User { id, name: "Ada Sample".into() }, AuthMethod::Password);
    let permit = Grants::of_roles(ada, &[(Role::Administrator, Scope::Organisation)])
        .permit_organisation::<cap::ResourcesApply>()
        .unwrap();
    let document = Parsed::yaml(yaml, registry)
        .map_err(|error| format!("{error:?}"))?
        .resolve(&NoSecrets)
        .map_err(|error| format!("{error:?}"))?;
    let options = ApplyOptions { reason: None, ground: Ground::None };
    resources.apply(&permit, document, options).await.map(drop).map_err(|error| format!("{error:?}"))
}

fn registry(kind: &RoutesKind) -> Registry {
    Registry::new(vec![typed(Carriers), typed(kind.clone())]).unwrap()
}

/// How the database would run a statement, as text. Sequential reads are forbidden to PostgreSQL here, since on an empty
/// table it prefers them to anything.
async fn plan(db: &Db, sql: &str) -> String {
    let sql = sql.to_owned();
    db.write(move |tx| {
        let explain = match tx.dialect() {
            Dialect::Sqlite => format!("EXPLAIN QUERY PLAN {sql}"),
            Dialect::Postgres => {
                tx.execute("SET LOCAL enable_seqscan = off", &params![])?;
                format!("EXPLAIN {sql}")
            }
        };
        let column = tx.dialect().pick("detail", "QUERY PLAN").to_owned();
        Ok::<_, store::Error>(tx.query(&explain, &params![], |row| row.get::<String>(column.as_str()))?.join("\n"))
    })
    .await
    .unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &MIGRATIONS];

    /// Without them each look would read the whole table: 20,000 a second instead of 145,000 while draining.
    async fn the_hot_statements_use_their_indexes(db: Db) {
        let (queued, under_way, unknown) =
            (indexes::queued(db.dialect()), indexes::under_way(db.dialect()), indexes::unknown(db.dialect()));
        let claim = format!(
            "SELECT id FROM messages WHERE {queued} AND carrier = 'sim' AND class = 1 AND due_at <= 5 ORDER BY due_at, id LIMIT 9"
        );
        let carriers = format!("SELECT carrier FROM messages WHERE {under_way} AND carrier > 'a' ORDER BY carrier LIMIT 1");
        let doubtful = format!("SELECT id FROM messages WHERE {unknown} AND workspace = 'w' AND id < 9 ORDER BY id DESC LIMIT 9");
        for (sql, index) in [
            (claim.as_str(), "messages_claim"),
            (&carriers, "messages_claim"),
            (&doubtful, "messages_unknown"),
            (
                "WITH RECURSIVE s(n) AS (SELECT CAST(9 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > 0)
                 SELECT m.id FROM s CROSS JOIN messages m WHERE m.segment = s.n AND m.carrier_ref = 'x' AND m.carrier = 'sim' LIMIT 1",
                "messages_by_carrier_ref",
            ),
            (
                "WITH RECURSIVE s(n) AS (SELECT CAST(9 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > 0)
                 SELECT m.id FROM s CROSS JOIN messages m WHERE m.segment = s.n AND m.client_ref = 'x'",
                "messages_by_client_ref",
            ),
            ("SELECT id FROM messages WHERE workspace = 'w' AND id < 9 ORDER BY id DESC LIMIT 50", "messages_by_workspace"),
            ("SELECT id FROM messages WHERE workspace = 'w' AND origin_id = 'x'", "messages_by_origin"),
        ] {
            let plan = plan(&db, sql).await;
            assert!(plan.contains(index), "{sql}\n{plan}");
        }
    }

    /// A route that was applied leads the next message, without a restart.
    async fn a_route_comes_from_resources_and_counts_at_once(db: Db) {
        let vault = Vault::unlock(db.clone(), KeyFile::parse("1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap()).await.unwrap();
        let kind = RoutesKind::new();
        let resources = Resources::new(db.clone(), registry(&kind), vault.clone());
        let messaging = Messaging::start(db.clone(), vault.clone(), &kind).await.unwrap();
        messaging.attach(std::sync::Arc::new(super::house::Fake::new("sim")));
        let file = "workspaces:\n  - {slug: demo, environment: development, name: Demo}\ncarriers:\n  - {name: sim}\nroutes:\n  \
                    - {workspace: demo, match: {prefix: \"+44\"}, carriers: [sim], sender: \"85432\", cost: {amount: 0.0425, currency: EUR}}\n";
        apply(&resources, &registry(&kind), file).await.unwrap();
        let workspace = db.read(|tx| access::workspace_by_slug(tx, "demo")).await.unwrap().unwrap().id;
        let permit = access::Permit::<cap::MessagesSend>::engine(access::Engine("tests"), workspace);
        let accepted = messaging.submit(&permit, New::text(number(17), "x")).await.unwrap();
        assert_eq!((accepted.carrier.as_str(), accepted.sender.as_str()), ("sim", "85432"));
        let elsewhere = New::text("+14155550100".parse().unwrap(), "x");
        assert!(matches!(messaging.submit(&permit, elsewhere).await, Err(Error::Refused(_))));

        for (route, complaint) in [
            ("{workspace: demo, match: {prefix: \"0044\"}, carriers: [sim]}", "first digits"),
            ("{workspace: demo, carriers: []}", "at least one carrier"),
            ("{workspace: demo, carriers: [simm]}", "did you mean sim?"),
            ("{workspace: demo, carriers: [sim], sender: TwelveLetter}", "not a sender"),
            ("{workspace: demo, carriers: [sim], cost: {amount: -1, currency: EUR}}", "0 to 1000000"),
            ("{workspace: demo, carriers: [sim], match: {clas: alert}}", "class"),
        ] {
            let error = apply(&resources, &registry(&kind), &format!("routes:\n  - {route}\n")).await.unwrap_err();
            assert!(error.contains(complaint), "{route}: {error}");
        }

        // Another process reads the same routes at its start.
        messaging.stop().await;
        let again = Messaging::start(db.clone(), vault, &RoutesKind::new()).await.unwrap();
        again.attach(std::sync::Arc::new(super::house::Fake::new("sim")));
        assert_eq!(again.submit(&permit, New::text(number(17), "x")).await.unwrap().carrier, "sim");
        again.stop().await;
    }
}
