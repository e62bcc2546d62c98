//! What an administrator does with people, groups, carriers, configuration and the audit log, over the real binary: what they
//! change takes effect, what they may not see is not on the page, and all of it is in the log.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value as Json, json};
use testkit::{Demo, eventually};

use crate::BINARY;

pub const PASSWORD: &str = "a correct horse, standing still";

const FORM: &str = "application/x-www-form-urlencoded";

/// Fields as a browser sends them.
fn encoded(form: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    form.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

/// A browser without its window: cookies, and forms with their token.
pub struct Reader {
    client: Client,
    console: String,
    cookie: String,
}

pub fn session(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    cookies.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
}

impl Reader {
    /// The first administrator, by the printed link.
    pub async fn set_up(demo: &Demo) -> Self {
        let console = demo.fact("console").to_owned();
        let code = demo.fact("setup_url").split('#').nth(1).unwrap().to_owned();
        let form = [
            ("code", code.as_str()),
            ("name", "Ada Sample"),
            ("login", "ada@example.com"),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ];
        let entered = Self::enter(&demo.client(), &console, "/setup", &form).await;
        assert_eq!(entered.status(), StatusCode::SEE_OTHER, "set up");
        Self { cookie: session(&entered), client: demo.client(), console }
    }

    pub async fn enter(client: &Client, console: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let url = format!("{console}{path}");
        client
            .post(url)
            .header(ORIGIN, console)
            .header("Sec-Fetch-Site", "same-origin")
            .header(CONTENT_TYPE, FORM)
            .body(encoded(form))
            .send()
            .await
            .unwrap()
    }

    /// The same person in another session.
    pub fn again(&self, cookie: String) -> Self {
        Self { cookie, client: self.client.clone(), console: self.console.clone() }
    }

    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let asked = self.client.get(format!("{}{path}", self.console)).header(COOKIE, &self.cookie);
        let answer = asked.header("Sec-Fetch-Site", "same-origin").send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    pub async fn page(&self, path: &str) -> String {
        let (status, html) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {html}");
        html
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let page = self.page("/w/demo/you").await;
        let token = between(&page, "name=\"csrf\" value=\"", "\"").expect("a page has the token of its forms");
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(form);
        let asked = self.client.post(format!("{}{path}", self.console)).header(COOKIE, &self.cookie);
        let asked = asked.header(ORIGIN, &self.console).header("Sec-Fetch-Site", "same-origin");
        asked.header(CONTENT_TYPE, FORM).body(encoded(&all)).send().await.unwrap()
    }

    /// Posts a form that works; where it leads.
    pub async fn done(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(path, form).await;
        let status = answer.status();
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let html = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {}", wrongs(&html));
        to.unwrap()
    }

    /// Posts a form that is refused; the whole page.
    pub async fn refused(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        answer.text().await.unwrap()
    }

    pub async fn actions(&self) -> Vec<String> {
        let (status, text) = self.get("/api/v1/audit?limit=200").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let log: Json = serde_json::from_str(&text).unwrap();
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    }
}

pub fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let rest = text.split_once(start)?.1;
    Some(rest.split_once(end)?.0.to_owned())
}

/// What a page says is wrong.
fn wrongs(html: &str) -> String {
    html.split("class=\"err")
        .skip(1)
        .chain(html.split("role=\"alert\"").skip(1))
        .map(|rest| &rest[..rest.len().min(300)])
        .collect()
}

/// The value of a form's field as a page shows it.
pub fn field(html: &str, name: &str) -> String {
    between(html, &format!("name=\"{name}\" value=\""), "\"").unwrap_or_default()
}

/// Where the first link with this text leads.
pub fn link(html: &str, start: &str) -> String {
    let found =
        html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).find(|href| href.starts_with(start));
    found.unwrap_or_else(|| panic!("no link to {start}")).to_owned()
}

