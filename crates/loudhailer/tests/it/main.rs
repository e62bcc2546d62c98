//! The product from outside: the real binary over HTTPS and SMPP, with the simulated carrier and programs that we did not write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on has failed"
)]

mod api_docs;
mod audit_page;
mod callbacks;
mod cli_matrix;
mod commands;
mod demo;
mod due;
mod examples;
mod factors;
mod find;
mod first_page;
mod first_use;
mod forgotten;
mod gateway;
mod hands;
mod installation;
mod issued;
mod keys;
mod killed;
mod live;
mod matrix;
mod pages;
mod provisioning;
mod rights;
mod saml;
mod selftest;
mod server;
mod sign_on;
mod signal_pages;
mod smpp_page;
mod sources;
mod story;
mod tutorial;
mod two_nodes;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_loudhailer");

/// Held by the tests that load the machine, so that none of them measures another.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A fresh database on the test cluster for a process of its own. Keep it until the process is gone.
async fn postgres() -> testdb::Fresh {
    testdb::postgres_url().await
}
