//! The one writer. Whatever changes configuration comes through here, so nothing can forget the version, the
//! difference, the audit entry, the event or the projection.

use std::sync::Arc;

use access::{Actor, Authority, Cap, Capability, Scope, cap};
use base::{ResourceId, WorkspaceId};
use store::{Db, Tx};
use vault::Vault;

use crate::change::{Change, Removal, Stored, Written};
use crate::clearance::Clearance;
use crate::kind::{Kind, KindScope};
use crate::prepare::Pending;
use crate::secret::Draft;
use crate::write::{Setting, remove, write};
use crate::{Error, Json, Registry, rows};

/// The resources of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Resources {
    pub(crate) db: Db,
    pub(crate) registry: Registry,
    pub(crate) vault: Vault,
    /// One apply at a time on this node: it is the longest transaction there is.
    pub(crate) applying: Arc<tokio::sync::Mutex<()>>,
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
    pub fn put<C: Cap>(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<C>,
        change: Change<'_>,
    ) -> Result<Written, Error> {
        let kind = self.registry.require(change.kind)?;
        allow(kind, permit, change.workspace)?;
        rows::lock(tx)?;
        let prepared = self.prepare(tx, kind, change.workspace, &change.body, &Pending::default())?;
        let id = prepared.old.as_ref().map(|old| old.id);
        clear(tx, kind, change.workspace, id, change.clearance, permit.actor())?;
        let setting = Setting::of(permit, tx.now(), change.reason, change.clearance.ground());
        write(tx, kind, prepared, &setting)
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
        clear(tx, kind, removal.workspace, Some(old.id), removal.clearance, permit.actor())?;
        let setting = Setting::of(permit, tx.now(), removal.reason, removal.clearance.ground());
        remove(tx, kind, old, &setting)
    }

    /// The live entry of that key, for a caller who may read resources there; kinds with confidential fields want the
    /// right to write them too.
    pub fn get(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        readable(kind, permit, workspace)?;
        Ok(rows::find(tx, kind.name(), workspace, key)?)
    }

    /// The live entry of that id, wherever it lives: for kinds' own rooms, which check rights themselves.
    pub fn by_id(&self, tx: &mut Tx<'_>, kind: &str, id: ResourceId) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        Ok(rows::by_id(tx, kind.name(), id)?)
    }

    /// The same by its key.
    pub fn by_key(
        &self,
        tx: &mut Tx<'_>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        Ok(rows::find(tx, kind.name(), workspace, key)?)
    }

    /// All live entries of a kind in a workspace (or of the organisation), by name; as [`Self::get`].
    pub fn list(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
    ) -> Result<Vec<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        readable(kind, permit, workspace)?;
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

/// Whether the holder of a reading permit sees the confidential fields of a kind: those who may write it do, as does
/// everybody where there are none (control E-11). Numbers and addresses of people are not for each who reads
/// configuration.
pub(crate) fn sees_all<C: Cap>(kind: &dyn Kind, permit: &impl Authority<C>) -> bool {
    !crate::registry::has_confidential(kind.fields()) || permit.require(kind.capability()).is_ok()
}

/// Whether the permit reads entries of this kind there, with all that they hold.
fn readable<C: Cap>(kind: &dyn Kind, permit: &impl Authority<C>, workspace: Option<WorkspaceId>) -> Result<(), Error> {
    within(kind, permit.scope(), workspace)?;
    if sees_all(kind, permit) {
        return Ok(());
    }
    Ok(permit.require(kind.capability())?)
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

/// Whether a clearance covers a change. One for the organisation covers a workspace's own entry when its ground would
/// have cleared that workspace.
pub(crate) fn clear(
    tx: &mut Tx<'_>,
    kind: &dyn Kind,
    workspace: Option<WorkspaceId>,
    id: Option<ResourceId>,
    clearance: &Clearance,
    actor: &Actor,
) -> Result<(), Error> {
    let place = guarded(kind, workspace, id);
    if clearance.covers(place) {
        Ok(())
    } else if workspace.is_none() && clearance.covers(None) {
        Clearance::check(tx, place, clearance.ground(), actor).map(|_| ())
    } else {
        Err(Error::WrongClearance)
    }
}
