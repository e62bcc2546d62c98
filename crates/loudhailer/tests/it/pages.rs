//! Every page of the console in a real browser: at desktop and phone width, light and dark. axe-core finds nothing, nothing
//! overflows on a phone, the browser has nothing to complain about (content security policy, missing files, exceptions), each
//! page says what it is, and its first load is small. Pictures of all of them are kept among the artefacts.
//!
//! The pages are derived: every `GET` of the composed console, with parameters from the links that the pages themselves show.
//! A new page is checked by itself, and one that no link leads to fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use http::Door;
use loudhailer::product::{Product, context};
use loudhailer::web::{self, Extras};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, COOKIE};
use store::Options;
use testkit::{Browser, Demo, SIZES, THEMES, artefact, eventually};

use crate::{BINARY, first_use};

/// What a page and everything it needs may weigh on first load, in bytes as they travel.
const FIRST_LOAD: usize = 60_000;
/// What Chromium reads.
const PACKED: &str = "gzip, deflate, br, zstd";
/// Pages that a signed-in reader is sent away from: looked at before signing in.
///
/// The two stages between password and session are not looked at here: one comes to them half way in only.
const OUTSIDE: [&str; 9] = [
    "/setup",
    "/sign-in",
    "/signed-out",
    "/handsets",
    "/invite",
    "/forgot",
    "/reset",
    "/sign-in/factor",
    "/sign-in/enrol",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_light_and_has_no_finding() {
    let _alone = crate::ALONE.lock().await;
    let demo = Demo::start(BINARY, None);
    let browser = Browser::open(1280, 900).await;
    let mut look = Look { demo: &demo, browser: &browser, findings: Vec::new(), titles: BTreeMap::new() };

    let patterns = patterns().await;
    look.at("/setup").await;
    first_use::set_up(&demo, &browser).await;
    story(&demo, &browser).await;

    let site =
        Site { client: demo.client(), console: demo.fact("console").to_owned(), cookie: cookies(&browser).await };
    let found = site.walk().await;
    for pattern in &patterns {
        let Some(path) = found
            .iter()
            .find(|path| fits(pattern, path) && (*path == pattern || !patterns.contains(*path)))
            .or_else(|| outside(pattern))
        else {
            look.findings.push(format!("{pattern}: no link leads there"));
            continue;
        };
        if OUTSIDE.contains(&path.as_str()) {
            continue;
        }
        let weight = site.weigh(path).await;
        println!("{weight:>6} bytes  {path}");
        if weight > FIRST_LOAD {
            look.findings.push(format!("{path}: {weight} bytes on first load, {FIRST_LOAD} at most"));
        }
        look.at(path).await;
    }
    look.at("/w/demo/nothing-here").await;
    browser.goto(&format!("{}/w/demo/you", site.console)).await;
    browser.click("form.row[action='/sign-out'] button").await;
    browser.wait("#password").await;
    look.at("/sign-in").await;
    look.at("/signed-out").await;
    look.at("/invite").await;
    look.at("/forgot").await;
    look.at("/reset").await;
    browser.goto(demo.fact("handset_url")).await;
    browser.wait("#phones").await;
    look.at("/handsets").await;

    println!("{} pages", look.titles.len());
    assert!(look.findings.is_empty(), "{} findings:\n{}", look.findings.len(), look.findings.join("\n"));
    browser.close().await;
}

/// Every page that the composed console serves with GET, with its `{names}`, for the workspace of the demo.
async fn patterns() -> BTreeSet<String> {
    crypto::install_default_provider();
    let database = testdb::sqlite_url();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(&keys, &context()).unwrap();
    let product = Product::open(Options::new(database.url().clone()), &keys).await.unwrap();
    let app = web::app(&product, http::Settings::new("https://localhost:8443").unwrap(), Extras::default());
    let routes = app.routes().iter();
    let pages = routes.filter(|route| route.door == Door::Console && route.method == http::Method::GET);
    let patterns = pages.map(|route| route.path.replace("{workspace}", "demo"));
    // Streams and files are no pages; "/" only leads to one, and a sign-on leads to a provider and back.
    let pages = |path: &String| {
        path != "/"
            && path != "/stay"
            && !path.ends_with("/events")
            && !path.contains("/files/")
            && !path.starts_with("/sso/")
            // A provider is there only where one was set up.
            && !path.starts_with("/w/demo/sign-on/{entry}")
            // So is a directory; its pages are looked at in `provisioning`.
            && !path.starts_with("/w/demo/provisioning/{entry}")
    };
    let patterns = patterns.filter(pages).collect();
    product.close().await;
    patterns
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(one, other)| one.starts_with('{') || one == other)
}

