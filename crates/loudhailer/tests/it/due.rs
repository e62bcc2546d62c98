//! What was a dead end or a way around, over the real binary and HTTPS: a password that is due is replaced on the page that answers
//! the right one, also after a second factor; roles of one's own are made by a form; sessions and factors by the API.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value as Json, json};
use testkit::Demo;

use crate::BINARY;
use crate::factors::code;
use crate::hands::{PASSWORD, Reader, between, link, session};

const NEW: &str = "seven grey lanterns over water";
const OTHER: &str = "eleven brass kettles in a row";

/// Signs in, as a browser that knows nothing yet.
async fn sign_in(demo: &Demo, password: &str) -> Response {
    let form = [("login", "ada@example.com"), ("password", password)];
    Reader::enter(&demo.client(), demo.fact("console"), "/sign-in", &form).await
}

/// The code that stands in the form of a page that asks for another password.
async fn due(answer: Response) -> String {
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        answer.headers().get(LOCATION).is_none() && answer.url().path().starts_with("/sign-in"),
        "no secret in a URL"
    );
    assert!(answer.headers().get(CONTENT_ENCODING).is_none(), "a page with a secret is not packed");
    assert!(!session(&answer).contains("__Host-sid="), "nobody is in");
    let html = answer.text().await.unwrap();
    assert!(html.contains("has to be replaced"), "{html}");
    between(&html, "type=\"hidden\" name=\"code\" value=\"", "\"").unwrap()
}

/// Chooses the password twice with that code.
async fn choose(demo: &Demo, code: &str, password: &str) -> Response {
    let form = [("due", "true"), ("code", code), ("password", password), ("again", password)];
    Reader::enter(&demo.client(), demo.fact("console"), "/reset", &form).await
}

