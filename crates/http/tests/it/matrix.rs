//! Rule 6 over the routes of these tests; the binary runs the same over its own.

use std::sync::Arc;

use access::Role;
use base::SecretString;
use http::matrix::{Credential, Places, Player, Rights, run};
use http::{Answer, App, Door, InWorkspace, Keeper, Routes, Settings};

use super::stage::{Accounts, WORKSPACES, context, key_scopes, routes};

fn player(name: &str, credential: Credential, rights: Rights) -> Player {
    Player { name: name.into(), credential, rights }
}

fn session(name: &str) -> Credential {
    Credential::Session {
        token: SecretString::from(format!("s-{name}")),
        csrf: SecretString::from(format!("csrf-{name}")),
    }
}

fn cast() -> Vec<Player> {
    let mut cast = vec![
        player("nobody", Credential::None, Rights::None),
        player("an old session", session("nonesuch"), Rights::None),
        player("a wrong key", Credential::Key(SecretString::from("wrong")), Rights::None),
        player(
            "a key of demo",
            Credential::Key(SecretString::from("k-demo")),
            Rights::Key { workspace: "demo".into(), scopes: key_scopes() },
        ),
    ];
    for role in Role::ALL {
        cast.push(player(role.name(), session(role.name()), Rights::Roles(vec![(role, None)])));
        let local = format!("{role}@demo");
        cast.push(player(&local, session(&local), Rights::Roles(vec![(role, Some("demo".into()))])));
    }
    cast
}

fn app(routes: Routes) -> App {
    let settings = Settings::new("https://pager.example.com").unwrap();
    App::builder(settings, Arc::new(Accounts::default()) as Arc<dyn Keeper>, context()).routes(routes).build()
}

fn places() -> Places {
    Places { existing: WORKSPACES.map(String::from).to_vec(), missing: "nonesuch".into() }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let report = run(&app(routes()), &cast(), &places()).await;
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.tried > 300 && report.passed > 50, "{} tried, {} passed", report.tried, report.passed);
}

/// The matrix is worth something: a cast that is said to have other rights than it has is found out.
#[tokio::test]
async fn the_matrix_finds_what_is_wrong() {
    async fn page(_: InWorkspace<access::cap::AlertsRead>) -> Answer<&'static str> {
        Ok("page")
    }
    let routes = Routes::<()>::new(Door::Console).get("/w/{workspace}/alerts", page).with_state(());
    let mut liar = cast().remove(5);
    liar.rights = Rights::Roles(vec![(Role::Observer, Some("other".into()))]);
    let report = run(&app(routes), &[liar], &places()).await;
    assert_eq!(report.findings.len(), 3, "{:#?}", report.findings);
}
