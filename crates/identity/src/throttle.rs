//! Tries per minute, of addresses or of anything else that tries: kept in memory, on the monotonic clock, for a bounded number
//! of them. Log-ins have 20 a minute per address, whatever account they aim at (control X-12).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Log-ins a minute from one address.
pub(crate) const TRIES: u32 = 20;
const WINDOW: f64 = 60.0;
/// Who is remembered at most. When full, those with the fewest recent tries go.
const REMEMBERED: usize = 50_000;

/// One token bucket for each who tries.
pub(crate) struct Throttle<K> {
    tries: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    fn refilled(self, now: Duration, tries: f64) -> Self {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        Self { left: (self.left + passed * tries / WINDOW).min(tries), at: now }
    }
}

/// Who tries: addresses count by their networks, since one customer has many.
pub(crate) trait Trier: Copy + Eq + Hash {
    /// Who counts together with this one.
    fn group(self) -> Self;
}

impl Trier for IpAddr {
    fn group(self) -> Self {
        group(self)
    }
}

impl Trier for base::OauthClientId {
    fn group(self) -> Self {
        self
    }
}

impl<K: Trier> Throttle<K> {
    /// A throttle that allows so many tries a minute.
    pub(crate) fn new(tries: u32) -> Self {
        Self { tries: f64::from(tries), buckets: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one try of `who`; how long to wait when there is none.
    pub(crate) fn take(&self, who: K, now: Duration) -> Result<(), Duration> {
        let mut buckets = self.lock();
        let (who, tries) = (who.group(), self.tries);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&who) {
            buckets.retain(|_, bucket| bucket.refilled(now, tries).left < tries);
            if buckets.len() >= REMEMBERED {
                // A flood from very many addresses: forget the ones that have tried least.
                buckets.retain(|_, bucket| bucket.refilled(now, tries).left < tries - 1.5);
            }
        }
        let bucket = buckets.entry(who).or_insert(Bucket { left: tries, at: now });
        *bucket = bucket.refilled(now, tries);
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            Ok(())
        } else {
            Err(self.wait(bucket.left))
        }
    }

    /// Whether `who` has a try left, without taking it: for doors where only failures count.
    pub(crate) fn look(&self, who: K, now: Duration) -> Result<(), Duration> {
        match self.lock().get(&who.group()).map(|bucket| bucket.refilled(now, self.tries).left) {
            Some(left) if left < 1.0 => Err(self.wait(left)),
            _ => Ok(()),
        }
    }

    fn wait(&self, left: f64) -> Duration {
        Duration::from_secs_f64(((1.0 - left) * WINDOW / self.tries).ceil())
    }
}

fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 tries a minute per address.
    #[test]
    fn x_12_an_address_has_twenty_tries_a_minute() {
        let throttle = Throttle::new(TRIES);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let now = Duration::from_secs(100);
        for _ in 0..20 {
            assert!(throttle.take(one, now).is_ok());
        }
        assert_eq!(throttle.take(one, now), Err(Duration::from_secs(3)));
        assert!(throttle.take("192.0.2.2".parse().unwrap(), now).is_ok(), "another address is not affected");
        assert_eq!(throttle.look(one, now), Err(Duration::from_secs(3)));
        assert!(throttle.look(one, now + Duration::from_secs(3)).is_ok());
        assert!(throttle.take(one, now + Duration::from_secs(3)).is_ok());
        assert!(throttle.take(one, now + Duration::from_secs(3)).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_customer_count_together() {
        assert_eq!(group("2001:db8::1".parse().unwrap()), group("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(group("2001:db8::1".parse().unwrap()), group("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(group("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
