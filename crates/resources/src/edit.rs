//! One entry, changed by hand: by a form that knows its fields, or by the editor that shows it as text.
//!
//! Both say which version their author looked at, so that nobody overwrites what somebody else saved in between; and both can be
//! rehearsed: the same change, rolled back, so that what is shown before saving is what saving does.

use std::sync::{Arc, Mutex, PoisonError};

use access::{Authority, Cap, cap};
use base::{Problem, ProblemKind, WorkspaceId};
use serde_json::Map;
use store::Tx;

use crate::change::{Applied, Stored, Written};
use crate::clearance::{Clearance, Ground};
use crate::kind::Kind;
use crate::prepare::Pending;
use crate::secret::{Draft, Given};
use crate::shape::{secret_fields, take};
use crate::write::{Setting, write};
use crate::writer::{Resources, allow, guarded, within};
use crate::{Error, Json, export, fold, read, rows};

/// What a change was made on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upon {
    /// Nothing: the entry is to be new.
    Nothing,
    /// This version of the entry of this key.
    Version {
        /// The natural key.
        key: String,
        /// The version that its author looked at.
        version: i64,
    },
}

/// One entry as its author wants it.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The kind, `groups`.
    pub kind: String,
    /// The workspace; `None` for kinds of the organisation.
    pub workspace: Option<WorkspaceId>,
    /// What the author looked at.
    pub upon: Upon,
    /// The whole body.
    pub draft: Draft,
    /// Why, for history and audit log.
    pub reason: Option<String>,
    /// What the change stands on.
    pub ground: Ground,
}

impl Resources {
    /// Creates or changes one entry on what its author looked at, in the caller's transaction. [`Error::Conflict`] when that is
    /// not what is stored any more. The rights are those of [`Self::put`].
    pub fn edit<C: Cap>(&self, tx: &mut Tx<'_>, permit: &impl Authority<C>, edit: &Edit) -> Result<Written, Error> {
        let kind = self.registry.require(&edit.kind)?;
        allow(kind, permit, edit.workspace)?;
        rows::lock(tx)?;
        let prepared = self.prepare(tx, kind, edit.workspace, &edit.draft, &Pending::default())?;
        match (&edit.upon, &prepared.old) {
            (Upon::Nothing, None) => {}
            (Upon::Nothing, Some(_)) => {
                return Err(Error::invalid(
                    key_field(kind, &prepared.body, &prepared.key),
                    "name-taken",
                    "there is one of this name already; choose another name, or change that one",
                ));
            }
            (Upon::Version { key, version }, Some(old)) if fold(key) == fold(&old.key) => {
                if old.version != *version {
                    return Err(Error::Conflict);
                }
            }
            (Upon::Version { key, .. }, _) => {
                if rows::find(tx, kind.name(), edit.workspace, key)?.is_none() {
                    return Err(Error::Conflict);
                }
                return Err(Error::invalid(
                    key_field(kind, &prepared.body, &prepared.key),
                    "name-changed",
                    "a name stays for ever, since others refer to it; make a new one and delete this one",
                ));
            }
        }
        let place = guarded(kind, edit.workspace, prepared.old.as_ref().map(|old| old.id));
        Clearance::check(tx, place, &edit.ground, permit.actor())?;
        let setting = Setting::of(permit, tx.now(), edit.reason.as_deref(), &edit.ground);
        write(tx, kind, prepared, &setting)
    }

    /// Says what [`Self::edit`] would do, by doing it and rolling it back. Draws no secret that anybody could use.
    pub async fn rehearse<C, P>(&self, permit: &P, edit: Edit) -> Result<Written, Error>
    where
        C: Cap,
        P: Authority<C> + Clone + Send + Sync + 'static,
    {
        let said: Arc<Mutex<Option<Written>>> = Arc::default();
        let (this, permit, kept) = (self.clone(), permit.clone(), Arc::clone(&said));
        let done: Result<(), Error> = self
            .db
            .write(move |tx| {
                let mut written = this.edit(tx, &permit, &edit)?;
                written.drawn.clear();
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
                Err(Error::DryRun(Box::new(Applied { dry_run: true, ..Applied::default() })))
            })
            .await;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (done, said) {
            (Err(Error::DryRun(_)), Some(written)) => Ok(written),
            (Err(error), _) => Err(error),
            (Ok(()), _) => Err(Error::NotFound),
        }
    }

