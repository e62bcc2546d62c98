//! A message in words, as the log and its own page say it: where it stands, for whom it is, how it is written.

use std::collections::{BTreeMap, BTreeSet};

use alerts::Knot;
use base::{ResourceId, WorkspaceId};
use http::Answer;
use messaging::{State as MessageState, Summary};
use sms::Encoding;

use crate::Console;
use crate::editing::shown;

/// What people, keys and accounts are called, by the way in which messages keep them: `api_key:019a…`.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The same words with each of these by its name.
    pub fn said(&self, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').map(|word| self.0.get(word).map_or(word, String::as_str)).collect();
        words.join(" ")
    }
}

impl Console {
    /// The names of those among these words that are people, or API keys or SMPP accounts of this workspace.
    pub async fn names<'a>(&self, here: WorkspaceId, words: impl IntoIterator<Item = &'a str>) -> Answer<Names> {
        let wanted: BTreeSet<String> =
            words.into_iter().filter(|word| entry(word).is_some()).map(str::to_owned).collect();
        if wanted.is_empty() {
            return Ok(Names::default());
        }
        let resources = self.resources.clone();
        let found: Result<_, resources::Error> = self
            .db
            .read(move |tx| {
                let mut names = BTreeMap::new();
                for word in &wanted {
                    let Some((kind, id)) = entry(word) else { continue };
                    let Some(stored) = resources.by_id(tx, kind, id)? else { continue };
                    match stored.workspace {
                        // People belong to all workspaces; their key is their log-in.
                        None => names.insert(word.clone(), shown(&stored.body, "name")),
                        Some(workspace) if workspace == here => names.insert(word.clone(), stored.key),
                        Some(_) => None,
                    };
                }
                Ok(names)
            })
            .await;
        Ok(Names(found?))
    }
}

/// The entry that a word of a history names, if it does.
fn entry(word: &str) -> Option<(&'static str, ResourceId)> {
    let (kind, id) = word.split_once(':')?;
    let kind = match kind {
        "user" => "users",
        "api_key" => "api_keys",
        "smpp_account" => "smpp_accounts",
        _ => return None,
    };
    Some((kind, id.parse().ok()?))
}

/// Who handed something over, by name as long as it is known.
pub fn submitter(submitter: &str, names: &Names) -> String {
    let kind = submitter.split(':').next().unwrap_or_default();
    match (names.0.get(submitter), kind) {
        (Some(name), "smpp_account") => format!("{name} (SMPP)"),
        (Some(name), "api_key") => format!("{name} (API key)"),
        (Some(name), _) => name.clone(),
        (None, "api_key") => "an API key".to_owned(),
        (None, "smpp_account") => "an SMPP account".to_owned(),
        (None, "user") => "a person".to_owned(),
        (None, _) => "Loudhailer".to_owned(),
    }
}

/// The state of a message as a knot and words.
pub fn state_words(summary: &Summary) -> (Knot, String) {
    let reason = summary.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    // A person may have decided that the carrier has it: it then went once.
    let again = match (summary.unknown_outcomes, summary.attempts) {
        (0, _) => "",
        (_, 0 | 1) => " after an unknown outcome",
        _ => ", sent again after an unknown outcome",
    };
    match summary.state {
        MessageState::Queued => (Knot::Waiting, format!("Waiting{reason}")),
        MessageState::Claimed => (Knot::Now, "Sending".into()),
        MessageState::Sent => (Knot::Now, format!("Taken by the carrier{again}")),
        MessageState::Unknown => (Knot::Unknown, format!("Unknown{reason}")),
        MessageState::Delivered => (Knot::Done, format!("Delivered{again}")),
        MessageState::Undelivered => (Knot::Failed, format!("Not delivered{reason}")),
        MessageState::Expired => (Knot::Failed, format!("Expired{reason}")),
        MessageState::Rejected => (Knot::Failed, format!("Rejected{reason}")),
        MessageState::Failed => (Knot::Failed, format!("Failed{reason}")),
        MessageState::Cancelled => (Knot::Skipped, "Cancelled".into()),
    }
}

/// Who wanted it sent.
pub fn for_whom(summary: &Summary, names: &Names) -> String {
    match summary.origin.as_ref().map(|origin| origin.kind.as_str()) {
        Some("notification" | "note") => "an alert".to_owned(),
        Some(kind) => kind.replace('_', " "),
        None => submitter(&summary.submitter, names),
    }
}

