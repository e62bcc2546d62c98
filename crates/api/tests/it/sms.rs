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

/// The address of the person behind a message is kept sealed and shown masked; whole to those who may read content, and gone
/// with the rest when the message is erased.
#[tokio::test]
async fn where_the_person_is_is_kept_and_masked() {
    let house = House::new().await;
    let order = json!({"destination": "+447700900117", "text": "Hello", "clientIp": "192.0.2.77"});
    let response = house.post(MESSAGES, &order).key(KEY).send().await.unwrap();
    assert!(!response.headers().contains_key("x-ignored-fields"));
    let (_, sent) = read(response).await;
    let (path, own) = (format!("{MESSAGES}/{}", sent["umid"].as_str().unwrap()), "/api/v1/workspaces/demo/messages");
    let own = format!("{own}/{}", sent["umid"].as_str().unwrap());
    let (_, details) = read(house.get(&path).key(KEY).send().await.unwrap()).await;
    assert_eq!(details["clientIp"], "192.0.2.x");
    let (_, masked) = read(house.get(&own).key(KEY).send().await.unwrap()).await;
    assert_eq!(masked["clientIp"], "192.0.2.•");
    let (_, content) = read(house.get(&format!("{own}/content")).key(KEY).send().await.unwrap()).await;
    assert_eq!(content["clientIp"], "192.0.2.77");
    let batch = json!({"clientIp": "2001:db8:7::1", "includeMessagesInResponse": true, "messages": [
        {"destination": "+447700900117", "text": "a"}, {"destination": "+447700900118", "text": "b", "clientIp": "198.51.100.4"},
    ]});
    let (_, many) = read(house.post(BATCH, &batch).key(KEY).send().await.unwrap()).await;
    for (at, shown) in [(0, "2001:db8:7:x"), (1, "198.51.100.x")] {
        let umid = many["messages"][at]["umid"].as_str().unwrap();
        let (_, details) = read(house.get(&format!("{MESSAGES}/{umid}")).key(KEY).send().await.unwrap()).await;
        assert_eq!(details["clientIp"], shown);
    }
    let wrong = json!({"clientIp": "x", "destinations": ["+447700900117"], "template": {"text": "Hi"}});
    let (status, refused) = read(house.post(BATCH, &wrong).key(KEY).send().await.unwrap()).await;
    assert_eq!((status, &refused["code"]), (400, &json!(1012)), "{refused}");
    for _ in 0..200 {
        house.request(reqwest::Method::DELETE, &format!("{path}/pii")).key(KEY).send().await.unwrap();
        let (_, details) = read(house.get(&path).key(KEY).send().await.unwrap()).await;
        if details["clientIp"] == "" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it is still there");
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

const BATCH: &str = "/api/v1/subaccounts/demo/messages/batch";

#[tokio::test]
async fn both_forms_of_a_batch_are_taken_and_each_item_answers_for_itself() {
    let house = House::new().await;
    let body = json!({
        "clientBatchId": "b-1", "includeMessagesInResponse": true, "colour": 1,
        "template": {"text": "shared"},
        "messages": [
            {"destination": "+447700900117"}, {"destination": "447700900118", "text": "own", "clientMessageId": "m-2"},
            {"destination": "0770"}, {"destination": "+447700900119", "text": "x".repeat(1531)}, 7,
            {"destination": "+14155550100"}, {"destination": "+447700900117", "expiry": "2020-01-01T00:00:00Z", "size": 1},
        ],
    });
    let response = house.post(BATCH, &body).key(KEY).send().await.unwrap();
    assert_eq!(response.headers()["x-ignored-fields"], "colour, size");
    let (status, mut answer) = read(response).await;
    assert_eq!(status, 200, "{answer}");
    let batch = answer["batchId"].as_str().unwrap().to_owned();
    let first = answer["messages"][0]["umid"].as_str().unwrap().to_owned();
    answer["batchId"] = "[id]".into();
    for message in answer["messages"].as_array_mut().unwrap() {
        assert_eq!(message["umid"].as_str().unwrap().len(), 36);
        message["umid"] = "[id]".into();
    }
    insta::assert_json_snapshot!("batch", answer);
    let (_, details) = read(house.get(&format!("{MESSAGES}/{first}")).key(KEY).send().await.unwrap()).await;
    assert_eq!((&details["batchId"], &details["clientBatchId"]), (&json!(batch), &json!("b-1")));
    // Why each was rejected is still known when the answer is gone.
    let (_, seen) = read(house.get(&format!("{BATCH}/{batch}")).key(KEY).send().await.unwrap()).await;
    let why: Vec<_> =
        seen["rejections"].as_array().unwrap().iter().map(|one| (one["index"].clone(), one["field"].clone())).collect();
    let expected =
        [(2, json!("destination")), (3, json!("text")), (4, json!("messages")), (5, json!(null)), (6, json!("expiry"))];
    assert_eq!(why, expected.map(|(index, field)| (json!(index), field)), "{seen}");
    assert!(seen["rejections"][1]["reason"].as_str().unwrap().contains("(3006)"), "{seen}");
    assert!(!seen.to_string().contains("0770"), "no number and no text");
    assert_eq!(details["clientMessageId"], "b-1/1");
    // Numbers for one text, on the oldest path, without the messages in the answer.
    let body = json!({"destinations": ["+447700900117", "+447700900118", "x"], "template": {"text": "Hello"}});
    let (status, answer) = read(house.post("/sms/v1/demo/many/compact", &body).key(KEY).send().await.unwrap()).await;
    assert_eq!((status, &answer["acceptedCount"], &answer["rejectedCount"]), (200, &json!(2), &json!(1)), "{answer}");
    assert_eq!((&answer["messages"], &answer["clientBatchId"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn a_batch_of_ten_thousand_is_one_request_and_its_answer_is_given_again() {
    let house = House::new().await;
    let numbers: Vec<_> = (0..10_000).map(|n| format!("+4477009{n:05}")).collect();
    let body = json!({"destinations": numbers, "template": {"text": "Hello"}, "includeMessagesInResponse": true});
    let send = || house.post(BATCH, &body).header("idempotency-key", "ten-thousand").key(KEY).send();
    let (status, first) = read(send().await.unwrap()).await;
    assert_eq!((status, &first["acceptedCount"]), (200, &json!(10_000)));
    assert_eq!(first["messages"].as_array().unwrap().len(), 10_000);
    assert_eq!(read(send().await.unwrap()).await.1, first);
    let list = "/api/v1/workspaces/demo/messages?limit=1&batch=";
    let (_, page) =
        read(house.get(&format!("{list}{}", first["batchId"].as_str().unwrap())).key(KEY).send().await.unwrap()).await;
    assert_eq!(page["items"][0]["batch"], first["batchId"]);
}

/// Nothing is lost silently: a mistake in the syntax behind good messages refuses the whole, and nothing was taken.
#[tokio::test]
async fn a_batch_with_broken_syntax_takes_nothing() {
    let house = House::new().await;
    let mut body = json!({"messages": [{"destination": "+447700900117", "text": "a"}]}).to_string();
    body.insert_str(body.len() - 2, ",{\"destination\": }");
    let request = house.request(reqwest::Method::POST, BATCH).header("content-type", "application/json").body(body);
    let (status, answer) = read(request.key(KEY).send().await.unwrap()).await;
    assert_eq!((status, &answer["code"]), (400, &json!(1000)), "{answer}");
    let (_, list) = read(house.get("/api/v1/workspaces/demo/messages").key(KEY).send().await.unwrap()).await;
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn what_waits_is_cancelled_and_what_is_gone_is_not() {
    let house = House::new().await;
    let later = (house.db.context().now().plus(std::time::Duration::from_hours(24))).rfc3339();
    let order = json!({"destination": "+447700900117", "text": "later", "scheduled": later});
    let (_, sent) = read(house.post("/sms/v1/demo/single", &order).key(KEY).send().await.unwrap()).await;
    let path = format!("{MESSAGES}/{}", sent["umid"].as_str().unwrap());
    let delete = |path: &str| house.request(reqwest::Method::DELETE, path).key(KEY).send();
    assert_eq!(read(delete(&path).await.unwrap()).await, (200, json!({"cancelledCount": 1})));
    let mut shown = vec![envelope(read(delete(&path).await.unwrap()).await)];
    let (_, details) = read(house.get(&path).key(KEY).send().await.unwrap()).await;
    assert_eq!((&details["status"]["state"], &details["status"]["errorCode"]), (&json!("failed"), &json!(20)));
    let body =
        json!({"destinations": ["+447700900117", "+447700900118"], "template": {"text": "later", "scheduled": later}});
    let (_, batch) = read(house.post(BATCH, &body).key(KEY).send().await.unwrap()).await;
    let path = format!("{BATCH}/{}", batch["batchId"].as_str().unwrap());
    assert_eq!(read(delete(&path).await.unwrap()).await, (200, json!({"cancelledCount": 2})));
    assert_eq!(read(delete(&path).await.unwrap()).await, (200, json!({"cancelledCount": 0})));
    let unknown = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    for path in
        [format!("{MESSAGES}/{unknown}"), format!("{BATCH}/{unknown}"), format!("{BATCH}/x"), format!("{MESSAGES}/x")]
    {
        shown.push(envelope(read(delete(&path).await.unwrap()).await));
    }
    insta::assert_json_snapshot!("not_cancelled", shown);
}

/// What refuses a request, each with that API's number.
#[tokio::test]
async fn each_limit_has_its_number() {
    let house = House::new().await;
    let base = || json!({"destination": "+447700900117", "text": "Hello"});
    let with = |field: &str, value: Value| {
        let mut body = base();
        body[field] = value;
        body
    };
    let mut codes = Vec::new();
    for (path, body) in [
        (MESSAGES, with("text", "x".repeat(1531).into())),
        (MESSAGES, with("source", "x".repeat(18).into())),
        (MESSAGES, with("source", "not a sender!".into())),
        (MESSAGES, with("clientMessageId", "x".repeat(351).into())),
        (MESSAGES, with("encoding", "GSM8".into())),
        (MESSAGES, with("country", "XX".into())),
        (MESSAGES, with("expiry", "soon".into())),
        (MESSAGES, with("scheduled", "2999-01-01T00:00:00Z".into())),
        (MESSAGES, with("clientIp", "x".into())),
        (MESSAGES, with("class", "flash".into())),
        (BATCH, json!({})),
        (BATCH, json!({"messages": vec![0; 10_001]})),
        (BATCH, json!({"clientBatchId": "x".repeat(21), "messages": [base()]})),
        (BATCH, json!({"destinations": ["+447700900117"]})),
    ] {
        let (status, answer) = read(house.post(path, &body).key(KEY).send().await.unwrap()).await;
        codes.push(json!([status, answer["code"], answer["message"]]));
    }
    insta::assert_json_snapshot!("limits", codes);
    // The caller's own id may have all of that API's 350 characters.
    let (_, taken) =
        read(house.post(MESSAGES, &with("clientMessageId", "x".repeat(350).into())).key(KEY).send().await.unwrap())
            .await;
    assert_eq!(taken["status"]["code"], "QUEUED", "{taken}");
}

/// E-08, X-06: a key that may send may not send alerts without that scope, and no session comes of it.
#[tokio::test]
async fn x_06_a_key_sends_and_gets_no_session() {
    let house = House::new().await;
    let order = json!({"destination": "+447700900117", "text": "Hello", "class": "alert"});
    let response = house.post(MESSAGES, &order).key(KEY).send().await.unwrap();
    assert!(response.headers().get("set-cookie").is_none());
    assert_eq!(read(response).await.1["status"]["code"], "QUEUED");
    let response = house.post(MESSAGES, &order).key(super::house::SENDER).send().await.unwrap();
    let (status, refused) = read(response).await;
    assert_eq!((status, &refused["code"]), (403, &json!(1201)), "{refused}");
}

#[tokio::test]
async fn a_message_is_looked_at_before_it_is_sent() {
    let house = House::new().await;
    let path = "/api/v1/workspaces/demo/messages/preview";
    let asked = json!({"text": "It’s “here”", "destination": "07700900117", "country": "GB"});
    let (status, seen) = read(house.post(path, &asked).key(KEY).send().await.unwrap()).await;
    assert_eq!(status, 200, "{seen}");
    insta::assert_json_snapshot!("preview", seen);
    let (_, list) = read(house.get("/api/v1/workspaces/demo/messages").key(KEY).send().await.unwrap()).await;
    assert_eq!(list["items"], json!([]), "nothing is sent by looking");
    let long = json!({"text": "x".repeat(1531), "destination": "+14155550100"});
    let (_, seen) = read(house.post(path, &long).key(KEY).send().await.unwrap()).await;
    assert_eq!(
        (&seen["parts"], &seen["tooLong"], &seen["route"]["accepted"]),
        (&json!(11), &json!(true), &json!(false))
    );
    for (field, value) in
        [("destination", "12"), ("country", "Britain"), ("class", "flash"), ("encoding", "x"), ("source", "+1")]
    {
        let mut body = json!({"text": "Hi", "destination": "+447700900117"});
        body[field] = value.into();
        let (status, refused) = read(house.post(path, &body).key(KEY).send().await.unwrap()).await;
        assert_eq!((status, &refused["field"]), (400, &json!(field)), "{refused}");
    }
    assert_eq!(read(house.post(path, &asked).key(READER).send().await.unwrap()).await.0, 403);
}

#[tokio::test]
async fn numbers_and_texts_are_erased_and_feedback_is_kept() {
    let house = House::new().await;
    let order = json!({"destination": "+447700900117", "text": "Hello"});
    let (_, sent) = read(house.post(MESSAGES, &order).key(KEY).send().await.unwrap()).await;
    let umid = sent["umid"].as_str().unwrap();
    let (path, own) = (format!("{MESSAGES}/{umid}"), format!("/api/v1/workspaces/demo/messages/{umid}"));
    for _ in 0..200 {
        let (_, seen) = read(house.get(&own).key(KEY).send().await.unwrap()).await;
        if seen["state"] == "sent" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let feedback = |body: Value| house.post(&format!("{path}/feedback"), &body).key(KEY).send();
    assert_eq!(
        feedback(json!({"outcome": "success", "timestamp": "2026-10-23T01:13:00Z"})).await.unwrap().status(),
        200
    );
    assert_eq!(read(feedback(json!({"outcome": "maybe"})).await.unwrap()).await.1["code"], 1000);
    let erase = |key: &'static str| house.request(reqwest::Method::DELETE, &format!("{path}/pii")).key(key).send();
    assert_eq!(erase(super::house::SENDER).await.unwrap().status(), 403);
    assert_eq!(erase(KEY).await.unwrap().status(), 202);
    let (_, shown) = read(house.get(&own).key(KEY).send().await.unwrap()).await;
    assert_eq!(shown["to"], "erased");
    let told: Vec<_> = shown["history"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert!(told.contains(&"feedback") && told.contains(&"erased"), "{told:?}");
    assert_eq!(read(house.get(&path).key(KEY).send().await.unwrap()).await.1["msisdn"], "");
    assert_eq!(read(house.get(&format!("{own}/content")).key(KEY).send().await.unwrap()).await.1["code"], "erased");
    let found = "/api/v1/workspaces/demo/messages?to=%2B447700900117";
    assert_eq!(read(house.get(found).key(KEY).send().await.unwrap()).await.1["items"], json!([]));
}

#[tokio::test]
async fn messages_are_written_out_by_a_job_and_read_with_the_same_key() {
    let house = House::new().await;
    let batch = json!({"clientBatchId": "=b", "destinations": ["+447700900117", "+447700900118"], "template": {"text": "Hello"}});
    assert_eq!(house.post(BATCH, &batch).key(KEY).send().await.unwrap().status(), 200);
    let exports = format!("{MESSAGES}/exports");
    let start = |body: Value| house.post(&exports, &body).key(KEY).send();
    let today = &house.db.context().now().rfc3339()[..10];
    let (status, started) = read(start(json!({"from": today, "to": today})).await.unwrap()).await;
    assert_eq!(status, 202, "{started}");
    let job = format!("{exports}/{}", started["jobId"].as_str().unwrap());
    assert_eq!(read(house.get(&job).key(KEY).send().await.unwrap()).await.1["status"], "queued");
    let worker = house.api.messaging.work(store::Worker::new(house.db.clone()), api::LINES);
    worker.drain().await.unwrap();
    let (_, done) = read(house.get(&job).key(KEY).send().await.unwrap()).await;
    assert_eq!((&done["status"], &done["rows"]), (&json!("succeeded"), &json!(2)), "{done}");
    let link = done["data"][0].as_str().unwrap().strip_prefix("https://pager.example.com").unwrap().to_owned();
    let response = house.get(&link).key(KEY).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = response.text().await.unwrap();
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("umid,subaccountid,direction,country,") && lines.len() == 3, "{csv}");
    assert!(
        lines[1].contains(",demo,1,GB,") && lines[1].contains("4477xxxxxxxx") && lines[1].contains("\"'=b\""),
        "{csv}"
    );
    assert_eq!(house.get(&link).send().await.unwrap().status(), 401, "the link wants the same authorisation");
    assert_eq!(house.get(&link).key(super::house::SENDER).send().await.unwrap().status(), 403);
    let delete = || house.request(reqwest::Method::DELETE, &job).key(KEY).send();
    assert_eq!(delete().await.unwrap().status(), 204);
    let (status, gone) = read(delete().await.unwrap()).await;
    assert_eq!((status, &gone["code"]), (404, &json!(4018)));
    let (_, none) = read(start(json!({"from": "2020-01-01", "to": "2020-01-02"})).await.unwrap()).await;
    worker.drain().await.unwrap();
    let (_, empty) =
        read(house.get(&format!("{exports}/{}", none["jobId"].as_str().unwrap())).key(KEY).send().await.unwrap()).await;
    assert_eq!((&empty["status"], &empty["data"]), (&json!("empty"), &json!(null)));
    for wrong in [
        json!({"from": "soon"}),
        json!({"from": "2026-10-02", "to": "2026-10-01"}),
        json!({"phoneNumber": "1"}),
        json!({"countries": ["Britain"]}),
    ] {
        assert_eq!(start(wrong).await.unwrap().status(), 400);
    }
    for _ in 0..5 {
        start(json!({})).await.unwrap();
    }
    let response = start(json!({})).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (429, true));
}
