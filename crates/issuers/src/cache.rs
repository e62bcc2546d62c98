//! What was fetched: used for a while, fetched by one at a time, and never fetched more often than makes sense, whatever
//! strangers show. A fetch that fails leaves what was there until it is too old.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::issuers::Error;

/// How long something fetched is used without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// How long it is used when asking again brings nothing.
const STALE: Duration = Duration::from_hours(2);
/// How long nobody asks again after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// The least time between two fetches because of keys that are unknown: names of keys cost strangers nothing.
const REFETCH: Duration = Duration::from_secs(30);
/// Things at most.
const SLOTS: usize = 256;

/// Things fetched from somewhere.
pub(crate) struct Cache<K, T>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<Slot<T>>>>>);

struct Slot<T> {
    held: Option<(Arc<T>, Duration)>,
    failed: Option<(Error, Duration)>,
    refetched: Option<Duration>,
}

impl<K, T> Default for Cache<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whether what is at hand will do.
#[derive(Clone, Copy)]
pub(crate) enum Need<'a, T> {
    /// Anything that is fresh.
    Usual,
    /// Something else than this, if it may be fetched.
    Other(&'a Arc<T>),
}

impl<K: Eq + Hash, T> Cache<K, T> {
    fn slot(&self, key: K) -> Arc<tokio::sync::Mutex<Slot<T>>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS && !slots.contains_key(&key) {
            slots.clear();
        }
        let slot = slots
            .entry(key)
            .or_insert_with(|| Arc::new(tokio::sync::Mutex::new(Slot { held: None, failed: None, refetched: None })));
        Arc::clone(slot)
    }

    /// What is behind `key`. For [`Need::Other`] nothing comes back when there is nothing else to be had now.
    pub(crate) async fn get(
        &self,
        key: K,
        need: Need<'_, T>,
        now: Duration,
        fetch: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<Arc<T>>, Error> {
        let slot = self.slot(key);
        // Whoever comes while it is fetched waits for that one fetch.
        let mut slot = slot.lock().await;
        let paused =
            slot.failed.as_ref().filter(|(_, at)| now.saturating_sub(*at) < PAUSE).map(|(error, _)| error.clone());
        let held = slot.held.clone();
        match need {
            Need::Usual => {
                if let Some((value, at)) = &held
                    && now.saturating_sub(*at) < FRESH
                {
                    return Ok(Some(Arc::clone(value)));
                }
            }
            Need::Other(than) => {
                // Somebody else had it fetched meanwhile.
                if let Some((value, _)) = &held
                    && !Arc::ptr_eq(value, than)
                {
                    return Ok(Some(Arc::clone(value)));
                }
                if paused.is_some() || slot.refetched.is_some_and(|at| now.saturating_sub(at) < REFETCH) {
                    return Ok(None);
                }
                slot.refetched = Some(now);
            }
        }
        let error = match paused {
            Some(error) => error,
            None => match fetch.await {
                Ok(value) => {
                    let value = Arc::new(value);
                    slot.held = Some((Arc::clone(&value), now));
                    slot.failed = None;
                    return Ok(Some(value));
                }
                Err(error) => {
                    tracing::warn!(%error, "an issuer could not be asked");
                    slot.failed = Some((error.clone(), now));
                    error
                }
            },
        };
        match held {
            _ if matches!(need, Need::Other(_)) => Ok(None),
            Some((value, at)) if now.saturating_sub(at) < STALE => Ok(Some(value)),
            _ => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct House {
        cache: Cache<&'static str, u32>,
        fetched: AtomicU32,
    }

    impl House {
        async fn get(&self, need: Need<'_, u32>, seconds: u64, works: bool) -> Result<Option<Arc<u32>>, Error> {
            let fetch = async {
                let nth = self.fetched.fetch_add(1, Ordering::SeqCst);
                if works { Ok(nth) } else { Err(Error::Unusable("closed".into())) }
            };
            self.cache.get("a", need, Duration::from_secs(seconds), fetch).await
        }

        async fn usual(&self, seconds: u64, works: bool) -> Result<u32, Error> {
            Ok(*self.get(Need::Usual, seconds, works).await?.unwrap())
        }
    }

    fn house() -> House {
        House { cache: Cache::default(), fetched: AtomicU32::new(0) }
    }

    #[tokio::test]
    async fn fresh_is_kept_and_stale_stands_in() {
        let house = house();
        assert_eq!(house.usual(1_000, true).await.unwrap(), 0);
        assert_eq!(house.usual(1_599, true).await.unwrap(), 0);
        assert_eq!(house.usual(1_600, true).await.unwrap(), 1);
        // Nobody answers: what is there goes on for two hours, and the one who does not answer is left alone a while.
        assert_eq!(house.usual(3_000, false).await.unwrap(), 1);
        assert_eq!(house.usual(3_009, true).await.unwrap(), 1);
        assert_eq!(house.fetched.load(Ordering::SeqCst), 3);
        assert!(house.usual(1_600 + 7_200, false).await.is_err());
    }

    #[tokio::test]
    async fn another_is_fetched_at_once_and_then_rarely() {
        let house = house();
        let first = house.get(Need::Usual, 1_000, true).await.unwrap().unwrap();
        let second = house.get(Need::Other(&first), 1_001, true).await.unwrap().unwrap();
        assert_eq!((*first, *second), (0, 1));
        let again = house.get(Need::Other(&first), 1_001, true).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&again, &second), "whoever still held the first gets the second without a fetch");
        for moment in 1_002..1_031 {
            assert_eq!(house.get(Need::Other(&second), moment, true).await.unwrap(), None);
        }
        assert_eq!(house.get(Need::Other(&second), 1_031, true).await.unwrap().as_deref(), Some(&2));
        let third = house.get(Need::Usual, 1_032, true).await.unwrap().unwrap();
        assert_eq!(house.get(Need::Other(&third), 1_070, false).await.unwrap(), None, "a failure is no other set");
    }
}
