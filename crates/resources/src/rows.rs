//! The SQL of this room.

use base::{AuditId, ResourceId, Timestamp, WorkspaceId};
use store::{Row, Tx, params};

use crate::change::{Outcome, Stored, VersionEntry};
use crate::difference::Difference;
use crate::kind::References;
use crate::{Error, Json, fold};

const COLUMNS: &str = "id, workspace, name, version, body, created_at, updated_at";

/// The workspace as the column holds it: '' for the organisation.
pub(crate) fn place(workspace: Option<WorkspaceId>) -> String {
    workspace.map(|id| id.to_string()).unwrap_or_default()
}

fn json(text: &str) -> Json {
    // Written by us alone; an unreadable cell shows as an empty body rather than taking the whole list along.
    serde_json::from_str(text).unwrap_or_else(|_| {
        tracing::error!("a stored resource body is unreadable");
        Json::Null
    })
}

fn stored(kind: &'static str, row: &Row<'_>) -> Result<Stored, store::Error> {
    let workspace: String = row.get("workspace")?;
    Ok(Stored {
        id: row.get("id")?,
        kind,
        workspace: workspace.parse().ok(),
        key: row.get("name")?,
        version: row.get("version")?,
        body: json(&row.get::<String>("body")?),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Waits until nobody else changes configuration, on this node or another.
pub(crate) fn lock(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO resource_writer (only_row, changes) VALUES (1, 1) \
         ON CONFLICT (only_row) DO UPDATE SET changes = resource_writer.changes + 1",
        &[],
    )?;
    Ok(())
}

/// The live entry of that key.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    kind: &'static str,
    workspace: Option<WorkspaceId>,
    key: &str,
) -> Result<Option<Stored>, store::Error> {
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM resources WHERE kind = $1 AND workspace = $2 AND name_folded = $3 AND deleted_at IS NULL"
        ),
        &params![kind, place(workspace), fold(key)],
        |row| stored(kind, row),
    )
}

/// Whether an entry of that kind and key was deleted, in whichever workspace. Deleted entries keep their rows.
pub(crate) fn was_used(tx: &mut Tx<'_>, kind: &'static str, key: &str) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT 1 AS found FROM resources WHERE kind = $1 AND name_folded = $2 AND deleted_at IS NOT NULL LIMIT 1",
        &params![kind, fold(key)],
        |row| row.get::<i64>("found"),
    )?;
    Ok(found.is_some())
}

/// The live entry of that id.
pub(crate) fn by_id(tx: &mut Tx<'_>, kind: &'static str, id: ResourceId) -> Result<Option<Stored>, store::Error> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM resources WHERE id = $1 AND kind = $2 AND deleted_at IS NULL"),
        &params![id, kind],
        |row| stored(kind, row),
    )
}

/// All live entries of a kind in a workspace (or of the organisation), by name.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    kind: &'static str,
    workspace: Option<WorkspaceId>,
) -> Result<Vec<Stored>, store::Error> {
    tx.query(
        &format!(
            "SELECT {COLUMNS} FROM resources WHERE kind = $1 AND workspace = $2 AND deleted_at IS NULL ORDER BY name_folded"
        ),
        &params![kind, place(workspace)],
        |row| stored(kind, row),
    )
}

/// The kinds and names of what lives in a workspace, at most a few.
pub(crate) fn inhabitants(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<Vec<String>, store::Error> {
    tx.query(
        "SELECT kind, name FROM resources WHERE workspace = $1 AND deleted_at IS NULL ORDER BY kind, name_folded LIMIT 5",
        &params![workspace],
        |row| Ok(format!("{} {}", row.get::<String>("kind")?, row.get::<String>("name")?)),
    )
}

/// Makes an entry.
pub(crate) fn insert(tx: &mut Tx<'_>, one: &Stored) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO resources (id, kind, workspace, name, name_folded, version, body, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        &params![
            one.id,
            one.kind,
            place(one.workspace),
            one.key.as_str(),
            fold(&one.key),
            one.version,
            one.body.to_string(),
            one.created_at
        ],
    )?;
    Ok(())
}

/// Writes a new version over an entry; fails when another change came between.
pub(crate) fn update(tx: &mut Tx<'_>, one: &Stored) -> Result<bool, store::Error> {
    let rows = tx.execute(
        "UPDATE resources SET name = $3, version = $4, body = $5, updated_at = $6 \
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
        &params![one.id, one.version - 1, one.key.as_str(), one.version, one.body.to_string(), one.updated_at],
    )?;
    Ok(rows == 1)
}

/// Marks an entry as gone. The row stays, so that its id is never used again.
pub(crate) fn delete(tx: &mut Tx<'_>, id: ResourceId, version: i64, at: Timestamp) -> Result<bool, store::Error> {
    let rows = tx.execute(
        "UPDATE resources SET version = $2, updated_at = $3, deleted_at = $3 \
         WHERE id = $1 AND version = $4 AND deleted_at IS NULL",
        &params![id, version, at, version - 1],
    )?;
    Ok(rows == 1)
}

