//! What every form that changes configuration does: it saves an entry on the version that its author looked at, under the right
//! that the kind itself asks for, with a reason and, where changes are controlled, with their reference.

use access::{Authority, Cap, Capability, Grants, OrganisationPermit, cap};
use base::{Explain as _, ResourceId, WorkspaceId};
use http::{Answer, InWorkspace, Refusal};
use resources::{Draft, Edit, Error, Json, KindScope, Removal, Stored, Upon, Written};
use serde::Deserialize;
use store::Tx;

use crate::Console;
use crate::change::ground;
use crate::page::Wrong;

/// What each of these forms asks besides its own fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Why {
    /// Why, for history and audit log.
    pub reason: String,
    /// The reference of an approved change.
    pub change: String,
    /// The version that its author looked at; none for a new entry.
    pub version: Option<i64>,
}

/// The same as a form shows it.
#[derive(Clone, Debug, Default)]
pub struct WhyView {
    /// Why.
    pub reason: String,
    /// The reference.
    pub change: String,
    /// The version.
    pub version: i64,
    /// Whether a reference is asked for.
    pub controlled: bool,
}

impl Why {
    /// As the form shows it again.
    pub fn view(&self, controlled: bool) -> WhyView {
        let (reason, change) = (self.reason.clone(), self.change.clone());
        WhyView { reason, change, version: self.version.unwrap_or_default(), controlled }
    }

    /// The reason, unless it was left empty.
    pub fn reason(&self) -> Option<String> {
        Some(self.reason.trim().chars().take(500).collect::<String>()).filter(|reason| !reason.is_empty())
    }
}

/// What is done with an entry.
#[derive(Clone, Debug)]
pub enum Act {
    /// It is saved.
    Save,
    /// What saving would do is said.
    Rehearse,
}

/// An entry to go.
#[derive(Clone, Debug)]
pub struct Going {
    /// Its kind.
    pub kind: &'static str,
    /// Its workspace.
    pub workspace: Option<WorkspaceId>,
    /// Its key.
    pub key: String,
}

/// A version to come back.
#[derive(Clone, Debug)]
pub struct Coming {
    /// The entry.
    pub entry: Going,
    /// The version.
    pub version: i64,
}

#[derive(Clone)]
enum Done {
    Edit(Act, Edit),
    Delete(Going, Why),
    Restore(Coming, Why),
}

impl Done {
    fn kind(&self) -> &str {
        match self {
            Self::Edit(_, edit) => &edit.kind,
            Self::Delete(going, _) => going.kind,
            Self::Restore(coming, _) => coming.entry.kind,
        }
    }

    const fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::Edit(_, edit) => edit.workspace,
            Self::Delete(going, _) => going.workspace,
            Self::Restore(coming, _) => coming.entry.workspace,
        }
    }
}

impl Console {
    /// Saves or rehearses `draft` as an entry of `kind`, upon the entry of that key when `known` names one.
    pub async fn edit<C: Cap>(
        &self,
        guard: &InWorkspace<C>,
        act: Act,
        kind: &'static str,
        known: Option<&str>,
        draft: Draft,
        why: &Why,
    ) -> Result<Written, Error> {
        let upon = match known {
            Some(key) => Upon::Version { key: key.to_owned(), version: why.version.unwrap_or_default() },
            None => Upon::Nothing,
        };
        let edit = Edit {
            kind: kind.to_owned(),
            workspace: self.place(kind, guard.workspace()),
            upon,
            draft,
            reason: why.reason(),
            ground: ground(&why.change)?,
        };
        self.done(guard.caller().grants(), Done::Edit(act, edit)).await
    }

    /// Deletes an entry.
    pub async fn remove<C: Cap>(&self, guard: &InWorkspace<C>, going: Going, why: &Why) -> Result<Written, Error> {
        self.done(guard.caller().grants(), Done::Delete(going, why.clone())).await
    }

    /// Makes an older version the newest one.
    pub async fn restore<C: Cap>(&self, guard: &InWorkspace<C>, coming: Coming, why: &Why) -> Result<Written, Error> {
        self.done(guard.caller().grants(), Done::Restore(coming, why.clone())).await
    }

    /// Where entries of `kind` live, seen from a workspace.
    pub fn place(&self, kind: &str, here: WorkspaceId) -> Option<WorkspaceId> {
        let scope = self.resources.registry().get(kind).map(resources::Kind::scope);
        (scope == Some(KindScope::Workspace)).then_some(here)
    }

