//! Before a bind: how many connections from one address, and who is made to wait after failures (security.md, SMPP).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Failures of one `system_id` from one address after which it has to wait.
const FAILURES: u32 = 5;
/// How long failures are counted together.
const WINDOW: Duration = Duration::from_mins(5);
/// The wait.
const PENALTY: Duration = Duration::from_mins(1);
/// Pairs remembered at most; the oldest are forgotten first.
const REMEMBERED: usize = 50_000;
/// Connections from one address at once.
const PER_ADDRESS: usize = 1_000;

/// Counts connections and failures. Time is the monotonic clock's.
#[derive(Default)]
pub(crate) struct Gate {
    failures: Mutex<HashMap<(IpAddr, String), Failures>>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: Duration,
    until: Duration,
}

/// A connection that counts; it stops to when dropped.
pub(crate) struct Place {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl Gate {
    /// A place for a connection from `address`, when it has not too many.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Place { open: Arc::clone(&self.open), address })
    }

    /// Whether a bind as `system_id` from `address` is refused unseen.
    pub(crate) fn is_closed(&self, address: IpAddr, system_id: &str, now: Duration) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&key(address, system_id)).is_some_and(|failed| now < failed.until)
    }

    /// A bind failed.
    pub(crate) fn failed(&self, address: IpAddr, system_id: &str, now: Duration) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, failed| now < failed.until || now.saturating_sub(failed.since) < WINDOW);
            if failures.len() >= REMEMBERED {
                let middle = now.saturating_sub(WINDOW / 2);
                failures.retain(|_, failed| failed.since >= middle);
            }
        }
        let fresh = Failures { count: 0, since: now, until: Duration::ZERO };
        let failed = failures.entry(key(address, system_id)).or_insert(fresh);
        if now.saturating_sub(failed.since) >= WINDOW {
            *failed = fresh;
        }
        failed.count += 1;
        if failed.count >= FAILURES {
            *failed = Failures { count: 0, since: now, until: now + PENALTY };
        }
    }

    /// A bind succeeded: what failed before was a typing mistake.
    pub(crate) fn succeeded(&self, address: IpAddr, system_id: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(address, system_id));
    }
}

fn key(address: IpAddr, system_id: &str) -> (IpAddr, String) {
    (address.to_canonical(), system_id.chars().take(16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    /// security.md, SMPP: five failures in five minutes, then a minute of silence.
    #[test]
    fn five_failures_close_the_gate_for_a_minute() {
        let gate = Gate::default();
        let at = Duration::from_secs;
        for second in 0..4 {
            gate.failed(ONE, "app", at(second));
        }
        assert!(!gate.is_closed(ONE, "app", at(4)));
        gate.failed(ONE, "app", at(4));
        assert!(gate.is_closed(ONE, "app", at(5)) && gate.is_closed(ONE, "app", at(63)));
        assert!(!gate.is_closed(ONE, "app", at(64)));
        assert!(!gate.is_closed(OTHER, "app", at(5)), "another address is not affected");
        assert!(!gate.is_closed(ONE, "another", at(5)), "nor is another account");
    }

    #[test]
    fn failures_far_apart_are_no_attack() {
        let gate = Gate::default();
        for minute in 0..20 {
            gate.failed(ONE, "app", Duration::from_mins(2 * minute));
            assert!(!gate.is_closed(ONE, "app", Duration::from_mins(2 * minute)));
        }
        for _ in 0..4 {
            gate.failed(ONE, "app", Duration::from_hours(1));
        }
        gate.succeeded(ONE, "app");
        gate.failed(ONE, "app", Duration::from_hours(1));
        assert!(!gate.is_closed(ONE, "app", Duration::from_hours(1)));
    }

    #[test]
    fn an_address_has_a_thousand_connections() {
        let gate = Gate::default();
        let mut places: Vec<_> = (0..PER_ADDRESS).map(|_| gate.enter(ONE).unwrap()).collect();
        assert!(gate.enter(ONE).is_none() && gate.enter(OTHER).is_some());
        places.pop();
        assert!(gate.enter(ONE).is_some());
    }
}
