//! A house with a provider beside it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use access::{Actor, Grants, cap};
use base::{Context, ExposeSecret, SecretString, SystemClock, UserId};
use crypto::password::Cost;
use federation::{Answered, Arrived, Begun, Error, Federation, ProvidersKind, Purpose, SignInKind};
use identity::{Caller, Identity, NoHooks, Options, Session, SetUp, UsersKind};
use issuers::Issuers;
use outbound::{Guarded, Rules};
use resources::{ApplyOptions, Parsed, Registry, Resources, SecretSource, SourceError, typed};
use serde_json::{Value, json};
use store::Db;
use testkit::{Behaviour, Receiver, Signer};

pub const PUBLIC: &str = "https://gateway.example.com";
pub const PASSWORD: &str = "velvet cactus monday rowing";
const SECRET: &str = "sample-client-secret";

/// What the provider publishes and says.
pub struct Said {
    pub keys: Vec<u8>,
    pub id_token: String,
    pub user_info: Option<Value>,
    pub names_itself: bool,
    /// What stands at /metadata, for SAML.
    pub metadata: String,
    /// How long that takes.
    pub metadata_after: std::time::Duration,
    pub token_status: u16,
    pub token_error: &'static str,
}

pub struct House {
    pub db: Db,
    pub resources: Resources,
    pub identity: Identity,
    pub federation: Federation,
    pub receiver: Receiver,
    pub issuer: String,
    pub signer: Signer,
    pub said: Arc<Mutex<Said>>,
}

/// A browser on its way to the provider.
pub struct Way {
    pub token: SecretString,
    pub state: String,
    pub nonce: String,
    pub location: String,
}

pub fn from(address: &str) -> Caller {
    let source: SocketAddr = format!("{address}:40000").parse().unwrap();
    Caller { source: Some(source), user_agent: Some("test".into()), request: None, certificate: None }
}

struct Environment;

impl SecretSource for Environment {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        self.env(path)
    }

    fn env(&self, _name: &str) -> Result<SecretString, SourceError> {
        Ok(SecretString::from(SECRET))
    }
}

async fn provider(said: &Arc<Mutex<Said>>) -> Receiver {
    let (said, port) = (Arc::clone(said), Arc::new(Mutex::new(0)));
    let own = Arc::clone(&port);
    let receiver = Receiver::start(&["127.0.0.1"], move |received, _| {
        let (said, at) = (said.lock().unwrap(), format!("https://127.0.0.1:{}", own.lock().unwrap()));
        let body = match received.path.as_str() {
            "/.well-known/openid-configuration" => json!({
                "issuer": at, "jwks_uri": format!("{at}/jwks"), "authorization_endpoint": format!("{at}/auth?prompt=x"),
                "token_endpoint": format!("{at}/token"), "userinfo_endpoint": format!("{at}/me"),
                "end_session_endpoint": format!("{at}/out"),
                "authorization_response_iss_parameter_supported": said.names_itself,
            }),
            "/metadata" => return Behaviour::Late(said.metadata_after, 200, said.metadata.clone()),
            "/jwks" => serde_json::from_slice(&said.keys).unwrap(),
            "/token" if said.token_status != 200 => {
                let error = json!({ "error": said.token_error, "error_description": "s3cret" });
                return Behaviour::Answer(said.token_status, error.to_string());
            }
            "/token" => json!({ "id_token": said.id_token, "access_token": "an-access-token", "token_type": "Bearer" }),
            "/me" => match &said.user_info {
                Some(more) => more.clone(),
                None => return Behaviour::Answer(403, String::new()),
            },
            _ => return Behaviour::Answer(404, String::new()),
        };
        Behaviour::Answer(200, body.to_string())
    })
    .await;
    *port.lock().unwrap() = receiver.port;
    receiver
}

