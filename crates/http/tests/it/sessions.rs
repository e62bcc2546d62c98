use reqwest::StatusCode;

use super::stage::Stage;

const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody who proved nothing is led to the sign-in page and back, or told so in the API's words.
#[tokio::test]
async fn who_is_nobody_is_asked_to_sign_in() {
    let stage = Stage::new().await;
    let get = |path: &str| stage.client().get(stage.url(path));
    let response = get("/w/demo/alerts?state=open&q=a%20b").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "/sign-in?next=/w/demo/alerts%3Fstate%3Dopen%26q%3Da%2520b");
    let response = get("/w/demo/alerts").header("hx-request", "true").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["hx-redirect"], "/sign-in");
    let response = get("/api/v1/audit").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"loudhailer\"");
    for key in ["Bearer wrong", "Basic YTpi", "Bearer", "Bearer "] {
        let response = get("/api/v1/audit").header("authorization", key).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{key}");
    }
    let response = get("/w/demo/alerts").header("cookie", "__Host-sid=expired").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
}

/// X-18; ASVS 3.5.1-3.5.3: a request with a cookie that changes something needs our own page and the session's token.
#[tokio::test]
async fn x_18_cross_site_requests_change_nothing() {
    let stage = Stage::new().await;
    let url = stage.url("/w/demo/alerts/A-1/acknowledge");
    let origin = stage.origin();
    let post = |site: Option<&'static str>, body: &'static str, token: Option<&'static str>| {
        let mut request =
            stage.client().post(&url).header("cookie", "__Host-sid=s-operator").header("content-type", FORM);
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        request.body(body).send()
    };
    let own = Some("same-origin");
    assert_eq!(post(own, "csrf=csrf-operator&text=hi", None).await.unwrap().status(), 200);
    assert_eq!(post(own, "text=hi", Some("csrf-operator")).await.unwrap().text().await.unwrap(), "demo: hi");
    // The token is wrong, missing, twice, or somebody else's.
    for body in ["text=hi", "csrf=&text=hi", "csrf=csrf-observer&text=hi", "csrf=csrf-operator&csrf=x&text=hi"] {
        assert_eq!(post(own, body, None).await.unwrap().status(), 403, "{body}");
    }
    assert_eq!(post(own, "csrf=csrf-operator&text=hi", Some("wrong")).await.unwrap().status(), 403);
    // The page is not ours, whatever the token.
    for site in [Some("cross-site"), Some("same-site"), Some("none"), None] {
        assert_eq!(post(site, "csrf=csrf-operator&text=hi", None).await.unwrap().status(), 403, "{site:?}");
    }
    // A browser without Sec-Fetch-Site says its origin.
    for (value, expected) in [(origin.as_str(), 200), ("https://evil.example", 403), ("null", 403)] {
        let request = stage.client().post(&url).header("cookie", "__Host-sid=s-operator").header("content-type", FORM);
        let response = request.header("origin", value).body("csrf=csrf-operator&text=hi").send().await.unwrap();
        assert_eq!(response.status(), expected, "{value}");
    }
}

/// X-18: nobody can be logged in to a stranger's account by a stranger's page.
#[tokio::test]
async fn x_18_even_forms_before_log_in_must_come_from_our_page() {
    let stage = Stage::new().await;
    let post = || stage.client().post(stage.url("/sign-in")).header("content-type", FORM);
    assert_eq!(post().body("a=b").send().await.unwrap().status(), 403);
    assert_eq!(post().header("sec-fetch-site", "cross-site").body("a=b").send().await.unwrap().status(), 403);
    assert_eq!(post().header("sec-fetch-site", "same-origin").body("a=b").send().await.unwrap().status(), 200);
}

/// X-18: an identity provider's page has a browser post to the one place that says so, and to nothing beside it.
#[tokio::test]
async fn x_18_pages_of_others_post_where_it_says_so_and_nowhere_else() {
    let stage = Stage::new().await;
    let post = |path: &str| {
        let request = stage.client().post(stage.url(path)).header("content-type", FORM);
        request.header("sec-fetch-site", "cross-site").header("origin", "https://idp.example.com").body("a=b").send()
    };
    assert_eq!(post("/answers").await.unwrap().status(), 200);
    assert_eq!(post("/sign-in").await.unwrap().status(), 403);
}

