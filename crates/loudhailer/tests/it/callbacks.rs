//! Callbacks from outside: the real server, a receiver, and the snippets of the documentation as independent verifiers.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::{Behaviour, Demo, Received, Receiver};

use crate::BINARY;

const DOCUMENT: &str = include_str!("../../../../docs/webhooks.md");

/// The first block of `language` in the documentation.
fn snippet(language: &str) -> &'static str {
    let begin = DOCUMENT.find(&format!("```{language}\n")).expect("a snippet") + language.len() + 4;
    let end = begin + DOCUMENT[begin..].find("```").expect("its end");
    &DOCUMENT[begin..end]
}

/// Runs a verifier that the documentation shows; whether it accepts.
fn accepts(program: &str, flag: &str, code: &str, secret: &str, received: &Received, body: &[u8]) -> bool {
    let input =
        json!({ "secret": secret, "headers": received.headers, "body": String::from_utf8_lossy(body) }).to_string();
    let mut child = Command::new(program)
        .args([flag, code])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

struct Setting {
    demo: Demo,
    client: reqwest::Client,
    _authority: tempfile::NamedTempFile,
}

impl Setting {
    async fn new(receiver: &Receiver) -> Self {
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), &receiver.authority).unwrap();
        let (target, file) = (format!("localhost:{}", receiver.port), authority.path().display().to_string());
        let demo = tokio::task::spawn_blocking(move || {
            Demo::start_with(BINARY, None, &["--outbound-allow", &target, "--outbound-ca", &file])
        });
        let demo = demo.await.unwrap();
        Self { client: demo.client(), demo, _authority: authority }
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: &Json) -> (u16, Json) {
        let url = format!("{}{path}", self.demo.fact("console"));
        let request = self.client.request(method, url).bearer_auth(self.demo.fact("api_key")).json(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        self.ask(reqwest::Method::POST, path, body).await
    }

    async fn send(&self, text: &str, callback: Option<String>) -> String {
        let mut order = json!({ "destination": "+447700900117", "text": text, "clientMessageId": text });
        if let Some(url) = callback {
            order["dlrCallbackUrl"] = url.into();
        }
        let (status, answer) = self.post("/api/v1/subaccounts/demo/messages", &order).await;
        assert_eq!((status, &answer["status"]["code"]), (200, &json!("QUEUED")), "{answer}");
        answer["umid"].as_str().unwrap().to_owned()
    }
}

