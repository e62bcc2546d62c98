//! Opening what others encrypted to us. Nothing is encrypted here.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
};
use zeroize::Zeroizing;

/// How the key of a message is encrypted to us: RSA-OAEP. SHA-1 in it is a mask, not a signature; nearly every provider uses it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// SHA-1 and MGF1 with SHA-1: `rsa-oaep-mgf1p`.
    OaepSha1,
    /// SHA-256 and MGF1 with SHA-256.
    OaepSha256,
    /// SHA-384 and MGF1 with SHA-384.
    OaepSha384,
    /// SHA-512 and MGF1 with SHA-512.
    OaepSha512,
}

impl Transport {
    pub(super) fn oaep(self) -> &'static OaepAlgorithm {
        match self {
            Self::OaepSha1 => &OAEP_SHA1_MGF1SHA1,
            Self::OaepSha256 => &OAEP_SHA256_MGF1SHA256,
            Self::OaepSha384 => &OAEP_SHA384_MGF1SHA384,
            Self::OaepSha512 => &OAEP_SHA512_MGF1SHA512,
        }
    }
}

/// How a message itself is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// AES-GCM with a key of so many bytes: whoever changes a bit is noticed.
    Gcm(usize),
    /// AES-CBC with a key of so many bytes. Nobody notices changes, and what is answered to them tells the text byte by byte:
    /// only what a signature outside of it covers may be opened.
    Cbc(usize),
}

impl Content {
    /// The algorithm of an address.
    pub fn parse(address: &str) -> Option<Self> {
        Some(match address {
            "http://www.w3.org/2009/xmlenc11#aes128-gcm" => Self::Gcm(16),
            "http://www.w3.org/2009/xmlenc11#aes192-gcm" => Self::Gcm(24),
            "http://www.w3.org/2009/xmlenc11#aes256-gcm" => Self::Gcm(32),
            "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => Self::Cbc(16),
            "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => Self::Cbc(24),
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => Self::Cbc(32),
            _ => return None,
        })
    }

    /// Whether changes are noticed.
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Gcm(_))
    }

    /// Opens; `None` whatever the reason.
    pub fn open(self, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Gcm(bytes) => gcm(bytes, key, sealed),
            Self::Cbc(bytes) => cbc(bytes, key, sealed),
        }
    }
}

fn gcm(bytes: usize, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let algorithm = match bytes {
        16 => &AES_128_GCM,
        24 => &AES_192_GCM,
        _ => &AES_256_GCM,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
    let (nonce, sealed) = sealed.split_at_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut room = Zeroizing::new(sealed.to_vec());
    let length = key.open_in_place(nonce, Aad::empty(), &mut room).ok()?.len();
    room.truncate(length);
    Some(room)
}

fn cbc(bytes: usize, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let algorithm = match bytes {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let (iv, sealed) = sealed.split_at_checked(16)?;
    if sealed.is_empty() || !sealed.len().is_multiple_of(16) {
        return None;
    }
    let iv: [u8; 16] = iv.try_into().ok()?;
    let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let mut room = Zeroizing::new(sealed.to_vec());
    key.decrypt(&mut room, DecryptionContext::Iv128(FixedLength::from(&iv))).ok()?;
    // XML Encryption section 5.2: the last byte says how many are filling, whatever those before it are.
    let filling = usize::from(*room.last()?);
    if !(1..=16).contains(&filling) {
        return None;
    }
    let length = room.len() - filling;
    room.truncate(length);
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ciphers_have_no_word_here() {
        for address in
            ["http://www.w3.org/2001/04/xmlenc#tripledes-cbc", "http://www.w3.org/2001/04/xmlenc#rsa-1_5", "", "aes"]
        {
            assert_eq!(Content::parse(address), None, "{address}");
        }
        assert!(Content::parse("http://www.w3.org/2009/xmlenc11#aes256-gcm").is_some_and(Content::is_authenticated));
    }

    /// NIST SP 800-38A, F.2.1, first block, with filling of our own behind it would not be a vector; so what is odd is tried.
    #[test]
    fn odd_lengths_and_keys_open_nothing() {
        for content in [Content::Gcm(16), Content::Gcm(32), Content::Cbc(16), Content::Cbc(32)] {
            for (key, sealed) in [(0, 64), (15, 64), (16, 0), (16, 12), (16, 17), (32, 33), (32, 28)] {
                assert!(content.open(&vec![1; key], &vec![2; sealed]).is_none(), "{content:?} {key} {sealed}");
            }
        }
    }
}
