//! The doors from outside: a real server on a random port, real TLS, real clients.

mod headers;
mod limits;
mod matrix;
mod reading;
mod sessions;
mod slow;
mod stage;
mod streams;
