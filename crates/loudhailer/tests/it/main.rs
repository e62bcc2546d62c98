//! The product from outside: the real binary over HTTPS and SMPP, with the simulated carrier and programs that we did not write.

mod commands;
mod first_page;
mod killed;
mod matrix;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_loudhailer");

/// A fresh database for a process of its own: none for the embedded one, which gets a directory.
async fn postgres() -> Option<String> {
    Some(testdb::postgres_url().await)
}
