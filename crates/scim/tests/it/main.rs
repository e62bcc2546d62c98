//! Directories from outside, on both databases: what Entra ID and Okta send, and what comes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod filters;
mod groups;
mod house;
mod one_file;
mod people;
mod refusals;
mod reports;
mod together;
