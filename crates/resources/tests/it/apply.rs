//! Apply and dry run.

use access::{Grants, Role, Scope, cap};
use resources::{ApplyOptions, Error, Outcome};
use store::Db;

use crate::house::{self, HOUSE, ada, administrator, apply, count, document, lines, open};

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    async fn a_file_becomes_the_stored_resources_and_twice_changes_nothing(db: Db) {
        let resources = open(&db).await;
        let first = apply(&resources, HOUSE).await.unwrap();
        assert_eq!(first.changes.len(), 6, "{first}");
        assert!(first.changes.iter().all(|change| change.outcome == Outcome::Created));
        assert_eq!(first.drawn.len(), 2, "a token for each team");
        let entries = count(&db, "audit_entries").await;
        let again = apply(&resources, HOUSE).await.unwrap();
        assert_eq!(again.to_string(), "nothing to change (6 as they should be)\n");
        assert!(again.drawn.is_empty());
        assert_eq!(count(&db, "resource_versions").await, 6);
        assert_eq!(count(&db, "audit_entries").await, entries, "what changes nothing is not recorded");
        assert_eq!(count(&db, "team_rows").await, 2);
    }

    /// What is missing from a list goes; what the file does not mention stays.
    async fn equal_means_equal_for_the_lists_that_are_there(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        apply(&resources, "teams:\n  - {workspace: ward, name: nurses}\n").await.unwrap();
        assert_eq!(count(&db, "team_rows").await, 3, "teams of other workspaces stay");
        let planned = resources
            .plan(&administrator(), document("teams:\n  - {workspace: demo, name: everyone}\n"), ApplyOptions::default())
            .await
            .unwrap();
        assert_eq!(
            planned.to_string(),
            "- teams demo/ops would be deleted\n0 created, 0 updated, 1 deleted, 1 unchanged\n"
        );
        assert_eq!(count(&db, "team_rows").await, 3, "a dry run changes nothing");
        let done = apply(&resources, "teams:\n  - {workspace: demo, name: everyone}\n").await.unwrap();
        assert_eq!(done.to_string(), "- teams demo/ops deleted\n0 created, 0 updated, 1 deleted, 1 unchanged\n");
        let emptied = apply(&resources, "workspaces:\n  - {slug: demo, environment: development}\n  - {slug: ward, environment: production}\nteams: []\n").await.unwrap();
        assert_eq!(emptied.changes.len(), 2, "an empty list holds for the workspaces that the file names: {emptied}");
    }

    async fn a_dry_run_prints_what_an_apply_does(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let changed = HOUSE
            .replace("motto: quietly", "motto: with care")
            .replace("delay_seconds: 60", "delay_seconds: 90")
            .replace("zeta: last", "beta: second")
            .replace("{env: PASSWORD}", "{env: OTHER}")
            .replace("+447700900117", "+447700900118")
            .replace("diagnosis: tired", "diagnosis: well");
        let planned = resources.plan(&administrator(), document(&changed), ApplyOptions::default()).await.unwrap();
        assert_eq!(
            planned.to_string(),
            "~ teams demo/ops would be updated\n    \
             ~ motto: quietly -> with care\n    \
             ~ members[1].delay_seconds: 60 -> 90\n    \
             + labels.beta: second\n    \
             - labels.zeta: last\n    \
             ~ phone: +447700900117 -> +447700900118\n    \
             ~ diagnosis: (changed)\n    \
             ~ link.password: (changed)\n\
             0 created, 1 updated, 0 deleted, 5 unchanged\n"
        );
        let done = apply(&resources, &changed).await.unwrap();
        assert_eq!(done.to_string(), planned.to_string().replace(" would be", ""));
    }

    async fn all_problems_of_a_file_are_reported_at_once(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let error = apply(
            &resources,
            "people:\n  - {login: ada@example.com}\nteams:\n  - {workspace: demo, name: ops, motto: shout it}\n  \
             - {workspace: dmo, name: lost}\n  - {workspace: demo, name: new, members: [{person: adda@example.com}]}\n  \
             - {workspace: demo, name: OPS}\n",
        )
        .await
        .unwrap_err();
        assert_eq!(
            lines(&error),
            [
                "teams[1].workspace: no such workspace; did you mean demo?",
                "teams[3]: stands in the file twice (names differ by more than case)",
                "teams[0].motto: speak quietly",
                "teams[2].members[0].person: no such entry in people; did you mean a•••@example.com?",
            ]
        );
        assert_eq!(count(&db, "resource_versions").await, 6, "and nothing was written");
    }

    async fn what_others_refer_to_cannot_go(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let error = apply(&resources, "people:\n  - {login: cem@example.com, name: Cem Sample}\n").await.unwrap_err();
        assert_eq!(
            lines(&error),
            ["people ada@example.com: It cannot go while it is referred to by teams demo/ops (members[0].person). Change those first."]
        );
        let error = apply(&resources, "workspaces:\n  - {slug: ward, environment: production}\n").await.unwrap_err();
        assert!(lines(&error)[0].contains("teams everyone"), "{:?}", lines(&error));
        // In one file both go: teams first, although people stand before them.
        let both = HOUSE.replace("      - {person: ada@example.com}\n", "").replace("  - {login: ada@example.com, name: Ada Sample}\n", "");
        let done = apply(&resources, &both).await.unwrap();
        assert_eq!(done.changes.len(), 2, "{done}");
    }

    /// Nothing is referred to and deleted at the same time, however many change configuration at once.
    async fn changes_at_once_leave_no_reference_in_the_air(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        for round in 0..5 {
            let person = format!("p{round}@example.com");
            let people = |more: &str| format!("people:\n  - {{login: ada@example.com}}\n  - {{login: cem@example.com}}\n{more}");
            apply(&resources, &people(&format!("  - {{login: {person}}}\n"))).await.unwrap();
            let (one, other) = (resources.clone(), resources.clone());
            let team = format!("teams: [{{workspace: ward, name: t{round}, members: [{{person: {person}}}]}}]\n");
            let (removal, people) = (people(""), db.clone());
            let (named, removed) = tokio::join!(
                tokio::spawn(async move { apply(&one, &team).await }),
                tokio::spawn(async move { apply(&other, &removal).await })
            );
            let outcome = (named.unwrap().is_ok(), removed.unwrap().is_ok());
            let dangling = people
                .read(|tx| {
                    tx.query(
                        "SELECT f.path FROM resource_references f JOIN resources r ON r.id = f.to_id WHERE r.deleted_at IS NOT NULL",
                        &[],
                        |row| row.get::<String>("path"),
                    )
                })
                .await
                .unwrap();
            assert!(dangling.is_empty(), "{outcome:?}");
            assert!(outcome.0 || outcome.1, "one of the two wins");
            apply(&resources, "workspaces: [{slug: demo, environment: development}, {slug: ward, environment: production}]\nteams:\n  - {workspace: demo, name: everyone}\n").await.unwrap();
        }
    }

    async fn a_kind_may_refuse_that_an_entry_goes(db: Db) {
        let resources = open(&db).await;
        apply(&resources, &HOUSE.replace("quietly", "for ever")).await.unwrap();
        let error = apply(&resources, "teams:\n  - {workspace: demo, name: everyone}\n").await.unwrap_err();
        assert_eq!(lines(&error), ["teams demo/ops: this team stays"]);
    }

    /// E-08, E-17: a right in one workspace reaches neither another one nor the organisation, and a kind that needs
    /// another right is refused to those who lack it.
    async fn e_17_a_permit_reaches_no_further_than_it_says(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let demo = db
            .read({
                let resources = resources.clone();
                move |tx| resources.workspace(tx, "demo")
            })
            .await
            .unwrap()
            .unwrap();
        let here = Grants::of_roles(ada(), &[(Role::Administrator, Scope::Workspace(demo))])
            .permit::<cap::ResourcesApply>(demo)
            .unwrap();
        let same = document("teams:\n  - {workspace: demo, name: ops}\n  - {workspace: demo, name: everyone}\n");
        assert!(resources.apply(&here, same, ApplyOptions::default()).await.is_ok());
        for elsewhere in ["teams:\n  - {workspace: ward, name: x}\n", "people:\n  - {login: eve@example.com}\n", "people: []\n"] {
            let error = resources.apply(&here, document(elsewhere), ApplyOptions::default()).await.unwrap_err();
            assert!(matches!(error, Error::OutOfScope | Error::Denied(_)), "{elsewhere}: {error}");
        }
        // A key with every scope there is writes teams, and no people.
        let id = base::ApiKeyId::from(uuid::Uuid::from_u128(5));
        let actor = access::Actor::new(access::Principal::ApiKey { id, name: "ci".into() }, access::AuthMethod::ApiKey);
        let scopes: Vec<_> = access::KeyScope::all().collect();
        let key = Grants::of_api_key(actor, demo, &scopes).permit::<cap::ResourcesApply>(demo).unwrap();
        let teams = document("teams:\n  - {workspace: demo, name: ops, motto: by key}\n  - {workspace: demo, name: everyone}\n");
        assert!(resources.apply(&key, teams, ApplyOptions::default()).await.is_ok());
        let error = resources
            .apply(&key, document("people:\n  - {login: eve@example.com}\n"), ApplyOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{error}");
    }

    /// E-16: a name that comes back is another resource, and the old one's history stays.
    async fn e_16_ids_are_never_used_again(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        apply(&resources, "teams:\n  - {workspace: demo, name: everyone}\n").await.unwrap();
        apply(&resources, "teams:\n  - {workspace: demo, name: everyone}\n  - {workspace: demo, name: Ops}\n").await.unwrap();
        let history = db
            .read({
                let resources = resources.clone();
                move |tx| {
                    let demo = resources.workspace(tx, "DEMO")?;
                    resources.history(tx, &house::reader(), "teams", demo, "OPS")
                }
            })
            .await
            .unwrap();
        let told: Vec<(Outcome, i64)> = history.iter().map(|entry| (entry.outcome, entry.version)).collect();
        assert_eq!(told, [(Outcome::Created, 1), (Outcome::Deleted, 2), (Outcome::Created, 1)]);
        assert_ne!(history[0].resource, history[1].resource);
        assert_eq!(history[1].resource, history[2].resource);
        assert_eq!(history[0].actor, "Ada Sample");
        let error = apply(&resources, "workspaces:\n  - {slug: demo, environment: development}\n").await;
        assert!(error.is_ok(), "an empty workspace may go: {error:?}");
        let error = apply(
            &resources,
            "workspaces:\n  - {slug: demo, environment: development}\n  - {slug: Ward, environment: production}\n",
        )
        .await
        .unwrap_err();
        assert!(lines(&error)[0].starts_with("workspaces[1].slug: The slug Ward belongs to another"), "{:?}", lines(&error));
    }
}
