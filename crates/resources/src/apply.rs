//! Apply and dry run: makes the stored resources equal to a file.
//!
//! Equal means: for each list in the file, the entries of the workspaces that the list (or the file's `workspaces`
//! list) names are created, changed or deleted until they are those of the file. Kinds and workspaces that the file
//! does not mention stay as they are. Everything happens in one transaction; a dry run is that same transaction,
//! rolled back, so that it cannot promise anything else than what an apply does.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use access::{Authority, cap};
use base::{Explain, Problem, ProblemKind, ResourceId, WorkspaceId, nearest};
use store::Tx;

use crate::change::{Applied, ApplyOptions, EntryChange, Outcome, Stored};
use crate::clearance::Clearance;
use crate::document::{Document, Entry, List, under};
use crate::kind::{Kind, KindScope};
use crate::own::WORKSPACES;
use crate::prepare::{Pending, key_of};
use crate::secret::{Draft, Given};
use crate::shape::shape;
use crate::write::{Setting, remove, write};
use crate::writer::{Resources, allow, guarded};
use crate::{Error, fold, rows};

/// Problems that an apply reports at most.
const MAX_PROBLEMS: usize = 200;

/// One entry of the file, with the place it goes to.
struct Planned<'a> {
    kind: &'a dyn Kind,
    workspace: Option<WorkspaceId>,
    slug: Option<&'a str>,
    path: &'a str,
    key: String,
    draft: Draft,
    /// Keys of the same kind that it refers to.
    siblings: Vec<String>,
}

impl Resources {
    /// Makes the stored resources equal to `document`, in one transaction.
    pub async fn apply<P>(&self, permit: &P, document: Document, options: ApplyOptions) -> Result<Applied, Error>
    where
        P: Authority<cap::ResourcesApply> + Clone + Send + Sync + 'static,
    {
        let (this, permit) = (self.clone(), permit.clone());
        let _one_at_a_time = self.applying.lock().await;
        self.db.write(move |tx| this.apply_in(tx, &permit, &document, &options)).await
    }

    /// Says what [`Self::apply`] would do, by doing it and rolling it back.
    pub async fn plan<P>(&self, permit: &P, document: Document, options: ApplyOptions) -> Result<Applied, Error>
    where
        P: Authority<cap::ResourcesApply> + Clone + Send + Sync + 'static,
    {
        let (this, permit) = (self.clone(), permit.clone());
        let _one_at_a_time = self.applying.lock().await;
        let done: Result<(), Error> = self
            .db
            .write(move |tx| {
                let mut applied = this.apply_in(tx, &permit, &document, &options)?;
                applied.dry_run = true;
                applied.drawn.clear();
                Err(Error::DryRun(Box::new(applied)))
            })
            .await;
        match done {
            Err(Error::DryRun(applied)) => Ok(*applied),
            Err(error) => Err(error),
            Ok(()) => Ok(Applied::default()),
        }
    }

