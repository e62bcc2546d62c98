//! Letters from outside: the real server with `[mail]` in its configuration, a mail server that we did not write, and a browser.
//! Somebody is invited by e-mail, forgets the password, and gets in again.

use std::process::Command;

use serde_json::Value;
use testkit::{Browser, MAIL_ACCOUNT, MailMode, MailServer, client, eventually, serve};

use crate::BINARY;

const FIRST: &str = "a correct horse, standing still";
const SECOND: &str = "seven grey lanterns over water";

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// The link in a letter, as a mail program shows it.
fn link(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap().replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    text.split_whitespace().find(|word| word.starts_with("https://")).unwrap().to_owned()
}

async fn choose(browser: &Browser, link: &str, password: &str) {
    browser.goto(link).await;
    browser.fill("#password", password).await;
    browser.fill("#again", password).await;
    browser.click("form button.go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_13_from_an_invitation_by_letter_to_a_new_password_by_letter() {
    let _alone = crate::ALONE.lock().await;
    let server = MailServer::start(MailMode::StartTls, None);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    run(Command::new(BINARY).args(["init", "--dir", &path(""), "--self-signed", "localhost"]));
    let port = testkit::free_port();
    let config = std::fs::read_to_string(path("loudhailer.toml")).unwrap();
    let mut lines: Vec<String> = config.lines().map(str::to_owned).collect();
    for line in &mut lines {
        match line.split(['=', ' ']).next().unwrap_or_default() {
            "listen" => *line = format!("listen = \"127.0.0.1:{port}\""),
            "public_url" => *line = format!("public_url = \"https://localhost:{port}\""),
            _ => {}
        }
    }
    std::fs::write(path("mail-ca.pem"), &server.authority).unwrap();
    std::fs::write(path("mail-password"), MAIL_ACCOUNT.1).unwrap();
    lines.push(format!(
        "[mail]\nserver = \"localhost\"\nport = {}\ntls = \"starttls\"\nca = \"mail-ca.pem\"\nuser = \"{}\"\n\
         password_file = \"{}\"\nfrom = \"Loudhailer <pager@example.com>\"",
        server.port,
        MAIL_ACCOUNT.0,
        path("mail-password"),
    ));
    std::fs::write(path("loudhailer.toml"), lines.join("\n")).unwrap();
    let setup = run(Command::new(BINARY).args(["setup-link", "--config", &path("loudhailer.toml")]));
    let _process = serve(BINARY, &dir.path().join("loudhailer.toml"));
    let (probe, url) = (client(&dir.path().join("ca.pem")), format!("https://localhost:{port}"));
    eventually("the server is ready", || async {
        let answer = probe.get(format!("{url}/readyz")).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;

    // An administrator, a workspace, and somebody who is invited by letter.
    let browser = Browser::open(1280, 1000).await;
    browser.goto(setup.trim()).await;
    browser.fill("#name", "Ada Sample").await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", FIRST).await;
    browser.fill("#again", FIRST).await;
    browser.click("form button.go").await;
    browser.fill("#slug", "ops").await;
    browser.click("form.panel button.go").await;
    browser.sees("h1", "of 5").await;
    browser.goto(&format!("{url}/w/ops/users/new")).await;
    browser.fill("#name", "Bo Sample").await;
    browser.fill("#login", "bo@example.com").await;
    browser.click("form.panel button.go").await;
    browser.sees("h1", "Bo Sample").await;
    browser.click("form[action$='/letter'] button").await;
    browser.sees("main", "The letter is queued").await;
    let invitation = server.until(1).remove(0);
    assert_eq!((&invitation["to"][0], &invitation["tls"]), (&Value::from("bo@example.com"), &Value::from(true)));
    let here = browser.client.current_url().await.unwrap().to_string();
    browser.goto(&here).await;
    browser.sees("main", "Invitation left").await;
    browser.goto(&format!("{url}/w/ops/you")).await;
    browser.click("form.row[action='/sign-out'] button").await;
    browser.wait("#password").await;

    // They choose a password, and forget it.
    choose(&browser, &link(&invitation), FIRST).await;
    browser.sees("h1", "no workspace for you").await;
    browser.close().await;
    let browser = Browser::open(1280, 1000).await;
    browser.goto(&format!("{url}/sign-in")).await;
    browser.click("a[href='/forgot']").await;
    browser.fill("#login", "bo@example.com").await;
    browser.click("form button.go").await;
    browser.sees("main", "If there is an account of that address").await;
    let letter = server.until(2).remove(1);
    choose(&browser, &link(&letter), SECOND).await;
    browser.sees("main", "Your new password is set").await;
    browser.fill("#login", "bo@example.com").await;
    browser.fill("#password", SECOND).await;
    browser.click("form button.go").await;
    browser.sees("h1", "no workspace for you").await;
    assert!(server.until(3)[2]["text"].as_str().unwrap().contains("was changed"));
    browser.close().await;
}
