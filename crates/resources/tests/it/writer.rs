//! Single entries: put and delete in the caller's transaction.

use access::{Grants, Role, Scope, cap};
use resources::{Change, Clearance, Draft, Error, Ground, Outcome, Removal, settings};
use store::Db;

use crate::house::{self, HOUSE, ada, administrator, apply, count, open};

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    async fn an_entry_is_put_and_deleted_by_hand(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let mut live = db.subscribe();
        let this = resources.clone();
        let (first, second) = db
            .write(move |tx| {
                let demo = this.workspace(tx, "demo")?;
                let permit = administrator();
                let clearance = Clearance::check(tx, demo, &Ground::None, permit.actor())?;
                let mut put = |body| {
                    this.put(tx, &permit, Change { kind: "teams", workspace: demo, body, reason: Some("by hand"), clearance: &clearance })
                };
                let first = put(Draft::new(serde_json::json!({ "name": "Night" })))?;
                let second = put(Draft::new(serde_json::json!({ "name": "night", "motto": "awake" })))?;
                Ok::<_, Error>((first, second))
            })
            .await
            .unwrap();
        assert_eq!((first.outcome, second.outcome), (Outcome::Created, Outcome::Updated));
        assert_eq!(first.id, second.id, "names are the same without regard to case");
        assert_eq!(second.difference.to_string(), "~ name: Night -> night\n~ motto: \"\" -> awake");
        let told = live.recv().await.unwrap();
        assert!(["resource", "audit"].contains(&told.topic), "{told:?}");

        let this = resources.clone();
        let gone = db
            .write(move |tx| {
                let demo = this.workspace(tx, "demo")?;
                let permit = administrator();
                let clearance = Clearance::check(tx, demo, &Ground::None, permit.actor())?;
                this.delete(tx, &permit, Removal { kind: "teams", workspace: demo, key: "NIGHT", reason: None, clearance: &clearance })
            })
            .await
            .unwrap();
        assert_eq!((gone.outcome, gone.version), (Outcome::Deleted, 3));
        assert_eq!(count(&db, "team_rows").await, 2);
    }

    /// A form changes one field and keeps the stored secrets.
    async fn a_draft_of_a_stored_entry_keeps_its_secrets(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let this = resources.clone();
        let written = db
            .write(move |tx| {
                let demo = this.workspace(tx, "demo")?;
                let permit = administrator();
                let clearance = Clearance::check(tx, demo, &Ground::None, permit.actor())?;
                let stored = this.get(tx, &house::reader(), "teams", demo, "ops")?.ok_or(Error::NotFound)?;
                let shown = this.redacted("teams", &stored.body)?;
                assert_eq!(shown["link"]["password"], serde_json::json!({ "unchanged": true }));
                let draft = this.draft_of(&stored)?;
                let mut body = draft.body().clone();
                body["motto"] = "changed".into();
                let draft = Draft::new(body).unchanged("link.password").unchanged("token");
                this.put(tx, &permit, Change { kind: "teams", workspace: demo, body: draft, reason: None, clearance: &clearance })
            })
            .await
            .unwrap();
        assert_eq!(written.difference.to_string(), "~ motto: quietly -> changed");
    }

    /// E-17: rights of another sort, and clearances for another place, are refused.
    async fn e_17_the_writer_checks_right_place_and_clearance(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let outcome = db
            .write(move |tx| {
                let (demo, ward) = (resources.workspace(tx, "demo")?.unwrap(), resources.workspace(tx, "ward")?.unwrap());
                let grants = Grants::of_roles(ada(), &[(Role::Developer, Scope::Organisation)]);
                let flows = grants.permit::<cap::FlowsWrite>(demo)?;
                let body = Draft::new(serde_json::json!({ "name": "x" }));
                let here = Clearance::check(tx, Some(demo), &Ground::None, flows.actor())?;
                let change = |workspace, clearance| Change { kind: "teams", workspace: Some(workspace), body: body.clone(), reason: None, clearance };
                let wrong_right = resources.put(tx, &flows, change(demo, &here)).map(|_| ());
                let wrong_clearance = resources.put(tx, &administrator(), change(ward, &here)).map(|_| ());
                let removal = Removal { kind: "teams", workspace: Some(demo), key: "nothing", reason: None, clearance: &here };
                let nothing = resources.delete(tx, &administrator(), removal).map(|_| ());
                let unknown = resources.put(tx, &administrator(), Change { kind: "team", ..change(demo, &here) }).map(|_| ());
                Ok::<_, Error>([wrong_right, wrong_clearance, nothing, unknown].map(|one| one.unwrap_err().to_string()))
            })
            .await
            .unwrap();
        assert_eq!(
            outcome,
            [
                "a permit of another right",
                "the clearance is for another workspace",
                "no such resource",
                "no such kind of resource"
            ]
        );
    }

    /// the idle time-out is a setting between 5 and 60 minutes.
    async fn x_17_the_idle_time_out_is_a_setting_with_limits(db: Db) {
        let resources = open(&db).await;
        assert_eq!(db.read(settings).await.unwrap().session_idle_minutes, 30);
        apply(&resources, "settings: [{session_idle_minutes: 5}]\n").await.unwrap();
        assert_eq!(db.read(settings).await.unwrap().session_idle_minutes, 5);
        for out in [4, 61] {
            let parsed = resources::Parsed::yaml(&format!("settings: [{{session_idle_minutes: {out}}}]\n"), &house::registry());
            assert!(house::lines(&parsed.unwrap_err())[0].contains("between 5 and 60"));
        }
        apply(&resources, "settings: []\n").await.unwrap();
        assert_eq!(db.read(settings).await.unwrap().session_idle_minutes, 30);
    }
}
