//! A house with a directory at its door.

use std::sync::Arc;

use access::{Actor, AuthMethod, Grants, OrganisationPermit, Principal, Scope, cap};
use base::{ApiKeyId, SecretString, UserId};
use crypto::password::Cost;
use federation::{ProvidersKind, SignInKind};
use identity::{Caller, Identity, NoHooks, Options, UsersKind};
use resources::{ApplyOptions, Parsed, Registry, Resources, SecretSource, SourceError, typed};
use scim::{Answered, Desk, Error, Query, Scim, Shown, SourcesKind};
use serde_json::{Value, json};
use store::{Db, Tx};

pub const PUBLIC: &str = "https://gateway.example.com";
pub const PASSWORD: &str = "velvet cactus monday rowing";

/// A directory, its provider, and what its groups give.
pub const CONFIGURED: &str = "workspaces:\n  - { slug: ops, environment: production }\n  - { slug: lab, environment: production }\nidentity_providers:\n  - { name: corp, issuer: 'https://login.example.com', \
     client_id: us, client_auth: none }\nprovisioning_sources:\n  - name: entra\n    label: Entra ID\n    provider: corp\n    programs: [ops/directory]\n    group_roles:\n      \
     - { group: Night, role: on_call, workspace: ops }\n      - { group: Admins, role: administrator }\n  - { name: other, programs: [ops/directory] }\n";

pub struct House {
    pub db: Db,
    pub resources: Resources,
    pub identity: Identity,
    pub scim: Scim,
}

pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        Err(SourceError(path.to_owned()))
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        Err(SourceError(name.to_owned()))
    }
}

pub async fn open(db: &Db) -> House {
    open_with(db, false).await
}

/// A house whose letters wait for a server.
pub async fn open_with_mail(db: &Db) -> House {
    open_with(db, true).await
}

async fn open_with(db: &Db, letters: bool) -> House {
    let keys = vault::KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = vault::Vault::unlock(db.clone(), keys).await.unwrap();
    let kinds = vec![
        typed(UsersKind::new(Arc::new(NoHooks))),
        typed(ProvidersKind::new(Some(vault.clone()))),
        typed(SignInKind),
        typed(identity::RolesKind),
        typed(SourcesKind),
    ];
    let resources = Resources::new(db.clone(), Registry::new(kinds).unwrap(), vault.clone());
    let settings = mail::Settings {
        server: "localhost".into(),
        port: 465,
        security: mail::Security::Implicit,
        authority: None,
        account: None,
        from: "Pager <pager@example.com>".into(),
        hello: "pager.example.com".into(),
    };
    let mail = letters.then(|| mail::Mail::new(db.clone(), vault.clone(), Some(settings)).unwrap());
    let options = Options { cost: Cost::trivial_for_tests(), mail, ..Options::default() };
    let identity = Identity::new(db.clone(), vault.clone(), resources.clone(), options).unwrap();
    let scim = Scim::new(db.clone(), vault, resources.clone(), identity.clone());
    let house = House { db: db.clone(), resources, identity, scim };
    house.apply(CONFIGURED).await.unwrap();
    house.key("ops", 5).await;
    house
}

/// The permit of a directory's key in the workspace `ops`.
pub fn program(name: &str) -> OrganisationPermit<cap::PeopleProvision> {
    key(name, 5)
}

/// The permit of a key.
pub fn key(name: &str, id: u128) -> OrganisationPermit<cap::PeopleProvision> {
    let id: ApiKeyId = uuid::Uuid::from_u128(id).into();
    let actor = Actor::new(Principal::ApiKey { id, name: name.into() }, AuthMethod::ApiKey);
    let scopes = ["people:provision".parse().unwrap()];
    Grants::of_api_key(actor, uuid::Uuid::from_u128(1).into(), &scopes).permit_organisation().unwrap()
}

pub fn operator<C: access::Cap>() -> OrganisationPermit<C> {
    Grants::of_operator(Actor::os("root", "host1")).permit_organisation().unwrap()
}

/// A user as Okta and Entra ID make one.
pub fn user(name: &str) -> Value {
    json!({
        "schemas": [scim::USER, scim::ENTERPRISE], "externalId": format!("id-of-{name}"), "userName": name, "active": true,
        "name": {"givenName": "Bea", "familyName": "Sample"}, "emails": [{"value": name, "type": "work", "primary": true}],
        scim::ENTERPRISE: {"department": "Night"},
    })
}

pub fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

