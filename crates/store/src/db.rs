//! The store's handle: opens a database, runs transactions on it, tells who listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Context, WorkspaceId};
use tokio::sync::broadcast;

use crate::changes::{Changes, Moment};
use crate::engine::Wake;
use crate::events::Listeners;
use crate::nodes::Node;
use crate::options::{DatabaseUrl, Options};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::tx::{Changed, Tx};
use crate::{Dialect, Error, work};

/// A database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    backend: Backend,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Node,
}

/// What transactions, workers and listeners have in common.
pub(crate) struct Shared {
    pub(crate) context: Context,
    pub(crate) changes: Changes,
    pub(crate) wake: Wake,
    pub(crate) listeners: Listeners,
    fences: AtomicI64,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Whether a transaction may change anything, and whom it may keep waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// A write that makes way for the others.
    Bulk,
    /// A write without a limit on time: a migration.
    Patient,
}

impl Db {
    /// Opens the database that `options` lead to, making the file of an embedded one. The schema is not touched:
    /// that is [`Db::migrate`].
    pub async fn open(options: Options, ctx: Context) -> Result<Self, Error> {
        options.validate()?;
        let shared = Arc::new(Shared {
            changes: Changes::new(ctx.clone()),
            context: ctx,
            wake: Wake::default(),
            listeners: Listeners::default(),
            fences: AtomicI64::new(0),
        });
        let backend = match &options.url {
            DatabaseUrl::Sqlite(path) => Backend::Sqlite(Sqlite::open(path, &options, &shared).await?),
            DatabaseUrl::Postgres(url) => Backend::Postgres(Postgres::open(url, &options, &shared).await?),
        };
        Ok(Self { inner: Arc::new(Inner { backend, shared, node: Node::new(options.node) }) })
    }

    /// Runs `f` in a transaction that may write. The answer comes after the commit, so `Ok` means on disk. `f` may
    /// run more than once (only its last run counts) and must not block on anything but the database. A caller that
    /// stops waiting does not undo it.
    pub async fn write<T, E>(&self, f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Access::Write, f).await
    }

    /// The same for work that comes in masses and that nobody waits for at a phone: whatever comes by [`Self::write`] goes
    /// before it, and it is never left out for good. Keep each below a few milliseconds, because what is urgent waits for
    /// the one that runs. Transactions of both sorts have no order among each other unless one is sent after the other's answer.
    pub async fn write_bulk<T, E>(&self, f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Access::Bulk, f).await
    }

    /// Runs `f` on a snapshot that nothing can change, on a connection of its own. Keep it below a second: a long
    /// read holds up the database's housekeeping.
    pub async fn read<T, E>(&self, f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Access::Read, f).await
    }

    pub(crate) async fn run<T, E>(
        &self,
        access: Access,
        f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (work, answer) = work::pack(f);
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.submit(work, access).await?,
            // Apart: it is four times as large as the other, and whatever writes carries it along.
            Backend::Postgres(postgres) => Box::pin(postgres.submit(work, access)).await?,
        }
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// The embedded database's file.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => Some(sqlite.path()),
            Backend::Postgres(_) => None,
        }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self.inner.backend {
            Backend::Sqlite(_) => Dialect::Sqlite,
            Backend::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Time and chance.
    pub fn context(&self) -> &Context {
        &self.inner.shared.context
    }

    /// Live updates: what [`Tx::touched`] announced on this node, after each commit. A receiver that lags is told so
    /// and reads everything again.
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.inner.shared.changes.subscribe()
    }

    /// Tells the open pages of this node that something changed that no transaction wrote, such as the state of a connection.
    pub fn announce(&self, changed: Changed) {
        self.inner.shared.changes.tell(changed);
    }

    /// This moment, for somebody who will ask later what they missed: [`Self::changed_since`].
    pub fn moment(&self) -> Moment {
        self.inner.shared.changes.moment()
    }

    /// Whether this node announced a change of `topic` in `workspace`, or in no workspace, since `then`. It answers yes when it
    /// cannot know, as after a restart.
    pub fn changed_since(&self, then: Moment, workspace: WorkspaceId, topic: &'static str) -> bool {
        self.inner.shared.changes.since(then, workspace, topic)
    }

    /// A number that no other claim of this process has; with the owner's epoch, none of any process.
    pub(crate) fn next_fence(&self) -> i64 {
        self.inner.shared.fences.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends this node's part: waits until everything accepted is on disk and the file is free for the next process.
    /// Clones that are left answer [`Error::Closed`].
    pub async fn close(&self) {
        self.leave().await;
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}
