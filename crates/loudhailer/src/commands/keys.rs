//! `loudhailer keys`: the versions of the key-encryption key. The key file says which there shall be; a running server follows it and
//! does the work. Where no server holds the database, and on PostgreSQL in any case, this command does it itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use resources::Resources;
use store::Db;
use vault::{Around, KekState, KeyFile, OVERLAP, Progress, Status, Vault};

use crate::cli::{KeysRetire, KeysRotate, Local};
use crate::commands::operator;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::serve::{configuration, database_options};
use crate::{keyring, product};

/// How long nothing may move until the command gives up; nothing is lost then, and the same command goes on later.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the command looks.
const EVERY: Duration = Duration::from_millis(500);
/// A version that wraps for longer than this should be replaced (SP 800-57: key-wrapping keys, well below two years).
const DUE: Duration = Duration::from_hours(365 * 24);

/// The database and the keys, and who does the work.
struct Ring {
    db: Db,
    vault: Vault,
    /// The rooms, when this command does the work; none while a server holds the embedded database.
    around: Option<Arc<dyn Around>>,
}

impl Ring {
    async fn open(config: &Config) -> Result<Self> {
        let keys = || KeyFile::load(&config.keys.file);
        let options = database_options(config)?;
        // A name of its own: beside a running server on the same machine this is another process.
        let context = product::context();
        let name = format!("keys-{:08x}", u32::from_be_bytes(context.random()));
        match Db::open(options.clone().node(name), context.clone()).await {
            Ok(db) => {
                db.migrate(product::MIGRATIONS).await?;
                let vault = Vault::unlock(db.clone(), keys()?).await?;
                let resources = Resources::new(db.clone(), product::registry(&vault)?, vault.clone());
                let around = keyring::around(resources, operator().actor().clone());
                Ok(Self { db, vault, around: Some(around) })
            }
            Err(store::Error::Locked(_)) => {
                let db = Db::open(options.shared(), context).await?;
                let vault = Vault::look(db.clone(), keys()?).await?;
                Ok(Self { db, vault, around: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn status(&self) -> Result<Status> {
        let vault = self.vault.clone();
        Ok(self.db.read(move |tx| vault.status(tx)).await?)
    }

    /// Sees the file's newest version through, by own hand or by watching the server.
    async fn settle(&self, file: &Path) -> Result<Status> {
        let (mut still, mut seen, mut waiting) = (Duration::ZERO, String::new(), Vec::new());
        loop {
            let mut done = Progress::default();
            if let Some(around) = &self.around {
                self.vault.refresh().await?;
                done = self.vault.advance(around).await?;
            }
            let status = Status { newest_in_file: KeyFile::load(file)?.newest_version(), ..self.status().await? };
            if status.is_settled() {
                return Ok(status);
            }
            if done.waiting_for != waiting && !done.waiting_for.is_empty() {
                println!("Waiting for {}: copy the key file there.", done.waiting_for.join(", "));
            }
            waiting = done.waiting_for;
            let now = format!("{status:?}");
            still = if now == seen { still + EVERY } else { Duration::ZERO };
            seen = now;
            if still >= PATIENCE {
                return Err(stuck(&waiting, status.newest_in_file));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn close(&self) {
        if self.around.is_some()
            && let Err(error) = self.vault.leave().await
        {
            tracing::debug!(%error, "other nodes wait half a minute longer");
        }
        self.db.close().await;
    }
}

fn stuck(waiting: &[String], version: u32) -> Error {
    if waiting.is_empty() {
        return Error::told(format!(
            "the server has not taken version {version} up within a minute: does it read this key file? Nothing is lost; run the \
             same command again, or stop the server first"
        ));
    }
    Error::told(format!(
        "version {version} is not in the key file of {}: copy the file there, and run the same command again. Until then the \
         version before stays in use",
        waiting.join(", ")
    ))
}

/// `loudhailer keys rotate`.
pub async fn rotate(options: &KeysRotate) -> Result<()> {
    let config = configuration(&options.config)?;
    let ring = Ring::open(&config).await?;
    let done = rotate_with(&ring, &config.keys.file, options.dry_run).await;
    ring.close().await;
    done
}

async fn rotate_with(ring: &Ring, file: &Path, dry_run: bool) -> Result<()> {
    let before = ring.status().await?;
    let settled = before.is_settled();
    let keys: u64 = before.versions.iter().map(|(_, keys, _)| keys).sum();
    let next = before.newest_in_file + u32::from(settled);
    if dry_run {
        let verb = if settled { "would add" } else { "would go on with" };
        println!(
            "{verb} version {next} in {}, wrap {keys} keys anew, and seal the secrets of configuration anew",
            file.display()
        );
        return Ok(());
    }
    if settled {
        KeyFile::rotate(file, ring.db.context())?;
        println!("Version {next} is in {}.", file.display());
    } else {
        println!("A rotation to version {next} was interrupted; going on with it.");
    }
    let after = ring.settle(file).await?;
    let active = after.active().map_or(0, |kek| kek.version);
    let wrapped: u64 = after.versions.iter().map(|(_, keys, _)| keys).sum();
    println!("Version {active} wraps all {wrapped} keys; secrets of configuration are sealed under new ones.");
    println!("Older versions are refused a day from now; sooner: loudhailer keys retire --now --config …");
    println!("Copy the key file to where you keep it safe. Backups made before this moment need the older versions.");
    Ok(())
}

/// `loudhailer keys list`.
pub async fn list(options: &Local) -> Result<()> {
    let config = configuration(&options.config)?;
    let ring = Ring::open(&config).await?;
    let status = ring.status().await;
    let now = ring.db.context().now();
    ring.close().await;
    let status = status?;
    println!("{:<8} {:<8} {:>6}  {:<8}  {:<11} in use since", "version", "state", "keys", "check", "key file");
    for (kek, keys, here) in &status.versions {
        let since = kek.active_at.map_or_else(|| "-".to_owned(), |at| format!("{} ({})", at.rfc3339(), age(now, at)));
        let file = if *here { "there" } else { "not there" };
        println!("{:<8} {:<8} {keys:>6}  {:<8}  {file:<11} {since}", kek.version, kek.state.name(), kek.fingerprint);
    }
    for line in due(&status, now) {
        println!("{line}");
    }
    Ok(())
}

fn age(now: Timestamp, at: Timestamp) -> String {
    let hours = now.since(at).as_secs() / 3_600;
    if hours < 48 { format!("{hours} h") } else { format!("{} d", hours / 24) }
}

/// What a person has to see to.
fn due(status: &Status, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if !status.is_settled() {
        lines.push("due: a rotation is not complete; run loudhailer keys rotate".to_owned());
    } else if status.active().and_then(|kek| kek.active_at).is_some_and(|at| now.since(at) >= DUE) {
        lines.push("due: the active version is older than a year; run loudhailer keys rotate".to_owned());
    }
    for (kek, _, here) in &status.versions {
        if *here && kek.state == KekState::Retired {
            let version = kek.version;
            lines.push(format!(
                "due: version {version} is retired and still in the key file; run loudhailer keys retire"
            ));
        }
    }
    if status.worn > 0 {
        lines.push(format!("{} older keys of configuration leave once nothing is sealed under them", status.worn));
    }
    lines
}

/// `loudhailer keys retire`.
pub async fn retire(options: &KeysRetire) -> Result<()> {
    let config = configuration(&options.config)?;
    let ring = Ring::open(&config).await?;
    let done = retire_with(&ring, &config.keys.file, options).await;
    ring.close().await;
    done
}

async fn retire_with(ring: &Ring, file: &Path, options: &KeysRetire) -> Result<()> {
    let overlap = if options.now { Duration::ZERO } else { OVERLAP };
    let (status, now) = (ring.status().await?, ring.db.context().now());
    let over = |kek: &vault::Kek, keys: u64| match kek.state {
        KekState::Retired => true,
        KekState::Old => keys == 0 && kek.replaced_at.is_none_or(|at| now.since(at) >= overlap),
        KekState::Known | KekState::Active => false,
    };
    let going: Vec<u32> =
        status.versions.iter().filter(|(kek, keys, _)| over(kek, *keys)).map(|(kek, ..)| kek.version).collect();
    let lines: Vec<u32> = status
        .versions
        .iter()
        .filter(|(kek, _, here)| *here && going.contains(&kek.version))
        .map(|(kek, ..)| kek.version)
        .collect();
    if lines.is_empty()
        && status.versions.iter().all(|(kek, ..)| !going.contains(&kek.version) || kek.state == KekState::Retired)
    {
        println!(
            "Nothing to retire: {}",
            if options.now {
                "no older version is free"
            } else {
                "no older version is a day old; --now waits for none"
            }
        );
        return Ok(());
    }
    if options.dry_run {
        println!("would refuse {} from now on, and take them out of {}", words(&going), file.display());
        return Ok(());
    }
    // The database first: a version that left the file alone would have to be put back if something still needed it.
    if let Some(around) = &ring.around {
        ring.vault.retire_after(around, overlap, &mut Progress::default()).await?;
    }
    KeyFile::remove(file, &lines)?;
    let mut waited = Duration::ZERO;
    while ring
        .status()
        .await?
        .versions
        .iter()
        .any(|(kek, ..)| going.contains(&kek.version) && kek.state != KekState::Retired)
    {
        if waited >= PATIENCE {
            return Err(stuck(&[], status.newest_in_file));
        }
        tokio::time::sleep(EVERY).await;
        waited += EVERY;
    }
    println!(
        "Refused from now on: {}. The key file holds them no more; backups from before the rotation need them.",
        words(&going)
    );
    Ok(())
}

fn words(versions: &[u32]) -> String {
    let all: Vec<String> = versions.iter().map(|version| format!("version {version}")).collect();
    all.join(", ")
}
