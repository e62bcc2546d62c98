//! `loudhailer simulator`: the simulated carrier as its own process.

use base::SecretString;
use simulator::{Account, Options, Scenario, Security};

use crate::cli::Simulator;
use crate::config::Log;
use crate::error::{Error, Result};
use crate::serve::asked_to_stop;

/// Runs until SIGTERM or SIGINT; prints where it listens.
pub async fn simulator(options: &Simulator) -> Result<()> {
    crate::logging::start(&Log { level: "warn".into(), ..Log::default() });
    let security = match (&options.tls, options.allow_plaintext) {
        (Some(files), _) => match files.as_slice() {
            [cert, key] => Security::Tls { cert: cert.clone(), key: key.clone() },
            _ => return Err(Error::told("--tls wants two files: CERT KEY")),
        },
        (None, true) => Security::AllowPlaintext,
        (None, false) => {
            return Err(Error::told("give --tls CERT KEY; for a test link in clear text say --allow-plaintext"));
        }
    };
    let mut how = Options::new(options.listen, security);
    how.ledger.clone_from(&options.ledger);
    how.control.clone_from(&options.control);
    if let Some(path) = &options.behaviour {
        let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
        how.scenario = serde_json::from_str::<Scenario>(&text)
            .map_err(|error| Error::told(format!("{}: {error}", path.display())))?;
    }
    if let Some(system_id) = &options.system_id {
        let password = match &options.password_file {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?.trim_end().to_owned()
            }
            None => std::env::var("LOUDHAILER_SIMULATOR_PASSWORD").map_err(|_| {
                Error::told("--system-id wants a password: --password-file, or LOUDHAILER_SIMULATOR_PASSWORD")
            })?,
        };
        how.account = Some(Account { system_id: system_id.clone(), password: SecretString::from(password) });
    }
    let simulator = simulator::Simulator::start(how, crate::product::context()).await?;
    println!("listening on {}", simulator.address());
    if options.with_parent {
        tokio::select! {
            asked = asked_to_stop() => asked?,
            () = parent_gone() => {}
        }
    } else {
        asked_to_stop().await?;
    }
    simulator.stop().await;
    Ok(())
}

/// Ends when standard input does: nobody writes there, so the end of it is the end of the parent. On a thread of its own, which
/// the process does not wait for.
async fn parent_gone() {
    let (gone, told) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An error is an end as well.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(gone);
    });
    // The sender is dropped, never used: that is the news.
    let _ = told.await;
}
