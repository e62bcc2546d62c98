//! Signing in with more than a password, and staying in, in a real browser with a virtual authenticator (X-16, X-17, E-25): set up,
//! used as second and as only factor, asked for again before something risky, and warned before the end.

use std::process::Command;
use std::time::Duration;

use testkit::{Browser, Demo, eventually};

use crate::BINARY;
use crate::first_use::set_up;

const PASSWORD: &str = "a correct horse, standing still";

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn e_25_passkeys_and_codes_in_a_browser() {
        super::proof().await;
    }
}

/// The code that an app shows now for a secret in groups of base32.
pub fn code(base32: &str, back: i64) -> String {
    use base::ExposeSecret as _;
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in base32.bytes().filter(u8::is_ascii_alphanumeric) {
        let value = u32::from(if letter.is_ascii_uppercase() { letter - b'A' } else { letter - b'2' + 26 });
        held = (held << 5) | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
        }
    }
    let step = crypto::totp::step(loudhailer::product::context().now());
    crypto::totp::code(&bytes, step - back).expose_secret().to_owned()
}

/// Configures as an administrator does from the command line.
fn apply(demo: &Demo, token: &str, text: &str) {
    let file = demo.data().join("factors.yaml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(BINARY)
        .args(["apply", "-f"])
        .arg(&file)
        .env("LOUDHAILER_URL", demo.fact("console"))
        .env("LOUDHAILER_CA", demo.fact("ca_cert"))
        .env("LOUDHAILER_TOKEN", token)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Lets every session have been unused for so many minutes.
fn age_sessions(demo: &Demo, minutes: i64) {
    let script = format!(
        "import sqlite3,sys; db=sqlite3.connect(sys.argv[1], timeout=10); \
         db.execute('UPDATE sessions SET last_seen_at = last_seen_at - {}'); db.commit()",
        minutes * 60_000_000
    );
    let output = Command::new("python3").args(["-c", &script]).arg(demo.data().join("loudhailer.db")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn sign_out(browser: &Browser, console: &str) {
    browser.goto(&format!("{console}/w/demo/you")).await;
    browser.click("form.row[action='/sign-out'] button").await;
    browser.sees("h1", "Sign in").await;
}

async fn password(browser: &Browser) {
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("form[action='/sign-in'] button.go").await;
}

async fn proof() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 1000).await;
    let console = demo.fact("console").to_owned();
    set_up(&demo, &browser).await;
    browser.authenticator().await;

    // A passkey is made; its recovery codes are shown once.
    browser.goto(&format!("{console}/w/demo/you/security/new")).await;
    browser.fill("#name", "Blue key").await;
    browser.click("form[data-passkey=create] button").await;
    browser.sees("h1", "Keep these ten recovery codes").await;
    let codes = browser.text("#codes").await;
    assert_eq!(codes.lines().filter(|line| line.len() == 29).count(), 10, "ten codes");
    browser.picture("recovery-codes").await;
    crate::pages::accessible(&browser, "recovery-codes").await;
    browser.goto(&format!("{console}/w/demo/you/security")).await;
    browser.sees("#factors", "Blue key").await;
    assert!(!browser.text("main").await.contains(codes.lines().next().unwrap()));
    browser.picture("sign-in-and-sessions").await;
    crate::pages::accessible(&browser, "sign-in-and-sessions").await;

    // With it alone: no name, no password.
    sign_out(&browser, &console).await;
    browser.click("form[action='/sign-in/passkey'] button").await;
    browser.wait("a.who").await;
    browser.goto(&format!("{console}/w/demo/you/security")).await;
    browser.sees("#sessions", "By passkey").await;

    // After the password: half way in is not in.
    sign_out(&browser, &console).await;
    password(&browser).await;
    browser.sees("h1", "One more proof").await;
    browser.picture("second-factor").await;
    crate::pages::accessible(&browser, "second-factor").await;
    browser.goto(&format!("{console}/w/demo/alerts")).await;
    browser.sees("h1", "Sign in").await;
    browser.goto(&format!("{console}/sign-in/factor")).await;
    browser.click("form[data-passkey=get] button").await;
    browser.wait("a.who").await;

    // An app beside it; its code signs in, a wrong one does not.
    browser.goto(&format!("{console}/w/demo/you/security/new")).await;
    let secret = browser.text("#app-key").await;
    browser.picture("set-up-app").await;
    crate::pages::accessible(&browser, "set-up-app").await;
    browser.fill("#code", &code(&secret, 0)).await;
    browser.click("form:has(#code) button").await;
    browser.sees("#factors", "Authenticator app").await;
    sign_out(&browser, &console).await;
    password(&browser).await;
    browser.fill("#code", "000000").await;
    browser.click("form:has(#code) button").await;
    browser.sees(".note[role=alert]", "wrong").await;
    browser.fill("#code", codes.lines().nth(2).unwrap()).await;
    browser.click("form:has(#code) button").await;
    browser.wait("a.who").await;

    // Something risky asks for a proof when the last one is old, and then goes on: what was typed is not lost.
    browser.goto(&format!("{console}/w/demo/you")).await;
    browser.click("#draw").await;
    let token = browser.text("#token").await;
    apply(&demo, token.trim(), "settings: [{step_up_minutes: 1}]\n");
    browser.goto(&format!("{console}/w/demo/keys")).await;
    tokio::time::sleep(Duration::from_secs(62)).await;
    browser.ask("document.querySelectorAll('details').forEach((one) => (one.open = true))").await;
    browser.fill("#name", "typed before the proof").await;
    browser.click("input[name=scope]").await;
    browser.click("form[action='/w/demo/keys'] button.go").await;
    browser.sees("h1", "Prove that it is you").await;
    browser.picture("step-up").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.fill("#prove", "000000").await;
    browser.click("form:has(#prove) button").await;
    browser.sees(".note[role=alert]", "wrong").await;
    browser.click("form[data-passkey=get] button").await;
    browser.sees("main", "typed before the proof").await;
    browser.sees("main", "loudhailer_key_").await;

    // The page warns before the end and lets its reader stay, by the keyboard.
    browser.goto(&format!("{console}/w/demo/you/security")).await;
    age_sessions(&demo, 29);
    // What was looked up within the last second is remembered.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    browser.ask("(() => { const now = Date.now; Date.now = () => now() + 29 * 60000; })()").await;
    browser.wait("#staying[open]").await;
    assert_eq!(browser.ask("document.activeElement.textContent").await, "Stay signed in");
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.picture("session-ends-soon").await;
    browser.press("\u{e007}").await;
    eventually("the warning is gone", || async {
        (browser.ask("document.querySelector('#staying').open").await == false).then_some(())
    })
    .await;
    browser.goto(&format!("{console}/w/demo/you/security")).await;
    browser.sees("#sessions", "this browser").await;
    let policy: Vec<String> = browser
        .complaints()
        .await
        .into_iter()
        .filter(|line| line.contains("Policy") || line.contains("Trusted"))
        .collect();
    assert_eq!(policy, Vec::<String>::new());
    browser.close().await;
}
