//! What a run does: how much, how fast, and when the server is killed. The same seed gives the same moments.

use std::path::PathBuf;
use std::time::Duration;

use base::{Chance as _, SeededChance};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The product, as an executable.
    pub binary: PathBuf,
    /// The database; an embedded one in the private directory when absent.
    pub database: Option<String>,
    /// Messages to send by the API.
    pub messages: u64,
    /// Signals to send.
    pub signals: u64,
    /// How long the load lasts; messages and signals are spread evenly over it.
    pub lasts: Duration,
    /// How often the server is killed meanwhile.
    pub kills: u32,
    /// Draws the moments of the kills.
    pub seed: u64,
    /// How long nothing may move before what is missing counts as lost.
    pub patience: Duration,
}

impl Plan {
    /// The moments of the kills, counted from the beginning of the load: one in each of as many equal stretches, somewhere in its
    /// middle three fifths, so that two never fall together.
    pub fn moments(&self) -> Vec<Duration> {
        let chance = SeededChance::new(self.seed);
        let stretch = self.lasts / self.kills.max(1);
        (0..self.kills).map(|number| stretch * number + stretch * (200 + chance.below(600)) / 1_000).collect()
    }

    /// The time between two of `count` that are spread over the load.
    pub fn pace(&self, count: u64) -> Duration {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        (self.lasts / count).max(Duration::from_micros(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_apart_within_the_load_and_the_same_for_a_seed() {
        let plan = |seed| Plan {
            binary: "loudhailer".into(),
            database: None,
            messages: 10,
            signals: 10,
            lasts: Duration::from_mins(1),
            kills: 5,
            seed,
            patience: Duration::from_mins(1),
        };
        let moments = plan(7).moments();
        assert_eq!(moments, plan(7).moments());
        assert_ne!(moments, plan(8).moments());
        assert!(moments.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_millis(4_800)), "{moments:?}");
        assert!(moments.iter().all(|at| *at > Duration::from_secs(2) && *at < Duration::from_secs(58)));
        assert_eq!(plan(1).pace(12_000), Duration::from_millis(5));
    }
}
