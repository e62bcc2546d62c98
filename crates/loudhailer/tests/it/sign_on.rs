//! Signing in with a provider that we did not write: npm's oidc-provider, in a real browser, with keys that change while it
//! runs, roles that come and go with groups, and the provider as the only way in.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base::ExposeSecret as _;
use testkit::{Browser, Demo, Process, eventually, free_port, npm};

use crate::{BINARY, first_use};

/// The provider's host: another site than the console's, as it is in life.
const HOST: &str = "127.0.0.1";

struct Provider {
    _process: Process,
    issuer: String,
    authority: String,
    port: u16,
}

impl Provider {
    /// Starts it; `ours` vouches for our own certificate, since it tells us of log-outs.
    fn start(dir: &Path, port: u16, redirect: &str, ours: &Path) -> Self {
        let context = base::Context::new(Arc::new(base::SystemClock), Arc::new(crypto::OsChance));
        let made = crypto::tls::SelfSigned::generate(&[HOST.to_owned()], &context).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert, &made.cert_pem).unwrap();
        std::fs::write(&key, made.key_pem.expose_secret()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/provider.js");
        let mut command = Command::new("node");
        command.arg(script).args([&port.to_string(), HOST]).args([&cert, &key]).arg(redirect).env("NPM", npm(""));
        command.env("NODE_EXTRA_CA_CERTS", ours);
        let mut process = Process::start(&mut command);
        while process.line() != "ready" {}
        process.drain();
        Self { _process: process, issuer: format!("https://{HOST}:{port}"), authority: made.ca_pem, port }
    }

    async fn control(&self, what: &str) {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, &self.authority).unwrap();
        let url = format!("https://{HOST}:{}/control?{what}", self.port);
        assert_eq!(testkit::client(&ca).get(url).send().await.unwrap().text().await.unwrap(), "done");
    }
}

/// From the sign-in page through the provider and back, as somebody who is not known there yet.
async fn sign_on(browser: &Browser, console: &str) {
    browser.client.delete_all_cookies().await.unwrap();
    browser.goto(&format!("{console}/sign-in?next=/w/demo/you")).await;
    browser.sees("a.btn.go", "Sign in with Corporate").await;
    browser.click("a.btn.go").await;
    through(browser, console).await;
}

/// Through the provider's pages and back.
async fn through(browser: &Browser, console: &str) {
    // Name and consent, when the provider asks for them: it has a session of its own.
    let consent = "const name = document.querySelector('input[name=prompt][value=login]') && document.querySelector('input[name=login]'); \
         if (name) { name.value = 'bea'; document.querySelector('input[name=password]').value = 'whatever'; name.form.submit(); } \
         const asked = document.querySelector('input[name=prompt][value=consent]'); if (asked) asked.form.submit()";
    let here = || async {
        let _ = browser.client.execute(consent, Vec::new()).await;
        let url = browser.client.current_url().await.ok()?;
        url.as_str().starts_with(console).then_some(())
    };
    eventually("the provider sends the person back", here).await;
}

