//! A key's token or a client's secret renewed without downtime: the new one is shown once, the old one works on until the overlap ends or somebody
//! retires it (control X-22). By people with the right alone, never by a key (control E-08).

use std::time::Duration;

use access::{Authority, Scope, cap};
use base::{Problem, ProblemKind, ResourceId, SecretString, Timestamp, WorkspaceId};
use resources::{Change, Clearance};
use store::{Tx, params};

use crate::{Error, Identity};

/// How long two tokens may be valid at most.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);
/// How long two tokens are valid unless somebody says otherwise.
pub const USUAL_OVERLAP: Duration = Duration::from_hours(24);

/// Where the secrets of a kind of program lie: the same rotation serves each.
pub(crate) struct Material {
    kind: &'static str,
    entries: &'static str,
    tokens: &'static str,
    owner: &'static str,
    field: &'static str,
    rotated: &'static str,
    retired: &'static str,
    taken: (&'static str, &'static str),
}

pub(crate) const KEYS: Material = Material {
    kind: "api_keys",
    entries: "api_keys",
    tokens: "api_key_tokens",
    owner: "api_key",
    field: "token",
    rotated: "api_key.rotate",
    retired: "api_key.retire",
    taken: ("token-taken", "another key has this token; every key needs its own"),
};

pub(crate) const CLIENTS: Material = Material {
    kind: "oauth_clients",
    entries: "oauth_clients",
    tokens: "oauth_client_secrets",
    owner: "client",
    field: "secret",
    rotated: "oauth_client.rotate",
    retired: "oauth_client.retire",
    taken: ("secret-taken", "another client has this secret; every client needs its own"),
};

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
    pub id: ResourceId,
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
        self.rotate(tx, permit, workspace, rotation, &KEYS)
    }

    /// The same for the secret of an OAuth client. Audited as `oauth_client.rotate`.
    ///
    /// # Errors
    /// As [`Identity::rotate_key`]; and [`Error::Invalid`] for a client that proves itself without a secret.
    pub fn rotate_client_secret(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        rotation: &KeyRotation<'_>,
    ) -> Result<RotatedKey, Error> {
        self.rotate(tx, permit, workspace, rotation, &CLIENTS)
    }

    fn rotate(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        rotation: &KeyRotation<'_>,
        material: &Material,
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
        let (id, ended_at) = find(tx, permit.scope(), workspace, rotation.key, material)?;
        let Some(ended_at) = ended_at else {
            let detail =
                "This client has no secret: it proves itself by its own key or certificate. Change that in its place.";
            return Err(Error::Invalid(Box::new(Problem::new(ProblemKind::Invalid, "no-secret", detail))));
        };
        let stored = self.0.resources.by_id(tx, material.kind, id)?;
        let stored = stored.ok_or(resources::Error::NotFound)?;
        let body = self.0.resources.draft_of(&stored)?.draw(material.field);
        let change = Change {
            kind: material.kind,
            workspace: Some(workspace),
            body,
            reason: rotation.reason,
            clearance: rotation.clearance,
        };
        let token = self.0.resources.put(tx, permit, change)?.drawn.into_iter().next().ok_or(Error::Lost)?.secret;
        // The file's own overlap was written with the change; this rotation's takes its place. A token never outlives the end
        // that it had.
        let old_until = tx.now().plus(rotation.overlap).min(ended_at);
        let Material { tokens, owner, entries, .. } = material;
        tx.execute(
            &format!("UPDATE {tokens} SET retires_at = $2 WHERE {owner} = $1 AND retires_at IS NOT NULL"),
            &params![id, old_until],
        )?;
        let ends = format!("SELECT expires_at FROM {entries} WHERE id = $1");
        let expires_at: Timestamp = tx.query_one(&ends, &params![id], |row| row.get("expires_at"))?;
        let changes = serde_json::json!({ "old_until": old_until.rfc3339(), "expires_at": expires_at.rfc3339() });
        self.note(tx, permit, workspace, material, material.rotated, id, rotation.reason, changes)?;
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
        self.retire(tx, permit, workspace, key, &KEYS)
    }

    /// The same for the old secret of an OAuth client. Tokens fetched by it live on for their minutes; deleting the client ends
    /// them too. Audited as `oauth_client.retire`.
    ///
    /// # Errors
    /// `NotFound` of the resources for an unknown name.
    pub fn retire_old_secret(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        client: &str,
    ) -> Result<bool, Error> {
        self.retire(tx, permit, workspace, client, &CLIENTS)
    }

    fn retire(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        key: &str,
        material: &Material,
    ) -> Result<bool, Error> {
        let (id, _) = find(tx, permit.scope(), workspace, key, material)?;
        let Material { tokens, owner, .. } = material;
        let sql = format!("DELETE FROM {tokens} WHERE {owner} = $1 AND retires_at IS NOT NULL");
        let gone = tx.execute(&sql, &params![id])?;
        if gone == 0 {
            return Ok(false);
        }
        self.note(tx, permit, workspace, material, material.retired, id, None, serde_json::json!({ "tokens": gone }))?;
        Ok(true)
    }

    #[expect(clippy::too_many_arguments, reason = "one audit entry, in full")]
    fn note(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ApiKeysManage>,
        workspace: WorkspaceId,
        material: &Material,
        action: &'static str,
        id: ResourceId,
        reason: Option<&str>,
        changes: serde_json::Value,
    ) -> Result<(), Error> {
        let entry = audit::Entry {
            actor: permit.actor(),
            workspace: Some(workspace),
            action,
            target: (material.kind, &id.to_string()),
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

/// Makes room for a new secret of `hash`: two are valid in rotation, that one and the one before until `retires_at`. An older one
/// goes at once.
pub(crate) fn rotate_secret(
    tx: &mut Tx<'_>,
    material: &Material,
    id: ResourceId,
    hash: &[u8],
    retires_at: Timestamp,
) -> Result<(), resources::Error> {
    let Material { tokens, owner, field, taken: (code, remedy), .. } = material;
    let sql = format!("SELECT {owner} FROM {tokens} WHERE token_hash = $1 AND {owner} <> $2");
    if tx.query_opt(&sql, &params![hash.to_vec(), id], |row| row.get::<String>(0))?.is_some() {
        return Err(resources::Error::invalid(*field, *code, *remedy));
    }
    let sql = format!("DELETE FROM {tokens} WHERE {owner} = $1 AND (retires_at IS NOT NULL OR token_hash = $2)");
    tx.execute(&sql, &params![id, hash.to_vec()])?;
    tx.execute(&format!("UPDATE {tokens} SET retires_at = $2 WHERE {owner} = $1"), &params![id, retires_at])?;
    Ok(())
}

/// The entry of that name, within the permit's reach, and when its secret ends.
fn find(
    tx: &mut Tx<'_>,
    scope: Scope,
    workspace: WorkspaceId,
    name: &str,
    material: &Material,
) -> Result<(ResourceId, Option<Timestamp>), Error> {
    match scope {
        Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
        _ => {}
    }
    let sql = format!("SELECT id, expires_at FROM {} WHERE workspace = $1 AND name = $2", material.entries);
    let found = tx.query_opt(&sql, &params![workspace, name], |row| Ok((row.get("id")?, row.get("expires_at")?)))?;
    Ok(found.ok_or(resources::Error::NotFound)?)
}
