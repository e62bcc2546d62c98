//! Every algorithm of the house, over one provider (aws-lc-rs): AES-256-GCM, HMAC, SHA-256, HKDF, Argon2id,
//! the format of tokens, JSON web tokens of others, signatures of webhooks, codes of authenticator apps, passkeys, signed and
//! encrypted XML, TLS set-up and self-signed certificates.
//!
//! This room is stateless: it never keeps a key of the product (that is `vault`) and decides nothing about
//! people (that is `identity`). MD5, SHA-1 (but inside [`totp`], and as the mask of RSA-OAEP), ECB, CBC (but to open what providers
//! encrypt, see [`xmlsec::Content`]) and RSA below 3072 bits of our own are not here on purpose.

pub mod aead;
mod error;
pub mod jwt;
mod mac;
pub mod password;
mod random;
pub mod tls;
pub mod token;
pub mod totp;
pub mod webauthn;
pub mod webhook;
pub mod xmlsec;

pub use error::Error;
pub use mac::{HmacKey, Sha256, constant_time_eq, hkdf_sha256, hmac_sha256, sha256};
pub use random::OsChance;
pub use tls::install_default_provider;
