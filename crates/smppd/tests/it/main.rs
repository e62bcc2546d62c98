//! The SMPP server as an application sees it: over TLS on a socket, with the simulated carrier behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binding;
mod deliveries;
mod house;
mod limits;
mod matrix;
mod migrating;
mod operations;
mod submitting;
