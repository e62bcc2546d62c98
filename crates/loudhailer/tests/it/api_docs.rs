//! The API as the console describes it: the commands on its pages are run as they stand there, against the server that drew them, and the
//! document of the composed product is what it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::Door;
use loudhailer::product::{Product, context};
use loudhailer::web::{self, Extras};
use serde_json::{Value, json};
use smpp::{Bind, BindMode, Password};
use smpplink::{Limits, Link, Target, Tls, connect};
use store::Options;
use testkit::{Behaviour, Demo, Receiver, eventually};

use crate::BINARY;

const PASSWORD: &str = "velvet-cactus-monday-rowing";
/// Every path of the composed product that is not the console's is in its document, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_what_the_product_serves() {
    crypto::install_default_provider();
    let database = testdb::sqlite_url();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    vault::KeyFile::create(&keys, &context()).unwrap();
    let product = Product::open(Options::new(database.url().clone()), &keys).await.unwrap();
    let settings = http::Settings::new("https://localhost:8443").unwrap().contact("mailto:security@example.com");
    let app = web::app(&product, settings, Extras::default());
    let served: BTreeSet<(String, String)> = app
        .routes()
        .iter()
        .filter(|route| match route.door {
            Door::Console | Door::Scim => false,
            Door::Public => route.path.starts_with("/.well-known") || route.path.starts_with("/oauth/"),
            _ => true,
        })
        .map(|route| (route.method.as_str().to_ascii_lowercase(), route.path.clone()))
        .collect();
    let document = app.document().json();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, all)| all.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    assert_eq!(served, described);
    assert!(described.len() > 40);
    product.close().await;
}

struct Reader {
    client: reqwest::Client,
    base: String,
    cookie: String,
    ca: PathBuf,
    receiver: Receiver,
}

impl Reader {
    async fn new(demo: &Demo, receiver: Receiver) -> Self {
        let (client, base) = (demo.client(), demo.fact("console").to_owned());
        let (_, code) = demo.fact("setup_url").split_once('#').unwrap();
        let form = format!("code={code}&name=Ada+Sample&login=ada%40example.com&password={PASSWORD}&again={PASSWORD}");
        let setup = client.post(format!("{base}/setup")).header("sec-fetch-site", "same-origin");
        let answer = setup.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
        let cookie = cookies.find(|cookie| cookie.starts_with("__Host-sid=")).unwrap_or_else(|| panic!("{answer:?}"));
        Self { client, base, cookie, ca: demo.fact("ca_cert").into(), receiver }
    }

