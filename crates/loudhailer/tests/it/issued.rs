//! Tokens of another service (issue 5): the real server, an issuer over HTTPS, the API and a door for signals; what does not count, and
//! where somebody sees why.

use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Behaviour, Browser, Demo, Receiver, Signer, eventually};

use crate::{BINARY, first_use};

/// A service that publishes its keys and says who it is.
async fn issuer(signer: &Signer) -> Receiver {
    let (keys, port) = (Signer::set(&[signer]), Arc::new(Mutex::new(0)));
    let own = Arc::clone(&port);
    let receiver = Receiver::start(&["127.0.0.1"], move |received, _| {
        let at = format!("https://127.0.0.1:{}", own.lock().unwrap());
        match received.path.as_str() {
            "/.well-known/openid-configuration" => {
                Behaviour::Answer(200, json!({ "issuer": at, "jwks_uri": format!("{at}/jwks") }).to_string())
            }
            "/jwks" => Behaviour::Answer(200, String::from_utf8(keys.clone()).unwrap()),
            _ => Behaviour::Answer(404, String::new()),
        }
    })
    .await;
    *port.lock().unwrap() = receiver.port;
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn x_11_a_token_of_another_service_counts_where_a_rule_says_so() {
    let _alone = crate::ALONE.lock().await;
    let signer = Signer::ec("one", "P-256");
    let receiver = issuer(&signer).await;
    let (issuer, allowed) = (format!("https://127.0.0.1:{}", receiver.port), format!("127.0.0.1:{}", receiver.port));
    let demo = Demo::start_with(BINARY, None, &["--outbound-allow", &allowed]);
    let console = demo.fact("console").to_owned();
    let browser = Browser::open(1280, 1000).await;
    first_use::set_up(&demo, &browser).await;
    let client = demo.client();
    let integrations = client.get(format!("{console}/api/v1/workspaces/demo/integrations"));
    let integrations: Value =
        integrations.bearer_auth(demo.fact("api_key")).send().await.unwrap().json().await.unwrap();
    let generic = integrations["items"].as_array().unwrap().iter().find(|one| one["name"] == "generic").unwrap();
    let door = format!("{console}/signals/{}", generic["id"].as_str().unwrap());

    let now = loudhailer::product::context().now().as_millis() / 1_000;
    let claims = |aud: &str, sub: &str, ends: i64| json!({ "iss": issuer, "sub": sub, "aud": aud, "iat": now, "exp": now + ends });
    let good = signer.token("ES256", &claims("loudhailer", "repo:acme/app", 600));
    let api = async |token: &str| {
        let asked = client.get(format!("{console}/api/v1/workspaces/demo/alerts")).bearer_auth(token);
        asked.send().await.unwrap().status()
    };
    let signal = async |token: &str| {
        let sent = client.post(&door).bearer_auth(token).json(&json!({ "title": "Build failed", "key": "build" }));
        sent.send().await.unwrap().status()
    };
    // Nobody configured it: it is nobody's.
    assert_eq!((api(&good).await, signal(&good).await), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));

    browser.goto(&format!("{console}/w/demo/issuers")).await;
    browser.sees("h1", "No token of another service counts here").await;
    browser.click("main a.btn.go").await;
    browser.fill("#name", "builds").await;
    browser.fill("#issuer", &issuer).await;
    browser.fill("#rules", "sub = * -> alerts:read").await;
    browser.click("main details summary").await;
    browser.fill("#ca", &receiver.authority).await;
    browser.click("form.panel button.go").await;
    browser.sees("#rules-e", "Every token of this issuer fits").await;
    browser.fill("#rules", "sub = repo:acme/* -> alerts:read signals:send").await;
    browser.click("form.panel button.go").await;
    browser.sees("main [role=status]", "Saved").await;
    browser.sees("main", "waits for its first token").await;
    browser.click("form[action$='/ask'] button").await;
    browser.sees("main [role=status]", "1 of its keys can be used").await;

    assert_eq!((api(&good).await, signal(&good).await), (StatusCode::OK, StatusCode::ACCEPTED));
    let asked = client.get(format!("{console}/api/v1/workspaces/demo/messages")).bearer_auth(&good);
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::FORBIDDEN, "a right that no rule gives");
    // What does not count, at either door.
    let stranger = Signer::ec("one", "P-256");
    let elsewhere =
        json!({ "iss": "https://elsewhere.example", "sub": "repo:acme/app", "aud": "loudhailer", "exp": now + 600 });
    for (case, token) in [
        ("audience", signer.token("ES256", &claims("somebody else", "repo:acme/app", 600))),
        ("expired", signer.token("ES256", &claims("loudhailer", "repo:acme/app", -120))),
        ("too long", signer.token("ES256", &claims("loudhailer", "repo:acme/app", 86_400))),
        ("no rule", signer.token("ES256", &claims("loudhailer", "repo:evil/app", 600))),
        ("forged", stranger.token("ES256", &claims("loudhailer", "repo:acme/app", 600))),
        ("unknown issuer", signer.token("ES256", &elsewhere)),
    ] {
        assert_eq!(api(&token).await, StatusCode::UNAUTHORIZED, "{case}");
        assert_eq!(signal(&token).await, StatusCode::UNAUTHORIZED, "{case}");
    }
    // Whoever looks after it sees that it works, and why the first of these did not count.
    browser.goto(&format!("{console}/w/demo/issuers")).await;
    browser.sees("main", "answers").await;
    browser.sees("main", "last accepted").await;
    browser.sees("main .med", "last refused").await;
    browser.picture("issuers").await;

    // Deleted, its tokens count no more, within a second.
    browser.click("main a b").await;
    browser.click("a[href$='/delete']").await;
    browser.fill("#typed", "builds").await;
    browser.click("form.panel button.harm").await;
    let gone = || async { (api(&good).await == StatusCode::UNAUTHORIZED).then_some(()) };
    eventually("the token of a deleted issuer is refused", gone).await;
    assert_eq!(signal(&good).await, StatusCode::UNAUTHORIZED);
    browser.close().await;
}
