//! Change control: a controlled production workspace is not changed without a change reference.

use access::{Actor, Grants, cap};
use resources::{ApplyOptions, Change, ChangeReference, Draft, Error, Ground};
use store::Db;

use crate::house::{self, HOUSE, apply, apply_under, document, lines, open};

const CONTROLLED: &str = "{slug: ward, environment: production, controlled: true}";

fn change() -> Ground {
    Ground::Change(ChangeReference::new("CHG-1042").unwrap())
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    /// E-15: without a reference nothing reaches it, with one it does, and the audit log keeps the ticket.
    async fn e_15_a_controlled_workspace_wants_a_change_reference(db: Db) {
        let resources = open(&db).await;
        let house = HOUSE.replace("{slug: ward, environment: production}", CONTROLLED);
        apply(&resources, &house).await.unwrap();
        let nurses = "teams:\n  - {workspace: ward, name: nurses}\n";
        assert!(matches!(apply(&resources, nurses).await, Err(Error::Controlled)));
        apply_under(&resources, nurses, change()).await.unwrap();
        assert!(apply(&resources, nurses).await.is_ok(), "nothing to change needs no reference");
        let error = apply(&resources, "workspaces: [{slug: ward, environment: production}, {slug: demo, environment: development}]\n").await;
        assert!(matches!(error, Err(Error::Controlled)), "nor does anybody lift the control without one: {error:?}");
        let empty = "workspaces: [{slug: ward, environment: production, controlled: true}, {slug: demo, environment: development}]\nteams: [{workspace: demo, name: everyone}]\n";
        assert!(matches!(apply(&resources, empty).await, Err(Error::Controlled)), "nor deletes anything there");
        let tickets = db
            .read(|tx| tx.query("SELECT ticket FROM audit_entries WHERE ticket IS NOT NULL", &[], |row| row.get::<String>("ticket")))
            .await
            .unwrap();
        assert_eq!(tickets, ["CHG-1042"]);
        // Other workspaces are not held up.
        let elsewhere = "teams: [{workspace: demo, name: ops, motto: slowly}, {workspace: demo, name: everyone}]\n";
        apply(&resources, elsewhere).await.unwrap();
    }

    /// E-15: a workspace's own entry is under the same control, whoever asks how.
    async fn e_15_the_control_cannot_be_lifted_by_hand(db: Db) {
        let resources = open(&db).await;
        apply(&resources, "workspaces: [{slug: ward, environment: production, name: Ward}]\n").await.unwrap();
        let put = |controlled: bool, ground: Ground| {
            let resources = resources.clone();
            db.write(move |tx| {
                let permit = house::administrator();
                let clearance = resources.clear(tx, &permit, None, &ground)?;
                let body = Draft::new(serde_json::json!({ "slug": "ward", "environment": "production", "controlled": controlled }));
                resources.put(tx, &permit, Change { kind: "workspaces", workspace: None, body, reason: None, clearance: &clearance })
            })
        };
        put(true, Ground::None).await.unwrap();
        assert!(matches!(put(false, Ground::None).await, Err(Error::Controlled)));
        put(false, change()).await.unwrap();
        let this = resources.clone();
        let restored = db
            .write(move |tx| {
                let permit = house::administrator();
                let clearance = this.clear(tx, &permit, None, &Ground::None)?;
                this.restore_version(tx, &permit, "workspaces", None, "ward", 1, None, &clearance)
            })
            .await
            .unwrap();
        assert!(restored.difference.to_string().contains("name"), "{}", restored.difference);
    }

    /// E-15: the glass is broken on the machine alone, and with a reason.
    async fn e_15_the_glass_is_broken_on_the_machine_with_a_reason(db: Db) {
        let resources = open(&db).await;
        apply(&resources, &HOUSE.replace("{slug: ward, environment: production}", CONTROLLED)).await.unwrap();
        let nurses = "teams:\n  - {workspace: ward, name: nurses}\n";
        let broken = |reason: &str| Ground::BreakGlass(reason.to_owned());
        assert!(matches!(apply_under(&resources, nurses, broken("carrier is down, nobody is paged")).await, Err(Error::BreakGlassHere)));
        let operator = Grants::of_operator(Actor::os("ada", "host1")).permit_organisation::<cap::ResourcesApply>().unwrap();
        let options = |reason| ApplyOptions { reason: None, ground: broken(reason) };
        let short = resources.apply(&operator, document(nurses), options("why not")).await;
        assert!(lines(&short.unwrap_err())[0].contains("at least ten characters"));
        resources.apply(&operator, document(nurses), options("carrier is down, nobody is paged")).await.unwrap();
    }
}

#[test]
fn change_references_are_told_from_other_texts() {
    for good in ["CHG-1042", "JIRA/OPS-7", "2026.11"] {
        assert!(ChangeReference::new(good).is_ok(), "{good}");
    }
    for bad in ["", "no", "none", "a b 1", "x\n1"] {
        assert!(ChangeReference::new(bad).is_err(), "{bad}");
    }
    assert!(lines(&Error::ChangeReference)[0].contains("CHG-1042"));
}