async fn sign_out(browser: &Browser) {
    browser.client.delete_all_cookies().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_11_people_sign_in_with_a_provider_that_we_did_not_write() {
    let _alone = crate::ALONE.lock().await;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let allowed = format!("{HOST}:{port}");
    let demo = Demo::start_with(BINARY, None, &["--outbound-allow", &allowed]);
    let console = demo.fact("console").to_owned();
    let provider =
        Provider::start(dir.path(), port, &format!("{console}/sso/corp/callback"), Path::new(demo.fact("ca_cert")));
    let browser = Browser::open(1280, 1000).await;
    first_use::set_up(&demo, &browser).await;

    // An administrator adds it, by the form.
    browser.goto(&format!("{console}/w/demo/sign-on/new")).await;
    browser.fill("#name", "corp").await;
    browser.fill("#label", "Corporate").await;
    browser.fill("#issuer", &provider.issuer).await;
    browser.fill("#client_id", "loudhailer").await;
    browser.fill("#client_secret", "sample-client-secret").await;
    browser.fill("#group_roles", "night = on_call @ demo").await;
    browser.click("main details summary").await;
    browser.fill("#scopes", "openid profile email groups").await;
    browser.fill("#tls_ca", &provider.authority).await;
    browser.click("form.panel button.go").await;
    browser.sees("h1", "People sign in with one identity provider").await;
    browser.sees("table", "waits for its first sign-on").await;
    browser.picture("sign-on-providers").await;
    crate::pages::accessible(&browser, "sign-on-providers").await;
    browser.click("main table a[href*='/sign-on/']").await;
    browser.wait("#issuer").await;
    crate::pages::accessible(&browser, "the form of a provider").await;
    sign_out(&browser).await;

    // Somebody whom nobody made an account for comes in, with the role of their group and no more.
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;
    assert_eq!(browser.ask("fetch('/w/demo/alerts').then((answer) => answer.status)").await, 200);
    assert_eq!(browser.ask("fetch('/w/demo/keys').then((answer) => answer.status)").await, 403);

    // The provider's keys change while both run.
    sign_out(&browser).await;
    provider.control("rotate=1").await;
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;

    // They prove themselves anew there, for the same session: the provider asks although they are signed in.
    browser.client.goto(&format!("{console}/sso/again?next=/w/demo/you")).await.unwrap();
    let asked = browser.client.current_url().await.unwrap();
    assert!(asked.as_str().starts_with(&provider.issuer), "{asked}");
    through(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;

    // Signed out at the provider, they are signed out here: it says so by itself (back channel).
    browser.client.goto(&format!("{}/session/end", provider.issuer)).await.unwrap();
    browser.click("button[name=logout][value=yes]").await;
    let here = || async {
        browser.client.goto(&format!("{console}/w/demo/you")).await.ok()?;
        let url = browser.client.current_url().await.ok()?;
        url.path().starts_with("/sign-in").then_some(())
    };
    eventually("the session ends here, too", here).await;

    // Signed out here, they may sign out there, and come back.
    sign_on(&browser, &console).await;
    browser.click("main form[action='/sign-out'] button").await;
    browser.sees("h1", "You are signed out here").await;
    browser.picture("signed-out-here").await;
    crate::pages::accessible(&browser, "signed-out-here").await;
    browser.click("a.btn.go").await;
    browser.click("button[name=logout][value=yes]").await;
    browser.sees("h1", "You are signed out").await;
    let url = browser.client.current_url().await.unwrap();
    assert_eq!(url.as_str(), format!("{console}/signed-out"));

    // The group goes, and the role with it.
    sign_out(&browser).await;
    provider.control("groups=").await;
    sign_on(&browser, &console).await;
    assert_eq!(browser.ask("fetch('/w/demo/alerts').then((answer) => answer.status)").await, 404);

    // The only way in: a password opens the account for emergencies alone, and everybody who looks after it sees that.
    sign_out(&browser).await;
    browser.goto(&format!("{console}/sign-in?next=/w/demo/sign-on")).await;
    password(&browser).await;
    browser.fill("#break_glass", "ada@example.com").await;
    browser.client.execute("document.querySelector('#only_provider').value = 'corp'", Vec::new()).await.unwrap();
    browser.click("#rule button").await;
    browser.sees("main [role=status]", "from the next sign-in on").await;
    sign_out(&browser).await;
    browser.goto(&format!("{console}/sign-in?next=/w/demo/")).await;
    browser.picture("sign-in-only-provider").await;
    crate::pages::accessible(&browser, "sign-in-only-provider").await;
    browser.click("main details summary").await;
    password(&browser).await;
    browser.goto(&format!("{console}/w/demo")).await;
    browser.sees(".note[role=alert]", "An account for emergencies was used").await;
    browser.picture("break-glass-used").await;
    crate::pages::accessible(&browser, "break-glass-used").await;
    browser.close().await;
}

async fn password(browser: &Browser) {
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "a correct horse, standing still").await;
    browser.click("form[action='/sign-in'] button").await;
}
