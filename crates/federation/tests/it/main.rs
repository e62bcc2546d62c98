//! Federation from outside, on both databases, against a provider that says what a test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod accounts;
mod fresh;
mod house;
mod leaving;
mod limits;
mod only_way;
mod several;
mod refusals;
