//! Personal values in a chain that must outlive them: the entry holds the hash of a salt and the values; salt
//! and values stand beside it and can be erased. Without the salt the hash tells nothing, not even to
//! somebody who guesses the values.

use base::Context;
use crypto::Sha256;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// What an entry keeps of personal values for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commitment(pub [u8; 32]);

/// The secret half of a commitment: erasing it (with the values) leaves a hash of nothing anybody knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl Commitment {
    /// Commits to `values` under a fresh salt.
    pub fn new(ctx: &Context, values: &str) -> (Self, Salt) {
        let salt = Salt(ctx.random());
        (Self::under(salt, values), salt)
    }

    /// Whether these are the salt and the values that were committed to.
    pub fn holds(self, salt: Salt, values: &str) -> bool {
        Self::under(salt, values) == self
    }

    fn under(salt: Salt, values: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"loudhailer audit personal v1");
        // The salt's length is fixed, so salt and values cannot be cut otherwise.
        hash.update(&salt.0);
        hash.update(values.as_bytes());
        Self(hash.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{SeededChance, SystemClock};

    use super::*;

    #[test]
    fn a_commitment_holds_for_its_values_and_its_salt_only() {
        let ctx = Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(1)));
        let (commitment, salt) = Commitment::new(&ctx, "Ada Sample");
        assert!(commitment.holds(salt, "Ada Sample"));
        assert!(!commitment.holds(salt, "Cem Sample"));
        assert!(!commitment.holds(Salt([0; SALT_BYTES]), "Ada Sample"));
        assert_ne!(Commitment::new(&ctx, "Ada Sample").0, commitment, "equal values look unlike");
    }
}
