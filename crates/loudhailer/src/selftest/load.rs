//! The load: messages by the API and signals, each with a name of its own, at a steady pace, whatever becomes of each request.
//! What was accepted is written down with the moment of sending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Context, Timestamp};
use outbound::{HttpMethod, OperatorClient};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::selftest::site::PEOPLE;

/// How long one request may take; a server that is killed does not answer.
const DEADLINE: Duration = Duration::from_secs(20);
/// Requests under way at most: the sender's own memory is bounded as well.
const UNDER_WAY: usize = 2_000;

/// The names that were accepted, each with the moment in which it was sent.
pub(super) type Accepted = BTreeMap<String, Timestamp>;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Signal,
}

impl Kind {
    /// What every name of this kind begins with.
    const fn letter(self) -> char {
        match self {
            Self::Message => 'M',
            Self::Signal => 'S',
        }
    }

    fn body(self, name: &str, number: u64) -> Json {
        let person = number % PEOPLE;
        match self {
            Self::Message => json!({
                "destination": format!("+4477009{person:05}"),
                "text": format!("Selftest {name}"),
                "clientMessageId": name,
            }),
            Self::Signal => {
                json!({ "key": name, "title": format!("Selftest {name}"), "group": format!("g{person}") })
            }
        }
    }
}

/// Where and how fast.
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) client: OperatorClient,
    pub(super) url: String,
    pub(super) count: u64,
    pub(super) pace: Duration,
    /// Counts what was accepted so far, for whoever watches.
    pub(super) so_far: Arc<AtomicU64>,
    pub(super) context: Context,
}

impl Load {
    /// Sends everything.
    pub(super) async fn run(self) -> Accepted {
        let Self { kind, client, url, count, pace, so_far, context } = self;
        let accepted = Arc::new(Mutex::new(Accepted::new()));
        let mut pace = tokio::time::interval(pace);
        let mut sending = JoinSet::new();
        for number in 0..count {
            pace.tick().await;
            while sending.try_join_next().is_some() {}
            if sending.len() >= UNDER_WAY {
                sending.join_next().await;
            }
            let (client, url, accepted, so_far) =
                (client.clone(), url.clone(), Arc::clone(&accepted), Arc::clone(&so_far));
            let at = context.now();
            sending.spawn(async move {
                let name = format!("{}-{number:06}", kind.letter());
                let body = kind.body(&name, number);
                let sent = tokio::time::timeout(DEADLINE, client.send(HttpMethod::POST, &url, Some(&body))).await;
                let Ok(Ok(answer)) = sent else { return };
                let taken = match kind {
                    Kind::Message => answer.status == 200 && answer.json()["status"]["code"] == "QUEUED",
                    Kind::Signal => answer.status == 202,
                };
                if taken {
                    so_far.fetch_add(1, Ordering::Relaxed);
                    accepted.lock().await.insert(name, at);
                }
            });
        }
        while sending.join_next().await.is_some() {}
        let mut accepted = accepted.lock().await;
        std::mem::take(&mut *accepted)
    }
}

/// The name in a text: a letter, a dash, six digits.
pub(super) fn name_in(text: &str) -> Option<&str> {
    let at = text.find("Selftest ")? + "Selftest ".len();
    let name = text.get(at..at + 8)?;
    let digits = name.strip_prefix("M-").or_else(|| name.strip_prefix("S-"))?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_texts() {
        assert_eq!(name_in("A-12 Selftest S-000042. Reply 1"), Some("S-000042"));
        assert_eq!(name_in("Selftest M-000001"), Some("M-000001"));
        for other in ["Selftest", "Selftest X-000001", "Selftest M-00001", "S-000001", "Selftest M-00000é"] {
            assert_eq!(name_in(other), None, "{other}");
        }
    }
}
