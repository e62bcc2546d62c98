//! Rule 6 over every REST route.

use std::sync::Arc;

use access::{Actor, AuthMethod, Capability, Denied, Grants, KeyScope, Principal, Role, Scope};
use async_trait::async_trait;
use base::{ApiKeyId, ExposeSecret, SecretString, Timestamp, UserId, WorkspaceId};
use http::matrix::{Credential, Places, Player, Rights, run};
use http::{App, Keeper, LiveSession, Proof, Refusal, Settings, Source, Ways};

use super::house::House;

/// Sessions are named `role` or `role@workspace`, keys `workspace`.
struct Cast {
    places: Vec<(&'static str, WorkspaceId)>,
}

impl Cast {
    fn place(&self, name: &str) -> Option<WorkspaceId> {
        self.places.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
    }

    fn grants(&self, name: &str) -> Option<Grants> {
        let (role, place) = name.split_once('@').unwrap_or((name, ""));
        let scope = if place.is_empty() { Scope::Organisation } else { Scope::Workspace(self.place(place)?) };
        let principal = Principal::User { id: UserId::from(uuid::Uuid::nil()), name: "Ada Sample".into() };
        Some(Grants::of_roles(Actor::new(principal, AuthMethod::Password), &[(role.parse().ok()?, scope)]))
    }
}

fn scopes() -> Vec<Capability> {
    KeyScope::all().map(KeyScope::capability).collect()
}

#[async_trait]
impl Keeper for Cast {
    async fn session(&self, token: &SecretString, _: &Source) -> Result<Option<LiveSession>, Refusal> {
        let grants = self.grants(token.expose_secret());
        // In 2100.
        let late = Timestamp::from_micros(4_102_444_800_000_000);
        let live =
            |grants| LiveSession { grants, csrf: "csrf".into(), fresh_until: late, idle_until: late, expires_at: late };
        Ok(grants.map(live))
    }

    async fn api_key(&self, key: &SecretString, _: &Source) -> Result<Option<Grants>, Refusal> {
        let principal = Principal::ApiKey { id: ApiKeyId::from(uuid::Uuid::nil()), name: "ci".into() };
        let actor = Actor::new(principal, AuthMethod::ApiKey);
        let all: Vec<KeyScope> = KeyScope::all().collect();
        Ok(self.place(key.expose_secret()).map(|place| Grants::of_api_key(actor, place, &all)))
    }

    async fn session_still(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal> {
        self.session(token, source).await
    }

    async fn ways(&self, _: &SecretString, _: &Source) -> Result<Ways, Refusal> {
        Ok(Ways::default())
    }

    async fn step_up(&self, _: &SecretString, _: Proof, _: &Source) -> Result<SecretString, Refusal> {
        Err(Refusal::unauthenticated())
    }

    async fn workspace(&self, name: &str) -> Result<Option<WorkspaceId>, Refusal> {
        Ok(self.place(name))
    }

    async fn refused(&self, _: &Grants, _: Denied) {}
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let house = House::new().await;
    let places = vec![("demo", house.workspace("demo").await), ("other", house.workspace("other").await)];
    let keeper = Arc::new(Cast { places });
    let app = App::builder(Settings::new("https://pager.example.com").unwrap(), keeper, house.db.context().clone())
        .routes(api::routes(house.api.clone()))
        .render(http::Door::Compatible, api::Envelope)
        .build();
    let session = |name: &str| Credential::Session { token: name.into(), csrf: "csrf".into() };
    let mut players = vec![
        Player { name: "nobody".into(), credential: Credential::None, rights: Rights::None },
        Player { name: "an old session".into(), credential: session("gone"), rights: Rights::None },
        Player { name: "a wrong key".into(), credential: Credential::Key("wrong".into()), rights: Rights::None },
        Player {
            name: "a key with every scope".into(),
            credential: Credential::Key("demo".into()),
            rights: Rights::Key { workspace: "demo".into(), scopes: scopes() },
        },
    ];
    for role in Role::ALL {
        let roles = Rights::Roles(vec![(role, None)]);
        players.push(Player { name: role.name().into(), credential: session(role.name()), rights: roles });
        let local = format!("{role}@demo");
        let roles = Rights::Roles(vec![(role, Some("demo".into()))]);
        players.push(Player { credential: session(&local), name: local, rights: roles });
    }
    let places = Places { existing: vec!["demo".into(), "other".into()], missing: "nonesuch".into() };
    let report = run(&app, &players, &places).await;
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.tried > 1_000 && report.passed > 200, "{} tried, {} passed", report.tried, report.passed);
}