    async fn page(&self, path: &str) -> String {
        let answer =
            self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    async fn csrf(&self) -> String {
        let page = self.page("/w/demo/you").await;
        page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    fn posting(&self, path: &str, csrf: &str) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        request.header("sec-fetch-site", "same-origin").header("x-csrf-token", csrf)
    }

    /// A key that may do all that a key may.
    async fn key(&self) -> String {
        let scopes: Vec<&str> = access::KeyScope::all().map(access::KeyScope::name).collect();
        let body = json!({"name": "examples", "scopes": scopes});
        let path = "/api/v1/workspaces/demo/keys";
        let made = self.posting(path, &self.csrf().await).json(&body).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        made["token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// A token for the command line, as the page shows it once.
    async fn token(&self) -> String {
        let form = format!("csrf={}", self.csrf().await);
        let request = self.client.post(format!("{}/w/demo/you/token", self.base)).header("cookie", &self.cookie);
        let request = request.header("sec-fetch-site", "same-origin").body(form);
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        let page = answer.text().await.unwrap();
        page.split("id=\"token\">").nth(1).unwrap_or_else(|| panic!("{page}")).split('<').next().unwrap().to_owned()
    }

    async fn ask(&self, method: reqwest::Method, path: &str, key: &str, body: &Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(key);
        let answer = request.json(body).send().await.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        self.ask(reqwest::Method::POST, path, key, body).await
    }

    /// Makes what the operation of an example uses up, so that the newest of its sort is there for the page to name.
    async fn prepare(&self, operation: &str, key: &str) {
        const MESSAGES: &str = "/api/v1/subaccounts/demo/messages";
        let scheduled = context().now().plus(Duration::from_hours(1)).to_string();
        match operation {
            "cancelMessage" | "cancelSms" | "cancelSmsOld" | "getMessageContent" => {
                let order = json!({"destination": "+447700900117", "text": "Later", "scheduled": scheduled});
                self.post(MESSAGES, key, &order).await;
            }
            "cancelBatch" | "cancelSmsBatch" | "cancelSmsBatchOld" | "getBatch" | "getSmsBatch" => {
                let template = json!({"text": "Later", "scheduled": scheduled});
                let order = json!({"destinations": ["+447700900117"], "template": template});
                self.post(&format!("{MESSAGES}/batch"), key, &order).await;
            }
            "getSmsExport" | "getSmsExportFile" | "deleteSmsExport" => {
                let order = json!({"from": "2026-01-01", "to": scheduled[..10]});
                let started = self.post(&format!("{MESSAGES}/exports"), key, &order).await;
                let path = format!("{MESSAGES}/exports/{}", started["jobId"].as_str().unwrap());
                eventually("the export is made", || async {
                    let export = self.ask(reqwest::Method::GET, &path, key, &Value::Null).await;
                    (export["status"] == "succeeded").then_some(())
                })
                .await;
            }
            "deleteSmsWebhooks"
            | "getWebhook"
            | "testWebhook"
            | "askWebhook"
            | "rotateWebhookSecret"
            | "replayWebhook"
            | "getCallback"
            | "replayCallback" => {
                let wanted =
                    json!([{"subAccountId": "demo", "url": format!("https://localhost:{}/hooks", self.receiver.port)}]);
                self.post("/api/v1/accounts/Loudhailer/webhooks", key, &wanted).await;
                if operation.ends_with("Callback") {
                    let path = "/api/v1/workspaces/demo/webhooks";
                    let webhooks = self.ask(reqwest::Method::GET, path, key, &Value::Null).await;
                    let id = webhooks["items"][0]["id"].as_str().unwrap();
                    let before = self.receiver.seen().len();
                    self.post(&format!("{path}/{id}/test"), key, &json!({})).await;
                    self.receiver.until(before + 1).await;
                    // What is under way cannot be sent again by hand.
                    let path = "/api/v1/workspaces/demo/callbacks";
                    eventually("the callback is done", || async {
                        let all = self.ask(reqwest::Method::GET, path, key, &Value::Null).await;
                        (all["items"][0]["state"] == "delivered").then_some(())
                    })
                    .await;
                }
            }
            _ => {}
        }
    }

    /// Somebody whom an example may change and delete.
    async fn person(&self, operation: &str, token: &str) {
        if ["changePerson", "getPerson", "deletePerson", "whatCan"].contains(&operation) {
            let login = format!("{operation}-{}@example.com", context().now().as_micros());
            let roles = json!([{"role": "observer", "workspace": "demo"}]);
            self.post("/api/v1/people", token, &json!({"name": "Sam Sample", "login": login, "roles": roles})).await;
        }
        if ["listDirectories", "getDirectory"].contains(&operation) {
            let file = json!({"provisioning_sources": [{"name": "entra"}]});
            self.post("/api/v1/resources/apply", token, &file).await;
        }
        if ["handOverPerson", "releasePerson"].contains(&operation) {
            let login = if operation == "handOverPerson" { "sam@example.com" } else { "kim@example.com" };
            let roles = json!([{"role": "observer", "workspace": "demo"}]);
            self.post("/api/v1/people", token, &json!({"name": "Sam Sample", "login": login, "roles": roles})).await;
            if operation == "releasePerson" {
                let all = self.ask(reqwest::Method::GET, "/api/v1/provisioning", token, &Value::Null).await;
                let path = format!("/api/v1/provisioning/{}/people", all["items"][0]["id"].as_str().unwrap());
                self.post(&path, token, &json!({"login": login})).await;
            }
        }
    }

    fn run(&self, program: &mut Command, key: &str, token: &str) -> Result<String, String> {
        let output = program
            .env("LOUDHAILER_KEY", key)
            .env("LOUDHAILER_TOKEN", token)
            .env("CURL_CA_BUNDLE", &self.ca)
            .env("SSL_CERT_FILE", &self.ca)
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            Err(format!("{}{}", said(&output.stdout), said(&output.stderr)))
        }
    }
}

/// The examples of a page by the ids of their places, as a reader copies them.
fn examples(page: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        let pairs = [
            ("&quot;", "\""),
            ("&#34;", "\""),
            ("&#39;", "'"),
            ("&#x27;", "'"),
            ("&lt;", "<"),
            ("&#60;", "<"),
            ("&gt;", ">"),
            ("&#62;", ">"),
        ];
        let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        text.replace("&#38;", "&").replace("&amp;", "&")
    };
    page.split("<pre ")
        .skip(1)
        .filter_map(|part| {
            let id = part.split("id=\"").nth(1)?.split('"').next()?;
            let text = part.split_once('>')?.1.split("</pre>").next()?;
            (id.starts_with("curl-") || id.starts_with("python-")).then(|| (id.to_owned(), plain(text)))
        })
        .collect()
}

fn python(dir: &Path, text: &str) -> Command {
    let file = dir.join("example.py");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("python3");
    command.arg(file);
    command
}

/// An application that is bound.
async fn bind(demo: &Demo) -> Link {
    let ca = std::fs::read_to_string(demo.fact("ca_cert")).unwrap();
    let config = crypto::tls::client_config(&crypto::tls::Roots::Pem(ca), &[]).unwrap();
    let tls = Tls { server_name: "localhost".try_into().unwrap(), config };
    let target = Target { address: demo.fact("smpp_tls").to_owned(), tls: Some(tls) };
    let bind = Bind::new(demo.fact("smpp_system_id"), Password::new(demo.fact("smpp_password")));
    connect(&target, BindMode::Transceiver, bind, Limits::default()).await.unwrap()
}

/// Issue 3: the document is rendered inside the console with working examples.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_on_the_pages_work() {
    let receiver = Receiver::start(&["localhost"], |_, _| Behaviour::ok()).await;
    let dir = tempfile::tempdir().unwrap();
    let (target, authority) = (format!("localhost:{}", receiver.port), dir.path().join("receiver.pem"));
    std::fs::write(&authority, &receiver.authority).unwrap();
    let allowed = ["--outbound-allow", &target, "--outbound-ca", authority.to_str().unwrap()];
    let demo = Demo::start_with(BINARY, None, &allowed);
    let reader = Reader::new(&demo, receiver).await;
    let (key, token) = (reader.key().await, reader.token().await);
    // Something to read: a signal, its run, its alert, its text.
    let signal = json!({"title": "Disk full on db-1", "key": "disk/db-1", "priority": "high"});
    let sent = reader.client.post(demo.fact("signal_url")).json(&signal).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    eventually("the signal is handled", || async {
        let path = format!("{}/api/v1/workspaces/demo/messages", reader.base);
        let list: Value = reader.client.get(path).bearer_auth(&key).send().await.ok()?.json().await.ok()?;
        (!list["items"].as_array()?.is_empty()).then_some(())
    })
    .await;

