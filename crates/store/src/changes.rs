//! What changed lately, for those who listen and for those who come back: an open page that lost its connection asks what it
//! missed, and asks again only for that.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Context, WorkspaceId};
use tokio::sync::broadcast;

use crate::tx::Changed;

/// Announcements a slow listener may lag behind before it has to read everything again.
const ANNOUNCEMENTS: usize = 4096;

/// Somebody is taken to have read this much earlier than they say: what they show was read before they asked for the moment.
const MARGIN: Duration = Duration::from_secs(2);

/// A moment of this process, to ask later what changed since. As text it can travel through a page; a moment of another
/// process, or one that somebody made up, only means that everything may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    process: u64,
    at: Duration,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.process, self.at.as_millis())
    }
}

impl FromStr for Moment {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (process, at) = text.split_once('-').unwrap_or((text, ""));
        let process = u64::from_str_radix(process, 16)?;
        Ok(Self { process, at: Duration::from_millis(u64::from_str_radix(at, 16)?) })
    }
}

/// Where changes are told, and when each sort of them last was.
pub(crate) struct Changes {
    context: Context,
    /// Tells this process from the one before it.
    process: u64,
    told: broadcast::Sender<Changed>,
    /// By workspace and topic, so that it stays as small as there are of those.
    last: Mutex<HashMap<(Option<WorkspaceId>, &'static str), Duration>>,
}

impl Changes {
    pub(crate) fn new(context: Context) -> Self {
        // When it started, in microseconds: the process before it started at another time.
        let process = context.now().as_micros().unsigned_abs();
        Self { context, process, told: broadcast::Sender::new(ANNOUNCEMENTS), last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, HashMap<(Option<WorkspaceId>, &'static str), Duration>> {
        // The map is whole after any panic: each change of it is one insert.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, changed: Changed) {
        self.last().insert((changed.workspace, changed.topic), self.context.monotonic());
        // Nobody listening is no error.
        let _ = self.told.send(changed);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.told.subscribe()
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { process: self.process, at: self.context.monotonic() }
    }

    /// Whether `topic` may have changed in `workspace` since then.
    pub(crate) fn since(&self, then: Moment, workspace: WorkspaceId, topic: &'static str) -> bool {
        if then.process != self.process {
            return true;
        }
        let from = then.at.saturating_sub(MARGIN);
        let last = self.last();
        [Some(workspace), None].into_iter().any(|place| last.get(&(place, topic)).is_some_and(|at| *at >= from))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{ManualClock, SeededChance, Timestamp};

    use super::*;

    fn workspace(number: u128) -> WorkspaceId {
        uuid::Uuid::from_u128(number).into()
    }

    fn changes(started: i64) -> (Arc<ManualClock>, Changes) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(started)));
        clock.advance(Duration::from_mins(1));
        let context = Context::new(clock.clone(), Arc::new(SeededChance::new(1)));
        (clock, Changes::new(context))
    }

    #[test]
    fn who_comes_back_hears_what_changed_meanwhile_and_only_that() {
        let (clock, changes) = changes(1);
        let change = |topic, of: Option<u128>| Changed { workspace: of.map(workspace), topic, id: String::new() };
        changes.tell(change("early", Some(1)));
        clock.advance(Duration::from_secs(10));
        let then = changes.moment();
        clock.advance(Duration::from_secs(1));
        changes.tell(change("alerts", Some(1)));
        changes.tell(change("foreign", Some(2)));
        changes.tell(change("carriers", None));
        let heard = |topic| changes.since(then, workspace(1), topic);
        assert!(heard("alerts") && heard("carriers"), "changed since, here or everywhere");
        assert!(!heard("early") && !heard("foreign") && !heard("never"));
        clock.advance(Duration::from_secs(10));
        assert!(!changes.since(changes.moment(), workspace(1), "alerts"), "known by now");
    }

    #[test]
    fn a_moment_of_another_process_means_that_anything_may_have_changed() {
        let ((_, one), (_, other)) = (changes(1), changes(2));
        assert!(other.since(one.moment(), workspace(1), "alerts"));
        let text = one.moment().to_string();
        assert_eq!(text.parse::<Moment>().unwrap(), one.moment());
        for text in ["", "-", "x-1", "1", "12345678901234567-1", "00000001-zz"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
