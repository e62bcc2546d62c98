//! Opening and joining, and what a machine may end.

use std::fmt::Write as _;

use access::{Permit, cap};
use base::AlertId;
use serde_json::json;
use store::{NewJob, Tx};

use crate::Error;
use crate::alerts::{EXPIRE, Inner};
use crate::happening::{Happening, Told};
use crate::rows::{self, AlertRow, Content, Cursor};
use crate::state::{Life, Moved};
use crate::timeline::{Deed, audit, save};
use crate::types::{By, NewAlert, Opened, Priority, ResolveKey, Via};

const TITLE_MAX: usize = 500;
const TEXT_MAX: usize = 20_000;
const SMS_MAX: usize = 1_000;
const LINK_MAX: usize = 2_000;
const KEY_MAX: usize = 255;
const GROUP_MAX: usize = 100;
/// Joined signals that get a line each; a storm is only counted.
const JOINS_SHOWN: i64 = 20;
/// How often another transaction may win the race for a key before we let the caller try again.
const RACES: usize = 3;

impl Inner {
    pub(crate) fn open(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        new: NewAlert,
    ) -> Result<Opened, Error> {
        if new.workspace != permit.workspace() {
            return Err(Error::OtherWorkspace);
        }
        let new = cleaned(new)?;
        for _ in 0..RACES {
            if let Some(key) = &new.key
                && let Some(mut alert) = rows::lock_live(tx, new.workspace, new.integration, key)?
            {
                self.join(tx, &mut alert, &new)?;
                return Ok(Opened { id: alert.id, number: alert.number, joined: true });
            }
            if let Some(alert) = self.insert(tx, permit, &new)? {
                return Ok(Opened { id: alert.id, number: alert.number, joined: false });
            }
        }
        Err(store::Error::Overloaded.into())
    }

    /// A later signal of a live alert: counted, written down, and nobody is called.
    fn join(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, new: &NewAlert) -> Result<(), Error> {
        alert.joined += 1;
        let now = tx.now();
        if let Some(signal) = new.signal {
            rows::insert_join(tx, alert.workspace, alert.id, signal, now)?;
        }
        if alert.joined <= JOINS_SHOWN {
            let happening = Happening::Joined {
                count: alert.joined,
                signal: new.signal,
                priority: new.priority,
                last_shown: alert.joined == JOINS_SHOWN,
            };
            self.record(tx, alert, &happening)?;
        }
        save(tx, alert)
    }

    /// A new alert with its first page; `None` when another transaction opened one with this key meanwhile.
    fn insert(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        new: &NewAlert,
    ) -> Result<Option<AlertRow>, Error> {
        let now = tx.now();
        let id: AlertId = tx.context().id();
        let number = tx.next_number(&format!("alerts:{}", new.workspace))?;
        let mut alert = AlertRow {
            id,
            workspace: new.workspace,
            number,
            integration: new.integration,
            signal: new.signal,
            run: new.run,
            key: new.key.clone(),
            priority: new.priority,
            group: new.group.clone(),
            content: String::new(),
            life: Life::Open,
            opened: now,
            changed: now,
            note: None,
            expires: now.plus(new.expires_in.unwrap_or(self.settings.expires_in)),
            joined: 0,
            lines: 0,
            cursor: Cursor {
                generation: 0,
                group: None,
                round: 0,
                rounds: 0,
                interval_seconds: 0,
                round_ends: None,
                next_at: None,
                next_person: None,
            },
            unanswered: false,
        };
        let chosen = self.choose_group(tx, &alert)?;
        let described = chosen.round.as_ref().or_else(|| chosen.failed.first().and_then(|(.., round)| round.as_ref()));
        let content = Content {
            title: new.title.clone(),
            text: new.text.clone(),
            sms: new.sms.clone(),
            link: new.link.clone(),
            policy: described.map_or_else(|| format!("There is no group “{}”.", new.group), policy),
        };
        alert.content = self.seal_content(tx, alert.workspace, id, &content)?;
        if !rows::insert(tx, &alert)? {
            return Ok(None);
        }
        self.record(
            tx,
            &mut alert,
            &Happening::Opened { number, priority: new.priority, group: new.group.clone(), key: new.key.clone() },
        )?;
        let mut steps = Vec::new();
        for (group, why, instead, round) in chosen.failed {
            let happening = Happening::NobodyToPage { group, why, instead: instead.clone() };
            self.record(tx, &mut alert, &happening)?;
            // The members of the last group tried show in the chain; those of the others in the timeline alone.
            if let (None, Some(round)) = (&instead, &round) {
                steps = self.begin_round(tx, &mut alert, round, 1)?;
                alert.cursor.round_ends = None;
            }
        }
        if let Some(round) = &chosen.round {
            alert.cursor.group = Some(round.group.name.clone());
            alert.cursor.rounds = round.group.repeat.times + 1;
            alert.cursor.interval_seconds = round.group.repeat.interval_seconds;
            steps = self.begin_round(tx, &mut alert, round, 1)?;
        }
        self.advance_from(tx, &mut alert, None, Some(steps))?;
        tx.enqueue(NewJob {
            kind: EXPIRE,
            key: Some(&id.to_string()),
            payload: &json!({ "version": 1, "alert": id, "workspace": alert.workspace }),
            run_at: alert.expires,
        })?;
        Self::look_again(tx, Self::next_look(now))?;
        let changes = json!({
            "number": number,
            "priority": new.priority,
            "integration": new.integration,
            "signal": new.signal,
            "run": new.run,
        });
        audit(tx, permit.actor(), &alert, Deed::done("alert.open", changes))?;
        save(tx, &mut alert)?;
        Ok(Some(alert))
    }