    /// [`Self::apply`] in the caller's transaction.
    pub fn apply_in<P: Authority<cap::ResourcesApply>>(
        &self,
        tx: &mut Tx<'_>,
        permit: &P,
        document: &Document,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        rows::lock(tx)?;
        let mut pending = Pending::default();
        let mut problems = Vec::new();
        let (planned, slugs) = self.planned(tx, document, &mut pending, &mut problems)?;
        let setting = Setting::of(permit, tx.now(), options.reason.as_deref(), &options.ground);
        let going = self.going(tx, document, &planned, &slugs)?;

        // Every workspace is cleared before anything changes, so that no entry can lift the control it stands under.
        let touched: BTreeSet<Option<WorkspaceId>> = planned
            .iter()
            .map(|one| (one.kind, one.workspace, pending.get(one.kind.name(), one.workspace, &one.key)))
            .chain(going.iter().map(|(kind, stored)| (*kind, stored.workspace, Some(stored.id))))
            .map(|(kind, workspace, id)| guarded(kind, workspace, id))
            .collect();

        let mut applied = Applied::default();
        let mut cleared: HashMap<Option<WorkspaceId>, Option<Error>> = HashMap::new();
        for workspace in touched {
            cleared.insert(workspace, Clearance::check(tx, workspace, &options.ground, permit.actor()).err());
        }

        for one in &planned {
            let done = allow::<cap::ResourcesApply>(one.kind, permit, one.workspace)
                .and_then(|()| self.prepare(tx, one.kind, one.workspace, &one.draft, &pending))
                .and_then(|prepared| {
                    let id = Some(prepared.id);
                    let written = write(tx, one.kind, prepared, &setting)?;
                    if written.outcome != Outcome::Unchanged {
                        refuse(&mut cleared, guarded(one.kind, one.workspace, id))?;
                    }
                    Ok(written)
                });
            match done {
                Ok(written) => {
                    applied.note(one.kind.name(), one.slug, &one.key, written.outcome, written.difference);
                    applied.drawn.extend(written.drawn.into_iter().map(|mut drawn| {
                        drawn.workspace = one.slug.map(str::to_owned);
                        drawn
                    }));
                }
                Err(error) => collect(&mut problems, one.path, error)?,
            }
        }
        // What goes, goes last and in the other direction, so that nothing points at it any more.
        // After a problem nothing is going to be written: a list that could not be read says nothing of what goes.
        let going = if problems.is_empty() { going } else { Vec::new() };
        for (kind, stored) in going {
            let slug = stored.workspace.and_then(|id| slugs.slug(id)).map(str::to_owned);
            let key = stored.key.clone();
            let place = guarded(kind, stored.workspace, Some(stored.id));
            let done = allow::<cap::ResourcesApply>(kind, permit, stored.workspace)
                .and_then(|()| refuse(&mut cleared, place))
                .and_then(|()| remove(tx, kind, stored, &setting));
            match done {
                Ok(written) => applied.note(kind.name(), slug.as_deref(), &key, written.outcome, written.difference),
                Err(error) => {
                    let path = format!("{} {}", kind.name(), name(slug.as_deref(), &key));
                    collect(&mut problems, &path, error)?;
                }
            }
        }
        if problems.is_empty() {
            Ok(applied)
        } else {
            problems.truncate(MAX_PROBLEMS);
            Err(Error::Invalid(problems))
        }
    }

