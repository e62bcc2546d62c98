//! People: made, changed, switched off, deleted, linked with the provider, handed over and released.

use base::UserId;
use scim::{Gone, Shown};
use serde_json::json;

use crate::house::{open, open_with_mail, operator, user};

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    /// An account comes without a way in but the sign-on: linked by issuer and subject, and by no address.
    async fn a_person_is_made_linked_and_has_no_password(db: store::Db) {
        let house = open(&db).await;
        let made = house.make(user("bea@example.com")).await.unwrap();
        assert_eq!((made.version, made.body["id"].as_str(), made.body["active"].as_bool()), (1, Some(made.id.as_str()), Some(true)));
        assert_eq!(made.body["meta"]["location"], format!("https://gateway.example.com/scim/v2/entra/Users/{}", made.id));
        assert_eq!(made.body["meta"]["version"], "W/\"1\"");
        assert_eq!(made.body[scim::ENTERPRISE]["department"], "Night");
        assert_eq!(house.texts("SELECT name || ' ' || login FROM users").await, ["Bea Sample bea@example.com"]);
        assert!(house.texts("SELECT user_id FROM credentials").await.is_empty() && house.texts("SELECT user_id FROM one_time_links").await.is_empty());
        assert_eq!(
            house.texts("SELECT issuer || ' ' || subject || ' ' || origin FROM linked_identities").await,
            ["https://login.example.com id-of-bea@example.com directory"]
        );
        // What the directory says is sealed; who did it is the program.
        assert!(!house.texts("SELECT attributes FROM provisioned_people").await.join("").contains("Night"));
        let audit = house.texts("SELECT action || ' ' || actor_type || ' ' || actor_id FROM audit_entries WHERE action = 'resource.create' ORDER BY id DESC LIMIT 1").await;
        assert_eq!(audit, ["resource.create api_key 00000000-0000-0000-0000-000000000005"]);
        // Another subject takes the place of the first.
        house.patch(&made.id, json!([{"op": "replace", "path": "externalId", "value": "another"}])).await.unwrap();
        assert_eq!(house.texts("SELECT subject FROM linked_identities").await, ["another"]);
        // Two people are never one identity.
        let mut second = user("cem@example.com");
        second["externalId"] = "another".into();
        assert!(house.make(second).await.unwrap_err().to_string().starts_with("uniqueness"));
    }

    /// E-16: a log-in name is one person's, also after deletion.
    async fn e_16_a_user_name_is_never_given_again(db: store::Db) {
        let house = open(&db).await;
        let (id, _) = house.made("bea@example.com").await;
        assert!(house.make(user("BEA@example.com")).await.unwrap_err().to_string().starts_with("uniqueness"));
        assert_eq!(house.delete(&id).await.unwrap(), Gone::Deleted);
        assert!(house.read(&id).await.is_err() && house.delete(&id).await.is_err());
        let refused = house.make(user("bea@example.com")).await.unwrap_err().to_string();
        assert!(refused.starts_with("uniqueness") && refused.contains("never given again"), "{refused}");
        assert!(house.texts("SELECT user_id FROM provisioned_terms").await.is_empty(), "what was said of them is gone");
    }

    /// ASVS 7.4.2, AC-2: whoever is switched off in the directory is out.
    async fn x_16_deprovisioning_ends_sessions_links_and_tokens(db: store::Db) {
        let house = open(&db).await;
        for deprovision in ["False", "delete", "put"] {
            let name = format!("{}@example.com", deprovision.to_lowercase());
            let (id, person) = house.made(&name).await;
            let session = house.session(person).await;
            let identity = house.identity.clone();
            let again = db.write(move |tx| identity.invite_link(tx, &operator(), person)).await.unwrap();
            assert!(house.is_in(&session).await);
            match deprovision {
                "delete" => assert_eq!(house.delete(&id).await.unwrap(), Gone::Deleted),
                "put" => {
                    let mut body = user(&name);
                    body["active"] = false.into();
                    let id = id.clone();
                    house.at("entra", move |tx, scim, desk| scim.replace_user(tx, desk, (&id, Some(1)), &body, &Shown::default())).await.unwrap();
                }
                // In Entra ID's own way.
                value => drop(house.patch(&id, json!([{"op": "Replace", "path": "active", "value": value}])).await.unwrap()),
            }
            assert!(!house.is_in(&session).await, "{deprovision}");
            let password = base::SecretString::from(crate::house::PASSWORD);
            assert!(house.identity.accept_invite(again.secret, password, &identity::Caller::default()).await.is_err());
        }
        for table in ["SELECT id FROM sessions", "SELECT user_id FROM one_time_links", "SELECT user_id FROM half_way", "SELECT user_id FROM admin_tokens"] {
            assert!(house.texts(table).await.is_empty(), "{table}");
        }
    }

    async fn a_person_who_comes_back_has_their_roles_again(db: store::Db) {
        let house = open(&db).await;
        let (id, person) = house.made("bea@example.com").await;
        house.group("Night", &[&id]).await.unwrap();
        house.apply("users:\n  - { name: Bea Sample, login: bea@example.com, roles: [{ role: observer }] }\n").await.unwrap();
        assert_eq!(house.roles(person).await, ["on_call there", "observer"]);
        house.patch(&id, json!([{"op": "replace", "value": {"active": false}}])).await.unwrap();
        assert!(house.roles(person).await.is_empty());
        let back = house.patch(&id, json!([{"op": "replace", "value": {"active": true}}])).await.unwrap();
        assert_eq!(back.body["active"], true);
        assert_eq!(house.roles(person).await, ["on_call there", "observer"], "by hand and by the group");
    }

    /// What the directory says is not changed by hand; everything else is.
    async fn fields_of_the_directory_are_its_own(db: store::Db) {
        let house = open(&db).await;
        house.made("bea@example.com").await;
        for (fields, fits) in [
            ("name: Bea Other", false),
            ("name: Bea Sample, enabled: false", false),
            ("name: Bea Sample, time_zone: Europe/Zurich, roles: [{ role: auditor }]", true),
        ] {
            let done = house.apply(&format!("users:\n  - {{ {fields}, login: bea@example.com }}\n")).await;
            assert_eq!(done.is_ok(), fits, "{fields}: {done:?}");
            if let Err(error) = done {
                assert!(error.problems().iter().any(|one| one.code == "owned-by-directory"), "{error:?}");
            }
        }
        // What a directory calls somebody need be no address; by hand it has to be one.
        let (id, person) = house.made("bsample").await;
        assert!(house.apply("users: [{ name: Cem Sample, login: csample }]\n").await.is_err());
        house.apply("users: [{ name: Bea Sample, login: bsample, roles: [{ role: auditor }] }]\n").await.unwrap();
        assert_eq!(house.roles(person).await, ["auditor"]);
        // Another name there: found by it, and the log-in name here stays.
        let renamed = house.patch(&id, json!([{"op": "Replace", "path": "userName", "value": "bea.other@example.com"}])).await.unwrap();
        assert_eq!(renamed.body["userName"], "bea.other@example.com");
        assert_eq!(house.find("userName eq \"BEA.other@example.com\"").await.unwrap(), ["bea.other@example.com"]);
        assert!(house.patch(&id, json!([{"op": "Replace", "path": "userName", "value": "bea@example.com"}])).await.is_err());
    }

    async fn somebody_of_here_is_handed_over_and_released(db: store::Db) {
        let house = open(&db).await;
        house.apply("users: [{ name: Cem Sample, login: cem@example.com, roles: [{ role: observer }] }]\n").await.unwrap();
        assert!(house.find("userName eq \"cem@example.com\"").await.unwrap().is_empty(), "nobody of here is a directory's by itself");
        let sources = house.texts("SELECT id FROM provisioning_sources WHERE name = 'entra'").await;
        let source: base::ResourceId = sources[0].parse().unwrap();
        let (scim, again) = (house.scim.clone(), house.scim.clone());
        let person = db.write(move |tx| scim.hand_over(tx, &operator(), source, "Cem@example.com")).await.unwrap();
        assert!(db.write(move |tx| again.hand_over(tx, &operator(), source, "cem@example.com")).await.is_err(), "once");
        assert_eq!(house.find("userName eq \"cem@example.com\"").await.unwrap(), ["cem@example.com"]);
        let id = person.to_string();
        house.group("Night", &[&id]).await.unwrap();
        house.patch(&id, json!([{"op": "Add", "path": "externalId", "value": "E1"}])).await.unwrap();
        assert_eq!(house.texts("SELECT subject FROM linked_identities").await, ["E1"]);
        assert_eq!(house.roles(person).await, ["on_call there", "observer"]);
        let session = house.session(person).await;
        let scim = house.scim.clone();
        db.write(move |tx| scim.release(tx, &operator(), source, person)).await.unwrap();
        assert_eq!(house.roles(person).await, ["observer"]);
        assert!(!house.is_in(&session).await && house.read(&id).await.is_err());
        house.apply("users: [{ name: Cem Other, login: cem@example.com, enabled: false }]\n").await.unwrap();
        let actions = house.texts("SELECT action FROM audit_entries WHERE action LIKE 'user.%' ORDER BY id").await;
        assert!(actions.contains(&"user.hand_over".to_owned()) && actions.contains(&"user.release".to_owned()), "{actions:?}");
    }

    /// Whoever first comes switched off is invited when they are switched on, and nobody who has a password.
    async fn an_invitation_goes_out_when_the_account_is_in_use(db: store::Db) {
        let house = open_with_mail(&db).await;
        house.apply(&crate::house::CONFIGURED.replace("label: Entra ID", "invite: true")).await.unwrap();
        let letters = "SELECT purpose FROM mails";
        let mut off = user("bea@example.com");
        off["active"] = false.into();
        let id = house.make(off).await.unwrap().id;
        assert!(house.texts(letters).await.is_empty());
        let switch = |on: bool| house.patch(&id, json!([{"op": "replace", "path": "active", "value": on}]));
        switch(true).await.unwrap();
        assert_eq!(house.texts(letters).await, ["invite"]);
        house.made("cem@example.com").await;
        assert_eq!(house.texts(letters).await, ["invite", "invite"]);
        // With a password nobody is invited again; where passwords open nothing, nobody is.
        let person: UserId = id.parse().unwrap();
        db.write(move |tx| tx.execute("INSERT INTO credentials (user_id, password_hash, changed_at) VALUES ($1, 'x', 0)", &store::params![person])).await.unwrap();
        switch(false).await.unwrap();
        switch(true).await.unwrap();
        assert_eq!(house.texts(letters).await.len(), 2);
        db.write(move |tx| identity::set_only_way(tx, Some(uuid::Uuid::from_u128(3).into()), &[])).await.unwrap();
        house.made("dan@example.com").await;
        assert_eq!(house.texts(letters).await.len(), 2);
    }

    /// Another provider, or another attribute: what was linked opens no account any more.
    async fn other_settings_of_the_source_link_its_people_anew(db: store::Db) {
        let house = open(&db).await;
        let (id, person) = house.made("bea@example.com").await;
        house.made("cem@example.com").await;
        house.session(person).await;
        let sessions = "SELECT id FROM sessions";
        let links = "SELECT issuer || ' ' || subject FROM linked_identities ORDER BY subject";
        let kept = "SELECT COALESCE(subject, '') FROM provisioned_people ORDER BY COALESCE(subject, '')";
        house.apply(&crate::house::CONFIGURED.replace("label: Entra ID", "label: Another")).await.unwrap();
        assert!(!house.texts(sessions).await.is_empty() && house.texts(links).await[0].ends_with("id-of-bea@example.com"), "nothing of that changed");
        // By another attribute.
        let by_name = crate::house::CONFIGURED.replace("label: Entra ID", "subject: user_name");
        house.apply(&by_name).await.unwrap();
        assert_eq!(house.texts(links).await, ["https://login.example.com bea@example.com", "https://login.example.com cem@example.com"]);
        assert_eq!(house.texts(kept).await, ["bea@example.com", "cem@example.com"]);
        assert!(house.texts(sessions).await.is_empty(), "whoever was known otherwise signs in again");
        // By another provider, where somebody else is Cem already.
        let two = by_name
            .replace("provisioning_sources:", "  - { name: second, issuer: 'https://id.example.org', client_id: us, client_auth: none }\nprovisioning_sources:");
        let people = "users:\n  - { name: Bea Sample, login: bea@example.com }\n  - { name: Bea Sample, login: cem@example.com }\n  - { name: Dan Sample, login: dan@example.com }\n";
        let two = format!("{two}{people}");
        house.apply(&two).await.unwrap();
        let dan = db.write(move |tx| identity::by_login(tx, "dan@example.com")).await.unwrap().unwrap();
        let second = house.texts("SELECT id FROM identity_providers WHERE name = 'second'").await[0].parse().unwrap();
        db.write(move |tx| federation::link_provisioned(tx, &access::Actor::engine("scim"), second, "cem@example.com", dan)).await.unwrap();
        house.apply(&two.replace("provider: corp", "provider: second")).await.unwrap();
        assert_eq!(house.texts(links).await, ["https://id.example.org bea@example.com", "https://id.example.org cem@example.com"]);
        assert_eq!(house.texts(kept).await, ["", "bea@example.com"], "Cem's is another account's");
        // By none.
        house.apply(&two.replace("    provider: corp\n", "")).await.unwrap();
        assert_eq!(house.texts(links).await, ["https://id.example.org cem@example.com"], "nobody of the directory's");
        house.patch(&id, json!([{"op": "replace", "path": "title", "value": "x"}])).await.unwrap();
    }

    async fn a_directory_that_goes_leaves_its_people(db: store::Db) {
        let house = open(&db).await;
        let (id, person) = house.made("bea@example.com").await;
        house.group("Night", &[&id]).await.unwrap();
        assert_eq!(house.roles(person).await, ["on_call there"]);
        let off = crate::house::CONFIGURED.replace("label: Entra ID", "enabled: false");
        house.apply(&off).await.unwrap();
        assert!(house.roles(person).await.is_empty(), "switched off, what its groups gave goes");
        let mapped = "SELECT actor_id || ': ' || reason FROM audit_entries WHERE action = 'user.roles_mapped' AND actor_type = 'engine' ORDER BY id";
        assert_eq!(house.texts(mapped).await, ["scim: entra is switched off"]);
        assert!(matches!(house.read(&id).await, Err(scim::Error::SwitchedOff)));
        house.apply(crate::house::CONFIGURED).await.unwrap();
        assert_eq!(house.roles(person).await, ["on_call there"]);
        let (resources, done) = (house.resources.clone(), db.clone());
        done.write(move |tx| {
            let permit = operator::<access::cap::SignInManage>();
            let clearance = resources.clear(tx, &permit, None, &resources::Ground::None)?;
            let removal = resources::Removal { kind: scim::SOURCES, workspace: None, key: "entra", reason: None, clearance: &clearance };
            resources.delete(tx, &permit, removal)
        })
        .await
        .unwrap();
        assert!(house.roles(person).await.is_empty());
        assert_eq!(
            house.texts(mapped).await,
            ["scim: entra is switched off", "scim: the groups of entra give other roles", "scim: the directory was removed"]
        );
        assert!(matches!(house.read(&id).await, Err(scim::Error::NoSource)));
        house.apply("users: [{ name: Bea by Hand, login: bea@example.com }]\n").await.unwrap();
        for table in ["SELECT id FROM directory_groups", "SELECT user_id FROM provisioned_people", "SELECT user_id FROM directory_members"] {
            assert!(house.texts(table).await.is_empty(), "{table}");
        }
    }
}
