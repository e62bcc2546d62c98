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

/// A deletion names its change like every other change, in the address: it has no body.
#[tokio::test]
async fn e_15_a_deletion_in_a_controlled_workspace_names_its_change() {
    let house = House::new().await;
    let grants = access::Grants::of_operator(super::house::operator());
    let permit: access::OrganisationPermit<access::cap::ResourcesApply> = grants.permit_organisation().unwrap();
    let apply = async |yaml: &str| {
        let document = resources::Parsed::yaml(yaml, house.api.resources.registry()).unwrap();
        let document = document.resolve(&super::house::Secrets).unwrap();
        house.api.resources.apply(&permit, document, resources::ApplyOptions::default()).await.unwrap();
    };
    let workspaces = |controlled: bool| {
        format!(
            "workspaces:\n  - {{slug: demo, environment: production, controlled: {controlled}}}\n  - {{slug: other, environment: development}}\n"
        )
    };
    let client = json!({"name": "app", "scopes": ["alerts:read"], "audiences": ["api"]});
    let clients = "/api/v1/workspaces/demo/oauth-clients";
    let made = house.post(KEYS, &json!({"name": "ci", "scopes": ["alerts:read"]})).administrator(&house).send().await;
    assert_eq!(made.unwrap().status(), 201);
    assert_eq!(house.post(clients, &client).administrator(&house).send().await.unwrap().status(), 201);
    apply(&workspaces(true)).await;
    for path in [format!("{KEYS}/ci"), format!("{clients}/app")] {
        let delete =
            |query: &str| house.request(Method::DELETE, &format!("{path}{query}")).administrator(&house).send();
        for (query, status, code) in [
            ("", 403, "change-reference-needed"),
            ("?reason=tidying", 403, "change-reference-needed"),
            ("?change=no", 400, "bad-change-reference"),
            ("?changes=CHG-1042", 400, "invalid-query"),
        ] {
            let (given, problem) = read(delete(query).await.unwrap()).await;
            assert_eq!((given, &problem["code"]), (status, &json!(code)), "{path}{query}: {problem}");
        }
        assert_eq!(delete("?change=CHG-1042&reason=tidying").await.unwrap().status(), 204, "{path}");
    }
    // A person belongs to the organisation, where none is asked for; one that is given is written down.
    let new = json!({"name": "Eve Sample", "login": "eve@example.com", "change": "CHG-7"});
    let (status, eve) = read(house.post("/api/v1/people", &new).administrator(&house).send().await.unwrap()).await;
    assert_eq!(status, 201, "{eve}");
    let path = format!("/api/v1/people/{}", eve["id"].as_str().unwrap());
    let changed = house.post(&path, &json!({"name": "Eve", "change": "CHG-8"})).administrator(&house).send().await;
    assert_eq!(changed.unwrap().status(), 200);
    let delete = |query: &str| house.request(Method::DELETE, &format!("{path}{query}")).administrator(&house).send();
    assert_eq!(delete("?change=no").await.unwrap().status(), 400);
    assert_eq!(delete("?change=CHG-9&reason=left").await.unwrap().status(), 204);
    let audit = house.get("/api/v1/audit?action=resource.&limit=5").administrator(&house);
    let (_, list) = read(audit.send().await.unwrap()).await;
    let said = |at: usize| {
        let one = &list["items"][at];
        [&one["action"], &one["target"]["type"], &one["ticket"], &one["reason"]]
            .map(|text| text.as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(said(0), ["resource.delete", "users", "CHG-9", "left"]);
    assert_eq!(said(1), ["resource.change", "users", "CHG-8", "-"]);
    assert_eq!(said(2), ["resource.create", "users", "CHG-7", "-"]);
    assert_eq!(said(3), ["resource.delete", "oauth_clients", "CHG-1042", "tidying"]);
    assert_eq!(said(4), ["resource.delete", "api_keys", "CHG-1042", "tidying"]);
}
