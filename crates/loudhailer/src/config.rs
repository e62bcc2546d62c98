//! `loudhailer.toml`: one file, one section each, with each key settable from the environment as
//! `LOUDHAILER_SECTION_KEY`. An unknown key is an error that names it and its nearest neighbour.
//! A key that holds a secret may be given as `KEY_file` instead, never both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use audit_stream::Audit;
use base::{ExposeSecret as _, SecretString};
pub use mail_server::MailServer;
use outbound::{HostPort, Rules};
use serde::Deserialize;

mod audit_stream;
mod mail_server;

/// What is wrong with the configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and why.
        message: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key}; did you mean {nearest}?")]
    UnknownKey {
        /// The key as written.
        key: String,
        /// What was probably meant.
        nearest: String,
    },
    /// A value that cannot be.
    #[error("{key}: {remedy}")]
    Value {
        /// The key.
        key: String,
        /// What is expected.
        remedy: String,
    },
}

/// Each section and its keys; keys ending in `!` hold secrets and may be given as `KEY_file`.
pub(crate) const KEYS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "listen",
            "public_url",
            "trusted_proxies",
            "security_contact",
            "stop_delay_seconds",
            "requests_per_address",
            "requests_per_caller",
        ],
    ),
    ("tls", &["cert", "key", "client_ca", "client_certificates"]),
    ("database", &["url!"]),
    ("keys", &["file"]),
    ("smpp", &["listen_tls", "listen_plain"]),
    ("outbound", &["allow", "ca"]),
    ("mail", &["server", "port", "tls", "ca", "user", "password!", "from"]),
    ("audit", &["syslog", "syslog_ca", "syslog_cert", "syslog_key", "syslog_format"]),
    ("log", &["format", "level"]),
];

/// Keys that hold a number, which the environment can only say as a text.
const NUMBERS: &[(&str, &str)] = &[
    ("server", "stop_delay_seconds"),
    ("server", "requests_per_address"),
    ("server", "requests_per_caller"),
    ("mail", "port"),
];

/// The whole configuration.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// The HTTPS server.
    #[serde(default)]
    pub server: Server,
    /// Its certificate.
    pub tls: Tls,
    /// Where the data is.
    pub database: Database,
    /// Where the key file is.
    pub keys: Keys,
    /// SMPP for applications.
    #[serde(default)]
    pub smpp: Smpp,
    /// Where requests of this server may go.
    #[serde(default)]
    pub outbound: Outbound,
    /// The mail server that takes letters; without this section none are sent.
    pub mail: Option<MailServer>,
    /// Where the audit log goes besides.
    #[serde(default)]
    pub audit: Audit,
    /// What is logged and how.
    #[serde(default)]
    pub log: Log,
}

/// `[server]`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The one address under which people and programs reach this server; links are made from it alone.
    pub public_url: String,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Where a finder of a weakness should write, for `/.well-known/security.txt`.
    pub security_contact: String,
    /// Seconds for which a server that was asked to stop says "not ready" and serves all the same, so that load balancers
    /// notice; 60 at most.
    pub stop_delay_seconds: u64,
    /// Requests a second from one address (IPv6: one /64).
    pub requests_per_address: std::num::NonZeroU32,
    /// Requests a second of one user or key. The SMS API counts by workspace instead, as that says.
    pub requests_per_caller: std::num::NonZeroU32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            security_contact: String::new(),
            stop_delay_seconds: 0,
            requests_per_address: http::Rates::default().per_address,
            requests_per_caller: http::Rates::default().per_principal,
        }
    }
}

/// `[tls]`
#[derive(Debug, Deserialize)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authority whose client certificates are accepted, PEM. Without one, none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether clients may go on without a certificate.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
}

/// `client_certificates` of `[tls]`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Who shows none proves itself in another way.
    #[default]
    Asked,
    /// Nobody gets in without one, browsers included.
    Demanded,
}

/// `[database]`
#[derive(Debug, Deserialize)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`; may hold a password.
    #[serde(deserialize_with = "secret")]
    pub url: SecretString,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// `[keys]`
#[derive(Debug, Deserialize)]
pub struct Keys {
    /// The key file, mode 0600.
    pub file: PathBuf,
}

