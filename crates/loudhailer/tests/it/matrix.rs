//! Rule 6 of the house: every route of the composed product, tried with every role, an API key and nobody, in their own workspace, in a
//! foreign one and in one that does not exist (E-17, X-06, X-08, X-18). Routes are derived, so a new one is tried by itself.

use std::path::Path;

use access::{Capabilities, Capability, KeyScope, OrganisationPermit, Role, cap};
use base::{ExposeSecret as _, SecretString, UserId};
use http::matrix::{Credential, Places, Player, Rights};
use identity::Caller;
use loudhailer::commands;
use loudhailer::product::{Product, context};
use loudhailer::web::{self, Extras};
use resources::{ApplyOptions, Parsed, SecretSource, SourceError};
use store::Options;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn every_route_refuses_whoever_may_not() {
        let database = testdb::sqlite_url();
        super::matrix(database.url().clone()).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn every_route_refuses_whoever_may_not() {
        let database = crate::postgres().await;
        super::matrix(database.url().clone()).await;
    }
}

struct Key(SecretString);

impl SecretSource for Key {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        Err(SourceError(path.to_owned()))
    }

    fn env(&self, _: &str) -> Result<SecretString, SourceError> {
        Ok(self.0.clone())
    }
}

async fn matrix(url: store::DatabaseUrl) {
    crypto::install_default_provider();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(Path::new(&keys), &context()).unwrap();
    let product = Product::open(Options::new(url), &keys).await.unwrap();
    let token = crypto::token::mint(crypto::token::Kind::Key, context().chance());
    seed(&product, &token).await;

    let mut players = vec![Player { name: "nobody".into(), credential: Credential::None, rights: Rights::None }];
    for role in Role::ALL {
        for place in [Some("home"), None].into_iter().filter(|place| place.is_some() || !role.is_local()) {
            players.push(person(&product, role, place).await);
        }
    }
    let custom: Capabilities = CUSTOM.iter().map(|name| name.parse::<Capability>().unwrap()).collect();
    for place in [Some("home"), None] {
        let held = vec![(custom, place.map(str::to_owned))];
        players.push(Player { rights: Rights::Sets(held), ..invited(&product, "custom", place).await });
    }
    let scopes: Vec<KeyScope> = SCOPES.iter().map(|scope| scope.parse().unwrap()).collect();
    players.push(Player {
        name: "an API key of home".into(),
        credential: Credential::Key(token),
        rights: Rights::Key {
            workspace: "home".into(),
            scopes: scopes.into_iter().map(KeyScope::capability).collect(),
        },
    });

    // A directory's key: what it may do is of the organisation, and nothing else is.
    let directory = crypto::token::mint(crypto::token::Kind::Key, context().chance());
    // A file says all that there is of its kinds: the first key stands in it again, and keeps its token.
    let text = format!(
        "api_keys:\n  - {{workspace: home, name: key, scopes: {SCOPES:?}}}\n  \
         - {{workspace: home, name: directory, scopes: ['people:provision'], token: {{env: TOKEN}}}}\n"
    );
    apply(&product, &text, &directory).await;
    players.push(Player {
        name: "a directory's key".into(),
        credential: Credential::Key(directory),
        rights: Rights::Key { workspace: "home".into(), scopes: vec![Capability::PeopleProvision] },
    });

    let app = web::app(&product, http::Settings::new("https://localhost:8443").unwrap(), Extras::default());
    let places = Places { existing: vec!["home".into(), "away".into()], missing: "nowhere".into() };
    let report = http::matrix::run(&app, &players, &places).await;
    println!("{} requests, {} of them passed, {} routes", report.tried, report.passed, app.routes().len());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.tried > 1_000 && report.passed > 100, "the matrix was real");

    // With an old proof, what is risky asks for a fresh one, and nothing else does (ASVS 7.5.1).
    let all = players.iter().find(|player| player.name == "administrator.everywhere@example.com").unwrap();
    let report = http::matrix::run_stale(&app, all, "home").await;
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    println!("{} routes want a fresh proof", report.passed);
    risky(&app);
    product.close().await;
}

/// What is risky by its capability and lets an old proof do, each with its reason. Whoever adds to it says why here too.
const SPARED: [&str; 4] = [
    "/w/{workspace}/carriers/{carrier}/test",
    "/w/{workspace}/config/{kind}/{entry}/open",
    "/w/{workspace}/integrations/{integration}/test",
    "/w/{workspace}/users/{user}/reveal",
];

/// What wants a fresh proof although neither its capability nor its method says so.
const FRESH: [&str; 11] = [
    "/api/v1/me/factors/{factor}",
    "/step-up",
    "/w/{workspace}/audit/export",
    "/w/{workspace}/exports",
    "/w/{workspace}/exports/{export}/files/{file}",
    "/w/{workspace}/you/identities/link",
    "/w/{workspace}/you/identities/unlink",
    "/w/{workspace}/you/security/codes",
    "/w/{workspace}/you/security/new",
    "/w/{workspace}/you/security/new",
    "/w/{workspace}/you/security/remove",
];

