//! The kind `roles`, and who may give what to whom.

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, AuthMethod, Cap, Capability, Grants, Principal, cap};
use base::{ManualClock, UserId};
use resources::{Change, Draft, Error, Ground};
use store::Db;

use crate::house::{self, House, PASSWORD, from, lines, open, secret};

const PEOPLE: &str = "
workspaces: [{slug: demo, environment: development}, {slug: other, environment: development}]
roles:
  - {name: night shift, capabilities: ['overview:read', 'alerts:read'], description: Those who look at night}
  - {name: demo sender, capabilities: ['messages:send'], workspace: demo}
users:
  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}
  - {name: Olga Sample, login: olga@example.com, roles: [{role: security_officer}]}
  - {name: Cem Sample, login: cem@example.com, roles: [{role: night shift, workspace: demo}]}
";

/// Writes an entry as somebody, who holds the roles that are stored for them.
async fn put<C: Cap>(
    house: &House,
    login: &'static str,
    kind: &'static str,
    workspace: Option<&'static str>,
    body: Draft,
) -> Result<(), Error> {
    let user = house.user(login).await;
    let resources = house.resources.clone();
    house
        .db
        .write(move |tx| {
            let actor = Actor::new(Principal::User { id: user, name: login.into() }, AuthMethod::Password);
            let grants = access::grants_of_user(tx, user, actor)?;
            let place = match workspace {
                Some(slug) => resources.workspace(tx, slug)?,
                None => None,
            };
            let clear = |tx: &mut store::Tx<'_>| resources::Clearance::check(tx, place, &Ground::None, grants.actor());
            let clearance = clear(tx)?;
            let change = Change { kind, workspace: place, body: body.clone(), reason: None, clearance: &clearance };
            match place {
                Some(place) => resources.put(tx, &grants.permit::<C>(place)?, change).map(drop),
                None => resources.put(tx, &grants.permit_organisation::<C>()?, change).map(drop),
            }
        })
        .await
}

fn person(login: &str, roles: &serde_json::Value) -> Draft {
    Draft::new(serde_json::json!({ "name": "Somebody", "login": login, "roles": roles }))
}

async fn names(house: &House, login: &str) -> Vec<String> {
    let user = house.user(login).await;
    let held = house.db.read(move |tx| access::roles_of(tx, user)).await.unwrap();
    held.iter().map(|held| held.role.name().to_owned()).collect()
}

async fn demo(house: &House) -> base::WorkspaceId {
    let resources = house.resources.clone();
    house.db.read(move |tx| resources.workspace(tx, "demo")).await.unwrap().unwrap()
}

