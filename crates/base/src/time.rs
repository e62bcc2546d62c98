//! Time and chance as arguments (rule 5 of the house).

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant in UTC, in microseconds since 1970-01-01T00:00:00Z. This is how every time is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This instant plus `by`, saturating at the end of time.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This instant minus `by`, saturating at the beginning of time.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The lowest id that [`Context::id`] can draw in this millisecond: where a list that is ordered by ids goes by time.
    pub fn first_id<I: From<uuid::Uuid>>(self) -> I {
        id_of(u64::try_from(self.as_millis()).unwrap_or(0).saturating_mul(TICKS), [0; 8])
    }

    /// How long after `earlier` this instant is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day this instant falls on.
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(86_400_000_000))
    }

    /// The same instant for calendar arithmetic.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The instant a calendar computation came to.
    pub fn from_jiff(at: jiff::Timestamp) -> Self {
        Self(at.as_microsecond())
    }

    /// RFC 3339 in UTC with milliseconds, `2026-10-23T01:12:07.214Z`.
    pub fn rfc3339(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A UTC day, as days since 1970-01-01. Message keys live and die by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    /// The day `days` days after 1970-01-01.
    pub const fn from_number(days: i64) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// Where time comes from. Wall time is for records and calendars, monotonic time for leases and timers.
pub trait Clock: Send + Sync + 'static {
    /// Wall time; may jump when an operator or NTP sets the clock.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant of this process; never jumps.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

static PROCESS_START: LazyLock<std::time::Instant> = LazyLock::new(
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's monotonic clock")]
    std::time::Instant::now,
);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's wall clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        PROCESS_START.elapsed()
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { wall: AtomicI64::new(now.as_micros()), monotonic: AtomicU64::new(1_000_000) }
    }

    /// Lets `by` pass, on the wall and on the monotonic clock.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.wall.fetch_add(i64::try_from(micros).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.monotonic.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as NTP or an operator would.
    pub fn set_wall(&self, to: Timestamp) {
        self.wall.store(to.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic.load(Ordering::SeqCst))
    }
}

/// Where randomness comes from. The product's own is `crypto::OsChance`.
pub trait Chance: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// A random number below `bound` (which must not be zero), without modulo bias that matters below 2^32.
    fn below(&self, bound: u32) -> u32 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u32::try_from(u64::from_le_bytes(bytes) % u64::from(bound.max(1))).unwrap_or(0)
    }
}

/// Repeatable pseudo-random bytes (SplitMix64): for tests and simulations, never for secrets.
#[derive(Debug)]
pub struct SeededChance(AtomicU64);

impl SeededChance {
    /// The sequence that `seed` starts.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Chance for SeededChance {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            let bytes = z.to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// Time and chance together, handed to everything that makes ids or decides by the clock.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    /// The tick of the newest id, so that the next one is above it.
    ticks: Arc<AtomicU64>,
}

impl Context {
    /// A context from its two sources.
    pub fn new(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self { clock, chance, ticks: Arc::default() }
    }

    /// Wall time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Monotonic time since some fixed instant of this process.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The source of randomness.
    pub fn chance(&self) -> &dyn Chance {
        &*self.chance
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.chance.fill(&mut out);
        out
    }

    /// A new id: a UUIDv7 of this instant (RFC 9562 section 5.7). An id is never a secret. Ids that one process draws
    /// increase, also within a millisecond: what follows the milliseconds is a finer clock, moved on where it stood
    /// still (section 6.2, methods 3 and 1). So whatever is listed by id stands in the order in which it happened.
    pub fn id<I: From<uuid::Uuid>>(&self) -> I {
        let now = tick_of(self.now());
        let next = |last: u64| {
            // A clock that was set back further than this is followed, or its ids would speak of tomorrow for ever.
            let set_back = last.saturating_sub(now) > TICKS * 1_000;
            if set_back { now } else { now.max(last.saturating_add(1)) }
        };
        let mut last = self.ticks.load(Ordering::Relaxed);
        while let Err(seen) = self.ticks.compare_exchange_weak(last, next(last), Ordering::Relaxed, Ordering::Relaxed) {
            last = seen;
        }
        id_of(next(last), self.random())
    }
}

/// Ticks of a millisecond: as many as the 12 bits beside it in an id can tell.
const TICKS: u64 = 4_096;

/// The ticks since the epoch.
fn tick_of(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(TICKS) / 1_000
}

/// The id of a tick: 48 bits of milliseconds, 12 bits of ticks, and 62 of chance.
fn id_of<I: From<uuid::Uuid>>(tick: u64, chance: [u8; 8]) -> I {
    let mut rest = [0; 10];
    let within = u16::try_from(tick % TICKS).unwrap_or(0);
    rest[..2].copy_from_slice(&within.to_be_bytes());
    rest[2..].copy_from_slice(&chance);
    I::from(uuid::Builder::from_unix_timestamp_millis(tick / TICKS, &rest).into_uuid())
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("now", &self.now()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> (Arc<ManualClock>, Context) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_792_717_927_214_000)));
        (clock.clone(), Context::new(clock, Arc::new(SeededChance::new(7))))
    }

    #[test]
    fn a_timestamp_prints_as_rfc_3339_in_utc() {
        let (clock, context) = context();
        assert_eq!(context.now().rfc3339(), "2026-10-23T01:12:07.214Z");
        clock.advance(Duration::from_millis(800));
        assert_eq!(context.now().to_string(), "2026-10-23T01:12:08.014Z");
    }

    #[test]
    fn ids_of_one_clock_sort_by_time() {
        let (clock, context) = context();
        let first: crate::AlertId = context.id();
        clock.advance(Duration::from_millis(1));
        let second: crate::AlertId = context.id();
        assert!(first < second);
    }

    #[test]
    fn ids_of_one_instant_sort_by_their_drawing() {
        let (clock, context) = context();
        let mut ids: Vec<crate::AlertId> = (0..5_000).map(|_| context.id()).collect();
        clock.set_wall(context.now().minus(Duration::from_micros(700)));
        ids.push(context.id());
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn ids_follow_a_clock_that_is_set_right() {
        let (clock, context) = context();
        let wrong: crate::AlertId = context.id();
        let right = context.now().minus(Duration::from_hours(1));
        clock.set_wall(right);
        let id: crate::AlertId = context.id();
        assert!(id < wrong && right.first_id::<crate::AlertId>() <= id);
    }

    #[test]
    fn the_first_id_of_a_moment_is_below_every_id_drawn_in_it() {
        let (_, context) = context();
        let (at, drawn) = (context.now(), context.id::<crate::AlertId>());
        assert!(at.first_id::<crate::AlertId>() <= drawn, "{drawn}");
        assert!(drawn < at.plus(Duration::from_millis(1)).first_id::<crate::AlertId>(), "{drawn}");
        assert_eq!(
            at.first_id::<crate::AlertId>().to_string(),
            drawn.to_string()[..14].to_owned() + "7000-8000-000000000000"
        );
    }

    #[test]
    fn setting_the_wall_clock_leaves_monotonic_time_alone() {
        let (clock, context) = context();
        let before = context.monotonic();
        clock.set_wall(Timestamp::from_micros(0));
        assert_eq!(context.monotonic(), before);
        assert_eq!(context.now().day().number(), 0);
    }
}
