//! A simulated carrier for programs that we did not write, until standard input closes.
//!
//! `carrier DIR tls|plain` makes a certificate in DIR (`ca.pem`, `cert.pem`, `key.pem`) when there is none, listens on a free
//! port of the loopback, and prints that port. The account is `interop` with the password `s3cret`; the ledger is
//! `DIR/ledger.jsonl`, the control socket `DIR/control.sock`. `carrier DIR handsets` prints the texts on the handsets of the
//! carrier that runs in DIR, one a line; `carrier DIR answer FROM TO TEXT` writes one from a handset.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use base::{Context, ExposeSecret, SystemClock};
use simulator::{Account, Behaviour, Control, Options, Security, Simulator};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [directory, "tls"] => serve(Path::new(directory), true).await,
        [directory, "plain"] => serve(Path::new(directory), false).await,
        [directory, "handsets"] => {
            let mut out = std::io::stdout().lock();
            for handset in Control::at(Path::new(directory).join("control.sock")).handsets().await? {
                for text in handset.texts {
                    writeln!(out, "{} {:?} {}: {}", handset.number, text.direction, text.note(), text.text)?;
                }
            }
            Ok(())
        }
        [directory, "answer", from, to, text] => {
            Control::at(Path::new(directory).join("control.sock")).send(from, to, text).await?;
            Ok(())
        }
        _ => Err("usage: carrier DIR tls|plain|handsets|answer FROM TO TEXT".into()),
    }
}

async fn serve(directory: &Path, tls: bool) -> Outcome {
    let ctx = Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance));
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| directory.join(name));
    if !cert.exists() {
        let made = crypto::tls::SelfSigned::generate(&["localhost".to_owned(), "127.0.0.1".to_owned()], &ctx)?;
        std::fs::write(&ca, made.ca_pem)?;
        std::fs::write(&cert, made.cert_pem)?;
        std::fs::write(&key, made.key_pem.expose_secret())?;
    }
    let security = if tls { Security::Tls { cert, key } } else { Security::AllowPlaintext };
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), security);
    options.account = Some(Account { system_id: "interop".into(), password: "s3cret".to_owned().into() });
    options.ledger = Some(directory.join("ledger.jsonl"));
    options.control = Some(directory.join("control.sock"));
    options.scenario.behaviour = Behaviour { receipt_delay_ms: 50, ..Behaviour::default() };
    let simulator = Simulator::start(options, ctx).await?;
    println!("{}", simulator.address().port());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    simulator.stop().await;
    Ok(())
}
