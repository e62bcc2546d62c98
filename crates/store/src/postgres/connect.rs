//! From a URL to a connection's settings. The connection is encrypted and the server's certificate verified unless
//! the server is this very machine; `sslmode=disable` is the explicit switch for anything else.

use std::sync::Arc;

use base::{ExposeSecret, SecretString};
use crypto::tls::{Roots, client_config};
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::Error;
use crate::options::Options;

/// The settings that `url` stands for, and whom the connection trusts.
pub(super) fn settings(url: &SecretString, options: &Options) -> Result<(Config, ClientConfig), Error> {
    // The parser's message may quote the password, so it is not passed on.
    let wrong = || {
        Error::Options(
            "the database URL cannot be read; it must look like postgres://USER:PASSWORD@HOST/NAME?sslmode=require, \
             with special characters percent-encoded"
                .to_owned(),
        )
    };
    let url = url.expose_secret();
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut said = false;
    // libpq's stricter modes are what we always do; the driver knows only the plain word.
    let query: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            said |= part.starts_with("sslmode=");
            if matches!(part, "sslmode=verify-full" | "sslmode=verify-ca") { "sslmode=require" } else { part }
        })
        .collect();
    let mut config: Config = format!("{address}?{}", query.join("&")).parse().map_err(|_| wrong())?;
    let here = config.get_hosts().iter().all(is_this_machine);
    if !said {
        config.ssl_mode(if here { SslMode::Prefer } else { SslMode::Require });
    }
    if config.get_ssl_mode() == SslMode::Prefer && !here {
        return Err(Error::Options(
            "sslmode=prefer would fall back to clear text; say sslmode=require, or sslmode=disable on a network that you trust"
                .to_owned(),
        ));
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        // On this machine there is nobody in between, and certificates are seldom made out to it.
        config.ssl_mode(SslMode::Disable);
    } else if config.get_ssl_mode() == SslMode::Disable && !here {
        tracing::warn!("the connection to the database is not encrypted, as sslmode=disable says");
    }
    config.connect_timeout(options.patience).application_name(format!("loudhailer {}", options.node));
    let tls = if config.get_ssl_mode() == SslMode::Disable { unused_tls()? } else { trust(options)? };
    Ok((config, tls))
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

fn trust(options: &Options) -> Result<ClientConfig, Error> {
    let roots = match &options.tls_ca {
        None => Roots::System,
        Some(path) => Roots::Pem(std::fs::read_to_string(path).map_err(|error| {
            Error::Options(format!(
                "the database's certificate authority {} cannot be read ({})",
                path.display(),
                error.kind()
            ))
        })?),
    };
    let config = client_config(&roots, &[]).map_err(|error| Error::Unavailable(Arc::new(error)))?;
    Ok((*config).clone())
}

/// The driver wants TLS settings even where none are used: these trust nobody.
fn unused_tls() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(crypto::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unavailable(Arc::new(error)))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, Error> {
        let options = Options::new(url.parse()?);
        settings(&SecretString::from(url), &options).map(|(config, _)| config.get_ssl_mode())
    }

    #[test]
    fn a_server_elsewhere_is_reached_encrypted_unless_somebody_says_otherwise_x_07() {
        crypto::install_default_provider();
        assert_eq!(mode("postgres://ada@%2Frun%2Fpostgresql/x").unwrap(), SslMode::Disable);
        assert_eq!(mode("postgres://ada@127.0.0.1/x").unwrap(), SslMode::Disable);
        assert_eq!(mode("postgres://ada@localhost/x?sslmode=require").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://ada@db.example.com/x").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://ada@db.example.com/x?sslmode=verify-full").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://ada@db.example.com/x?sslmode=disable").unwrap(), SslMode::Disable);
        assert!(mode("postgres://ada@db.example.com/x?sslmode=prefer").is_err());
    }

    #[test]
    fn an_unreadable_url_is_refused_without_quoting_it() {
        let error = mode("postgres://ada:hunter2@db:port/x?sslmode=what").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