/// `[smpp]`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Smpp {
    /// Where applications bind over TLS: 0.0.0.0:2776 unless said otherwise, `off` for nowhere.
    #[serde(deserialize_with = "listener")]
    pub listen_tls: Option<SocketAddr>,
    /// Where applications bind in clear text; off unless set.
    #[serde(deserialize_with = "listener")]
    pub listen_plain: Option<SocketAddr>,
}

impl Default for Smpp {
    fn default() -> Self {
        Self { listen_tls: Some(SocketAddr::from(([0, 0, 0, 0], 2776))), listen_plain: None }
    }
}

/// An address, or `off`.
fn listener<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| serde::de::Error::custom("an address such as 0.0.0.0:2776 is expected, or off"))
}

/// `[outbound]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Outbound {
    /// Internal targets that webhooks may go to, as host and port. Everything else must be an address of the open internet.
    pub allow: Vec<String>,
    /// Authority that vouches for these targets, PEM, in place of the machine's.
    pub ca: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or a filter such as `info,carriers=debug`.
    pub level: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// The configuration in `path`, with what the environment overrides. The environment comes in as pairs,
/// so that this is the one reader of it and tests pass strings.
pub fn load(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Error> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: shown.clone(), source })?;
    let config = parse(&shown, &text, environment)?;
    let here = path.parent().unwrap_or(Path::new("."));
    Ok(config.resolved(here))
}

fn parse(shown: &str, text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Error> {
    let mut table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Error::Syntax { path: shown.into(), message: error.to_string() })?;
    overlay(&mut table, environment)?;
    check_keys(&table)?;
    read_secret_files(&mut table, Path::new(shown).parent().unwrap_or(Path::new(".")))?;
    Config::deserialize(toml::Value::Table(table))
        .map_err(|error| Error::Syntax { path: shown.into(), message: error.to_string() })?
        .validated()
}

/// Puts `LOUDHAILER_SECTION_KEY` variables over the file's values.
fn overlay(table: &mut toml::Table, environment: impl IntoIterator<Item = (String, String)>) -> Result<(), Error> {
    for (variable, value) in environment {
        let Some(rest) = variable.strip_prefix("LOUDHAILER_") else { continue };
        let lower = rest.to_ascii_lowercase();
        let Some((section, key)) = KEYS
            .iter()
            .find_map(|(section, _)| Some((*section, lower.strip_prefix(section)?.strip_prefix('_')?.to_owned())))
        else {
            continue;
        };
        let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(section_table) = entry else {
            return Err(Error::Value { key: section.into(), remedy: format!("write it as a section, [{section}]") });
        };
        let value = if matches!((section, key.as_str()), ("server", "trusted_proxies") | ("outbound", "allow")) {
            toml::Value::Array(value.split(',').map(|part| toml::Value::String(part.trim().into())).collect())
        } else if NUMBERS.contains(&(section, key.as_str())) {
            value.trim().parse().map_or_else(|_| toml::Value::String(value.clone()), toml::Value::Integer)
        } else {
            toml::Value::String(value)
        };
        section_table.insert(key, value);
    }
    Ok(())
}

fn check_keys(table: &toml::Table) -> Result<(), Error> {
    for (section, value) in table {
        let Some((_, keys)) = KEYS.iter().find(|(name, _)| name == section) else {
            let nearest = base::nearest(section, KEYS.iter().map(|(name, _)| *name));
            return Err(Error::UnknownKey { key: format!("[{section}]"), nearest: format!("[{nearest}]") });
        };
        let toml::Value::Table(inner) = value else {
            return Err(Error::Value { key: section.clone(), remedy: format!("write it as a section, [{section}]") });
        };
        for key in inner.keys() {
            let known = keys.iter().any(|name| match name.strip_suffix('!') {
                Some(secret) => key == secret || key.strip_suffix("_file") == Some(secret),
                None => key == name,
            });
            if !known {
                let nearest = base::nearest(key, keys.iter().map(|name| name.trim_end_matches('!')));
                return Err(Error::UnknownKey {
                    key: format!("{section}.{key}"),
                    nearest: format!("{section}.{nearest}"),
                });
            }
        }
    }
    Ok(())
}

