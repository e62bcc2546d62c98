//! Keys at hand. Everything here can be read again from the ring, and is after a minute, so that a key
//! destroyed by another node is forgotten here too.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::WorkspaceId;

use crate::{DataKey, IndexKey, Month, Purpose};

/// How long a key is used without a look at the ring.
const LIFE: Duration = Duration::from_mins(1);
/// Entries a map holds at most; a read that walks many days starts it anew rather than letting it grow.
const MOST: usize = 1_024;

type Place<P> = (Option<WorkspaceId>, P);

#[derive(Default)]
pub(crate) struct Cache {
    sealing: Map<Place<(Purpose, i64)>, DataKey>,
    opening: Map<i64, DataKey>,
    index: Map<Place<Month>, IndexKey>,
}

impl Cache {
    pub(crate) fn sealing(
        &self,
        workspace: Option<WorkspaceId>,
        purpose: Purpose,
        period: i64,
        now: Duration,
    ) -> Option<DataKey> {
        self.sealing.get(&(workspace, (purpose, period)), now).filter(DataKey::has_budget)
    }

    /// The key last kept, however long ago: for going on with what it has left.
    pub(crate) fn last_sealing(
        &self,
        workspace: Option<WorkspaceId>,
        purpose: Purpose,
        period: i64,
    ) -> Option<DataKey> {
        self.sealing.get_old(&(workspace, (purpose, period)))
    }

    pub(crate) fn keep_sealing(
        &self,
        workspace: Option<WorkspaceId>,
        purpose: Purpose,
        period: i64,
        key: DataKey,
        now: Duration,
    ) {
        self.sealing.keep((workspace, (purpose, period)), key, now);
    }

    pub(crate) fn opening(&self, id: i64, now: Duration) -> Option<DataKey> {
        self.opening.get(&id, now)
    }

    pub(crate) fn keep_opening(&self, key: DataKey, now: Duration) {
        self.opening.keep(key.id(), key, now);
    }

    pub(crate) fn index(&self, workspace: Option<WorkspaceId>, month: Month, now: Duration) -> Option<IndexKey> {
        self.index.get(&(workspace, month), now)
    }

    pub(crate) fn keep_index(&self, workspace: Option<WorkspaceId>, month: Month, key: IndexKey, now: Duration) {
        self.index.keep((workspace, month), key, now);
    }

    pub(crate) fn clear(&self) {
        self.sealing.clear();
        self.opening.clear();
        self.index.clear();
    }
}

/// A map whose entries end. Reading takes no lock, since the hot path reads once a message; a write, which
/// happens once a key and minute, copies the map. `Duration` is monotonic time, so a set clock keeps nothing
/// alive.
struct Map<K, V>(ArcSwap<HashMap<K, (V, Duration)>>);

impl<K: Eq + Hash + Clone, V: Clone> Map<K, V> {
    fn get(&self, place: &K, now: Duration) -> Option<V> {
        let map = self.0.load();
        map.get(place).filter(|(_, kept)| now.saturating_sub(*kept) < LIFE).map(|(value, _)| value.clone())
    }

    fn get_old(&self, place: &K) -> Option<V> {
        self.0.load().get(place).map(|(value, _)| value.clone())
    }

    fn keep(&self, place: K, value: V, now: Duration) {
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            if map.len() >= MOST {
                map.retain(|_, (_, kept)| now.saturating_sub(*kept) < LIFE);
                if map.len() >= MOST {
                    map.clear();
                }
            }
            map.insert(place.clone(), (value.clone(), now));
            map
        });
    }

    fn clear(&self) {
        self.0.store(Arc::default());
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(HashMap::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_after_a_minute_and_the_map_stays_small() {
        let map = Map::default();
        let at = Duration::from_secs(100);
        map.keep(1_u32, "key", at);
        assert_eq!(map.get(&1, at + LIFE.checked_sub(Duration::from_millis(1)).unwrap()), Some("key"));
        assert_eq!(map.get(&1, at + LIFE), None);
        for place in 0..3_000 {
            map.keep(place, "key", at);
        }
        assert!(map.0.load().len() <= MOST);
        map.clear();
        assert_eq!(map.get(&2_999, at), None);
    }
}
