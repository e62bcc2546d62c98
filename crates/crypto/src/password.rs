//! People's passwords: Argon2id (RFC 9106) as PHC strings. Machine secrets never come here; they are drawn
//! with 178 bits and need no stretching (see [`token`](crate::token)).
//!
//! Hashing takes 46 MiB and tens of milliseconds by design. The caller (`identity`) runs one per core at a
//! time on a blocking thread.

use argon2::{Algorithm, Argon2, Params, Version};
use base::{Chance, ExposeSecret, SecretString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::{Error, constant_time_eq};

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// A stored hash may not ask for more than this (in KiB): a doctored row must not exhaust memory.
const MOST_MEMORY: u32 = 1 << 20;
const MOST_ITERATIONS: u32 = 64;

/// How much work one guess costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    memory_kib: u32,
    iterations: u32,
}

impl Cost {
    /// m=47104 KiB, t=1, p=1.
    pub const PRODUCTION: Self = Self { memory_kib: 47_104, iterations: 1 };

    /// A cost at or above the floor (m=19456 with t=2, or m=47104 with t=1; p is always 1).
    pub const fn new(memory_kib: u32, iterations: u32) -> Result<Self, Error> {
        let enough = memory_kib >= 47_104 && iterations >= 1 || memory_kib >= 19_456 && iterations >= 2;
        if enough && memory_kib <= MOST_MEMORY && iterations <= MOST_ITERATIONS {
            Ok(Self { memory_kib, iterations })
        } else {
            Err(Error::WeakCost)
        }
    }

    /// Next to no work, so that tests with many log-ins stay quick. Protects nothing.
    pub const fn trivial_for_tests() -> Self {
        Self { memory_kib: 64, iterations: 1 }
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::PRODUCTION
    }
}

/// Hashes `password` with a fresh salt: a PHC string to store.
pub fn hash(password: &SecretString, cost: Cost, chance: &dyn Chance) -> Result<String, Error> {
    let mut salt = [0; SALT_BYTES];
    chance.fill(&mut salt);
    let digest = stretch(password, cost, &salt)?;
    Ok(format!(
        "$argon2id$v=19$m={},t={},p=1${}${}",
        cost.memory_kib,
        cost.iterations,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(*digest)
    ))
}

/// Whether `password` is the one that was hashed. Costs what the stored string says.
pub fn verify(password: &SecretString, phc: &str) -> Result<bool, Error> {
    let stored = Stored::parse(phc)?;
    let digest = stretch(password, stored.cost, &stored.salt)?;
    Ok(constant_time_eq(&*digest, &stored.hash))
}

/// Whether a stored hash was made with another cost than today's: hash anew at the next log-in.
pub fn needs_rehash(phc: &str, cost: Cost) -> bool {
    Stored::parse(phc).map_or(true, |stored| stored.cost != cost)
}

struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    fn parse(phc: &str) -> Result<Self, Error> {
        let mut parts = phc.split('$');
        let mut next = || parts.next().ok_or(Error::Hash);
        let (empty, algorithm, version, parameters, salt, hash) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        if !empty.is_empty() || algorithm != "argon2id" || version != "v=19" || parts.next().is_some() {
            return Err(Error::Hash);
        }
        let mut parameters = parameters.split(',');
        let mut number = |name: &str| -> Result<u32, Error> {
            let text = parameters.next().and_then(|part| part.strip_prefix(name)).ok_or(Error::Hash)?;
            text.parse().map_err(|_| Error::Hash)
        };
        let (memory_kib, iterations, lanes) = (number("m=")?, number("t=")?, number("p=")?);
        if parameters.next().is_some() || lanes != 1 || memory_kib > MOST_MEMORY || iterations > MOST_ITERATIONS {
            return Err(Error::Hash);
        }
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| Error::Hash);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if hash.len() != HASH_BYTES {
            return Err(Error::Hash);
        }
        Ok(Self { cost: Cost { memory_kib, iterations }, salt, hash })
    }
}

fn stretch(password: &SecretString, cost: Cost, salt: &[u8]) -> Result<Zeroizing<[u8; HASH_BYTES]>, Error> {
    let params = Params::new(cost.memory_kib, cost.iterations, 1, Some(HASH_BYTES)).map_err(|_| Error::Hash)?;
    let mut out = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose_secret().as_bytes(), salt, &mut *out)
        .map_err(|_| Error::Refused("Argon2id"))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::OsChance;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn verifies_the_password_and_no_other() {
        let phc = hash(&secret("correct horse battery staple"), Cost::trivial_for_tests(), &OsChance).unwrap();
        assert!(verify(&secret("correct horse battery staple"), &phc).unwrap());
        assert!(!verify(&secret("correct horse battery stapler"), &phc).unwrap());
        assert!(!phc.contains("horse"));
        let again = hash(&secret("correct horse battery staple"), Cost::trivial_for_tests(), &OsChance).unwrap();
        assert_ne!(phc, again, "salts differ");
    }

    #[test]
    fn the_default_cost_is_the_documented_one() {
        let phc = hash(&secret("a long enough password"), Cost::default(), &OsChance).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{phc}");
        assert!(!needs_rehash(&phc, Cost::PRODUCTION));
        assert!(needs_rehash(&phc, Cost::new(65_536, 2).unwrap()));
    }

    /// The reference implementation's own test: `argon2 somesalt -id -t 2 -k 65536`, from its test.c.
    #[test]
    fn matches_the_reference_implementation() {
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(&secret("password"), phc).unwrap());
    }

    #[test]
    fn costs_below_the_floor_are_refused() {
        for (memory, iterations, ok) in
            [(47_104, 1, true), (19_456, 2, true), (19_456, 1, false), (19_455, 9, false), (1 << 21, 1, false)]
        {
            assert_eq!(Cost::new(memory, iterations).is_ok(), ok, "m={memory} t={iterations}");
        }
    }

    #[test]
    fn doctored_hashes_are_refused_without_doing_their_work() {
        for phc in [
            "",
            "plain",
            "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=64,t=4000000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
            "$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            assert!(matches!(verify(&secret("x"), phc), Err(Error::Hash)), "{phc}");
        }
    }

    proptest! {
        #[test]
        fn any_text_as_a_hash_is_answered_without_a_panic(text in "[$=,0-9a-z]{0,60}") {
            let _ = Stored::parse(&text);
        }
    }
}