    let contents = reader.page("/w/demo/api-docs").await;
    let chapters: BTreeSet<&str> =
        contents.split("href=\"/w/demo/api-docs/").skip(1).filter_map(|part| part.split(['"', '#']).next()).collect();
    assert!(chapters.len() >= 10, "{chapters:?}");
    let (mut worked, mut failures) = (0, Vec::new());
    for chapter in chapters {
        let address = format!("/w/demo/api-docs/{chapter}");
        let page = reader.page(&address).await;
        assert!(page.len() < 400_000, "{chapter}: {} bytes before compression", page.len());
        assert!(!page.contains(&key) && !page.contains(&token));
        for id in examples(&page).into_keys() {
            let (language, operation) = id.split_once('-').unwrap();
            reader.prepare(operation, &key).await;
            if language == "curl" || !["handOverPerson", "releasePerson"].contains(&operation) {
                reader.person(operation, &token).await;
            }
            let _bound = if operation == "disconnectSmppBind" { Some(bind(&demo).await) } else { None };
            // As it stands when a reader looks now.
            let text = examples(&reader.page(&address).await).remove(&id).unwrap();
            // Python is the same request again; what pages people is not sent twice.
            if language == "python"
                && (text.contains("\"POST\"") || text.contains("\"DELETE\""))
                && operation != "sendSms"
            {
                continue;
            }
            let mut command = if language == "curl" {
                let mut shell = Command::new("sh");
                shell.args(["-c", &text]);
                shell
            } else {
                python(dir.path(), &text)
            };
            let result = reader.run(&mut command, &key, &token);
            match result {
                Ok(_) => worked += 1,
                Err(said) => failures.push(format!("{id}: {said}\n{text}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n\n"));
    assert!(worked > 40, "{worked} worked");
}
