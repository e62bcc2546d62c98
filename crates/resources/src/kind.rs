//! What a kind is: a name, a key, fields with a shape and a class, rules, and a projection.
//!
//! # How to add a kind
//! Write a body struct (`Serialize`, `Deserialize`, `#[serde(default)]` on what may be left out), list its
//! fields in a `const FIELDS`, implement [`TypedKind`], and hand `resources::typed(YourKind)` to
//! [`Registry::new`](crate::Registry::new) in the binary. The engine checks shapes, unknown fields and
//! references before [`TypedKind::validate`] sees the body; your code checks what only your room knows.

use access::{Actor, Capability};
use base::{ResourceId, SecretString, Timestamp, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Tx;
use uuid::Uuid;

use crate::check::Check;
use crate::field::Field;
use crate::secret::Secrets;
use crate::{Error, Json};

/// Where the entries of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindScope {
    /// One list for the whole installation: users, carriers, workspaces.
    Organisation,
    /// A list in each workspace: groups, flows. In a file each entry says `workspace: SLUG`; the body that a
    /// kind sees does not hold it.
    Workspace,
}

/// Something people configure. Implement [`TypedKind`] rather than this, and wrap it by [`typed`](crate::typed).
pub trait Kind: Send + Sync {
    /// The plural noun that heads its list in a file: `groups`.
    fn name(&self) -> &'static str;
    /// The field of a key that is never given to another entry.
    fn once(&self) -> Option<&'static str>;
    /// Its fields, without `workspace`. No field comes without a class.
    fn fields(&self) -> &'static [Field];
    /// Where its entries live.
    fn scope(&self) -> KindScope;
    /// The capability that writing this kind needs. A permit of it suffices; one of `ResourcesApply` counts only
    /// for actors who hold this one too, so no API key ever applies keys, users or workspaces (control E-08).
    fn capability(&self) -> Capability;
    /// The natural key of a body whose shape is right.
    fn key(&self, body: &Json) -> Result<String, Error>;
    /// Whether a body of this shape wants a drawn secret at `path`, for fields that we draw for.
    fn draws(&self, body: &Json, path: &str) -> bool;
    /// Fills in defaults, so that a body that says them and one that does not are equal.
    fn normalise(&self, body: Json) -> Result<Json, Error>;
    /// What only this room knows about a body; problems go to [`Check::problem`].
    fn validate(&self, body: &Json, check: &mut Check<'_, '_>) -> Result<(), Error>;
    /// Whether an entry may go; problems go to [`Check::problem`].
    fn validate_delete(&self, body: &Json, check: &mut Check<'_, '_>) -> Result<(), Error>;
    /// Writes the room's own tables, in the transaction of the change.
    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_>) -> Result<(), Error>;
    /// The columns of the room's own tables that hold secrets of its entries, sealed: a rotation of keys seals them anew.
    fn sealed_columns(&self) -> &'static [vault::SealedColumn];
}

/// A kind whose body is a Rust type.
pub trait TypedKind: Send + Sync + 'static {
    /// The body. Secret fields are [`Option<SecretSlot>`](crate::SecretSlot).
    type Body: Serialize + DeserializeOwned + Send + Sync;
    /// The plural noun that heads its list in a file.
    const NAME: &'static str;
    /// Where its entries live.
    const SCOPE: KindScope;
    /// Its fields, without `workspace`.
    const FIELDS: &'static [Field];
    /// The capability that writing this kind needs: `FlowsWrite`, `ApiKeysManage`.
    const CAPABILITY: Capability;

    /// The field of its natural key, for kinds whose keys are identifiers that are never given to another entry, also after
    /// deletion (control E-16): log-in names, accounts.
    const ONCE: Option<&'static str> = None;

    /// The natural key, unique (without regard to case) within kind and workspace.
    fn key(&self, body: &Self::Body) -> String;

    /// Whether a body wants a drawn secret at `path` (fields of [`Shape::token`](crate::Shape::token)) when none is
    /// given: an integration without a URL token needs none. The body has no secrets yet.
    fn draws(&self, body: &Self::Body, path: &str) -> bool {
        let _ = (body, path);
        true
    }

    /// What only this room knows about a body; problems go to [`Check::problem`].
    fn validate(&self, body: &Self::Body, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let _ = (body, check);
        Ok(())
    }

    /// Whether an entry may go; problems go to [`Check::problem`]. Referenced entries never get here.
    fn validate_delete(&self, body: &Self::Body, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let _ = (body, check);
        Ok(())
    }

    /// Writes the room's own tables, in the transaction of the change: insert or update by `change.id` when
    /// `change.new` is there, delete (or mark) when it is not.
    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Self::Body>) -> Result<(), Error>;

    /// The columns of the room's own tables that hold secrets of its entries, sealed under keys that last
    /// (`Purpose::Configuration`, `Purpose::People`). A rotation of keys seals them anew; one that is not named here would be
    /// lost with its old key.
    fn sealed_columns(&self) -> &'static [vault::SealedColumn] {
        &[]
    }
}

