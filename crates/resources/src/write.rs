//! What one change leaves behind: the entry, its version, its references, its audit entry, its event and its
//! projection, all in one transaction.

use access::{Actor, Authority, Cap, Capability, Denied, Rights, Scope};
use base::{ResourceId, Timestamp, WorkspaceId};
use store::{Changed, Tx};

use crate::change::{Outcome, Stored, Written};
use crate::check::Check;
use crate::clearance::Ground;
use crate::difference::Difference;
use crate::kind::{Kind, Projection, References};
use crate::prepare::Prepared;
use crate::secret::Secrets;
use crate::{Error, rows};

/// The topic of the events that changes publish.
pub const TOPIC: &str = "resource.changed";

/// What every change of one use-case shares.
pub(crate) struct Setting<'a> {
    pub actor: &'a Actor,
    pub rights: Rights,
    pub scope: Scope,
    pub now: Timestamp,
    pub reason: Option<&'a str>,
    pub ground: &'a Ground,
}

impl<'a> Setting<'a> {
    pub fn of<C: Cap>(
        permit: &'a impl Authority<C>,
        now: Timestamp,
        reason: Option<&'a str>,
        ground: &'a Ground,
    ) -> Self {
        Self { actor: permit.actor(), rights: permit.rights(), scope: permit.scope(), now, reason, ground }
    }

    /// A right that holds for single entries changes those: it neither makes one nor lets one go.
    fn reaches(&self, capability: Capability, entry: ResourceId, changes: bool) -> Result<(), Error> {
        let all = self.rights.unbounded().contains(capability);
        if all || (changes && self.rights.covers(capability, entry)) {
            return Ok(());
        }
        Err(Denied { capability, scope: self.scope }.into())
    }
}

/// Writes what was prepared: version, references, audit entry, event, projection.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    kind: &dyn Kind,
    prepared: Prepared,
    setting: &Setting<'_>,
) -> Result<Written, Error> {
    let Prepared { id, workspace, key, body, old, secrets, references, drawn, problems } = prepared;
    setting.reaches(kind.capability(), id, old.is_some())?;
    let mut check = Check {
        tx,
        resource: id,
        workspace,
        is_new: old.is_none(),
        actor: setting.actor,
        rights: &setting.rights,
        now: setting.now,
        secrets: &secrets,
        references: &references,
        problems,
    };
    if let Some(field) = kind.once()
        && check.is_new
        && rows::was_used(check.tx, kind.name(), &key)?
    {
        check.problem(
            field,
            "identifier-used",
            "this belonged to an entry that was deleted, and an identifier is never given again: what is written down about the \
             one would be taken for the other. Give another one",
        );
    }
    // A body with a wrong shape has no Rust type to validate.
    if check.problems.is_empty() {
        kind.validate(&body, &mut check)?;
    }
    if !check.problems.is_empty() {
        return Err(Error::Invalid(check.problems));
    }
    let difference = Difference::between(kind.fields(), old.as_ref().map(|old| &old.body), Some(&body));
    let outcome = match &old {
        None => Outcome::Created,
        Some(old) if old.body == body && old.key == key => {
            return Ok(Written { id, version: old.version, outcome: Outcome::Unchanged, difference, drawn });
        }
        Some(_) => Outcome::Updated,
    };
    let version = old.as_ref().map_or(0, |old| old.version) + 1;
    let created_at = old.as_ref().map_or(setting.now, |old| old.created_at);
    let new = Stored { id, kind: kind.name(), workspace, key, version, body, created_at, updated_at: setting.now };
    match &old {
        None => rows::insert(tx, &new)?,
        Some(_) if rows::update(tx, &new)? => {}
        Some(_) => return Err(Error::Conflict),
    }
    rows::set_references(tx, id, &references)?;
    record(tx, kind, &new, outcome, &difference, setting)?;
    kind.project(
        tx,
        &Projection {
            resource: id,
            workspace,
            key: &new.key,
            version,
            old: old.as_ref().map(|old| &old.body),
            new: Some(&new.body),
            actor: setting.actor,
            now: setting.now,
            secrets: &secrets,
            references: &references,
        },
    )?;
    Ok(Written { id, version, outcome, difference, drawn })
}

