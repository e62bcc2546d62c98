//! The blind index: finds a personal value without storing it readably.

use std::fmt;
use std::sync::Arc;

use crypto::HmacKey;

/// What a value looks like in an index: 16 bytes of HMAC-SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlindIndex(pub [u8; 16]);

impl From<BlindIndex> for store::Value<'_> {
    fn from(index: BlindIndex) -> Self {
        Self::from(index.0)
    }
}

/// The key of one workspace and month. Cheap to clone; never leaves this process.
#[derive(Clone)]
pub struct IndexKey(Arc<HmacKey>);

impl IndexKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Arc::new(HmacKey::new(key)))
    }

    /// Where to find `value`, given in one fixed form (a number as E.164, an address in lower case).
    pub fn index(&self, value: &str) -> BlindIndex {
        let tag = self.0.sign(value.as_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&tag[..16]);
        BlindIndex(out)
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(…)")
    }
}
