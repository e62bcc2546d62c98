//! Signing in with a SAML provider that we did not write: pysaml2 with xmlsec1, in a real browser. It signs the one, the other
//! and both, encrypts, begins by itself, and signs people out, whichever side begins.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base::ExposeSecret as _;
use testkit::{Browser, Demo, Process, eventually, free_port, python};

use crate::{BINARY, first_use};

/// The provider's host: another site than the console's, as it is in life.
const HOST: &str = "127.0.0.1";

struct Provider {
    _process: Process,
    base: String,
    authority: String,
    folder: tempfile::TempDir,
}

impl Provider {
    fn start(port: u16, how: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let context = base::Context::new(Arc::new(base::SystemClock), Arc::new(crypto::OsChance));
        let made = crypto::tls::SelfSigned::generate(&[HOST.to_owned()], &context).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, &made.cert_pem).unwrap();
        std::fs::write(&key, made.key_pem.expose_secret()).unwrap();
        std::fs::write(folder.path().join("ca.pem"), &made.ca_pem).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/saml_provider.py");
        let mut command = Command::new(python());
        command.arg(script).args([&port.to_string(), HOST]).args([&cert, &key]).arg(folder.path()).args(how);
        let mut process = Process::start(&mut command);
        while process.line() != "ready" {}
        process.drain();
        Self { _process: process, base: format!("https://{HOST}:{port}"), authority: made.ca_pem, folder }
    }

    async fn ask(&self, what: &str) -> String {
        let client = testkit::client(&self.folder.path().join("ca.pem"));
        client.get(format!("{}{what}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    async fn control(&self, what: &str) {
        assert_eq!(self.ask(&format!("/control?{what}")).await, "done", "{what}");
    }
}

/// From the sign-in page through the provider and back.
async fn sign_on(browser: &Browser, console: &str) {
    browser.client.delete_all_cookies().await.unwrap();
    browser.goto(&format!("{console}/sign-in?next=/w/demo/you")).await;
    browser.sees("a.btn.go", "Sign in with Corporate").await;
    browser.click("a.btn.go").await;
}

/// A fresh proof, which the provider is told to ask for.
async fn anew(browser: &Browser, console: &str, provider: &Provider) {
    browser.client.goto(&format!("{console}/sso/again?next=/w/demo/you")).await.unwrap();
    browser.sees("h1", "Bea Sample").await;
    assert_eq!(provider.ask("/state").await, "asked, force=true");
}

/// Signed out at the provider, which heard from us, they are signed out here.
async fn left_there(browser: &Browser, console: &str, provider: &Provider) {
    browser.client.goto(&format!("{}/leave", provider.base)).await.unwrap();
    browser.sees("h1", "Left").await;
    assert_eq!(provider.ask("/state").await, "left, status=Success, relay=stay");
    browser.client.goto(&format!("{console}/w/demo/you")).await.unwrap();
    at(browser, "/sign-in").await;
}

async fn at(browser: &Browser, path: &str) {
    let there = || async {
        let url = browser.client.current_url().await.ok()?;
        (url.path() == path).then_some(())
    };
    eventually(path, there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_11_people_sign_in_with_a_saml_provider_that_we_did_not_write() {
    let _alone = crate::ALONE.lock().await;
    let port = free_port();
    let demo = Demo::start_with(BINARY, None, &["--outbound-allow", &format!("{HOST}:{port}")]);
    let console = demo.fact("console").to_owned();
    let provider = Provider::start(port, &[]);
    let browser = Browser::open(1280, 1000).await;
    first_use::set_up(&demo, &browser).await;

    // An administrator adds it by the address of its metadata; who it is follows from that.
    browser.goto(&format!("{console}/w/demo/sign-on/new-saml")).await;
    browser.fill("#name", "corp").await;
    browser.fill("#label", "Corporate").await;
    browser.fill("#metadata_url", &format!("{}/metadata", provider.base)).await;
    browser.fill("#group_roles", "night = on_call @ demo").await;
    browser.click("main details summary").await;
    browser.click("input[name=allow_unsolicited]").await;
    browser.fill("#tls_ca", &provider.authority).await;
    browser.picture("saml-form").await;
    crate::pages::accessible(&browser, "saml-form").await;
    browser.click("form.panel button.go").await;
    browser.sees("h1", "People sign in with one identity provider").await;
    browser.sees("table", "/sso/corp/metadata").await;
    crate::pages::accessible(&browser, "the list with an entry").await;
    browser.click("main table a[href*='/sign-on/']").await;
    browser.wait("#metadata_url").await;
    crate::pages::accessible(&browser, "the form of an entry").await;
    // The provider reads our metadata, which it understands; what we ask is signed, or it would not answer.
    provider.control(&format!("load={console}/sso/corp/metadata&ca={}", demo.fact("ca_cert"))).await;

    // Whatever it signs, and encrypted or not, the same person comes in, with the role of their group and no more.
    for how in [
        "sign=assertion&encrypt=0",
        "sign=response&encrypt=0",
        "sign=both&encrypt=0",
        "sign=assertion&encrypt=1",
        "sign=both&encrypt=1",
    ] {
        provider.control(how).await;
        sign_on(&browser, &console).await;
        browser.sees("h1", "Bea Sample").await;
        assert_eq!(browser.ask("fetch('/w/demo/alerts').then((answer) => answer.status)").await, 200, "{how}");
        assert_eq!(browser.ask("fetch('/w/demo/keys').then((answer) => answer.status)").await, 403, "{how}");
    }

    // An answer that somebody changed on the way, and one that nobody signed, let nobody in.
    for how in ["sign=assertion&encrypt=0&change=1", "sign=none&encrypt=0&change=0"] {
        provider.control(how).await;
        sign_on(&browser, &console).await;
        browser.sees("h1", "You are not signed in").await;
        browser.sees(".note.bad", "the page of the provider says why").await;
    }

    // The provider begins, from its portal.
    provider.control("sign=both&encrypt=0&change=0").await;
    browser.client.delete_all_cookies().await.unwrap();
    browser.client.goto(&format!("{}/portal", provider.base)).await.unwrap();
    browser.sees("h1", "Bea Sample").await;

    // They prove themselves anew there, for the same session: the provider is told to ask.
    anew(&browser, &console, &provider).await;

    // Signed out at the provider, they are signed out here, and the provider hears of it.
    left_there(&browser, &console, &provider).await;

    // Signed out here, they may sign out there, and come back.
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;
    browser.click("main form[action='/sign-out'] button").await;
    browser.sees("h1", "You are signed out here").await;
    browser.click("main a.btn.go").await;
    at(&browser, "/sso/corp/slo").await;
    browser.sees("h1", "You are signed out").await;
    assert_eq!(provider.ask("/state").await, "asked to leave, name=bea, session=True");

    // The group goes, and the role with it.
    provider.control("groups=other").await;
    sign_on(&browser, &console).await;
    at(&browser, "/w/demo/you").await;
    assert_eq!(browser.ask("fetch('/w/demo/alerts').then((answer) => answer.status)").await, 404);
    browser.close().await;
}

/// A page that goes on by itself, with scripts switched off: it says what to press, and is fit for everybody.
async fn waits(browser: &Browser, heading: &str, page: &str) {
    browser.sees("h1", heading).await;
    browser.sees(".lead", "If it does not, press “Go on to the provider”").await;
    browser.scripts(true).await;
    crate::pages::accessible(browser, page).await;
    browser.picture(page).await;
    // Its form goes to that one place and nowhere else, not even at the provider.
    let astray = "(() => { const form = document.querySelector('form[data-onward]'), there = form.action; \
                  window.stopped = ''; document.addEventListener('securitypolicyviolation', (it) => stopped = it.effectiveDirective); \
                  form.action = new URL('/elsewhere', there).href; form.submit(); form.action = there; return there; })()";
    browser.ask(astray).await;
    eventually("the policy stops it", || async {
        (browser.ask("window.stopped").await == "form-action").then_some(())
    })
    .await;
    browser.sees("h1", heading).await;
}

/// A provider that takes and gives everything by POST: our requests and answers go by a page of ours that posts them.
#[tokio::test(flavor = "multi_thread")]
async fn x_11_people_sign_in_and_out_by_post_alone() {
    let _alone = crate::ALONE.lock().await;
    let port = free_port();
    let demo = Demo::start_with(BINARY, None, &["--outbound-allow", &format!("{HOST}:{port}")]);
    let console = demo.fact("console").to_owned();
    let provider = Provider::start(port, &["post"]);
    let browser = Browser::open(1280, 1000).await;
    first_use::set_up(&demo, &browser).await;
    browser.goto(&format!("{console}/w/demo/sign-on/new-saml")).await;
    browser.fill("#name", "corp").await;
    browser.fill("#label", "Corporate").await;
    browser.fill("#metadata_url", &format!("{}/metadata", provider.base)).await;
    browser.fill("#group_roles", "night = on_call @ demo").await;
    browser.click("main details summary").await;
    browser.fill("#tls_ca", &provider.authority).await;
    browser.click("form.panel button.go").await;
    browser.sees("table", "/sso/corp/metadata").await;
    provider.control(&format!("load={console}/sso/corp/metadata&ca={}", demo.fact("ca_cert"))).await;

    // With scripts nobody has to press anything.
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;
    assert_eq!(provider.ask("/state").await, "asked, force=None");

    // Without them, the page of ours waits, and says for what.
    browser.scripts(false).await;
    sign_on(&browser, &console).await;
    waits(&browser, "Sign in there, and come back", "saml-post").await;
    browser.click("form[data-onward] button").await;
    browser.sees("h1", "Bea Sample").await;

    // Once more for the same session, by the same page.
    anew(&browser, &console, &provider).await;

    // Signed out at the provider: its form comes here, and ours goes back.
    left_there(&browser, &console, &provider).await;

    // The same without scripts.
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;
    browser.scripts(false).await;
    browser.client.goto(&format!("{}/leave", provider.base)).await.unwrap();
    browser.click("form button").await;
    waits(&browser, "You are signed out here", "saml-post-left").await;
    browser.click("form[data-onward] button").await;
    browser.sees("h1", "Left").await;

    // Signed out here, they sign out there by a form, and come back by another.
    sign_on(&browser, &console).await;
    browser.sees("h1", "Bea Sample").await;
    browser.click("main form[action='/sign-out'] button").await;
    browser.sees("h1", "You are signed out here").await;
    crate::pages::accessible(&browser, "saml-post-sign-out").await;
    browser.click("main form button.go").await;
    at(&browser, "/sso/corp/slo").await;
    browser.sees("h1", "You are signed out").await;
    crate::pages::accessible(&browser, "saml-slo").await;
    assert_eq!(provider.ask("/state").await, "asked to leave, name=bea, session=True");
    browser.close().await;
}
