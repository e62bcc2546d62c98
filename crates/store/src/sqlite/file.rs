//! The database's file: who may have it, and how it is opened.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ToSql};

use super::PREPARED;
use super::statements::refused;
use crate::Error;

/// A process that is being replaced gets this long to let go of the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Takes the lock that makes this process the only one with the file. The kernel frees it however the process ends.
pub(super) async fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(PathBuf::from(name))
        .map_err(|error| cannot_open(path, &error))?;
    let step = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    while let Err(error) = file.try_lock() {
        match error {
            std::fs::TryLockError::WouldBlock if waited < LOCK_PATIENCE => tokio::time::sleep(step).await,
            std::fs::TryLockError::WouldBlock => return Err(Error::Locked(path.display().to_string())),
            std::fs::TryLockError::Error(error) => return Err(cannot_open(path, &error)),
        }
        waited += step;
    }
    // For a person who wonders which process it is; nothing reads it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn cannot_open(path: &Path, error: &std::io::Error) -> Error {
    Error::Options(format!(
        "the database file {} cannot be opened ({}); its directory must exist and belong to the server's user",
        path.display(),
        error.kind()
    ))
}

pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    // Made here rather than by SQLite, so that nobody else could ever read it. Journal files take its mode.
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| cannot_open(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    let pragma = |name: &str, value: &dyn ToSql| connection.pragma_update(None, name, value).map_err(refused);
    connection.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    pragma("journal_mode", &"WAL")?;
    pragma("synchronous", &"FULL")?;
    // Small checkpoints: the same rate as larger ones and a third of the worst wait.
    pragma("wal_autocheckpoint", &4000)?;
    pragma("journal_size_limit", &(64 << 20))?;
    pragma("cache_size", &-8_000)?;
    pragma("cell_size_check", &true)?;
    common(&connection)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| {
        tracing::debug!(%error, "opening for reading failed");
        Error::Options(format!("the database file {} cannot be opened for reading", path.display()))
    })?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    connection.pragma_update(None, "query_only", true).map_err(refused)?;
    connection.pragma_update(None, "cache_size", -4_000).map_err(refused)?;
    common(&connection)?;
    Ok(connection)
}

fn common(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "foreign_keys", true).map_err(refused)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(refused)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(refused)?;
    // As PostgreSQL has it: LIKE minds the case, and a text in double quotes is a name.
    connection.pragma_update(None, "case_sensitive_like", true).map_err(refused)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ] {
        connection.set_db_config(setting, on).map_err(refused)?;
    }
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}