async fn grants(house: &House, user: UserId) -> Grants {
    house.db.read(move |tx| access::grants_of_user(tx, user, Actor::engine("tests"))).await.unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// E-17: a role of one's own is used like a ready one, in the place where it was given.
    async fn e_17_a_custom_role_holds_what_it_names_where_it_was_given(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let (cem, demo) = (house.user("cem@example.com").await, demo(&house).await);
        let held = grants(&house, cem).await;
        assert!(held.may(Capability::AlertsRead, demo) && !held.may(Capability::AlertsAnswer, demo));
        assert!(held.organisation_capabilities().is_empty());
        assert_eq!(names(&house, "cem@example.com").await, ["night shift"]);
        let nothing = house.apply(PEOPLE).await.unwrap();
        assert!(nothing.changes.iter().all(|change| change.outcome == resources::Outcome::Unchanged), "applied twice, nothing changes");
    }

    /// 7.2.4, X-16: a changed role holds at the next look, and whoever holds it signs in again.
    async fn x_16_a_changed_role_ends_the_sessions_of_its_holders(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let link = house.invite("cem@example.com").await;
        let entered = house.identity.accept_invite(link, secret(PASSWORD), &from("192.0.2.1")).await.unwrap();
        let inside = entered.into_session().unwrap();
        assert!(house.is_in(&inside.token).await);
        house.apply(&PEOPLE.replace("Those who look", "People who look")).await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(house.is_in(&inside.token).await, "other words are no other rights");
        house.apply(&PEOPLE.replace("'alerts:read'", "'alerts:read', 'alerts:answer'")).await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!house.is_in(&inside.token).await);
        let (cem, demo) = (house.user("cem@example.com").await, demo(&house).await);
        assert!(grants(&house, cem).await.may(Capability::AlertsAnswer, demo));
    }

    async fn what_is_wrong_with_a_role_is_said(db: Db) {
        let house = open(&db).await;
        for (entry, said) in [
            ("{name: operator, capabilities: ['alerts:read']}", "name: a ready role has this name; choose another"),
            ("{name: On-Call, capabilities: ['alerts:read']}", "name: a ready role has this name; choose another"),
            ("{name: viewer, capabilities: ['alerts:read']}", "name: a ready role has this name; choose another"),
            ("{name: x, capabilities: []}", "capabilities: a role without a capability gives nothing; name one"),
            ("{name: x, capabilities: ['alert:read']}", "capabilities[0]: no such capability; did you mean alerts:read?"),
            ("{name: x, capabilities: ['runs:read', 'runs:read']}", "capabilities[1]: this capability stands here twice; leave one out"),
            (
                "{name: x, capabilities: ['people:write'], workspace: demo}",
                "capabilities[0]: people:write belongs to the whole organisation and holds in no single workspace",
            ),
        ] {
            let yaml = format!("workspaces: [{{slug: demo, environment: development}}]\nroles: [{entry}]\n");
            assert_eq!(lines(&house.apply(&yaml).await.unwrap_err()), [format!("roles[0].{said}")]);
        }
        house.apply(PEOPLE).await.unwrap();
        for (role, said) in [
            ("{role: demo sender}", "users[0].roles[0]: this role is of one workspace; give it there"),
            ("{role: demo sender, workspace: other}", "users[0].roles[0]: this role is of one workspace; give it there"),
            ("{role: workspace_administrator}", "users[0].roles[0]: this role is one of a workspace; name the workspace"),
        ] {
            let yaml = format!("users: [{{name: Eve Sample, login: eve@example.com, roles: [{role}]}}]\n");
            let error = house.apply(&yaml).await.unwrap_err();
            assert!(lines(&error).contains(&said.to_owned()), "{:?}", lines(&error));
        }
        let error = house.apply("users: [{name: Eve Sample, login: eve@example.com, roles: [{role: obsever}]}]\n").await.unwrap_err();
        assert!(lines(&error)[0].contains("did you mean observer?"), "{:?}", lines(&error));
    }

    /// E-17: a role cannot go while somebody holds it.
    async fn a_role_that_is_held_stays(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let error = house.apply("roles: []\n").await.unwrap_err();
        assert!(format!("{error:?}").contains("users cem@example.com"), "{error:?}");
    }

    /// E-17: nobody makes a role that holds more than they do.
    async fn e_17_a_role_holds_nothing_that_its_author_lacks(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let role = |capability: &str| Draft::new(serde_json::json!({ "name": "mine", "capabilities": [capability] }));
        let wide = put::<cap::RolesWrite>(&house, "olga@example.com", "roles", None, role("messages:content")).await.unwrap_err();
        assert_eq!(
            lines(&wide),
            ["capabilities[0]: you do not hold messages:content in the whole organisation, so you cannot give it"]
        );
        put::<cap::RolesWrite>(&house, "olga@example.com", "roles", None, role("audit:read")).await.unwrap();
        put::<cap::RolesWrite>(&house, "ada@example.com", "roles", None, role("messages:content")).await.unwrap();
    }

    /// E-17: whoever gives rights to others gives none to themselves, and makes nobody mightier than they are.
    async fn e_17_nobody_raises_their_own_rights(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let give = async |by: &'static str, to: &'static str, roles: serde_json::Value| {
            put::<cap::PeopleWrite>(&house, by, "users", None, person(to, &roles)).await
        };
        let officer = serde_json::json!({ "role": "security_officer" });
        let own = give("olga@example.com", "olga@example.com", serde_json::json!([officer, { "role": "operator" }])).await;
        assert!(lines(&own.unwrap_err())[0].contains("which you do not hold; somebody else who may has to give it"));
        let other = give("olga@example.com", "cem@example.com", serde_json::json!([{ "role": "administrator" }])).await;
        assert!(lines(&other.unwrap_err())[0].contains("with which rights are given, and you do not hold that yourself"));
        give("olga@example.com", "cem@example.com", serde_json::json!([{ "role": "operator" }])).await.unwrap();
        assert_eq!(names(&house, "cem@example.com").await, ["operator"], "work is given to others");
        give("olga@example.com", "olga@example.com", serde_json::json!([officer, { "role": "auditor" }])).await.unwrap_err();
        give("ada@example.com", "olga@example.com", serde_json::json!([officer, { "role": "auditor" }])).await.unwrap();
        give("olga@example.com", "olga@example.com", serde_json::json!([officer, { "role": "auditor" }])).await.unwrap();
    }

    /// E-08, E-17: a key is no way around: its scopes are within what its maker holds there.
    async fn e_08_a_key_holds_nothing_that_its_maker_lacks(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let key = |scope: &str| Draft::new(serde_json::json!({ "name": "ci", "scopes": [scope] }));
        let wide = put::<cap::ApiKeysManage>(&house, "olga@example.com", "api_keys", Some("demo"), key("messages:content")).await;
        assert_eq!(lines(&wide.unwrap_err()), ["scopes[0]: you do not hold messages:content here, so no program of yours does"]);
        put::<cap::ApiKeysManage>(&house, "olga@example.com", "api_keys", Some("demo"), key("audit:read")).await.unwrap();
        put::<cap::ApiKeysManage>(&house, "ada@example.com", "api_keys", Some("demo"), key("messages:content")).await.unwrap();
        // What stands already is hers to narrow, not to draw anew.
        let narrow = Draft::new(serde_json::json!({ "name": "ci", "scopes": ["messages:content"], "allow": ["192.0.2.0/24"] }));
        put::<cap::ApiKeysManage>(&house, "olga@example.com", "api_keys", Some("demo"), narrow).await.unwrap();
        let again = put::<cap::ApiKeysManage>(&house, "olga@example.com", "api_keys", Some("demo"), key("messages:content").draw("token")).await;
        assert!(again.is_err(), "a new token would be shown to her");
    }

    /// E-17: an invitation lets its holder in, so nobody draws one for somebody mightier.
    async fn e_17_nobody_draws_the_link_of_somebody_mightier(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let (olga, ada, cem) = (house.user("olga@example.com").await, house.user("ada@example.com").await, house.user("cem@example.com").await);
        let draw = async |whose: UserId| {
            let identity = house.identity.clone();
            db.write(move |tx| {
                let actor = Actor::new(Principal::User { id: olga, name: "Olga".into() }, AuthMethod::Password);
                let permit = access::grants_of_user(tx, olga, actor)?.permit_organisation::<cap::PeopleWrite>()?;
                identity.invite_link(tx, &permit, whose).map(drop)
            })
            .await
        };
        assert!(matches!(draw(ada).await, Err(identity::Error::Denied(_))));
        assert!(matches!(draw(cem).await, Err(identity::Error::Denied(_))), "she reads no alerts");
        draw(olga).await.unwrap();
    }
}