fn outside(pattern: &str) -> Option<&'static String> {
    static PATHS: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| OUTSIDE.iter().map(|path| (*path).to_owned()).collect());
    PATHS.iter().find(|path| *path == pattern)
}

/// A little of everything happens, so that lists have rows and details exist.
async fn story(demo: &Demo, browser: &Browser) {
    let console = demo.fact("console");
    browser.size(SIZES[0]).await;
    browser.goto(&format!("{console}/w/demo/handsets")).await;
    browser.click("form[action$='/raise'] button").await;
    browser.wait("#phone-447700900104 .key").await;
    browser.click("#phone-447700900104 .key").await;
    browser.sees("#phone-447700900104", "A-1").await;
    browser.click("form[action$='/raise'] button").await;
    let client = demo.client();
    let refused = format!("{}x", demo.fact("signal_url"));
    client.post(refused).json(&serde_json::json!({ "title": "From a stranger" })).send().await.unwrap();
    // Who hears of messages, at an address where nobody is.
    let webhook = serde_json::json!([{ "subAccountId": "demo", "url": "https://hooks.example.invalid/sms" }]);
    let hooks = format!("{console}/api/v1/accounts/{}/webhooks", demo.fact("account"));
    let set = client.post(hooks).bearer_auth(demo.fact("api_key")).json(&webhook).send().await.unwrap();
    assert!(set.status().is_success(), "a webhook: {}", set.status());
    let message = serde_json::json!({ "destination": "+447700900126", "text": "Tea is ready" });
    let sent = client.post(format!("{console}/api/v1/subaccounts/demo/messages")).bearer_auth(demo.fact("api_key"));
    assert!(sent.json(&message).send().await.unwrap().status().is_success(), "a text of an application");
    // Many at a time, some of them later, and messages as a file.
    let later = context().now().plus(std::time::Duration::from_hours(2)).rfc3339();
    let many = serde_json::json!({
        "clientBatchId": "tea", "template": { "text": "Tea is ready" },
        "messages": [{ "destination": "+447700900126" }, { "destination": "12" },
            { "destination": "+447700900126", "scheduled": later }],
    });
    for (path, body) in [("batch", many), ("exports", serde_json::json!({}))] {
        let asked =
            client.post(format!("{console}/api/v1/subaccounts/demo/messages/{path}")).bearer_auth(demo.fact("api_key"));
        assert!(asked.json(&body).send().await.unwrap().status().is_success(), "{path}");
    }
    // A role of the organisation's own.
    browser.goto(&format!("{console}/w/demo/roles/new")).await;
    browser.fill("#name", "night watch").await;
    browser.click("input[name=holds][value='alerts:read']").await;
    browser.click("form.panel button.go").await;
    browser.sees("main", "The role is saved").await;
    // A service whose tokens count.
    browser.goto(&format!("{console}/w/demo/issuers/new")).await;
    browser.fill("#name", "builds").await;
    browser.fill("#issuer", "https://ci.example.invalid").await;
    browser.fill("#rules", "sub = repo:acme/* -> signals:send").await;
    browser.click("form.panel button.go").await;
    browser.sees("main [role=status]", "Saved").await;
    browser.goto(&format!("{console}/w/demo/alerts")).await;
    browser.sees("#list", "A-2").await;
}

async fn cookies(browser: &Browser) -> String {
    let all = browser.client.get_all_cookies().await.unwrap();
    all.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect::<Vec<_>>().join("; ")
}

/// axe-core finds nothing on a page that another test has come to, at any size and in any colours.
pub async fn accessible(browser: &Browser, page: &str) {
    for size in SIZES {
        browser.size(size).await;
        for theme in THEMES {
            browser.theme(theme).await;
            assert_eq!(browser.axe().await, Vec::<String>::new(), "{page} ({}, {theme})", size.name);
        }
    }
    browser.size(SIZES[0]).await;
    browser.theme(THEMES[0]).await;
}

/// The console as a program sees it that follows links.
struct Site {
    client: reqwest::Client,
    console: String,
    cookie: String,
}

impl Site {
    async fn get(&self, path: &str, encodings: &str) -> reqwest::Response {
        let asked = self.client.get(format!("{}{path}", self.console)).header(COOKIE, &self.cookie);
        // A browser says where a request comes from; streams and forms ask for it.
        asked.header(ACCEPT_ENCODING, encodings).header("Sec-Fetch-Site", "same-origin").send().await.unwrap()
    }