    /// The file's entries in the order in which they are written, each with its place; ids for new ones.
    fn planned<'a>(
        &'a self,
        tx: &mut Tx<'_>,
        document: &'a Document,
        pending: &mut Pending,
        problems: &mut Vec<Problem>,
    ) -> Result<(Vec<Planned<'a>>, Slugs), Error> {
        let mut slugs = Slugs::load(tx)?;
        let mut planned = Vec::with_capacity(document.len());
        // The registry's order: workspaces come before everything that lives in one.
        for kind in self.registry.kinds() {
            let Some(list) = document.lists.iter().find(|list| list.kind == kind.name()) else { continue };
            let start = planned.len();
            for entry in &list.entries {
                let workspace = match (kind.scope(), entry.workspace.as_deref()) {
                    (KindScope::Organisation, _) => None,
                    (KindScope::Workspace, Some(slug)) => {
                        let Some(id) = slugs.id(slug) else {
                            problems.push(unknown_workspace(entry, slug, &slugs));
                            continue;
                        };
                        Some(id)
                    }
                    (KindScope::Workspace, None) => continue,
                };
                let shaped = shape(kind.fields(), &entry.body);
                let key = match key_of(kind, &shaped.body) {
                    Ok(key) => key,
                    Err(error) => {
                        collect(problems, &entry.path, error)?;
                        continue;
                    }
                };
                if pending.get(kind.name(), workspace, &key).is_some() {
                    problems.push(
                        Problem::new(
                            ProblemKind::Invalid,
                            "twice",
                            "stands in the file twice (names differ by more than case)",
                        )
                        .at(entry.path.clone()),
                    );
                    continue;
                }
                let id: ResourceId = match rows::find(tx, kind.name(), workspace, &key)? {
                    Some(stored) => stored.id,
                    None => tx.context().id(),
                };
                pending.insert(kind.name(), workspace, &key, id);
                if kind.name() == WORKSPACES {
                    slugs.insert(&key, WorkspaceId::from(id.uuid()));
                }
                let siblings = shaped
                    .references
                    .iter()
                    .filter(|reference| reference.kind == kind.name())
                    .map(|reference| fold(&reference.key))
                    .collect();
                let slug = entry.workspace.as_deref();
                planned.push(Planned { kind, workspace, slug, path: &entry.path, key, draft: draft(entry), siblings });
            }
            order_siblings(&mut planned[start..]);
        }
        Ok((planned, slugs))
    }

    /// The stored entries that the file's lists leave out, kinds that refer before those referred to.
    fn going<'a>(
        &'a self,
        tx: &mut Tx<'_>,
        document: &Document,
        planned: &[Planned<'_>],
        slugs: &Slugs,
    ) -> Result<Vec<(&'a dyn Kind, Stored)>, Error> {
        let named = document.lists.iter().find(|list| list.kind == WORKSPACES);
        let named: Vec<WorkspaceId> = named.map(|list| slugs.named(list)).unwrap_or_default();
        let mut out = Vec::new();
        for kind in self.registry.kinds().rev() {
            let Some(list) = document.lists.iter().find(|list| list.kind == kind.name()) else { continue };
            let places: BTreeSet<Option<WorkspaceId>> = match kind.scope() {
                KindScope::Organisation => [None].into(),
                KindScope::Workspace => list
                    .entries
                    .iter()
                    .filter_map(|entry| slugs.id(entry.workspace.as_deref()?))
                    .chain(named.iter().copied())
                    .map(Some)
                    .collect(),
            };
            for place in places {
                for stored in rows::list(tx, kind.name(), place)? {
                    let stays = planned.iter().any(|one| {
                        one.kind.name() == kind.name() && one.workspace == place && fold(&one.key) == fold(&stored.key)
                    });
                    if !stays {
                        out.push((kind, stored));
                    }
                }
            }
        }
        Ok(out)
    }
}

/// The clearance of a workspace, or why there is none; said once for each workspace.
fn refuse(
    cleared: &mut HashMap<Option<WorkspaceId>, Option<Error>>,
    workspace: Option<WorkspaceId>,
) -> Result<(), Error> {
    match cleared.get_mut(&workspace) {
        Some(refusal @ Some(_)) => Err(refusal.take().unwrap_or(Error::Controlled)),
        _ => Ok(()),
    }
}

/// Keeps what the file's author can mend and goes on; anything else ends the apply.
fn collect(problems: &mut Vec<Problem>, path: &str, error: Error) -> Result<(), Error> {
    match error {
        Error::Invalid(found) => problems.extend(found.into_iter().map(|problem| under(path, problem))),
        error @ Error::Referenced { .. } => problems.push(under(path, error.problem())),
        error => {
            let problem = error.problem();
            if matches!(problem.kind, ProblemKind::Internal | ProblemKind::Unavailable | ProblemKind::Forbidden) {
                return Err(error);
            }
            // A statement may have failed, after which nothing else can be tried in this transaction.
            tracing::debug!(%error, "an apply ends at an entry that its kind refused");
            problems.push(under(path, problem));
            return Err(Error::Invalid(std::mem::take(problems)));
        }
    }
    Ok(())
}

fn draft(entry: &Entry<Given>) -> Draft {
    Draft { body: entry.body.clone(), secrets: entry.secrets.iter().cloned().collect() }
}

