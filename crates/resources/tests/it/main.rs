//! Resources from outside, on both databases, with two kinds made for these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod apply;
mod control;
mod document;
mod edit;
mod export;
mod house;
mod secrets;
mod writer;