    /// Every page that links lead to from the overview on, by path without query. Each is opened once.
    async fn walk(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut ahead = VecDeque::from(["/w/demo".to_owned()]);
        let mut seen = BTreeSet::new();
        let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
        while let Some(path) = ahead.pop_front() {
            let bare = path.split(['?', '#']).next().unwrap_or_default().to_owned();
            // Of pages that differ in an id only, three are enough to find what they lead to.
            let shape: String = bare
                .split('/')
                .map(|part| if part.len() > 20 || part.starts_with("A-") { "*" } else { part })
                .collect();
            let count = shapes.entry(shape).or_default();
            // The alert of the styleguide is a drawing.
            if !seen.insert(bare.clone()) || *count >= 3 || bare.ends_with("/A-1042") {
                continue;
            }
            *count += 1;
            let answer = self.get(&bare, "identity").await;
            let kind =
                answer.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
            if !answer.status().is_success() || !kind.starts_with("text/html") {
                assert!(!answer.status().is_server_error() && answer.status() != 404, "{bare}: {}", answer.status());
                continue;
            }
            let html = answer.text().await.unwrap();
            ahead.extend(
                values(&html, "href").filter(|href| href.starts_with("/w/demo") || *href == "/handsets").map(unescape),
            );
            found.insert(bare);
        }
        found
    }

    /// What a browser with an empty cache would load for a page, in bytes.
    async fn weigh(&self, path: &str) -> usize {
        let html = self.get(path, "identity").await.text().await.unwrap();
        let packed = self.get(path, PACKED).await.bytes().await.unwrap();
        let names = values(&html, "href").chain(values(&html, "src"));
        let assets: BTreeSet<&str> = names
            .filter(|name| name.starts_with("/assets/"))
            .map(|name| name.split('#').next().unwrap_or_default())
            .collect();
        let mut weight = packed.len();
        for asset in assets {
            let answer = self.get(asset, PACKED).await;
            assert!(answer.status().is_success(), "{asset} of {path}");
            let kept = answer.headers()["cache-control"].to_str().unwrap().to_owned();
            assert!(kept.contains("immutable"), "{asset} is kept: {kept}");
            weight += answer.bytes().await.unwrap().len();
        }
        weight
    }
}

fn values<'h>(html: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    let start = format!(" {name}=\"");
    html.split(&*start.leak()).skip(1).map(|rest| rest.split('"').next().unwrap_or_default())
}

fn unescape(text: &str) -> String {
    text.replace("&amp;", "&").replace("&#38;", "&")
}

struct Look<'a> {
    demo: &'a Demo,
    browser: &'a Browser,
    findings: Vec<String>,
    /// The pages by their titles: no two that a reader could mix up.
    titles: BTreeMap<String, String>,
}

impl Look<'_> {
    /// Looks at one page in every size and colour.
    async fn at(&mut self, path: &str) {
        let browser = self.browser;
        let name = path.trim_matches('/').replace('/', "-");
        let name = if name.is_empty() { "home".to_owned() } else { name };
        browser.size(SIZES[0]).await;
        browser.theme("light").await;
        let _ = browser.complaints().await;
        browser.goto(&format!("{}{path}", self.demo.fact("console"))).await;
        let at = browser.client.current_url().await.unwrap();
        if at.path() != path {
            self.findings.push(format!("{path}: leads to {}", at.path()));
        }
        // The live stream is open before pictures are taken, so that the head shows it.
        eventually("the page is loaded", || async {
            (browser.ask("document.readyState").await == "complete").then_some(())
        })
        .await;
        let facts = browser.ask("[document.title, document.querySelectorAll('h1').length, document.querySelector('h1')?.textContent.trim()]").await;
        let title = facts[0].as_str().unwrap_or_default().to_owned();
        if facts[1] != 1 || facts[2].as_str().is_none_or(str::is_empty) {
            self.findings.push(format!("{path}: {} headings of the first level: {}", facts[1], facts[2]));
        }
        if title.trim_start().starts_with('·') || title.is_empty() {
            self.findings.push(format!("{path}: no title"));
        }
        self.titles.insert(path.to_owned(), title);
        let folder = artefact("screens");
        std::fs::create_dir_all(&folder).unwrap();
        for size in SIZES {
            browser.size(size).await;
            for theme in THEMES {
                browser.theme(theme).await;
                let place = format!("{path} ({}, {theme})", size.name);
                for line in browser.axe().await {
                    self.findings.push(format!("{place}: {line}"));
                }
                browser.whole(&folder.join(format!("{name}-{}-{theme}.png", size.name))).await;
            }
            let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let over = browser.ask(over).await;
            if over != 0 {
                self.findings.push(format!("{path} ({}): {over} px wider than the window", size.name));
            }
        }
        browser.size(SIZES[0]).await;
        for line in browser.complaints().await {
            // The page that is missing on purpose is also a failed load.
            if !(path.ends_with("/nothing-here") && line.contains("404")) {
                self.findings.push(format!("{path}: {line}"));
            }
        }
    }
}