/// Deletes an entry that nothing refers to.
pub(crate) fn remove(tx: &mut Tx<'_>, kind: &dyn Kind, old: Stored, setting: &Setting<'_>) -> Result<Written, Error> {
    setting.reaches(kind.capability(), old.id, false)?;
    let mut by = rows::referrers(tx, old.id)?;
    if kind.name() == crate::own::WORKSPACES {
        by.extend(rows::inhabitants(tx, WorkspaceId::from(old.id.uuid()))?);
    }
    if !by.is_empty() {
        return Err(Error::Referenced { by });
    }
    let (secrets, references) = (Secrets::default(), References::default());
    let mut check = Check {
        tx,
        resource: old.id,
        workspace: old.workspace,
        is_new: false,
        actor: setting.actor,
        rights: &setting.rights,
        now: setting.now,
        secrets: &secrets,
        references: &references,
        problems: Vec::new(),
    };
    kind.validate_delete(&old.body, &mut check)?;
    if !check.problems.is_empty() {
        return Err(Error::Invalid(check.problems));
    }
    let gone = Stored { version: old.version + 1, updated_at: setting.now, ..old.clone() };
    if !rows::delete(tx, gone.id, gone.version, setting.now)? {
        return Err(Error::Conflict);
    }
    rows::set_references(tx, gone.id, &references)?;
    let difference = Difference::default();
    record(tx, kind, &gone, Outcome::Deleted, &difference, setting)?;
    kind.project(
        tx,
        &Projection {
            resource: gone.id,
            workspace: gone.workspace,
            key: &gone.key,
            version: gone.version,
            old: Some(&old.body),
            new: None,
            actor: setting.actor,
            now: setting.now,
            secrets: &secrets,
            references: &references,
        },
    )?;
    Ok(Written { id: gone.id, version: gone.version, outcome: Outcome::Deleted, difference, drawn: Vec::new() })
}

/// The audit entry (no audit, no change), the history row, the event.
fn record(
    tx: &mut Tx<'_>,
    kind: &dyn Kind,
    new: &Stored,
    outcome: Outcome,
    difference: &Difference,
    setting: &Setting<'_>,
) -> Result<(), Error> {
    let action = match outcome {
        Outcome::Created => "resource.create",
        Outcome::Deleted => "resource.delete",
        Outcome::Updated | Outcome::Unchanged => "resource.change",
    };
    let id = new.id.to_string();
    let mut changes = serde_json::json!({
        "kind": kind.name(),
        "version": new.version,
        "fields": difference.redacted(),
    });
    if let Ground::BreakGlass(reason) = setting.ground {
        changes["break_glass"] = reason.as_str().into();
    }
    let entry = audit::Entry {
        actor: setting.actor,
        workspace: new.workspace,
        action,
        target: (kind.name(), &id),
        outcome: audit::Outcome::Success,
        reason: setting.reason,
        changes: Some(changes),
    };
    let audit = match setting.ground {
        Ground::Change(reference) => audit::record_with_ticket(tx, entry, reference.as_str())?,
        Ground::None | Ground::BreakGlass(_) => audit::record(tx, entry)?,
    };
    rows::insert_version(
        tx,
        &rows::NewVersion {
            resource: new.id,
            version: new.version,
            outcome,
            body: &new.body,
            difference,
            actor: setting.actor.principal.name(),
            at: setting.now,
            reason: setting.reason,
            audit,
        },
    )?;
    tx.publish(
        TOPIC,
        &serde_json::json!({
            "kind": kind.name(),
            "id": new.id,
            "workspace": new.workspace,
            "version": new.version,
            "outcome": outcome.name(),
        }),
    )?;
    tx.touched(Changed { workspace: new.workspace, topic: "resource", id: format!("{}/{id}", kind.name()) });
    Ok(())
}
