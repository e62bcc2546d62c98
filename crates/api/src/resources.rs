//! Configuration as a file: plan, apply, export, history, restore.

mod docs;

use std::sync::Arc;

use ::resources::{
    Applied, ApplyOptions, ChangeReference, Difference, Document, Drawn, EntryChange, Error, Filter, Ground, Outcome,
    Parsed, Removal, Resources, SecretSource, SourceError, VersionEntry,
};
use access::{Authority, Cap, OrganisationPermit, cap};
use base::{AuditId, Explain, ExposeSecret, Problem, ProblemKind, ResourceId, SecretString, WorkspaceId};
use http::{
    Answer, Attempt, ContentType, HeaderMap, InOrganisation, Json, Path, Query, Raw, Refusal, Reply, Response, Routes,
    State, StatusCode, download, header,
};
use serde::{Deserialize, Serialize};
use store::Tx;
use utoipa::ToSchema;

use crate::body::{List, refused};
use crate::time::At;
use crate::words::{ChangeWord, LineWord};
use crate::{Api, IMPORT_LIMIT};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    const FILES: &[ContentType] = &[ContentType::Json, ContentType::Yaml];
    routes
        .post("/api/v1/resources/plan", plan)
        .limit(IMPORT_LIMIT)
        .accepts(FILES)
        .doc(docs::plan())
        .post("/api/v1/resources/apply", apply)
        .limit(IMPORT_LIMIT)
        .accepts(FILES)
        .atomic()
        .shows_secret()
        .doc(docs::apply())
        .get("/api/v1/resources/export", export)
        .doc(docs::export())
        .get("/api/v1/resources/{kind}/{name}/history", history)
        .doc(docs::history())
        .post("/api/v1/resources/{kind}/{name}/restore", restore)
        .atomic()
        .doc(docs::restore())
}

/// All problems of a file at once, each with its path.
pub(crate) fn explained(error: Error) -> Refusal {
    let all = error.problems();
    let refusal = refused(error.problem(), all);
    if refusal.problem().kind == ProblemKind::Internal { refusal.because(error) } else { refusal }
}

/// What an apply did or would do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Applied)]
struct AppliedView {
    /// Whether nothing was written.
    dry_run: bool,
    /// Entries that are so already.
    unchanged: usize,
    /// What changed, or would.
    changes: Vec<ChangeView>,
    /// Secrets that we drew, shown here and never again.
    drawn: Vec<DrawnView>,
}

/// One entry that changed, or would.
#[derive(Serialize, ToSchema)]
#[schema(as = AppliedChange)]
struct ChangeView {
    /// Its kind, such as `integrations`.
    kind: &'static str,
    /// Its workspace's short name; null for what belongs to the organisation.
    workspace: Option<String>,
    /// Its natural key.
    key: String,
    /// What became of it.
    #[schema(value_type = ChangeWord)]
    outcome: Outcome,
    /// What is different, field by field.
    #[schema(value_type = Vec<LineWord>)]
    difference: Difference,
}

/// A secret that we drew.
#[derive(Serialize, ToSchema)]
#[schema(as = DrawnSecret)]
struct DrawnView {
    /// The entry's kind.
    kind: &'static str,
    /// Its workspace's short name.
    workspace: Option<String>,
    /// Its natural key.
    key: String,
    /// The field.
    field: String,
    /// The secret, shown here and never again.
    secret: String,
}

impl From<Applied> for AppliedView {
    fn from(applied: Applied) -> Self {
        let change = |EntryChange { kind, workspace, key, outcome, difference }| ChangeView {
            kind,
            workspace,
            key,
            outcome,
            difference,
        };
        let drawn = |Drawn { kind, workspace, key, field, secret }: Drawn| DrawnView {
            kind,
            workspace,
            key,
            field,
            secret: secret.expose_secret().to_owned(),
        };
        Self {
            dry_run: applied.dry_run,
            unchanged: applied.unchanged,
            changes: applied.changes.into_iter().map(change).collect(),
            drawn: applied.drawn.into_iter().map(drawn).collect(),
        }
    }
}

