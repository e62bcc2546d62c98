//! The store on both databases, as other rooms use it.
#![allow(clippy::unwrap_used, reason = "a test tells what went wrong by panicking")]

mod answers;
mod durability;
mod events;
mod faults;
mod jobs;
mod leases;
mod schema;
mod tls;
mod transactions;
mod urgent;
mod workers;