    /// Whether somebody may write entries of `kind`, seen from a workspace.
    pub fn may_edit<C: Cap>(&self, guard: &InWorkspace<C>, kind: &str) -> bool {
        let Some(kind) = self.resources.registry().get(kind) else { return false };
        let grants = guard.caller().grants();
        match kind.scope() {
            KindScope::Organisation => grants.organisation_capabilities().contains(kind.capability()),
            KindScope::Workspace => grants.may(kind.capability(), guard.workspace()),
        }
    }

    /// Whether somebody may add entries of `kind`: not who may change single ones alone.
    pub fn may_add<C: Cap>(&self, guard: &InWorkspace<C>, kind: &str) -> bool {
        self.may_edit_entry(guard, kind, ResourceId::from(uuid::Uuid::nil()))
    }

    /// The same for one entry: a supervisor changes their own groups.
    pub fn may_edit_entry<C: Cap>(&self, guard: &InWorkspace<C>, kind: &str, id: ResourceId) -> bool {
        let Some(found) = self.resources.registry().get(kind) else { return false };
        let grants = guard.caller().grants();
        match found.scope() {
            KindScope::Organisation => self.may_edit(guard, kind),
            KindScope::Workspace => grants.reaches(found.capability(), guard.workspace(), id),
        }
    }

    /// The entry that a typed page shows to somebody who may change it. Not found for everybody else, and when it is of
    /// another workspace.
    pub async fn stored<C: Cap>(&self, guard: &InWorkspace<C>, kind: &'static str, id: ResourceId) -> Answer<Stored> {
        if !self.may_edit_entry(guard, kind, id) {
            return Err(Refusal::not_found());
        }
        let resources = self.resources.clone();
        let found: Result<_, Error> = self.db.read(move |tx| resources.by_id(tx, kind, id)).await;
        let place = self.place(kind, guard.workspace());
        found?.filter(|stored| stored.workspace == place).ok_or_else(Refusal::not_found)
    }

    /// The same by its key, for kinds whose keys name no person.
    pub async fn stored_named<C: Cap>(&self, guard: &InWorkspace<C>, kind: &'static str, key: &str) -> Answer<Stored> {
        if !self.may_edit(guard, kind) {
            return Err(Refusal::not_found());
        }
        self.read_named(guard, kind, key).await?.ok_or_else(Refusal::not_found)
    }

    /// An entry by its key, as far as its reader may see it.
    async fn read_named<C: Cap>(
        &self,
        guard: &InWorkspace<C>,
        kind: &'static str,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        let (resources, key, grants) = (self.resources.clone(), key.to_owned(), guard.caller().grants());
        match self.place(kind, guard.workspace()) {
            None => {
                let permit = grants.permit_organisation::<cap::ResourcesRead>()?;
                self.db.read(move |tx| resources.get(tx, &permit, kind, None, &key)).await
            }
            Some(place) => {
                let permit = grants.permit::<cap::ResourcesRead>(place)?;
                self.db.read(move |tx| resources.get(tx, &permit, kind, Some(place), &key)).await
            }
        }
    }

