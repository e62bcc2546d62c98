//! A small house for tests: the kinds of this room, people whose devices are written down, cheap password hashes.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Actor, Grants, cap};
use base::{ExposeSecret, SecretString, Timestamp, UserId};
use crypto::password::Cost;
use identity::{
    ApiKeysKind, Caller, Identity, LogIn, LoggedIn, OauthClientsKind, Options, PeopleHooks, PersonSpec, RolesKind,
    SetUp, SignInRulesKind, TokenIssuersKind, UsersKind,
};
use resources::{
    Applied, ApplyOptions, Clearance, Error, Ground, Parsed, Registry, Removal, Resources, SecretSource, SourceError,
    typed,
};
use store::{Db, Migration, Migrations, Tx, params};

pub const TABLES: Migrations = Migrations {
    room: "test_house",
    steps: &[Migration {
        version: 1,
        name: "house",
        sql: "CREATE TABLE device_rows (user_id TEXT NOT NULL, number TEXT NOT NULL);",
    }],
};

pub const PASSWORD: &str = "velvet cactus monday rowing";

/// Writes devices down as `oncall` would.
struct Devices;

impl PeopleHooks for Devices {
    fn changed(&self, tx: &mut Tx<'_>, person: &PersonSpec<'_>, now: Timestamp) -> Result<(), Error> {
        self.removed(tx, person.id, now)?;
        for device in person.devices {
            tx.execute(
                "INSERT INTO device_rows (user_id, number) VALUES ($1, $2)",
                &params![person.id, device.number.as_str()],
            )?;
        }
        Ok(())
    }

    fn removed(&self, tx: &mut Tx<'_>, user: UserId, _now: Timestamp) -> Result<(), Error> {
        tx.execute("DELETE FROM device_rows WHERE user_id = $1", &params![user])?;
        Ok(())
    }
}

pub struct House {
    pub db: Db,
    pub resources: Resources,
    pub identity: Identity,
}

pub async fn open(db: &Db) -> House {
    open_with(db, Cost::trivial_for_tests()).await
}

/// A house whose letters go to `server`.
pub async fn open_with_mail(db: &Db, server: &testkit::MailServer) -> (House, mail::Mail) {
    let account = mail::Account { user: testkit::MAIL_ACCOUNT.0.into(), password: secret(testkit::MAIL_ACCOUNT.1) };
    let settings = mail::Settings {
        server: "localhost".into(),
        port: server.port,
        security: mail::Security::Implicit,
        authority: Some(server.authority.clone()),
        account: Some(account),
        from: "Pager <pager@example.com>".into(),
        hello: "pager.example.com".into(),
    };
    let keys = vault::KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = vault::Vault::unlock(db.clone(), keys).await.unwrap();
    let mail = mail::Mail::new(db.clone(), vault.clone(), Some(settings)).unwrap();
    let resources = Resources::new(db.clone(), registry(), vault.clone());
    let options = Options {
        cost: Cost::trivial_for_tests(),
        mail: Some(mail.clone()),
        public_url: "https://pager.example.com".into(),
    };
    let identity = Identity::new(db.clone(), vault, resources.clone(), options).unwrap();
    (House { db: db.clone(), resources, identity }, mail)
}

pub async fn open_with(db: &Db, cost: Cost) -> House {
    let keys = vault::KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = vault::Vault::unlock(db.clone(), keys).await.unwrap();
    let resources = Resources::new(db.clone(), registry(), vault.clone());
    let options = Options { cost, ..Options::default() };
    let identity = Identity::new(db.clone(), vault, resources.clone(), options).unwrap();
    House { db: db.clone(), resources, identity }
}

pub fn registry() -> Registry {
    Registry::new(vec![
        typed(RolesKind),
        typed(UsersKind::new(Arc::new(Devices))),
        typed(ApiKeysKind),
        typed(OauthClientsKind),
        typed(TokenIssuersKind),
        typed(SignInRulesKind),
    ])
    .unwrap()
}