/// E-11, E-16, E-17, X-14, X-16: a person is added, invited, signs in with what their role gives and no more; their number is
/// masked until somebody with the right asks; then they are switched off.
#[tokio::test(flavor = "multi_thread")]
async fn e_11_people_are_added_invited_looked_at_and_switched_off() {
    let demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    let wrong = ada
        .refused(
            "/w/demo/users/new",
            &[("name", "Fay Sample"), ("login", "fay"), ("enabled", "on"), ("number", "0770")],
        )
        .await;
    assert!(wrong.contains("Fay Sample") && wrong.contains("aria-invalid=\"true\""), "what was typed stays");
    let form = [
        ("name", "Fay Sample"),
        ("login", "fay@example.com"),
        ("enabled", "on"),
        ("number", "+44 7700 900131"),
        ("role", "observer"),
        ("place", "demo"),
        ("time_zone", "Europe/London"),
        ("reason", "new here"),
    ];
    let to = ada.done("/w/demo/users/new", &form).await;
    let path = to.split('?').next().unwrap().to_owned();
    let page = ada.page(&path).await;
    assert!(page.contains("Reached by text only") && !page.contains("7700900131") && !page.contains("7700 900131"));

    let reveal = link(&page.replace("formaction=\"", "href=\""), &format!("{path}/reveal"));
    let shown = ada.post(&reveal, &[]).await.text().await.unwrap();
    assert!(shown.contains("+447700900131"), "asked for by somebody with the right");

    let invited = ada.post(&format!("{path}/invite"), &[]).await.text().await.unwrap();
    let secret = between(&invited, "/invite#", "<").unwrap();
    let choose = [
        ("code", secret.as_str()),
        ("password", "velvet cactus monday rowing"),
        ("again", "velvet cactus monday rowing"),
    ];
    let entered = Reader::enter(&demo.client(), &ada.console, "/invite", &choose).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    let fay = Reader { cookie: session(&entered), client: demo.client(), console: ada.console.clone() };
    assert_eq!(fay.get("/w/demo/alerts").await.0, StatusCode::OK);
    for closed in
        ["/w/demo/users", "/w/demo/carriers", "/w/demo/audit", "/w/demo/config", "/w/demo/routes", "/w/demo/groups/new"]
    {
        assert_eq!(fay.get(closed).await.0, StatusCode::FORBIDDEN, "{closed}");
    }
    let again = Reader::enter(&demo.client(), &ada.console, "/invite", &choose).await;
    assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY, "a link works once");

    // Without the tick the account is off: within a second nothing opens any more.
    let form = ada.page(&format!("{path}/edit")).await;
    let version = field(&form, "version");
    let off = [
        ("name", "Fay Sample"),
        ("time_zone", "Europe/London"),
        ("keep", "0"),
        ("order", "1"),
        ("role", "observer"),
        ("place", "demo"),
        ("version", version.as_str()),
    ];
    ada.done(&format!("{path}/edit"), &off).await;
    assert!(ada.page(&path).await.contains("Switched off"));
    eventually("out", || async { (fay.get("/w/demo/alerts").await.0 != StatusCode::OK).then_some(()) }).await;
    let stale = ada.refused(&format!("{path}/edit"), &off).await;
    assert!(stale.contains("Somebody else changed this"), "an old version is not saved over a newer one");

    let actions = ada.actions().await;
    for action in ["resource.create", "device.reveal", "invite.create", "invite.use", "resource.change"] {
        assert!(actions.iter().any(|known| known == action), "{action} in {actions:?}");
    }
}

