//! `Idempotency-Key` on every route that changes something: one effect, one answer (security.md: 255 characters, 48 hours,
//! another body 422, in flight 409).

use reqwest::Method;
use serde_json::{Value, json};

use super::document::operations;
use super::house::{House, KEY, Proves, json as read};

const ALERTS: &str = "/api/v1/workspaces/demo/alerts";
const SMS: &str = "/api/v1/subaccounts/demo/messages";

impl House {
    async fn keyed(&self, path: &str, key: &str, body: &Value) -> (u16, bool, Value) {
        let request = self.post(path, body).key(KEY).header("idempotency-key", key);
        let answer = request.send().await.unwrap();
        let again = answer.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        let (status, body) = read(answer).await;
        (status, again, body)
    }

    async fn count(&self, path: &str) -> usize {
        read(self.get(path).key(KEY).send().await.unwrap()).await.1["items"].as_array().unwrap().len()
    }
}

fn sms(text: &str) -> Value {
    json!({"destination": "+447700900117", "text": text, "colour": "red"})
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_one_effect() {
    let house = House::new().await;
    let (status, again, first) = house.keyed(SMS, "order-7", &sms("Hi")).await;
    assert_eq!((status, again), (200, false), "{first}");
    let second = house.keyed(SMS, "order-7", &sms("Hi")).await;
    assert_eq!(second, (200, true, first.clone()));
    assert_eq!(house.count("/api/v1/workspaces/demo/messages").await, 1);
    let answer = house.post(SMS, &sms("Hi")).key(KEY).header("idempotency-key", "order-7").send().await.unwrap();
    assert_eq!(answer.headers()["x-ignored-fields"], "colour", "the answer's own headers come again");

    let (status, _, other) = house.keyed(SMS, "order-7", &sms("Another text")).await;
    assert_eq!((status, &other["code"]), (422, &json!(1000)), "the SMS API has its own envelope: {other}");
    let (_, _, third) = house.keyed(SMS, "order-8", &sms("Hi")).await;
    assert_ne!(third["umid"], first["umid"]);
    let found = "/api/v1/workspaces/demo/messages?to=%2B447700900117";
    assert_eq!(house.count(found).await, 2);
}

#[tokio::test]
async fn keys_have_a_shape_and_failures_are_not_kept() {
    let house = House::new().await;
    for wrong in ["", "with space", &"x".repeat(256)] {
        let (status, _, problem) = house.keyed(ALERTS, wrong, &json!({})).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-idempotency-key")), "{wrong:?}");
    }
    let longest = "x".repeat(255);
    let (status, again, _) = house.keyed(SMS, &longest, &json!({"text": "no number"})).await;
    assert_eq!((status, again), (400, false));
    let (status, again, _) = house.keyed(SMS, &longest, &sms("Now with one")).await;
    assert_eq!((status, again), (200, false), "what had no effect may be sent again, mended");
}

/// Another caller's key is another key, and a key of one workspace is none of another.
#[tokio::test]
async fn a_key_belongs_to_its_caller() {
    let house = House::new().await;
    let opened = house.open("Disk full").await;
    let path = format!("{ALERTS}/A-{}/acknowledge", opened.number);
    let program = house.keyed(&path, "k", &json!(null)).await;
    assert!(!program.1, "{program:?}");
    let person = house.request(Method::POST, &path).administrator(&house).header("content-type", "application/json");
    let answer = person.header("idempotency-key", "k").send().await.unwrap();
    assert!(!answer.headers().contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let house = std::sync::Arc::new(House::new().await);
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let house = std::sync::Arc::clone(&house);
            tokio::spawn(async move { house.keyed(SMS, "at-once", &sms("Hi")).await })
        })
        .collect();
    let mut done = 0;
    for one in tries {
        let (status, again, body) = one.await.unwrap();
        assert!(matches!(status, 200 | 409), "{status} {body}");
        done += usize::from(status == 200 && !again);
    }
    assert_eq!(done, 1);
    assert_eq!(house.count("/api/v1/workspaces/demo/messages").await, 1);
}

/// A secret is shown once, whatever key the request had (E-08).
#[tokio::test]
async fn e_08_an_answer_with_a_secret_is_not_kept() {
    let house = House::new().await;
    let send = async || {
        let body = json!({"name": "fresh", "scopes": ["messages:send"]});
        let request = house.post("/api/v1/workspaces/demo/keys", &body).administrator(&house);
        read(request.header("idempotency-key", "once").send().await.unwrap()).await
    };
    let (status, made) = send().await;
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().unwrap().to_owned();
    let (status, again) = send().await;
    assert_eq!((status, &again["code"]), (409, &json!("secret-shown-once")), "{again}");
    assert!(again["requestId"].is_string() && again["instance"].is_string(), "{again}");
    // It stays so: nothing is made by asking a third time.
    assert_eq!(send().await.0, 409);
    let kept: Vec<String> =
        house.db.read(|tx| tx.query("SELECT answer FROM kept_answers", &[], |row| row.get::<String>(0))).await.unwrap();
    assert!(
        kept.len() == 1 && !kept[0].contains(&token) && !kept[0].contains("secret-shown"),
        "sealed, and without it"
    );
}

/// Every route that changes something honours the key: sent twice with the example of its body, it is either refused both times
/// or done once and answered again.
#[tokio::test]
async fn every_unsafe_route_keeps_its_answers() {
    let house = House::new().await;
    let opened = house.open("Disk full").await;
    let document = house.app.document().json();
    let (mut honoured, mut refused) = (Vec::new(), Vec::new());
    for (method, path, operation) in operations(document) {
        let header =
            operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "Idempotency-Key");
        if !header {
            continue;
        }
        let filled = path
            .replace("{workspace}", "demo")
            .replace("{alert}", &format!("A-{}", opened.number))
            .replace("{integration}", &house.integration)
            .replace("{kind}", "groups")
            .replace("{name}", if path.contains("resources") { "on-call" } else { "reader" });
        let example = operation["requestBody"]["content"]["application/json"].get("example").cloned();
        let send = async || {
            let verb: Method = method.to_ascii_uppercase().parse().unwrap();
            let request = house.request(verb, &filled);
            let request = match &example {
                Some(body) => request.json(body),
                None => request.header("content-type", "application/json"),
            };
            let door_of_keys = path.contains("subaccounts");
            let request = if door_of_keys { request.key(KEY) } else { request.administrator(&house) };
            let answer = request.header("idempotency-key", format!("{method}-{filled}")).send().await.unwrap();
            let again = answer.headers().contains_key("idempotent-replayed");
            let (status, body) = read(answer).await;
            (status, again, body)
        };
        let (first, second) = (send().await, send().await);
        let place = format!("{method} {path}");
        if first.0 < 300 {
            assert!(second.1, "{place}: {first:?} and then {second:?}");
            assert!(
                second.2 == first.2 || second.2["code"] == "secret-shown-once",
                "{place}: {first:?} and then {second:?}"
            );
            honoured.push(place);
        } else {
            assert_eq!((first.0, second.1), (second.0, false), "{place}: {first:?} and then {second:?}");
            refused.push(format!("{place}: {} {}", first.0, first.2["code"]));
        }
    }
    assert!(honoured.len() >= 9, "{honoured:#?}\nrefused: {refused:#?}");
}
