//! A cache of look-ups that holds for at most a second: what another node revokes is refused here within that second,
//! what this node revokes at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a look-up holds (security.md: ended on all nodes within 1 s).
const LIFE: Duration = Duration::from_millis(900);
/// Entries at most.
const ENTRIES: usize = 20_000;

/// Look-ups by token hash.
pub(crate) struct Cache<T>(Mutex<Inner<T>>);

struct Inner<T> {
    entries: HashMap<[u8; 32], (Duration, T)>,
    /// Counts revocations, so that a look-up that began before one cannot be remembered after it.
    generation: u64,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner { entries: HashMap::new(), generation: 0 }))
    }
}

impl<T: Clone> Cache<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look-up that still holds; else the generation to give to [`Self::keep`].
    pub(crate) fn get(&self, hash: &[u8; 32], now: Duration) -> Result<T, u64> {
        let inner = self.lock();
        match inner.entries.get(hash) {
            Some((at, value)) if now.saturating_sub(*at) < LIFE => Ok(value.clone()),
            _ => Err(inner.generation),
        }
    }

    /// Remembers a look-up that began in `generation`, at `now`.
    pub(crate) fn keep(&self, hash: [u8; 32], value: T, generation: u64, now: Duration) {
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        if inner.entries.len() >= ENTRIES {
            inner.entries.retain(|_, (at, _)| now.saturating_sub(*at) < LIFE);
            if inner.entries.len() >= ENTRIES {
                return;
            }
        }
        inner.entries.insert(hash, (now, value));
    }

    /// Forgets everything, because something was revoked or changed.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_holds_for_less_than_a_second_and_not_over_a_revocation() {
        let cache = Cache::default();
        let at = Duration::from_secs(10);
        let generation = cache.get(&[1; 32], at).unwrap_err();
        cache.keep([1; 32], "one", generation, at);
        assert_eq!(cache.get(&[1; 32], at + Duration::from_millis(500)), Ok("one"));
        assert!(cache.get(&[1; 32], at + Duration::from_secs(1)).is_err());
        let began = cache.get(&[2; 32], at).unwrap_err();
        cache.clear();
        cache.keep([2; 32], "two", began, at);
        assert!(cache.get(&[1; 32], at).is_err());
        assert!(cache.get(&[2; 32], at).is_err(), "a look-up from before the revocation is not remembered");
    }
}
