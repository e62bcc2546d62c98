//! How the store is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use store::Db;

use crate::health::{Condition, Health};

/// How long a write may take until the node counts as not ready.
const SLOW: Duration = Duration::from_millis(1_500);
/// How long a write may be under way without any answer, good or bad, until the thread or pool behind it counts as wedged.
const WEDGED: Duration = Duration::from_mins(1);

/// Asks the database by a write that goes to the disk. An answer, even a refusal, shows that whatever runs transactions is alive.
///
/// The schema is current as long as this runs: nothing listens before the migrations are done.
pub struct DatabaseHealth {
    db: Db,
    /// Since when (monotonic) a probe is under way.
    since: Arc<Mutex<Option<Duration>>>,
}

impl DatabaseHealth {
    /// For this database.
    pub fn new(db: Db) -> Self {
        Self { db, since: Arc::default() }
    }

    fn pending(&self) -> Option<Duration> {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| self.db.context().monotonic().saturating_sub(since))
    }
}

/// What is to be said of a write that has been under way for this long.
fn unanswered(pending: Duration) -> Condition {
    let detail = format!("a write has had no answer for {:.1} s", pending.as_secs_f64());
    if pending >= WEDGED { Condition::dead(detail) } else { Condition::unready(detail) }
}

#[async_trait]
impl Health for DatabaseHealth {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn look(&self) -> Condition {
        // One probe at a time: the next one waits for the answer to the last, however long that takes.
        if let Some(pending) = self.pending() {
            return unanswered(pending);
        }
        let began = self.db.context().monotonic();
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        let (db, since) = (self.db.clone(), Arc::clone(&self.since));
        let probe = tokio::spawn(async move {
            let outcome = db.probe().await;
            *since.lock().unwrap_or_else(PoisonError::into_inner) = None;
            outcome
        });
        match tokio::time::timeout(SLOW, probe).await {
            Ok(Ok(Ok(()))) => {
                let took = self.db.context().monotonic().saturating_sub(began);
                Condition::good(format!("a write took {:.1} ms; the schema is current", took.as_secs_f64() * 1e3))
            }
            // The store's errors name no value and no password.
            Ok(Ok(Err(error))) => Condition::unready(error.to_string()),
            Ok(Err(_)) => Condition::unready("the probe was cut off"),
            Err(_) => unanswered(SLOW),
        }
    }
}

impl std::fmt::Debug for DatabaseHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseHealth")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_an_answer_is_unready_first_and_wedged_after_a_minute() {
        let soon = unanswered(Duration::from_secs(59));
        assert!(soon.alive && !soon.ready);
        let late = unanswered(Duration::from_mins(1));
        assert!(!late.alive && !late.ready);
    }
}
