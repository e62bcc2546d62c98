//! A mail server that we did not write: Python's aiosmtpd, with a private authority of its own.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto::tls::SelfSigned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// The account that the server knows.
pub const MAIL_ACCOUNT: (&str, &str) = ("pager", "an account of the mail server");

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailMode {
    /// TLS from the first byte.
    Implicit,
    /// TLS after STARTTLS, demanded.
    StartTls,
    /// Clear text, no account; offers no STARTTLS.
    Clear,
}

/// The server; it stops when it is dropped. `nobody@…` is refused for good, `later@…` for now.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens, on 127.0.0.1, as `localhost`.
    pub port: u16,
    /// The authority that vouches for it, PEM.
    pub authority: String,
    letters: Arc<Mutex<Vec<Value>>>,
    _process: Process,
    _dir: TempDir,
}

impl MailServer {
    /// Starts one on a free port, or on `port`.
    pub fn start(mode: MailMode, port: Option<u16>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let context = base::Context::new(Arc::new(base::SystemClock), Arc::new(crypto::OsChance));
        let made = SelfSigned::generate(&["localhost".to_owned()], &context).expect("a certificate");
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&cert, &made.cert_pem).expect("the certificate is written");
        std::fs::write(&key, base::ExposeSecret::expose_secret(&made.key_pem)).expect("the key is written");
        let mut how = json!({
            "mode": match mode { MailMode::Implicit => "implicit", MailMode::StartTls => "starttls", MailMode::Clear => "clear" },
            "port": port.unwrap_or(0), "utf8": true,
        });
        if mode != MailMode::Clear {
            how["cert"] = json!(cert);
            how["key"] = json!(key);
            how["user"] = json!(MAIL_ACCOUNT.0);
            how["password"] = json!(MAIL_ACCOUNT.1);
        }
        // Debian's own Python has Debian's aiosmtpd.
        let mut command = Command::new("/usr/bin/python3");
        let mut process = Process::start(command.args(["-c", include_str!("mail_server.py")]).arg(how.to_string()));
        let port = process.line().trim().parse().expect("the port of the mail server; is python3-aiosmtpd installed?");
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&letters);
        process.each_line(move |line| {
            let letter = serde_json::from_str(&line).expect("a letter as JSON");
            kept.lock().expect("the letters").push(letter);
        });
        Self { port, authority: made.ca_pem, letters, _process: process, _dir: dir }
    }

    /// Everything that came in, as `{from, to, hello, user, tls, text}`.
    pub fn letters(&self) -> Vec<Value> {
        self.letters.lock().expect("the letters").clone()
    }

    /// Waits until `count` letters came in; panics when they do not within half a minute.
    pub fn until(&self, count: usize) -> Vec<Value> {
        for _ in 0..600 {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{} letters came in, never {count}", self.letters().len());
    }
}
