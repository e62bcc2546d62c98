//! What no directory may: come in as a person, touch others' people, the last administrator, or an account for emergencies.

use access::{Actor, AuthMethod, Capability, CustomRole, Grants, Principal, Role, Scope, cap};
use base::{SecretString, UserId};
use identity::{Caller, SetUp};
use scim::{Error, Shown};
use serde_json::json;

use crate::house::{House, PASSWORD, PUBLIC, key, open, operator, program, user};

/// The first administrator, with a password, handed over to the directory.
async fn ada(house: &House) -> (UserId, String) {
    let identity = house.identity.clone();
    let link = house.db.write(move |tx| identity.setup_link(tx, &Actor::os("root", "host1"))).await.unwrap();
    let form = SetUp {
        secret: link.secret,
        name: "Ada Sample".into(),
        login: "ada@example.com".into(),
        password: SecretString::from(PASSWORD),
        time_zone: None,
    };
    let ada = house.identity.setup(form, &Caller::default()).await.unwrap().into_session().unwrap().session.user;
    let source = house.texts("SELECT id FROM provisioning_sources WHERE name = 'entra'").await[0].parse().unwrap();
    let scim = house.scim.clone();
    house.db.write(move |tx| scim.hand_over(tx, &operator(), source, "ada@example.com")).await.unwrap();
    (ada, ada.to_string())
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    async fn only_programs_of_the_source_come_in(db: store::Db) {
        let house = open(&db).await;
        house.apply(&crate::house::CONFIGURED.replace("{ name: other, programs: [ops/directory] }", "{ name: other, programs: [ops/okta] }")).await.unwrap();
        let come = |permit, source: &'static str| {
            let (scim, db) = (house.scim.clone(), db.clone());
            async move { db.read(move |tx| scim.desk(tx, &permit, source, PUBLIC).map(drop)).await }
        };
        let id: UserId = uuid::Uuid::from_u128(7).into();
        let person = Actor::new(Principal::User { id, name: "Ada".into() }, AuthMethod::Password);
        let person = Grants::of_roles(person, &[(Role::Administrator, Scope::Organisation)]).permit_organisation::<cap::PeopleProvision>().unwrap();
        assert!(matches!(come(person, "entra").await, Err(Error::PeopleNever)));
        assert!(come(program("okta"), "other").await.is_ok());
        assert!(matches!(come(program("entra"), "other").await, Err(Error::NoSource)), "another directory's key");
        assert!(matches!(come(program("entra"), "nowhere").await, Err(Error::NoSource)));
        house.key("lab", 6).await;
        assert!(matches!(come(key("okta", 6), "other").await, Err(Error::NoSource)), "a key of that name in another workspace");
        assert!(matches!(come(key("okta", 9), "other").await, Err(Error::NoSource)), "a key that is gone");
    }

    /// Two directories never share a key by being left open.
    async fn each_of_several_directories_names_its_programs(db: store::Db) {
        let house = open(&db).await;
        let other = "{ name: other, programs: [ops/directory] }";
        let entra = "programs: [ops/directory]\n    ";
        for (from, to, code, at) in [
            (other, "{ name: other }", "who-speaks", "programs"),
            (entra, "", "who-speaks", "programs"),
            (other, "{ name: other, programs: [okta] }", "bad-program", "programs[0]"),
            (other, "{ name: other, programs: [nowhere/okta] }", "unknown-workspace", "programs[0]"),
        ] {
            let refused = house.apply(&crate::house::CONFIGURED.replace(from, to)).await.unwrap_err();
            let problems = refused.problems();
            assert!(problems.iter().any(|one| one.code == code && one.field.as_deref().is_some_and(|field| field.ends_with(at))), "{to}: {problems:?}");
        }
        // One alone may be open; then there is no second.
        let alone = crate::house::CONFIGURED.replace(entra, "");
        let none = alone.replace("  - { name: other, programs: [ops/directory] }\n", "");
        house.apply(&crate::house::CONFIGURED.replace("  - { name: other, programs: [ops/directory] }\n", "")).await.unwrap();
        house.apply(&none).await.unwrap();
        assert!(house.make(user("bea@example.com")).await.is_ok());
        let second = none.replace("provisioning_sources:\n", "provisioning_sources:\n  - { name: second, programs: [ops/okta] }\n");
        let refused = house.apply(&second).await.unwrap_err();
        assert!(refused.problems().iter().any(|one| one.code == "other-open"), "{refused:?}");
    }

    async fn the_last_administrator_is_not_a_directorys(db: store::Db) {
        let house = open(&db).await;
        let (ada, id) = ada(&house).await;
        for refused in [
            house.patch(&id, json!([{"op": "replace", "value": {"active": false}}])).await.map(drop),
            house.delete(&id).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::HandsOff(words)) if words.contains("last administrator")), "{refused:?}");
        }
        assert_eq!(house.roles(ada).await, ["administrator"]);
        house.patch(&id, json!([{"op": "replace", "path": "displayName", "value": "Ada S."}])).await.unwrap();
        // The last one by a group.
        let house = &house;
        db.write(move |tx| access::forget_roles(tx, ada, tx.now())).await.unwrap();
        let group = house.group("Admins", &[&id]).await.unwrap();
        assert_eq!(house.roles(ada).await, ["administrator"]);
        let refused = house.patch_group(&group.id, json!([{"op": "remove", "path": "members"}])).await;
        assert!(matches!(refused, Err(Error::HandsOff(_))), "{refused:?}");
        assert_eq!(house.roles(ada).await, ["administrator"]);
    }

    async fn accounts_for_emergencies_are_nobodys_to_touch(db: store::Db) {
        let house = open(&db).await;
        let (bea, person) = house.made("bea@example.com").await;
        house.session(person).await;
        db.write(move |tx| identity::set_only_way(tx, Some(uuid::Uuid::from_u128(3).into()), &[person])).await.unwrap();
        for refused in [
            house.patch(&bea, json!([{"op": "replace", "value": {"active": false}}])).await.map(drop),
            house.patch(&bea, json!([{"op": "replace", "value": {"displayName": "x"}}])).await.map(drop),
            house.delete(&bea).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::HandsOff(words)) if words.contains("emergencies")), "{refused:?}");
        }
        house.group("Admins", &[&bea]).await.unwrap();
        assert!(house.roles(person).await.is_empty(), "nor does a directory raise it");
    }

    /// E-17: a directory says who signs in with an account, so nobody hands over somebody mightier.
    async fn e_17_nobody_hands_over_somebody_mightier(db: store::Db) {
        let house = open(&db).await;
        house.apply("users:\n  - { name: Cem Sample, login: cem@example.com, roles: [{ role: administrator }] }\n  - { name: Dan Sample, login: dan@example.com }\n").await.unwrap();
        let source = house.texts("SELECT id FROM provisioning_sources WHERE name = 'entra'").await[0].parse().unwrap();
        let hand_over = |login: &'static str| {
            let (scim, db) = (house.scim.clone(), db.clone());
            async move {
                db.write(move |tx| {
                    let role = CustomRole {
                        id: uuid::Uuid::from_u128(8).into(),
                        name: "sign-on".into(),
                        capabilities: [Capability::SignInManage].into_iter().collect(),
                        workspace: None,
                    };
                    let role = access::HeldRole::Custom(std::sync::Arc::new(role));
                    let held = access::Held { role, scope: Scope::Organisation, groups: Vec::new() };
                    let id: UserId = uuid::Uuid::from_u128(7).into();
                    let olga = Actor::new(Principal::User { id, name: "Olga".into() }, AuthMethod::Password);
                    let permit = Grants::of_roles(olga, &[held]).permit_organisation::<cap::SignInManage>().unwrap();
                    scim.hand_over(tx, &permit, source, login)
                })
                .await
            }
        };
        assert!(matches!(hand_over("cem@example.com").await, Err(Error::Identity(identity::Error::Denied(_)))));
        assert!(house.texts("SELECT user_id FROM provisioned_people").await.is_empty());
        hand_over("dan@example.com").await.unwrap();
    }

    async fn what_is_wrong_is_said_and_changes_nothing(db: store::Db) {
        let house = open(&db).await;
        let (id, _) = house.made("bea@example.com").await;
        for (body, words) in [
            (json!({"schemas": [scim::USER]}), "userName is required"),
            (json!({"schemas": [scim::GROUP], "userName": "x@example.com"}), "schemas has to name"),
            (json!({"userName": "two words"}), "no spaces"),
            (json!({"userName": "x".repeat(300)}), "at most 254"),
        ] {
            let error = house.make(body).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        // Another version, another's id, and what is not there.
        let (known, body) = (id.clone(), user("bea@example.com"));
        let old = house.at("entra", move |tx, scim, desk| scim.replace_user(tx, desk, (&known, Some(9)), &body, &Shown::default())).await;
        assert!(matches!(old, Err(Error::OtherVersion)));
        let known = id.clone();
        assert!(matches!(house.at("other", move |tx, scim, desk| scim.user(tx, desk, &known, &Shown::default())).await, Err(Error::NotFound)));
        let known = id.clone();
        assert!(matches!(house.at("other", move |tx, scim, desk| scim.delete_user(tx, desk, (&known, None))).await, Err(Error::NotFound)));
        assert!(matches!(house.read("not-an-id").await, Err(Error::NotFound)));
        assert_eq!(house.read(&id).await.unwrap()["meta"]["version"], "W/\"1\"");
        // What was said already is no new version.
        let same = house.patch(&id, json!([{"op": "replace", "path": "active", "value": true}])).await.unwrap();
        assert_eq!(same.version, 1);
    }
}
