//! Events: what happened below, for whoever listens above. One row per listener, written in the transaction that
//! changed the state, and none where nobody listens. A row is a job of the listener's kind, so it has the same leases,
//! tries and dead letters.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use serde_json::Value as Json;

use crate::db::Db;
use crate::{Error, Tx, jobs};

/// Who listens to what in this process. Rooms register at start, before anything can happen.
#[derive(Default)]
pub(crate) struct Listeners(RwLock<HashMap<&'static str, Vec<&'static str>>>);

impl Listeners {
    fn add(&self, topic: &'static str, listener: &'static str) {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let listeners = topics.entry(topic).or_default();
        if !listeners.contains(&listener) {
            listeners.push(listener);
        }
    }

    fn of(&self, topic: &str) -> Vec<&'static str> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned().unwrap_or_default()
    }
}

impl Db {
    /// Registers a listener: from now on each event of `topic` that this process publishes is kept for it.
    /// [`Worker::listen`](crate::Worker::listen) does this, too; a process that publishes but runs no worker calls it.
    pub fn listen(&self, topic: &'static str, listener: &'static str) {
        self.inner.shared.listeners.add(topic, listener);
    }
}

impl Tx<'_> {
    /// Tells every registered listener of `topic`, once this transaction commits: durably, at least once, and in the
    /// order of publishing for each listener.
    pub fn publish(&mut self, topic: &'static str, payload: &Json) -> Result<(), Error> {
        for listener in self.shared.listeners.of(topic) {
            jobs::insert_event(self, topic, listener, payload)?;
        }
        Ok(())
    }
}
