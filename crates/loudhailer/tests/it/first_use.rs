//! From the printed link to the reader's own text on a handset and the first page that they answer, as somebody goes the way
//! who has never seen it (E-31): in a real browser, on the embedded database.

use std::process::Command;

use testkit::{Browser, Demo, eventually};

use crate::BINARY;

const OWN: &str = "+447700900101";

/// Makes the first administrator by the one-time link; ends on the first step.
pub async fn set_up(demo: &Demo, browser: &Browser) {
    browser.goto(demo.fact("setup_url")).await;
    browser.fill("#name", "Ada Sample").await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "a correct horse, standing still").await;
    browser.fill("#again", "a correct horse, standing still").await;
    browser.click("form button.go").await;
    browser.sees("h1", "Step 3 of 5").await;
}

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn from_the_set_up_link_to_ones_own_text_and_answer() {
        super::proof().await;
    }
}

async fn proof() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 1000).await;
    let carrier = demo.carrier();
    set_up(&demo, &browser).await;

    // The demo has brought workspace and carrier; they are ticked. What is wrong is said at the field, and what was typed stays.
    browser.sees("#step-2", "sim-1 is bound").await;
    browser.fill("#number", "0044 7700").await;
    browser.click("#step-3 button.go").await;
    browser.wait("#number[aria-invalid=true]").await;
    assert_eq!(browser.ask("document.querySelector('#number').value").await, "0044 7700");
    browser.fill("#number", "+44 7700 900101").await;
    browser.click("#step-3 button.go").await;
    browser.sees("h1", "Step 4 of 5").await;
    assert!(!browser.text("#step-3").await.contains("900101"), "a number is shown masked");

    // One's own text. The page follows by itself until the receipt is back.
    browser.click("#step-4 button.go").await;
    eventually("the handset has the text", || async {
        let phone = carrier.handset(OWN).await.ok()?;
        phone.texts.iter().any(|text| text.text.contains("your own text, Ada Sample")).then_some(())
    })
    .await;
    browser.sees("#step-4", "the receipt came back").await;
    browser.sees("h1", "Step 5 of 5").await;

    // The way can be left and taken up again.
    browser.goto(&format!("{}/w/demo", demo.fact("console"))).await;
    browser.goto(&format!("{}/w/demo/start", demo.fact("console"))).await;
    browser.sees("h1", "Step 5 of 5").await;

    // A machine's signal pages the reader, whose answer comes back.
    browser.click("#step-5 button.go").await;
    let curl = browser.wait("#curl").await.text().await.unwrap();
    browser.picture("first-use-signal").await;
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{curl} --fail --silent --show-error"))
        .env("CURL_CA_BUNDLE", demo.fact("ca_cert"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{curl}: {}", String::from_utf8_lossy(&output.stderr));
    let page = eventually("the handset is paged", || async {
        let phone = carrier.handset(OWN).await.ok()?;
        phone.texts.iter().find(|text| text.text.contains("The coffee is cold")).cloned()
    })
    .await;
    browser.sees("#step-5", "Answer the text with 1").await;
    carrier.send(OWN, &page.peer, "1").await.unwrap();
    browser.sees("h1", "You were paged, and you answered").await;
    browser.picture("first-use-done").await;
    browser.close().await;
}
