//! What is asked of the writer, and what it answers.

use std::fmt;

use base::{AuditId, ResourceId, SecretString, Timestamp, WorkspaceId};
use serde::Serialize;

use crate::Json;
use crate::clearance::{Clearance, Ground};
use crate::difference::Difference;
use crate::secret::Draft;

/// One entry to create or to change; which of the two, its natural key decides.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The kind, `groups`.
    pub kind: &'a str,
    /// The workspace; `None` for kinds of the organisation.
    pub workspace: Option<WorkspaceId>,
    /// The whole body: what it does not say gets its default.
    pub body: Draft,
    /// Why, for history and audit log.
    pub reason: Option<&'a str>,
    /// The proof that the change may reach the workspace.
    pub clearance: &'a Clearance,
}

/// One entry to delete.
#[derive(Clone)]
pub struct Removal<'a> {
    /// The kind.
    pub kind: &'a str,
    /// The workspace; `None` for kinds of the organisation.
    pub workspace: Option<WorkspaceId>,
    /// The natural key, in any case.
    pub key: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// The proof that the change may reach the workspace.
    pub clearance: &'a Clearance,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new entry.
    Created,
    /// A new version.
    Updated,
    /// Nothing: it was so already.
    Unchanged,
    /// Gone; its history stays and its id is never used again (control E-16).
    Deleted,
}

impl Outcome {
    /// The word in the store and on the terminal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "created" => Self::Created,
            "deleted" => Self::Deleted,
            "unchanged" => Self::Unchanged,
            _ => Self::Updated,
        }
    }
}

/// A secret that we drew. Shown once, to whoever asked for it, and kept as a hash.
#[derive(Clone)]
pub struct Drawn {
    /// The kind.
    pub kind: &'static str,
    /// The slug of the workspace.
    pub workspace: Option<String>,
    /// The natural key.
    pub key: String,
    /// The field.
    pub field: String,
    /// The secret.
    pub secret: SecretString,
}

/// The writer's answer to one change.
#[derive(Clone, Debug)]
pub struct Written {
    /// The entry's id.
    pub id: ResourceId,
    /// The version that is current now.
    pub version: i64,
    /// What the change came to.
    pub outcome: Outcome,
    /// What is different, without secrets.
    pub difference: Difference,
    /// Secrets we drew for it.
    pub drawn: Vec<Drawn>,
}

/// A stored entry. Secrets are sealed or hashed leaves in it: use [`crate::Resources::redacted`] before showing it.
#[derive(Clone)]
pub struct Stored {
    /// The id.
    pub id: ResourceId,
    /// The kind.
    pub kind: &'static str,
    /// The workspace.
    pub workspace: Option<WorkspaceId>,
    /// The natural key, as written.
    pub key: String,
    /// The current version.
    pub version: i64,
    /// The body, with defaults filled in and secrets as opaque leaves.
    pub body: Json,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One version in an entry's history.
#[derive(Clone, Debug, Serialize)]
pub struct VersionEntry {
    /// The entry's id; a name that was deleted and came back has another one.
    pub resource: ResourceId,
    /// The version, from 1.
    pub version: i64,
    /// What happened.
    pub outcome: Outcome,
    /// What was different from the version before.
    pub difference: Difference,
    /// Who, as a name.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// The audit entry of the change.
    pub audit: AuditId,
}

/// What an apply stands on and says.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Why, for history and audit log.
    pub reason: Option<String>,
    /// The change reference or emergency for controlled workspaces.
    pub ground: Ground,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self { reason: None, ground: Ground::None }
    }
}

/// One entry that an apply changed, or would change.
#[derive(Clone, Serialize)]
pub struct EntryChange {
    /// The kind.
    pub kind: &'static str,
    /// The slug of the workspace.
    pub workspace: Option<String>,
    /// The natural key.
    pub key: String,
    /// What happened.
    pub outcome: Outcome,
    /// The fields that are different.
    pub difference: Difference,
}

/// What an apply did, or a dry run would do.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The entries that changed; the unchanged ones are counted only.
    pub changes: Vec<EntryChange>,
    /// How many entries were so already.
    pub unchanged: usize,
    /// Secrets we drew. Empty in a dry run.
    pub drawn: Vec<Drawn>,
    /// Whether this was a dry run.
    pub dry_run: bool,
}

/// Which resources to export.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// These kinds; all when empty.
    pub kinds: Vec<String>,
    /// This workspace and no kinds of the organisation; everything the permit reaches when absent.
    pub workspace: Option<WorkspaceId>,
}

// `Debug` ends up in logs, and names and bodies can be personal values: it tells which, and not what.

impl fmt::Debug for Removal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal").field("kind", &self.kind).field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

impl fmt::Debug for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drawn").field("kind", &self.kind).field("field", &self.field).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EntryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryChange")
            .field("kind", &self.kind)
            .field("workspace", &self.workspace)
            .field("outcome", &self.outcome)
            .field("difference", &self.difference)
            .finish_non_exhaustive()
    }
}
