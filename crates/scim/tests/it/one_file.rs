//! One file that makes a role, gives it by hand and by groups, and later takes all of that away.

use access::cap;
use resources::{ApplyOptions, Parsed};

use crate::house::{House, NoSecrets, open, operator};

/// In the order in which nothing could be written: who has the role stands before it.
const FILE: &str = "
provisioning_sources:
  - {name: entra, provider: corp, programs: [ops/directory], group_roles: [{group: Night, role: night shift, workspace: ops}]}
  - {name: other, programs: [ops/directory]}
identity_providers:
  - {name: corp, issuer: 'https://login.example.com', client_id: us, client_auth: none, group_roles: [{group: Ops, role: runs it}]}
users:
  - {name: Cem Sample, login: cem@example.com, roles: [{role: night shift, workspace: ops}, {role: Runs It}]}
roles:
  - {name: night shift, capabilities: ['overview:read', 'alerts:read'], workspace: ops}
  - {name: runs it, capabilities: ['overview:read', 'alerts:answer']}
";

async fn roles(house: &House, login: &'static str) -> Vec<String> {
    let sql = "SELECT id FROM users WHERE removed_at IS NULL AND login = $1";
    let found = house.db.read(move |tx| tx.query_opt(sql, &store::params![login], |row| row.get::<base::UserId>(0)));
    let mut held = house.roles(found.await.unwrap().unwrap()).await;
    held.sort();
    held
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    async fn e_17_a_role_is_made_and_given_in_one_file_and_goes_with_those_who_name_it(db: store::Db) {
        let house = open(&db).await;
        let document = Parsed::yaml(FILE, house.resources.registry()).unwrap().resolve(&NoSecrets).unwrap();
        let planned = house.resources.plan(&operator::<cap::ResourcesApply>(), document, ApplyOptions::default()).await.unwrap();
        let made: Vec<&str> = planned.changes.iter().map(|one| one.kind).collect();
        assert_eq!(made[..3], ["roles", "roles", "users"], "what is referred to comes first: {made:?}");
        house.apply(FILE).await.unwrap();
        assert_eq!(roles(&house, "cem@example.com").await, ["night shift there", "runs it"]);
        let (id, bea) = house.made("bea@example.com").await;
        house.group("Night", &[&id]).await.unwrap();
        assert_eq!(house.roles(bea).await, ["night shift there"]);

        // By itself no role goes that somebody names: not even in a file that changes some of those who do.
        for (file, named) in [
            ("roles: []\n", "users cem@example.com"),
            ("identity_providers: []\nroles: []\n", "provisioning_sources entra"),
        ] {
            let refused = format!("{:?}", house.apply(file).await.unwrap_err().problems());
            assert!(refused.contains("still-referenced") && refused.contains(named), "{refused}");
        }

        // With all who name it, it goes: people who are left out, and those who stay and lose it.
        let stays = "users:\n  - {name: Bea Sample, login: bea@example.com}\n";
        house.apply(&format!("roles: []\nprovisioning_sources: []\nidentity_providers: []\n{stays}")).await.unwrap();
        assert!(house.roles(bea).await.is_empty());
        assert_eq!(house.texts("SELECT login FROM users WHERE removed_at IS NULL").await, ["bea@example.com"]);

        // E-16: whoever is deleted stays deleted, also for a file. Under another log-in name all of it comes again.
        let again = FILE.replace("users:\n", "users:\n  - {name: Bea Sample, login: bea@example.com}\n");
        let refused = format!("{:?}", house.apply(&again).await.unwrap_err().problems());
        assert!(refused.contains("identifier-used"), "{refused}");
        house.apply(&again.replace("cem@example.com", "cem.sample@example.com")).await.unwrap();
        assert_eq!(roles(&house, "cem.sample@example.com").await, ["night shift there", "runs it"]);
    }
}
