//! A database of one's own, gone when the test is.

use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base::{Clock, Context, ExposeSecret, ManualClock, SystemClock, Timestamp};
use store::{DatabaseUrl, Db, Dialect, Migrations, Options};
use tokio_postgres::{Client, NoTls};

use crate::CLUSTER;

/// A fresh database. Dropping it removes the database, however the test ended.
#[derive(Debug)]
pub struct Fresh {
    url: DatabaseUrl,
    /// Held for what its drop does: removing the directory, or the database.
    _home: Home,
}

type Home = Box<dyn std::fmt::Debug + Send + Sync>;

impl Fresh {
    /// Where it is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The same as text, for a process of its own.
    pub fn text(&self) -> String {
        match &self.url {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => url.expose_secret().to_owned(),
        }
    }

    /// Opens it under the usual node name with the machine's clock.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open(&self) -> Db {
        self.open_as("main", context()).await
    }

    /// Opens it under a node name with a context.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open_as(&self, node: &str, context: Context) -> Db {
        let options = Options::new(self.url.clone()).node(node);
        Db::open(options, context).await.expect("a fresh database opens")
    }
}

impl Deref for Fresh {
    type Target = DatabaseUrl;

    fn deref(&self) -> &DatabaseUrl {
        &self.url
    }
}

/// The machine's clock and randomness.
pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance))
}

/// A clock that stands still until it is moved, and a context with it. It starts at 2026-10-23T01:12:07Z.
pub fn manual_context() -> (Arc<ManualClock>, Context) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_792_717_927_000_000)));
    (clock.clone(), Context::new(clock, Arc::new(crypto::OsChance)))
}

/// A fresh embedded database in a directory of its own.
///
/// # Panics
/// When the machine has no room for temporary files.
pub fn sqlite_url() -> Fresh {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = DatabaseUrl::Sqlite(directory.path().join("test.db"));
    Fresh { url, _home: Box::new(directory) }
}

/// A fresh, empty database on the test cluster.
///
/// # Panics
/// When there is no cluster: tests on PostgreSQL fail, they never skip.
pub async fn postgres_url() -> Fresh {
    on_cluster(None).await
}

/// A fresh database with the schema of `rooms`. On PostgreSQL it is a copy of a template that the first test made.
///
/// # Panics
/// When there is no cluster, or the migrations fail.
pub async fn fresh(dialect: Dialect, rooms: &[Migrations]) -> Fresh {
    match dialect {
        Dialect::Sqlite => {
            let fresh = sqlite_url();
            migrate(&fresh.url, rooms).await;
            fresh
        }
        Dialect::Postgres => on_cluster(Some(rooms)).await,
    }
}

async fn migrate(url: &DatabaseUrl, rooms: &[Migrations]) {
    let db = Db::open(Options::new(url.clone()), context()).await.expect("a fresh database opens");
    db.migrate(rooms).await.expect("the migrations run");
    db.close().await;
}

/// A database on the cluster: empty, or with the schema of `rooms`.
async fn on_cluster(rooms: Option<&[Migrations]>) -> Fresh {
    let (cluster, name) = (cluster(), database_name());
    let client = connect(&cluster).await;
    let template = match rooms {
        None => "template0".to_owned(),
        Some(rooms) => make_template(&client, &cluster, rooms).await,
    };
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    client.batch_execute(&create).await.expect("a database can be created on the test cluster");
    let url = with_database(&cluster, &name).parse().expect("a PostgreSQL URL");
    Fresh { url, _home: Box::new(Remove { cluster, name }) }
}

/// Migrates once for all tests with the same schema, whichever process comes first; the template's name.
async fn make_template(client: &Client, cluster: &str, rooms: &[Migrations]) -> String {
    let name = template_name(rooms);
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    let there = async || !client.query(&exists, &[]).await.expect("the cluster answers").is_empty();
    if there().await {
        return name;
    }
    client.batch_execute("SELECT pg_advisory_lock(20240717)").await.expect("the cluster answers");
    if !there().await {
        // Under another name until it is complete: a killed test run must not leave half a template.
        let draft = database_name();
        let make = format!("CREATE DATABASE {draft} TEMPLATE template0");
        client.batch_execute(&make).await.expect("a database can be created on the test cluster");
        migrate(&with_database(cluster, &draft).parse().expect("a PostgreSQL URL"), rooms).await;
        let rename = format!("ALTER DATABASE {draft} RENAME TO {name}");
        // The pool's connections close behind our back; the server needs a moment to see it.
        for _ in 0..100 {
            if client.batch_execute(&rename).await.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(there().await, "the template database was not made");
    }
    client.batch_execute("SELECT pg_advisory_unlock(20240717)").await.expect("the cluster answers");
    name
}

fn template_name(rooms: &[Migrations]) -> String {
    let mut text = String::new();
    for room in [&store::MIGRATIONS].into_iter().chain(rooms) {
        for step in room.steps {
            let _ = writeln!(text, "{} {} {} {}", room.room, step.version, step.name, step.sql);
        }
    }
    let hash = crypto::sha256(text.as_bytes());
    hash[..12].iter().fold("lh_template_".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn database_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemClock.now().as_micros();
    format!("lh_test_{}_{}_{now}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn cluster() -> String {
    std::env::var(CLUSTER).unwrap_or_else(|_| {
        panic!(
            "{CLUSTER} is not set: the tests need PostgreSQL. Run `make test`, or \
             `export {CLUSTER}=$(scripts/test-postgres start)` and try again."
        )
    })
}

/// The cluster's URL with another database.
fn with_database(cluster: &str, name: &str) -> String {
    let (address, query) = cluster.split_once('?').map_or((cluster, None), |(address, query)| (address, Some(query)));
    let (scheme, rest) = address.split_once("://").expect("a URL has a scheme");
    let host = rest.split('/').next().unwrap_or(rest);
    query.map_or_else(|| format!("{scheme}://{host}/{name}"), |query| format!("{scheme}://{host}/{name}?{query}"))
}

async fn connect(url: &str) -> Client {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = connected.unwrap_or_else(|error| {
        panic!("the cluster that {CLUSTER} names does not answer ({error}); start one with scripts/test-postgres start")
    });
    tokio::spawn(connection);
    client
}

/// Removes a database when dropped.
struct Remove {
    cluster: String,
    name: String,
}

/// The cluster's address may hold a password.
impl std::fmt::Debug for Remove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Remove {
    /// On a thread with a runtime of its own: the test's may be gone, or be the one that is dropping this.
    fn drop(&mut self) {
        let (cluster, name) = (std::mem::take(&mut self.cluster), std::mem::take(&mut self.name));
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    let client = connect(&cluster).await;
                    let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                });
            }
        });
        let _ = removal.join();
    }
}
