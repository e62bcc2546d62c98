//! A key's token renewed without downtime: the new one is shown once, the old one works on until the overlap ends or somebody
//! retires it (control X-22). By people with the right alone, never by a key (control E-08).

use std::time::Duration;

use access::{Authority, Scope, cap};
use base::{ApiKeyId, Problem, ProblemKind, ResourceId, SecretString, Timestamp, WorkspaceId};
use resources::{Change, Clearance};
use store::{Tx, params};

use crate::{Error, Identity};

/// How long two tokens may be valid at most.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);
/// How long two tokens are valid unless somebody says otherwise.
pub const USUAL_OVERLAP: Duration = Duration::from_hours(24);

const KIND: &str = "api_keys";

/// Which key to renew, and how.
#[derive(Clone, Copy, Debug)]
pub struct KeyRotation<'a> {
    /// The key's name, as lists show it.
    pub key: &'a str,
    /// How long the old token works on: up to [`LONGEST_OVERLAP`], usually [`USUAL_OVERLAP`]; zero ends it at once.
    pub overlap: Duration,
    /// Why, for history and audit log.
    pub reason: Option<&'a str>,
    /// The proof that the change may reach the workspace.
    pub clearance: &'a Clearance,
}

/// A key with its new token. The token is shown here and never again.
#[derive(Clone, Debug)]
pub struct RotatedKey {
    /// The key, the same as before.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// The new token.
    pub token: SecretString,
    /// When the new token stops to work: the key's days, counted from now.
    pub expires_at: Timestamp,
    /// Until when the old token works. Never beyond its own end.
    pub old_until: Timestamp,
}

impl Identity {
    /// Draws a new token for a key and lets the old one work for the overlap. An older token that was still retiring goes at
    /// once, so never more than two are valid. Audited as `api_key.rotate`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an overlap beyond [`LONGEST_OVERLAP`], `NotFound` of the resources for an unknown name, and what
    /// the writer of resources refuses, such as a missing change reference.
    pub fn rotate_key(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        rotation: &KeyRotation<'_>,
    ) -> Result<RotatedKey, Error> {
        if rotation.overlap > LONGEST_OVERLAP {
            return Err(Error::Invalid(Box::new(
                Problem::new(
                    ProblemKind::Invalid,
                    "overlap-too-long",
                    "Two tokens are valid together for 7 days at most. Choose a shorter overlap.",
                )
                .at("overlap"),
            )));
        }
        let (id, ended_at) = find(tx, permit.scope(), workspace, rotation.key)?;
        let stored = self.0.resources.by_id(tx, KIND, ResourceId::from(id.uuid()))?;
        let stored = stored.ok_or(resources::Error::NotFound)?;
        let body = self.0.resources.draft_of(&stored)?.draw("token");
        let change = Change {
            kind: KIND,
            workspace: Some(workspace),
            body,
            reason: rotation.reason,
            clearance: rotation.clearance,
        };
        let token = self.0.resources.put(tx, permit, change)?.drawn.into_iter().next().ok_or(Error::Lost)?.secret;
        // The file's own overlap was written with the change; this rotation's takes its place. A token never outlives the end
        // that it had.
        let old_until = tx.now().plus(rotation.overlap).min(ended_at);
        tx.execute(
            "UPDATE api_key_tokens SET retires_at = $2 WHERE api_key = $1 AND retires_at IS NOT NULL",
            &params![id, old_until],
        )?;
        let expires_at: Timestamp =
            tx.query_one("SELECT expires_at FROM api_keys WHERE id = $1", &params![id], |row| row.get("expires_at"))?;
        let changes = serde_json::json!({ "old_until": old_until.rfc3339(), "expires_at": expires_at.rfc3339() });
        self.note(tx, permit, workspace, "api_key.rotate", id, rotation.reason, changes)?;
        Ok(RotatedKey { id, name: stored.key, token, expires_at, old_until })
    }

    /// Ends the old token of a rotated key now; whether there was one. On this node it is refused at once, on others within a
    /// second. Wants no change reference even in a controlled workspace: after a leak nobody should have to wait for one.
    /// Audited as `api_key.retire`.
    ///
    /// # Errors
    /// `NotFound` of the resources for an unknown name.
    pub fn retire_old_token(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        key: &str,
    ) -> Result<bool, Error> {
        let (id, _) = find(tx, permit.scope(), workspace, key)?;
        let gone =
            tx.execute("DELETE FROM api_key_tokens WHERE api_key = $1 AND retires_at IS NOT NULL", &params![id])?;
        if gone == 0 {
            return Ok(false);
        }
        self.note(tx, permit, workspace, "api_key.retire", id, None, serde_json::json!({ "tokens": gone }))?;
        Ok(true)
    }

    #[expect(clippy::too_many_arguments, reason = "one audit entry, in full")]
    fn note(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        action: &'static str,
        id: ApiKeyId,
        reason: Option<&str>,
        changes: serde_json::Value,
    ) -> Result<(), Error> {
        let entry = audit::Entry {
            actor: permit.actor(),
            workspace: Some(workspace),
            action,
            target: (KIND, &id.to_string()),
            outcome: audit::Outcome::Success,
            reason,
            changes: Some(changes),
        };
        audit::record(tx, entry)?;
        // What was looked up before the commit holds no more.
        let identity = self.clone();
        tx.after_commit(move || identity.0.keys.clear());
        Ok(())
    }
}

/// The key of that name, within the permit's reach, and when its token ends.
fn find(tx: &mut Tx<'_>, scope: Scope, workspace: WorkspaceId, name: &str) -> Result<(ApiKeyId, Timestamp), Error> {
    match scope {
        Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
        _ => {}
    }
    let found = tx.query_opt(
        "SELECT id, expires_at FROM api_keys WHERE workspace = $1 AND name = $2",
        &params![workspace, name],
        |row| Ok((row.get("id")?, row.get("expires_at")?)),
    )?;
    Ok(found.ok_or(resources::Error::NotFound)?)
}