/// One change, as the kind's room hears of it.
pub struct Projection<'a, B = Json> {
    /// The resource's id, for ever; typed ids are made from it by [`Self::id`].
    pub resource: ResourceId,
    /// The workspace; `None` for kinds of the organisation.
    pub workspace: Option<WorkspaceId>,
    /// The natural key.
    pub key: &'a str,
    /// The version this change makes, from 1.
    pub version: i64,
    /// What it was; `None` for a new entry.
    pub old: Option<&'a B>,
    /// What it is now; `None` when it goes.
    pub new: Option<&'a B>,
    /// Who changes it.
    pub actor: &'a Actor,
    /// When.
    pub now: Timestamp,
    pub(crate) secrets: &'a Secrets,
    pub(crate) references: &'a References,
}

impl<'a, B> Projection<'a, B> {
    /// The resource's id as the id of its noun: `change.id::<GroupId>()`.
    pub fn id<I: From<Uuid>>(&self) -> I {
        I::from(self.resource.uuid())
    }

    /// The opened secret of the field at `path` ("password", "tls.key"). A secret that is kept as a hash
    /// alone is there only in the change that sets it.
    pub fn secret(&self, path: &str) -> Option<&SecretString> {
        self.secrets.value(path)
    }

    /// The token hash (HMAC under a vault key) of a secret that is kept as a hash.
    pub fn secret_hash(&self, path: &str) -> Option<[u8; 32]> {
        self.secrets.hash(path)
    }

    /// Whether the secret at `path` was drawn by us in this change.
    pub fn secret_drawn(&self, path: &str) -> bool {
        self.secrets.drawn(path)
    }

    /// Whether this change sets another value for the secret at `path`.
    pub fn secret_changed(&self, path: &str) -> bool {
        self.secrets.changed(path)
    }

    /// The id of an entry that the body refers to: `change.reference::<UserId>("users", "ada@example.com")`.
    pub fn reference<I: From<Uuid>>(&self, kind: &'static str, key: &str) -> Result<I, Error> {
        self.references.get(kind, key).map(|id| I::from(id.uuid())).ok_or(Error::NotFound)
    }

    pub(crate) fn with<C>(&self, old: Option<&'a C>, new: Option<&'a C>) -> Projection<'a, C> {
        Projection {
            resource: self.resource,
            workspace: self.workspace,
            key: self.key,
            version: self.version,
            old,
            new,
            actor: self.actor,
            now: self.now,
            secrets: self.secrets,
            references: self.references,
        }
    }
}

/// What the references of a body resolved to.
#[derive(Default)]
pub(crate) struct References(Vec<Reference>);

/// One resolved reference.
#[derive(Clone)]
pub(crate) struct Reference {
    pub kind: &'static str,
    pub key_folded: String,
    pub id: ResourceId,
    pub path: String,
}

impl References {
    pub(crate) fn push(&mut self, reference: Reference) {
        self.0.push(reference);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter()
    }

    pub(crate) fn get(&self, kind: &str, key: &str) -> Option<ResourceId> {
        let folded = crate::fold(key);
        self.0.iter().find(|one| one.kind == kind && one.key_folded == folded).map(|one| one.id)
    }
}

/// A [`TypedKind`] as a [`Kind`].
struct Typed<T>(T);

/// Wraps a typed kind for the registry.
pub fn typed<T: TypedKind>(kind: T) -> Box<dyn Kind> {
    Box::new(Typed(kind))
}

fn read<B: DeserializeOwned>(body: &Json) -> Result<B, Error> {
    B::deserialize(body).map_err(Error::body)
}

impl<T: TypedKind> Kind for Typed<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn once(&self) -> Option<&'static str> {
        T::ONCE
    }

    fn fields(&self) -> &'static [Field] {
        T::FIELDS
    }

    fn scope(&self) -> KindScope {
        T::SCOPE
    }

    fn capability(&self) -> Capability {
        T::CAPABILITY
    }

    fn key(&self, body: &Json) -> Result<String, Error> {
        Ok(self.0.key(&read(body)?))
    }

    fn draws(&self, body: &Json, path: &str) -> bool {
        // A body that cannot be read is refused further on, with its reason.
        read(body).is_ok_and(|body| self.0.draws(&body, path))
    }

    fn normalise(&self, body: Json) -> Result<Json, Error> {
        let typed: T::Body = read(&body)?;
        serde_json::to_value(&typed).map_err(Error::body)
    }

    fn validate(&self, body: &Json, check: &mut Check<'_, '_>) -> Result<(), Error> {
        self.0.validate(&read(body)?, check)
    }

    fn validate_delete(&self, body: &Json, check: &mut Check<'_, '_>) -> Result<(), Error> {
        self.0.validate_delete(&read(body)?, check)
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_>) -> Result<(), Error> {
        let old: Option<T::Body> = change.old.map(read).transpose()?;
        let new: Option<T::Body> = change.new.map(read).transpose()?;
        self.0.project(tx, &change.with(old.as_ref(), new.as_ref()))
    }

    fn sealed_columns(&self) -> &'static [vault::SealedColumn] {
        self.0.sealed_columns()
    }
}
