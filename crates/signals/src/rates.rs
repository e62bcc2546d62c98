//! How many signals each integration may send: a bucket each, filled evenly over the minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Context, IntegrationId};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// Buckets kept at once. One that is forgotten is full again, which is the right state of one long unused.
const BUCKETS: usize = 10_000;

/// The product's monotonic clock, as the limiter wants it.
#[derive(Clone)]
struct Monotonic(Context);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>;

/// The buckets of a node.
pub(crate) struct Rates {
    clock: Monotonic,
    buckets: Mutex<HashMap<IntegrationId, (u32, Arc<Bucket>)>>,
}

impl Rates {
    pub(crate) fn new(context: Context) -> Self {
        Self { clock: Monotonic(context), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one place of `per_minute`; when there is none, how long until there is.
    pub(crate) fn take(&self, integration: IntegrationId, per_minute: u32) -> Result<(), Duration> {
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            match buckets.get(&integration) {
                Some((rate, bucket)) if *rate == per_minute => Arc::clone(bucket),
                _ => {
                    if buckets.len() >= BUCKETS {
                        buckets.clear();
                    }
                    let rate = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
                    let bucket = Arc::new(RateLimiter::direct_with_clock(Quota::per_minute(rate), self.clock.clone()));
                    buckets.insert(integration, (per_minute, Arc::clone(&bucket)));
                    bucket
                }
            }
        };
        bucket.check().map_err(|full| full.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use base::{ManualClock, SeededChance, Timestamp};

    use super::*;

    #[test]
    fn a_minute_has_its_places_and_says_when_the_next_is_free() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let context = Context::new(clock.clone(), Arc::new(SeededChance::new(1)));
        let (one, other): (IntegrationId, IntegrationId) = (context.id(), context.id());
        let rates = Rates::new(context);
        assert_eq!((0..100).filter(|_| rates.take(one, 60).is_ok()).count(), 60);
        let wait = rates.take(one, 60).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(rates.take(other, 60).is_ok(), "another integration has its own");
        clock.advance(Duration::from_secs(10));
        assert_eq!((0..100).filter(|_| rates.take(one, 60).is_ok()).count(), 10);
        // A new rate counts at once.
        assert!(rates.take(one, 120).is_ok());
    }
}
