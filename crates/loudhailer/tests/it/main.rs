//! The product from outside: the real binary over HTTPS and SMPP, with the simulated carrier and programs that we did not write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on has failed"
)]

mod commands;
mod first_page;
mod killed;
mod matrix;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_loudhailer");

/// A fresh database on the test cluster for a process of its own. Keep it until the process is gone.
async fn postgres() -> testdb::Fresh {
    testdb::postgres_url().await
}