async fn with_cookies(client: &Client, url: &str, cookies: &str, form: &str, console: &str) -> Response {
    let asked =
        client.post(url).header(COOKIE, cookies).header(ORIGIN, console).header("Sec-Fetch-Site", "same-origin");
    asked.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned()).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_15_a_password_that_is_due_is_replaced_through_the_console() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let console = demo.fact("console").to_owned();
    let ada = Reader::set_up(&demo).await;
    let person = link(&ada.page("/w/demo/users?q=ada@").await, "/w/demo/users/0");
    assert!(ada.done(&format!("{person}/expire"), &[]).await.ends_with("did=expired"));
    assert_ne!(ada.get("/w/demo/you").await.0, StatusCode::OK, "sessions end");

    // A wrong password hears of nothing; the right one leads to the page, and not in.
    let wrong = sign_in(&demo, "not the password").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(!wrong.text().await.unwrap().contains("has to be replaced"));
    let secret = due(sign_in(&demo, PASSWORD).await).await;
    let same = choose(&demo, &secret, PASSWORD).await;
    assert_eq!(same.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = same.text().await.unwrap();
    assert!(html.contains("This is the password that you have") && html.contains(&secret), "the form goes on");
    let done = choose(&demo, &secret, NEW).await;
    assert_eq!(
        (done.status(), done.headers()[LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/sign-in?changed=true")
    );
    let again = choose(&demo, &secret, OTHER).await;
    assert!(again.text().await.unwrap().contains("used already"), "once, and the page says so");
    let entered = sign_in(&demo, NEW).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    let ada = ada.again(session(&entered));

    // With a second factor that comes first, and only then the change.
    let secret = between(&ada.page("/w/demo/you/security/new").await, "id=\"app-key\">", "<").unwrap();
    let shown = ada.post("/w/demo/you/security/new", &[("code", &code(&secret, 0))]).await;
    assert_eq!(shown.status(), StatusCode::OK);
    assert!(shown.headers().get(CONTENT_ENCODING).is_none());
    let recovery = between(&shown.text().await.unwrap(), "id=\"codes\">", "\n").unwrap();
    ada.done(&format!("{person}/expire"), &[]).await;
    let half = sign_in(&demo, NEW).await;
    assert_eq!((half.status(), half.headers()[LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, "/sign-in/factor"));
    let cookies = session(&half);
    let (client, url) = (demo.client(), format!("{console}/sign-in/factor"));
    let wrong = with_cookies(&client, &url, &cookies, "code=000000", &console).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let proven = with_cookies(&client, &url, &cookies, &format!("code={recovery}"), &console).await;
    let secret = due(proven).await;
    assert_eq!(choose(&demo, &secret, OTHER).await.status(), StatusCode::SEE_OTHER);
    let half = sign_in(&demo, OTHER).await;
    assert_eq!(half.headers()[LOCATION].to_str().unwrap(), "/sign-in/factor", "the link went around nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn e_17_a_role_is_made_by_a_form_and_its_refusals_are_said() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    let empty = ada.refused("/w/demo/roles/new", &[("name", "night watch")]).await;
    assert!(empty.contains("gives nothing") && empty.contains("value=\"night watch\""));
    let ready = ada.refused("/w/demo/roles/new", &[("name", "Operator"), ("holds", "alerts:read")]).await;
    assert!(ready.contains("A ready role has this name"));
    let local = [("name", "local"), ("holds", "audit:verify"), ("holds", "people:write"), ("workspace", "demo")];
    assert!(ada.refused("/w/demo/roles/new", &local).await.contains("belongs to the whole organisation"));
    let form =
        [("name", "night watch"), ("holds", "alerts:read"), ("holds", "alerts:answer"), ("description", "At night")];
    assert_eq!(ada.done("/w/demo/roles/new", &form).await, "/w/demo/access?did=saved");
    let access = ada.page("/w/demo/access").await;
    assert!(access.contains("night watch"));
    let role = link(&access, "/w/demo/roles/0");
    let page = ada.page(&role).await;
    assert!(page.contains("value=\"alerts:answer\" checked") && page.contains("At night"));
    let version = between(&page, "name=\"version\" value=\"", "\"").unwrap();
    ada.done(&role, &[("holds", "alerts:read"), ("version", &version)]).await;
    let stale = ada.post(&role, &[("holds", "alerts:answer"), ("version", &version)]).await;
    assert!(stale.status().is_client_error(), "changed by somebody else in between: {}", stale.status());
    assert!(ada.page("/w/demo/users/new").await.contains("night watch"), "it can be given");
    let actions = ada.actions().await;
    assert!(actions.iter().any(|action| action == "resource.create"), "{actions:?}");
}

/// sessions and factors by the API, for oneself and for others.
#[tokio::test(flavor = "multi_thread")]
async fn x_16_sessions_and_factors_by_the_api() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let console = demo.fact("console").to_owned();
    let ada = Reader::set_up(&demo).await;
    let second = session(&sign_in(&demo, PASSWORD).await);
    let csrf = between(&ada.page("/w/demo/you").await, "name=\"csrf\" value=\"", "\"").unwrap();
    let ask = async |method: &str, path: &str, cookies: &str| {
        let client = demo.client();
        let asked = client.request(method.parse().unwrap(), format!("{console}{path}")).header(COOKIE, cookies);
        let asked = asked
            .header(ORIGIN, &console)
            .header("Sec-Fetch-Site", "same-origin")
            .header("X-CSRF-Token", &csrf)
            .header(CONTENT_TYPE, "application/json");
        let answer = asked.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Json>(&answer.text().await.unwrap()).unwrap_or(Json::Null))
    };
    let first = ada.cookie();
    let (status, list) = ask("GET", "/api/v1/me/sessions", first).await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (200, 2), "{list}");
    assert_eq!(list["items"].as_array().unwrap().iter().filter(|one| one["current"] == true).count(), 1);
    assert_eq!(list["items"][0]["provenBy"], "password");
    assert!(!list.to_string().contains(second.split(['=', ';']).nth(1).unwrap()), "no token");
    assert_eq!(ask("DELETE", "/api/v1/me/sessions", first).await, (200, json!({ "ended": 1 })));
    assert_eq!(ask("GET", "/api/v1/me/sessions", &second).await.0, 401);
    let (status, gone) = ask("DELETE", "/api/v1/me/sessions/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5d", first).await;
    assert_eq!((status, &gone["code"]), (404, &json!("no-such-session")));

    // Programs are refused, whatever their key may.
    let key = demo.client().get(format!("{console}/api/v1/me/sessions")).bearer_auth(demo.fact("api_key"));
    assert_eq!(key.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    // Factors: none, then an app, taken away by whoever administers people.
    let person = link(&ada.page("/w/demo/users?q=ada@").await, "/w/demo/users/0");
    let user = person.rsplit('/').next().unwrap().to_owned();
    let of = |what: &str| format!("/api/v1/people/{user}/{what}");
    let (status, none) = ask("GET", &of("factors"), first).await;
    assert_eq!(
        (status, none),
        (200, json!({ "app": null, "passkeys": [], "recoveryCodesLeft": 0, "required": false }))
    );
    assert_eq!(ask("DELETE", &of("factors/app"), first).await.1["code"], "no-such-factor");
    let secret = between(&ada.page("/w/demo/you/security/new").await, "id=\"app-key\">", "<").unwrap();
    assert_eq!(ada.post("/w/demo/you/security/new", &[("code", &code(&secret, 0))]).await.status(), StatusCode::OK);
    let (_, own) = ask("GET", "/api/v1/me/factors", first).await;
    assert!(own["app"].is_string() && own["recoveryCodesLeft"] == 10, "{own}");
    assert!(!own.to_string().contains(&secret.replace(' ', "")));
    assert_eq!(ask("DELETE", "/api/v1/me/factors/app", first).await.0, 204);
    assert_eq!(ask("DELETE", "/api/v1/me/factors/app", first).await.0, 404);
    let nobody = "/api/v1/people/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    assert_eq!(ask("GET", &format!("{nobody}/factors"), first).await.0, 404);
    assert_eq!(ask("GET", &format!("{nobody}/sessions"), first).await.0, 404);
    let (status, sessions) = ask("GET", &of("sessions"), first).await;
    assert_eq!((status, sessions["items"].as_array().unwrap().len()), (200, 1));
    assert_eq!(ask("DELETE", &of("factors"), first).await, (200, json!({ "removed": 0 })));
    assert_eq!(ask("GET", "/api/v1/me/sessions", first).await.0, 401, "a reset ends the sessions");
}
