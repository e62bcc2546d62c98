//! Client certificates over real TLS: they stand for a key, fetch tokens, and prove senders of signals.

use serde_json::json;

use super::house::{House, Proves, json as read};

const RULE: &str = "CN=app.example.com issued by CN=Loudhailer private CA";
const KEYS: &str = "/api/v1/workspaces/demo/keys";

#[tokio::test]
async fn a_certificate_stands_for_a_key() {
    let house = House::new().await;
    let alerts = format!("{}/api/v1/workspaces/demo/alerts", house.url);
    assert_eq!(house.certified.get(&alerts).send().await.unwrap().status(), 401, "a certificate of nobody is nobody");
    let new = json!({"name": "app", "scopes": ["alerts:read"], "certificates": [RULE]});
    let (status, made) = read(house.post(KEYS, &new).administrator(&house).send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(house.certified.get(&alerts).send().await.unwrap().status(), 200);
    assert_eq!(house.get("/api/v1/workspaces/demo/alerts").send().await.unwrap().status(), 401, "without it nobody");
    let browser = house.certified.get(&alerts).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(browser.status(), 401, "what a browser shows by itself proves nobody (X-18)");
    let wrong = house.certified.get(&alerts).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 401, "one request, one identity");
    let make =
        house.certified.post(format!("{}{KEYS}", house.url)).json(&json!({"name": "x", "scopes": ["alerts:read"]}));
    assert_eq!(read(make.send().await.unwrap()).await.0, 403, "E-08: a certificate makes no key");
    let (_, list) = read(house.get(KEYS).administrator(&house).send().await.unwrap()).await;
    let app = list["items"].as_array().unwrap().iter().find(|key| key["name"] == "app").unwrap().clone();
    assert_eq!(app["certificates"][0]["rule"], RULE);
    assert!(app["certificates"][0]["ends"].is_string() && app["certificates"][0]["lastUsed"].is_string(), "{app}");
}

/// RFC 8705: the token is worth nothing on another connection.
#[tokio::test]
async fn a_token_got_by_a_certificate_needs_it() {
    let house = House::new().await;
    let new = json!({"name": "app", "scopes": ["alerts:read"], "proof": "certificate", "certificates": [RULE]});
    let clients = "/api/v1/workspaces/demo/oauth-clients";
    let (status, made) = read(house.post(clients, &new).administrator(&house).send().await.unwrap()).await;
    assert_eq!((status, &made["clientSecret"]), (201, &json!(null)), "{made}");
    let body = format!("grant_type=client_credentials&client_id={}", made["clientId"].as_str().unwrap());
    let ask = |client: &reqwest::Client| {
        let request = client.post(format!("{}/oauth/token", house.url)).body(body.clone());
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    assert_eq!(ask(&house.client).await.unwrap().status(), 401);
    let (status, token) = read(ask(&house.certified).await.unwrap()).await;
    assert_eq!(status, 200, "{token}");
    let token = token["access_token"].as_str().unwrap().to_owned();
    let alerts = format!("{}/api/v1/workspaces/demo/alerts", house.url);
    assert_eq!(house.certified.get(&alerts).bearer_auth(&token).send().await.unwrap().status(), 200);
    assert_eq!(house.client.get(&alerts).bearer_auth(&token).send().await.unwrap().status(), 401);
}

/// a source of signals proves itself by a certificate of its own.
#[tokio::test]
async fn x_03_a_sender_proves_itself_by_its_certificate() {
    let house = House::new().await;
    let file = json!({"integrations": [{
        "workspace": "demo", "name": "certified", "auth": ["certificate"], "certificates": [RULE], "flow": "page",
    }]});
    let permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit_organisation().unwrap();
    let parsed = resources::Parsed::yaml(&file.to_string(), house.api.resources.registry()).unwrap();
    let options = resources::ApplyOptions::default();
    let applied = house.api.resources.apply(&permit, parsed.resolve(&super::house::Secrets).unwrap(), options).await;
    applied.unwrap_or_else(|error| panic!("{:?}", error.problems()));
    let workspace = house.workspace("demo").await;
    let read_permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit(workspace).unwrap();
    let all = house.api.signals.integrations(&read_permit).await.unwrap();
    let id = all.into_iter().find(|one| one.name == "certified").unwrap().id;
    let send = |client: &reqwest::Client| {
        client.post(format!("{}/signals/{id}", house.url)).json(&json!({"title": "x"})).send()
    };
    assert_eq!(send(&house.client).await.unwrap().status(), 401);
    let (status, accepted) = read(send(&house.certified).await.unwrap()).await;
    assert_eq!(status, 202, "{accepted}");
}