pub async fn open(db: &Db) -> House {
    let signer = Signer::ec("one", "P-256");
    let said = Arc::new(Mutex::new(Said {
        keys: Signer::set(&[&signer]),
        id_token: String::new(),
        user_info: None,
        names_itself: true,
        metadata: String::new(),
        metadata_after: std::time::Duration::ZERO,
        token_status: 200,
        token_error: "invalid_client",
    }));
    let receiver = provider(&said).await;
    let keys = vault::KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let vault = vault::Vault::unlock(db.clone(), keys).await.unwrap();
    let kinds = vec![
        typed(UsersKind::new(Arc::new(NoHooks))),
        typed(ProvidersKind::new(Some(vault.clone()))),
        typed(SignInKind),
        typed(identity::RolesKind),
    ];
    let resources = Resources::new(db.clone(), Registry::new(kinds).unwrap(), vault.clone());
    let options = Options { cost: Cost::trivial_for_tests(), ..Options::default() };
    let identity = Identity::new(db.clone(), vault.clone(), resources.clone(), options).unwrap();
    let rules = Rules { allow: vec![format!("127.0.0.1:{}", receiver.port).parse().unwrap()], ..Rules::default() };
    let context = Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance));
    let issuers = Issuers::new(Guarded::new(rules), context);
    let federation = Federation::new(db.clone(), vault, resources.clone(), identity.clone(), issuers);
    let issuer = format!("https://127.0.0.1:{}", receiver.port);
    House { db: db.clone(), resources, identity, federation, receiver, issuer, signer, said }
}

impl House {
    pub async fn apply(&self, yaml: &str) -> Result<(), resources::Error> {
        let permit =
            Grants::of_operator(Actor::os("root", "host1")).permit_organisation::<cap::ResourcesApply>().unwrap();
        let document = Parsed::yaml(yaml, self.resources.registry())?.resolve(&Environment)?;
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(drop)
    }

    /// Applies as somebody who may no more than this.
    pub async fn apply_with(&self, yaml: &str, capabilities: &[access::Capability]) -> Result<(), resources::Error> {
        let role = access::CustomRole {
            id: uuid::Uuid::from_u128(7).into(),
            name: "limited".into(),
            capabilities: capabilities.iter().copied().collect(),
            workspace: None,
        };
        let held = access::Held {
            role: access::HeldRole::Custom(role.into()),
            scope: access::Scope::Organisation,
            groups: Vec::new(),
        };
        let permit =
            Grants::of_roles(Actor::os("root", "host1"), &[held]).permit_organisation::<cap::ResourcesApply>().unwrap();
        let document = Parsed::yaml(yaml, self.resources.registry())?.resolve(&Environment)?;
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(drop)
    }

    /// The provider as configured, with more fields.
    pub fn configured(&self, more: &str) -> String {
        let ca = format!("      {}\n", self.receiver.authority.trim_end().replace('\n', "\n      "));
        format!(
            "workspaces:\n  - slug: ops\n    environment: production\nidentity_providers:\n  - name: corp\n    \
             label: Corporate\n    issuer: {}\n    client_id: loudhailer\n    client_secret: {{ env: S }}\n    tls_ca: |\n{ca}{more}",
            self.issuer
        )
    }

    pub async fn configure(&self, more: &str) {
        self.apply(&self.configured(more)).await.unwrap();
    }

    pub async fn begin(&self, user: Option<UserId>) -> Way {
        self.begin_at("corp", user.map_or(Purpose::SignIn, Purpose::Link)).await
    }

    pub async fn begin_at(&self, name: &str, purpose: Purpose) -> Way {
        let begun = self.federation.begin(name, purpose, "/w/ops", Some("ada"), PUBLIC, &from("192.0.2.1")).await;
        Self::way(begun.unwrap())
    }

    pub fn way(begun: Begun) -> Way {
        let query = begun.location.split_once('?').unwrap().1;
        let find = |name: &str| {
            let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
            pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
        };
        Way { token: begun.token, state: find("state"), nonce: find("nonce"), location: begun.location.clone() }
    }

    /// Claims of somebody, for this way.
    pub fn claims(&self, way: &Way, subject: &str, groups: &[&str]) -> Value {
        let now = self.db.context().now().as_millis() / 1_000;
        json!({
            "iss": self.issuer, "sub": subject, "aud": "loudhailer", "exp": now + 300, "iat": now, "nonce": way.nonce,
            "name": "Bea Sample", "email": format!("{subject}@example.com"), "groups": groups, "auth_time": now,
            "sid": format!("sid-{subject}"),
        })
    }