fn read_secret_files(table: &mut toml::Table, here: &Path) -> Result<(), Error> {
    for (section, keys) in KEYS {
        for secret in keys.iter().filter_map(|name| name.strip_suffix('!')) {
            let Some(toml::Value::Table(inner)) = table.get_mut(*section) else { continue };
            let Some(file) = inner.remove(&format!("{secret}_file")) else { continue };
            let key = format!("{section}.{secret}");
            if inner.contains_key(secret) {
                return Err(Error::Value { key: key.clone(), remedy: format!("give {key} or {key}_file, not both") });
            }
            let Some(path) = file.as_str() else {
                return Err(Error::Value { key: format!("{key}_file"), remedy: "write a path in quotes".into() });
            };
            let path = here.join(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::Read { path: path.display().to_string(), source })?;
            inner.insert((*secret).to_owned(), toml::Value::String(text.trim_end().to_owned()));
        }
    }
    Ok(())
}

impl Config {
    fn validated(self) -> Result<Self, Error> {
        let url = &self.server.public_url;
        if !url.is_empty() && (!url.starts_with("https://") || url.len() <= "https://".len()) {
            return Err(Error::Value {
                key: "server.public_url".into(),
                remedy: "write the address people open, beginning with https://".into(),
            });
        }
        if self.server.stop_delay_seconds > 60 {
            return Err(Error::Value {
                key: "server.stop_delay_seconds".into(),
                remedy: "write 0 to 60; a load balancer that needs longer asks too seldom".into(),
            });
        }
        let database = self.database.url.expose_secret();
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| database.starts_with(scheme)) {
            return Err(Error::Value {
                key: "database.url".into(),
                remedy: "write sqlite:PATH or postgres://USER@HOST/DATABASE".into(),
            });
        }
        self.audit_stream()?;
        for target in &self.outbound.allow {
            if let Err(refused) = target.parse::<HostPort>() {
                return Err(Error::Value {
                    key: "outbound.allow".into(),
                    remedy: format!("{refused}; {target} is none"),
                });
            }
        }
        if let Some(mail) = &self.mail {
            mail.validated(self.hello())?;
        }
        Ok(self)
    }

    /// How this server calls itself to a mail server.
    fn hello(&self) -> String {
        let url = self.public_url();
        let host = url.trim_start_matches("https://").split(['/', ':']).next().unwrap_or_default();
        if host.is_empty() { "localhost".to_owned() } else { host.to_owned() }
    }

    /// How letters go out; none when there is no mail server.
    ///
    /// # Errors
    /// When the authority's file cannot be read.
    pub fn mail(&self) -> Result<Option<mail::Settings>, Error> {
        self.mail.as_ref().map(|mail| mail.settings(self.hello())).transpose()
    }

    /// Where requests of this server may go. Its own doors and its database are never asked, whoever allows it.
    ///
    /// # Errors
    /// When the authority's file cannot be read.
    pub fn outbound_rules(&self) -> Result<Rules, Error> {
        let listeners = [Some(self.server.listen), self.smpp.listen_tls, self.smpp.listen_plain];
        let authority = match &self.outbound.ca {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|source| Error::Read { path: path.display().to_string(), source })?,
            ),
        };
        Ok(Rules {
            allow: self.outbound.allow.iter().filter_map(|target| target.parse().ok()).collect(),
            own_ports: listeners.into_iter().flatten().map(|address| address.port()).collect(),
            never: database_host(self.database.url.expose_secret()).into_iter().collect(),
            authority,
        })
    }

    /// Relative paths are meant from the configuration file's directory.
    fn resolved(mut self, here: &Path) -> Self {
        for path in [&mut self.tls.cert, &mut self.tls.key, &mut self.keys.file] {
            *path = here.join(&*path);
        }
        let mail_ca = self.mail.as_mut().and_then(|mail| mail.ca.as_mut());
        let Audit { syslog_ca, syslog_cert, syslog_key, .. } = &mut self.audit;
        let files = [
            self.tls.client_ca.as_mut(),
            self.outbound.ca.as_mut(),
            mail_ca,
            syslog_ca.as_mut(),
            syslog_cert.as_mut(),
            syslog_key.as_mut(),
        ];
        for path in files.into_iter().flatten() {
            *path = here.join(&*path);
        }
        if let Some(path) = self.database.url.expose_secret().strip_prefix("sqlite:") {
            self.database.url = format!("sqlite:{}", here.join(path).display()).into();
        }
        self
    }

    /// The public URL without a trailing slash; from the listen address when none is set.
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("https://localhost:{}", self.server.listen.port())
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }
}

