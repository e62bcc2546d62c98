//! Where the database is and how it is opened.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base::{ExposeSecret, SecretString};

use crate::{Dialect, Error};

/// The address of a database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME?sslmode=…`.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file of the embedded database.
    Sqlite(PathBuf),
    /// A PostgreSQL server; may hold a password, so it never prints.
    Postgres(SecretString),
}

impl DatabaseUrl {
    /// Which database it leads to.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.is_empty() && path != ":memory:" {
                return Ok(Self::Sqlite(PathBuf::from(path)));
            }
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(SecretString::from(text)));
        }
        Err(Error::Options(
            "the database URL must be sqlite:PATH (a file) or postgres://USER@HOST/NAME; set [database] url".to_owned(),
        ))
    }
}

/// Prints no user, password or host.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub url: DatabaseUrl,
    /// This node's name, unique in the cluster; leases are held in its name. The machine's name where several nodes
    /// are possible, so that it only needs to be said for two nodes on one machine.
    pub node: String,
    /// Connections to PostgreSQL at most.
    pub connections: usize,
    /// Read connections to SQLite.
    pub readers: usize,
    /// Transactions that may wait for SQLite's writer before a caller has to wait for a place.
    pub queue: usize,
    /// How long a connection, a place in the queue or the answer to one statement may take. Migrations may take longer.
    pub patience: Duration,
    /// A certificate authority (PEM file) that PostgreSQL's certificate must come from. The system's when absent.
    pub tls_ca: Option<PathBuf>,
    /// Only look, beside a server that may hold the database: no lock is taken, no write is possible (SQLite).
    pub shared: bool,
}

impl Options {
    /// The usual settings for the database at `url`.
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            node: match url.dialect() {
                Dialect::Sqlite => "main".to_owned(),
                Dialect::Postgres => machine(),
            },
            url,
            connections: 16,
            readers: 4,
            queue: 4096,
            patience: Duration::from_secs(5),
            tls_ca: None,
            shared: false,
        }
    }

    /// The same with this node's name.
    #[must_use]
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = name.into();
        self
    }

    /// The same, only for looking.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(Error::Options(text.to_owned()));
        if self.node.is_empty() || self.node.len() > 100 {
            return wrong("the node's name must have 1 to 100 characters");
        }
        if self.connections == 0 || self.readers == 0 || self.queue == 0 {
            return wrong("connections, readers and queue must be at least 1");
        }
        if let DatabaseUrl::Postgres(url) = &self.url
            && url.expose_secret().len() > 4096
        {
            return wrong("the database URL is longer than 4096 characters");
        }
        Ok(())
    }
}

/// The machine's name.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().take(100).collect();
    if name.is_empty() { "main".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_a_file_or_a_server_and_never_prints_its_password() {
        assert!(
            matches!("sqlite:/var/lib/x.db".parse(), Ok(DatabaseUrl::Sqlite(path)) if path.to_str() == Some("/var/lib/x.db"))
        );
        assert!(
            matches!("sqlite://data/x.db".parse(), Ok(DatabaseUrl::Sqlite(path)) if path.to_str() == Some("data/x.db"))
        );
        let url: DatabaseUrl = "postgres://ada:hunter2@db/x".parse().unwrap();
        assert_eq!(format!("{url:?}"), "postgres://…");
        for wrong in ["", "sqlite:", "sqlite::memory:", "mysql://x", "/var/lib/x.db"] {
            assert!(wrong.parse::<DatabaseUrl>().is_err(), "{wrong}");
        }
    }
}
