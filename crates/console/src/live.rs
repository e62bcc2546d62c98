//! Live updates: which topics changed, and the server's clock. An event carries no content; the page asks again for what it
//! shows, with the reader's own rights.
//!
//! Nothing is lost between two connections: each event's id is the moment at which it was told, the page comes back with the
//! last one it heard (at first, the moment at which it was made), and hears at once what changed since. After a restart of
//! the server that is everything.

use std::collections::BTreeSet;
use std::time::Duration;

use access::cap;
use axum::extract::State;
use base::{Context, WorkspaceId};
use futures_util::{Stream, stream};
use http::{Answer, Event, InWorkspace, Query, Response};
use serde::Deserialize;
use store::{Changed, Db};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;

use crate::Console;

/// Changes within this time are told once: a page that is being written to does not flicker.
const GATHER: Duration = Duration::from_millis(150);
/// A page asks again this often at most, however much happens.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the clock in the head is set.
pub const TICK: Duration = Duration::from_secs(5);
/// The event of the clock; its data is milliseconds of Unix time.
pub const CLOCK: &str = "clock";
/// What a page may listen to: the topics of the rooms it shows.
const TOPICS: [&str; 9] = [
    alerts::TOPIC,
    audit::TOPIC,
    carriers::TOPIC,
    flows::TOPIC,
    messaging::INBOUND_TOPIC,
    messaging::TOPIC,
    signals::TOPIC,
    webhooks::TOPIC,
    smppd::TOPIC,
];

/// Which topics a page listens to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    topics: String,
    /// The moment since which the page knows nothing.
    at: String,
}

/// The stream of a page.
pub async fn events(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Query(wanted): Query<Wanted>,
) -> Answer<Response> {
    let topics: BTreeSet<&'static str> =
        TOPICS.into_iter().filter(|topic| wanted.topics.split(',').any(|asked| asked == *topic)).collect();
    // First listening, then looking back: what changes in between is told twice rather than never.
    let changes = console.db.subscribe();
    let due = match wanted.at.parse() {
        Ok(then) => {
            let missed = |topic: &&'static str| console.db.changed_since(then, guard.workspace(), topic);
            topics.iter().copied().filter(missed).collect()
        }
        Err(_) => topics.clone(),
    };
    let listener = Listener { changes, workspace: guard.workspace(), topics, due, told: None, first: true };
    http::events(guard.watch(), told(listener, console.db.clone()))
}

/// The clock as an event.
pub fn clock(context: &Context) -> Event {
    Event::default().event(CLOCK).data(context.now().as_millis().to_string())
}

fn told(listener: Listener, db: Db) -> impl Stream<Item = Event> + Send {
    stream::unfold((listener, db), |(mut listener, db)| async move {
        let event = match listener.next().await? {
            CLOCK => clock(db.context()),
            topic => Event::default().event(topic).data("changed"),
        };
        // What is still to be told must be told again if the connection breaks before: no new moment until it is.
        let event = if listener.due.is_empty() { event.id(db.moment().to_string()) } else { event };
        Some((event, (listener, db)))
    })
}

struct Listener {
    changes: Receiver<Changed>,
    workspace: WorkspaceId,
    topics: BTreeSet<&'static str>,
    due: BTreeSet<&'static str>,
    /// When changes were last told.
    told: Option<Instant>,
    /// Whether nothing was told yet: the clock comes first, so that the page knows at once that it is connected.
    first: bool,
}

