//! A page that is left open: it misses nothing while the server is killed and comes back, keeps the reader's place, says when
//! it is old, and says when the session has ended. Shortcuts work, and can be switched off (WCAG 2.1.4).

use serde_json::json;
use testkit::{Browser, Demo, eventually};

use crate::{BINARY, first_use};

const HERE: &str =
    "location.pathname + ' ' + (document.activeElement.getAttribute('href') ?? document.activeElement.name)";

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn an_open_page_outlives_a_kill_and_says_when_its_session_ends() {
        super::proof().await;
    }
}

async fn raise(demo: &Demo, title: &str) {
    let body = json!({ "title": title, "priority": "high" });
    let answer = demo.client().post(demo.fact("signal_url")).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{title}");
}

async fn becomes(browser: &Browser, what: &str, expression: &str, wanted: serde_json::Value) {
    eventually(what, || async { (browser.ask(expression).await == wanted).then_some(()) }).await;
}

async fn proof() {
    let _alone = crate::ALONE.lock().await;
    let mut demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 900).await;
    first_use::set_up(&demo, &browser).await;
    browser.goto(&format!("{}/w/demo/alerts", demo.fact("console"))).await;
    browser.sees("#clock", "Live").await;
    raise(&demo, "Before the kill").await;
    browser.sees("#list", "Before the kill").await;

    // j goes to the first row. It stays there while another alert comes in above it.
    browser.press("j").await;
    becomes(&browser, "the row has the focus", HERE, json!("/w/demo/alerts /w/demo/alerts/A-1")).await;
    raise(&demo, "While the reader is there").await;
    browser.sees("#list", "While the reader is there").await;
    assert_eq!(browser.ask(HERE).await, "/w/demo/alerts /w/demo/alerts/A-1");

    // Killed, and back: the same page shows what happened meanwhile without being loaded again.
    browser.ask("window.loaded = 'once'").await;
    demo.restart();
    raise(&demo, "After the kill").await;
    browser.sees("#list", "After the kill").await;
    assert_eq!(browser.ask("window.loaded").await, "once");
    assert_eq!(browser.ask("document.querySelector('#stale').hidden").await, true);

    // Away for longer: the page says since when it is old, and takes it back.
    demo.process().kill_9();
    becomes(&browser, "the page says that it is old", "document.querySelector('#stale').hidden", json!(false)).await;
    browser.sees("#clock", "Stopped").await;
    browser.picture("live-stale").await;
    demo.restart();
    becomes(&browser, "the page is fresh again", "document.querySelector('#stale').hidden", json!(true)).await;

    shortcuts(&demo, &browser).await;

    // The session ends elsewhere: the page stays and says so, and leads back to where it was.
    browser.goto(&format!("{}/w/demo/alerts", demo.fact("console"))).await;
    browser.sees("#clock", "Live").await;
    let out = "fetch('/sign-out', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, \
               body: 'csrf=' + document.querySelector('[name=csrf]').value }).then((answer) => answer.ok)";
    assert_eq!(browser.ask(out).await, true);
    becomes(&browser, "the page says that the session ended", "document.querySelector('#ended').hidden", json!(false))
        .await;
    browser.click("#ended a").await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "a correct horse, standing still").await;
    browser.click("form button.go").await;
    browser.sees("#list", "After the kill").await;
    browser.close().await;
}

async fn shortcuts(demo: &Demo, browser: &Browser) {
    let console = demo.fact("console");
    browser.goto(&format!("{console}/w/demo/alerts")).await;
    browser.sees("#clock", "Live").await;
    browser.press("/").await;
    becomes(browser, "/ goes to the field", HERE, json!("/w/demo/alerts q")).await;
    browser.press("gs").await;
    assert_eq!(browser.ask("document.activeElement.value").await, "gs", "single keys rest in fields");
    browser.ask("document.activeElement.blur()").await;
    browser.press("?").await;
    becomes(browser, "? lists the keys", "document.querySelector('#help').open", json!(true)).await;
    browser.click("#help button").await;
    browser.press("gs").await;
    becomes(browser, "g s goes to the signals", "location.pathname", json!("/w/demo/signals")).await;
    browser.goto(&format!("{console}/w/demo/alerts/A-1")).await;
    browser.press("a").await;
    browser.sees("#alert", "Ada Sample has it since").await;

    browser.goto(&format!("{console}/w/demo/you")).await;
    browser.click("#shortcuts button[value=off]").await;
    browser.wait("#shortcuts button[value=off][aria-pressed=true]").await;
    browser.press("gs").await;
    browser.press("?").await;
    assert_eq!(browser.ask("location.pathname + String(document.querySelector('#help'))").await, "/w/demo/younull");
}
