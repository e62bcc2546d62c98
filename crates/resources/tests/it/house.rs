//! A small house for tests: `people` of the organisation, `teams` of a workspace with every shape there is.

use std::collections::BTreeMap;

use access::{Actor, AuthMethod, Capability, Grants, OrganisationPermit, Principal, Role, Scope, cap};
use base::{ExposeSecret, SecretString, UserId};
use resources::{
    Applied, ApplyOptions, Check, Class, Document, Error, Field, Ground, KindScope, Parsed, Projection, Registry,
    Resources, SecretSlot, SecretSource, Shape, SourceError, TypedKind, typed,
};
use serde::{Deserialize, Serialize};
use store::{Db, Migration, Migrations, Tx, params};
use uuid::Uuid;

pub const TABLES: Migrations = Migrations {
    room: "test_house",
    steps: &[Migration {
        version: 1,
        name: "house",
        sql: "CREATE TABLE team_rows (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, members BIGINT NOT NULL, \
              password TEXT, hashed BOOLEAN NOT NULL, changed BOOLEAN NOT NULL);",
    }],
};

pub struct People;

#[derive(Serialize, Deserialize)]
pub struct PersonBody {
    login: String,
    #[serde(default)]
    name: String,
}

impl TypedKind for People {
    type Body = PersonBody;
    const NAME: &'static str = "people";
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::PeopleWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("login", Class::Confidential, Shape::Text).required(),
        Field::new("name", Class::Confidential, Shape::Text),
    ];

    fn key(&self, body: &PersonBody) -> String {
        body.login.clone()
    }

    fn project(&self, _tx: &mut Tx<'_>, _change: &Projection<'_, PersonBody>) -> Result<(), Error> {
        Ok(())
    }
}

pub struct Teams;

#[derive(Serialize, Deserialize)]
pub struct TeamBody {
    name: String,
    #[serde(default)]
    motto: String,
    #[serde(default = "colour")]
    colour: String,
    #[serde(default)]
    members: Vec<MemberBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    weight: f64,
    #[serde(default)]
    active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    diagnosis: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<serde_json::Value>,
    #[serde(default)]
    link: Link,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SecretSlot>,
}

#[derive(Default, Serialize, Deserialize)]
struct Link {
    #[serde(default)]
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<SecretSlot>,
}

#[derive(Serialize, Deserialize)]
struct MemberBody {
    person: String,
    #[serde(default)]
    delay_seconds: u32,
}

fn colour() -> String {
    "green".to_owned()
}

impl TypedKind for Teams {
    type Body = TeamBody;
    const NAME: &'static str = "teams";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::ResourcesApply;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("how pages call it"),
        Field::new("motto", Class::Public, Shape::Text),
        Field::new("colour", Class::Internal, Shape::Choice(&["green", "red", "blue"])),
        Field::new(
            "members",
            Class::Internal,
            Shape::List(&Shape::Object(&[
                Field::new("person", Class::Internal, Shape::Reference("people")).required(),
                Field::new("delay_seconds", Class::Internal, Shape::Integer(0, 86_400)),
            ])),
        ),
        Field::new("fallback", Class::Internal, Shape::Reference("teams")),
        Field::new("labels", Class::Internal, Shape::Map(&Shape::Text)),
        Field::new("weight", Class::Internal, Shape::Number),
        Field::new("active", Class::Internal, Shape::Boolean),
        Field::new("phone", Class::Confidential, Shape::Text),
        Field::new("diagnosis", Class::Restricted, Shape::Text),
        Field::new("steps", Class::Internal, Shape::Any),
        Field::new(
            "link",
            Class::Internal,
            Shape::Object(&[
                Field::new("address", Class::Internal, Shape::Text),
                Field::new("password", Class::Restricted, Shape::SECRET),
            ]),
        ),
        Field::new("token", Class::Restricted, Shape::token(crypto::token::Kind::Key)),
    ];

    fn key(&self, body: &TeamBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &TeamBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if body.motto.contains("shout") {
            check.problem("motto", "too-loud", "speak quietly");
        }
        for member in &body.members {
            assert!(check.reference::<UserId>("people", &member.person).is_some(), "references resolve before this");
        }
        Ok(())
    }

    fn draws(&self, body: &TeamBody, _path: &str) -> bool {
        body.motto != "no token"
    }

    fn validate_delete(&self, body: &TeamBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if body.motto == "for ever" {
            check.problem("", "stays", "this team stays");
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, TeamBody>) -> Result<(), Error> {
        let id: Uuid = change.id();
        tx.execute("DELETE FROM team_rows WHERE id = $1", &params![id])?;
        if let Some(new) = change.new {
            tx.execute(
                "INSERT INTO team_rows (id, name, members, password, hashed, changed) VALUES ($1, $2, $3, $4, $5, $6)",
                &params![
                    id,
                    new.name.as_str(),
                    i64::try_from(new.members.len()).unwrap(),
                    change.secret("link.password").map(|secret| secret.expose_secret().to_owned()),
                    change.secret_hash("token").is_some(),
                    change.secret_changed("link.password")
                ],
            )?;
        }
        Ok(())
    }
}