    /// One body as YAML, in the order of the kind's fields, with each secret as `{unchanged: true}`.
    pub fn text(&self, kind: &str, body: &Json) -> Result<String, Error> {
        export::yaml(&export::redacted(self.registry.require(kind)?, body))
    }

    /// What [`Self::text`] wrote, perhaps changed by a person. A secret can stay or be drawn anew; a value has no place in a
    /// text that is shown again, saved by browsers and pasted elsewhere.
    pub fn read_text(&self, kind: &str, text: &str) -> Result<Draft, Error> {
        let kind = self.registry.require(kind)?;
        let mut body = match read::yaml(text)? {
            Json::Null => Json::Object(Map::new()),
            body @ Json::Object(_) => body,
            _ => {
                return Err(Error::invalid("", "not-an-entry", "One entry is expected here: lines such as name: ops."));
            }
        };
        let mut draft = Draft::default();
        let mut problems = Vec::new();
        for (path, _) in secret_fields(kind.fields()) {
            match take(&mut body, &path) {
                None | Some(Json::Null) => {}
                Some(value) => match said_about(&value) {
                    Some(given) => {
                        draft.secrets.insert(path, given);
                    }
                    None => problems.push(
                        Problem::new(
                            ProblemKind::Invalid,
                            "secret-in-clear",
                            "a secret is never part of this text: {unchanged: true} keeps it; set another one in its form",
                        )
                        .at(path),
                    ),
                },
            }
        }
        draft.body = body;
        if problems.is_empty() { Ok(draft) } else { Err(Error::Invalid(problems)) }
    }

    /// Whether a kind holds personal or otherwise confidential values: its text is opened by [`Self::open`], in the audit log.
    pub fn is_confidential(&self, kind: &str) -> Result<bool, Error> {
        Ok(crate::registry::has_confidential(self.registry.require(kind)?.fields()))
    }

    /// An entry with its confidential values, for those who may write its kind. That they were read is written to the audit log,
    /// so `tx` must be a writing one.
    pub fn open(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        let kind = self.registry.require(kind)?;
        permit.require(kind.capability())?;
        let Some(stored) = self.get(tx, permit, kind.name(), workspace, key)? else { return Ok(None) };
        let entry = audit::Entry {
            actor: permit.actor(),
            workspace,
            action: "resource.read",
            target: (kind.name(), &stored.id.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(serde_json::json!({ "version": stored.version })),
        };
        audit::record(tx, entry)?;
        Ok(Some(stored))
    }

    /// What refers to an entry, at most ten: `groups demo/ops (members[0].user)`. Nothing of that can be left pointing nowhere, so
    /// deleting is refused while there is any.
    pub fn referrers(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::ResourcesRead>,
        kind: &str,
        workspace: Option<WorkspaceId>,
        key: &str,
    ) -> Result<Vec<String>, Error> {
        let kind = self.registry.require(kind)?;
        within(kind, permit.scope(), workspace)?;
        let Some(stored) = rows::find(tx, kind.name(), workspace, key)? else { return Err(Error::NotFound) };
        Ok(rows::referrers(tx, stored.id)?)
    }
}

fn said_about(value: &Json) -> Option<Given> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    match map.iter().next()? {
        (name, Json::Bool(true)) if name == "unchanged" => Some(Given::Unchanged),
        (name, Json::Bool(true)) if name == "draw" => Some(Given::Draw),
        _ => None,
    }
}

/// The field that holds the key, when one does: problems with the name stand there.
fn key_field(kind: &dyn Kind, body: &Json, key: &str) -> String {
    let holds = |name: &&str| body.get(*name).and_then(Json::as_str) == Some(key);
    kind.fields().iter().map(|field| field.name).find(holds).unwrap_or_default().to_owned()
}
