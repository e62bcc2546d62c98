//! `loudhailer init`: a commented configuration file, a key file, and if asked a self-signed certificate.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base::ExposeSecret as _;

use crate::cli::Init;
use crate::error::{Error, Result};

/// Writes what is missing and never overwrites; says what it wrote.
pub fn run(options: &Init, context: &base::Context) -> Result<()> {
    let dir = &options.dir;
    fs::create_dir_all(dir).map_err(|source| Error::file(dir, source))?;
    let keys = dir.join("loudhailer.keys");
    let config = dir.join("loudhailer.toml");
    let cert = dir.join("server.pem");
    let key = dir.join("server.key");
    for path in [&config, &keys].into_iter().chain(options.self_signed.iter().flat_map(|_| [&cert, &key])) {
        if path.exists() {
            return Err(Error::told(format!(
                "{} is already there and is never overwritten. Choose an empty directory, or move the file away.",
                path.display()
            )));
        }
    }
    vault::KeyFile::create(&keys, context)?;
    if let Some(host) = &options.self_signed {
        let made = crypto::tls::SelfSigned::generate(std::slice::from_ref(host), context)?;
        write_private(&dir.join("ca.pem"), made.ca_pem.as_bytes(), 0o644)?;
        write_private(&cert, made.cert_pem.as_bytes(), 0o644)?;
        write_private(&key, made.key_pem.expose_secret().as_bytes(), 0o600)?;
    }
    let host = options.self_signed.as_deref().unwrap_or("loudhailer.example.com");
    write_private(&config, commented(host).as_bytes(), 0o600)?;
    println!("Wrote {}", config.display());
    println!("Wrote {} (keep a copy somewhere safe: without it the data cannot be read)", keys.display());
    if options.self_signed.is_some() {
        println!("Wrote {}, its key, and the authority ca.pem that signed it", cert.display());
    } else {
        println!("Put your certificate and key at {} and {}", cert.display(), key.display());
    }
    println!("Next: loudhailer serve --config {}", config.display());
    Ok(())
}

/// Creates `path` with `mode`, refusing one that exists.
pub fn write_private(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|source| Error::file(path, source))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| Error::file(path, source))
}

fn commented(host: &str) -> String {
    format!(
        r#"# Loudhailer's configuration. Each key can also be set as LOUDHAILER_SECTION_KEY in the environment.
# Relative paths are meant from this file's directory. What people configure (groups, carriers, flows, …)
# is not here: see `loudhailer apply --help`.

[server]
listen = "0.0.0.0:8443"
# The one address people and programs use. Links are made from it; requests for another host are refused (421).
public_url = "https://{host}:8443"
# Proxies whose X-Forwarded-For is believed:
# trusted_proxies = ["10.0.0.1"]
# Behind a load balancer: seconds in which a stopping server says "not ready" and goes on serving:
# stop_delay_seconds = 10
# Requests a second from one address, and of one user or key (the SMS API counts by workspace, see its settings):
# requests_per_address = 3000
# requests_per_caller = 1800
# Shown at /.well-known/security.txt:
# security_contact = "mailto:security@{host}"

[tls]
cert = "server.pem"
key = "server.key"
# Asks clients for certificates of this authority, at HTTPS and SMPP; "demanded" lets nobody in without one, browsers included:
# client_ca = "clients-ca.pem"
# client_certificates = "asked"

[database]
# Embedded: one file, one machine. Or PostgreSQL 15 or newer: "postgres://loudhailer@db.example.com/loudhailer?sslmode=require"
# A URL with a password belongs into a file of its own: url_file = "/run/secrets/database-url"
url = "sqlite:loudhailer.db"

[keys]
# Opens the data at rest. Mode 0600, and a copy somewhere safe.
file = "loudhailer.keys"

[smpp]
# Where applications bind by SMPP over TLS; "off" for nowhere. The certificate is that of [tls].
listen_tls = "0.0.0.0:2776"
# In clear text, for accounts that say allow_plaintext: true. Passwords and texts can then be read on the way.
# listen_plain = "127.0.0.1:2775"

# Webhooks go to the open internet alone, ports 443 and 8443. Receivers inside, by host and port:
[outbound]
# allow = ["hooks.internal:9443"]
# The authority that vouches for them, when it is a private one:
# ca = "internal-ca.pem"

# Letters to people: invitations, links for a new password. Without this section none are sent.
# [mail]
# server = "mail.example.com"
# "implicit": TLS from the first byte, port 465. "starttls": port 587, and nothing is sent without TLS.
# tls = "implicit"
# user = "pager@example.com"
# password_file = "mail-password"
# from = "Loudhailer <pager@example.com>"
# The authority that vouches for the mail server, when it is a private one:
# ca = "mail-ca.pem"

# The audit log as a stream to a collector: syslog over TLS. Without this section it stays here.
# [audit]
# syslog = "collector.example.com:6514"
# The authority that vouches for the collector, when it is a private one:
# syslog_ca = "collector-ca.pem"
# For a collector that asks for a certificate:
# syslog_cert = "loudhailer.pem"
# syslog_key = "loudhailer.key"
# "jsonl", "cef" or "ocsf":
# syslog_format = "jsonl"

[log]
# "text" for people, "json" for machines.
format = "text"
level = "info"
"#
    )
}

#[cfg(test)]
mod tests {
    /// Whoever reads the file that `init` writes learns of every section there is.
    #[test]
    fn every_section_stands_in_the_commented_file() {
        let text = super::commented("pager.example.com");
        for (section, keys) in crate::config::KEYS {
            assert!(text.contains(&format!("[{section}]")), "[{section}]");
            let known = keys.iter().any(|key| text.contains(&format!("{} = ", key.trim_end_matches('!'))));
            assert!(known, "a key of [{section}]");
        }
    }
}