    /// Where an entry's text and history stand, for a reader who may see them.
    pub async fn entry_path<C: Cap>(
        &self,
        guard: &InWorkspace<C>,
        kind: &'static str,
        key: &str,
    ) -> Answer<Option<String>> {
        match self.read_named(guard, kind, key).await {
            Ok(found) => Ok(found.map(|stored| entry_path(guard.name(), kind, stored.id))),
            Err(Error::Denied(_) | Error::OutOfScope) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn done(&self, grants: &Grants, done: Done) -> Result<Written, Error> {
        let kind = self.resources.registry().get(done.kind()).ok_or(Error::NotFound)?;
        match kind.capability() {
            Capability::CarriersWrite => self.under::<cap::CarriersWrite>(grants, done).await,
            Capability::GroupsWrite => self.under::<cap::GroupsWrite>(grants, done).await,
            Capability::RolesWrite => self.under::<cap::RolesWrite>(grants, done).await,
            Capability::PeopleWrite => self.under::<cap::PeopleWrite>(grants, done).await,
            Capability::SignInManage => self.under::<cap::SignInManage>(grants, done).await,
            Capability::IntegrationsWrite => self.under::<cap::IntegrationsWrite>(grants, done).await,
            Capability::FlowsWrite => self.under::<cap::FlowsWrite>(grants, done).await,
            Capability::ApiKeysManage => self.under::<cap::ApiKeysManage>(grants, done).await,
            Capability::WorkspaceWrite => self.under::<cap::WorkspaceWrite>(grants, done).await,
            _ => self.under::<cap::ResourcesApply>(grants, done).await,
        }
    }

    async fn under<C: Cap>(&self, grants: &Grants, done: Done) -> Result<Written, Error> {
        match done.workspace() {
            Some(workspace) => self.with(grants.permit::<C>(workspace)?, done).await,
            None => self.with(grants.permit_organisation::<C>()?, done).await,
        }
    }

    async fn with<C: Cap, P>(&self, permit: P, done: Done) -> Result<Written, Error>
    where
        P: Authority<C> + Clone + Send + Sync + 'static,
    {
        let resources = self.resources.clone();
        match done {
            Done::Edit(Act::Rehearse, edit) => resources.rehearse(&permit, edit).await,
            Done::Edit(Act::Save, edit) => self.db.write(move |tx| resources.edit(tx, &permit, &edit)).await,
            Done::Delete(going, why) => {
                self.db
                    .write(move |tx: &mut Tx<'_>| {
                        let clearance = resources.clear(tx, &permit, going.workspace, &ground(&why.change)?)?;
                        let (kind, workspace, key, reason) = (going.kind, going.workspace, &going.key, why.reason());
                        let removal =
                            Removal { kind, workspace, key, reason: reason.as_deref(), clearance: &clearance };
                        resources.delete(tx, &permit, removal)
                    })
                    .await
            }
            Done::Restore(Coming { entry, version }, why) => {
                self.db
                    .write(move |tx: &mut Tx<'_>| {
                        let clearance = resources.clear(tx, &permit, entry.workspace, &ground(&why.change)?)?;
                        let (kind, workspace, key, reason) = (entry.kind, entry.workspace, &entry.key, why.reason());
                        resources.restore_version(
                            tx,
                            &permit,
                            kind,
                            workspace,
                            key,
                            version,
                            reason.as_deref(),
                            &clearance,
                        )
                    })
                    .await
            }
        }
    }
}

/// The right of a page over the whole organisation, where carriers and people belong: somebody who has it in one workspace
/// alone is told so, before they fill in a form.
pub fn everywhere<C: Cap>(guard: &InWorkspace<C>) -> Answer<OrganisationPermit<C>> {
    Ok(guard.caller().grants().permit_organisation()?)
}

/// Where the text and history of an entry stand.
pub fn entry_path(slug: &str, kind: &str, id: ResourceId) -> String {
    format!("/w/{slug}/config/{kind}/{id}")
}

/// What is wrong, for the form; what nobody can mend there is a refusal.
pub fn mistakes(error: Error) -> Answer<Wrong> {
    Wrong::of(error.problems()).map_err(|_| Refusal::new(error.problem()).because(error))
}

/// A number as a form sends it: none when it was left empty; anything else as it is, for the writer to say what is wrong.
pub fn number(text: &str) -> Json {
    match text.trim() {
        "" => Json::Null,
        digits => digits.parse::<i64>().map_or_else(|_| digits.into(), Json::from),
    }
}

/// A text as a form sends it: none when it was left empty.
pub fn text(text: &str) -> Json {
    match text.trim() {
        "" => Json::Null,
        text => text.into(),
    }
}

/// A body's text field, as a form shows it.
pub fn shown(body: &Json, path: &str) -> String {
    match path.split('.').try_fold(body, |value, part| value.get(part)) {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_left_empty_says_nothing_and_a_wrong_one_stays_as_it_is() {
        assert_eq!((number(" 7 "), number(""), number("seven")), (7.into(), Json::Null, "seven".into()));
        assert_eq!((text(" a "), text("  ")), ("a".into(), Json::Null));
        let body = serde_json::json!({ "cost": { "amount": 0.5 }, "name": "ops", "on": true });
        assert_eq!(
            (shown(&body, "cost.amount"), shown(&body, "name"), shown(&body, "no")),
            ("0.5".into(), "ops".into(), String::new())
        );
        assert_eq!(shown(&body, "on"), "true");
    }

    #[test]
    fn an_empty_reason_is_none() {
        assert_eq!(Why { reason: "  ".into(), ..Why::default() }.reason(), None);
        assert_eq!(Why { reason: " because ".into(), ..Why::default() }.reason().as_deref(), Some("because"));
    }
}
