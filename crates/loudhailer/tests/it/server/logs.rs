//! What the log of a real server holds, at its most talkative: one line of JSON for each event, and nothing of anybody (ASVS 16.2.5,
//! 16.4.1; security.md, audit and logs).

use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::eventually;

use super::Operated;

const NUMBER: &str = "+447700900117";
const WORDS: &str = "Zebrafish-4711 dances";

#[tokio::test(flavor = "multi_thread")]
async fn the_log_at_debug_level_holds_no_secret_and_nothing_personal() {
    let operated = Operated::make(None).await;
    let mut server = operated.start(&[("LOUDHAILER_LOG_LEVEL", "debug"), ("LOUDHAILER_LOG_FORMAT", "json")]);
    operated.ready().await;
    let base = &operated.site.base;
    // A signal by its URL token, one refused, a message that is sent, one that is refused, a wrong key, and a sign-in that fails.
    let body = json!({"key": "k1", "title": WORDS, "group": "g1", "contact": "dina.sample@example.com"});
    let post = |url: String| operated.http.post(url);
    assert_eq!(post(operated.site.signal_url.clone()).json(&body).send().await.unwrap().status(), 202);
    let wrong = operated.site.signal_url.replace("token=", "token=x");
    assert!(post(wrong).json(&body).send().await.unwrap().status().is_client_error());
    let messages = format!("{base}/api/v1/subaccounts/work/messages");
    let message = json!({"destination": NUMBER, "text": WORDS});
    let sent = post(messages.clone()).bearer_auth(&operated.site.key).json(&message).send().await.unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    let refused = json!({"destination": "not a number 447700900118", "text": WORDS});
    let refused = post(messages.clone()).bearer_auth(&operated.site.key).json(&refused).send().await.unwrap();
    assert!(refused.status().is_client_error());
    let altered = format!("{}0", operated.site.key);
    assert_eq!(post(messages).bearer_auth(altered).json(&message).send().await.unwrap().status(), 401);
    let form = post(format!("{base}/sign-in")).header("sec-fetch-site", "same-origin");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let form = form.body("login=dina.sample%40example.com&password=Correct-horse-9");
    let _ = form.send().await.unwrap();
    let lists = format!("{base}/api/v1/workspaces/work/messages?query={}", NUMBER.trim_start_matches('+'));
    let _ = operated.http.get(lists).bearer_auth(&operated.site.key).send().await.unwrap();
    eventually("the text is with the carrier", || async {
        let ledger = std::fs::read_to_string(operated.path("ledger.jsonl")).unwrap_or_default();
        (ledger.matches(WORDS).count() >= 2).then_some(())
    })
    .await;
    assert!(server.terminate(Duration::from_secs(50)));

    let log = operated.log();
    let token = operated.site.signal_url.split("token=").nth(1).unwrap();
    let secrets = [
        "7700900117",
        "7700900118",
        "447700900001",
        "Zebrafish",
        "dina.sample",
        "Correct-horse",
        token,
        &operated.site.key,
        &operated.site.key[operated.site.key.len() - 20..],
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in the log: {line:?}");
    }
    let mut access = 0;
    for line in log.lines() {
        let event: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["time", "level", "target", "message"] {
            assert!(event[field].is_string(), "{field}: {line}");
        }
        if event["target"] == "access" {
            access += 1;
            let fields = &event["fields"];
            assert!(event["request_id"].as_str().is_some_and(|id| id.len() == 36), "{line}");
            assert!(fields["route"].as_str().is_some_and(|route| !route.contains('?')), "{line}");
            assert!(fields["status"].is_u64() && fields["took_ms"].is_number() && fields["door"].is_string(), "{line}");
        }
    }
    assert!(access >= 6, "each request has its line: {access}");
    assert!(log.contains("/signals/{integration}"), "by its pattern");
}
