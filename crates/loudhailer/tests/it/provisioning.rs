//! A directory keeps people (issue 5): set up in a browser as an administrator would, proven by scim2-tester, a program that we did
//! not write, and by what Entra ID and Okta send; every refusal at the door; and whoever is deprovisioned is out on every node
//! within a second.

use std::process::Command;
use std::time::Duration;

use access::{OrganisationPermit, cap};
use base::{SecretString, UserId};
use identity::Caller;
use loudhailer::commands;
use loudhailer::product::{Product, context};
use scim::Shown;
use serde_json::{Value, json};
use store::Options;
use testkit::{Browser, Demo};

use crate::matrix::apply;
use crate::{BINARY, first_use};

struct Door {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Door {
    fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: reqwest::Method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let asked = self.ask(method, path).header("content-type", "application/scim+json");
        said(asked.body(body.to_string()).send().await.unwrap()).await
    }

    async fn read(&self, path: &str) -> (u16, Value) {
        said(self.ask("GET", path).send().await.unwrap()).await
    }
}

async fn said(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn is_error(body: &Value, status: u16, word: Option<&str>) -> bool {
    body["schemas"][0] == "urn:ietf:params:scim:api:messages:2.0:Error"
        && body["status"].as_str() == Some(status.to_string().as_str())
        && body["scimType"].as_str() == word
        && body["detail"].as_str().is_some_and(|detail| detail.len() > 20)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_people() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let console = demo.fact("console").to_owned();
    let browser = Browser::open(1280, 1000).await;
    first_use::set_up(&demo, &browser).await;

    // An administrator names the directory, and makes its key on its page.
    browser.goto(&format!("{console}/w/demo/provisioning")).await;
    browser.sees("main", "No directory yet").await;
    browser.picture("provisioning-empty").await;
    crate::pages::accessible(&browser, "provisioning-empty").await;
    browser.goto(&format!("{console}/w/demo/provisioning/new")).await;
    browser.fill("#name", "entra").await;
    browser.fill("#label", "Entra ID").await;
    browser.fill("#group_roles", "Night = on_call @ demo").await;
    browser.click("form.panel button.go").await;
    browser.sees("main [role=status]", "Two things are typed into the directory").await;
    let page = browser.client.current_url().await.unwrap().to_string();
    let base = browser.text("#base").await;
    assert_eq!(base, format!("{console}/scim/v2/entra"));
    browser.click("form[action$='/keys'] button.go").await;
    browser.sees("main", "only time").await;
    let token = browser.ask("document.body.innerText.match(/loudhailer_key_[A-Za-z0-9]+/)[0]").await;
    let door = Door { client: demo.client(), base: base.clone(), token: token.as_str().unwrap().to_owned() };

    refusals(&demo, &door).await;
    // An administrator sees also why a body was not read, or an address.
    browser.goto(&page).await;
    let said = browser.text("main").await;
    for words in [
        "Send the body as JSON",
        "larger than the 1048576 bytes",
        "nested deeper",
        "startIndex",
        "not searched at once",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    entra_and_okta(&door).await;

    // A program that we did not write has nothing to say against it.
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/scim.py");
    let mut tester = Command::new(testkit::python());
    tester.arg(script).args([&base, &door.token]).arg(demo.fact("ca_cert"));
    let output = tokio::task::spawn_blocking(move || tester.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{}", told.lines().last().unwrap_or_default());
    let wrong: Vec<&str> = told
        .lines()
        .filter(|line| ["ERROR", "CRITICAL", "DEVIATION"].iter().any(|word| line.starts_with(word)))
        .collect();
    assert!(output.status.success(), "{wrong:#?}\n{}", String::from_utf8_lossy(&output.stderr));

    // What the administrator sees of it.
    browser.goto(&page).await;
    browser.sees("main", "Refused lately, or done otherwise than asked").await;
    browser.sees("main", "Night").await;
    browser.sees("main", "on-call member @ demo").await;
    browser.picture("provisioning-directory").await;
    crate::pages::accessible(&browser, "provisioning-directory").await;
    browser.goto(&format!("{console}/w/demo/users")).await;
    browser.sees("main", "from Entra ID").await;
    browser.goto(&format!("{console}/w/demo/users?q=okta.person")).await;
    browser.click("main table a").await;
    browser.sees("main", "Kept by").await;
    let person = browser.client.current_url().await.unwrap().to_string();
    browser.goto(&format!("{person}/edit")).await;
    browser.sees("main", "Entra ID keeps this person").await;
    assert_eq!(browser.ask("document.querySelector('#name').disabled").await, true);
    browser.picture("provisioning-person").await;
    crate::pages::accessible(&browser, "provisioning-person").await;
    browser.close().await;
}

/// Every refusal of the door, in the protocol's own words.
async fn refusals(demo: &Demo, door: &Door) {
    let user = json!({"schemas": [scim::USER], "userName": "x@example.com"});
    // Nobody, a mistyped key, a key without the scope.
    let bare = door.client.get(format!("{}/Users", door.base)).send().await.unwrap();
    assert!(bare.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert_eq!(bare.headers()["content-type"], "application/scim+json; charset=utf-8");
    let (status, body) = said(bare).await;
    assert!(status == 401 && is_error(&body, 401, None), "{body}");
    for (token, wanted) in [("loudhailer_key_mistyped", 401), (demo.fact("api_key"), 403)] {
        let (status, body) =
            said(door.client.get(format!("{}/Users", door.base)).bearer_auth(token).send().await.unwrap()).await;
        assert!(status == wanted && is_error(&body, wanted, None), "{token}: {body}");
    }
    // What such a key may not: everything else.
    for path in ["/api/v1/people", "/api/v1/workspaces/demo/alerts", "/api/v1/provisioning"] {
        let url = format!("{}{path}", demo.fact("console"));
        let answer = door.client.get(url).bearer_auth(&door.token).send().await.unwrap();
        assert!([403, 404].contains(&answer.status().as_u16()), "{path}: {}", answer.status());
    }
    let elsewhere = door.base.replace("/entra", "/other");
    let (status, body) =
        said(door.client.get(format!("{elsewhere}/Users")).bearer_auth(&door.token).send().await.unwrap()).await;
    assert!(status == 404 && is_error(&body, 404, None), "{body}");

    for (method, path, body, wanted, word) in [
        ("POST", "/Users", "{".to_owned(), 400, Some("invalidSyntax")),
        ("POST", "/Users", "[]".to_owned(), 400, Some("invalidSyntax")),
        ("POST", "/Users", "{\"userName\": \"a\", \"userName\": \"b\"}".to_owned(), 400, Some("invalidSyntax")),
        ("POST", "/Users", format!("{}1{}", "[".repeat(40), "]".repeat(40)), 400, Some("invalidSyntax")),
        ("POST", "/Users", json!({"schemas": [scim::USER]}).to_string(), 400, Some("invalidValue")),
        ("POST", "/Users", "x".repeat(1_100_000), 413, None),
        ("GET", "/Users?filter=password%20eq%20%22x%22", String::new(), 400, Some("invalidFilter")),
        ("POST", "/Users/.search", "{\"filter\": \"password eq \\\"x\\\"\"}".to_owned(), 400, Some("invalidFilter")),
        ("POST", "/.search", "{}".to_owned(), 501, None),
        ("POST", "/Users/.search", "{\"count\": \"many\"}".to_owned(), 400, Some("invalidSyntax")),
        ("POST", "/Groups/.search", "{".to_owned(), 400, Some("invalidSyntax")),
        ("POST", "/Users/.search", json!({"schemas": [scim::USER]}).to_string(), 400, Some("invalidSyntax")),
        ("GET", "/Users?startIndex=one", String::new(), 400, Some("invalidValue")),
        ("GET", "/Users/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", String::new(), 404, None),
        ("GET", "/Bulk", String::new(), 404, None),
        ("PATCH", "/Users", user.to_string(), 405, None),
    ] {
        let mut asked = door.ask(method, path);
        if !body.is_empty() {
            asked = asked.header("content-type", "application/scim+json").body(body);
        }
        let (status, said) = said(asked.send().await.unwrap()).await;
        assert!(status == wanted && is_error(&said, wanted, word), "{method} {path}: {status} {said}");
    }
    let form = door.ask("POST", "/Users").header("content-type", "text/xml").body("<user/>").send().await.unwrap();
    let (status, body) = said(form).await;
    assert!(status == 415 && is_error(&body, 415, None), "{body}");
    // Names of a search count in any case.
    let wanted = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "Filter": "userName eq \"nobody\"", "COUNT": 1});
    let (status, body) = door.done("POST", "/Users/.search", &wanted).await;
    assert!(status == 200 && body["totalResults"] == 0, "{body}");
    let (status, body) = door.done("POST", "/Users/.search", &json!({"FILTER": "password eq \"x\""})).await;
    assert!(status == 400 && is_error(&body, 400, Some("invalidFilter")), "{body}");
    // Somebody of here is not the directory's.
    let ada = json!({"schemas": [scim::USER], "userName": "ada@example.com"});
    let (status, body) = door.done("POST", "/Users", &ada).await;
    assert!(status == 409 && is_error(&body, 409, Some("uniqueness")), "{body}");
}

/// The requests that Microsoft publishes for Entra ID (learn.microsoft.com/entra/identity/app-provisioning/
/// use-scim-to-provision-users-and-groups) and Okta for its integrations (developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20),
/// with their own shapes.
async fn entra_and_okta(door: &Door) {
    // Entra ID: is there such a person, make them, change them, switch them off in its own spelling.
    let (status, body) =
        door.read("/Users?filter=userName+eq+%22Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1%22").await;
    assert!(status == 200 && body["totalResults"] == 0 && body["Resources"] == json!([]), "{body}");
    let made = json!({
        "schemas": [scim::USER, scim::ENTERPRISE], "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1", "active": true,
        "emails": [{"primary": true, "type": "work", "value": "Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com"}],
        "meta": {"resourceType": "User"}, "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
    });
    let answer = door
        .ask("POST", "/Users")
        .header("content-type", "application/scim+json; charset=utf-8")
        .body(made.to_string())
        .send()
        .await
        .unwrap();
    let (location, tag) = (
        answer.headers()["location"].to_str().unwrap().to_owned(),
        answer.headers()["etag"].to_str().unwrap().to_owned(),
    );
    let (status, body) = said(answer).await;
    let id = body["id"].as_str().unwrap().to_owned();
    assert!(
        status == 201 && location == format!("{}/Users/{id}", door.base) && body["meta"]["version"] == tag,
        "{body}"
    );
    let (status, body) = door.done("POST", "/Users", &made).await;
    assert!(status == 409 && is_error(&body, 409, Some("uniqueness")), "{body}");
    let known = door.ask("GET", &format!("/Users/{id}")).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let changes = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
    ]});
    let old = door
        .ask("PATCH", &format!("/Users/{id}"))
        .header("if-match", "W/\"7\"")
        .header("content-type", "application/scim+json");
    let (status, body) = said(old.body(changes.to_string()).send().await.unwrap()).await;
    assert!(status == 412 && is_error(&body, 412, None), "{body}");
    let (status, body) = door.done("PATCH", &format!("/Users/{id}"), &changes).await;
    assert!(
        status == 200
            && body["emails"][0]["value"] == "updatedEmail@microsoft.com"
            && body["name"]["familyName"] == "updatedFamilyName",
        "{body}"
    );
    let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let (status, body) = door.done("PATCH", &format!("/Users/{id}"), &off).await;
    assert!(status == 200 && body["active"] == false, "{body}");
    let (status, _) =
        door.read(&format!("/Users?filter=id+eq+%22{id}%22+and+manager+eq+%22{id}%22&attributes=id")).await;
    assert_eq!(status, 200);
    assert_eq!(door.ask("DELETE", &format!("/Users/{id}")).send().await.unwrap().status(), 204);
    assert_eq!(door.read(&format!("/Users/{id}")).await.0, 404);

    // Okta: by userName with startIndex and count, PUT as a whole, groups with members.
    let (status, body) =
        door.read("/Users?filter=userName%20eq%20%22okta.person%40example.com%22&startIndex=1&count=100").await;
    assert!(status == 200 && body["totalResults"] == 0, "{body}");
    let (status, body) = door.done("POST", "/Users", &json!({
        "schemas": [scim::USER], "userName": "okta.person@example.com", "name": {"givenName": "Okta", "familyName": "Person"},
        "emails": [{"primary": true, "value": "okta.person@example.com", "type": "work"}], "displayName": "Okta Person", "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": true,
    })).await;
    assert!(status == 201 && body.get("password").is_none(), "{body}");
    let person = body["id"].as_str().unwrap().to_owned();
    let mut whole = body.clone();
    whole["name"]["givenName"] = "Another".into();
    let (status, body) = door.done("PUT", &format!("/Users/{person}"), &whole).await;
    assert!(status == 200 && body["name"]["givenName"] == "Another" && body["meta"]["version"] == "W/\"2\"", "{body}");
    let (status, body) =
        door.done("POST", "/Groups", &json!({"schemas": [scim::GROUP], "displayName": "Night", "members": []})).await;
    let group = body["id"].as_str().unwrap().to_owned();
    assert_eq!(status, 201, "{body}");
    for operations in [
        json!([{"op": "add", "path": "members", "value": [{"value": person, "display": "okta.person@example.com"}]}]),
        json!([{"op": "remove", "path": format!("members[value eq \"{person}\"]")}]),
        json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": person}]}]),
        json!([{"op": "replace", "value": {"id": group, "displayName": "Night"}}]),
    ] {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        let (status, said) = door.done("PATCH", &format!("/Groups/{group}"), &body).await;
        assert_eq!(status, 200, "{said}");
    }
    let (status, body) = door.read(&format!("/Groups/{group}?excludedAttributes=members")).await;
    assert!(status == 200 && body.get("members").is_none() && body["displayName"] == "Night", "{body}");
    let (_, body) = door.read(&format!("/Users/{person}")).await;
    assert_eq!(body["groups"][0]["value"], group, "{body}");
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn x_16_whoever_is_deprovisioned_is_out_on_every_node_within_a_second() {
        super::deprovisioned().await;
    }
}

