//! The people with the phones: they read what comes and answer as they have made up their minds to, by a text of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use simulator::{Change, Control, Direction, Handset, Text};
use tokio::task::JoinSet;

use super::beat::Intent;

/// Intentions that are kept at most; the oldest go first.
const KEPT: usize = 200;
/// How long nobody answers when the simulator does not, before asking again.
const AGAIN: Duration = Duration::from_secs(1);

/// What people have in mind. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Minds(Arc<Mutex<Vec<Intent>>>);

impl Minds {
    /// Adds an intention; it takes the place of an older one about the same.
    pub fn add(&self, intent: Intent) {
        let mut intents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        intents.retain(|old| (old.who, old.act, &old.title) != (intent.who, intent.act, &intent.title));
        intents.push(intent);
        let surplus = intents.len().saturating_sub(KEPT);
        intents.drain(..surplus);
    }

    /// What the owner of `number` wants to do about a page, taken out.
    fn take(&self, number: &str, page: &str) -> Vec<Intent> {
        let mut intents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let about = |intent: &Intent| intent.who == number && page.contains(&intent.title);
        let taken = intents.iter().filter(|intent| about(intent)).cloned().collect();
        intents.retain(|intent| !about(intent));
        taken
    }
}

/// Reads every phone and answers, until dropped. `pace` is how much faster than life.
pub async fn answer(control: Control, minds: Minds, pace: f64) {
    let mut owners = Owners { control: control.clone(), minds, pace, read: HashMap::new(), writing: JoinSet::new() };
    loop {
        // Watching first, so that nothing falls between.
        if let Ok(mut watch) = control.watch().await {
            for handset in control.handsets().await.unwrap_or_default() {
                owners.look_at(&handset);
            }
            while let Ok(Some(change)) = watch.next().await {
                if let Change::Handset(handset) = change {
                    owners.look_at(&handset);
                }
                while owners.writing.try_join_next().is_some() {}
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

struct Owners {
    control: Control,
    minds: Minds,
    pace: f64,
    /// The newest text that each has read.
    read: HashMap<String, u64>,
    writing: JoinSet<()>,
}

impl Owners {
    fn look_at(&mut self, handset: &Handset) {
        let last = self.read.get(&handset.number).copied().unwrap_or(0);
        let newest = handset.texts.iter().map(|text| text.id).max().unwrap_or(0);
        self.read.insert(handset.number.clone(), last.max(newest));
        for text in handset.texts.iter().filter(|text| text.id > last && text.direction == Direction::Received) {
            for intent in self.minds.take(&handset.number, &text.text) {
                self.write(&handset.number, text, &intent);
            }
        }
    }

    fn write(&mut self, number: &str, page: &Text, intent: &Intent) {
        let Some(words) = reply(&page.text, intent.act) else { return };
        let (control, from, to) = (self.control.clone(), number.to_owned(), page.peer.clone());
        let after = intent.after.div_f64(self.pace);
        self.writing.spawn(async move {
            tokio::time::sleep(after).await;
            if let Err(error) = control.send(&from, &to, &words).await {
                tracing::debug!(%error, "a phone of the story could not write");
            }
        });
    }
}

/// What to write for `act`, as the page itself says: `Answer 1 K7Q = acknowledge, 2 K7Q = pass on.`
fn reply(page: &str, act: &str) -> Option<String> {
    let offers = page.rsplit_once("Answer ")?.1;
    let wanted = |act: &str| {
        let mut offers = offers.split(", ").filter_map(|offer| offer.trim_end_matches('.').split_once(" = "));
        offers.find(|(_, name)| *name == act).map(|(words, _)| words.to_owned())
    };
    if act == "undo" {
        return wanted("acknowledge").and_then(|words| words.split(' ').next_back().map(|last| format!("UNDO {last}")));
    }
    wanted(act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_what_the_page_offers() {
        let high = "HIGH Replication lag on db-1 is 42 s. Answer 4 = acknowledge, 5 = pass on, 6 = resolve.";
        let critical = "CRITICAL Backup failed. Answer 1 K7Q = acknowledge, 2 K7Q = pass on.";
        for (page, act, words) in [
            (high, "acknowledge", Some("4")),
            (high, "resolve", Some("6")),
            (high, "undo", Some("UNDO 4")),
            (critical, "pass on", Some("2 K7Q")),
            (critical, "undo", Some("UNDO K7Q")),
            (critical, "resolve", None),
            ("A-7 is resolved.", "acknowledge", None),
        ] {
            assert_eq!(reply(page, act).as_deref(), words, "{page}: {act}");
        }
    }

    #[test]
    fn an_intention_is_used_once_and_replaced_by_a_newer() {
        let minds = Minds::default();
        let intent =
            |after| Intent { who: "+1", title: "Disk".into(), act: "acknowledge", after: Duration::from_secs(after) };
        minds.add(intent(1));
        minds.add(intent(2));
        assert_eq!(minds.take("+2", "HIGH Disk full"), []);
        assert_eq!(minds.take("+1", "HIGH Disk full"), [intent(2)]);
        assert_eq!(minds.take("+1", "HIGH Disk full"), []);
    }
}