/// The table of step-up (ASVS 7.5.1, 7.5.3): credentials, factors, roles, keys, carriers, export and erasure want a fresh proof.
fn risky(app: &http::App) {
    let routes = |wanted: fn(http::StepUp) -> bool| {
        let found = app.routes().iter().filter(move |route| wanted(route.step_up));
        found.map(|route| (route.path.as_str(), route.capability())).collect::<Vec<_>>()
    };
    let mut spared: Vec<&str> =
        routes(|one| matches!(one, http::StepUp::Spared(_))).into_iter().map(|(path, _)| path).collect();
    spared.sort_unstable();
    assert_eq!(spared, SPARED);
    for route in app.routes() {
        if let http::StepUp::Spared(reason) = route.step_up {
            assert!(reason.len() > 30, "{}: a reason", route.path);
        }
    }
    let risky = |capability: Option<Capability>| capability.is_some_and(Capability::is_risky);
    let needed = routes(|one| one == http::StepUp::Needed);
    let mut fresh: Vec<&str> =
        needed.iter().filter(|(_, capability)| !risky(*capability)).map(|(path, _)| *path).collect();
    fresh.sort_unstable();
    assert_eq!(fresh, FRESH);
    for path in [
        "/w/{workspace}/keys",
        "/w/{workspace}/users/{user}/edit",
        "/w/{workspace}/carriers/new",
        "/w/{workspace}/you/token",
    ] {
        assert!(needed.iter().any(|(known, _)| *known == path), "{path} wants a fresh proof");
    }
}

const SCOPES: [&str; 4] = ["messages:send", "messages:read", "signals:send", "alerts:read"];

/// Two workspaces, and a person for each role in each scope.
pub async fn seed(product: &Product, token: &SecretString) {
    use std::fmt::Write as _;
    let mut text = format!(
        "workspaces:\n  - {{slug: home, environment: development}}\n  - {{slug: away, environment: production}}\n\
         api_keys:\n  - {{workspace: home, name: key, scopes: {SCOPES:?}, token: {{env: TOKEN}}}}\n\
         roles:\n  - {{name: custom, capabilities: {CUSTOM:?}}}\nusers:\n"
    );
    for (place, clause) in [("home", ", workspace: home"), ("everywhere", "")] {
        let _ = writeln!(
            text,
            "  - {{name: Custom of {place}, login: custom.{place}@example.com, roles: [{{role: custom{clause}}}]}}"
        );
    }
    for role in Role::ALL {
        let places = [("home", ", workspace: home"), ("everywhere", "")];
        for (place, clause) in places.into_iter().filter(|(place, _)| *place == "home" || !role.is_local()) {
            let _ = writeln!(
                text,
                "  - {{name: A {role} of {place}, login: {role}.{place}@example.com, roles: [{{role: {role}{clause}}}]}}"
            );
        }
    }
    apply(product, &text, token).await;
}

/// Configures this, as the operator would; `token` is the secret of every variable.
pub async fn apply(product: &Product, text: &str, token: &SecretString) {
    let parsed =
        Parsed::yaml(text, product.resources.registry()).unwrap_or_else(|error| panic!("{:?}", error.problems()));
    let document = parsed.resolve(&Key(token.clone())).unwrap();
    let grants = commands::operator();
    commands::apply_here(&product.resources, &grants, document, ApplyOptions::default(), false).await.unwrap();
}

/// What the custom role of the seed holds: a bit of everything, also what belongs to the organisation alone.
const CUSTOM: [&str; 4] = ["alerts:read", "messages:send", "people:write", "audit:read"];

/// A person with a session and a ready role, invited as an administrator would.
pub async fn person(product: &Product, role: Role, place: Option<&str>) -> Player {
    let rights = Rights::Roles(vec![(role, place.map(str::to_owned))]);
    Player { rights, ..invited(product, role.name(), place).await }
}

async fn invited(product: &Product, role: &str, place: Option<&str>) -> Player {
    let login = format!("{role}.{}@example.com", place.unwrap_or("everywhere"));
    let permit: OrganisationPermit<cap::PeopleWrite> = commands::operator().permit_organisation().unwrap();
    let read: OrganisationPermit<cap::ResourcesRead> = commands::operator().permit_organisation().unwrap();
    let (identity, resources, key) = (product.identity.clone(), product.resources.clone(), login.clone());
    let link = product
        .db
        .write(move |tx| {
            let stored = resources.get(tx, &read, "users", None, &key)?.unwrap();
            identity.invite_link(tx, &permit, UserId::from(stored.id.uuid()))
        })
        .await
        .unwrap();
    let password = SecretString::from("a correct horse, standing still".to_owned());
    let logged_in = product.identity.accept_invite(link.secret, password, &Caller::default()).await.unwrap();
    let logged_in = logged_in.into_session().unwrap();
    let csrf = SecretString::from(logged_in.session.csrf.expose_secret().to_owned());
    Player { name: login, credential: Credential::Session { token: logged_in.token, csrf }, rights: Rights::None }
}
