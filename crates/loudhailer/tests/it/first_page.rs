//! The first proof of the product: a real Alertmanager fires, a text reaches a handset, a finger taps 1 in a real browser, the alert
//! is acknowledged with its whole chain; Alertmanager resolves it and the handset is told. On both databases (E-20, E-31, X-02).

use std::process::Command;

use testkit::{Alertmanager, Browser, Demo, eventually};

use crate::BINARY;

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn alertmanager_pages_a_handset_and_the_answer_comes_back() {
        super::proof(None, "sqlite").await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn alertmanager_pages_a_handset_and_the_answer_comes_back() {
        let database = crate::postgres().await;
        super::proof(Some(database.text()), "postgres").await;
    }
}

async fn proof(database: Option<String>, name: &str) {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, database);
    let browser = Browser::open(1440, 1400).await;
    let console = demo.fact("console").to_owned();

    // The first administrator, by the one-time link.
    browser.goto(demo.fact("setup_url")).await;
    browser.fill("#name", "Ada Sample").await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "a correct horse, standing still").await;
    browser.fill("#again", "a correct horse, standing still").await;
    browser.picture(&format!("{name}-setup")).await;
    browser.click("form button.go").await;
    browser.sees("h1", "Step 3 of 5").await;
    browser.goto(&format!("{console}/w/demo")).await;
    browser.sees("h1", "All quiet").await;

    apply_with_a_token(&demo, &browser).await;

    // Alertmanager fires.
    let alertmanager = Alertmanager::start(demo.fact("alertmanager_url"), demo.fact("ca_cert").as_ref()).await;
    let labels = ["severity=error", "instance=db-1.example.com"];
    alertmanager.fire("ReplicationLag", &labels, "Replication lag on db-1 is 42 s, limit 30 s");

    // The handset shows the text, and a finger taps 1.
    browser.goto(&format!("{console}/w/demo/handsets")).await;
    browser.sees("#phone-447700900104", "Replication lag on db-1").await;
    browser.picture(&format!("{name}-handset-paged")).await;
    browser.click("#phone-447700900104 .key").await;
    browser.sees("#phone-447700900104", "A-1").await;
    browser.picture(&format!("{name}-handset-answered")).await;

    // The alert is acknowledged, with the whole chain.
    browser.goto(&format!("{console}/w/demo/alerts/A-1")).await;
    browser.sees("#alert", "Cem Sample has it since").await;
    // The receipt may come after the answer: the open page follows.
    for knot in ["alertmanager", "page-on-call, v1", "Cem Sample", "1 of 1 sent", "Delivered", "acknowledge"] {
        browser.sees("table.chain", knot).await;
    }
    browser.picture(&format!("{name}-alert-acknowledged")).await;

    // Alertmanager says it is over: the open page follows, and the handset is told.
    alertmanager.resolve("ReplicationLag", &labels);
    browser.sees("#alert", "Resolved by").await;
    browser.picture(&format!("{name}-alert-resolved")).await;
    let carrier = demo.carrier();
    eventually("the handset is told that it is over", || async {
        let phone = carrier.handset("+447700900104").await.ok()?;
        phone.texts.iter().any(|text| text.text.to_lowercase().contains("resolved")).then_some(())
    })
    .await;
    browser.close().await;
}

/// The command line against the running server, with a token that the administrator drew in the console (E-25): what is exported can be
/// applied again, and changes nothing.
async fn apply_with_a_token(demo: &Demo, browser: &Browser) {
    browser.goto(&format!("{}/w/demo/you", demo.fact("console"))).await;
    browser.click("#draw").await;
    browser.wait("#token").await;
    let token = browser.text("#token").await;
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(arguments)
            .env("LOUDHAILER_URL", demo.fact("console"))
            .env("LOUDHAILER_CA", demo.fact("ca_cert"))
            .env("LOUDHAILER_TOKEN", token.trim())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let exported = run(&["export", "--kind", "groups", "--kind", "flows"]);
    assert!(exported.contains("page-on-call") && exported.contains("cem@example.com"), "{exported}");
    let file = demo.data().join("exported.yaml");
    std::fs::write(&file, &exported).unwrap();
    let file = file.display().to_string();
    assert!(run(&["apply", "-f", &file]).starts_with("nothing to change"));
    std::fs::write(&file, exported.replace("delay_seconds: 60", "delay_seconds: 90")).unwrap();
    assert!(run(&["apply", "-f", &file, "--dry-run"]).contains("would be updated"));
    assert!(run(&["history", "groups", "demo/on-call"]).contains("version 1 created"));
    assert!(run(&["audit", "verify"]).starts_with("intact"));
    let sent = Command::new(BINARY)
        .args(["send", "--to", "+447700900126", "--text", "Tea is ready"])
        .env("LOUDHAILER_URL", demo.fact("console"))
        .env("LOUDHAILER_CA", demo.fact("ca_cert"))
        .env("LOUDHAILER_TOKEN", demo.fact("api_key"))
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
}
