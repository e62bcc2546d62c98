//! Export, history, restoring.

use resources::{Clearance, Error, Filter, Ground, Outcome, Resources};
use store::Db;

use crate::house::{self, HOUSE, administrator, apply, document, open, reader};

async fn export(db: &Db, resources: &Resources, filter: Filter) -> Result<String, Error> {
    let resources = resources.clone();
    db.write(move |tx| resources.export(tx, &reader(), &filter)).await
}

async fn restore(db: &Db, resources: &Resources, version: i64) -> Result<resources::Written, Error> {
    let resources = resources.clone();
    db.write(move |tx| {
        let demo = resources.workspace(tx, "demo")?;
        let permit = administrator();
        let clearance = Clearance::check(tx, demo, &Ground::None, permit.actor())?;
        resources.restore_version(tx, &permit, "teams", demo, "ops", version, Some("it was better"), &clearance)
    })
    .await
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    async fn an_export_is_the_same_text_each_time_and_applies_again(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let text = export(&db, &resources, Filter::default()).await.unwrap();
        assert_eq!(text, export(&db, &resources, Filter::default()).await.unwrap());
        for secret in ["hush hush", "v1.", "hash", "sealed"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("unchanged: true"), "{text}");
        let again = resources.apply(&administrator(), document(&text), resources::ApplyOptions::default()).await.unwrap();
        assert!(again.changes.is_empty(), "{again}\n{text}");
        let some = export(&db, &resources, Filter { kinds: vec!["people".into()], workspace: None }).await.unwrap();
        assert!(some.contains("people:") && !some.contains("teams:"), "{some}");
        assert!(matches!(
            export(&db, &resources, Filter { kinds: vec!["peple".into()], workspace: None }).await,
            Err(Error::UnknownKind { nearest }) if nearest == "people"
        ));
    }

    /// E-11, E-17: who reads configuration does not thereby read people's numbers.
    async fn e_11_confidential_fields_are_for_those_who_may_write_them(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        apply(&resources, &HOUSE.replace("+447700900117", "+447700900118")).await.unwrap();
        let (text, history, denied) = db
            .write(move |tx| {
                let permit = house::auditor();
                let demo = resources.workspace(tx, "demo")?;
                let text = resources.export(tx, &permit, &Filter::default())?;
                let history = resources.history(tx, &permit, "teams", demo, "ops")?;
                let denied = matches!(resources.get(tx, &permit, "teams", demo, "ops"), Err(Error::Denied(_)))
                    && matches!(resources.list(tx, &permit, "people", None), Err(Error::Denied(_)));
                Ok::<_, Error>((text, history, denied))
            })
            .await
            .unwrap();
        assert!(text.contains("slug: demo") && text.contains("# people are left out"), "{text}");
        assert!(!text.contains("example.com") && !text.contains("7700900"), "{text}");
        assert_eq!(history[0].difference.to_string(), "~ phone: (changed)");
        assert!(denied);
    }

    async fn an_export_of_one_workspace_has_that_workspace_alone(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        apply(&resources, "teams:\n  - {workspace: ward, name: nurses}\n").await.unwrap();
        let ward = db.read({ let resources = resources.clone(); move |tx| resources.workspace(tx, "ward") }).await.unwrap();
        let text = export(&db, &resources, Filter { kinds: vec![], workspace: ward }).await.unwrap();
        assert!(text.contains("nurses") && !text.contains("demo") && !text.contains("people:"), "{text}");
    }

    /// E-25: versions, who made them and when; an older one comes back as a new one, without old secrets.
    async fn e_25_a_version_can_be_restored(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let changed = HOUSE.replace("quietly", "with care").replace("{env: PASSWORD}", "{env: OTHER}");
        apply(&resources, &changed).await.unwrap();
        let restored = restore(&db, &resources, 1).await.unwrap();
        assert_eq!((restored.outcome, restored.version), (Outcome::Updated, 3));
        assert_eq!(restored.difference.to_string(), "~ motto: with care -> quietly");
        let password = db
            .read(|tx| tx.query_one("SELECT password FROM team_rows WHERE name = 'ops'", &[], |row| row.get::<String>("password")))
            .await
            .unwrap();
        assert_eq!(password, "something else", "a secret that was changed does not come back");
        assert!(matches!(restore(&db, &resources, 9).await, Err(Error::NoSuchVersion)));
        let history = db
            .read(move |tx| {
                let demo = resources.workspace(tx, "demo")?;
                resources.history(tx, &reader(), "teams", demo, "ops")
            })
            .await
            .unwrap();
        assert_eq!(history.iter().map(|entry| entry.version).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(history[0].reason.as_deref(), Some("restore of version 1: it was better"));
        assert_eq!(history[1].difference.to_string(), "~ motto: quietly -> with care\n~ link.password: (changed)");
    }
}