/// Host and port of a PostgreSQL server.
fn database_host(url: &str) -> Option<HostPort> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
    let host = rest.split(['/', '?']).next()?;
    let host = host.rsplit('@').next()?;
    host.parse().or_else(|_| format!("{host}:5432").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const MINIMAL: &str =
        "[tls]\ncert='c.pem'\nkey='k.pem'\n[database]\nurl='sqlite:lh.db'\n[keys]\nfile='keys'\n";

    pub(super) fn check(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parse("loudhailer.toml", text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_secure_and_complete() {
        let config = check(MINIMAL, &[]).unwrap();
        assert_eq!(config.server.listen.port(), 8443);
        assert_eq!(config.smpp.listen_plain, None);
        assert_eq!(config.public_url(), "https://localhost:8443");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_nearest_neighbour() {
        let error = check(&format!("{MINIMAL}[server]\nlistn='x'\n"), &[]).unwrap_err();
        assert_eq!(error, "unknown key server.listn; did you mean server.listen?");
        let error = check(&format!("{MINIMAL}[sever]\n"), &[]).unwrap_err();
        assert_eq!(error, "unknown key [sever]; did you mean [server]?");
        let error = check(MINIMAL, &[("LOUDHAILER_LOG_LEVL", "debug")]).unwrap_err();
        assert_eq!(error, "unknown key log.levl; did you mean log.level?");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = check(
            MINIMAL,
            &[
                ("LOUDHAILER_SERVER_LISTEN", "127.0.0.1:9443"),
                ("LOUDHAILER_SERVER_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2"),
                ("LOUDHAILER_TOKEN", "not a key of the file"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:9443");
        assert_eq!(config.server.trusted_proxies, ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn a_secret_comes_as_value_or_file_never_both() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        std::fs::write(&file, "postgres://app@db/app\n").unwrap();
        let from_file = MINIMAL.replace("url='sqlite:lh.db'", &format!("url_file='{}'", file.display()));
        assert_eq!(check(&from_file, &[]).unwrap().database.url.expose_secret(), "postgres://app@db/app");
        let both = MINIMAL.replace("url='sqlite:lh.db'", &format!("url='sqlite:x'\nurl_file='{}'", file.display()));
        assert_eq!(check(&both, &[]).unwrap_err(), "database.url: give database.url or database.url_file, not both");
    }

    #[test]
    fn requests_go_where_the_operator_allows_and_never_home() {
        let text = format!("{MINIMAL}[outbound]\nallow = ['hooks.internal:9443']\n");
        let database = text.replace("sqlite:lh.db", "postgres://app:pw@db.internal:6432/app");
        let rules = check(&database, &[("LOUDHAILER_OUTBOUND_ALLOW", "a.internal:443, 10.0.0.7:8443")])
            .unwrap()
            .outbound_rules()
            .unwrap();
        let shown: Vec<_> = rules.allow.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.internal:443", "10.0.0.7:8443"]);
        assert_eq!(rules.own_ports, [8443, 2776]);
        assert_eq!(rules.never[0].to_string(), "db.internal:6432");
        let error = check(&text.replace("hooks.internal:9443", "hooks.internal"), &[]).unwrap_err();
        assert!(error.starts_with("outbound.allow: a host and a port are expected"), "{error}");
    }

    #[test]
    fn a_wrong_value_says_what_is_expected() {
        let error = check(&MINIMAL.replace("sqlite:lh.db", "mysql://x"), &[]).unwrap_err();
        assert_eq!(error, "database.url: write sqlite:PATH or postgres://USER@HOST/DATABASE");
        let error = check(&format!("{MINIMAL}[server]\npublic_url='http://x'\n"), &[]).unwrap_err();
        assert_eq!(error, "server.public_url: write the address people open, beginning with https://");
    }
}