/// What a version row is made of.
pub(crate) struct NewVersion<'a> {
    pub resource: ResourceId,
    pub version: i64,
    pub outcome: Outcome,
    pub body: &'a Json,
    pub difference: &'a Difference,
    pub actor: &'a str,
    pub at: Timestamp,
    pub reason: Option<&'a str>,
    pub audit: AuditId,
}

/// Adds to the history.
pub(crate) fn insert_version(tx: &mut Tx<'_>, new: &NewVersion<'_>) -> Result<(), Error> {
    let difference = serde_json::to_string(new.difference).map_err(Error::body)?;
    tx.execute(
        "INSERT INTO resource_versions (resource, version, outcome, body, difference, actor, at, reason, audit) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &params![
            new.resource,
            new.version,
            new.outcome.name(),
            new.body.to_string(),
            difference,
            new.actor,
            new.at,
            new.reason,
            new.audit
        ],
    )?;
    Ok(())
}

/// The history of every entry that has or had that key, newest first.
pub(crate) fn history(
    tx: &mut Tx<'_>,
    kind: &'static str,
    workspace: Option<WorkspaceId>,
    key: &str,
) -> Result<Vec<VersionEntry>, store::Error> {
    tx.query(
        "SELECT v.resource, v.version, v.outcome, v.difference, v.actor, v.at, v.reason, v.audit \
         FROM resource_versions v JOIN resources r ON r.id = v.resource \
         WHERE r.kind = $1 AND r.workspace = $2 AND r.name_folded = $3 \
         ORDER BY r.created_at DESC, r.id DESC, v.version DESC LIMIT 1000",
        &params![kind, place(workspace), fold(key)],
        |row| {
            Ok(VersionEntry {
                resource: row.get("resource")?,
                version: row.get("version")?,
                outcome: Outcome::parse(&row.get::<String>("outcome")?),
                difference: serde_json::from_str(&row.get::<String>("difference")?).unwrap_or_default(),
                actor: row.get("actor")?,
                at: row.get("at")?,
                reason: row.get("reason")?,
                audit: row.get("audit")?,
            })
        },
    )
}

/// The body of one version.
pub(crate) fn version_body(tx: &mut Tx<'_>, id: ResourceId, version: i64) -> Result<Option<Json>, store::Error> {
    tx.query_opt(
        "SELECT body FROM resource_versions WHERE resource = $1 AND version = $2",
        &params![id, version],
        |row| Ok(json(&row.get::<String>("body")?)),
    )
}

/// Replaces the references that an entry makes.
pub(crate) fn set_references(tx: &mut Tx<'_>, from: ResourceId, references: &References) -> Result<(), store::Error> {
    tx.execute("DELETE FROM resource_references WHERE from_id = $1", &params![from])?;
    for reference in references.iter() {
        tx.execute(
            "INSERT INTO resource_references (from_id, path, to_id) VALUES ($1, $2, $3)",
            &params![from, reference.path.as_str(), reference.id],
        )?;
    }
    Ok(())
}

/// What refers to an entry, other than itself: "groups ops (members[0].user)", with the workspace's slug in front.
pub(crate) fn referrers(tx: &mut Tx<'_>, id: ResourceId) -> Result<Vec<String>, store::Error> {
    tx.query(
        "SELECT r.kind, r.name, f.path, w.name AS slug FROM resource_references f \
         JOIN resources r ON r.id = f.from_id LEFT JOIN resources w ON w.id = r.workspace \
         WHERE f.to_id = $1 AND f.from_id <> $1 AND r.deleted_at IS NULL \
         ORDER BY r.kind, r.name_folded, f.path LIMIT 10",
        &params![id],
        |row| {
            let slug = row.get::<Option<String>>("slug")?.map(|slug| format!("{slug}/")).unwrap_or_default();
            let (kind, name): (String, String) = (row.get("kind")?, row.get("name")?);
            Ok(format!("{kind} {slug}{name} ({})", row.get::<String>("path")?))
        },
    )
}

/// The ids and names of the entries of a kind in a workspace, for rooms that show whose they are and nothing of what they hold.
pub fn named_entries(
    tx: &mut Tx<'_>,
    kind: &str,
    workspace: WorkspaceId,
) -> Result<Vec<(ResourceId, String)>, store::Error> {
    tx.query(
        "SELECT id, name FROM resources WHERE kind = $1 AND workspace = $2 AND deleted_at IS NULL ORDER BY name_folded",
        &params![kind, place(Some(workspace))],
        |row| Ok((row.get("id")?, row.get("name")?)),
    )
}

/// The keys of a kind, for the nearest neighbour of a reference that leads nowhere.
pub(crate) fn keys(tx: &mut Tx<'_>, kind: &str, workspace: Option<WorkspaceId>) -> Result<Vec<String>, store::Error> {
    tx.query(
        "SELECT name FROM resources WHERE kind = $1 AND workspace = $2 AND deleted_at IS NULL ORDER BY name_folded LIMIT 1000",
        &params![kind, place(workspace)],
        |row| row.get("name"),
    )
}
