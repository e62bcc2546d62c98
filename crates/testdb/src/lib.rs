//! Fresh databases for tests, on SQLite and on PostgreSQL. Development support: never part of the product.
//!
//! Every store function is tested on both databases, and without PostgreSQL the run fails rather than skips:
//!
//! ```ignore
//! testdb::both_databases! {
//!     migrations = [&access::MIGRATIONS, &crate::MIGRATIONS];
//!
//!     /// Control E-16.
//!     async fn ids_are_never_reused(db: store::Db) { … }
//!     async fn an_offer_expires(db: store::Db, clock: std::sync::Arc<base::ManualClock>) { … }
//!     async fn two_nodes_take_turns(fresh: testdb::Fresh) { … }
//! }
//! ```
//!
//! makes the tests `sqlite::ids_are_never_reused`, `postgres::ids_are_never_reused` and so on, each on a database of
//! its own. A `Db` alone runs on the machine's clock; asking for the clock makes it one that the test moves; asking for
//! [`Fresh`] gives the database's address, to open it several times. One such block per module.

#![allow(clippy::expect_used, reason = "a test without its database has only one way to go")]

mod case;
mod fresh;

pub use case::{Case, run};
pub use fresh::{Fresh, context, fresh, manual_context, postgres_url, sqlite_url};
pub use store::Dialect;

/// The environment variable that names the cluster for tests.
pub const CLUSTER: &str = "LOUDHAILER_TEST_POSTGRES";

/// Makes each test function a test on SQLite and a test on PostgreSQL. See the crate's own page.
#[macro_export]
macro_rules! both_databases {
    (migrations = [$($migrations:expr),* $(,)?]; $($(#[$meta:meta])* async fn $name:ident($($argument:tt)*) $body:block)*) => {
        $(async fn $name($($argument)*) $body)*

        mod sqlite {
            $($(#[$meta])* #[test] fn $name() { $crate::run($crate::Dialect::Sqlite, &super::testdb_migrations(), super::$name); })*
        }

        mod postgres {
            $($(#[$meta])* #[test] fn $name() { $crate::run($crate::Dialect::Postgres, &super::testdb_migrations(), super::$name); })*
        }

        fn testdb_migrations() -> Vec<$crate::__private::Migrations> {
            vec![$(*$migrations),*]
        }
    };
    ($($tests:tt)*) => {
        $crate::both_databases! { migrations = []; $($tests)* }
    };
}

#[doc(hidden)]
pub mod __private {
    pub use store::Migrations;
}
