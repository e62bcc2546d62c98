//! SAML 2.0 as a service provider: the protocol and nothing else. Who somebody is here, and what follows, is `federation`'s.
//!
//! | file | what |
//! |---|---|
//! | `reader`, `xml` | one strict reader, and the document as a tree. What it does not know it refuses |
//! | `c14n` | a part of that tree as the bytes that are signed (Exclusive XML Canonicalization) |
//! | `signature` | whether an element of the tree is signed by a key that was configured, and signing what we ask |
//! | `encrypted` | an encrypted assertion as a tree |
//! | `response`, `assertion` | what a provider says about a person: [`Assertion`] |
//! | `logout` | single log-out, asked by either side |
//! | `request` | asking for a sign-on |
//! | `binding` | how messages travel through the browser: redirect and POST |
//! | `metadata` | what a provider publishes about itself, and what we do |
//! | `refused` | why something is not believed: [`Refused`] |
//!
//! There is one reader and one tree. A signature is checked over a node of it, and identity is read from that node: nothing is
//! serialised and read again in between, so there is nothing that two readers could see differently. See
//! `docs/adr/0012-own-saml-reader.md`. Time and chance are arguments; nothing here does I/O.

mod assertion;
mod binding;
mod c14n;
mod encrypted;
mod logout;
mod metadata;
mod names;
mod reader;
mod refused;
mod request;
mod response;
mod signature;
mod time;
mod xml;

pub use assertion::{Assertion, Attribute, NameId};
pub use binding::{Binding, Posted, Sent, Signed, Way};
pub use crypto::xmlsec::{OwnKey, PublicKey};
pub use logout::{
    Asked, LogoutAnswer, LogoutRequest, Parties, answer_logout, ask_logout, read_logout_answer, read_logout_request,
};
pub use metadata::{Endpoint, Facts, Ours, certificate, facts, is_address, ours};
pub use refused::Refused;
pub use request::ask;
pub use response::{Expected, response};

/// Bytes of a message at most, unpacked.
pub const MESSAGE_BYTES: usize = 256 * 1024;
/// Bytes of metadata at most.
pub const METADATA_BYTES: usize = 1024 * 1024;
