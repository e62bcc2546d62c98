//! The one writer. Whatever changes configuration comes through here, so nothing can forget the version, the
//! difference, the audit entry, the event or the projection.

use std::sync::Arc;

use access::{Actor, Authority, Cap, Capability, Scope, cap};
use base::{ResourceId, Timestamp, WorkspaceId};
use store::{Changed, Db, Tx};
use vault::Vault;

use crate::change::{Change, Drawn, Outcome, Removal, Stored, Written};
use crate::check::Check;
use crate::clearance::{Clearance, Ground};
use crate::difference::Difference;
use crate::kind::{Kind, KindScope, Projection, References};
use crate::prepare::{Pending, Prepared};
use crate::secret::{Draft, Secrets};
use crate::{Error, Json, Registry, rows};

/// The topic of the events that changes publish.
pub const TOPIC: &str = "resource.changed";

/// The resources of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Resources {
    pub(crate) db: Db,
    pub(crate) registry: Registry,
    pub(crate) vault: Vault,
    /// One apply at a time on this node: it is the longest transaction there is.
    pub(crate) applying: Arc<tokio::sync::Mutex<()>>,
}

/// What every change of one use-case shares.
pub(crate) struct Setting<'a> {
    pub actor: &'a Actor,
    pub now: Timestamp,
    pub reason: Option<&'a str>,
    pub ground: &'a Ground,
    pub pending: &'a Pending,
}

impl Resources {
    /// The resources in `db`, of the kinds in `registry`, with their secrets in `vault`.
    pub fn new(db: Db, registry: Registry, vault: Vault) -> Self {
        Self { db, registry, vault, applying: Arc::default() }
    }

    /// The kinds.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Creates or changes one entry, in the caller's transaction. Which right does: the kind's own, or
    /// `ResourcesApply` held together with it.
    pub fn put<C: Cap>(&self, tx: &mut Tx<'_>, permit: &impl Authority<C>, change: Change<'_>) -> Result<Written, Error> {
        let kind = self.registry.require(change.kind)?;
        allow(kind, permit, change.workspace)?;
        rows::lock(tx)?;
        let prepared = self.prepare(tx, kind, change.workspace, &change.body, &Pending::default())?;
        clear(kind, change.workspace, prepared.old.as_ref().map(|old| old.id), change.clearance)?;
        let setting = Setting {
            actor: permit.actor(),
            now: tx.now(),
            reason: change.reason,
            ground: change.clearance.ground(),
            pending: &Pending::default(),
        };
        self.write(tx, kind, prepared, &setting)
    }

    /// Deletes one entry, in the caller's transaction. Refused while others refer to it.
    pub fn delete<C: Cap>(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<C>,
        removal: Removal<'_>,
    ) -> Result<Written, Error> {
        let kind = self.registry.require(removal.kind)?;
        allow(kind, permit, removal.workspace)?;
        rows::lock(tx)?;
        let old = rows::find(tx, kind.name(), removal.workspace, removal.key)?.ok_or(Error::NotFound)?;
        clear(kind, removal.workspace, Some(old.id), removal.clearance)?;
        let setting = Setting {
            actor: permit.actor(),
            now: tx.now(),
            reason: removal.reason,
            ground: removal.clearance.ground(),
            pending: &Pending::default(),
        };
        self.remove(tx, kind, old, &setting)
    }

