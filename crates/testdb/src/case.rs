//! How a test function is given its database.

use std::future::Future;
use std::sync::Arc;

use base::ManualClock;
use store::{Db, Dialect, Migrations};

use crate::fresh::{Fresh, fresh, manual_context};

/// A test function: of a [`Db`], of a `Db` and its clock, or of a [`Fresh`] database.
pub trait Case<Arguments>: Send + 'static {
    /// Runs it on a migrated database.
    fn run(self, fresh: Fresh) -> impl Future<Output = ()> + Send;
}

impl<F, Running> Case<(Db,)> for F
where
    F: FnOnce(Db) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send,
{
    async fn run(self, fresh: Fresh) {
        let db = fresh.open().await;
        self(db.clone()).await;
        db.close().await;
    }
}

impl<F, Running> Case<(Db, Arc<ManualClock>)> for F
where
    F: FnOnce(Db, Arc<ManualClock>) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send,
{
    async fn run(self, fresh: Fresh) {
        let (clock, context) = manual_context();
        let db = fresh.open_as("main", context).await;
        self(db.clone(), clock).await;
        db.close().await;
    }
}

impl<F, Running> Case<(Fresh,)> for F
where
    F: FnOnce(Fresh) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send,
{
    async fn run(self, fresh: Fresh) {
        self(fresh).await;
    }
}

/// Runs a test on a fresh database with the schema of `rooms`.
///
/// # Panics
/// When the test does, or when there is no database to be had.
pub fn run<Arguments>(dialect: Dialect, rooms: &[Migrations], case: impl Case<Arguments>) {
    // Two threads, so that a test that blocks one for a moment does not stop the database's connections.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let fresh = fresh(dialect, rooms).await;
        case.run(fresh).await;
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
}
