//! The password of an SMPP account is renewed on its page, as an administrator does it whose application leaked one.

use testkit::{Browser, Demo};

use crate::{BINARY, first_use};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_drawn_on_the_page_of_an_account_and_shown_once() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 900).await;
    first_use::set_up(&demo, &browser).await;
    let page = format!("{}/w/demo/smpp/demo", demo.fact("console"));
    browser.goto(&page).await;
    browser.click("form[action$='/rotate'] button").await;
    browser.sees("main .note.good", "has a new password").await;
    let password = browser.text("#password").await;
    assert!(password.len() == 8 && password != demo.fact("smpp_password"), "another one, of eight characters");
    assert!(browser.text("main .note.good").await.contains("The password before works until"), "the overlap is said");
    browser.goto(&page).await;
    browser.wait("form[action$='/rotate'] button").await;
    assert_eq!(browser.text("#password").await, "", "once");
    browser.close().await;
}
