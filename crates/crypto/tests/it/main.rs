//! Algorithms from outside: tokens that others forged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod forged;
mod tokens;