impl Listener {
    /// The next topic to tell; `None` when the server stops.
    async fn next(&mut self) -> Option<&'static str> {
        if std::mem::take(&mut self.first) {
            return Some(CLOCK);
        }
        if let Some(topic) = self.due.pop_first() {
            return Some(topic);
        }
        match tokio::time::timeout(TICK, self.gather()).await {
            Err(_) => Some(CLOCK),
            Ok(false) => None,
            Ok(true) => {
                let rest = self.told.map_or(Duration::ZERO, |told| PAUSE.saturating_sub(told.elapsed()));
                let more = async { while self.gather().await {} };
                let _: Result<(), _> = tokio::time::timeout(rest.max(GATHER), more).await;
                self.told = Some(Instant::now());
                self.due.pop_first()
            }
        }
    }

    /// Waits for a change that this page shows and notes its topic. `false` when the server stops.
    async fn gather(&mut self) -> bool {
        loop {
            match self.changes.recv().await {
                Ok(changed) => {
                    let here = changed.workspace.is_none_or(|workspace| workspace == self.workspace);
                    if here && self.topics.contains(changed.topic) {
                        self.due.insert(changed.topic);
                        return true;
                    }
                }
                // Too many to tell one by one: everything may have changed.
                Err(RecvError::Lagged(_)) if !self.topics.is_empty() => {
                    self.due.extend(&self.topics);
                    return true;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;

    use super::*;

    fn listener(topics: &[&'static str], changes: Receiver<Changed>) -> Listener {
        let topics = topics.iter().copied().collect();
        Listener { changes, workspace: workspace(1), topics, due: BTreeSet::new(), told: None, first: false }
    }

    fn workspace(number: u128) -> WorkspaceId {
        uuid::Uuid::from_u128(number).into()
    }

    fn change(topic: &'static str, of: Option<u128>) -> Changed {
        Changed { workspace: of.map(workspace), topic, id: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn changes_close_together_are_told_once_and_those_of_others_never() {
        let (send, receive) = broadcast::channel(64);
        let mut listener = listener(&[alerts::TOPIC, messaging::TOPIC], receive);
        for _ in 0..5 {
            send.send(change(alerts::TOPIC, Some(1))).unwrap();
            send.send(change(messaging::TOPIC, Some(1))).unwrap();
            send.send(change(signals::TOPIC, Some(1))).unwrap();
            send.send(change(alerts::TOPIC, Some(2))).unwrap();
        }
        assert_eq!(listener.next().await, Some(alerts::TOPIC));
        assert_eq!(listener.next().await, Some(messaging::TOPIC));
        assert_eq!(listener.next().await, Some(CLOCK), "nothing else is left to tell");
        send.send(change(messaging::TOPIC, Some(2))).unwrap();
        assert_eq!(listener.next().await, Some(CLOCK), "another workspace's change is not told");
        send.send(change(alerts::TOPIC, None)).unwrap();
        assert_eq!(listener.next().await, Some(alerts::TOPIC), "what belongs to no workspace concerns all");
        drop(send);
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_asks_twice_a_second_at_most_and_misses_nothing() {
        let (send, receive) = broadcast::channel(64);
        let mut listener = listener(&[alerts::TOPIC], receive);
        let began = Instant::now();
        let sender = async {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                send.send(change(alerts::TOPIC, Some(1))).unwrap();
            }
        };
        let reader = async {
            let mut told = 0;
            while listener.next().await == Some(alerts::TOPIC) {
                told += 1;
            }
            told
        };
        let ((), told) = tokio::join!(sender, reader);
        assert!((4..=6).contains(&told), "{told} in {:?}", began.elapsed());
        assert!(listener.changes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_comes_back_hears_the_clock_and_then_what_it_missed() {
        let (_send, receive) = broadcast::channel(2);
        let mut listener = listener(&[alerts::TOPIC, carriers::TOPIC], receive);
        listener.first = true;
        listener.due.insert(carriers::TOPIC);
        assert_eq!(listener.next().await, Some(CLOCK));
        assert_eq!(listener.next().await, Some(carriers::TOPIC));
        assert_eq!(listener.next().await, Some(CLOCK));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_could_not_follow_asks_for_everything() {
        let (send, receive) = broadcast::channel(2);
        let mut listener = listener(&[alerts::TOPIC, carriers::TOPIC], receive);
        for _ in 0..10 {
            send.send(change(signals::TOPIC, Some(1))).unwrap();
        }
        assert_eq!(listener.next().await, Some(alerts::TOPIC));
        assert_eq!(listener.next().await, Some(carriers::TOPIC));
    }
}
