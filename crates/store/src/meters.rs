//! What the store measures.

use meter::{CounterFamily, Histogram, Meter, SIZES};

/// Moved by the writer of an embedded database for each group, on PostgreSQL for each transaction that writes.
pub(crate) static COMMIT: Histogram = Histogram::of_times(
    "loudhailer_store_commit_duration_seconds",
    "Time that a commit took until it was on disk: of a group of transactions on SQLite, of one on PostgreSQL.",
);
pub(crate) static GROUP: Histogram =
    Histogram::of_sizes("loudhailer_store_commit_transactions", "Transactions that shared one commit (SQLite).", SIZES);
pub(crate) static FAILED: CounterFamily = CounterFamily::new(
    "loudhailer_store_commits_failed_total",
    "Commits that failed, or whose outcome nobody knows (unknown).",
    &["outcome"],
);
pub(crate) static RUN: CounterFamily = CounterFamily::new(
    "loudhailer_jobs_run_total",
    "Jobs that this process ran, by kind and by how they ended: done, failed (tried again or given up).",
    &["kind", "outcome"],
);

/// What this room counts.
pub const METERS: &[&dyn Meter] = &[&COMMIT, &GROUP, &FAILED, &RUN];