/// A group is written by its form, said in words, simulated, and taken back to an older version; deleting what others name is
/// refused with what names it (E-25).
#[tokio::test(flavor = "multi_thread")]
async fn e_25_a_group_is_written_simulated_and_taken_back() {
    let demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    let form = [
        ("name", "Night"),
        ("user", "eli@example.com"),
        ("delay", "0 s"),
        ("user", "dina@example.com"),
        ("delay", "90"),
        ("times", "1"),
        ("pause", "5 min"),
        ("act", "save"),
    ];
    assert!(ada.refused("/w/demo/groups/new", &form).await.contains("Add a unit"));
    let form: Vec<(&str, &str)> =
        form.into_iter().map(|(name, value)| (name, if value == "90" { "90 s" } else { value })).collect();
    let path = ada.done("/w/demo/groups/new", &form).await.split('?').next().unwrap().to_owned();
    let page = ada.page(&path).await;
    assert!(
        page.contains("Eli Sample is first now") && page.contains("after 90 s") && page.contains("both rounds"),
        "{page}"
    );
    let later = ada.page(&format!("{path}?at=2026-12-24T03:00")).await;
    assert!(later.contains("Eli Sample would be first") && later.contains("03:01:30"));
    let (twice, _) = ada.get(&format!("{path}?at=not-a-time")).await;
    assert_eq!(twice, StatusCode::UNPROCESSABLE_ENTITY);

    // As text: shown before it is saved, saved, compared, taken back.
    let id = path.rsplit('/').next().unwrap();
    let entry = format!("/w/demo/config/groups/{id}");
    assert!(!ada.page(&entry).await.contains("eli@example.com"), "a text with personal values is closed at first");
    let opened = ada.post(&format!("{entry}/open"), &[]).await.text().await.unwrap();
    assert!(opened.contains("eli@example.com"));
    let text = "name: Night\nmembers:\n  - user: cem@example.com\nrepeat:\n  times: 1\n";
    let shown = ada.post(&entry, &[("text", text), ("version", "1"), ("act", "save")]).await;
    assert_eq!(shown.status(), StatusCode::OK, "what was not looked at is shown, and not saved");
    let shown = shown.text().await.unwrap();
    assert!(shown.contains("What changes") && shown.contains("cem@example.com"));
    let print = field(&shown, "shown");
    ada.done(
        &entry,
        &[("text", text), ("version", "1"), ("act", "save"), ("shown", &print), ("reason", "night shift")],
    )
    .await;
    let stale = ada.refused(&entry, &[("text", text), ("version", "1"), ("act", "save"), ("shown", &print)]).await;
    assert!(stale.contains("Ada Sample saved version 2"), "{}", wrongs(&stale));
    let history = ada.page(&format!("{entry}/history")).await;
    assert!(history.contains("night shift") && history.contains("Version 1, created"));
    ada.done(&format!("{entry}/restore"), &[("version", "1"), ("reason", "the old way")]).await;
    assert!(ada.page(&path).await.contains("Eli Sample is first now"));

    // What others name cannot go.
    let group = ada.page("/w/demo/config/groups").await;
    let other = group
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|href| {
            href.starts_with("/w/demo/config/groups/")
                && !href.ends_with("/new")
                && !href.contains(id)
                && !href.ends_with("/history")
        })
        .unwrap()
        .to_owned();
    let asked = ada.page(&format!("{other}/delete")).await;
    assert!(asked.contains("flows demo/page-on-call") && asked.contains("disabled"), "{asked}");
    assert!(ada.refused(&format!("{entry}/delete"), &[("typed", "night")]).await.contains("That is not its name"));
    ada.done(&format!("{entry}/delete"), &[("typed", "Night"), ("reason", "not needed")]).await;
    assert_eq!(ada.get(&path).await.0, StatusCode::NOT_FOUND);
}

