//! API keys and administrators' tokens.

use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Capability, Grants, Principal, cap};
use base::{ManualClock, SecretString};
use resources::{Change, Draft, Error, Ground};
use store::Db;

use crate::house::{self, House, ONE, TWO, from, lines, open, secret, text};

const WORKSPACE: &str = "workspaces: [{slug: demo, environment: development}]\n";

async fn key(house: &House, fields: &str) -> Option<SecretString> {
    let yaml =
        format!("{WORKSPACE}api_keys:\n  - {{workspace: demo, name: ci, scopes: ['messages:send'], {fields}}}\n");
    house.apply(&yaml).await.unwrap().drawn.pop().map(|drawn| drawn.secret)
}

async fn opens(house: &House, token: &SecretString, address: &str) -> bool {
    house.identity.by_api_key(token, &from(address)).await.unwrap().is_some()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    async fn a_drawn_token_is_shown_once_and_kept_as_a_hash(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = key(&house, "").await.unwrap();
        assert!(text(&token).starts_with("loudhailer_key_"));
        assert!(key(&house, "").await.is_none(), "once");
        let grants = house.identity.by_api_key(&token, &from("192.0.2.1")).await.unwrap().unwrap();
        let demo = db.read({ let resources = house.resources.clone(); move |tx| resources.workspace(tx, "demo") }).await.unwrap().unwrap();
        assert!(grants.may(Capability::MessagesSend, demo) && !grants.may(Capability::MessagesRead, demo));
        assert!(grants.organisation_capabilities().is_empty());
        assert!(matches!(&grants.actor().principal, Principal::ApiKey { name, .. } if name == "ci"));
        assert_eq!(grants.actor().auth, AuthMethod::ApiKey);
        let stored = house.texts("SELECT body FROM resources").await.join("\n");
        assert!(!stored.contains(text(&token)));
        clock.advance(Duration::from_mins(5));
        assert!(opens(&house, &token, "192.0.2.1").await);
        let identity = house.identity.clone();
        let listed = db
            .read(move |tx| {
                let permit = Grants::of_operator(house::operator()).permit::<cap::WorkspaceRead>(demo)?;
                identity.api_keys(tx, &permit, demo)
            })
            .await
            .unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].last_used_at, Some(db.context().now()), "the last use is known");
        assert!(!listed[0].imported);
    }

    async fn unknown_mistyped_and_expired_tokens_are_the_same_nothing(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = key(&house, "expires_days: 90").await.unwrap();
        let mut mistyped = text(&token).to_owned();
        mistyped.replace_range(20..21, if &mistyped[20..21] == "a" { "b" } else { "a" });
        for bad in [mistyped.as_str(), "", "x", &"y".repeat(40), &"z".repeat(4000)] {
            assert!(!opens(&house, &secret(bad), "192.0.2.1").await);
        }
        clock.advance(Duration::from_hours(24 * 90) - Duration::from_secs(1));
        assert!(opens(&house, &token, "192.0.2.1").await);
        clock.advance(Duration::from_secs(1));
        assert!(!opens(&house, &token, "192.0.2.1").await);
    }

    async fn a_key_may_be_bound_to_addresses(db: Db) {
        let house = open(&db).await;
        let token = key(&house, "allow: ['192.0.2.0/24', '2001:db8::/32']").await.unwrap();
        assert!(opens(&house, &token, "192.0.2.77").await);
        assert!(!opens(&house, &token, "192.0.3.1").await);
        assert!(opens(&house, &token, "[2001:db8::7]").await);
        assert!(house.identity.by_api_key(&token, &identity::Caller::default()).await.unwrap().is_none());
    }

    /// renewed without downtime: two tokens are valid in rotation, then the new one alone.
    async fn x_22_two_tokens_are_valid_in_rotation(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        assert!(key(&house, "token: {env: ONE}, rotation_hours: 2").await.is_none(), "imported, not drawn");
        let (one, two) = (secret(ONE), secret(TWO));
        assert!(opens(&house, &one, "192.0.2.1").await && !opens(&house, &two, "192.0.2.1").await);
        key(&house, "token: {env: TWO}, rotation_hours: 2").await;
        assert!(opens(&house, &two, "192.0.2.1").await);
        assert!(opens(&house, &one, "192.0.2.1").await, "the old one works on");
        clock.advance(Duration::from_hours(2));
        assert!(opens(&house, &two, "192.0.2.1").await && !opens(&house, &one, "192.0.2.1").await);
        house.identity.sweep().await.unwrap();
        assert_eq!(house.count("api_key_tokens").await, 1);
    }

    /// a drawn token is renewed on request, in the console or by the API, and both work for a while.
    async fn x_22_a_drawn_token_is_renewed(db: Db) {
        let house = open(&db).await;
        let first = key(&house, "").await.unwrap();
        let resources = house.resources.clone();
        let next = db
            .write(move |tx| {
                let demo = resources.workspace(tx, "demo")?.ok_or(Error::NotFound)?;
                let permit = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
                let clearance = resources.clear(tx, &permit, Some(demo), &Ground::None)?;
                let body = Draft::new(serde_json::json!({ "name": "ci", "scopes": ["messages:send"] })).draw("token");
                resources.put(tx, &permit, Change { kind: "api_keys", workspace: Some(demo), body, reason: None, clearance: &clearance })
            })
            .await
            .unwrap()
            .drawn
            .remove(0)
            .secret;
        assert!(opens(&house, &first, "192.0.2.1").await && opens(&house, &next, "192.0.2.1").await);
    }

    /// Ended on all nodes within a second (7.4.1).
    async fn a_deleted_key_stops_within_a_second(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = key(&house, "").await.unwrap();
        assert!(opens(&house, &token, "192.0.2.1").await);
        house.apply(&format!("{WORKSPACE}api_keys: []\n")).await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!opens(&house, &token, "192.0.2.1").await);
        assert_eq!(house.count("api_keys").await + house.count("api_key_tokens").await, 0);
    }

    async fn what_a_key_may_not_have_is_refused(db: Db) {
        let house = open(&db).await;
        let yaml = format!(
            "{WORKSPACE}api_keys:\n  - {{workspace: demo, name: a, scopes: ['keys:manage', 'mesages:send']}}\n  \
             - {{workspace: demo, name: b, scopes: [], allow: ['192.0.2.1/24']}}\n  \
             - {{workspace: demo, name: c, scopes: ['messages:send'], token: {{env: SHORT}}}}\n"
        );
        assert_eq!(
            lines(&house.apply(&yaml).await.unwrap_err()),
            [
                "api_keys[0].scopes[0]: an API key never creates or changes keys, people or workspaces: do that as an administrator",
                "api_keys[0].scopes[1]: no such scope; did you mean messages:send?",
                "api_keys[1].scopes: a program without a scope can do nothing; give one such as messages:send",
                "api_keys[1].allow[0]: an address or network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32 is expected, without host bits",
                "api_keys[2].token: an imported token has 24 to 256 visible ASCII characters",
            ]
        );
        let twice = format!(
            "{WORKSPACE}api_keys:\n  - {{workspace: demo, name: a, scopes: ['messages:send'], token: {{env: ONE}}}}\n  \
             - {{workspace: demo, name: b, scopes: ['messages:send'], token: {{env: ONE}}}}\n"
        );
        assert_eq!(lines(&house.apply(&twice).await.unwrap_err()), ["api_keys[1].token: another key has this token; every key needs its own"]);
    }

    /// E-08: no key makes or deletes keys or people, whatever its scopes say; people with the right do.
    async fn e_08_keys_are_made_by_people_with_the_right_alone(db: Db) {
        let house = open(&db).await;
        house.apply(WORKSPACE).await.unwrap();
        let resources = house.resources.clone();
        let refusals = db
            .write(move |tx| {
                let demo = resources.workspace(tx, "demo")?.ok_or(Error::NotFound)?;
                let id = base::ApiKeyId::from(uuid::Uuid::from_u128(5));
                let actor = access::Actor::new(Principal::ApiKey { id, name: "ci".into() }, AuthMethod::ApiKey);
                let scopes: Vec<_> = access::KeyScope::all().collect();
                let grants = Grants::of_api_key(actor.clone(), demo, &scopes);
                let permit = grants.permit::<cap::ResourcesApply>(demo)?;
                let clearance = resources.clear(tx, &permit, Some(demo), &Ground::None)?;
                let body = Draft::new(serde_json::json!({ "name": "mine", "scopes": ["messages:send"] }));
                let put = Change { kind: "api_keys", workspace: Some(demo), body, reason: None, clearance: &clearance };
                let refused = resources.put(tx, &permit, put.clone()).map(|_| ()).unwrap_err().to_string();
                let none = grants.permit::<cap::ApiKeysManage>(demo).is_err();
                let person = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
                let made = resources.put(tx, &person, put)?;
                Ok::<_, Error>((refused, none, made.drawn.len()))
            })
            .await
            .unwrap();
        assert!(refusals.0.contains("keys:manage"), "{refusals:?}");
        assert!(refusals.1);
        assert_eq!(refusals.2, 1);
    }

    /// The command line's token acts as its person, for an hour, and no longer than the person may.
    async fn an_administrators_token_is_short_lived(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let session = house.set_up().await.session;
        let drawn = house.identity.admin_token(&session).await.unwrap();
        assert!(text(&drawn.token).starts_with("loudhailer_admin_"));
        let grants = house.identity.by_api_key(&drawn.token, &from("192.0.2.1")).await.unwrap().unwrap();
        assert!(grants.permit_organisation::<cap::ResourcesApply>().is_ok());
        assert_eq!(grants.actor().principal.user(), Some(session.user));
        clock.advance(Duration::from_hours(1));
        assert!(!opens(&house, &drawn.token, "192.0.2.1").await);
        let other = house.identity.admin_token(&session).await.unwrap();
        let (identity, user) = (house.identity.clone(), session.user);
        db.write(move |tx| identity.end_all(tx, user)).await.unwrap();
        assert!(!opens(&house, &other.token, "192.0.2.1").await);
    }
}
