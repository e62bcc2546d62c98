//! Which kinds of credentials a role lets its holders make, and the page that says who can what, programs among them.

use access::{Actor, AuthMethod, Capability, Grants, Principal, cap};
use identity::{HolderKind, what_can, who_can};
use resources::{Change, Draft, Error, Ground};
use serde_json::json;
use store::Db;

use crate::house::{self, House, lines, open};

const HOUSE: &str = "
workspaces: [{slug: demo, environment: development}]
roles:
  - name: keys only
    capabilities: ['overview:read', 'workspace:read', 'keys:manage', 'credentials:api_key', 'messages:send']
users:
  - {name: Kim Sample, login: kim@example.com, roles: [{role: keys only, workspace: demo}]}
api_keys:
  - {workspace: demo, name: billing, scopes: ['messages:send'], expires_days: 30, token: {env: ONE}}
oauth_clients:
  - {workspace: demo, name: fetcher, scopes: ['messages:send'], proof: certificate, certificates: ['CN=a issued by CN=b']}
token_issuers:
  - workspace: demo
    name: builds
    issuer: https://ci.example
    audiences: [loudhailer]
    rules: [{claims: {sub: 'repo:acme/*'}, scopes: ['messages:send', 'alerts:read']}]
";

async fn put(house: &House, kind: &'static str, body: serde_json::Value) -> Result<(), Error> {
    let user = house.user("kim@example.com").await;
    let resources = house.resources.clone();
    house
        .db
        .write(move |tx| {
            let actor = Actor::new(Principal::User { id: user, name: "Kim".into() }, AuthMethod::Password);
            let grants = access::grants_of_user(tx, user, actor)?;
            let place = resources.workspace(tx, "demo")?.unwrap();
            let permit = grants.permit::<cap::ApiKeysManage>(place)?;
            let clearance = resources::Clearance::check(tx, Some(place), &Ground::None, permit.actor())?;
            let body = Draft::new(body.clone());
            let change = Change { kind, workspace: Some(place), body, reason: None, clearance: &clearance };
            resources.put(tx, &permit, change).map(drop)
        })
        .await
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// a role says which kinds of credentials its holders make.
    async fn x_08_a_role_says_which_kinds_its_holders_make(db: Db) {
        let house = open(&db).await;
        house.apply(HOUSE).await.unwrap();
        let key = json!({ "name": "mine", "scopes": ["messages:send"] });
        put(&house, "api_keys", key.clone()).await.unwrap();
        // By name and certificate instead of a token: another kind.
        let mut certified = key;
        certified["certificates"] = json!(["CN=c issued by CN=b"]);
        let refused = lines(&put(&house, "api_keys", certified).await.unwrap_err());
        assert!(refused.iter().any(|line| line.starts_with("certificates: none of your roles holds credentials:certificate")), "{refused:?}");
        let client = json!({ "name": "mine", "scopes": ["messages:send"], "proof": "secret" });
        let refused = lines(&put(&house, "oauth_clients", client).await.unwrap_err());
        assert!(refused.iter().any(|line| line.contains("credentials:oauth")), "{refused:?}");
        // What is there stays when something else about it changes.
        let same = json!({
            "name": "fetcher", "scopes": ["messages:send"], "proof": "certificate", "certificates": ["CN=a issued by CN=b"],
            "token_minutes": 5,
        });
        put(&house, "oauth_clients", same).await.unwrap();
    }

    /// Every program that may do something is named, by what it may.
    async fn who_can_names_programs_of_every_sort(db: Db) {
        let house = open(&db).await;
        house.apply(HOUSE).await.unwrap();
        let resources = house.resources.clone();
        let (senders, readers, issuer) = db
            .read(move |tx| -> Result<_, identity::Error> {
                let place = resources.workspace(tx, "demo")?.unwrap();
                let permit = Grants::of_operator(house::operator()).permit::<cap::AccessRead>(place)?;
                let senders = who_can(tx, &permit, Capability::MessagesSend)?.0;
                let readers = who_can(tx, &permit, Capability::AlertsRead)?.0;
                let id = readers.first().map(|one| one.id.clone()).unwrap_or_default();
                let issuer = what_can(tx, &permit, HolderKind::TokenIssuer, &id)?;
                Ok((senders, readers, issuer))
            })
            .await
            .unwrap();
        let names: Vec<(&str, &str)> = senders.iter().map(|one| (one.kind.name(), one.name.as_str())).collect();
        assert_eq!(
            names,
            [("user", "Kim Sample"), ("key", "billing"), ("oauth_client", "fetcher"), ("token_issuer", "builds")]
        );
        assert_eq!(senders[3].rights[0].1[0].words, "a rule for its tokens");
        assert_eq!(readers.len(), 1);
        let rights: Vec<Capability> = issuer.unwrap().rights.into_iter().map(|(capability, _)| capability).collect();
        assert_eq!(rights, [Capability::AlertsRead, Capability::MessagesSend]);
        for name in ["oauth_client", "token_issuer", "integration", "smpp_account", "key", "user"] {
            assert_eq!(HolderKind::named(name).map(HolderKind::name), Some(name));
        }
    }
}
