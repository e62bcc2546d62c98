//! The only way out by HTTP, in two clients.
//!
//! | file | what |
//! |---|---|
//! | `operator` | [`OperatorClient`]: the operator's own commands against a running server |
//! | `guarded` | [`Guarded`]: requests to addresses that others choose (webhooks, flow steps, issuers of tokens); never into the house |
//! | `target`, `address` | which URLs and which addresses those may be; pure |
//!
//! Both speak HTTPS alone, verify chain and name, follow no redirect, use no proxy, and cap time and size.

mod address;
mod guarded;
mod operator;
mod target;

pub use address::is_global;
pub use guarded::{Get, Guarded, Lookup, Outcome, Post, Reply, SystemLookup};
pub use operator::{Answer, Error, OperatorClient};
pub use reqwest::Method as HttpMethod;
pub use reqwest::header::{HeaderName, HeaderValue};
pub use target::{HostPort, Refused, Rules, Target};
