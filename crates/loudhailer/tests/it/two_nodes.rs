//! Two nodes over one PostgreSQL: what one of them revokes is refused by the other within a second, however busy it is
//! (X-16, ASVS 7.4.1, 7.4.2).

use std::time::Duration;

use access::{OrganisationPermit, Role, cap};
use base::{ExposeSecret as _, SecretString, UserId};
use http::App;
use http::matrix::{Credential, page};
use loudhailer::commands;
use loudhailer::product::{Product, context};
use loudhailer::web::{self, Extras};
use store::Options;

use crate::matrix::{apply, person, seed};

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn x_16_a_revocation_holds_on_every_node_within_a_second() {
        super::revocations().await;
    }
}

const PAGE: &str = "/w/home/you";

async fn lets_in(app: &App, token: &SecretString) -> bool {
    page(app, PAGE, token.expose_secret()).await.contains("Sign-in and sessions")
}

async fn node(options: &Options, keys: &std::path::Path, name: &str) -> (Product, App) {
    let product = Product::open(Options { node: name.into(), ..options.clone() }, keys).await.unwrap();
    let app = web::app(&product, http::Settings::new("https://localhost:8443").unwrap(), Extras::default());
    (product, app)
}

async fn revocations() {
    crypto::install_default_provider();
    let database = crate::postgres().await;
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(&keys, &context()).unwrap();
    let options = Options::new(database.url().clone());
    let (here, _) = node(&options, &keys, "here").await;
    let (there, app) = node(&options, &keys, "there").await;
    let token = crypto::token::mint(crypto::token::Kind::Key, context().chance());
    seed(&here, &token).await;

    for (case, role) in
        [("ended", Role::Operator), ("one", Role::OnCall), ("out", Role::Observer), ("off", Role::Auditor)]
    {
        let player = person(&here, role, Some("home")).await;
        let Credential::Session { token: session, .. } = player.credential else { panic!("a session") };
        // The other node has just looked, so it remembers.
        assert!(lets_in(&app, &session).await, "{case}");
        revoke(&here, case, &player.name, &session, &token).await;
        let since = tokio::time::Instant::now();
        while lets_in(&app, &session).await {
            assert!(since.elapsed() < Duration::from_secs(1), "{case}: the other node still lets in after a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{case}: refused by the other node after {:?}", since.elapsed());
        assert!(since.elapsed() < Duration::from_millis(1_200), "{case}");
    }
    here.close().await;
    there.close().await;
}

/// Ends the session of `login` on this node, each time in another way; returns once it is on disk.
async fn revoke(here: &Product, case: &str, login: &str, session: &SecretString, token: &SecretString) {
    let write: OrganisationPermit<cap::PeopleWrite> = commands::operator().permit_organisation().unwrap();
    let read: OrganisationPermit<cap::ResourcesRead> = commands::operator().permit_organisation().unwrap();
    let (identity, resources, key) = (here.identity.clone(), here.resources.clone(), login.to_owned());
    let user = here
        .db
        .read(move |tx| resources.get(tx, &read, "users", None, &key))
        .await
        .map(|found: Option<resources::Stored>| UserId::from(found.unwrap().id.uuid()))
        .unwrap();
    match case {
        "ended" => assert_eq!(here.db.write(move |tx| identity.end_sessions(tx, &write, user)).await.unwrap(), 1),
        "one" => {
            let one = here.identity.by_session(session, &identity::Caller::default()).await.unwrap().unwrap().id;
            assert!(here.db.write(move |tx| identity.end_session_of(tx, &write, user, one)).await.unwrap());
        }
        "out" => here.identity.logout(session, &identity::Caller::default()).await.unwrap(),
        _ => {
            let text = format!("users:\n  - {{name: Somebody, login: {login}, enabled: false, roles: []}}\n");
            apply(here, &text, token).await;
        }
    }
}
