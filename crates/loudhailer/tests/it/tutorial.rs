//! `docs/tutorial.md`, typed as it stands: its files are written, its commands run in order against a real demo, and what it shows is what
//! is printed (`…` stands for anything). Only the ports are changed: many servers run beside each other in tests.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Demo, free_port};

use crate::BINARY;

const TUTORIAL: &str = include_str!("../../../../docs/tutorial.md");
/// How long a block may take; the longest waits for downloads.
const PATIENCE: Duration = Duration::from_mins(2);

/// A piece of the page that does something.
#[derive(Debug)]
enum Piece {
    /// Commands.
    Shell(String),
    /// A file of this name.
    File(String, String),
    /// What the commands before print.
    Shown(String),
    /// The demo is started again with these arguments.
    Again(Vec<String>),
    /// A person writes on a phone: from, to, text; while the next commands run.
    Handset([String; 3]),
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix("<!-- handset ") {
            let mut words = words.trim_end_matches(" -->").splitn(3, ' ').map(str::to_owned);
            pieces.push(Piece::Handset([(); 3].map(|()| words.next().unwrap())));
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let body = body.join("\n") + "\n";
        pieces.push(match info.split_once(' ') {
            Some((_, name)) => Piece::File(name.to_owned(), body),
            None if info == "bash" => Piece::Shell(body),
            None if info == "text" => Piece::Shown(body),
            None if info == "console" => {
                let words = body.trim().strip_prefix("$ target/debug/loudhailer demo ").expect("a command of ours");
                Piece::Again(words.split(' ').map(str::to_owned).collect())
            }
            None => panic!("a block that no test runs: {info}"),
        });
    }
    pieces
}

/// Whether the line is among what was printed, with anything for each `…`.
fn shows(printed: &str, line: &str) -> bool {
    printed.lines().any(|printed| {
        let mut rest = Some(printed);
        for part in line.split('…') {
            rest = rest.and_then(|rest| rest.find(part).map(|at| &rest[at + part.len()..]));
        }
        rest.is_some()
    })
}

/// Runs commands in `home`; variables are those of the commands before. Ends what they started when the test ends.
fn shell(home: &Path, commands: &str) -> String {
    let script = format!(
        "set -a\n[ ! -f .variables ] || . ./.variables\nset -e\n{commands}\ndeclare -p KEY UMID PASSWORD > .variables 2> /dev/null || true\necho $(jobs -p) >> .started\n"
    );
    let out = home.join(".out");
    let file = std::fs::File::create(&out).unwrap();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).args(["bash", "-c", &script]).current_dir(home).stdin(Stdio::null());
    let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    let said = std::fs::read_to_string(out).unwrap();
    assert!(status.success(), "{commands}\n{said}");
    said
}

/// Ends what the commands left running.
struct Started<'a>(&'a Path);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let all = std::fs::read_to_string(self.0.join(".started")).unwrap_or_default();
        let ids: Vec<&str> = all.split_whitespace().collect();
        if !ids.is_empty() {
            // Some have ended by themselves.
            let _ = Command::new("kill").args(ids).stderr(Stdio::null()).status();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_of_the_tutorial_does_what_it_says() {
    let mut demo = Demo::start(BINARY, None);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(demo.data(), home.path().join("demo-data")).unwrap();
    let ports = [9_443, 13_000, 13_001, 13_002].map(|port: u16| (port.to_string(), free_port().to_string()));
    let moved = |text: &str| ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    // The demo's own ports are others after each start.
    let fitted = |demo: &Demo, text: &str| {
        let smpp = demo.fact("smpp_tls").rsplit(':').next().unwrap();
        let text = moved(text).replace("https://localhost:8443", demo.fact("console"));
        let text = text.replace("\", 2776", &format!("\", {smpp}")).replace("port: 2776", &format!("port: {smpp}"));
        text.replace("port = 2776", &format!("port = {smpp}"))
    };
    let _started = Started(home.path());
    let (mut printed, mut ran) = (String::new(), 0);
    for piece in pieces(TUTORIAL) {
        match piece {
            Piece::File(name, body) => std::fs::write(home.path().join(name), fitted(&demo, &body)).unwrap(),
            Piece::Shell(commands) => {
                let (home, commands) = (home.path().to_owned(), fitted(&demo, &commands));
                printed = tokio::task::spawn_blocking(move || shell(&home, &commands)).await.unwrap();
                ran += 1;
            }
            Piece::Shown(lines) => {
                for line in lines.lines() {
                    assert!(shows(&printed, line), "the tutorial shows\n{line}\nand this was printed:\n{printed}");
                }
            }
            Piece::Again(words) => {
                let data = demo.data().join("ca.pem").display().to_string();
                let words = words.iter().map(|word| moved(word).replace("demo-data/ca.pem", &data)).collect();
                demo = tokio::task::spawn_blocking(move || {
                    demo.restart_with(words);
                    demo
                })
                .await
                .unwrap();
            }
            Piece::Handset([from, to, text]) => {
                // It is kept until the program asks for it.
                demo.carrier().send(&from, &to, &text).await.unwrap();
            }
        }
    }
    assert!(ran >= 7, "{ran} blocks");
}

#[test]
fn what_is_shown_is_compared() {
    assert!(shows("x\n{\"id\":\"7\",\"state\":\"delivered\"}", "…\"state\":\"delivered\"…"));
    assert!(!shows("{\"state\":\"sent\"}", "…\"state\":\"delivered\"…"));
    assert!(!shows("b a", "a…b"));
}
