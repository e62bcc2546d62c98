//! How the product is: what stands behind `/healthz` and `/readyz`.
//!
//! *Alive* means that starting the process again would not help, *ready* that requests sent here are served. A database that
//! does not answer makes a node unready and leaves it alive: a new process would not reach it either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base::Context;
use tokio::sync::Mutex;

/// How long a part may think about how it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long a look holds: strangers who ask often must not make work.
const FRESH: Duration = Duration::from_millis(500);

/// How one part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether going on makes sense. When not, a supervisor should start the process anew.
    pub alive: bool,
    /// Whether requests can be served.
    pub ready: bool,
    /// The same in words, for those who may read it. It holds no secret and no personal value.
    pub detail: String,
}

impl Condition {
    /// Alive and ready.
    pub fn good(detail: impl Into<String>) -> Self {
        Self { alive: true, ready: true, detail: detail.into() }
    }

    /// Alive, but nothing can be served.
    pub fn unready(detail: impl Into<String>) -> Self {
        Self { alive: true, ready: false, detail: detail.into() }
    }

    /// Beyond help from inside.
    pub fn dead(detail: impl Into<String>) -> Self {
        Self { alive: false, ready: false, detail: detail.into() }
    }
}

/// A part of the product that can be asked how it is. One that must never take the node out of service, such as the carriers,
/// answers [`Condition::good`] always and says the truth in its words.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// The part's name, for the details.
    fn name(&self) -> &'static str;

    /// How it is, within two seconds; longer counts as unready.
    async fn look(&self) -> Condition;
}

/// All parts as they were at the last look.
#[derive(Clone, Debug)]
pub struct Findings(Arc<Vec<(&'static str, Condition)>>);

impl Findings {
    /// Whether every part is alive.
    pub fn alive(&self) -> bool {
        self.0.iter().all(|(_, condition)| condition.alive)
    }

    /// Whether every part is ready.
    pub fn ready(&self) -> bool {
        self.0.iter().all(|(_, condition)| condition.ready)
    }

    /// The parts by name.
    pub fn parts(&self) -> &[(&'static str, Condition)] {
        &self.0
    }
}

/// Asks all parts, and remembers the answer for half a second.
pub(crate) struct Checkup {
    parts: Vec<Arc<dyn Health>>,
    context: Context,
    /// Readiness ends before anything else does.
    draining: AtomicBool,
    last: Mutex<Option<(Duration, Findings)>>,
}

impl Checkup {
    pub(crate) fn new(parts: Vec<Arc<dyn Health>>, context: Context) -> Self {
        Self { parts, context, draining: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// From now on it is not ready, whatever its parts say.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How all parts are. Whoever asks while others wait for the answer gets the same one.
    pub(crate) async fn look(&self) -> Findings {
        if self.draining.load(Ordering::Relaxed) {
            let stopping = ("server", Condition::unready("stopping: answers under way are finished"));
            return Findings(Arc::new(vec![stopping]));
        }
        let mut last = self.last.lock().await;
        let now = self.context.monotonic();
        if let Some((at, findings)) = &*last
            && now.saturating_sub(*at) < FRESH
        {
            return findings.clone();
        }
        let looks = self.parts.iter().map(|part| async move {
            let condition = tokio::time::timeout(PATIENCE, part.look()).await;
            let condition = condition.unwrap_or_else(|_| Condition::unready("no answer within 2 s"));
            (part.name(), condition)
        });
        let findings = Findings(Arc::new(futures_util::future::join_all(looks).await));
        // The change alone is worth a line, not each time that somebody asks.
        let was = last.as_ref().is_none_or(|(_, findings)| findings.ready());
        if was && !findings.ready() {
            for (part, condition) in findings.parts().iter().filter(|(_, condition)| !condition.ready) {
                tracing::warn!(part, detail = condition.detail, "not ready");
            }
        } else if !was && findings.ready() {
            tracing::info!("ready again");
        }
        *last = Some((self.context.monotonic(), findings.clone()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use base::{ManualClock, SeededChance, Timestamp};

    use super::*;

    struct Part(Condition, Arc<AtomicUsize>);

    #[async_trait]
    impl Health for Part {
        fn name(&self) -> &'static str {
            "part"
        }

        async fn look(&self) -> Condition {
            self.1.fetch_add(1, Ordering::SeqCst);
            if self.0.detail == "silent" {
                std::future::pending::<()>().await;
            }
            self.0.clone()
        }
    }

    fn checkup(condition: Condition) -> (Arc<ManualClock>, Arc<AtomicUsize>, Checkup) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let context = Context::new(clock.clone(), Arc::new(SeededChance::new(1)));
        let asked = Arc::new(AtomicUsize::new(0));
        let parts: Vec<Arc<dyn Health>> = vec![Arc::new(Part(condition, asked.clone()))];
        (clock, asked, Checkup::new(parts, context))
    }

    /// Rule 9 of the house: a stranger who asks in a loop makes two looks a second.
    #[tokio::test]
    async fn a_look_holds_for_half_a_second() {
        let (clock, asked, checkup) = checkup(Condition::good("well"));
        for _ in 0..100 {
            assert!(checkup.look().await.ready());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        clock.advance(FRESH);
        checkup.look().await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_stopping_node_is_not_ready_whatever_its_parts_say() {
        let (_, _, checkup) = checkup(Condition::good("well"));
        assert!(checkup.look().await.ready());
        checkup.drain();
        let findings = checkup.look().await;
        assert!(!findings.ready() && findings.alive());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_unready_and_not_dead() {
        let (_, _, checkup) = checkup(Condition::good("silent"));
        let findings = checkup.look().await;
        assert!(!findings.ready() && findings.alive());
    }
}