pub fn operator() -> Actor {
    Actor::os("root", "host1")
}

pub fn from(address: &str) -> Caller {
    let source: SocketAddr = format!("{address}:40000").parse().unwrap();
    Caller { source: Some(source), user_agent: Some("test".into()), request: None, certificate: None }
}

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

pub fn log_in(login: &str, password: &str) -> LogIn {
    LogIn { login: login.into(), password: secret(password), device: None, session: None }
}

struct Environment(&'static [(&'static str, &'static str)]);

impl SecretSource for Environment {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| secret(value)).ok_or_else(|| SourceError("not set".into()))
    }
}

/// Imported tokens that files of these tests name.
pub const ONE: &str = "imported-token-number-one-0001";
pub const TWO: &str = "imported-token-number-two-0002";

impl House {
    pub async fn apply(&self, yaml: &str) -> Result<Applied, Error> {
        let permit = Grants::of_operator(operator()).permit_organisation::<cap::ResourcesApply>().unwrap();
        let names = Environment(&[("ONE", ONE), ("TWO", TWO), ("SHORT", "short")]);
        let document = Parsed::yaml(yaml, self.resources.registry())?.resolve(&names)?;
        self.resources.apply(&permit, document, ApplyOptions::default()).await
    }

    /// Removes a person.
    pub async fn delete(&self, login: &'static str) {
        let resources = self.resources.clone();
        self.db
            .write(move |tx| {
                let permit = Grants::of_operator(operator()).permit_organisation::<cap::PeopleWrite>()?;
                let clearance = Clearance::check(tx, None, &Ground::None, permit.actor())?;
                let removal =
                    Removal { kind: "users", workspace: None, key: login, reason: None, clearance: &clearance };
                resources.delete(tx, &permit, removal).map(drop)
            })
            .await
            .unwrap();
    }

    pub async fn setup_secret(&self) -> SecretString {
        let identity = self.identity.clone();
        self.db.write(move |tx| identity.setup_link(tx, &operator())).await.unwrap().secret
    }

    pub async fn set_up(&self) -> LoggedIn {
        let form = form(self.setup_secret().await);
        self.identity.setup(form, &from("192.0.2.1")).await.unwrap().into_session().unwrap()
    }

    pub async fn invite(&self, login: &str) -> SecretString {
        let user = self.user(login).await;
        let identity = self.identity.clone();
        self.db
            .write(move |tx| {
                let permit = Grants::of_operator(operator()).permit_organisation::<cap::PeopleWrite>()?;
                identity.invite_link(tx, &permit, user)
            })
            .await
            .unwrap()
            .secret
    }

    pub async fn user(&self, login: &str) -> UserId {
        let login = login.to_owned();
        let sql = "SELECT id FROM users WHERE login_folded = $1 AND removed_at IS NULL";
        self.db.read(move |tx| tx.query_one(sql, &params![login.as_str()], |row| row.get("id"))).await.unwrap()
    }

    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        self.db.read(move |tx| tx.query(sql, &[], |row| row.get::<String>(0_usize))).await.unwrap()
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        let sql = format!("SELECT COUNT(*) AS n FROM {table}");
        self.db.read(move |tx| tx.query_one(&sql, &[], |row| row.get::<i64>("n"))).await.unwrap()
    }

    /// Whether a session's token opens it.
    pub async fn is_in(&self, token: &SecretString) -> bool {
        self.identity.by_session(token, &from("192.0.2.1")).await.unwrap().is_some()
    }
}

pub fn form(secret: SecretString) -> SetUp {
    SetUp {
        secret,
        name: "Ada Sample".into(),
        login: "ada@example.com".into(),
        password: self::secret(PASSWORD),
        time_zone: None,
    }
}

/// The problems of an error as lines.
pub fn lines(error: &Error) -> Vec<String> {
    error
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.field.as_deref().unwrap_or("-"), problem.detail))
        .collect()
}

pub fn text(secret: &SecretString) -> &str {
    secret.expose_secret()
}
