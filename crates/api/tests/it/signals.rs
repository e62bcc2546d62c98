//! The doors for machines.

use serde_json::{Value, json};

use super::house::{House, KEY, Proves, READER, URL_TOKEN, json as read};

#[tokio::test]
async fn a_signal_is_taken_by_url_token_or_key_and_shown_in_the_activity() {
    let house = House::new().await;
    let id = &house.integration;
    let signal = json!({"title": "Disk full"});
    for path in [
        format!("/signals/{id}?apiKey={URL_TOKEN}"),
        format!("/signals/{id}?token={URL_TOKEN}"),
        format!("/api/integration/1/functions/{id}/triggers?apiKey={URL_TOKEN}"),
    ] {
        let response = house.post(&path, &signal).send().await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"), "X-06: no session");
        let (status, answer) = read(response).await;
        assert_eq!(status, 202, "{answer}");
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["requestId"]);
        let shown = house.get(&format!("/api/v1/workspaces/demo/signals/{}", answer["requestId"].as_str().unwrap()));
        let (status, detail) = read(shown.key(KEY).send().await.unwrap()).await;
        assert_eq!(
            (status, &detail["method"], &detail["integration"]),
            (200, &json!("url_token"), &json!(id)),
            "{detail}"
        );
    }
    let by_key = house.post(&format!("/signals/{id}"), &signal).key(KEY).send().await.unwrap();
    assert_eq!(by_key.status(), 202);
    let (_, list) = read(house.get("/api/v1/workspaces/demo/signals?limit=2").key(KEY).send().await.unwrap()).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let next = format!("/api/v1/workspaces/demo/signals?cursor={}", list["next"].as_str().unwrap());
    let (_, rest) = read(house.get(&next).key(KEY).send().await.unwrap()).await;
    assert!(rest["items"].as_array().unwrap().len() >= 2 && rest["next"].is_null(), "{rest}");
}

/// Refusals: 401 without a hint, 400 that names the place, 413, 415.
#[tokio::test]
async fn what_is_wrong_with_a_signal_is_said_without_helping_strangers() {
    let house = House::new().await;
    let id = &house.integration;
    let signal = json!({"title": "x"});
    let good = format!("/signals/{id}?apiKey={URL_TOKEN}");
    let mut unauthenticated = Vec::new();
    for path in [
        format!("/signals/{id}"),
        format!("/signals/{id}?apiKey=wrong"),
        format!("/signals/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b?apiKey={URL_TOKEN}"),
        format!("/signals/nonsense?apiKey={URL_TOKEN}"),
    ] {
        let answer = house.post(&path, &signal).send().await.unwrap();
        let ways = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            ways.contains("Basic ") && ways.contains("Bearer "),
            "a client that waits to be asked is asked: {ways}"
        );
        let (status, mut problem) = read(answer).await;
        problem["requestId"] = Value::Null;
        problem["instance"] = Value::Null;
        assert_eq!(status, 401, "{path}: {problem}");
        unauthenticated.push(problem);
    }
    assert!(unauthenticated.windows(2).all(|pair| pair[0] == pair[1]), "{unauthenticated:#?}");
    let by_key = house.post(&format!("/signals/{id}"), &signal).key(READER).send().await.unwrap();
    assert!([401, 403].contains(&by_key.status().as_u16()), "a key without the scope");
    let send = |content_type: &'static str, body: String| {
        house.request(reqwest::Method::POST, &good).header("content-type", content_type).body(body).send()
    };
    let (status, problem) = read(send("application/json", "{\"a\": 1,\n \"b\": }".into()).await.unwrap()).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("line 2"), "{problem}");
    assert_eq!(send("application/pdf", "x".into()).await.unwrap().status(), 415);
    assert_eq!(send("application/json", format!("\"{}\"", "x".repeat(256 * 1024))).await.unwrap().status(), 413);
    assert_eq!(send("application/x-www-form-urlencoded", "title=Disk+full".into()).await.unwrap().status(), 202);
}
