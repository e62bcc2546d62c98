//! A real browser: Debian's Chromium, driven over WebDriver.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    /// For what has no verb here.
    pub client: Client,
    /// Where chromedriver listens.
    driver: String,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Opens a window of `width` by `height`; the demo's self-signed certificate is let through.
    pub async fn open(width: u32, height: u32) -> Self {
        let port = free_port();
        let profile = tempfile::tempdir().expect("a temporary directory");
        let driver =
            Process::start(Command::new("chromedriver").arg(format!("--port={port}")).arg("--log-level=SEVERE"));
        eventually("chromedriver listens", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
        let mut capabilities = Capabilities::new();
        let arguments = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
            format!("--user-data-dir={}", profile.path().display()), format!("--window-size={width},{height}"),
        ]});
        capabilities.insert("goog:chromeOptions".into(), arguments);
        capabilities.insert("acceptInsecureCerts".into(), json!(true));
        capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser opens");
        Self { client, driver: format!("http://127.0.0.1:{port}"), _driver: driver, _profile: profile }
    }

    /// A command of chromedriver's own, which WebDriver does not have; its value.
    pub(crate) async fn driver(&self, command: &str, parameters: Json) -> Json {
        let session = self.client.session_id().await.expect("the session is open").expect("the session has an id");
        let url = format!("{}/session/{session}/{command}", self.driver);
        crypto::install_default_provider();
        let answer = reqwest::Client::builder()
            .tls_certs_only([])
            .no_proxy()
            .build()
            .expect("a client")
            .post(url)
            .json(&parameters)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        let mut answer: Json = answer.json().await.unwrap_or_else(|error| panic!("{command}: {error}"));
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{command}: {}", value["message"]);
        value
    }

    /// Plugs a virtual authenticator in that holds passkeys, verifies its person, and always says yes (W3C Web Authentication,
    /// section 11).
    pub async fn authenticator(&self) {
        let parameters = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "isUserConsenting": true,
        });
        self.driver("webauthn/authenticator", parameters).await;
    }

    /// Whether pages may run scripts from the next page on, as people switch them off.
    pub async fn scripts(&self, on: bool) {
        let parameters = json!({ "cmd": "Emulation.setScriptExecutionDisabled", "params": { "value": !on } });
        self.driver("goog/cdp/execute", parameters).await;
    }

    /// Goes to a page.
    pub async fn goto(&self, url: &str) {
        self.client
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", url.split('#').next().unwrap_or_default()));
    }

    /// Fills a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.wait(css).await;
        field.clear().await.expect("the field can be cleared");
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Clicks on something.
    pub async fn click(&self, css: &str) {
        let target = self.wait(css).await;
        target.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses keys as a keyboard does: whatever has the focus gets them, also while the page is being drawn anew.
    pub async fn press(&self, keys: &str) {
        let strokes = keys.chars().fold(KeyActions::new("keyboard".to_owned()), |strokes, value| {
            strokes.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(strokes).await.expect("the keys are pressed");
    }

    /// Waits for an element, up to ten seconds.
    pub async fn wait(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(Duration::from_secs(15));
        match wait.for_element(Locator::Css(css)).await {
            Ok(found) => found,
            Err(error) => {
                let text = self.text("body").await;
                panic!("{css} did not appear: {error}. The page says: {text}")
            }
        }
    }

    /// The text of an element as a person reads it; empty when it is not there.
    pub async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(found) => found.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the text of `css` contains `words`.
    pub async fn sees(&self, css: &str, words: &str) {
        let mut last = String::new();
        for _ in 0..200 {
            last = self.text(css).await;
            if last.contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{css} never said {words:?}; it says: {last}");
    }

    /// Keeps a picture of the page among the artefacts.
    pub async fn picture(&self, name: &str) {
        let png = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(artefact(&format!("{name}.png")), png).expect("the artefact is written");
    }

    /// Ends the session.
    pub async fn close(self) {
        let _ = self.client.clone().close().await;
    }
}

/// Where a test keeps what people may want to look at.
pub fn artefact(name: &str) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../artefacts"));
    std::fs::create_dir_all(&folder).expect("the artefacts' folder");
    folder.join(name)
}
