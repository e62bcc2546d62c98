//! The algorithms of signed and encrypted XML, by the addresses that name them in a document. How a document is read, and what in
//! it is signed, is the room `saml`'s.
//!
//! What is not here cannot be chosen by a document: HMAC, SHA-1 and MD5 in signatures, RSA with the padding of PKCS #1 v1.5 or
//! triple DES in encryption. Keys of others have 2048 bits at least, our own 3072.

mod encryption;
mod keys;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

pub use encryption::{Content, Transport};
pub use keys::{OwnKey, PublicKey};

/// What our own signatures are made with.
pub const OURS: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// The digest in them.
pub const OUR_DIGEST: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A digest that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// The digest of an address.
    pub fn parse(address: &str) -> Option<Self> {
        match address {
            "http://www.w3.org/2001/04/xmlenc#sha256" => Some(Self::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(Self::Sha384),
            "http://www.w3.org/2001/04/xmlenc#sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The digest of some bytes.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// A way to sign that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// RSA PKCS #1 v1.5.
    Rsa(Digest),
    /// RSA-PSS with MGF1 of the same digest.
    RsaPss(Digest),
    /// ECDSA over the curve of the digest's size, the two numbers one after the other.
    Ecdsa(Digest),
}

impl Signature {
    /// The algorithm of an address.
    pub fn parse(address: &str) -> Option<Self> {
        Some(match address {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Self::Rsa(Digest::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Self::Rsa(Digest::Sha384),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Self::Rsa(Digest::Sha512),
            "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1" => Self::RsaPss(Digest::Sha256),
            "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1" => Self::RsaPss(Digest::Sha384),
            "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1" => Self::RsaPss(Digest::Sha512),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Self::Ecdsa(Digest::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Self::Ecdsa(Digest::Sha384),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512" => Self::Ecdsa(Digest::Sha512),
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rsa(Digest::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rsa(Digest::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rsa(Digest::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            Self::RsaPss(Digest::Sha256) => &RSA_PSS_2048_8192_SHA256,
            Self::RsaPss(Digest::Sha384) => &RSA_PSS_2048_8192_SHA384,
            Self::RsaPss(Digest::Sha512) => &RSA_PSS_2048_8192_SHA512,
            Self::Ecdsa(_) => return None,
        })
    }

    fn curve(self) -> Option<&'static EcdsaVerificationAlgorithm> {
        Some(match self {
            Self::Ecdsa(Digest::Sha256) => &ECDSA_P256_SHA256_FIXED,
            Self::Ecdsa(Digest::Sha384) => &ECDSA_P384_SHA384_FIXED,
            Self::Ecdsa(Digest::Sha512) => &ECDSA_P521_SHA512_FIXED,
            Self::Rsa(_) | Self::RsaPss(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_algorithms_have_no_word_here() {
        for address in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "",
        ] {
            assert_eq!(Signature::parse(address), None, "{address}");
        }
        for address in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5"] {
            assert_eq!(Digest::parse(address), None, "{address}");
        }
        assert_eq!(Signature::parse(OURS), Some(Signature::Rsa(Digest::Sha256)));
        assert_eq!(Digest::parse(OUR_DIGEST), Some(Digest::Sha256));
    }
}