/// X-18: the API takes a session too, by the same rules; with a key no cookie is needed and none is looked at.
#[tokio::test]
async fn x_18_the_api_with_a_session_wants_the_token_too() {
    let stage = Stage::new().await;
    let url = stage.url("/api/v1/workspaces/demo/notes");
    let post = || stage.client().post(&url).header("content-type", "application/json").body(r#"{"text":"hi"}"#);
    let session = || post().header("cookie", "__Host-sid=s-operator");
    assert_eq!(session().send().await.unwrap().status(), 403);
    assert_eq!(session().header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 403);
    let full = session().header("sec-fetch-site", "same-origin").header("x-csrf-token", "csrf-operator");
    assert_eq!(full.send().await.unwrap().status(), 200);
    assert_eq!(post().header("authorization", "Bearer k-demo").send().await.unwrap().status(), 200);
    // One request, one identity: a wrong key is not mended by a good cookie.
    let both = session().header("authorization", "Bearer wrong").header("sec-fetch-site", "same-origin");
    assert_eq!(both.header("x-csrf-token", "csrf-operator").send().await.unwrap().status(), 401);
}

/// X-06: each request to the API proves itself; no session is created, and the compatible doors read no cookie.
#[tokio::test]
async fn x_06_keys_make_no_session() {
    let stage = Stage::new().await;
    let client = stage.client();
    let post =
        |path: &str| client.post(stage.url(path)).header("content-type", "application/json").body(r#"{"text":"hi"}"#);
    for path in ["/api/v1/workspaces/demo/notes", "/api/v1/subaccounts/demo/messages"] {
        let response = post(path).header("authorization", "Bearer k-demo").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}");
        assert_eq!(post(path).send().await.unwrap().status(), 401, "the next request is nobody's again: {path}");
    }
    let cookie = post("/api/v1/subaccounts/demo/messages").header("cookie", "__Host-sid=s-administrator");
    let cookie = cookie.header("sec-fetch-site", "same-origin").header("x-csrf-token", "csrf-administrator");
    assert_eq!(cookie.send().await.unwrap().status(), 401);
    // A key is nothing at the console's door.
    let page = client.get(stage.url("/w/demo/alerts")).header("authorization", "Bearer k-demo").send().await.unwrap();
    assert_eq!(page.status(), 303);
}

/// A foreign workspace and one that is not there are answered alike; a known one without the right is not hidden.
#[tokio::test]
async fn foreign_workspaces_are_not_there() {
    let stage = Stage::new().await;
    let get = |name: &'static str, session: &'static str| {
        let request = stage.client().get(stage.url(&format!("/api/v1/workspaces/{name}/alerts")));
        async move { request.header("cookie", format!("__Host-sid={session}")).send().await.unwrap() }
    };
    assert_eq!(get("demo", "s-observer@demo").await.status(), 200);
    let mut bodies = Vec::new();
    for name in ["other", "nonesuch"] {
        let response = get(name, "s-observer@demo").await;
        assert_eq!(response.status(), 404, "{name}");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        bodies.push(response.text().await.unwrap().replace(&id, ""));
    }
    assert_eq!(bodies[0], bodies[1]);
    let url = stage.url("/api/v1/workspaces/demo/notes");
    let post =
        stage.client().post(url).header("cookie", "__Host-sid=s-observer@demo").header("sec-fetch-site", "same-origin");
    let post = post.header("x-csrf-token", "csrf-observer@demo").header("content-type", "application/json");
    assert_eq!(post.body(r#"{"text":"hi"}"#).send().await.unwrap().status(), 403);
}

/// E-08: what only a person may do, no key does.
#[tokio::test]
async fn e_08_a_key_cannot_do_what_only_people_may() {
    let stage = Stage::new().await;
    let url = stage.url("/api/v1/workspaces/demo/keys");
    assert_eq!(stage.client().get(&url).header("authorization", "Bearer k-demo").send().await.unwrap().status(), 403);
    let person = stage.client().get(&url).header("cookie", "__Host-sid=s-administrator").send().await.unwrap();
    assert_eq!(person.status(), 200);
}

/// ASVS 14.3.1.
#[tokio::test]
async fn signing_out_clears_the_browser() {
    let stage = Stage::new().await;
    let post = stage.client().post(stage.url("/sign-out")).header("cookie", "__Host-sid=s-observer");
    let post = post.header("sec-fetch-site", "same-origin").header("x-csrf-token", "csrf-observer");
    let response = post.send().await.unwrap();
    assert_eq!(response.headers()["clear-site-data"], "\"cache\", \"storage\"");
    assert!(
        response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("__Host-sid=; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
}
