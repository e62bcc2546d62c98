//! Who may come in: connections at once, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::meters;
use crate::rates::network_of;

/// Counts connections.
#[derive(Clone, Debug)]
pub(super) struct Doorman {
    total: usize,
    per_address: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    addresses: HashMap<IpAddr, usize>,
}

/// A place that one connection takes until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    doorman: Doorman,
    address: Option<IpAddr>,
}

impl Doorman {
    pub(super) fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, inside: Arc::default() }
    }

    /// A place for a connection from `address`, if there is one; `counted` says whether the address has a limit.
    pub(super) fn admit(&self, address: IpAddr, counted: bool) -> Option<Place> {
        let address = counted.then(|| network_of(address));
        let mut inside = self.lock();
        if inside.total >= self.total {
            meters::TURNED_AWAY.add(&["total"], 1);
            return None;
        }
        if let Some(address) = address {
            let count = inside.addresses.entry(address).or_default();
            if *count >= self.per_address {
                meters::TURNED_AWAY.add(&["address"], 1);
                return None;
            }
            *count += 1;
        }
        inside.total += 1;
        meters::ACCEPTED.add(1);
        meters::CONNECTIONS.set(shown(inside.total));
        Some(Place { doorman: self.clone(), address })
    }

    pub(super) fn inside(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count as figures show it.
fn shown(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doorman.lock();
        inside.total -= 1;
        meters::CONNECTIONS.set(shown(inside.total));
        if let Some(address) = self.address
            && let Some(count) = inside.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                inside.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_per_address_and_come_back() {
        let doorman = Doorman::new(3, 2);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = doorman.admit(one, true).unwrap();
        let _second = doorman.admit(one, true).unwrap();
        assert!(doorman.admit(one, true).is_none());
        let _third = doorman.admit(other, true).unwrap();
        assert!(doorman.admit(other, true).is_none(), "full in all");
        drop(first);
        assert!(doorman.admit(one, false).is_some(), "a proxy has no limit of its own");
        assert_eq!(doorman.inside(), 2);
        assert!(doorman.admit(one, true).is_some());
    }
}