/// A carrier is paused, which the routes explain and a test text respects, and goes on; its password is on no page.
#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_is_paused_explained_and_goes_on() {
    let demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    eventually("bound", || async { ada.page("/w/demo/carriers").await.contains("Connected.").then_some(()) }).await;
    let path = "/w/demo/carriers/sim-1";
    let page = ada.page(path).await;
    assert!(
        page.contains("CN=") && page.contains("TLS 1.3") && page.contains("Good until") && page.contains("never shown")
    );
    ada.done(&format!("{path}/pause"), &[("reason", "they work on it")]).await;
    assert!(ada.page(path).await.contains("they work on it"));
    let explain = [("to", "+447700900104"), ("class", "alert")];
    let answer = ada.post("/w/demo/routes/explain", &explain).await.text().await.unwrap();
    assert!(answer.contains("It waits for sim-1") && answer.contains("sending was paused by Ada Sample"), "{answer}");
    ada.done(&format!("{path}/resume"), &[]).await;
    let answer = ada.post("/w/demo/routes/explain", &explain).await.text().await.unwrap();
    assert!(answer.contains("It goes by sim-1") && answer.contains("to +44 77"), "masked in the answer");
    let to = ada.done(&format!("{path}/test"), &[("to", "+447700900104"), ("text", "")]).await;
    assert!(to.starts_with("/w/demo/messages/"));
    ada.done(&format!("{path}/reconnect"), &[]).await;
    eventually("bound anew", || async {
        (ada.page(path).await.matches("unbound by us").count() + ada.page(path).await.matches("Unbound by us").count()
            >= 1)
            .then_some(())
    })
    .await;

    // Over REST the same decision, and the number in no address.
    let key = demo
        .client()
        .post(format!("{}/api/v1/workspaces/demo/routes/explain", ada.console))
        .bearer_auth(demo.fact("api_key"));
    assert_eq!(
        key.json(&json!({ "to": "+447700900104" })).send().await.unwrap().status(),
        StatusCode::FORBIDDEN,
        "the demo's key has no such scope"
    );

    // A changed window is saved under a reason, and the password stays though the field was left empty.
    let form = ada.page(&format!("{path}/edit")).await;
    assert!(!form.contains("type=\"password\" value") && form.contains("stays as it is"));
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for name in ["address", "tls_name", "system_id", "sessions", "version"] {
        fields.insert(name, field(&form, name));
    }
    let authority = between(&form, "name=\"tls_ca\"", "</textarea>").unwrap().split_once('>').unwrap().1.to_owned();
    let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend([
        ("tls", "on"),
        ("simulated", "on"),
        ("tls_ca", &authority),
        ("window", "70000"),
        ("bind", "transceiver"),
        ("on_unknown_outcome", "resend"),
        ("message_ids", "auto"),
    ]);
    assert!(ada.refused(&format!("{path}/edit"), &all).await.contains("between 1 and 2000"));
    let all: Vec<(&str, &str)> =
        all.into_iter().map(|(name, value)| (name, if name == "window" { "70" } else { value })).collect();
    ada.done(&format!("{path}/edit"), &all).await;
    eventually("bound with the new window", || async {
        let page = ada.page(path).await;
        (page.contains("of 140 unanswered") && page.contains(">Bound<")).then_some(())
    })
    .await;
}

/// The log is filtered, verified in the background, and leaves as a file that runs in no spreadsheet; each leaves its own entry.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_verified_and_exported() {
    let demo = Demo::start(BINARY, None);
    let ada = Reader::set_up(&demo).await;
    ada.done("/w/demo/carriers/sim-1/pause", &[("reason", "=HYPERLINK(\"https://example.com\")")]).await;
    let filtered = ada.page("/w/demo/audit?place=everywhere&action=carrier.&who=ada&q=hyperlink").await;
    assert!(filtered.contains("carrier.pause") && !filtered.contains(">resource.create<"));
    assert!(ada.page("/w/demo/audit?who=nobody-of-that-name").await.contains("No entry fits"));
    assert!(ada.page("/w/demo/audit?from=yesterday").await.contains("A day is written as"));
    let entry = link(&filtered, "/w/demo/audit/");
    eventually("sealed", || async { ada.page(&entry).await.contains("SHA-256").then_some(()) }).await;

    ada.done("/w/demo/audit/verify", &[]).await;
    eventually("verified", || async {
        ada.page("/w/demo/audit").await.contains("is as it was recorded").then_some(())
    })
    .await;

    let export = |format| [("format", format), ("place", "everywhere"), ("action", "carrier.")];
    let csv = ada.post("/w/demo/audit/export", &export("csv")).await;
    assert!(csv.headers()[CONTENT_DISPOSITION].to_str().unwrap().contains("attachment"));
    assert!(csv.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"));
    let csv = csv.text().await.unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"https://example.com\"\")\""), "{csv}");
    let lines = ada.post("/w/demo/audit/export", &export("jsonl")).await.text().await.unwrap();
    let line: Json = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(line["action"], "carrier.pause");
    let (status, rest) = ada.get("/api/v1/workspaces/demo/audit/export?format=csv").await;
    assert!(status == StatusCode::OK && rest.starts_with('\u{feff}'));
    let actions = ada.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "audit.export").count(), 3);
    assert!(actions.iter().any(|action| action == "audit.verify"));
}
