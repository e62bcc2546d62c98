//! Those who issue tokens elsewhere: what they publish about themselves, their keys, and whether a token is theirs.
//!
//! | file | what |
//! |---|---|
//! | `issuers` | [`Issuers`]: proves tokens, with the keys at hand or those that it fetches |
//! | `metadata` | [`Metadata`]: what an issuer publishes (OpenID Connect Discovery, RFC 8414) |
//! | `cache` | how long what was fetched is used, and how rarely it is fetched anew |
//!
//! Signing in with a provider and programs that show the token of a configured issuer both stand on this. How a token is
//! read and checked is in [`crypto::jwt`]; which issuers there are is for the rooms above. Everything is in memory and can
//! be fetched again. Fetching goes through [`outbound::Guarded`], so an issuer inside the house needs the operator's word.

mod cache;
mod issuers;
mod metadata;

pub use issuers::{Error, Issuers, Known, Source};
pub use metadata::Metadata;
