//! The pages around a signal, in a real browser: an integration's test is followed to its alert, a masked value is lifted for a
//! minute and is on record, a secret is drawn with an overlap, and times stand in the zone that the reader chose.

use testkit::{Browser, Demo};

use crate::BINARY;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_signal_is_followed_and_what_it_said_is_lifted_on_record() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 1000).await;
    let base = format!("{}/w/demo", demo.fact("console"));
    browser.goto(demo.fact("setup_url")).await;
    browser.fill("#name", "Ada Sample").await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "a correct horse, standing still").await;
    browser.fill("#again", "a correct horse, standing still").await;
    browser.click("form button.go").await;
    browser.sees("h1", "Step 3 of 5").await;

    let integration = a_test_is_followed(&browser, &base).await;
    a_value_is_lifted_for_a_minute(&browser, &base).await;
    a_number_is_lifted_in_the_list(&browser, &base).await;
    a_secret_is_drawn_with_an_overlap(&browser, &integration).await;
    times_stand_in_the_chosen_zone(&browser, &base).await;
    browser.close().await;
}

/// the button sends a real signal, and its page follows it to run and alert. Gives the integration's address.
async fn a_test_is_followed(browser: &Browser, base: &str) -> String {
    browser.goto(&format!("{base}/integrations")).await;
    browser.sees("#list", "alertmanager").await;
    browser.click("#list tbody tr:first-child a").await;
    browser.wait(".tabs pre").await;
    let integration = browser.ask("location.href").await.as_str().unwrap().to_owned();
    browser.click("form[action$='/test'] button").await;
    browser.sees("#live", "The test is sent").await;
    browser.sees("#signal .steps", "A-1").await;
    browser.click("#signal .log a").await;
    browser.sees("#run h1", "led to A-1").await;
    integration
}

/// E-11: what a sender sent is not on the page before somebody who may asks for it, goes again by itself, and is on record.
async fn a_value_is_lifted_for_a_minute(browser: &Browser, base: &str) {
    let spot = "#v-event-title";
    browser.sees(spot, "characters").await;
    browser.click(&format!("{spot} button.mask")).await;
    browser.wait(&format!("{spot} .seen")).await;
    let value = browser.text(&format!("{spot} .seen")).await;
    assert!(value.len() > 3, "{value}");
    let again =
        format!("fetch(location.href).then((answer) => answer.text()).then((text) => text.includes({value:?}))");
    assert_eq!(browser.ask(&again).await, false, "the value is in the answer to one request alone");
    // Another signal renews the page around it; the value stays until its time is over.
    browser.ask(&format!("document.querySelector('{spot}').until = 0")).await;
    browser.sees(spot, "characters").await;
    assert_eq!(browser.ask(&format!("document.body.innerHTML.includes({value:?})")).await, false, "masked again");
    browser.click(&format!("{spot} button.mask")).await;
    browser.wait(&format!("{spot} .seen")).await;
    browser.goto(&format!("{base}/audit?action=run.value.read")).await;
    browser.sees("table", "confidential: event.title").await;
    let entries = browser.ask("document.querySelectorAll('main tbody tr').length").await;
    assert!(entries.as_u64() >= Some(2), "each reading is on record: {entries}");
}

/// The same mask in a list: the number of the text that the test sent.
async fn a_number_is_lifted_in_the_list(browser: &Browser, base: &str) {
    browser.goto(&format!("{base}/messages")).await;
    browser.wait("#list button.mask").await;
    assert_eq!(browser.ask("/\\+4477009001\\d\\d/.test(document.body.innerHTML)").await, false);
    browser.click("#list button.mask").await;
    browser.sees("#list .seen", "+4477009001").await;
    browser.goto(&format!("{base}/audit?action=message.number.read")).await;
    browser.sees("table", "confidential: the number it goes to").await;
}

/// X-22, E-08: drawn, shown once, the old one still there until it is ended.
async fn a_secret_is_drawn_with_an_overlap(browser: &Browser, integration: &str) {
    browser.goto(integration).await;
    browser.click(".method details summary").await;
    browser.click("form[action$='/rotate'] button").await;
    browser.sees("main", "only time the new secret is shown").await;
    browser.sees("main", "The old one works on until").await;
    let secret = browser.text("#secret-1").await;
    assert!(browser.text("main").await.matches(&secret).count() >= 2, "the examples carry it too");
    browser.goto(integration).await;
    browser.sees(".method", "the old one: ends").await;
    assert!(!browser.text("body").await.contains(&secret));
    browser.click(".method details:has(form[action$='/retire']) summary").await;
    browser.click("form[action$='/retire'] button").await;
    browser.sees("main", "The old secret is ended").await;
}

async fn times_stand_in_the_chosen_zone(browser: &Browser, base: &str) {
    browser.goto(&format!("{base}/you")).await;
    browser.fill("#zone-field", "Mars/Olympus").await;
    browser.click("#times button").await;
    browser.sees("#times", "An IANA name").await;
    browser.fill("#zone-field", "Asia/Kolkata").await;
    browser.click("#times button").await;
    browser.sees("#times", "Times are shown in Asia/Kolkata, which you chose").await;
    browser.goto(&format!("{base}/signals")).await;
    browser.sees("thead", "IST").await;
    let title = browser.ask("document.querySelector('tbody time').title").await;
    let title = title.as_str().unwrap();
    assert!(
        title.contains("IST · ") && title.ends_with(" in demo"),
        "the workspace’s own clock stands beside: {title}"
    );
}
