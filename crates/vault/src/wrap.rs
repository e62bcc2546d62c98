//! Wrapping: a key of the ring under a key-encryption key, bound to its row. The key-encryption keys follow the key file while the
//! process runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base::Chance;
use crypto::aead::{self, NONCE_BYTES};
use zeroize::Zeroizing;

use crate::key_file::KeyBytes;
use crate::{Error, KeyFile};

/// What proves which key a version is, without telling anything about it.
pub(crate) type Check = [u8; 16];

/// The key-encryption keys, ready for use.
pub(crate) struct Wrapper {
    keks: ArcSwap<Keks>,
    path: Option<PathBuf>,
}

#[derive(Clone, Default)]
struct Keks {
    keys: BTreeMap<u32, Kek>,
    /// Those that stand in the key file now. One that was taken out stays in use until nothing needs it.
    in_file: BTreeSet<u32>,
    /// Refused, even when they still stand in the file.
    retired: BTreeSet<u32>,
}

#[derive(Clone)]
struct Kek {
    key: Arc<aead::Key>,
    check: Check,
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
        let keks = Keks::default().with(file)?;
        Ok(Self { keks: ArcSwap::from_pointee(keks), path: file.path().map(Into::into) })
    }

    /// Reads the key file again, if there is one. Versions that left it stay usable: what they still wrap must not be lost by an
    /// edited file.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = KeyFile::load(path)?;
        let keks = self.keks.load().with(&file)?;
        self.keks.store(Arc::new(keks));
        Ok(())
    }

    /// Refuses these versions from now on.
    pub(crate) fn refuse(&self, retired: &BTreeSet<u32>) {
        if self.keks.load().retired == *retired {
            return;
        }
        self.keks.rcu(|keks| Keks { retired: retired.clone(), ..Keks::clone(keks) });
    }

    /// The versions in the key file, with their checks.
    pub(crate) fn in_file(&self) -> BTreeMap<u32, Check> {
        let keks = self.keks.load();
        let known = keks.in_file.iter().filter_map(|version| Some((*version, keks.keys.get(version)?.check)));
        known.collect()
    }

    /// Whether the keys follow a file.
    pub(crate) const fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// Whether this process has the key of a version.
    pub(crate) fn holds(&self, version: u32) -> bool {
        self.keks.load().keys.contains_key(&version)
    }

    /// The highest version in the key file.
    pub(crate) fn newest(&self) -> u32 {
        self.keks.load().in_file.last().copied().unwrap_or(0)
    }

    /// Wraps with version `kek`: nonce, ciphertext, tag.
    pub(crate) fn wrap(
        &self,
        chance: &dyn Chance,
        kek: u32,
        place: Place<'_>,
        key: &KeyBytes,
    ) -> Result<Vec<u8>, Error> {
        let wrapping = self.key(kek)?;
        let mut nonce = [0; NONCE_BYTES];
        chance.fill(&mut nonce);
        let sealed = wrapping.seal(nonce, place.text(kek).as_bytes(), &**key)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Unwraps with the version that wrapped it.
    pub(crate) fn unwrap(&self, place: Place<'_>, kek: u32, wrapped: &[u8]) -> Result<KeyBytes, Error> {
        let key = self.key(kek)?;
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let plain = key.open(*nonce, place.text(kek).as_bytes(), sealed)?;
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| Error::Sealed)?))
    }

    /// The key of a version. One that is not known yet may have come into the file since: another node may have rotated.
    fn key(&self, version: u32) -> Result<Arc<aead::Key>, Error> {
        if let Some(key) = self.keks.load().usable(version)? {
            return Ok(key);
        }
        self.reload()?;
        self.keks.load().usable(version)?.ok_or(Error::MissingVersion(version))
    }
}

impl Keks {
    fn usable(&self, version: u32) -> Result<Option<Arc<aead::Key>>, Error> {
        if self.retired.contains(&version) {
            return Err(Error::RetiredVersion(version));
        }
        Ok(self.keys.get(&version).map(|kek| Arc::clone(&kek.key)))
    }

    /// These keys and those of `file`. A number never gets other bytes while the process runs: what it wraps would be lost.
    fn with(&self, file: &KeyFile) -> Result<Self, Error> {
        let mut keks = Self { in_file: BTreeSet::new(), ..self.clone() };
        for (version, key) in file.versions() {
            // Derived, so that the bytes of the file serve each purpose by a key of its own.
            let wrapping = crypto::hkdf_sha256(&**key, b"", "loudhailer vault wrapping key v1")?;
            let check = crypto::hkdf_sha256(&**key, b"", "loudhailer vault check value v1")?;
            let (short, _) = check.split_first_chunk().ok_or(Error::KeyFileLine { line: 0 })?;
            let short: Check = *short;
            if keks.keys.get(&version).is_some_and(|known| known.check != short) {
                return Err(Error::OtherVersion(version));
            }
            keks.keys.insert(version, Kek { key: Arc::new(aead::Key::new(&wrapping)?), check: short });
            keks.in_file.insert(version);
        }
        Ok(keks)
    }
}
