//! Configuration and the audit log over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, KEY, Proves, json as read};

/// A list stands for all entries of its kind there, so the group of the house is in it too.
fn group(delay: u32) -> Value {
    let members = |delay| json!([{"user": "dina@example.com", "delay_seconds": delay}]);
    json!({"groups": [
        {"workspace": "demo", "name": "on-call", "members": members(0)},
        {"workspace": "demo", "name": "night", "members": members(delay)},
    ]})
}

#[tokio::test]
async fn a_file_is_planned_applied_exported_and_taken_back() {
    let house = House::new().await;
    let post =
        async |path: &str, body: &Value| read(house.post(path, body).administrator(&house).send().await.unwrap()).await;
    let (status, planned) = post("/api/v1/resources/plan", &group(0)).await;
    assert_eq!(
        (status, &planned["dryRun"], &planned["changes"][0]["outcome"]),
        (200, &json!(true), &json!("created")),
        "{planned}"
    );
    let history = "/api/v1/resources/groups/night/history?workspace=demo";
    assert_eq!(house.get(history).administrator(&house).send().await.unwrap().status(), 404, "a plan changes nothing");
    let (_, applied) = post("/api/v1/resources/apply?reason=night%20shift", &group(0)).await;
    assert_eq!((&applied["dryRun"], &applied["changes"][0]["key"]), (&json!(false), &json!("night")));
    let (_, again) = post("/api/v1/resources/apply", &group(0)).await;
    assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(2)), "idempotent");
    post("/api/v1/resources/apply", &group(60)).await;
    let (_, versions) = read(house.get(history).administrator(&house).send().await.unwrap()).await;
    assert_eq!(
        (&versions["items"][0]["version"], &versions["items"][1]["reason"]),
        (&json!(2), &json!("night shift")),
        "{versions}"
    );
    let (status, restored) =
        post("/api/v1/resources/groups/night/restore", &json!({"workspace": "demo", "version": 1})).await;
    assert_eq!((status, &restored["version"]), (200, &json!(3)), "{restored}");

    let response =
        house.get("/api/v1/resources/export?kind=groups&kind=api_keys").administrator(&house).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/yaml; charset=utf-8");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"loudhailer.yaml\"");
    let yaml = response.text().await.unwrap();
    assert!(yaml.contains("name: night") && yaml.contains("unchanged: true") && !yaml.contains(KEY), "{yaml}");
    // What was exported applies as it is.
    let request = house.request(Method::POST, "/api/v1/resources/apply").header("content-type", "application/yaml");
    let (status, applied) = read(request.body(yaml).administrator(&house).send().await.unwrap()).await;
    assert_eq!((status, &applied["changes"]), (200, &json!([])), "{applied}");
}

#[tokio::test]
async fn every_problem_of_a_file_is_listed() {
    let house = House::new().await;
    let body = json!({"groups": [
        {"workspace": "demo", "name": "a", "members": [], "size": 1},
        {"workspace": "demo", "name": "b", "members": [], "colour": "red"},
    ]});
    let (status, problem) =
        read(house.post("/api/v1/resources/apply", &body).administrator(&house).send().await.unwrap()).await;
    assert_eq!(status, 400, "{problem}");
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    assert!(errors.len() >= 2 && errors.iter().all(|error| error["field"].is_string()), "{problem}");
    let yaml = "api_keys:\n  - {workspace: demo, name: x, scopes: [\"alerts:read\"], token: {env: PATH}}\n";
    let request = house.request(Method::POST, "/api/v1/resources/apply").header("content-type", "application/yaml");
    let (status, problem) = read(request.body(yaml).administrator(&house).send().await.unwrap()).await;
    assert_eq!(status, 400, "the server reads none of its own variables for a file: {problem}");
}

#[tokio::test]
async fn a_key_of_a_workspace_configures_nothing() {
    let house = House::new().await;
    for request in [
        house.post("/api/v1/resources/apply", &group(0)),
        house.get("/api/v1/resources/export"),
        house.get("/api/v1/audit"),
    ] {
        assert_eq!(request.key(KEY).send().await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn the_audit_log_is_read_and_verified() {
    let house = House::new().await;
    let get = async |path: &str| read(house.get(path).administrator(&house).send().await.unwrap()).await;
    let (status, list) = get("/api/v1/audit?action=resource.&limit=5").await;
    assert_eq!(status, 200);
    let first = &list["items"][0];
    assert!(first["action"].as_str().unwrap().starts_with("resource."), "{first}");
    assert!(list["next"].is_string());
    let (_, rest) = get(&format!("/api/v1/audit?action=resource.&cursor={}", list["next"].as_str().unwrap())).await;
    assert_ne!(rest["items"][0]["id"], first["id"]);
    assert_eq!(get("/api/v1/audit?target=x").await.0, 400);
    assert_eq!(get("/api/v1/audit?outcome=odd").await.0, 400);
    let (_, own) = get("/api/v1/workspaces/demo/audit").await;
    assert!(own["items"].as_array().unwrap().iter().all(|entry| entry["workspace"].is_string()), "{own}");
    let verify = house.request(Method::POST, "/api/v1/audit/verify").administrator(&house).send().await.unwrap();
    let (status, verdict) = read(verify).await;
    assert_eq!((status, &verdict["verdict"]), (200, &json!("intact")), "{verdict}");
}