/// Two nodes over one database: the directory speaks to one of them, and the other lets nobody in any more.
async fn deprovisioned() {
    crypto::install_default_provider();
    let database = crate::postgres().await;
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(&keys, &context()).unwrap();
    let options = Options::new(database.url().clone());
    let here = Product::open(Options { node: "here".into(), ..options.clone() }, &keys).await.unwrap();
    let there = Product::open(Options { node: "there".into(), ..options }, &keys).await.unwrap();
    let token = crypto::token::mint(crypto::token::Kind::Key, context().chance());
    apply(
        &here,
        "workspaces: [{slug: home, environment: development}]\nprovisioning_sources: [{name: entra}]\n\
         api_keys: [{workspace: home, name: entra, scopes: ['people:provision'], token: {env: TOKEN}}]\n",
        &token,
    )
    .await;
    let grants = here.identity.by_api_key(&token, &Caller::default()).await.unwrap().unwrap();
    let permit: OrganisationPermit<cap::PeopleProvision> = grants.permit_organisation().unwrap();
    for way in ["inactive", "deleted"] {
        let (scim, own) = (here.scim.clone(), permit.clone());
        let body = json!({"schemas": [scim::USER], "userName": format!("{way}@example.com")});
        let made = here
            .db
            .write(move |tx| {
                let desk = scim.desk(tx, &own, "entra", "https://localhost:8443")?;
                scim.create_user(tx, &desk, &body, &Shown::default())
            })
            .await
            .unwrap();
        let user: UserId = made.id.parse().unwrap();
        let write: OrganisationPermit<cap::PeopleWrite> = commands::operator().permit_organisation().unwrap();
        let identity = here.identity.clone();
        let link = here.db.write(move |tx| identity.invite_link(tx, &write, user)).await.unwrap();
        let password = SecretString::from("a correct horse, standing still".to_owned());
        let session = here.identity.accept_invite(link.secret, password, &Caller::default()).await.unwrap();
        let session = session.into_session().unwrap().token;
        // The other node has just looked, so it remembers.
        assert!(there.identity.by_session(&session, &Caller::default()).await.unwrap().is_some());
        let (scim, own, id) = (here.scim.clone(), permit.clone(), made.id.clone());
        let off = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
        here.db
            .write(move |tx| {
                let desk = scim.desk(tx, &own, "entra", "https://localhost:8443")?;
                if way == "deleted" {
                    scim.delete_user(tx, &desk, (&id, None)).map(drop)
                } else {
                    scim.patch_user(tx, &desk, (&id, None), &off, &Shown::default()).map(drop)
                }
            })
            .await
            .unwrap();
        let since = tokio::time::Instant::now();
        assert!(here.identity.by_session(&session, &Caller::default()).await.unwrap().is_none(), "{way}: at once here");
        while there.identity.by_session(&session, &Caller::default()).await.unwrap().is_some() {
            assert!(since.elapsed() < Duration::from_secs(1), "{way}: the other node still lets in after a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{way}: refused by the other node after {:?}", since.elapsed());
        assert!(since.elapsed() < Duration::from_millis(1_200), "{way}");
    }
    here.close().await;
    there.close().await;
}
