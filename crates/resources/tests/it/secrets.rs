//! Secrets: sealed or hashed in the store, printed nowhere.

use base::{ExposeSecret, SecretString};
use resources::{Change, Clearance, Draft, Error, Ground, Registry, Resources, Shape, TypedKind};
use store::Db;

use crate::house::{self, HOUSE, Teams, administrator, apply, lines, open, registry};

async fn put(db: &Db, resources: &Resources, body: Draft) -> Result<resources::Written, Error> {
    let resources = resources.clone();
    db.write(move |tx| {
        let demo = resources.workspace(tx, "demo")?;
        let permit = administrator();
        let clearance = Clearance::check(tx, demo, &Ground::None, permit.actor())?;
        resources.put(
            tx,
            &permit,
            Change { kind: "teams", workspace: demo, body: body.clone(), reason: None, clearance: &clearance },
        )
    })
    .await
}

async fn texts(db: &Db, sql: &'static str) -> Vec<String> {
    db.read(move |tx| tx.query(sql, &[], |row| row.get::<String>(0_usize))).await.unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    /// X-08, E-11: no table but the projection that needs it has the value, and neither audit log nor history do.
    async fn x_08_secrets_are_nowhere_in_clear(db: Db) {
        let resources = open(&db).await;
        let applied = apply(&resources, HOUSE).await.unwrap();
        apply(&resources, &HOUSE.replace("{env: PASSWORD}", "{env: OTHER}").replace("tired", "better")).await.unwrap();
        let mut stored = texts(&db, "SELECT body FROM resources").await;
        stored.extend(texts(&db, "SELECT body || difference FROM resource_versions").await);
        stored.extend(texts(&db, "SELECT COALESCE(changes, '') || COALESCE(reason, '') FROM audit_entries").await);
        let everything = stored.join("\n");
        let tokens: Vec<&str> = applied.drawn.iter().map(|drawn| drawn.secret.expose_secret()).collect();
        for secret in ["hush hush", "something else"].into_iter().chain(tokens) {
            assert!(!everything.contains(secret));
        }
        let audited = texts(&db, "SELECT COALESCE(changes, '') FROM audit_entries").await.join("\n");
        assert!(audited.contains("link.password"), "that it changed is told: {audited}");
        for value in ["+447700900117", "tired", "better", "@example.com"] {
            assert!(!audited.contains(value), "confidential and restricted values stay out of the audit log: {audited}");
        }
        assert!(audited.contains("quietly"), "internal ones do not");
        let debug = format!("{applied:?} {:?}", house::document(HOUSE));
        for hidden in ["hush", "loudhailer_key_", "@example.com", "7700900117", "tired"] {
            assert!(!debug.contains(hidden), "{hidden} in {debug}");
        }
    }

    async fn a_projection_gets_the_opened_secret_and_whether_it_changed(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let row = || async {
            db.read(|tx| {
                tx.query_one("SELECT password, hashed, changed FROM team_rows WHERE name = 'ops'", &[], |row| {
                    Ok((row.get::<Option<String>>("password")?, row.get::<bool>("hashed")?, row.get::<bool>("changed")?))
                })
            })
            .await
            .unwrap()
        };
        assert_eq!(row().await, (Some("hush hush".into()), true, true));
        apply(&resources, &HOUSE.replace("quietly", "slowly")).await.unwrap();
        assert_eq!(row().await, (Some("hush hush".into()), true, false));
        apply(&resources, &HOUSE.replace("{env: PASSWORD}", "{unchanged: true}")).await.unwrap();
        assert_eq!(row().await, (Some("hush hush".into()), true, false));
        apply(&resources, &HOUSE.replace(", password: {env: PASSWORD}", "")).await.unwrap();
        assert_eq!(row().await, (None, true, false), "a secret that the file leaves out goes; a drawn one stays");
    }

    async fn drafts_follow_the_same_rules(db: Db) {
        let resources = open(&db).await;
        apply(&resources, "workspaces: [{slug: demo, environment: development}]\n").await.unwrap();
        let clear = Draft::new(serde_json::json!({ "name": "a", "link": { "password": "plain" } }));
        assert!(lines(&put(&db, &resources, clear).await.unwrap_err())[0].contains("never as the value itself"));
        let nothing = Draft::new(serde_json::json!({ "name": "a" })).unchanged("link.password");
        assert!(lines(&put(&db, &resources, nothing).await.unwrap_err())[0].contains("nothing is stored here"));
        let unknown = Draft::new(serde_json::json!({ "name": "a" })).secret("motto", SecretString::from("x"));
        assert!(lines(&put(&db, &resources, unknown).await.unwrap_err())[0].contains("no secret field"));
        let good = Draft::new(serde_json::json!({ "name": "a" }))
            .secret("link.password", SecretString::from("one"))
            .secret("token", SecretString::from("an-imported-token-0123456789"));
        let written = put(&db, &resources, good.clone()).await.unwrap();
        assert!(written.drawn.is_empty());
        assert_eq!(put(&db, &resources, good).await.unwrap().version, 1, "the same secrets make no new version");
    }

    /// a drawn token is renewed by asking for a new one; a kind says whether it wants one at all.
    async fn x_22_a_drawn_token_is_drawn_anew_on_request(db: Db) {
        let resources = open(&db).await;
        apply(&resources, "workspaces: [{slug: demo, environment: development}]\n").await.unwrap();
        let body = serde_json::json!({ "name": "a" });
        let first = put(&db, &resources, Draft::new(body.clone())).await.unwrap();
        let next = put(&db, &resources, Draft::new(body.clone()).draw("token")).await.unwrap();
        assert_eq!((first.drawn.len(), next.drawn.len(), next.version), (1, 1, 2));
        assert_ne!(first.drawn[0].secret.expose_secret(), next.drawn[0].secret.expose_secret());
        assert_eq!(next.difference.to_string(), "~ token: (changed)");
        let undrawable = put(&db, &resources, Draft::new(body).draw("link.password")).await.unwrap_err();
        assert!(lines(&undrawable)[0].contains("we draw nothing here"));
        let none = put(&db, &resources, Draft::new(serde_json::json!({ "name": "b", "motto": "no token" }))).await.unwrap();
        assert!(none.drawn.is_empty());
        let gone = put(&db, &resources, Draft::new(serde_json::json!({ "name": "a", "motto": "no token" }))).await.unwrap();
        assert!(gone.difference.to_string().contains("- token: (removed)"), "{}", gone.difference);
    }

    /// A sealed cell copied to another resource does not open.
    async fn a_copied_cell_does_not_open(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        db.write(|tx| {
            tx.execute(
                "UPDATE resources SET body = (SELECT replace(b.body, '\"ops\"', '\"everyone\"') FROM resources b WHERE b.name = 'ops') WHERE name = 'everyone'",
                &[],
            )
        })
        .await
        .unwrap();
        let draft = Draft::new(serde_json::json!({ "name": "everyone" })).unchanged("link.password");
        assert!(matches!(put(&db, &resources, draft).await, Err(Error::Vault(_))));
    }
}

