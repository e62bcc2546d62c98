//! What was fetched: used for a while, fetched by one at a time, and never fetched more often than makes sense, whatever
//! strangers show. A fetch that fails leaves what was there until it is too old.
//!
//! What is at hand is looked at under a lock that nobody holds while waiting; whoever fetches holds the turn, which is another one.
//! So an issuer that answers slowly keeps those waiting who need what is not there yet, and nobody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
pub(crate) struct Cache<K, T>(Mutex<HashMap<K, Arc<Slot<T>>>>);

struct Slot<T> {
    state: Mutex<State<T>>,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

/// Something, and since when.
pub(crate) type Since<V> = Option<(V, Duration)>;

struct State<T> {
    held: Since<Arc<T>>,
    failed: Since<Error>,
    refetched: Option<Duration>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let state = State { held: None, failed: None, refetched: None };
        Self { state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Default for Cache<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whether what is at hand will do.
pub(crate) enum Need<'a, T> {
    /// Anything that is fresh.
    Usual,
    /// Something else than this, if it may be fetched.
    Other(&'a Arc<T>),
}

impl<T> Clone for Need<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Need<'_, T> {}

/// What a look at the state came to.
enum Look<T> {
    /// The answer.
    Done(Result<Option<Arc<T>>, Error>),
    /// It has to be fetched; until then this would do.
    Fetch(Option<Arc<T>>),
}

impl<T> State<T> {
    fn look(&self, need: Need<'_, T>, now: Duration) -> Look<T> {
        let paused = self.failed.as_ref().filter(|(_, at)| now.saturating_sub(*at) < PAUSE).map(|(error, _)| error);
        let usable = self.held.as_ref().filter(|(_, at)| now.saturating_sub(*at) < STALE);
        match (need, &self.held) {
            (Need::Usual, Some((value, at))) if now.saturating_sub(*at) < FRESH => {
                Look::Done(Ok(Some(Arc::clone(value))))
            }
            (Need::Usual, _) => match (paused, usable) {
                (Some(_), Some((value, _))) => Look::Done(Ok(Some(Arc::clone(value)))),
                (Some(error), None) => Look::Done(Err(error.clone())),
                (None, usable) => Look::Fetch(usable.map(|(value, _)| Arc::clone(value))),
            },
            // Somebody else had it fetched meanwhile.
            (Need::Other(than), Some((value, _))) if !Arc::ptr_eq(value, than) => {
                Look::Done(Ok(Some(Arc::clone(value))))
            }
            (Need::Other(_), _) => {
                let soon = self.refetched.is_some_and(|at| now.saturating_sub(at) < REFETCH);
                if paused.is_some() || soon { Look::Done(Ok(None)) } else { Look::Fetch(None) }
            }
        }
    }
}

impl<K: Eq + Hash, T> Cache<K, T> {
    fn slot(&self, key: K) -> Arc<Slot<T>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
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
        let looked = slot.state().look(need, now);
        let _turn = match looked {
            Look::Done(answer) => return answer,
            // One fetches; who has something that will do goes on with that.
            Look::Fetch(Some(old)) => match slot.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(Some(old)),
            },
            Look::Fetch(None) => slot.turn.lock().await,
        };
        // Whoever waited for the turn may find it done.
        let looked = slot.state().look(need, now);
        if let Look::Done(answer) = looked {
            return answer;
        }
        if matches!(need, Need::Other(_)) {
            slot.state().refetched = Some(now);
        }
        let fetched = fetch.await;
        let mut state = slot.state();
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                state.held = Some((Arc::clone(&value), now));
                state.failed = None;
                Ok(Some(value))
            }
            Err(error) => {
                tracing::warn!(%error, "an issuer could not be asked");
                state.failed = Some((error, now));
                match state.look(need, now) {
                    Look::Done(answer) => answer,
                    Look::Fetch(old) => Ok(old),
                }
            }
        }
    }

    /// What is at hand behind `key`, and since when, without asking anybody.
    pub(crate) fn held(&self, key: &K) -> (Since<Arc<T>>, Since<Error>) {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.get(key).map(Arc::clone) else { return (None, None) };
        drop(slots);
        let state = slot.state();
        (state.held.clone(), state.failed.clone())
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

    /// An issuer that does not answer: who has keys goes on, who has none waits for the one fetch, and nobody asks twice.
    #[tokio::test]
    async fn a_slow_fetch_keeps_only_those_waiting_who_have_nothing() {
        let cache: Arc<Cache<&str, u32>> = Arc::default();
        let at = Duration::from_secs;
        assert_eq!(cache.get("a", Need::Usual, at(0), async { Ok(1) }).await.unwrap().as_deref(), Some(&1));
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        let slow = {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move {
                let fetch = async {
                    held.await.unwrap();
                    Ok(2)
                };
                cache.get("a", Need::Usual, at(601), fetch).await
            })
        };
        tokio::task::yield_now().await;
        let never = || async { Err(Error::Unusable("asked twice".into())) };
        for _ in 0..100 {
            let soon = tokio::time::timeout(at(1), cache.get("a", Need::Usual, at(602), never())).await;
            assert_eq!(soon.expect("nobody waits").unwrap().as_deref(), Some(&1));
        }
        // Who needs another key than those that are there waits for the fetch that is under way.
        let first = cache.held(&"a").0.unwrap().0;
        let waits = cache.get("a", Need::Other(&first), at(602), never());
        release.send(()).unwrap();
        assert_eq!(waits.await.unwrap().as_deref(), Some(&2));
        assert_eq!(slow.await.unwrap().unwrap().as_deref(), Some(&2));
        assert_eq!(cache.get("a", Need::Usual, at(603), never()).await.unwrap().as_deref(), Some(&2));
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
