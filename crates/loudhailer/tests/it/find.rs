//! The search finds for each role what that role may see, and nothing else: a kind stands among the results exactly when the
//! reader holds the right for it. On both databases.

use access::{Capability, Role};
use base::ExposeSecret as _;
use http::matrix::Credential;
use loudhailer::product::{Product, context};
use loudhailer::web::{self, Extras};
use store::Options;

use crate::matrix;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_finds_what_they_may_see_and_nothing_else() {
        let database = testdb::sqlite_url();
        super::proof(database.url().clone()).await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_finds_what_they_may_see_and_nothing_else() {
        let database = crate::postgres().await;
        super::proof(database.url().clone()).await;
    }
}

/// Things of the workspace that have pages of their own.
const THINGS: &str = "
groups:
  - {workspace: home, name: sought-group, members: [{user: on_call.home@example.com}]}
flows:
  - {workspace: home, name: sought-flow, group: sought-group, steps: [{id: start, type: trigger, next: end}]}
integrations:
  - {workspace: home, name: sought-integration, flow: sought-flow, auth: [api_key]}
";

/// What is looked for, the heading under which it is found, and the right that shows it.
const SOUGHT: [(&str, &str, Capability); 3] = [
    ("everywhere@example.com", "<h2>People</h2>", Capability::PeopleRead),
    ("key", "<h2>API keys</h2>", Capability::ApiKeysManage),
    ("audit log", "<h2>Pages and acts</h2>", Capability::AuditRead),
];

async fn proof(url: store::DatabaseUrl) {
    crypto::install_default_provider();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(&keys, &context()).unwrap();
    let product = Product::open(Options::new(url), &keys).await.unwrap();
    let token = crypto::token::mint(crypto::token::Kind::Key, context().chance());
    matrix::seed(&product, &token).await;
    matrix::apply(&product, THINGS, &token).await;
    let settings = http::Settings::new("https://localhost:8443").unwrap();
    let app = web::app(&product, settings, Extras::default());
    for role in Role::ALL {
        let player = matrix::person(&product, role, Some("home")).await;
        let Credential::Session { token, .. } = &player.credential else { unreachable!("people have sessions") };
        for (query, heading, capability) in SOUGHT {
            let path = format!("/w/home/find?q={}", query.replace(' ', "+").replace('@', "%40"));
            let html = http::matrix::page(&app, &path, token.expose_secret()).await;
            let may = role.capabilities().contains(capability);
            assert_eq!(html.contains(heading), may, "{role} looks for {query}: {html}");
            assert!(!html.contains("/w/away"), "nothing of another workspace");
        }
        let found = http::matrix::page(&app, "/w/home/find?q=sought", token.expose_secret()).await;
        let hits = hits(&found);
        for (kind, capability) in [
            ("/groups/", Capability::OnCallRead),
            ("/flows/", Capability::FlowsRead),
            ("/integrations/", Capability::IntegrationsRead),
        ] {
            let may = role.capabilities().contains(capability);
            assert_eq!(hits.iter().any(|href| href.contains(kind)), may, "{role} finds {kind}: {hits:?}");
        }
        for href in hits {
            let html = http::matrix::page(&app, href, token.expose_secret()).await;
            assert!(html.contains("sought-"), "{role} is led to {href}, which is: {html}");
        }
    }
    product.close().await;
}

/// Where the results lead.
fn hits(html: &str) -> Vec<&str> {
    let results = html.split("<div class=\"two found\">").nth(1).unwrap_or_default();
    let links = results.split("<li><div><a href=\"").skip(1);
    links.filter_map(|link| link.split('"').next()).collect()
}