/// What a change stands on: `?reason=…&change=CHG-1042`. Deletions have no body, so they say it in the address as well.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    /// Why, for history and audit log.
    reason: Option<String>,
    /// What it stands on, in a controlled workspace.
    #[schema(example = "CHG-1042")]
    change: Option<String>,
}

/// What a change stands on, of the reference that the caller gave.
pub(crate) fn ground(change: Option<&str>) -> Result<Ground, Error> {
    change.map_or(Ok(Ground::None), |text| ChangeReference::new(text).map(Ground::Change))
}

impl Standing {
    fn options(self) -> Answer<ApplyOptions> {
        let ground = ground(self.change.as_deref()).map_err(explained)?;
        Ok(ApplyOptions { reason: self.reason, ground })
    }

    /// Deletes an entry on it.
    pub(crate) fn delete<C: Cap>(
        &self,
        resources: &Resources,
        tx: &mut Tx<'_>,
        permit: &impl Authority<C>,
        (kind, workspace, key): (&str, Option<WorkspaceId>, &str),
    ) -> Result<Reply, Error> {
        let clearance = resources.clear(tx, permit, workspace, &ground(self.change.as_deref())?)?;
        let removal = Removal { kind, workspace, key, reason: self.reason.as_deref(), clearance: &clearance };
        resources.delete(tx, permit, removal)?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }
}

/// A file's secrets are on the machine on which it was written, which is not this one.
struct Elsewhere;

impl SecretSource for Elsewhere {
    fn file(&self, _: &str) -> Result<SecretString, SourceError> {
        Err(SourceError(String::from(
            "files are read where the file was written: apply it with 'loudhailer apply', or post JSON with {\"value\": …}",
        )))
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        self.file(name)
    }
}

/// The file, from YAML as people write it or from JSON as `loudhailer apply` sends it.
fn document(api: &Api, headers: &HeaderMap, bytes: &[u8]) -> Answer<Document> {
    let registry = api.resources.registry();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !ContentType::Yaml.matches(content_type) {
        return Document::from_wire(bytes, registry).map_err(explained);
    }
    let text = str::from_utf8(bytes).map_err(|_| {
        Refusal::new(Problem::new(ProblemKind::Invalid, "not-utf-8", "The file is not UTF-8. Save it as UTF-8."))
    })?;
    Parsed::yaml(text, registry).and_then(|parsed| parsed.resolve(&Elsewhere)).map_err(explained)
}

async fn plan(
    guard: InOrganisation<cap::ResourcesApply>,
    State(api): State<Api>,
    Query(standing): Query<Standing>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Json<AppliedView>> {
    let document = document(&api, &headers, &body)?;
    let applied = api.resources.plan(guard.permit(), document, standing.options()?).await;
    Ok(Json(applied.map_err(explained)?.into()))
}

async fn apply(
    guard: InOrganisation<cap::ResourcesApply>,
    State(api): State<Api>,
    Query(standing): Query<Standing>,
    attempt: Attempt,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Response> {
    let (document, options) = (document(&api, &headers, &body)?, standing.options()?);
    let (resources, permit) = (api.resources.clone(), guard.into_permit());
    let effect = move |tx: &mut Tx<'_>| {
        let applied = resources.apply_in(tx, &permit, &document, &options)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &AppliedView::from(applied)))
    };
    attempt.write(&api.db, explained, effect).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Exported {
    /// Only this kind; may be given several times.
    #[serde(default)]
    #[schema(required = false, example = "integrations")]
    kind: Vec<String>,
    /// Only this workspace, by its short name.
    workspace: Option<String>,
}

/// The workspace of a slug in a query, which must be there when it is named.
fn workspace(api: &Api, tx: &mut Tx<'_>, slug: Option<&str>) -> Result<Option<WorkspaceId>, Error> {
    slug.map(|slug| api.resources.workspace(tx, slug)?.ok_or(Error::NotFound)).transpose()
}

