//! An entry as it is stored, and the hash that chains it.

use base::{AuditId, RequestId, SessionId, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use store::{Error as StoreError, Row};

use crate::canonical::{hex, to_text};
use crate::commitment::{Commitment, SALT_BYTES, Salt};

pub(crate) const COLUMNS: &str = "id, lane, counter, seq, time, workspace, actor_type, actor_id, session, auth, \
    request_id, action, target_type, target_id, outcome, reason, ticket, changes, personal_commitment, personal, \
    personal_salt, prev_hash, hash";

/// What the first entry follows.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) id: AuditId,
    pub(crate) lane: String,
    pub(crate) counter: i64,
    pub(crate) seq: Option<i64>,
    pub(crate) time: Timestamp,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) actor_type: String,
    pub(crate) actor_id: String,
    pub(crate) session: Option<SessionId>,
    pub(crate) auth: String,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) action: String,
    pub(crate) target_type: String,
    pub(crate) target_id: String,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) ticket: Option<String>,
    pub(crate) changes: Option<String>,
    pub(crate) personal_commitment: Vec<u8>,
    pub(crate) personal: Option<String>,
    pub(crate) personal_salt: Option<Vec<u8>>,
    pub(crate) prev_hash: Option<Vec<u8>>,
    pub(crate) hash: Option<Vec<u8>>,
}

impl Stored {
    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            lane: row.get("lane")?,
            counter: row.get("counter")?,
            seq: row.get("seq")?,
            time: row.get("time")?,
            workspace: row.get("workspace")?,
            actor_type: row.get("actor_type")?,
            actor_id: row.get("actor_id")?,
            session: row.get("session")?,
            auth: row.get("auth")?,
            request_id: row.get("request_id")?,
            action: row.get("action")?,
            target_type: row.get("target_type")?,
            target_id: row.get("target_id")?,
            outcome: row.get("outcome")?,
            reason: row.get("reason")?,
            ticket: row.get("ticket")?,
            changes: row.get("changes")?,
            personal_commitment: row.get("personal_commitment")?,
            personal: row.get("personal")?,
            personal_salt: row.get("personal_salt")?,
            prev_hash: row.get("prev_hash")?,
            hash: row.get("hash")?,
        })
    }

    /// SHA-256 over the canonical JSON of everything that must never change, the previous hash included. The
    /// place in the chain is fixed by that previous hash and not by the number, so that a swap of two
    /// entries is told from an alteration.
    pub(crate) fn chain_hash(&self, prev_hash: &[u8]) -> [u8; 32] {
        crypto::sha256(to_text(&self.content(prev_hash)).as_bytes())
    }

    fn content(&self, prev_hash: &[u8]) -> Value {
        json!({
            "id": self.id.to_string(),
            "lane": self.lane,
            "counter": self.counter,
            "time": self.time.as_micros(),
            "tenant": self.workspace.map(|id| id.to_string()),
            "actor": {
                "type": self.actor_type,
                "id": self.actor_id,
                "session": self.session.map(|id| id.to_string()),
                "auth": self.auth,
            },
            "request_id": self.request_id.map(|id| id.to_string()),
            "action": self.action,
            "target": { "type": self.target_type, "id": self.target_id },
            "outcome": self.outcome,
            "reason": self.reason,
            "ticket": self.ticket,
            // As the text that is stored: numbers in it need no second way of writing.
            "changes": self.changes,
            "personal": hex(&self.personal_commitment),
            "prev_hash": hex(prev_hash),
        })
    }

    /// Whether the personal values, if they are still there, are those that were committed to.
    pub(crate) fn personal_holds(&self) -> bool {
        let Ok(commitment) = <[u8; 32]>::try_from(self.personal_commitment.as_slice()) else { return false };
        match (&self.personal, &self.personal_salt) {
            (None, None) => true,
            (Some(values), Some(salt)) => <[u8; SALT_BYTES]>::try_from(salt.as_slice())
                .is_ok_and(|salt| Commitment(commitment).holds(Salt(salt), values)),
            _ => false,
        }
    }

    /// One value of the personal ones, unless they were erased.
    pub(crate) fn personal_value(&self, name: &str) -> Option<Value> {
        let values: Value = serde_json::from_str(self.personal.as_deref()?).ok()?;
        values.get(name).filter(|value| !value.is_null()).cloned()
    }
}
