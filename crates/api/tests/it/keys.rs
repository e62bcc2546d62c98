//! API keys: E-08.

use reqwest::Method;
use serde_json::json;

use super::house::{House, KEY, Proves, json as read};

const KEYS: &str = "/api/v1/workspaces/demo/keys";

#[tokio::test]
async fn e_08_people_make_keys_which_work_at_once_and_end_at_once() {
    let house = House::new().await;
    let new = json!({"name": "ci", "scopes": ["alerts:read"], "expiresDays": 7});
    let (status, created) = read(house.post(KEYS, &new).administrator(&house).send().await.unwrap()).await;
    assert_eq!(status, 201, "{created}");
    let token = created["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("loudhailer_"));
    let alerts = || house.get("/api/v1/workspaces/demo/alerts").key(&token).send();
    assert_eq!(alerts().await.unwrap().status(), 200);
    let (_, list) = read(house.get(KEYS).administrator(&house).send().await.unwrap()).await;
    let ci = list["items"].as_array().unwrap().iter().find(|key| key["name"] == "ci").unwrap();
    assert_eq!(ci["scopes"], json!(["alerts:read"]));
    assert!(!list.to_string().contains(&token), "a token is shown once");
    // Creating never changes what is there.
    let again = json!({"name": "ci", "scopes": ["alerts:read", "messages:send"]});
    assert_eq!(read(house.post(KEYS, &again).administrator(&house).send().await.unwrap()).await.0, 400);
    let (_, after) = read(house.get(KEYS).administrator(&house).send().await.unwrap()).await;
    assert_eq!(after["items"], list["items"]);
    let gone = house.request(Method::DELETE, &format!("{KEYS}/ci")).administrator(&house).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    // Gone on every node within a second (ASVS 7.4.1).
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(alerts().await.unwrap().status(), 401);
    let missing = house.request(Method::DELETE, &format!("{KEYS}/ci")).administrator(&house).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn e_08_a_key_makes_lists_and_deletes_no_keys() {
    let house = House::new().await;
    let new = json!({"name": "evil", "scopes": ["alerts:read"]});
    for request in [house.post(KEYS, &new), house.get(KEYS), house.request(Method::DELETE, &format!("{KEYS}/reader"))] {
        let (status, problem) = read(request.key(KEY).send().await.unwrap()).await;
        assert_eq!((status, &problem["code"]), (403, &json!("people-only")), "{problem}");
    }
    let wrong = json!({"name": "x", "scopes": ["keys:manage"]});
    let (status, problem) = read(house.post(KEYS, &wrong).administrator(&house).send().await.unwrap()).await;
    assert_eq!((status, &problem["field"]), (400, &json!("scopes[0]")), "{problem}");
}
