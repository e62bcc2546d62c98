//! Groups: who is in them, and the roles that come and go with that.

use scim::{Query, Shown};
use serde_json::json;

use crate::house::{open, user};

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    /// The requests of learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups, and of
    /// developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20.
    async fn members_come_and_go_and_roles_with_them(db: store::Db) {
        let house = open(&db).await;
        let ((one, bea), (two, cem)) = (house.made("bea@example.com").await, house.made("cem@example.com").await);
        let session = house.session(bea).await;
        let night = house.group("Night", &[]).await.unwrap();
        assert!(house.is_in(&session).await);
        // Entra ID adds.
        house.patch_group(&night.id, json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": one}, {"value": two}]}])).await.unwrap();
        assert_eq!((house.roles(bea).await, house.roles(cem).await), (vec!["on_call there".to_owned()], vec!["on_call there".to_owned()]));
        assert!(!house.is_in(&session).await, "other rights, other session (7.2.4)");
        let shown = house.read(&one).await.unwrap();
        assert_eq!(shown["groups"][0]["display"], "Night");
        // Entra ID removes, in the value; Okta by a filter; what is gone is gone.
        house.patch_group(&night.id, json!([{"op": "Remove", "path": "members", "value": [{"value": one}]}])).await.unwrap();
        let filter = format!("members[value eq \"{two}\"]");
        house.patch_group(&night.id, json!([{"op": "remove", "path": filter}])).await.unwrap();
        let left = house.patch_group(&night.id, json!([{"op": "remove", "path": filter}])).await.unwrap();
        assert!(left.body.get("members").is_none() && house.roles(bea).await.is_empty() && house.roles(cem).await.is_empty());
        // Okta replaces all, and renames with its id in the value.
        house.patch_group(&night.id, json!([{"op": "replace", "path": "members", "value": [{"value": one, "display": "bea@example.com"}]}])).await.unwrap();
        assert_eq!(house.roles(bea).await, ["on_call there"]);
        house.patch_group(&night.id, json!([{"op": "replace", "value": {"id": night.id, "displayName": "Day"}}])).await.unwrap();
        assert!(house.roles(bea).await.is_empty(), "roles are given by the name");
        let id = night.id.clone();
        let body = json!({"schemas": [scim::GROUP], "displayName": "Night", "members": [{"value": two}]});
        let put = house.at("entra", move |tx, scim, desk| scim.replace_group(tx, desk, (&id, None), &body, &Shown::default())).await.unwrap();
        assert_eq!(put.body["members"].as_array().unwrap().len(), 1);
        assert_eq!(house.roles(cem).await, ["on_call there"]);
        let id = night.id.clone();
        house.at("entra", move |tx, scim, desk| scim.delete_group(tx, desk, (&id, None))).await.unwrap();
        assert!(house.roles(cem).await.is_empty());
        let actions = house.texts("SELECT action FROM audit_entries WHERE action LIKE 'directory_group.%' OR action = 'user.roles_mapped' ORDER BY id").await;
        assert_eq!(actions.first().map(String::as_str), Some("directory_group.create"));
        assert!(actions.iter().filter(|one| *one == "user.roles_mapped").count() >= 6 && actions.contains(&"directory_group.delete".to_owned()), "{actions:?}");
    }

    /// Roles by hand and by the groups of the identity provider are other sources: a directory takes neither.
    async fn a_directory_takes_only_what_it_gave(db: store::Db) {
        let house = open(&db).await;
        let (one, bea) = house.made("bea@example.com").await;
        house.apply("users:\n  - { name: Bea Sample, login: bea@example.com, roles: [{ role: on_call, workspace: ops }, { role: observer }] }\n").await.unwrap();
        db.write(move |tx| {
            let now = tx.now();
            access::set_roles_from(tx, bea, "another source", &[(access::Role::Auditor, access::Scope::Organisation)], now)
        })
        .await
        .unwrap();
        let night = house.group("Night", &[&one]).await.unwrap();
        assert_eq!(house.roles(bea).await, ["on_call there", "observer", "auditor"]);
        house.patch_group(&night.id, json!([{"op": "remove", "path": "members"}])).await.unwrap();
        assert_eq!(house.roles(bea).await, ["on_call there", "observer", "auditor"]);
    }

    async fn groups_are_found_and_shown_in_part(db: store::Db) {
        let house = open(&db).await;
        let (one, _) = house.made("bea@example.com").await;
        let night = house.group("Night", &[&one]).await.unwrap();
        house.group("Day", &[]).await.unwrap();
        for (filter, without, expected, members) in [
            ("displayName eq \"night\"".to_owned(), "members", vec!["Night"], false),
            (format!("id eq \"{}\" and members eq \"{one}\"", night.id), "", vec!["Night"], true),
            (format!("members[value eq \"{one}\"]"), "", vec!["Night"], true),
            ("displayName eq \"nobody\"".to_owned(), "", vec![], false),
            (String::new(), "members", vec!["Night", "Day"], false),
        ] {
            let query = Query { filter: filter.clone(), start: 1, count: None, shown: Shown::of("", without) };
            let found = house.at("entra", move |tx, scim, desk| scim.groups(tx, desk, &query)).await.unwrap();
            let all = found["Resources"].as_array().unwrap();
            let names: Vec<&str> = all.iter().map(|one| one["displayName"].as_str().unwrap()).collect();
            assert_eq!(names, expected, "{filter}");
            assert_eq!(all.iter().any(|one| one.get("members").is_some()), members, "{filter}");
        }
    }

    async fn what_a_group_cannot_be_is_refused(db: store::Db) {
        let house = open(&db).await;
        let (one, bea) = house.made("bea@example.com").await;
        let night = house.group("Night", &[&one]).await.unwrap();
        assert!(house.group("NIGHT", &[]).await.unwrap_err().to_string().starts_with("uniqueness"));
        assert!(house.group("Day", &[&night.id]).await.unwrap_err().to_string().contains("nobody of this directory"), "groups in groups");
        assert!(house.group("Day", &["somebody"]).await.unwrap_err().to_string().contains("Groups in groups"));
        assert!(house.group("", &[]).await.unwrap_err().to_string().contains("displayName is required"));
        // Somebody of another directory is nobody of this one.
        let body = user("dan@example.com");
        let other = house.at("other", move |tx, scim, desk| scim.create_user(tx, desk, &body, &Shown::default())).await.unwrap();
        assert!(house.group("Day", &[&other.id]).await.is_err() && house.read(&other.id).await.is_err());
        assert!(house.patch_group(&night.id, json!([{"op": "remove", "path": "displayName"}])).await.unwrap_err().to_string().starts_with("mutability"));
        assert_eq!(house.roles(bea).await, ["on_call there"], "what was refused changed nothing");
    }
}