async fn export(
    guard: InOrganisation<cap::ResourcesRead>,
    State(api): State<Api>,
    Query(wanted): Query<Exported>,
) -> Answer<Response> {
    let (inner, permit, wanted) = (api.clone(), guard.into_permit(), Arc::new(wanted));
    // A write: an export leaves its entry in the audit log.
    let exported = api.db.write(move |tx| {
        let workspace = workspace(&inner, tx, wanted.workspace.as_deref())?;
        let filter = Filter { kinds: wanted.kind.clone(), workspace };
        inner.resources.export(tx, &permit, &filter)
    });
    let text = exported.await.map_err(explained)?;
    Ok(download("loudhailer.yaml", "application/yaml; charset=utf-8", text))
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    kind: String,
    name: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The entry's workspace, by its short name; left out for what belongs to the organisation.
    #[schema(example = "demo")]
    workspace: Option<String>,
}

/// One version of a history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceVersion)]
struct VersionView {
    /// The entry's id.
    #[schema(value_type = Uuid)]
    resource: ResourceId,
    /// Its number, from 1.
    version: i64,
    /// What became of the entry.
    #[schema(value_type = ChangeWord)]
    outcome: Outcome,
    /// What is different from the version before, field by field.
    #[schema(value_type = Vec<LineWord>)]
    difference: Difference,
    /// Who made it.
    actor: String,
    /// When.
    at: At,
    /// Why.
    reason: Option<String>,
    /// Its entry in the audit log.
    #[schema(value_type = Uuid)]
    audit: AuditId,
}

impl From<VersionEntry> for VersionView {
    fn from(entry: VersionEntry) -> Self {
        Self {
            resource: entry.resource,
            version: entry.version,
            outcome: entry.outcome,
            difference: entry.difference,
            actor: entry.actor,
            at: At(entry.at),
            reason: entry.reason,
            audit: entry.audit,
        }
    }
}

async fn history(
    guard: InOrganisation<cap::ResourcesRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Query(place): Query<Place>,
) -> Answer<Json<List<VersionView>>> {
    let (inner, permit) = (api.clone(), guard.into_permit());
    let entries = api.db.read(move |tx| {
        let workspace = workspace(&inner, tx, place.workspace.as_deref())?;
        inner.resources.history(tx, &permit, &named.kind, workspace, &named.name)
    });
    let entries = entries.await.map_err(explained)?;
    Ok(Json(List::whole(entries.into_iter().map(VersionView::from).collect())))
}

/// Which version to make the newest one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestoreVersion)]
struct Restore {
    /// Its number.
    version: i64,
    /// The entry's workspace, by its short name.
    #[serde(default)]
    workspace: Option<String>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// What it stands on, in a controlled workspace.
    #[serde(default)]
    change: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RestoredVersion)]
struct RestoredView {
    /// The entry's id.
    #[schema(value_type = Uuid)]
    id: ResourceId,
    /// The number of the new version.
    version: i64,
    /// What became of the entry.
    #[schema(value_type = ChangeWord)]
    outcome: Outcome,
    /// What is different from before, field by field.
    #[schema(value_type = Vec<LineWord>)]
    difference: Difference,
}

async fn restore(
    guard: InOrganisation<cap::ResourcesApply>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
    Json(wanted): Json<Restore>,
) -> Answer<Response> {
    let (inner, permit) = (api.clone(), guard.into_permit());
    let effect = move |tx: &mut Tx<'_>| {
        let written = restore_in(&inner, tx, &permit, &named, &wanted)?;
        let (id, version, outcome, difference) = (written.id, written.version, written.outcome, written.difference);
        Ok::<_, Error>(Reply::json(StatusCode::OK, &RestoredView { id, version, outcome, difference }))
    };
    attempt.write(&api.db, explained, effect).await
}

fn restore_in(
    api: &Api,
    tx: &mut Tx<'_>,
    permit: &OrganisationPermit<cap::ResourcesApply>,
    named: &Named,
    wanted: &Restore,
) -> Result<::resources::Written, Error> {
    let workspace = workspace(api, tx, wanted.workspace.as_deref())?;
    let ground = ground(wanted.change.as_deref())?;
    let clearance = api.resources.clear(tx, permit, workspace, &ground)?;
    let (kind, key, reason) = (&named.kind, &named.name, wanted.reason.as_deref());
    api.resources.restore_version(tx, permit, kind, workspace, key, wanted.version, reason, &clearance)
}
