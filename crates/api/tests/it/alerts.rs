//! Alerts by number and id, and their answers.

use serde_json::json;

use super::house::{House, KEY, Proves, READER, json as read};

const ALERTS: &str = "/api/v1/workspaces/demo/alerts";

#[tokio::test]
async fn an_alert_is_listed_read_and_answered() {
    let house = House::new().await;
    let opened = house.open("Disk full").await;
    let name = format!("A-{}", opened.number);
    let get = async |path: String| read(house.get(&path).key(KEY).send().await.unwrap()).await;
    let (_, list) = get(format!("{ALERTS}?state=open&state=acknowledged")).await;
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["state"], &list["next"]),
        (&json!(name), &json!("open"), &json!(null))
    );
    for way in [name.clone(), opened.number.to_string(), opened.id.to_string()] {
        let (status, alert) = get(format!("{ALERTS}/{way}")).await;
        assert_eq!((status, &alert["title"], &alert["text"]), (200, &json!("Disk full"), &json!("All of it")), "{way}");
        assert!(alert["opened"].as_str().unwrap().ends_with('Z'));
    }
    let answer = async |verb: &str, body: serde_json::Value| {
        let request = house.request(reqwest::Method::POST, &format!("{ALERTS}/{name}/{verb}")).key(KEY);
        let request = if body.is_null() { request } else { request.json(&body) };
        read(request.send().await.unwrap()).await
    };
    let (status, answered) = answer("acknowledge", json!(null)).await;
    assert_eq!(
        (status, &answered["outcome"], &answered["state"]),
        (200, &json!("acknowledged"), &json!("acknowledged")),
        "{answered}"
    );
    let (status, answered) = answer("resolve", json!({"note": "Disk changed"})).await;
    assert_eq!((status, &answered["outcome"]), (200, &json!("resolved")), "{answered}");
    assert_eq!(answer("resolve", json!({"notes": "x"})).await.0, 400, "unknown fields are refused");
    let (_, alert) = get(format!("{ALERTS}/{name}")).await;
    assert_eq!((&alert["note"], &alert["closedBy"]["via"]), (&json!("Disk changed"), &json!("api")), "{alert}");
    let (_, timeline) = get(format!("{ALERTS}/{name}/timeline")).await;
    assert!(timeline["items"].as_array().unwrap().len() >= 3, "{timeline}");
    for missing in ["A-999999", "nonsense", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"] {
        assert_eq!(get(format!("{ALERTS}/{missing}")).await.0, 404, "{missing}");
    }
    let reader = house.request(reqwest::Method::POST, &format!("{ALERTS}/{name}/acknowledge")).key(READER);
    assert_eq!(reader.send().await.unwrap().status(), 403);
    let (status, problem) = get(format!("{ALERTS}?colour=red")).await;
    assert_eq!((status, &problem["field"]), (400, &json!("colour")));
}

/// Each opening and each joining by a caller is in the audit log once.
#[tokio::test]
async fn what_a_caller_opens_or_joins_is_audited_once() {
    let house = House::new().await;
    let body = json!({"title": "Disk full", "priority": "high", "group": "on-call", "key": "disk/db-1"});
    for joined in [false, true] {
        let request = house.post(ALERTS, &body).administrator(&house).header("sec-fetch-site", "same-origin");
        let (status, opened) = read(request.send().await.unwrap()).await;
        assert_eq!((status, &opened["joined"]), (201, &json!(joined)), "{opened}");
    }
    let log = house.get("/api/v1/workspaces/demo/audit?action=alert.open").administrator(&house);
    let (_, log) = read(log.send().await.unwrap()).await;
    let items = log["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{log}");
    assert_eq!(items[0]["changes"], json!({"joined": true}));
    assert_eq!(items[1]["changes"]["priority"], "high");
}

#[tokio::test]
async fn who_is_on_call_is_shown_without_logins() {
    let house = House::new().await;
    let (status, groups) =
        read(house.get("/api/v1/workspaces/demo/on-call/groups").key(KEY).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&groups["items"][0]["name"], &groups["items"][0]["plan"][0]["person"]),
        (&json!("on-call"), &json!("Dina Sample"))
    );
    assert!(!groups.to_string().contains('@'), "{groups}");
    let (status, runs) = read(house.get("/api/v1/workspaces/demo/runs").key(KEY).send().await.unwrap()).await;
    assert_eq!((status, runs), (200, json!({"items": [], "next": null})));
}