impl House {
    pub async fn apply(&self, yaml: &str) -> Result<(), resources::Error> {
        let permit = operator::<cap::ResourcesApply>();
        let document = Parsed::yaml(yaml, self.resources.registry())?.resolve(&NoSecrets)?;
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(drop)
    }

    /// Something at the door of a source, in a transaction, as the door itself does it.
    pub async fn at<T: Send + 'static>(
        &self,
        source: &str,
        f: impl Fn(&mut Tx<'_>, &Scim, &Desk) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (scim, source) = (self.scim.clone(), source.to_owned());
        self.db
            .write(move |tx| {
                scim.hold(tx)?;
                let desk = scim.desk(tx, &program("directory"), &source, PUBLIC)?;
                f(tx, &scim, &desk)
            })
            .await
    }

    /// A key in a workspace.
    pub async fn key(&self, workspace: &'static str, id: u128) {
        self.db
            .write(move |tx| {
                let place = access::workspace_by_slug(tx, workspace).unwrap().unwrap().id;
                tx.execute(
                    "INSERT INTO api_keys (id, workspace, name, scopes, allow, created_at, expires_at) VALUES ($1, $2, 'directory', '', '', 0, 0)",
                    &store::params![uuid::Uuid::from_u128(id), place],
                )
            })
            .await
            .unwrap();
    }

    pub async fn make(&self, body: Value) -> Result<Answered, Error> {
        self.at("entra", move |tx, scim, desk| scim.create_user(tx, desk, &body, &Shown::default())).await
    }

    pub async fn made(&self, name: &str) -> (String, UserId) {
        let made = self.make(user(name)).await.unwrap();
        let id = made.id.parse().unwrap();
        (made.id, id)
    }

    pub async fn patch(&self, id: &str, operations: Value) -> Result<Answered, Error> {
        let (id, body) = (id.to_owned(), patch(operations));
        self.at("entra", move |tx, scim, desk| scim.patch_user(tx, desk, (&id, None), &body, &Shown::default())).await
    }

    pub async fn read(&self, id: &str) -> Result<Value, Error> {
        let id = id.to_owned();
        Ok(self.at("entra", move |tx, scim, desk| scim.user(tx, desk, &id, &Shown::default())).await?.body)
    }

    pub async fn delete(&self, id: &str) -> Result<scim::Gone, Error> {
        let id = id.to_owned();
        self.at("entra", move |tx, scim, desk| scim.delete_user(tx, desk, (&id, None))).await
    }

    pub async fn find(&self, filter: &str) -> Result<Vec<String>, Error> {
        let query = Query { filter: filter.to_owned(), start: 1, ..Query::default() };
        let found = self.at("entra", move |tx, scim, desk| scim.users(tx, desk, &query)).await?;
        let names = found["Resources"].as_array().unwrap().iter();
        Ok(names.map(|one| one["userName"].as_str().unwrap_or_default().to_owned()).collect())
    }

    pub async fn group(&self, name: &str, members: &[&str]) -> Result<Answered, Error> {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": [scim::GROUP], "displayName": name, "externalId": "g1", "members": members});
        self.at("entra", move |tx, scim, desk| scim.create_group(tx, desk, &body, &Shown::default())).await
    }

    pub async fn patch_group(&self, id: &str, operations: Value) -> Result<Answered, Error> {
        let (id, body) = (id.to_owned(), patch(operations));
        self.at("entra", move |tx, scim, desk| scim.patch_group(tx, desk, (&id, None), &body, &Shown::default())).await
    }

    pub async fn roles(&self, user: UserId) -> Vec<String> {
        let held = self.db.read(move |tx| access::roles_of(tx, user)).await.unwrap();
        let place = |scope| if scope == Scope::Organisation { "" } else { " there" };
        held.iter().map(|one| format!("{}{}", one.role.name(), place(one.scope))).collect()
    }

    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        self.db.read(move |tx| tx.query(sql, &[], |row| row.get::<String>(0))).await.unwrap()
    }

    /// A session of somebody, with a password that they chose.
    pub async fn session(&self, user: UserId) -> SecretString {
        let (identity, caller) = (self.identity.clone(), Caller::default());
        let link = self.db.write(move |tx| identity.invite_link(tx, &operator(), user)).await.unwrap();
        let password = SecretString::from(PASSWORD);
        let entered = self.identity.accept_invite(link.secret, password, &caller).await.unwrap();
        entered.into_session().unwrap().token
    }

    pub async fn is_in(&self, token: &SecretString) -> bool {
        self.identity.by_session(token, &Caller::default()).await.unwrap().is_some()
    }
}