    pub fn says(&self, claims: &Value) {
        self.said.lock().unwrap().id_token = self.signer.token("ES256", claims);
    }

    pub fn answer(&self, way: &Way) -> Answered {
        Answered {
            code: Some("a-code".into()),
            state: Some(way.state.clone()),
            iss: Some(self.issuer.clone()),
            error: None,
        }
    }

    pub async fn finish(&self, way: &Way, answered: Answered) -> Result<Arrived, Error> {
        self.finish_with(way, answered, None).await
    }

    pub async fn finish_with(
        &self,
        way: &Way,
        answered: Answered,
        session: Option<(Session, SecretString)>,
    ) -> Result<Arrived, Error> {
        self.federation.finish("corp", Some(&way.token), answered, session, PUBLIC, &from("192.0.2.1")).await
    }

    /// A whole sign-on of somebody in these groups: the session's token.
    pub async fn sign_on(&self, subject: &str, groups: &[&str]) -> Result<(Session, SecretString), Error> {
        let way = self.begin(None).await;
        self.says(&self.claims(&way, subject, groups));
        match self.finish(&way, self.answer(&way)).await? {
            Arrived::In { entered, .. } => {
                let entered = entered.into_session().unwrap();
                Ok((entered.session, entered.token))
            }
            other => panic!("nobody links here: {other:?}"),
        }
    }

    /// The first administrator, with a password.
    pub async fn ada(&self) -> (Session, SecretString) {
        let identity = self.identity.clone();
        let link = self.db.write(move |tx| identity.setup_link(tx, &Actor::os("root", "host1"))).await.unwrap();
        let form = SetUp {
            secret: link.secret,
            name: "Ada Sample".into(),
            login: "ada@example.com".into(),
            password: SecretString::from(PASSWORD),
            time_zone: None,
        };
        let entered = self.identity.setup(form, &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        (entered.session, entered.token)
    }

    /// Somebody who chooses a password by an invitation.
    pub async fn with_password(&self, login: &'static str) -> Session {
        let identity = self.identity.clone();
        let link = self
            .db
            .write(move |tx| {
                let user =
                    tx.query_one("SELECT id FROM users WHERE login = $1", &store::params![login], |row| row.get("id"))?;
                let grants = Grants::of_operator(Actor::os("root", "host1"));
                identity.invite_link(tx, &grants.permit_organisation::<cap::PeopleWrite>()?, user)
            })
            .await
            .unwrap();
        let entered = self.identity.accept_invite(link.secret, SecretString::from(PASSWORD), &from("192.0.2.1")).await;
        entered.unwrap().into_session().unwrap().session
    }

    pub async fn is_in(&self, token: &SecretString) -> bool {
        self.identity.by_session(token, &from("192.0.2.1")).await.unwrap().is_some()
    }

    pub async fn roles(&self, user: UserId) -> Vec<String> {
        let roles = self.db.read(move |tx| access::roles_of(tx, user)).await.unwrap();
        roles.into_iter().map(|held| held.role.name().to_owned()).collect()
    }

    /// Whether the provider's page says that it fails.
    pub async fn is_failing(&self) -> bool {
        let federation = self.federation.clone();
        let found = self.db.read(move |tx| -> Result<_, Error> {
            let grants = Grants::of_operator(Actor::os("root", "host1"));
            federation.providers(tx, &grants.permit_organisation()?)
        });
        found.await.unwrap()[0].0.health.is_failing()
    }

    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        self.db.read(move |tx| tx.query(sql, &[], |row| row.get::<String>(0_usize))).await.unwrap()
    }

    /// The reasons of refused sign-ons, as the audit log has them.
    pub async fn refusals(&self) -> Vec<String> {
        self.texts("SELECT reason FROM audit_entries WHERE outcome = 'failure' ORDER BY id").await
    }
}

pub fn lines(error: &resources::Error) -> String {
    let all = error.problems();
    all.iter()
        .map(|one| format!("{}: {}", one.field.as_deref().unwrap_or("-"), one.detail))
        .collect::<Vec<_>>()
        .join("; ")
}

pub fn shown(secret: &SecretString) -> &str {
    secret.expose_secret()
}
