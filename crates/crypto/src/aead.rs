//! AES-256-GCM with a 96-bit nonce. Whoever seals takes nonces from [`Nonces`] or at random, and keeps keys short-lived
//! (`vault` does).

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base::Chance;
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = NONCE_LEN;
/// Bytes that sealing adds.
pub const TAG_BYTES: usize = 16;

/// A prepared key: the key schedule is computed once, a seal of a short text then takes about a microsecond.
pub struct Key(LessSafeKey);

impl Key {
    /// Prepares `key`.
    pub fn new(key: &[u8; KEY_BYTES]) -> Result<Self, Error> {
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::Refused("AES-256 key"))?;
        Ok(Self(LessSafeKey::new(unbound)))
    }

    /// Seals `plain` under a nonce that must never be used twice with this key: ciphertext and tag.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(plain.len() + TAG_BYTES);
        out.extend_from_slice(plain);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut out)
            .map_err(|_| Error::Refused("AES-256-GCM seal"))?;
        Ok(out)
    }

    /// Opens what [`Self::seal`] made under the same nonce and additional data.
    pub fn open(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut buffer)
            .map_err(|_| Error::Sealed)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Nonces for one key in one process (NIST SP 800-38D section 8.2.1): a field that is drawn when the key is taken into use, which
/// tells processes and their restarts apart, and behind it a count of seals. Drawing all twelve octets for each seal costs more than the
/// seal of a short text.
#[derive(Debug, Default)]
pub struct Nonces {
    field: OnceLock<[u8; FIELD]>,
    sealed: AtomicU64,
}

/// Octets that are drawn: two of a hundred thousand starts with one key meet with a chance below one in a thousand million.
const FIELD: usize = 8;

impl Nonces {
    /// The next one; never the same from this, and with no chance worth a number from another for the same key.
    pub fn next(&self, chance: &dyn Chance) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        match u32::try_from(self.sealed.fetch_add(1, Ordering::Relaxed)) {
            Ok(count) => {
                let field = self.field.get_or_init(|| {
                    let mut field = [0; FIELD];
                    chance.fill(&mut field);
                    field
                });
                nonce[..FIELD].copy_from_slice(field);
                nonce[FIELD..].copy_from_slice(&count.to_be_bytes());
            }
            // The count is used up, which no key in use gets near: each is drawn from here on (section 8.2.2).
            Err(_) => chance.fill(&mut nonce),
        }
        nonce
    }
}

/// Seals once: see [`Key::seal`].
pub fn seal(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    Key::new(key)?.seal(nonce, aad, plain)
}

/// Opens once: see [`Key::open`].
pub fn open(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    Key::new(key)?.open(nonce, aad, sealed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Test case 14 of the GCM specification's AES-256 vectors.
    #[test]
    fn matches_the_gcm_test_vector() {
        let sealed = seal(&[0; 32], [0; 12], b"", &[0; 16]).unwrap();
        assert_eq!(
            sealed,
            [
                0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0,
                0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19
            ]
        );
    }

    proptest! {
        #[test]
        fn opens_what_it_sealed_and_nothing_altered(
            key: [u8; 32], nonce: [u8; 12], aad: Vec<u8>, plain: Vec<u8>, place: proptest::sample::Index, bit in 0_u8..8
        ) {
            let mut sealed = seal(&key, nonce, &aad, &plain).unwrap();
            prop_assert_eq!(&*open(&key, nonce, &aad, &sealed).unwrap(), &plain);
            let place = place.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(matches!(open(&key, nonce, &aad, &sealed), Err(Error::Sealed)));
        }
    }

    #[test]
    fn nonces_differ_within_a_process_between_threads_and_over_restarts() {
        use std::collections::HashSet;
        let mut seen = HashSet::new();
        for _restart in 0..50 {
            let nonces = Nonces::default();
            let drawn: Vec<Vec<_>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| (0..1_000).map(|_| nonces.next(&crate::OsChance)).collect::<Vec<_>>()))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for nonce in drawn.into_iter().flatten() {
                assert!(seen.insert(nonce), "a nonce came twice");
            }
        }
        // When the count is used up they are drawn.
        let spent = Nonces { sealed: AtomicU64::new(u64::from(u32::MAX)), ..Nonces::default() };
        let [last, drawn, next] = [(); 3].map(|()| spent.next(&crate::OsChance));
        assert_eq!(last[FIELD..], [0xFF; 4]);
        assert!(drawn[..FIELD] != last[..FIELD] && drawn != next);
    }

    #[test]
    fn other_additional_data_does_not_open() {
        let sealed = seal(&[1; 32], [2; 12], b"row 1", b"text").unwrap();
        assert!(matches!(open(&[1; 32], [2; 12], b"row 2", &sealed), Err(Error::Sealed)));
    }
}
