//! Where callbacks go: in 8x8's shape, and by our own API.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{HOOKS, House, KEY, Proves, READER, json as read};

async fn account(house: &House) -> String {
    house.db.read(access::organisation).await.unwrap().unwrap().id.to_string()
}

fn path(account: &str) -> String {
    format!("/api/v1/accounts/{account}/webhooks")
}

async fn get(house: &House, account: &str) -> Value {
    let (status, body) = read(house.get(&path(account)).key(HOOKS).send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn a_webhook_is_set_masked_replaced_and_removed() {
    let house = House::new().await;
    let id = account(&house).await;
    assert_eq!(get(&house, &id).await, json!([]));
    let wanted = json!([{
        "subAccountId": "demo", "url": "https://app.example.com/sms", "httpAuthorization": "Bearer s3cret", "colour": "red",
    }]);
    let (status, body) = read(house.post(&path(&id), &wanted).key(HOOKS).send().await.unwrap()).await;
    assert_eq!((status, &body), (200, &Value::Null));
    let shown = json!([{
        "subAccountId": "demo", "url": "https://app.example.com/sms", "enabled": true, "httpAuthorization": "***", "oauth": null,
    }]);
    // With dashes, without, and by name.
    for account in [id.clone(), id.replace('-', ""), "sample".to_owned()] {
        assert_eq!(get(&house, &account).await, shown, "{account}");
    }
    // What was read can be written back: a mask keeps what is there.
    let mut again = shown.clone();
    again[0]["enabled"] = json!(false);
    assert_eq!(read(house.post(&path(&id), &again).key(HOOKS).send().await.unwrap()).await.0, 200);
    assert_eq!(get(&house, &id).await, again);
    let oauth = json!([{
        "subAccountId": "demo", "url": "https://app.example.com/v2",
        "oauth": {"url": "https://id.example.com/token", "clientId": "app", "clientSecret": "s3cret", "credentialsLocation": "body", "scope": "x"},
    }]);
    assert_eq!(read(house.post(&path(&id), &oauth).key(HOOKS).send().await.unwrap()).await.0, 200);
    let now = get(&house, &id).await;
    assert_eq!(now.as_array().unwrap().len(), 1, "replaced, not added");
    assert_eq!(now[0]["httpAuthorization"], Value::Null);
    assert_eq!(
        now[0]["oauth"],
        json!({"url": "https://id.example.com/token", "clientId": "app", "clientSecret": "***", "credentialsLocation": "body", "scope": "x"})
    );
    // `*` is an entry of its own: it is set and goes without the others.
    let all = json!([{"subAccountId": "*", "url": "https://app.example.com/all"}]);
    assert_eq!(house.post(&path(&id), &all).key(HOOKS).send().await.unwrap().status(), 200);
    let names = async || {
        let all = get(&house, &id).await;
        let mut names: Vec<_> =
            all.as_array().unwrap().iter().map(|one| one["subAccountId"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names().await, ["*", "demo"]);
    let everything = house.request(Method::DELETE, &path(&id)).json(&json!([{"subAccountId": "*"}])).key(HOOKS);
    assert_eq!(everything.send().await.unwrap().status(), 200);
    assert_eq!(names().await, ["demo"]);
    for _ in 0..2 {
        let gone = house.request(Method::DELETE, &path(&id)).json(&json!([{"subAccountId": "demo"}])).key(HOOKS);
        assert_eq!(gone.send().await.unwrap().status(), 200);
        assert_eq!(get(&house, &id).await, json!([]));
    }
}

/// X-08, and each refusal in that API's envelope.
#[tokio::test]
async fn x_08_what_is_refused_changes_nothing() {
    let house = House::new().await;
    let id = account(&house).await;
    let one = |sub: &str, url: &str| json!([{"subAccountId": sub, "url": url}]);
    let good = "https://app.example.com/";
    let other = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    let two =
        json!([{"subAccountId": "demo", "url": good}, {"subAccountId": "demo", "url": "http://app.example.com/"}]);
    for (name, account, body, key, status, code) in [
        ("another account", other, one("demo", good), HOOKS, 400, 1000),
        ("no such sub-account", &id, one("nowhere", good), HOOKS, 400, 1001),
        ("a foreign sub-account", &id, one("other", good), HOOKS, 400, 1001),
        ("no right to integrations", &id, one("demo", good), READER, 403, 1201),
        ("no right to integrations", &id, one("demo", good), KEY, 403, 1201),
        ("not https", &id, one("demo", "http://app.example.com/"), HOOKS, 400, 1000),
        ("inside", &id, one("demo", "https://169.254.169.254/"), HOOKS, 400, 1000),
        ("one of two is bad", &id, two, HOOKS, 400, 1000),
        ("no array", &id, json!({"subAccountId": "demo", "url": good}), HOOKS, 400, 1000),
        ("nothing", &id, json!([]), HOOKS, 400, 1000),
    ] {
        let (is, body) = read(house.post(&path(account), &body).key(key).send().await.unwrap()).await;
        assert_eq!((is, &body["code"]), (status, &json!(code)), "{name}: {body}");
        assert!(body["errorId"].is_string() && body["message"].is_string(), "{name}: {body}");
    }
    assert_eq!(get(&house, &id).await, json!([]));
    for key in [READER, KEY] {
        assert_eq!(house.get(&path(&id)).key(key).send().await.unwrap().status(), 403);
    }
    assert_eq!(house.get(&path(&id)).send().await.unwrap().status(), 401);
}

/// the secret is shown once, when it is renewed; a test is a callback that can be followed.
#[tokio::test]
async fn x_22_own_routes_show_health_and_renew_the_secret() {
    let house = House::new().await;
    let id = account(&house).await;
    let wanted = json!([{"subAccountId": "demo", "url": "https://app.example.com/sms"}]);
    assert_eq!(house.post(&path(&id), &wanted).key(HOOKS).send().await.unwrap().status(), 200);
    let own = "/api/v1/workspaces/demo/webhooks";
    let (_, list) = read(house.get(own).key(HOOKS).send().await.unwrap()).await;
    let webhook = &list["items"][0];
    assert_eq!(
        (&webhook["name"], &webhook["circuit"], &webhook["scope"]),
        (&json!("sms"), &json!("closed"), &json!("workspace"))
    );
    assert!(!list.to_string().contains("whsec_"));
    let one = format!("{own}/{}", webhook["id"].as_str().unwrap());
    let (status, rotated) =
        read(house.post(&format!("{one}/rotate"), &json!({"overlapHours": 1})).key(HOOKS).send().await.unwrap()).await;
    assert_eq!(status, 200, "{rotated}");
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_") && rotated["oldUntil"].is_string());
    let long = house.post(&format!("{one}/rotate"), &json!({"overlapHours": 169})).key(HOOKS).send().await.unwrap();
    assert_eq!(long.status(), 400);
    let (status, tested) =
        read(house.post(&format!("{one}/test"), &Value::Null).key(HOOKS).send().await.unwrap()).await;
    assert_eq!(status, 202, "{tested}");
    let number = tested["callback"].as_i64().unwrap();
    let (status, callback) =
        read(house.get(&format!("/api/v1/workspaces/demo/callbacks/{number}")).key(HOOKS).send().await.unwrap()).await;
    assert_eq!(
        (status, &callback["event"], &callback["state"]),
        (200, &json!("webhook_test"), &json!("waiting")),
        "{callback}"
    );
    let (_, listed) =
        read(house.get("/api/v1/workspaces/demo/callbacks?state=waiting").key(HOOKS).send().await.unwrap()).await;
    assert_eq!(listed["items"][0]["id"], number);
    let early = house
        .post(&format!("/api/v1/workspaces/demo/callbacks/{number}/replay"), &Value::Null)
        .key(HOOKS)
        .send()
        .await
        .unwrap();
    assert_eq!(early.status(), 409);
    let (_, again) = read(
        house
            .post(&format!("{one}/replay"), &json!({"since": "2026-01-01T00:00:00Z"}))
            .key(HOOKS)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(again, json!({"replayed": 0}));
    assert_eq!(house.post(&format!("{one}/ask"), &Value::Null).key(HOOKS).send().await.unwrap().status(), 204);
    let nowhere = format!("{own}/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b");
    assert_eq!(house.get(&nowhere).key(HOOKS).send().await.unwrap().status(), 404);
    assert_eq!(house.post(&format!("{one}/test"), &Value::Null).key(KEY).send().await.unwrap().status(), 403);
}

/// A message's own address is checked when it comes, with that API's number for it.
#[tokio::test]
async fn an_address_of_a_messages_own_is_checked() {
    let house = House::new().await;
    let send = |url: &str| json!({"destination": "+447700900117", "text": "Hello", "dlrCallbackUrl": url});
    for url in [
        "http://app.example.com/",
        "https://10.0.0.1/",
        "https://app.example.com:25/",
        "https://a:b@app.example.com/",
        "x",
    ] {
        let (status, body) =
            read(house.post("/api/v1/subaccounts/demo/messages", &send(url)).key(KEY).send().await.unwrap()).await;
        assert_eq!((status, &body["code"]), (400, &json!(3020)), "{url}: {body}");
    }
    let good = house.post("/api/v1/subaccounts/demo/messages", &send("https://app.example.com/dlr?key=s3cret"));
    assert_eq!(good.key(KEY).send().await.unwrap().status(), 200);
}