/// E-11, rule 8: every field of every kind has a class (the type forces it), and secrets are restricted.
#[test]
fn e_11_every_field_has_a_class_and_secrets_are_restricted() {
    let fields = registry().classes();
    assert!(fields.iter().any(|field| field.kind == "teams" && field.path == "members[].person"));
    assert!(fields.iter().any(|field| field.kind == "workspaces" && field.path == "slug"));
    let secrets: Vec<_> = fields.iter().filter(|field| field.secret).collect();
    assert_eq!(secrets.len(), 2);
    assert!(secrets.iter().all(|field| field.class == resources::Class::Restricted));
}

#[test]
fn mistakes_in_a_kind_are_found_at_start() {
    use access::Capability;
    use resources::{Class, Field, KindScope, Projection, typed};

    macro_rules! wrong {
        ($name:literal, $fields:expr) => {{
            struct Wrong;
            impl TypedKind for Wrong {
                type Body = serde_json::Value;
                const NAME: &'static str = $name;
                const SCOPE: KindScope = KindScope::Workspace;
                const FIELDS: &'static [Field] = $fields;
                const CAPABILITY: Capability = Capability::ResourcesApply;
                fn key(&self, _: &serde_json::Value) -> String {
                    String::new()
                }
                fn project(&self, _: &mut store::Tx<'_>, _: &Projection<'_, serde_json::Value>) -> Result<(), Error> {
                    Ok(())
                }
            }
            Registry::new(vec![typed(Wrong), typed(Teams), typed(house::People)]).map(|_| ()).unwrap_err().mistake
        }};
    }
    const TEXT: Field = Field::new("a", Class::Internal, Shape::Text);
    assert_eq!(wrong!("teams", &[TEXT]), "is registered twice");
    assert_eq!(wrong!("x", &[TEXT, TEXT]), "field a is listed twice");
    assert!(wrong!("x", &[Field::new("workspace", Class::Internal, Shape::Text)]).contains("adds the field workspace"));
    assert!(wrong!("x", &[Field::new("a", Class::Internal, Shape::List(&Shape::SECRET))]).contains("no stable path"));
    assert!(
        wrong!("x", &[Field::new("a", Class::Internal, Shape::Reference("nowhere"))]).contains("unknown kind nowhere")
    );
}