    pub(crate) fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        resolve: ResolveKey,
    ) -> Result<Vec<AlertId>, Error> {
        if resolve.workspace != permit.workspace() {
            return Err(Error::OtherWorkspace);
        }
        let key = cleaned_key(&resolve.key);
        let Some(mut alert) = rows::lock_live(tx, resolve.workspace, resolve.integration, &key)? else {
            return Ok(Vec::new());
        };
        let now = tx.now();
        let by = By::of(permit.actor());
        let note = resolve.note.as_deref().map(|note| one_line(note, TITLE_MAX)).filter(|note| !note.is_empty());
        if let Some(signal) = resolve.signal {
            rows::insert_join(tx, alert.workspace, alert.id, signal, now)?;
        }
        if alert.priority == Priority::Critical && !resolve.may_close_critical {
            self.record(tx, &mut alert, &Happening::StaysCritical { by, note })?;
            let reason = "a machine may not close a critical alert here";
            audit(tx, permit.actor(), &alert, Deed::denied("alert.resolve", reason))?;
            save(tx, &mut alert)?;
            return Ok(Vec::new());
        }
        let Ok(Moved::To(life)) = alert.life.clone().resolve(by.clone(), now, false) else { return Ok(Vec::new()) };
        self.close(tx, &mut alert, life)?;
        if let Some(note) = &note {
            alert.note = Some(self.seal_note(tx, &alert, note)?);
        }
        let happening = Happening::Resolved { by: by.clone(), note, signal: resolve.signal, reply: None };
        self.record(tx, &mut alert, &happening)?;
        self.tell_others(tx, &mut alert, &by, Told::Resolved)?;
        let changes = json!({ "number": alert.number, "state": alert.state().as_str(), "via": Via::Flow, "signal": resolve.signal, "run": resolve.run });
        audit(tx, permit.actor(), &alert, Deed::done("alert.resolve", changes))?;
        save(tx, &mut alert)?;
        Ok(vec![alert.id])
    }
}

fn policy(round: &oncall::Round) -> String {
    let name_of = |login: &str| {
        round
            .people
            .iter()
            .find(|person| person.login.eq_ignore_ascii_case(login))
            .map(|person| person.who.name.clone())
    };
    oncall::policy_words(&round.group, name_of)
}

/// Bounds what a flow gives. Templates make these texts from what strangers sent: too long is cut, not refused, because
/// an alert that is not opened helps nobody.
fn cleaned(mut new: NewAlert) -> Result<NewAlert, Error> {
    new.title = one_line(&new.title, TITLE_MAX);
    if new.title.is_empty() {
        return Err(Error::Invalid { field: "title", detail: "An alert needs a title; give the step one." });
    }
    new.group = one_line(&new.group, GROUP_MAX);
    if new.group.is_empty() {
        return Err(Error::Invalid { field: "group", detail: "An alert needs a group to page; give the step one." });
    }
    new.text = new.text.chars().filter(|letter| !letter.is_control() || *letter == '\n').take(TEXT_MAX).collect();
    new.sms = new.sms.map(|text| one_line(&text, SMS_MAX)).filter(|text| !text.is_empty());
    new.link = new.link.map(|link| one_line(&link, LINK_MAX)).filter(|link| is_web_link(link));
    new.key = new.key.map(|key| cleaned_key(&key)).filter(|key| !key.is_empty());
    Ok(new)
}

/// A key as it is stored: a long one by its hash, so that two long keys with one beginning stay two.
fn cleaned_key(key: &str) -> String {
    let key = one_line(key, usize::MAX);
    if key.chars().count() <= KEY_MAX {
        return key;
    }
    let hash = crypto::sha256(key.as_bytes());
    hash.iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One line without control characters, at most `most` characters.
fn one_line(text: &str, most: usize) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.trim().chars().take(most).collect()
}

/// Only links that a browser opens as a page: `javascript:` from a stranger's signal must not become a link of ours.
fn is_web_link(link: &str) -> bool {
    let lower = link.to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://")) && !link.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_stay_apart() {
        let beginning = "k".repeat(300);
        let (one, other) = (cleaned_key(&format!("{beginning}1")), cleaned_key(&format!("{beginning}2")));
        assert!(one.starts_with("sha256:") && one != other);
        assert_eq!(cleaned_key(" replication-lag/db-1\n"), "replication-lag/db-1");
    }

    #[test]
    fn only_web_links_become_links() {
        for (link, kept) in [
            ("https://runbooks.example.com/db?x=1", true),
            ("HTTP://example.com", true),
            ("javascript:alert(1)", false),
            ("https://example.com/a b", false),
            ("//example.com", false),
        ] {
            assert_eq!(is_web_link(link), kept, "{link}");
        }
    }
}
