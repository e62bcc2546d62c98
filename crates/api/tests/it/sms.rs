//! The SMS API in 8x8's shape.

use serde_json::{Value, json};

use super::house::{House, KEY, Proves, READER, json as read};

const MESSAGES: &str = "/api/v1/subaccounts/demo/messages";

/// An envelope with what changes from run to run taken out.
fn envelope((status, mut body): (u16, Value)) -> Value {
    assert!(body["errorId"].as_str().is_some_and(|id| id.len() == 36), "{body}");
    assert!(body["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{body}");
    body["errorId"] = "[id]".into();
    body["timestamp"] = "[time]".into();
    json!({ "http": status, "body": body })
}

#[tokio::test]
async fn a_message_is_sent_and_found_again() {
    let house = House::new().await;
    let order = json!({"destination": "+447700900117", "text": "Hello", "clientMessageId": "a-1", "colour": "red"});
    let response = house.post(MESSAGES, &order).key(KEY).send().await.unwrap();
    assert_eq!(response.headers()["x-ignored-fields"], "colour");
    let (status, sent) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&sent["status"]["code"], &sent["destination"], &sent["encoding"]),
        (&json!("QUEUED"), &json!("447700900117"), &json!("GSM7"))
    );
    let umid = sent["umid"].as_str().unwrap();
    let (status, details) = read(house.get(&format!("{MESSAGES}/{umid}")).key(KEY).send().await.unwrap()).await;
    assert_eq!(status, 200, "{details}");
    assert_eq!(
        (&details["subAccountId"], &details["direction"], &details["smsCount"]),
        (&json!("demo"), &json!("outbound"), &json!(1))
    );
    assert_eq!((&details["body"], &details["msisdn"]), (&json!("**MASKED**"), &json!("4477xxxxxxxx")));
    assert_eq!(details["clientMessageId"], "a-1");
    assert!(["queued", "sent"].contains(&details["status"]["state"].as_str().unwrap()), "{details}");
    // The same message by our own API: masked, and whole for those who may read content.
    let own = format!("/api/v1/workspaces/demo/messages/{umid}");
    let (_, masked) = read(house.get(&own).key(KEY).send().await.unwrap()).await;
    assert_eq!(masked["to"], "+44 77•• ••• 117");
    let (_, content) = read(house.get(&format!("{own}/content")).key(KEY).send().await.unwrap()).await;
    assert_eq!(content, json!({"to": "+447700900117", "text": "Hello"}));
    let (_, list) =
        read(house.get("/api/v1/workspaces/demo/messages?to=%2B447700900117").key(KEY).send().await.unwrap()).await;
    assert_eq!(list["items"][0]["id"], umid);
    assert_eq!(read(house.get(&format!("{own}/content")).key(READER).send().await.unwrap()).await.0, 403);
}

/// What we decide against is a 200 with REJECTED, as clients of that API expect.
#[tokio::test]
async fn what_has_no_route_is_rejected_inside_a_200() {
    let house = House::new().await;
    for order in [
        json!({"destination": "+14155550100", "text": "Hello"}),
        json!({"destination": "+447700900117", "text": "Hello", "expiry": "2020-01-01T00:00:00Z"}),
    ] {
        let (status, answer) = read(house.post(MESSAGES, &order).key(KEY).send().await.unwrap()).await;
        assert_eq!((status, &answer["status"]["code"]), (200, &json!("REJECTED")), "{answer}");
        assert!(answer["status"]["description"].as_str().is_some_and(|words| !words.is_empty()));
    }
}

/// Each 4xx has the envelope, whoever made it: the gate, the reader or the room.
#[tokio::test]
async fn every_failure_has_the_envelope() {
    let house = House::new().await;
    let mut shown = Vec::new();
    let order = json!({"destination": "+447700900117", "text": "Hello"});
    let mut send =
        async |request: reqwest::RequestBuilder| shown.push(envelope(read(request.send().await.unwrap()).await));
    send(house.post(MESSAGES, &order)).await;
    send(house.post(MESSAGES, &order).key(READER)).await;
    send(house.post("/api/v1/subaccounts/other/messages", &order).key(KEY)).await;
    send(house.post(MESSAGES, &json!({"destination": "0770", "text": "Hello"})).key(KEY)).await;
    send(house.post(MESSAGES, &json!({"destination": "+447700900117", "text": ""})).key(KEY)).await;
    send(house.post(MESSAGES, &json!({"destination": "+447700900117", "text": "ж", "encoding": "GSM7"})).key(KEY))
        .await;
    send(house.post(MESSAGES, &json!([1])).key(KEY)).await;
    send(house.request(reqwest::Method::POST, MESSAGES).body("x").key(KEY)).await;
    send(house.get(&format!("{MESSAGES}/nonsense")).key(KEY)).await;
    send(house.get(&format!("{MESSAGES}/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")).key(KEY)).await;
    send(house.request(reqwest::Method::PUT, MESSAGES).key(KEY)).await;
    send(house.get("/api/v1/subaccounts/demo/nothing").key(KEY)).await;
    insta::assert_json_snapshot!("envelopes", shown);
}
