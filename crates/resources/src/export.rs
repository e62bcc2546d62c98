//! Reading configuration back: export as a file that can be applied again, history, and restoring a version.

use std::fmt::Write as _;

use access::{Authority, Cap, Scope, cap};
use base::WorkspaceId;
use serde_json::Map;
use store::Tx;

use crate::change::{Filter, VersionEntry, Written};
use crate::clearance::{Clearance, Ground};
use crate::kind::{Kind, KindScope};
use crate::prepare::Pending;
use crate::secret::Draft;
use crate::shape::{at, secret_fields, set, take};
use crate::write::{Setting, write};
use crate::writer::{Resources, allow, clear, sees_all, within};
use crate::{Error, Json, rows};

/// What an exported file says first.
const HEAD: &str = "# Exported by `loudhailer export`. Secrets are left out: {unchanged: true} keeps the stored one.\n";

/// A body as it may be shown and applied again.
pub(crate) fn redacted(kind: &dyn Kind, body: &Json) -> Json {
    let mut out = body.clone();
    for (path, _) in secret_fields(kind.fields()) {
        if at(&out, &path).is_some_and(|leaf| !leaf.is_null()) {
            set(&mut out, &path, serde_json::json!({ "unchanged": true }));
        }
    }
    out
}

impl Resources {
    /// The resources as a file, the same text for the same state. Audited, since an export is how configuration leaves
    /// (so `tx` must be a writing one). Kinds whose confidential fields the caller may not read are left out.
    pub fn export(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        filter: &Filter,
    ) -> Result<String, Error> {
        for name in &filter.kinds {
            self.registry.require(name)?;
        }
        let workspaces = rows::list(tx, crate::own::WORKSPACES, None)?;
        let reach = |id: WorkspaceId| {
            filter.workspace.is_none_or(|only| only == id)
                && match permit.scope() {
                    Scope::Organisation => true,
                    Scope::Workspace(here) => here == id,
                }
        };
        if filter
            .workspace
            .is_some_and(|only| !workspaces.iter().any(|one| one.id.uuid() == only.uuid() && reach(only)))
        {
            return Err(Error::OutOfScope);
        }
        let organisation = filter.workspace.is_none() && permit.scope() == Scope::Organisation;
        let mut out = HEAD.to_owned();
        let mut count = 0_usize;
        for kind in self.registry.kinds() {
            if !filter.kinds.is_empty() && !filter.kinds.iter().any(|name| name == kind.name()) {
                continue;
            }
            if !sees_all(kind, permit) {
                let _ = write!(
                    out,
                    "\n# {} are left out: they have confidential fields that you may not read.\n",
                    kind.name()
                );
                continue;
            }
            let mut entries = Vec::new();
            match kind.scope() {
                KindScope::Organisation if organisation => {
                    entries.extend(rows::list(tx, kind.name(), None)?.iter().map(|one| redacted(kind, &one.body)));
                }
                KindScope::Organisation => {}
                KindScope::Workspace => {
                    for workspace in &workspaces {
                        let id = WorkspaceId::from(workspace.id.uuid());
                        if !reach(id) {
                            continue;
                        }
                        for one in rows::list(tx, kind.name(), Some(id))? {
                            let mut body = Map::new();
                            body.insert("workspace".to_owned(), Json::String(workspace.key.clone()));
                            if let Json::Object(fields) = redacted(kind, &one.body) {
                                body.extend(fields);
                            }
                            entries.push(Json::Object(body));
                        }
                    }
                }
            }
            if !entries.is_empty() {
                count += entries.len();
                let mut top = Map::new();
                top.insert(kind.name().to_owned(), Json::Array(entries));
                out.push('\n');
                out.push_str(&yaml(&Json::Object(top))?);
            }
        }
        audit::record(
            tx,
            audit::Entry {
                actor: permit.actor(),
                workspace: filter.workspace,
                action: "resource.export",
                target: ("resources", ""),
                outcome: audit::Outcome::Success,
                reason: None,
                changes: Some(serde_json::json!({ "kinds": filter.kinds, "entries": count })),
            },
        )?;
        Ok(out)
    }

    /// The versions of every entry that has or had that name, newest first; without the values of confidential fields
    /// for those who may not write the kind.
    pub fn history(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Vec<VersionEntry>, Error> {
        let kind = self.registry.require(kind)?;
        within(kind, permit.scope(), workspace)?;
        let mut found = rows::history(tx, kind.name(), workspace, key)?;
        if !sees_all(kind, permit) {
            for entry in &mut found {
                entry.difference.hide();
            }
        }
        if found.is_empty() { Err(Error::NotFound) } else { Ok(found) }
    }

    /// Makes an older version the newest one. Secrets stay as they are now: a secret that was changed because it
    /// leaked must not come back. What was deleted is not restored but made anew, under a new id (E-16). The rights are those
    /// of [`Self::put`].
    #[expect(clippy::too_many_arguments, reason = "who, what, where, which and why")]
    pub fn restore_version<C: Cap>(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<C>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
        version: i64,
        reason: Option<&str>,
        clearance: &Clearance,
    ) -> Result<Written, Error> {
        let kind = self.registry.require(kind)?;
        allow(kind, permit, workspace)?;
        rows::lock(tx)?;
        let now = rows::find(tx, kind.name(), workspace, key)?.ok_or(Error::NotFound)?;
        clear(tx, kind, workspace, Some(now.id), clearance, permit.actor())?;
        let mut body = rows::version_body(tx, now.id, version)?.ok_or(Error::NoSuchVersion)?;
        let mut draft = Draft::default();
        for (path, _) in secret_fields(kind.fields()) {
            take(&mut body, &path);
            if at(&now.body, &path).is_some() {
                draft = draft.unchanged(path);
            }
        }
        draft.body = body;
        let why = format!("restore of version {version}");
        let reason = reason.map_or_else(|| why.clone(), |reason| format!("{why}: {reason}"));
        let setting = Setting::of(permit, tx.now(), Some(&reason), clearance.ground());
        let prepared = self.prepare(tx, kind, workspace, &draft, &Pending::default())?;
        write(tx, kind, prepared, &setting)
    }

    /// Clears a change to `workspace` (`None`: the organisation) on `ground`; see [`Clearance::check`].
    pub fn clear<C: Cap>(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<C>,
        workspace: Option<WorkspaceId>,
        ground: &Ground,
    ) -> Result<Clearance, Error> {
        Clearance::check(tx, workspace, ground, permit.actor())
    }

    /// Waits until nobody else changes configuration or rotates keys: for rooms that seal under keys that last, outside of a
    /// change.
    pub fn lock(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        Ok(rows::lock(tx)?)
    }

    /// The id of the workspace with that slug; for doors that address workspaces by slug.
    pub fn workspace(&self, tx: &mut Tx<'_>, slug: &str) -> Result<Option<WorkspaceId>, Error> {
        Ok(rows::find(tx, crate::own::WORKSPACES, None, slug)?.map(|one| WorkspaceId::from(one.id.uuid())))
    }
}

pub(crate) fn yaml(value: &Json) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! { indent_step: 2, prefer_block_scalars: true };
    serde_saphyr::to_string_with_options(value, options)
        .map(|text| if text.ends_with('\n') { text } else { format!("{text}\n") })
        .map_err(|error| Error::Kind { problem: Box::new(base::Problem::internal()), cause: Box::new(error) })
}
