//! Which rows stand in the two indexes that hold few of the messages. Each database uses such an index only where its own
//! condition stands in the query literally.
//!
//! On PostgreSQL the conditions are over columns that the state generates and that stay NULL once a message is sent: a row
//! whose indexed values stay the same is changed in its page, and no index hears of it (migration 13).

use store::Dialect;

/// Messages that wait for a carrier or are claimed for one.
pub(crate) const fn under_way(dialect: Dialect) -> &'static str {
    dialect.pick("state < 2", "waits IS NOT NULL")
}

/// Those that wait.
pub(crate) const fn queued(dialect: Dialect) -> &'static str {
    dialect.pick("state < 2 AND state = 0", "waits = 0")
}

/// Those that are claimed.
pub(crate) const fn claimed(dialect: Dialect) -> &'static str {
    dialect.pick("state < 2 AND state = 1", "waits = 1")
}

/// Messages of which nobody knows whether they left.
pub(crate) const fn unknown(dialect: Dialect) -> &'static str {
    dialect.pick("state = 3", "doubtful")
}
