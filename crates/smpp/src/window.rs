//! What was sent and is not answered yet: sequence numbers, deadlines, and whom to tell.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The requests in flight on one session. `T` is whoever waits for the answer. Time is a duration since
/// an instant of the caller's choice.
#[derive(Debug)]
pub struct Window<T> {
    capacity: usize,
    patience: Duration,
    next: u32,
    pending: HashMap<u32, T>,
    /// Deadlines in order of sending, which is their order in time. Answered ones stay until they come up.
    deadlines: VecDeque<(Duration, u32)>,
}

impl<T> Window<T> {
    /// The highest sequence number; after it comes 1 again.
    pub const LAST: u32 = 0x7FFF_FFFF;

    /// A window for `capacity` requests that waits `patience` for each answer.
    pub fn new(capacity: usize, patience: Duration) -> Self {
        Self { capacity, patience, next: 1, pending: HashMap::new(), deadlines: VecDeque::new() }
    }

    /// Starts counting at `sequence`: for tests, and for sessions whose bind took the first numbers.
    #[must_use]
    pub fn starting_at(mut self, sequence: u32) -> Self {
        self.next = sequence.clamp(1, Self::LAST);
        self
    }

    /// Takes a sequence number for a request that `waiter` waits for; gives `waiter` back when the window
    /// is full.
    pub fn insert(&mut self, now: Duration, waiter: T) -> Result<u32, T> {
        if self.pending.len() >= self.capacity {
            return Err(waiter);
        }
        // After a wrap a number may still be in use; the window is far smaller than the numbers.
        while self.pending.contains_key(&self.next) {
            self.next = following(self.next);
        }
        let sequence = self.next;
        self.next = following(sequence);
        self.pending.insert(sequence, waiter);
        self.deadlines.push_back((now + self.patience, sequence));
        self.compact();
        Ok(sequence)
    }

    /// Takes whoever waits for the answer to `sequence`; `None` for an answer that comes late or twice.
    pub fn resolve(&mut self, sequence: u32) -> Option<T> {
        self.pending.remove(&sequence)
    }

    /// Whoever waits for the answer to `sequence`.
    pub fn get_mut(&mut self, sequence: u32) -> Option<&mut T> {
        self.pending.get_mut(&sequence)
    }

    /// Takes the next one whose time is up.
    pub fn expire(&mut self, now: Duration) -> Option<(u32, T)> {
        while let Some(&(deadline, sequence)) = self.deadlines.front() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(waiter) = self.pending.remove(&sequence) {
                return Some((sequence, waiter));
            }
        }
        None
    }

    /// When [`Self::expire`] will next have something to give; `None` while nothing is in flight.
    pub fn next_deadline(&mut self) -> Option<Duration> {
        while let Some(&(deadline, sequence)) = self.deadlines.front() {
            if self.pending.contains_key(&sequence) {
                return Some(deadline);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// Takes everyone who waits, as when the connection is lost.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, T)> + '_ {
        self.deadlines.clear();
        self.pending.drain()
    }

    /// Requests in flight.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Requests that may be in flight.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// One unanswered request at the front would keep every answered deadline behind it; drop those when
    /// they outnumber the living.
    fn compact(&mut self) {
        if self.deadlines.len() > 64 + 2 * self.pending.len() {
            let pending = &self.pending;
            self.deadlines.retain(|(_, sequence)| pending.contains_key(sequence));
        }
    }
}

const fn following(sequence: u32) -> u32 {
    if sequence >= Window::<()>::LAST { 1 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_full_window_gives_the_request_back() {
        let mut window = Window::new(2, PATIENCE);
        assert_eq!((window.insert(at(0), 'a'), window.insert(at(0), 'b')), (Ok(1), Ok(2)));
        assert_eq!(window.insert(at(0), 'c'), Err('c'));
        assert_eq!(window.resolve(1), Some('a'));
        assert_eq!(window.insert(at(0), 'c'), Ok(3));
        assert_eq!(window.resolve(1), None, "an answer that comes twice finds nobody");
    }

    /// F-13: what is never answered frees its place when its time is up.
    #[test]
    fn the_unanswered_expire_in_order() {
        let mut window = Window::new(10, PATIENCE);
        window.insert(at(0), 'a').unwrap();
        window.insert(at(1), 'b').unwrap();
        window.insert(at(2), 'c').unwrap();
        window.resolve(1);
        assert_eq!(window.next_deadline(), Some(at(11)));
        assert_eq!(window.expire(at(10)), None);
        assert_eq!(window.expire(at(12)), Some((2, 'b')));
        assert_eq!(window.expire(at(12)), Some((3, 'c')));
        assert_eq!((window.expire(at(12)), window.next_deadline(), window.len()), (None, None, 0));
    }

    #[test]
    fn numbers_wrap_and_skip_those_in_flight() {
        let mut window = Window::new(10, PATIENCE).starting_at(Window::<char>::LAST);
        assert_eq!(window.insert(at(0), 'a'), Ok(0x7FFF_FFFF));
        assert_eq!(window.insert(at(0), 'b'), Ok(1));
        let mut window = Window::new(10, PATIENCE).starting_at(1);
        window.insert(at(0), 'a').unwrap();
        window.next = 1;
        assert_eq!(window.insert(at(0), 'b'), Ok(2));
    }

    #[test]
    fn one_silent_request_does_not_make_the_window_grow() {
        let mut window = Window::new(4, PATIENCE);
        window.insert(at(0), ()).unwrap();
        for _ in 0..100_000 {
            let sequence = window.insert(at(1), ()).unwrap();
            window.resolve(sequence);
        }
        assert!(window.deadlines.len() <= 80, "{}", window.deadlines.len());
        assert_eq!(window.drain().count(), 1);
        assert!(window.is_empty());
    }
}
