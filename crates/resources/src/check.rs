//! What a kind's validation is handed: the entry's surroundings, and a place for problems.

use std::borrow::Cow;

use access::{Actor, Capabilities, Principal, Rights};
use base::{Problem, ProblemKind, ResourceId, SecretString, Timestamp, WorkspaceId};
use store::Tx;
use uuid::Uuid;

use crate::kind::References;
use crate::secret::Secrets;

/// The surroundings of one entry under validation. Shapes, unknown fields and references are checked already.
pub struct Check<'c, 't> {
    pub(crate) tx: &'c mut Tx<'t>,
    pub(crate) resource: ResourceId,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) is_new: bool,
    pub(crate) actor: &'c Actor,
    pub(crate) rights: &'c Rights,
    pub(crate) now: Timestamp,
    pub(crate) secrets: &'c Secrets,
    pub(crate) references: &'c References,
    pub(crate) problems: Vec<Problem>,
}

impl<'t> Check<'_, 't> {
    /// The transaction of the change, for looking things up.
    pub fn tx(&mut self) -> &mut Tx<'t> {
        self.tx
    }

    /// The entry's id as the id of its noun.
    pub fn id<I: From<Uuid>>(&self) -> I {
        I::from(self.resource.uuid())
    }

    /// The entry's workspace.
    pub const fn workspace(&self) -> Option<WorkspaceId> {
        self.workspace
    }

    /// Whether the entry is being created.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Who changes it.
    pub const fn actor(&self) -> &Actor {
        self.actor
    }

    /// What whoever changes it may do where the entry lives, to every entry there.
    pub fn held(&self) -> Capabilities {
        self.rights.unbounded()
    }

    /// What of `wanted` whoever changes it does not hold themselves and so gives to nobody. The product's own work does what
    /// was configured by somebody who could.
    pub fn beyond(&self, wanted: Capabilities) -> Capabilities {
        match self.actor.principal {
            Principal::Engine(_) => Capabilities::NONE,
            _ => wanted.without(self.held()),
        }
    }

    /// When.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The opened secret at `path`; of a hashed one only a newly given value.
    pub fn secret(&self, path: &str) -> Option<&SecretString> {
        self.secrets.value(path)
    }

    /// Whether this change sets another value for the secret at `path`.
    pub fn secret_changed(&self, path: &str) -> bool {
        self.secrets.changed(path)
    }

    /// The id of an entry that the body refers to.
    pub fn reference<I: From<Uuid>>(&self, kind: &'static str, key: &str) -> Option<I> {
        self.references.get(kind, key).map(|id| I::from(id.uuid()))
    }

    /// Notes that the field at `path` ("members[2].delay_seconds", "" for the entry as a whole) is wrong. `detail`
    /// says what is wrong and what to do, without secret values.
    pub fn problem(
        &mut self,
        path: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.problems.push(Problem::new(ProblemKind::Invalid, code, detail).at(path));
    }
}
