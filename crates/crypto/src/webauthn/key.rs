//! The public key of a passkey: from COSE (RFC 9053) to aws-lc-rs.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};

use super::cbor::Item;
use crate::Error;

const BAD: Error = Error::Refused("passkey key");

/// The algorithms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Its number in the COSE registry, as a browser is told.
    pub const fn number(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// An uncompressed point of P-256 (65 bytes), or a key of Ed25519 (32 bytes).
    bytes: Vec<u8>,
}

impl PublicKey {
    pub(super) fn of_cose(key: &Item<'_>) -> Result<Self, Error> {
        let number = |label| key.at(label).and_then(Item::int);
        let part = |label| key.at(label).and_then(Item::bytes).filter(|bytes| bytes.len() == 32).ok_or(BAD);
        // Labels: 1 the type of key, 3 the algorithm, -1 the curve, -2 and -3 the coordinates.
        match (number(1), number(3), number(-1)) {
            (Some(2), Some(-7), Some(1)) => {
                let bytes = [&[4][..], part(-2)?, part(-3)?].concat();
                Ok(Self { algorithm: Algorithm::Es256, bytes })
            }
            (Some(1), Some(-8), Some(6)) => Ok(Self { algorithm: Algorithm::EdDsa, bytes: part(-2)?.to_vec() }),
            _ => Err(BAD),
        }
    }

    /// The key as it is stored: one byte for the algorithm, then the key.
    pub fn stored(&self) -> Vec<u8> {
        let mark = match self.algorithm {
            Algorithm::Es256 => 1,
            Algorithm::EdDsa => 2,
        };
        [&[mark][..], &self.bytes].concat()
    }

    /// A key that was stored.
    ///
    /// # Errors
    /// When [`Self::stored`] did not write it.
    pub fn of_stored(bytes: &[u8]) -> Result<Self, Error> {
        let algorithm = match (bytes.first(), bytes.len()) {
            (Some(1), 66) => Algorithm::Es256,
            (Some(2), 33) => Algorithm::EdDsa,
            _ => return Err(BAD),
        };
        Ok(Self { algorithm, bytes: bytes[1..].to_vec() })
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let checked = match self.algorithm {
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.bytes).verify(message, signature),
            Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature),
        };
        checked.map_err(|_| BAD)
    }
}
