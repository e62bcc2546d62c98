//! Identity from outside, on both databases, with a clock that the tests move.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod administration;
mod assertions;
mod authenticator;
mod expiry;
mod factors;
mod house;
mod issued;
mod keys;
mod kinds_of_credentials;
mod links;
mod login;
mod oauth;
mod people;
mod proofs;
mod reset;
mod roles;
mod rotation;
mod rules;
mod session;
