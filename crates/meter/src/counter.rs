//! Numbers without labels: those that only grow, and those that go up and down.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::text::{About, Kind, Meter, Writer};

/// A number that only grows while the process lives.
#[derive(Debug)]
pub struct Counter {
    about: About,
    value: AtomicU64,
}

impl Counter {
    /// A counter at zero. Its name ends in `_total`.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { about: About { name, help, kind: Kind::Counter, labels: &[] }, value: AtomicU64::new(0) }
    }

    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.value.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes over a total that somebody else counts (the kernel, a child process); it never goes back.
    pub fn at_least(&self, total: u64) {
        self.value.fetch_max(total, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Meter for Counter {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.sample("", &[], f64_of(self.get()));
    }
}

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge {
    about: About,
    /// The bits of an `f64`.
    value: AtomicU64,
}

impl Gauge {
    /// A gauge at zero.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { about: About { name, help, kind: Kind::Gauge, labels: &[] }, value: AtomicU64::new(0) }
    }

    /// Puts it at `value`.
    pub fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Where it is.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Relaxed))
    }
}

impl Meter for Gauge {
    fn about(&self) -> &About {
        &self.about
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.sample("", &[], self.get());
    }
}

/// Exact up to 2^53, which is more than anything here is ever counted.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
pub(crate) const fn f64_of(value: u64) -> f64 {
    value as f64
}
