//! What can happen in the story, as plain data.

use std::time::Duration;

use base::Chance;
use serde_json::Value as Json;

/// The phone of Cem Sample.
pub const CEM: &str = "+447700900104";
/// The phone of Dina Sample.
pub const DINA: &str = "+447700900117";
/// The phone of Eli Sample.
pub const ELI: &str = "+447700900126";
/// The phone of Fay Sample, who is a customer and often in a tunnel.
pub const FAY: &str = "+447700900135";

/// Something that happens at a time, counted from the scene's beginning at pace 1.
#[derive(Debug, Clone)]
pub struct Beat {
    /// When.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum What {
    /// A source tells something.
    Signal {
        /// The integration's name.
        from: &'static str,
        /// What it sends.
        body: Json,
    },
    /// A sender with a token that nobody drew.
    Stranger {
        /// The integration it tries.
        at: &'static str,
    },
    /// A source that sends something that cannot be read.
    Nonsense {
        /// The integration's name.
        from: &'static str,
    },
    /// People make up their minds about pages with this title, before it comes.
    Intend(Intent),
    /// An application sends a text to a customer.
    Text {
        /// Whom.
        to: &'static str,
        /// The words.
        words: String,
    },
    /// A person writes a text that nobody asked for.
    Say {
        /// Whose phone.
        from: &'static str,
        /// The words.
        words: &'static str,
    },
    /// A phone goes out of reach or comes back.
    Reach {
        /// Whose phone.
        of: &'static str,
        /// Whether it can be reached from now on.
        there: bool,
    },
    /// The carrier changes its mood.
    Carrier(Mood),
}

/// How a person will answer a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Whose phone.
    pub who: &'static str,
    /// Words that the page holds.
    pub title: String,
    /// What the person does: a word of the page's own offer, such as `acknowledge`.
    pub act: &'static str,
    /// How long it takes to find the phone.
    pub after: Duration,
}

/// How the simulated carrier behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it began.
    Good,
    /// Answers late.
    Slow,
    /// Cuts its connections and takes no new ones.
    Away,
}

/// A time in seconds at pace 1.
pub const fn after(seconds: u64, what: What) -> Beat {
    Beat { at: Duration::from_secs(seconds), what }
}

/// One of a list.
pub fn pick<'l, T>(chance: &dyn Chance, list: &'l [T]) -> &'l T {
    let last = u32::try_from(list.len().saturating_sub(1)).unwrap_or(u32::MAX);
    &list[chance.below(last.saturating_add(1)) as usize]
}

/// A number from `low` to `high`.
pub fn between(chance: &dyn Chance, low: u32, high: u32) -> u64 {
    u64::from(low + chance.below(high.saturating_sub(low) + 1))
}