/// The alphabet as people write it.
pub fn alphabet(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Gsm7 => "GSM-7",
        Encoding::Ucs2 => "UCS-2",
    }
}

#[cfg(test)]
pub mod tests {
    use base::WorkspaceId;
    use messaging::OriginRef;
    use routing::Class;

    use super::*;
    use crate::testing::{NOW, after};

    pub fn summary() -> Summary {
        Summary {
            id: uuid::Uuid::from_u128(9).into(),
            workspace: WorkspaceId::from(uuid::Uuid::from_u128(1)),
            state: MessageState::Delivered,
            class: Class::Alert,
            carrier: "sim-1".into(),
            sender: "447700900000".into(),
            to: "+44 77•• ••• 117".into(),
            country: Some("GB".into()),
            parts: 2,
            encoding: Encoding::Ucs2,
            created_at: NOW,
            due_at: NOW,
            expires_at: None,
            submitted_at: Some(after(67)),
            done_at: Some(after(3_100)),
            reason: None,
            error: None,
            attempts: 1,
            throttled: 0,
            unknown_outcomes: 0,
            origin: None,
            client_ref: None,
            submitter: "api_key:7".into(),
            batch: None,
        }
    }

    #[test]
    fn every_state_has_a_knot_and_words() {
        let said = |state, reason: Option<&str>, unknown_outcomes| {
            let reason = reason.map(str::to_owned);
            let attempts = unknown_outcomes + 1;
            state_words(&Summary { state, reason, unknown_outcomes, attempts, ..summary() })
        };
        let cases = [
            (said(MessageState::Queued, None, 0), Knot::Waiting, "Waiting"),
            (said(MessageState::Claimed, None, 0), Knot::Now, "Sending"),
            (said(MessageState::Sent, None, 1), Knot::Now, "Taken by the carrier, sent again after an unknown outcome"),
            (said(MessageState::Unknown, Some("held"), 1), Knot::Unknown, "Unknown: held"),
            (said(MessageState::Delivered, None, 0), Knot::Done, "Delivered"),
            (said(MessageState::Undelivered, Some("absent"), 0), Knot::Failed, "Not delivered: absent"),
            (said(MessageState::Expired, None, 0), Knot::Failed, "Expired"),
            (said(MessageState::Rejected, Some("0x45"), 0), Knot::Failed, "Rejected: 0x45"),
            (said(MessageState::Failed, None, 0), Knot::Failed, "Failed"),
            (said(MessageState::Cancelled, Some("by a person"), 0), Knot::Skipped, "Cancelled"),
        ];
        for ((knot, words), expected, text) in cases {
            assert_eq!((knot, words.as_str()), (expected, text));
        }
        let decided = Summary { state: MessageState::Sent, unknown_outcomes: 1, attempts: 1, ..summary() };
        assert_eq!(state_words(&decided).1, "Taken by the carrier after an unknown outcome", "it went once");
    }

    #[test]
    fn a_message_says_for_whom_it_is() {
        let notification = OriginRef { kind: "notification".into(), id: uuid::Uuid::nil() };
        let none = Names::default();
        assert_eq!(for_whom(&Summary { origin: Some(notification), ..summary() }, &none), "an alert");
        for (submitter, expected) in [
            ("api_key:7", "an API key"),
            ("smpp_account:7", "an SMPP account"),
            ("user:7", "a person"),
            ("engine:alerts", "Loudhailer"),
        ] {
            assert_eq!(for_whom(&Summary { submitter: submitter.into(), ..summary() }, &none), expected);
        }
        let id = uuid::Uuid::from_u128(7);
        let (key, account) = (format!("api_key:{id}"), format!("smpp_account:{id}"));
        let known = Names([(key.clone(), "checkout".into()), (account.clone(), "shop".into())].into());
        assert_eq!(
            (submitter(&key, &known), submitter(&account, &known)),
            ("checkout (API key)".into(), "shop (SMPP)".into())
        );
        assert_eq!(known.said(&format!("cancelled by {key} before")), "cancelled by checkout before");
        assert_eq!(entry(&key), Some(("api_keys", id.into())));
        assert_eq!((entry("engine:tests"), entry("api_key:x")), (None, None));
    }
}
