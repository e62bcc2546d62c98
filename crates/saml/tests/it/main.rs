//! The protocol as seen from outside: what is genuine is understood, and what is forged is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_collect, reason = "tests")]

mod forge;
mod forged;
mod genuine;
mod logout;
mod metadata;
mod mutated;
mod travel;
