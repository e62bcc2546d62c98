//! An entry: what a use-case says about itself, in the transaction of the change.

use std::fmt;
use std::str::FromStr;

use access::Actor;
use base::{AuditId, WorkspaceId};
use serde_json::{Value, json};
use store::{Changed, Tx, params};

use crate::canonical::{free_text, hex, to_text};
use crate::commitment::Commitment;
use crate::{Error, TOPIC};

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done.
    Success,
    /// Tried and failed.
    Failure,
    /// Refused for want of a right or of proof.
    Denied,
}

impl Outcome {
    /// The word in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such outcome: success, failure or denied is expected")]
pub struct UnknownOutcome;

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        [Self::Success, Self::Failure, Self::Denied]
            .into_iter()
            .find(|outcome| outcome.name() == text)
            .ok_or(UnknownOutcome)
    }
}

/// What happened. Never holds a secret, a token, a message's text or a full number (16.2.5).
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who did it.
    pub actor: &'a Actor,
    /// In which workspace; none for acts on the organisation.
    pub workspace: Option<WorkspaceId>,
    /// What, as `noun.verb`: `alert.acknowledge`.
    pub action: &'static str,
    /// On what: its kind and its id.
    pub target: (&'a str, &'a str),
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: Option<&'a str>,
    /// What is different now, already redacted.
    pub changes: Option<Value>,
}

/// Longest texts that the log keeps.
const MOST_REASON: usize = 1_000;
const MOST_NAME: usize = 200;
const MOST_USER_AGENT: usize = 300;
/// Larger differences are kept as their hash: the version history has them in full.
const MOST_CHANGES: usize = 64 * 1024;

/// Records an entry in the transaction of the change it tells of: if it cannot be written, neither can the
/// change. It is sealed into the chain within a second.
pub fn record(tx: &mut Tx<'_>, entry: Entry<'_>) -> Result<AuditId, Error> {
    insert(tx, entry, None)
}

/// The same for a change made under a change reference (a ticket).
pub fn record_with_ticket(tx: &mut Tx<'_>, entry: Entry<'_>, ticket: &str) -> Result<AuditId, Error> {
    insert(tx, entry, Some(ticket))
}

fn insert(tx: &mut Tx<'_>, entry: Entry<'_>, ticket: Option<&str>) -> Result<AuditId, Error> {
    let id: AuditId = tx.context().id();
    let now = tx.now();
    let lane = entry.workspace.map_or_else(|| "organisation".to_owned(), |workspace| workspace.to_string());
    // The row of the lane stays locked until the commit, so numbers follow one another without a gap. The entry takes its
    // number from there itself: nobody has to wait for it.
    tx.send(
        "INSERT INTO audit_lanes (lane, counter) VALUES ($1, 1)
         ON CONFLICT (lane) DO UPDATE SET counter = audit_lanes.counter + 1",
        &params![&lane],
    )?;
    let personal = personal(entry.actor);
    let (commitment, salt) = Commitment::new(tx.context(), &personal);
    let principal = &entry.actor.principal;
    // The operating system's user is a personal value as well as the id.
    let actor_id = match principal {
        access::Principal::Os(_) => String::new(),
        other => other.id(),
    };
    tx.send(
        "INSERT INTO audit_entries (id, lane, counter, time, workspace, actor_type, actor_id, session, auth,
             request_id, action, target_type, target_id, outcome, reason, ticket, changes,
             personal_commitment, personal, personal_salt)
         VALUES ($1, $2, (SELECT counter FROM audit_lanes WHERE lane = $2), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             $14, $15, $16, $17, $18, $19)",
        &params![
            id,
            &lane,
            now,
            entry.workspace,
            principal.kind(),
            actor_id,
            entry.actor.session,
            entry.actor.auth.name(),
            entry.actor.request,
            entry.action,
            free_text(entry.target.0, MOST_NAME),
            free_text(entry.target.1, MOST_NAME),
            entry.outcome.name(),
            entry.reason.map(|reason| free_text(reason, MOST_REASON)),
            ticket.map(|ticket| free_text(ticket, MOST_NAME)),
            entry.changes.as_ref().map(changes),
            commitment.0,
            personal,
            salt.0,
        ],
    )?;
    tx.touched(Changed { workspace: entry.workspace, topic: TOPIC, id: id.to_string() });
    Ok(id)
}

fn changes(changes: &Value) -> String {
    let text = to_text(changes);
    if text.len() <= MOST_CHANGES {
        return text;
    }
    let hash = hex(&crypto::sha256(text.as_bytes()));
    to_text(&json!({ "omitted": "larger than 64 KiB", "sha256": hash }))
}

/// The personal values of an actor, as canonical JSON.
fn personal(actor: &Actor) -> String {
    to_text(&json!({
        "name": free_text(actor.principal.name(), MOST_NAME),
        "ip": actor.source.map(|source| source.ip().to_string()),
        "port": actor.source.map(|source| source.port()),
        "user_agent": actor.user_agent.as_deref().map(|text| free_text(text, MOST_USER_AGENT)),
    }))
}
