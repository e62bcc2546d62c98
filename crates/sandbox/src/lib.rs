//! Sandbox: what customers write (templates, expressions, mappings) is evaluated in child processes of the same binary,
//! which hold no keys, see no environment, open no file or socket, and are killed when they take too long.
//!
//! The parent's side is [`Sandbox`]: a pool of warm workers, given [`Task`]s and answering with [`Rows`]. The child's side
//! is [`worker_main`], which locks itself down before it reads the first byte. The two talk in length-prefixed JSON over
//! the child's standard input and output.
//!
//! | Limit | Value | Kept by |
//! |---|---|---|
//! | source of one template | 64 KiB | both sides |
//! | output of one template | 64 KiB | a writer that refuses more |
//! | instructions of one template | 200,000 | the engine's fuel |
//! | memory | 64 MiB above what the worker starts with | `RLIMIT_AS` |
//! | time of one task | 200 ms unless the caller says otherwise | the parent, by killing |
//! | system calls | reading 0, writing 1 and 2, private memory, leaving | seccomp; a worker that cannot install it does not serve |
//! | tasks waiting | bounded in number and time | the parent, with [`Error::Busy`] |
//!
//! [`check`] finds syntax errors and unknown filters without evaluating anything, in the caller's process.
//!
//! This room does not know what a flow or a signal is, and runs no JavaScript yet.

mod check;
mod engine;
mod error;
mod lockdown;
mod meters;
mod pool;
mod process;
mod protocol;
mod vocabulary;
mod worker;

pub use check::{Syntax, check};
pub use error::{Error, Failure, FailureKind};
pub use lockdown::{forbid_inspection, lock_down};
pub use meters::METERS;
pub use pool::{DEADLINE, Options, Sandbox};
pub use process::{NO_RESERVE, WorkerCommand};
pub use protocol::{Each, Mode, Piece, Rows, Task};
pub use worker::worker_main;

/// Bytes of one template or expression at most.
pub const SOURCE_LIMIT: usize = 64 * 1024;
/// Bytes that one template may produce at most.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// Rows that one task may produce at most; a longer list is cut, and [`Rows::total`] tells.
pub const ROW_LIMIT: usize = 1_000;
