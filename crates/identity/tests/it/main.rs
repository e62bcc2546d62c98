//! Identity from outside, on both databases, with a clock that the tests move.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod assertions;
mod authenticator;
mod factors;
mod house;
mod keys;
mod links;
mod login;
mod oauth;
mod people;
mod reset;
mod roles;
mod rotation;
mod session;
