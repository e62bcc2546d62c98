//! Live updates: which topics changed, and the server's clock. An event carries no content; the page asks again for what it
//! shows, with the reader's own rights.

use std::collections::BTreeSet;
use std::time::Duration;

use access::cap;
use axum::extract::State;
use base::WorkspaceId;
use futures_util::{Stream, stream};
use http::{Answer, Event, InWorkspace, Query, Response};
use serde::Deserialize;
use store::Changed;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::Console;

/// Changes within this time are told once: a page that is being written to does not flicker.
const GATHER: Duration = Duration::from_millis(150);
/// How often the clock in the head is set.
const TICK: Duration = Duration::from_secs(10);

/// Which topics a page listens to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Topics {
    topics: String,
}

/// The stream of a page.
pub async fn events(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Query(wanted): Query<Topics>,
) -> Answer<Response> {
    let topics = wanted.topics.split(',').take(10).map(str::to_owned).collect();
    http::events(guard.watch(), changes(console.db.subscribe(), guard.workspace(), topics))
}

struct Listener {
    changes: Receiver<Changed>,
    workspace: WorkspaceId,
    topics: BTreeSet<String>,
    due: Vec<&'static str>,
}

fn changes(changes: Receiver<Changed>, workspace: WorkspaceId, topics: BTreeSet<String>) -> impl Stream<Item = Event> + Send {
    let listener = Listener { changes, workspace, topics, due: Vec::new() };
    stream::unfold(listener, |mut listener| async move {
        let name = listener.next().await?;
        Some((Event::default().event(name).data("changed"), listener))
    })
}

impl Listener {
    /// The next topic to tell; `None` when the server stops.
    async fn next(&mut self) -> Option<&'static str> {
        if let Some(topic) = self.due.pop() {
            return Some(topic);
        }
        let first = match tokio::time::timeout(TICK, self.wanted()).await {
            Err(_) => return Some("clock"),
            Ok(first) => first?,
        };
        let mut gathered = BTreeSet::from([first]);
        let gather = async {
            while let Some(topic) = self.wanted().await {
                gathered.insert(topic);
            }
        };
        let _: Result<(), _> = tokio::time::timeout(GATHER, gather).await;
        self.due = gathered.into_iter().collect();
        self.due.pop()
    }

    /// The topic of the next change that this page shows.
    async fn wanted(&mut self) -> Option<&'static str> {
        loop {
            match self.changes.recv().await {
                Ok(changed) => {
                    let here = changed.workspace.is_none_or(|workspace| workspace == self.workspace);
                    if let Some(topic) = self.topics.get(changed.topic).filter(|_| here) {
                        debug_assert_eq!(topic, changed.topic);
                        return Some(changed.topic);
                    }
                }
                // Too many to tell one by one: all of them changed.
                Err(RecvError::Lagged(_)) => return self.topics.contains("alerts").then_some("alerts").or(Some("messages")),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

