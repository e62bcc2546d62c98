//! How many requests a client may make: per address before anything is known about it, per principal afterwards.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use base::{Context, Problem, ProblemKind};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};

use crate::refusal::Refusal;
use crate::settings::Rates;

/// The house's monotonic clock, as the limiter wants to see it.
#[derive(Clone, Debug)]
struct Monotonic(Context);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, Monotonic, NoOpMiddleware<Duration>>;

/// Both limits.
pub(crate) struct RateLimits {
    clock: Monotonic,
    addresses: Limiter<IpAddr>,
    principals: Limiter<String>,
}

impl RateLimits {
    pub(crate) fn new(rates: Rates, context: Context) -> Self {
        let clock = Monotonic(context);
        Self {
            addresses: RateLimiter::new(
                Rate::per_second(rates.per_address),
                DefaultKeyedStateStore::default(),
                clock.clone(),
            ),
            principals: RateLimiter::new(
                Rate::per_second(rates.per_principal),
                DefaultKeyedStateStore::default(),
                clock.clone(),
            ),
            clock,
        }
    }

    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Refusal> {
        self.check(&self.addresses, &network_of(address))
    }

    pub(crate) fn principal(&self, key: &String) -> Result<(), Refusal> {
        self.check(&self.principals, key)
    }

    /// Forgets who has been quiet: without it the tables would only grow.
    pub(crate) fn forget_the_quiet(&self) {
        self.addresses.retain_recent();
        self.addresses.shrink_to_fit();
        self.principals.retain_recent();
        self.principals.shrink_to_fit();
    }

    /// How many clients are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.addresses.len() + self.principals.len()
    }

    fn check<K: Hash + Eq + Clone>(&self, limiter: &Limiter<K>, key: &K) -> Result<(), Refusal> {
        limiter.check_key(key).map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }
}

/// A limit of its own for one client among others with other limits: a workspace that has its rate in its settings.
pub struct Quota {
    clock: Monotonic,
    limiter: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
}

impl Quota {
    /// `rate` requests a second, and as many at once after a pause.
    pub fn per_second(rate: NonZeroU32, context: Context) -> Self {
        let clock = Monotonic(context);
        Self { limiter: RateLimiter::direct_with_clock(Rate::per_second(rate), clock.clone()), clock }
    }

    /// Lets a request through, or says when the next one may come.
    pub fn admit(&self) -> Result<(), Refusal> {
        self.limiter.check().map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }
}

impl std::fmt::Debug for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quota(…)")
    }
}

fn refusal(wait: Duration) -> Refusal {
    let problem = Problem::new(
        ProblemKind::TooMany,
        "too-many-requests",
        "Too many requests came in a short time. Wait as long as Retry-After says, then send more slowly.",
    );
    Refusal::new(problem.retry_after(wait))
}

/// Who counts as one client: an IPv4 address, or an IPv6 /64, which is what one customer line has.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{ManualClock, SeededChance, Timestamp};

    use super::*;

    fn limits(per_second: u32) -> (Arc<ManualClock>, RateLimits) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let rate = NonZeroU32::new(per_second).unwrap();
        let context = Context::new(clock.clone(), Arc::new(SeededChance::new(1)));
        (clock, RateLimits::new(Rates { per_address: rate, per_principal: rate }, context))
    }

    #[test]
    fn the_third_of_two_waits_and_is_told_how_long() {
        let (clock, limits) = limits(2);
        let address = "192.0.2.7".parse().unwrap();
        assert!(limits.address(address).is_ok() && limits.address(address).is_ok());
        let refusal = limits.address(address).unwrap_err();
        assert_eq!(refusal.status().as_u16(), 429);
        assert_eq!(refusal.problem().retry_after, Some(Duration::from_millis(500)));
        assert!(limits.address("192.0.2.8".parse().unwrap()).is_ok());
        clock.advance(Duration::from_millis(500));
        assert!(limits.address(address).is_ok());
    }

    #[test]
    fn one_ipv6_line_is_one_client() {
        let (_, limits) = limits(1);
        assert!(limits.address("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limits.address("2001:db8::ffff".parse().unwrap()).is_err());
        assert!(limits.address("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(limits.address("192.0.2.7".parse().unwrap()).is_ok());
        assert!(limits.address("::ffff:192.0.2.7".parse().unwrap()).is_err());
    }

    /// I7: the tables do not grow for ever.
    #[test]
    fn the_quiet_are_forgotten() {
        let (clock, limits) = limits(10);
        for last in 0..=255 {
            assert!(limits.address(IpAddr::from([192, 0, 2, last])).is_ok());
        }
        assert_eq!(limits.remembered(), 256);
        clock.advance(Duration::from_secs(5));
        limits.forget_the_quiet();
        assert_eq!(limits.remembered(), 0);
    }
}
