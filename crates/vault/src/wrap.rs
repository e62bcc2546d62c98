//! Wrapping: a key of the ring under a key-encryption key, bound to its row.

use std::collections::BTreeMap;

use base::Chance;
use crypto::aead::{self, NONCE_BYTES};
use zeroize::Zeroizing;

use crate::key_file::KeyBytes;
use crate::{Error, KeyFile};

/// The key-encryption keys, ready for use.
pub(crate) struct Wrapper {
    keys: BTreeMap<u32, aead::Key>,
    newest: u32,
}

/// The row a wrapped key belongs to. All of it is authenticated: a row that was moved or doctored does not open.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) id: i64,
    pub(crate) workspace: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) period: i64,
    pub(crate) generation: i64,
}

impl Place<'_> {
    fn text(self, kek: u32) -> String {
        let Self { id, workspace, purpose, period, generation } = self;
        format!("v1|vault_keys|{id}|{workspace}|{purpose}|{period}|{generation}|{kek}")
    }
}

impl Wrapper {
    pub(crate) fn new(file: &KeyFile) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        for (version, key) in file.versions() {
            // Derived, so that the bytes of the file serve this one purpose and others can be added.
            let derived = crypto::hkdf_sha256(&**key, b"", "loudhailer vault wrapping key v1")?;
            keys.insert(version, aead::Key::new(&derived)?);
        }
        Ok(Self { keys, newest: file.newest_version() })
    }

    pub(crate) const fn newest(&self) -> u32 {
        self.newest
    }

    /// Wraps with the newest key: nonce, ciphertext, tag.
    pub(crate) fn wrap(&self, chance: &dyn Chance, place: Place<'_>, key: &KeyBytes) -> Result<Vec<u8>, Error> {
        let kek = self.keys.get(&self.newest).ok_or(Error::MissingVersion(self.newest))?;
        let mut nonce = [0; NONCE_BYTES];
        chance.fill(&mut nonce);
        let sealed = kek.seal(nonce, place.text(self.newest).as_bytes(), &**key)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Unwraps with the version that wrapped it.
    pub(crate) fn unwrap(&self, place: Place<'_>, kek: u32, wrapped: &[u8]) -> Result<KeyBytes, Error> {
        let key = self.keys.get(&kek).ok_or(Error::MissingVersion(kek))?;
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let plain = key.open(*nonce, place.text(kek).as_bytes(), sealed)?;
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| Error::Sealed)?))
    }
}