fn states(seen: &[Received], umid: &str) -> Vec<String> {
    let of = |one: &&Received| one.json()["payload"]["umid"] == umid;
    seen.iter()
        .filter(of)
        .map(|one| one.json()["payload"]["status"]["state"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits until a message came to its end at the receiver.
async fn delivered(receiver: &Receiver, umid: &str) -> Vec<Received> {
    for _ in 0..4_000 {
        let seen = receiver.seen();
        if states(&seen, umid).iter().any(|state| state == "delivered") {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was told that it is delivered: {:?}", states(&receiver.seen(), umid));
}

/// E-31, X-07, X-22: from the API to the receiver and back, verified by programs that are not ours, over a kill.
#[tokio::test(flavor = "multi_thread")]
async fn e_31_an_application_hears_of_its_messages_over_a_kill() {
    let mute = Arc::new(AtomicBool::new(false));
    let decide = Arc::clone(&mute);
    let receiver = Receiver::start(&["localhost"], move |_, _| {
        if decide.load(Ordering::SeqCst) { Behaviour::Answer(503, "later".into()) } else { Behaviour::ok() }
    })
    .await;
    let mut setting = Setting::new(&receiver).await;
    let account = setting.demo.fact("account").to_owned();
    let hook = format!("https://localhost:{}/hooks", receiver.port);
    let wanted = json!([{ "subAccountId": "demo", "url": hook, "httpAuthorization": "Bearer s3cret" }]);
    let (status, body) = setting.post(&format!("/api/v1/accounts/{account}/webhooks"), &wanted).await;
    assert_eq!(status, 200, "{body}");
    let (_, list) = setting.ask(reqwest::Method::GET, "/api/v1/workspaces/demo/webhooks", &Json::Null).await;
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let (_, rotated) = setting.post(&format!("/api/v1/workspaces/demo/webhooks/{id}/rotate"), &json!({})).await;
    let secret = rotated["secret"].as_str().unwrap().to_owned();

    let umid = setting.send("first", None).await;
    let seen = delivered(&receiver, &umid).await;
    assert_eq!(states(&seen, &umid), ["queued", "sent", "delivered"]);
    let last = seen.iter().rfind(|one| one.json()["payload"]["umid"] == umid.as_str()).unwrap();
    assert_eq!(last.header("authorization"), "Bearer s3cret");
    let payload = &last.json()["payload"];
    assert_eq!(
        (&payload["clientMessageId"], &payload["subAccountId"], &payload["smsCount"]),
        (&json!("first"), &json!("demo"), &json!(1))
    );
    assert_eq!(payload["destination"], "+447700900117");
    // The two snippets of the documentation, as they stand there.
    let python = format!(
        "{}\nimport json, sys\ngiven = json.load(sys.stdin)\nverify(given['secret'], given['headers'], given['body'].encode())",
        snippet("python")
    );
    let node = format!(
        "{}\nconst given = JSON.parse(require('node:fs').readFileSync(0));\nverify(given.secret, given.headers, given.body);",
        snippet("js")
    );
    for (program, flag, code) in [("python3", "-c", &python), ("node", "-e", &node)] {
        assert!(accepts(program, flag, code, &secret, last, &last.body), "{program}");
        assert!(!accepts(program, flag, code, &secret, last, b"{}"), "{program} refuses another body");
        assert!(
            !accepts(program, flag, code, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", last, &last.body),
            "{program} refuses another secret"
        );
    }

    // A handset writes: told as well, in the envelope.
    setting.demo.carrier().send("+447700900117", payload["source"].as_str().unwrap(), "Yes, I got it").await.unwrap();
    let inbound = async {
        loop {
            if let Some(one) =
                receiver.seen().into_iter().find(|one| one.json()["eventType"] == "inbound_message_received")
            {
                return one.json();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let inbound = tokio::time::timeout(Duration::from_secs(20), inbound).await.expect("it is told");
    assert_eq!(
        (&inbound["payload"]["body"], &inbound["payload"]["source"]),
        (&json!("Yes, I got it"), &json!("+447700900117"))
    );

    // An address of the message's own: its receipts go there alone, without the webhook's credential.
    let own = setting.send("own", Some(format!("https://localhost:{}/own", receiver.port))).await;
    let seen = delivered(&receiver, &own).await;
    for one in seen.iter().filter(|one| one.json()["payload"]["umid"] == own.as_str()) {
        assert_eq!((one.path.as_str(), one.header("authorization")), ("/own", ""));
        assert!(one.header("webhook-signature").starts_with("v1,"), "signed with the workspace's secret");
    }

    // The receiver is down, the server is killed, both come back: nothing is missing, and each in order.
    mute.store(true, Ordering::SeqCst);
    let mut umids = Vec::new();
    for n in 0..2 {
        umids.push(setting.send(&format!("kill-{n}"), None).await);
    }
    // The simulated carrier dies with the demo, so its receipts must be in before.
    for umid in &umids {
        let path = format!("/api/v1/subaccounts/demo/messages/{umid}");
        for _ in 0..500 {
            let (_, details) = setting.ask(reqwest::Method::GET, &path, &Json::Null).await;
            if details["status"]["state"] == "delivered" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    setting = tokio::task::spawn_blocking(move || {
        setting.demo.restart();
        setting
    })
    .await
    .unwrap();
    mute.store(false, Ordering::SeqCst);
    for umid in &umids {
        let seen = delivered(&receiver, umid).await;
        let mut told = states(&seen, umid);
        told.dedup();
        assert_eq!(told, ["queued", "sent", "delivered"]);
        let ids: std::collections::BTreeSet<_> = seen
            .iter()
            .filter(|one| one.json()["payload"]["umid"] == umid.as_str())
            .map(|one| one.header("webhook-id").to_owned())
            .collect();
        assert_eq!(ids.len(), 3, "the id is the same over all tries");
    }
    drop(setting);
}

/// Receipts name the batch of their message; who erases a message erases what was told of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_erased_from_what_was_told_of_it() {
    let receiver = Receiver::start(&["localhost"], |_, _| Behaviour::ok()).await;
    let setting = Setting::new(&receiver).await;
    let account = setting.demo.fact("account").to_owned();
    let url = format!("https://localhost:{}/hooks", receiver.port);
    let wanted = json!([{ "subAccountId": "demo", "url": url }]);
    let (status, body) = setting.post(&format!("/api/v1/accounts/{account}/webhooks"), &wanted).await;
    assert_eq!(status, 200, "{body}");

    let order = json!({
        "clientBatchId": "wave-1", "destinations": ["+447700900117", "+447700900118"],
        "template": { "text": "The water is back." }, "includeMessagesInResponse": true,
    });
    let (status, batch) = setting.post("/api/v1/subaccounts/demo/messages/batch", &order).await;
    assert_eq!((status, &batch["acceptedCount"]), (200, &json!(2)), "{batch}");
    let umids = [0, 1].map(|place| batch["messages"][place]["umid"].as_str().unwrap().to_owned());
    for umid in &umids {
        let seen = delivered(&receiver, umid).await;
        for one in seen.iter().map(Received::json).filter(|one| one["payload"]["umid"] == umid.as_str()) {
            let payload = &one["payload"];
            assert_eq!((&payload["batchId"], &payload["clientBatchId"]), (&batch["batchId"], &json!("wave-1")));
        }
    }

    let path = format!("/api/v1/subaccounts/demo/messages/{}/pii", umids[0]);
    let (status, body) = setting.ask(reqwest::Method::DELETE, &path, &Json::Null).await;
    assert!(status == 202, "{status} {body}");
    let told = async |umid: &str| {
        let path = format!("/api/v1/workspaces/demo/callbacks?subject={umid}");
        let (_, list) = setting.ask(reqwest::Method::GET, &path, &Json::Null).await;
        let mut sizes = Vec::new();
        for one in list["items"].as_array().unwrap() {
            let path = format!("/api/v1/workspaces/demo/callbacks/{}", one["id"]);
            sizes.push(setting.ask(reqwest::Method::GET, &path, &Json::Null).await.1["size"].as_u64().unwrap());
        }
        sizes
    };
    testkit::eventually("its callbacks are erased", || async {
        let sizes = told(&umids[0]).await;
        assert_eq!(sizes.len(), 3);
        sizes.iter().all(|size| *size == 0).then_some(())
    })
    .await;
    let others = told(&umids[1]).await;
    assert!(others.len() == 3 && others.iter().all(|size| *size > 0), "{others:?}");
}
