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
        how.scenario = serde_json::from_str::<Scenario>(&text).map_err(|error| Error::told(format!("{}: {error}", path.display())))?;
    }
    if let Some(system_id) = &options.system_id {
        let password = match &options.password_file {
            Some(path) => std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?.trim_end().to_owned(),
            None => std::env::var("LOUDHAILER_SIMULATOR_PASSWORD")
                .map_err(|_| Error::told("--system-id wants a password: --password-file, or LOUDHAILER_SIMULATOR_PASSWORD"))?,
        };
        how.account = Some(Account { system_id: system_id.clone(), password: SecretString::from(password) });
    }
    let simulator = simulator::Simulator::start(how, crate::product::context()).await?;
    println!("listening on {}", simulator.address());
    if options.with_parent {
        let mut input = tokio::io::stdin();
        tokio::select! {
            asked = asked_to_stop() => asked?,
            // Nobody writes there: the end of it is the end of the parent.
            _ = tokio::io::copy(&mut input, &mut tokio::io::sink()) => {}
        }
    } else {
        asked_to_stop().await?;
    }
    simulator.stop().await;
    Ok(())
}