fn unknown_workspace(entry: &Entry<Given>, slug: &str, slugs: &Slugs) -> Problem {
    let hint = match nearest(slug, slugs.0.iter().map(|(known, _)| known.as_str())) {
        "" => "no such workspace; there is none yet: add it under workspaces:".to_owned(),
        near => format!("no such workspace; did you mean {near}?"),
    };
    Problem::new(ProblemKind::Invalid, "no-such-workspace", hint).at(format!("{}.workspace", entry.path))
}

/// Within a kind, entries that are referred to come first. Entries in a circle keep the file's order: their ids are
/// known beforehand, and kinds that allow circles keep no foreign keys for them.
fn order_siblings(entries: &mut [Planned<'_>]) {
    let mut start = 0;
    while start < entries.len() {
        let ready = (start..entries.len()).find(|at| {
            entries[*at].siblings.iter().all(|sibling| {
                !entries[start..].iter().any(|other| {
                    fold(&other.key) == *sibling
                        && other.workspace == entries[*at].workspace
                        && fold(&entries[*at].key) != *sibling
                })
            })
        });
        let ready = ready.unwrap_or(start);
        entries[start..=ready].rotate_right(1);
        start += 1;
    }
}

/// Slugs of workspaces and their ids, stored ones and those of the file.
struct Slugs(Vec<(String, WorkspaceId)>);

impl Slugs {
    fn load(tx: &mut Tx<'_>) -> Result<Self, Error> {
        let stored = rows::list(tx, WORKSPACES, None)?;
        Ok(Self(stored.into_iter().map(|one| (one.key, WorkspaceId::from(one.id.uuid()))).collect()))
    }

    fn id(&self, slug: &str) -> Option<WorkspaceId> {
        let folded = fold(slug);
        self.0.iter().find(|(known, _)| fold(known) == folded).map(|(_, id)| *id)
    }

    fn slug(&self, id: WorkspaceId) -> Option<&str> {
        self.0.iter().find(|(_, known)| *known == id).map(|(slug, _)| slug.as_str())
    }

    fn insert(&mut self, slug: &str, id: WorkspaceId) {
        if self.id(slug).is_none() {
            self.0.push((slug.to_owned(), id));
        }
    }

    fn named(&self, list: &List<Given>) -> Vec<WorkspaceId> {
        list.entries.iter().filter_map(|entry| self.id(entry.body.get("slug")?.as_str()?)).collect()
    }
}

fn name(slug: Option<&str>, key: &str) -> String {
    slug.map_or_else(|| key.to_owned(), |slug| format!("{slug}/{key}"))
}

impl Applied {
    fn note(
        &mut self,
        kind: &'static str,
        slug: Option<&str>,
        key: &str,
        outcome: Outcome,
        difference: crate::Difference,
    ) {
        if outcome == Outcome::Unchanged {
            self.unchanged += 1;
        } else {
            let workspace = slug.map(str::to_owned);
            self.changes.push(EntryChange { kind, workspace, key: key.to_owned(), outcome, difference });
        }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.changes.iter().filter(|change| change.outcome == outcome).count()
    }
}

impl fmt::Display for Applied {
    /// What people read on the terminal: one line for each entry, its fields under it, a sum at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return writeln!(f, "nothing to change ({} as they should be)", self.unchanged);
        }
        for change in &self.changes {
            let sign = match change.outcome {
                Outcome::Created => '+',
                Outcome::Deleted => '-',
                Outcome::Updated | Outcome::Unchanged => '~',
            };
            let what = name(change.workspace.as_deref(), &change.key);
            let would = if self.dry_run { " would be " } else { " " };
            writeln!(f, "{sign} {} {what}{would}{}", change.kind, change.outcome.name())?;
            for line in &change.difference.0 {
                writeln!(f, "    {line}")?;
            }
        }
        let (created, updated, deleted) =
            (self.count(Outcome::Created), self.count(Outcome::Updated), self.count(Outcome::Deleted));
        writeln!(f, "{created} created, {updated} updated, {deleted} deleted, {} unchanged", self.unchanged)
    }
}