    /// Writes what was prepared: version, references, audit entry, event, projection.
    pub(crate) fn write(
        &self,
        tx: &mut Tx<'_>,
        kind: &dyn Kind,
        prepared: Prepared,
        setting: &Setting<'_>,
    ) -> Result<Written, Error> {
        let Prepared { id, workspace, key, body, old, secrets, references, drawn, problems } = prepared;
        let mut check = Check {
            tx,
            resource: id,
            workspace,
            is_new: old.is_none(),
            actor: setting.actor,
            now: setting.now,
            secrets: &secrets,
            references: &references,
            problems,
        };
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
        let new =
            Stored { id, kind: kind.name(), workspace, key, version, body, created_at, updated_at: setting.now };
        match &old {
            None => rows::insert(tx, &new)?,
            Some(_) if rows::update(tx, &new)? => {}
            Some(_) => return Err(Error::Conflict),
        }
        rows::set_references(tx, id, &references)?;
        self.record(tx, kind, &new, outcome, &difference, setting)?;
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
    pub(crate) fn remove(
        &self,
        tx: &mut Tx<'_>,
        kind: &dyn Kind,
        old: Stored,
        setting: &Setting<'_>,
    ) -> Result<Written, Error> {
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
        self.record(tx, kind, &gone, Outcome::Deleted, &difference, setting)?;
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
        &self,
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

    /// The live entry of that key, for a caller who may read resources there.
    pub fn get(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        within(kind, permit.scope(), workspace)?;
        Ok(rows::find(tx, kind.name(), workspace, key)?)
    }

    /// The live entry of that id, wherever it lives: for kinds' own rooms, which check rights themselves.
    pub fn by_id(&self, tx: &mut Tx<'_>, kind: &str, id: ResourceId) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        Ok(rows::by_id(tx, kind.name(), id)?)
    }

    /// All live entries of a kind in a workspace (or of the organisation), by name.
    pub fn list(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
    ) -> Result<Vec<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        within(kind, permit.scope(), workspace)?;
        Ok(rows::list(tx, kind.name(), workspace)?)
    }

    /// A body as it may be shown: each secret is `{"unchanged": true}`.
    pub fn redacted(&self, kind: &str, body: &Json) -> Result<Json, Error> {
        Ok(crate::export::redacted(self.registry.require(kind)?, body))
    }

    /// A draft of one entry whose stored secrets stay: for forms that change a field.
    pub fn draft_of(&self, stored: &Stored) -> Result<Draft, Error> {
        let kind = self.registry.require(stored.kind)?;
        let mut draft = Draft::new(stored.body.clone());
        for (path, _) in crate::shape::secret_fields(kind.fields()) {
            if crate::shape::take(&mut draft.body, &path).is_some() {
                draft = draft.unchanged(path);
            }
        }
        Ok(draft)
    }
}

/// Whether the permit writes this kind there.
pub(crate) fn allow<C: Cap>(
    kind: &dyn Kind,
    permit: &impl Authority<C>,
    workspace: Option<WorkspaceId>,
) -> Result<(), Error> {
    if C::CAPABILITY != kind.capability() && C::CAPABILITY != Capability::ResourcesApply {
        return Err(Error::WrongRight);
    }
    permit.require(kind.capability())?;
    within(kind, permit.scope(), workspace)
}

/// Whether a right in `scope` reaches an entry of `kind` in `workspace`.
pub(crate) fn within(kind: &dyn Kind, scope: Scope, workspace: Option<WorkspaceId>) -> Result<(), Error> {
    match (kind.scope(), workspace) {
        (KindScope::Organisation, Some(_)) | (KindScope::Workspace, None) => return Err(Error::OutOfScope),
        _ => {}
    }
    match (scope, workspace) {
        (Scope::Organisation, _) => Ok(()),
        (Scope::Workspace(here), Some(there)) if here == there => Ok(()),
        (Scope::Workspace(_), _) => Err(Error::OutOfScope),
    }
}

/// Which workspace a change touches as far as change control goes: a workspace's own entry touches itself.
pub(crate) fn guarded(kind: &dyn Kind, workspace: Option<WorkspaceId>, id: Option<ResourceId>) -> Option<WorkspaceId> {
    if kind.name() == crate::own::WORKSPACES { id.map(|id| WorkspaceId::from(id.uuid())) } else { workspace }
}

fn clear(
    kind: &dyn Kind,
    workspace: Option<WorkspaceId>,
    id: Option<ResourceId>,
    clearance: &Clearance,
) -> Result<(), Error> {
    if clearance.covers(guarded(kind, workspace, id)) { Ok(()) } else { Err(Error::WrongClearance) }
}

/// Drawn secrets of one entry, named for whoever asked.
pub(crate) fn drawn(kind: &'static str, key: &str, field: String, secret: base::SecretString) -> Drawn {
    Drawn { kind, workspace: None, key: key.to_owned(), field, secret }
}
