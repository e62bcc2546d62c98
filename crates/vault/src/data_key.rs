//! Sealing one field: AES-256-GCM bound to its place, so that a cell copied elsewhere does not open.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Chance, WorkspaceId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::aead::{self, NONCE_BYTES, Nonces};
use zeroize::Zeroizing;

use crate::Error;

/// The place of a sealed value. Together with the workspace and the key's id it is authenticated, not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's id, as text.
    pub row: &'a str,
}

/// A key that seals fields of one workspace for one purpose. Cheap to clone; sealing takes no lock and does
/// no I/O.
#[derive(Clone)]
pub struct DataKey(Arc<Inner>);

struct Inner {
    id: i64,
    workspace: Option<WorkspaceId>,
    key: aead::Key,
    /// The parts of the additional data that are the same for every field: `v1|<workspace>|` and `|<key id>`.
    place: (String, String),
    nonces: Nonces,
    /// Seals left of what was reserved in the store; below zero the vault reserves more or rotates.
    budget: AtomicI64,
}

const VERSION: &str = "v1";

impl DataKey {
    pub(crate) fn new(id: i64, workspace: Option<WorkspaceId>, key: &[u8; 32]) -> Result<Self, Error> {
        let key = aead::Key::new(key)?;
        let tenant = workspace.map_or_else(|| "-".to_owned(), |workspace| workspace.to_string());
        let place = (format!("{VERSION}|{tenant}|"), format!("|{id}"));
        Ok(Self(Arc::new(Inner { id, workspace, key, place, nonces: Nonces::default(), budget: AtomicI64::new(0) })))
    }

    /// The key's id in the ring, which every value it seals names.
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// The workspace whose data it seals.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.0.workspace
    }

    /// Seals `plain` for its place: `v1.<key id>.<nonce>.<ciphertext and tag>`.
    ///
    /// # Panics
    ///
    /// When `plain` is longer than AES-GCM can seal (64 GiB).
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only what is longer than 64 GiB; no input gets there")]
    pub fn seal(&self, chance: &dyn Chance, aad: &Aad<'_>, plain: &[u8]) -> String {
        self.0.budget.fetch_sub(1, Ordering::Relaxed);
        let nonce = self.0.nonces.next(chance);
        let sealed = self.0.key.seal(nonce, self.place(aad).as_bytes(), plain).expect("a field is far below 64 GiB");
        let mut out = String::with_capacity(48 + sealed.len().div_ceil(3) * 4);
        // Writing to a String cannot fail.
        let _ = write!(out, "{VERSION}.{}.", self.0.id);
        URL_SAFE_NO_PAD.encode_string(nonce, &mut out);
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(&sealed, &mut out);
        out
    }

    /// Opens what this key sealed for this place.
    pub fn open(&self, aad: &Aad<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let parts = Parts::of(sealed)?;
        if parts.key != self.0.id {
            return Err(Error::Sealed);
        }
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Sealed);
        let nonce: [u8; NONCE_BYTES] = decode(parts.nonce)?.try_into().map_err(|_| Error::Sealed)?;
        Ok(self.0.key.open(nonce, self.place(aad).as_bytes(), &decode(parts.body)?)?)
    }

    /// `version|tenant|table|column|row id|key id`. Tables and columns are ours and hold no bar, and the ends
    /// are fixed, so no two places give the same text.
    fn place(&self, aad: &Aad<'_>) -> String {
        debug_assert!(!aad.table.contains('|') && !aad.column.contains('|'));
        let (before, after) = &self.0.place;
        [before, aad.table, "|", aad.column, "|", aad.row, after].concat()
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.0.budget.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn add_budget(&self, seals: i64) {
        self.0.budget.fetch_add(seals, Ordering::Relaxed);
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.0.id)
    }
}

/// A sealed value, cut.
struct Parts<'a> {
    key: i64,
    nonce: &'a str,
    body: &'a str,
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a str) -> Result<Self, Error> {
        let mut parts = sealed.split('.');
        let mut next = || parts.next().ok_or(Error::Sealed);
        let (version, key, nonce, body) = (next()?, next()?, next()?, next()?);
        if version != VERSION || parts.next().is_some() {
            return Err(Error::Sealed);
        }
        Ok(Self { key: key.parse().map_err(|_| Error::Sealed)?, nonce, body })
    }
}

/// The id of the key that sealed a value.
pub(crate) fn key_of(sealed: &str) -> Result<i64, Error> {
    Parts::of(sealed).map(|parts| parts.key)
}

#[cfg(test)]
mod tests {
    use base::SeededChance;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key(id: i64, workspace: u128) -> DataKey {
        DataKey::new(id, Some(Uuid::from_u128(workspace).into()), &[9; 32]).unwrap()
    }

    const PLACE: Aad<'static> = Aad { table: "messages", column: "text", row: "17" };

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let sealed = key(5, 1).seal(&SeededChance::new(1), &PLACE, b"Disk full on db-1");
        assert!(sealed.starts_with("v1.5."), "{sealed}");
        assert_eq!(key(5, 1).open(&PLACE, &sealed).unwrap().as_slice(), b"Disk full on db-1");
        for elsewhere in [
            Aad { row: "18", ..PLACE },
            Aad { column: "sender", ..PLACE },
            Aad { table: "inbound", ..PLACE },
            Aad { row: "17|5", ..PLACE },
        ] {
            assert!(matches!(key(5, 1).open(&elsewhere, &sealed), Err(Error::Sealed)), "{elsewhere:?}");
        }
        assert!(matches!(key(5, 2).open(&PLACE, &sealed), Err(Error::Sealed)), "another workspace");
        assert!(matches!(key(6, 1).open(&PLACE, &sealed), Err(Error::Sealed)), "another key id");
    }

    #[test]
    fn no_two_seals_look_alike() {
        let chance = SeededChance::new(1);
        assert_ne!(key(1, 1).seal(&chance, &PLACE, b"same"), key(1, 1).seal(&chance, &PLACE, b"same"));
    }

    proptest! {
        #[test]
        fn opens_what_it_sealed_and_nothing_altered(
            plain: Vec<u8>, row in "\\PC{0,20}", place: proptest::sample::Index, to in "[ -~]"
        ) {
            let aad = Aad { row: &row, ..PLACE };
            let sealed = key(3, 1).seal(&SeededChance::new(1), &aad, &plain);
            prop_assert_eq!(&*key(3, 1).open(&aad, &sealed).unwrap(), &plain);
            let place = place.index(sealed.len());
            prop_assume!(sealed[place..=place] != to);
            let mut altered = sealed;
            altered.replace_range(place..=place, &to);
            prop_assert!(key(3, 1).open(&aad, &altered).is_err());
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "(v1)?[.]?\\PC{0,60}") {
            prop_assert!(key(3, 1).open(&PLACE, &text).is_err());
        }
    }
}
