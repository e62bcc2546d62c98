//! The token endpoint over HTTPS, as programs use it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::house::{House, KEY, Proves, json as read};

const CLIENTS: &str = "/api/v1/workspaces/demo/oauth-clients";

async fn client(house: &House, new: &Value) -> (String, String) {
    let (status, made) = read(house.post(CLIENTS, new).administrator(house).send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("clientId"), text("clientSecret"))
}

fn form(house: &House, path: &str, pairs: &[(&str, &str)]) -> RequestBuilder {
    let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = house.request(Method::POST, path).body(body.join("&"));
    request.header("content-type", "application/x-www-form-urlencoded")
}

#[tokio::test]
async fn a_client_fetches_tokens_uses_them_and_ends_them() {
    let house = House::new().await;
    let (id, secret) = client(&house, &json!({"name": "app", "scopes": ["alerts:read", "messages:send"]})).await;
    assert!(secret.starts_with("loudhailer_client_"));
    let grant = ("grant_type", "client_credentials");
    let post = form(&house, "/oauth/token", &[grant, ("client_id", &id), ("client_secret", &secret)]);
    let response = post.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, token) = read(response).await;
    assert_eq!((status, &token["token_type"], &token["expires_in"]), (200, &json!("Bearer"), &json!(900)), "{token}");
    assert_eq!(token["scope"], "alerts:read messages:send");
    let token = token["access_token"].as_str().unwrap().to_owned();
    let alerts = |token: &str| house.get("/api/v1/workspaces/demo/alerts").key(token).send();
    assert_eq!(alerts(&token).await.unwrap().status(), 200);
    let elsewhere = house.get("/api/v1/workspaces/other/alerts").key(&token).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404, "a workspace of others is not there");
    let (status, problem) = read(house.get(CLIENTS).key(&token).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("people-only")), "E-08: no program sees or makes clients");

    // By HTTP Basic, for signals alone.
    let signals = format!("{}/signals", house.api.public_url);
    let basic = form(&house, "/oauth/token", &[grant, ("resource", &signals)]).basic_auth(&id, Some(&secret));
    let (status, narrow) = read(basic.send().await.unwrap()).await;
    assert_eq!(status, 200, "{narrow}");
    assert_eq!(alerts(narrow["access_token"].as_str().unwrap()).await.unwrap().status(), 401, "not meant for the API");

    let revoke = form(&house, "/oauth/revoke", &[("token", &token)]).basic_auth(&id, Some(&secret));
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    assert_eq!(alerts(&token).await.unwrap().status(), 401);
}

/// RFC 6749 section 5.2, also where the door itself would say something else.
#[tokio::test]
async fn refusals_are_those_of_the_rfc() {
    let house = House::new().await;
    let (id, secret) = client(&house, &json!({"name": "app", "scopes": ["messages:send"], "audiences": ["api"]})).await;
    let grant = ("grant_type", "client_credentials");
    let proof = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let signals = format!("{}/signals", house.api.public_url);
    for (pairs, status, code) in [
        (vec![grant], 400, "invalid_request"),
        (vec![grant, proof[0], ("client_secret", "wrong")], 401, "invalid_client"),
        (vec![grant, grant, proof[0], proof[1]], 400, "invalid_request"),
        (vec![("grant_type", "password"), proof[0], proof[1]], 400, "unsupported_grant_type"),
        (vec![grant, proof[0], proof[1], ("scope", "alerts:read")], 400, "invalid_scope"),
        (vec![grant, proof[0], proof[1], ("resource", &signals)], 400, "invalid_target"),
    ] {
        let (got, body) = read(form(&house, "/oauth/token", &pairs).send().await.unwrap()).await;
        assert_eq!((got, body["error"].as_str()), (status, Some(code)), "{pairs:?}: {body}");
        assert!(body["error_description"].as_str().unwrap().is_ascii());
    }
    let json = house.post("/oauth/token", &json!({"grant_type": "client_credentials"})).send().await.unwrap();
    assert_eq!(
        read(json).await,
        (
            400,
            json!({"error": "invalid_request", "error_description": "Send a form: Content-Type: application/x-www-form-urlencoded."})
        )
    );
    let basic = form(&house, "/oauth/token", &[grant]).basic_auth(&id, Some("wrong")).send().await.unwrap();
    assert!(basic.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    let get = house.get("/oauth/token").send().await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn the_metadata_leads_to_the_endpoints() {
    let house = House::new().await;
    let (status, found) = read(house.get("/.well-known/oauth-authorization-server").send().await.unwrap()).await;
    assert_eq!((status, &found["issuer"]), (200, &json!(house.api.public_url)));
    assert_eq!(found["token_endpoint"], json!(format!("{}/oauth/token", house.api.public_url)));
    assert_eq!(found["grant_types_supported"], json!(["client_credentials"]));
}

/// X-22, E-08: people rotate and delete; what is listed holds no secret.
#[tokio::test]
async fn x_22_people_rotate_list_and_delete_clients() {
    let house = House::new().await;
    let (id, secret) = client(&house, &json!({"name": "app", "scopes": ["messages:send"]})).await;
    let again = house.post(CLIENTS, &json!({"name": "app", "scopes": ["messages:send"]})).administrator(&house);
    assert_eq!(read(again.send().await.unwrap()).await.0, 400, "creating never changes what is there");
    let rotate = house.post(&format!("{CLIENTS}/app/rotate"), &json!({"overlapHours": 1})).administrator(&house);
    let (status, rotated) = read(rotate.send().await.unwrap()).await;
    assert_eq!((status, &rotated["clientId"]), (200, &json!(id)), "{rotated}");
    let works = |secret: String| {
        let pairs = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", &secret)];
        let sent = form(&house, "/oauth/token", &pairs).send();
        async { sent.await.unwrap().status() == 200 }
    };
    assert!(works(secret.clone()).await && works(rotated["clientSecret"].as_str().unwrap().to_owned()).await);
    let retire = house.request(Method::POST, &format!("{CLIENTS}/app/retire")).administrator(&house);
    assert_eq!(read(retire.send().await.unwrap()).await.1, json!({"ended": true}));
    assert!(!works(secret.clone()).await);
    let (_, list) = read(house.get(CLIENTS).administrator(&house).send().await.unwrap()).await;
    assert_eq!(list["items"][0]["clientId"], json!(id));
    assert!(!list.to_string().contains("loudhailer_client_"));
    for request in [house.get(CLIENTS), house.request(Method::DELETE, &format!("{CLIENTS}/app"))] {
        assert_eq!(request.key(KEY).send().await.unwrap().status(), 403);
    }
    let delete = house.request(Method::DELETE, &format!("{CLIENTS}/app")).administrator(&house);
    assert_eq!(delete.send().await.unwrap().status(), 204);
}
