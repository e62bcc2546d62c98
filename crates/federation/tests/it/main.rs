//! Federation from outside, on both databases, against a provider that says what a test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_collect, reason = "tests")]

mod accounts;
#[expect(dead_code, reason = "the tests of the protocol use all of it")]
#[path = "../../../saml/tests/it/forge.rs"]
mod forge;
mod fresh;
mod half_way;
mod house;
mod leaving;
mod limits;
mod only_way;
mod refusals;
mod saml;
mod saml_fetch;
mod saml_keys;
mod several;