pub fn registry() -> Registry {
    Registry::new(vec![typed(Teams), typed(People)]).unwrap()
}

pub async fn open(db: &Db) -> Resources {
    let keys = vault::KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = vault::Vault::unlock(db.clone(), keys).await.unwrap();
    Resources::new(db.clone(), registry(), vault)
}

pub fn ada() -> Actor {
    let id: UserId = Uuid::from_u128(7).into();
    Actor::new(Principal::User { id, name: "Ada Sample".into() }, AuthMethod::Password)
}

pub fn administrator() -> OrganisationPermit<cap::ResourcesApply> {
    Grants::of_roles(ada(), &[(Role::Administrator, Scope::Organisation)]).permit_organisation().unwrap()
}

pub fn reader() -> OrganisationPermit<cap::ResourcesRead> {
    Grants::of_roles(ada(), &[(Role::Administrator, Scope::Organisation)]).permit_organisation().unwrap()
}

pub fn auditor() -> OrganisationPermit<cap::ResourcesRead> {
    Grants::of_roles(ada(), &[(Role::Auditor, Scope::Organisation)]).permit_organisation().unwrap()
}

/// Secrets by name, as files and variables.
pub struct Pocket(pub &'static [(&'static str, &'static str)]);

impl SecretSource for Pocket {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| SecretString::from(*value)).ok_or_else(|| SourceError("there is no such file".into()))
    }
}

/// The whole way of a file: read, resolved, over the wire, read again.
pub fn document(yaml: &str) -> Document {
    let registry = registry();
    let resolved = Parsed::yaml(yaml, &registry).unwrap().resolve(&SECRETS).unwrap();
    Document::from_wire(resolved.to_wire().as_bytes(), &registry).unwrap()
}

pub const SECRETS: Pocket =
    Pocket(&[("PASSWORD", "hush hush"), ("OTHER", "something else"), ("TOKEN", "an-imported-token-0123456789")]);

pub async fn apply(resources: &Resources, yaml: &str) -> Result<Applied, Error> {
    resources.apply(&administrator(), document(yaml), ApplyOptions::default()).await
}

pub async fn apply_under(resources: &Resources, yaml: &str, ground: Ground) -> Result<Applied, Error> {
    let options = ApplyOptions { reason: None, ground };
    resources.apply(&administrator(), document(yaml), options).await
}

/// The problems of an error as lines.
pub fn lines(error: &Error) -> Vec<String> {
    error
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.field.as_deref().unwrap_or("-"), problem.detail))
        .collect()
}

pub async fn count(db: &Db, table: &'static str) -> i64 {
    db.read(move |tx| tx.query_one(&format!("SELECT COUNT(*) AS n FROM {table}"), &[], |row| row.get::<i64>("n")))
        .await
        .unwrap()
}

pub const HOUSE: &str = "
workspaces:
  - {slug: demo, environment: development}
  - {slug: ward, environment: production}
people:
  - {login: ada@example.com, name: Ada Sample}
  - {login: cem@example.com, name: Cem Sample}
teams:
  - workspace: demo
    name: ops
    motto: quietly
    fallback: everyone
    members:
      - {person: ada@example.com}
      - {person: CEM@example.com, delay_seconds: 60}
    labels: {zeta: last, alpha: first}
    phone: '+447700900117'
    diagnosis: tired
    steps: [{kind: trigger}, {kind: alert, text: 'a: b'}]
    link: {address: 'smsc.example.com:2776', password: {env: PASSWORD}}
  - workspace: demo
    name: everyone
";
