//! API keys renewed with an overlap.

use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Grants, Principal, cap};
use base::{ManualClock, SecretString, WorkspaceId};
use identity::{ApiKeyInfo, Error, KeyRotation, KeyState, RotatedKey};
use resources::Ground;
use store::Db;

use crate::house::{self, House, from, open, text};

const HOUSE: &str = "workspaces: [{slug: demo, environment: development}]\n\
                     api_keys:\n  - {workspace: demo, name: ci, scopes: ['messages:send'], expires_days: 30}\n";

async fn first(house: &House) -> SecretString {
    house.apply(HOUSE).await.unwrap().drawn.pop().unwrap().secret
}

async fn opens(house: &House, token: &SecretString) -> bool {
    house.identity.by_api_key(token, &from("192.0.2.1")).await.unwrap().is_some()
}

async fn demo(house: &House) -> WorkspaceId {
    let resources = house.resources.clone();
    house.db.read(move |tx| resources.workspace(tx, "demo")).await.unwrap().unwrap()
}

async fn rotate(house: &House, overlap: Duration) -> Result<RotatedKey, Error> {
    let (identity, resources, demo) = (house.identity.clone(), house.resources.clone(), demo(house).await);
    house
        .db
        .write(move |tx| {
            let permit = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
            let clearance = resources.clear(tx, &permit, Some(demo), &Ground::None)?;
            let rotation = KeyRotation { key: "ci", overlap, reason: Some("quarterly"), clearance: &clearance };
            identity.rotate_key(tx, &permit, demo, &rotation)
        })
        .await
}

async fn retire(house: &House) -> bool {
    let (identity, demo) = (house.identity.clone(), demo(house).await);
    house
        .db
        .write(move |tx| {
            let permit = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
            identity.retire_old_token(tx, &permit, demo, "ci")
        })
        .await
        .unwrap()
}

async fn listed(house: &House, due: bool) -> Vec<ApiKeyInfo> {
    let (identity, demo) = (house.identity.clone(), demo(house).await);
    house
        .db
        .read(move |tx| {
            let permit = Grants::of_operator(house::operator()).permit::<cap::WorkspaceRead>(demo)?;
            if due { identity.keys_due(tx, &permit, demo) } else { identity.api_keys(tx, &permit, demo) }
        })
        .await
        .unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// both tokens work until the overlap ends, to the second, and the last use of each is known.
    async fn x_22_the_old_token_works_to_the_end_of_the_overlap(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let old = first(&house).await;
        assert!(opens(&house, &old).await);
        clock.advance(Duration::from_hours(24));
        let rotated = rotate(&house, Duration::from_hours(24)).await.unwrap();
        assert!(text(&rotated.token).starts_with("loudhailer_key_") && text(&rotated.token) != text(&old));
        assert_eq!(rotated.old_until, db.context().now().plus(Duration::from_hours(24)));
        assert_eq!(rotated.expires_at, db.context().now().plus(Duration::from_hours(24 * 30)), "the clock starts anew");

        assert_eq!(listed(&house, false).await[0].token_used_at, None, "nobody has shown the new one");
        clock.advance(Duration::from_hours(1));
        assert!(opens(&house, &old).await && opens(&house, &rotated.token).await);
        let key = listed(&house, false).await.remove(0);
        let old_token = key.retiring.unwrap();
        assert_eq!(old_token.until, rotated.old_until);
        assert_eq!(old_token.last_used_at, Some(db.context().now()), "a program still shows the old one");
        assert_eq!(key.token_used_at, Some(db.context().now()));

        clock.advance(Duration::from_hours(23) - Duration::from_secs(1));
        assert!(opens(&house, &old).await);
        clock.advance(Duration::from_secs(1));
        assert!(!opens(&house, &old).await && opens(&house, &rotated.token).await);
        assert_eq!(listed(&house, false).await[0].retiring, None);
        let actions = house.texts("SELECT action FROM audit_entries WHERE action LIKE 'api_key.%'").await;
        assert_eq!(actions, ["api_key.rotate"]);
    }

    /// after a leak the old token ends at once; never more than two work.
    async fn x_22_the_old_token_is_retired_on_demand_and_by_the_next_rotation(db: Db) {
        let house = open(&db).await;
        let one = first(&house).await;
        let two = rotate(&house, Duration::from_hours(24)).await.unwrap().token;
        assert!(opens(&house, &one).await && opens(&house, &two).await);
        assert!(retire(&house).await);
        assert!(!opens(&house, &one).await && opens(&house, &two).await, "at once, not when a cache ends");
        assert!(!retire(&house).await, "there is none any more");

        let three = rotate(&house, Duration::from_hours(24)).await.unwrap().token;
        let four = rotate(&house, Duration::from_hours(24)).await.unwrap().token;
        assert!(!opens(&house, &two).await && opens(&house, &three).await && opens(&house, &four).await);
        let five = rotate(&house, Duration::ZERO).await.unwrap().token;
        assert!(!opens(&house, &four).await && opens(&house, &five).await, "no overlap is an overlap too");
    }

    async fn an_overlap_is_at_most_a_week_and_never_longer_than_the_tokens_own_life(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let old = first(&house).await;
        let error = rotate(&house, Duration::from_hours(7 * 24 + 1)).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(problem) if problem.field.as_deref() == Some("overlap")), "{error}");
        clock.advance(Duration::from_hours(24 * 30 - 2));
        let rotated = rotate(&house, Duration::from_hours(24)).await.unwrap();
        assert_eq!(rotated.old_until, db.context().now().plus(Duration::from_hours(2)));
        clock.advance(Duration::from_hours(2));
        assert!(!opens(&house, &old).await && opens(&house, &rotated.token).await);
    }

    /// E-08: a key rotates no key, not even itself, whatever its scopes; an unknown name is none.
    async fn e_08_no_key_rotates_a_key(db: Db) {
        let house = open(&db).await;
        first(&house).await;
        let (identity, demo) = (house.identity.clone(), demo(&house).await);
        let id = base::ApiKeyId::from(uuid::Uuid::from_u128(5));
        let actor = access::Actor::new(Principal::ApiKey { id, name: "ci".into() }, AuthMethod::ApiKey);
        let scopes: Vec<_> = access::KeyScope::all().collect();
        assert!(Grants::of_api_key(actor, demo, &scopes).permit::<cap::ApiKeysManage>(demo).is_err());
        let unknown = db
            .write(move |tx| {
                let permit = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
                identity.retire_old_token(tx, &permit, demo, "nobody")
            })
            .await;
        assert!(matches!(unknown, Err(Error::Resources(resources::Error::NotFound))));
    }

    /// a reminder before a key ends.
    async fn x_22_keys_that_end_soon_are_due(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        first(&house).await;
        let state = async || listed(&house, false).await[0].state(db.context().now());
        assert_eq!((state().await, listed(&house, true).await.len()), (KeyState::Good, 0));
        clock.advance(Duration::from_hours(24 * 16));
        assert_eq!((state().await, listed(&house, true).await.len()), (KeyState::Due, 1));
        clock.advance(Duration::from_hours(24 * 14));
        assert_eq!((state().await, listed(&house, true).await.len()), (KeyState::Over, 1));
        rotate(&house, Duration::from_hours(24)).await.unwrap();
        assert_eq!((state().await, listed(&house, true).await.len()), (KeyState::Good, 0));
    }
}
