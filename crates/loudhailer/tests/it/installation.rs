//! An installation as its operator makes one, by the commands of the real binary, and people who sign in to it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value as Json, json};
use testkit::{Process, eventually, free_port};

use crate::BINARY;

/// Everybody's here; as a form writes it.
const PASSWORD: &str = "a+correct+horse+standing+still";

/// The installation; its server is started by the test.
pub struct Installation {
    dir: tempfile::TempDir,
    port: u16,
    /// What its commands find in their environment.
    secrets: Vec<(String, String)>,
    http: reqwest::Client,
}

impl Installation {
    /// Makes one with nothing in it; its commands know these secrets by their environment.
    pub fn make(secrets: &[(&str, &str)]) -> Self {
        crypto::install_default_provider();
        let dir = tempfile::tempdir().unwrap();
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let init = Command::new(BINARY).args(["init", "--self-signed", "localhost", "--dir"]).arg(dir.path()).output();
        assert!(init.as_ref().is_ok_and(|output| output.status.success()), "{init:?}");
        let http = testkit::client(&dir.path().join("ca.pem"));
        let made = Self { dir, port: free_port(), secrets, http };
        let text = std::fs::read_to_string(made.path("loudhailer.toml")).unwrap();
        let text = text
            .replace("0.0.0.0:8443", &format!("127.0.0.1:{}", made.port))
            .replace("https://localhost:8443", &made.url())
            .replace("listen_tls = \"0.0.0.0:2776\"", "listen_tls = \"off\"");
        std::fs::write(made.path("loudhailer.toml"), text).unwrap();
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The binary in the installation's directory, with nothing of this process's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOUDHAILER_")) {
            command.env_remove(name);
        }
        command.envs(self.secrets.iter().cloned()).current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// What it prints.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Its commands know this too from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.secrets.push((name.to_owned(), value.into()));
        self
    }

    /// Applies this on the machine.
    pub fn apply(&self, resources: &str) -> String {
        std::fs::write(self.path("resources.yaml"), resources).unwrap();
        self.done(&["apply", "-f", "resources.yaml", "--config", "loudhailer.toml"])
    }

    /// It ends with that exit code and says that.
    pub fn refused(&self, arguments: &[&str], code: i32, words: &str) {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?} should say {words:?}: {}", said(&output));
    }

    /// The same, at the server with this token; one of these is said.
    pub fn refused_there(&self, arguments: &[&str], token: Option<&str>, words: &[&str]) {
        let mut command = self.command(arguments);
        command.args(["--url", &self.url(), "--ca", "ca.pem"]);
        if let Some(token) = token {
            command.env("LOUDHAILER_TOKEN", token);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(words.iter().any(|words| said(&output).contains(words)), "{arguments:?} {words:?}: {}", said(&output));
        assert!(token.is_none_or(|token| !said(&output).contains(token)), "no secret is printed");
    }

    /// Starts the server and waits until it is ready.
    pub async fn serve(&self) -> Process {
        let mut process = Process::start(&mut self.command(&["serve", "--config", "loudhailer.toml"]));
        process.drain();
        let url = format!("{}/readyz", self.url());
        eventually("the server is ready", || async {
            self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        process
    }

    /// The first administrator, by a set-up link that was printed before the server started.
    pub async fn set_up(&self, link: &str) -> Session<'_> {
        let code = link.trim().split_once('#').unwrap().1;
        let form = format!("code={code}&name=Ada+Sample&login=ada%40example.com&password={PASSWORD}&again={PASSWORD}");
        self.session("/setup", form).await
    }

    /// Somebody whom `by` invites: the session that begins when they choose their password.
    pub async fn invited(&self, by: &Session<'_>, login: &str) -> Session<'_> {
        let people = by.json(Method::GET, &format!("/api/v1/people?search={login}"), None).await;
        let id = people["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{people}")).to_owned();
        let drawn = by.json(Method::POST, &format!("/api/v1/people/{id}/invitation"), Some(json!({}))).await;
        let code = drawn["url"].as_str().unwrap_or_else(|| panic!("{drawn}")).split_once('#').unwrap().1.to_owned();
        self.session("/invite", format!("code={code}&password={PASSWORD}&again={PASSWORD}")).await
    }

    /// Somebody who has a password.
    pub async fn signed_in(&self, login: &str) -> Session<'_> {
        self.session("/sign-in", format!("login={}&password={PASSWORD}", login.replace('@', "%40"))).await
    }

    async fn session(&self, path: &str, form: String) -> Session<'_> {
        let asked = self.http.post(format!("{}{path}", self.url())).header("sec-fetch-site", "same-origin");
        let answer = asked.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
        let cookie = cookies.find(|cookie| cookie.starts_with("__Host-sid=")).unwrap_or_else(|| panic!("{answer:?}"));
        let mut session = Session { house: self, cookie, csrf: String::new() };
        let page = session.page("/").await.1;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        csrf.unwrap_or_else(|| panic!("no page with a form: {page}")).clone_into(&mut session.csrf);
        session
    }
}

/// Somebody who is signed in, as a browser.
pub struct Session<'h> {
    house: &'h Installation,
    cookie: String,
    csrf: String,
}

impl Session<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.house.http.request(method, format!("{}{path}", self.house.url()));
        request
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", "same-origin")
            .header("x-csrf-token", &self.csrf)
    }

    /// The status of a `GET`.
    pub async fn status(&self, path: &str) -> u16 {
        self.request(Method::GET, path).send().await.unwrap().status().as_u16()
    }

    /// A page, wherever it leads.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let mut path = path.to_owned();
        loop {
            let answer = self.request(Method::GET, &path).send().await.unwrap();
            match answer.headers().get("location") {
                Some(to) => to.to_str().unwrap().trim_start_matches(&self.house.url()).clone_into(&mut path),
                None => return (answer.status().as_u16(), answer.text().await.unwrap()),
            }
        }
    }

    /// What a form's answer says; with its status.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let encode = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            text.bytes().map(one).collect::<String>()
        };
        let mut body = format!("csrf={}", encode(&self.csrf));
        for (name, value) in fields {
            body.extend(["&", &encode(name), "=", &encode(value)]);
        }
        let asked = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let answer = asked.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn json(&self, method: Method, path: &str, body: Option<Json>) -> Json {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Applies this at the server.
    pub async fn apply(&self, resources: &str) -> (u16, String) {
        let asked = self.request(Method::POST, "/api/v1/resources/apply").header("content-type", "application/yaml");
        let answer = asked.body(resources.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
